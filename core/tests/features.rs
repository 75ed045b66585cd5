//! What lists, completions, caches, gateways and hosts are told beside the components themselves.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::time::Duration;

use common::Stage;
use edgemcp::{
    CacheHint, Completion, Completions, ProtocolVersion, Server,
    apps::{Page, Permission, ToolUi, Visibility},
    auth::{Principal, StaticTokens},
    limits::{COMPLETION_VALUES_MAX, MEMBERS_MAX},
    prelude::*,
};
use http::StatusCode;
use serde_json::{Value, json};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Trip {
    city: String,
    country: Option<String>,
    #[allow(dead_code, reason = "nothing completes it")]
    days: Option<u8>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct City {
    city: String,
}

fn trips() -> Server {
    Server::new("trips", "1")
        .prompt(Prompt::new("trip", "Plan a trip.", |_, Trip { city, .. }| async move { city }))
        .resource(Resource::new("city://{city}/map", "map", |_, City { city }| async move { city }))
        .completion(Completion::prompt("trip", "city", |_, Trip { city, country, .. }| async move {
            let known = match country.as_deref() {
                Some("France") => vec!["Paris", "Lyon"],
                _ => vec!["Berlin", "Bern", "Paris"],
            };
            known.into_iter().filter(|name| name.starts_with(&city)).collect::<Vec<_>>()
        }))
        .completion(Completion::resource("city://{city}/map", "city", |_, City { city }| async move {
            match city.as_str() {
                "fail" => Err(Error::invalid_params("no city begins so")),
                _ => Ok(Completions::new((0..250).map(|number| format!("{city}{number}")))),
            }
        }))
}

fn complete(reference: Value, argument: &str, value: &str, context: Value) -> Value {
    let mut params = json!({"ref": reference, "argument": {"name": argument, "value": value}});
    if !context.is_null() {
        params["context"] = json!({"arguments": context});
    }
    params
}

fn prompt(name: &str) -> Value {
    json!({"type": "ref/prompt", "name": name})
}

#[test]
fn a_completion_knows_what_is_typed_and_what_was_chosen_before() {
    let stage = Stage::new(trips());
    let of = |value, context| complete(prompt("trip"), "city", value, context);
    for (params, values) in [
        (of("Ber", Value::Null), json!(["Berlin", "Bern"])),
        (of("", json!({"country": "France"})), json!(["Paris", "Lyon"])),
        // What the context says of the argument itself is older than what is typed.
        (of("Ly", json!({"country": "France", "city": "Paris"})), json!(["Lyon"])),
        (of("Zzz", Value::Null), json!([])),
    ] {
        for (version, answer) in stage.everywhere("completion/complete", params.clone()) {
            let completion = &answer.json["result"]["completion"];
            assert_eq!(completion["values"], values, "{version:?} {params}");
            assert_eq!(completion["hasMore"], false);
        }
    }
}

#[test]
fn a_completion_offers_a_hundred_values_at_most() {
    let stage = Stage::new(trips());
    let reference = json!({"type": "ref/resource", "uri": "city://{city}/map"});
    let answer = stage.modern("completion/complete", complete(reference, "city", "x", Value::Null));
    let completion = &answer.json["result"]["completion"];
    assert_eq!(completion["values"].as_array().unwrap().len(), COMPLETION_VALUES_MAX);
    assert_eq!((&completion["total"], &completion["hasMore"]), (&json!(250), &json!(true)));
    assert_eq!(answer.json["result"]["resultType"], "complete");
}

#[test]
fn what_nobody_completes_has_no_values_and_what_there_is_not_is_refused() {
    let stage = Stage::new(trips());
    let answers = stage.everywhere("completion/complete", complete(prompt("trip"), "days", "3", Value::Null));
    for (_, answer) in answers {
        assert_eq!(answer.json["result"]["completion"]["values"], json!([]));
    }
    let map = json!({"type": "ref/resource", "uri": "city://{city}/map"});
    for (params, says) in [
        (complete(prompt("journey"), "city", "", Value::Null), "there is no prompt \"journey\""),
        (complete(prompt("trip"), "town", "", Value::Null), "\"trip\" has no argument \"town\""),
        (complete(map.clone(), "country", "", Value::Null), "has no argument \"country\""),
        (complete(map, "city", "fail", Value::Null), "no city begins so"),
        (complete(json!({"type": "ref/tool", "name": "x"}), "a", "", Value::Null), "`ref` must be"),
        (json!({"ref": prompt("trip")}), "`params` must have `argument`"),
        (complete(prompt("trip"), "city", "", json!({"days": "many"})), "invalid argument `days`"),
    ] {
        for (version, answer) in stage.everywhere("completion/complete", params.clone()) {
            assert_eq!(answer.code(), Some(-32602), "{version:?} {params} {answer:?}");
            assert!(answer.message().contains(says), "{says}: {}", answer.message());
        }
    }
}

#[test]
fn completions_are_announced_where_there_are_any() {
    let with = Stage::new(trips()).modern("server/discover", json!({}));
    assert_eq!(with.json["result"]["capabilities"]["completions"], json!({}));
    let stage = Stage::new(common::server());
    let without = stage.modern("server/discover", json!({}));
    assert!(without.json["result"]["capabilities"].get("completions").is_none());
    for (version, answer) in
        stage.everywhere("completion/complete", complete(prompt("greet"), "name", "", Value::Null))
    {
        assert_eq!(answer.code(), Some(-32601), "{version:?}");
    }
}

#[test]
fn a_completion_of_what_there_is_not_cannot_be_served() {
    let completion = |name: &'static str, argument: &'static str| {
        Completion::prompt(name, argument, |_, City { city }| async move { vec![city] })
    };
    for (completion, says) in [
        (completion("journey", "city"), "which this server does not have"),
        (completion("trip", "town"), "has no such argument (it has city, country, days)"),
        (completion("trip", "city"), "two completions"),
    ] {
        let error = trips().completion(completion).build().unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// A server with five tools, two to a page.
fn paged() -> Server {
    let tool = |name: &'static str| Tool::new(name, "A tool.", |_, _: NoArguments| async {});
    ["a", "b", "c", "d", "e"]
        .into_iter()
        .map(tool)
        .fold(Server::new("paged", "1"), Server::tool)
        .list_page_size(2)
}

#[test]
fn a_long_list_comes_in_pages_and_any_instance_goes_on() {
    let (stage, names) = (Stage::new(paged()), |page: &Value| -> Vec<String> {
        let tools = page["tools"].as_array().unwrap();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    });
    for version in ProtocolVersion::ALL {
        let list = |stage: &Stage, params: Value| match version {
            ProtocolVersion::V2026_07_28 => stage.modern("tools/list", params),
            version => stage.legacy(version, "tools/list", params),
        };
        let (mut all, mut params, mut pages) = (Vec::new(), json!({}), 0);
        loop {
            let page = list(&stage.beside(paged()), params).json["result"].take();
            all.extend(names(&page));
            pages += 1;
            match page.get("nextCursor") {
                Some(cursor) => params = json!({"cursor": cursor}),
                None => break,
            }
        }
        assert_eq!((all.join(""), pages), ("abcde".to_owned(), 3), "{version:?}");
    }
}

#[test]
fn a_cursor_of_another_list_or_of_none_is_refused() {
    let stage = Stage::new(paged());
    let first = stage.modern("tools/list", json!({}));
    let cursor = first.json["result"]["nextCursor"].as_str().unwrap().to_owned();
    let refused = |stage: &Stage, method: &str, cursor: &str| {
        for (version, answer) in stage.everywhere(method, json!({"cursor": cursor})) {
            assert_eq!(answer.code(), Some(-32602), "{version:?} {cursor}");
            assert!(answer.message().contains("start without one"));
        }
    };
    refused(&stage, "tools/list", "");
    refused(&stage, "tools/list", "page 2");
    refused(&stage, "tools/list", cursor.get(1..).unwrap());
    let mut swapped = cursor.clone().into_bytes();
    *swapped.last_mut().unwrap() ^= 1;
    refused(&stage, "tools/list", std::str::from_utf8(&swapped).unwrap());
    // The list is another one now.
    let more = Tool::new("f", "A tool.", |_, _: NoArguments| async {});
    refused(&stage.beside(paged().tool(more)), "tools/list", &cursor);
    refused(&stage.beside(common::server()), "tools/list", &cursor);
    refused(&stage.beside(common::server()), "prompts/list", &cursor);
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Place {
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
    #[schemars(extend("x-mcp-header" = "Count"))]
    count: Option<i64>,
}

fn routed() -> Stage {
    Stage::new(Server::new("routed", "1").tool(Tool::new(
        "place",
        "Place something.",
        |_, Place { region, count }| async move { format!("{region} {count:?}") },
    )))
}

#[test]
fn a_gateway_can_trust_the_headers_that_repeat_arguments() {
    let stage = routed();
    let call = |arguments: Value, headers: &[(&str, &str)]| {
        let (body, mine) = common::modern("tools/call", json!({"name": "place", "arguments": arguments}));
        let mut all: Vec<_> = mine.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend(headers);
        stage.post(body.to_string(), &all)
    };
    let good =
        call(json!({"region": "eu", "count": 3}), &[("mcp-param-region", "eu"), ("mcp-param-count", "3")]);
    assert_eq!(good.message(), "eu Some(3)");
    let none = call(json!({"region": "=?base64?"}), &[("mcp-param-region", "=?base64?PT9iYXNlNjQ/?=")]);
    assert_eq!(none.message(), "=?base64? None");
    for (arguments, headers, says) in [
        (json!({"region": "eu"}), &[][..], "`Mcp-Param-Region` is missing; the argument `region` is \"eu\""),
        (json!({"region": "eu"}), &[("mcp-param-region", "us")], "is \"us\" but the argument `region` is"),
        (
            json!({"region": "eu"}),
            &[("mcp-param-region", "eu"), ("mcp-param-count", "1")],
            "is \"1\" but the argument `count` is not there",
        ),
        (json!({"region": "eu"}), &[("mcp-param-region", "=?base64?!?=")], "which is no base64"),
        (
            json!({"region": "eu"}),
            &[("mcp-param-region", "eu"), ("mcp-param-region", "eu")],
            "stands there twice",
        ),
    ] {
        let answer = call(arguments, headers);
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, Some(-32020)), "{answer:?}");
        assert!(answer.message().contains(says), "{says}: {}", answer.message());
    }
    // Behind however many others an argument is still there.
    let mut many: serde_json::Map<_, _> = (0..=MEMBERS_MAX).map(|n| (format!("more{n}"), json!(n))).collect();
    many.insert("region".to_owned(), json!("us"));
    assert_eq!(call(Value::Object(many.clone()), &[]).code(), Some(-32020));
    assert_eq!(call(Value::Object(many), &[("mcp-param-region", "us")]).message(), "us None");
}

#[test]
fn clients_before_there_were_such_headers_need_none() {
    let stage = routed();
    let params = json!({"name": "place", "arguments": {"region": "eu"}});
    let answer = stage.legacy(ProtocolVersion::V2025_11_25, "tools/call", params);
    assert_eq!(answer.message(), "eu None");
    let listed = stage.modern("tools/list", json!({}));
    let schema = &listed.json["result"]["tools"][0]["inputSchema"]["properties"]["region"];
    assert_eq!(schema["x-mcp-header"], "Region");
}

#[test]
fn a_header_that_clients_would_refuse_the_tool_for_is_found_when_the_server_is_built() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[allow(dead_code, reason = "it stands for its schema")]
    struct Bad {
        #[schemars(extend("x-mcp-header" = "Two Words"))]
        one: String,
        #[schemars(extend("x-mcp-header" = "Weight"))]
        weight: f64,
    }
    let tool = Tool::new("bad", "Bad.", |_, _: Bad| async {});
    let error = Server::new("bad", "1").tool(tool).build().unwrap_err();
    assert_eq!(error.problems().len(), 2, "{error}");
    assert!(error.to_string().contains("argument `weight` cannot be repeated in a header"), "{error}");
}

#[test]
fn modern_clients_are_told_how_long_a_resource_is_good() {
    let text = |uri: &'static str| Resource::new(uri, "text", |_, _: NoArguments| async { "text" });
    let server = || {
        Server::new("cached", "1")
            .resource(text("data://plain"))
            .resource(text("data://rates").cache(CacheHint::public(Duration::from_secs(60))))
            .resource(text("data://mine").cache(CacheHint::private(Duration::from_millis(1500))))
    };
    let stage = Stage::new(server());
    for (uri, ttl, scope) in
        [("data://plain", 0, "private"), ("data://rates", 60_000, "public"), ("data://mine", 1500, "private")]
    {
        for (version, answer) in stage.everywhere("resources/read", json!({"uri": uri})) {
            let result = &answer.json["result"];
            match version {
                ProtocolVersion::V2026_07_28 => {
                    assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(ttl), &json!(scope)));
                }
                _ => assert!(result.get("ttlMs").is_none() && result.get("cacheScope").is_none()),
            }
        }
    }
    // What one principal may list another may not.
    let guarded = server().verifier(StaticTokens::new().token("ada", Principal::new("ada")));
    let listed = Stage::new(guarded).modern_as(Some("ada"), "resources/list", json!({}));
    assert_eq!(listed.json["result"]["cacheScope"], "private");
    assert_eq!(stage.modern("resources/list", json!({})).json["result"]["cacheScope"], "public");
}

fn dice() -> Server {
    let page = Resource::new("ui://dice/page", "dice", |_, _: NoArguments| async { "<!doctype html>" })
        .page(
            Page::new()
                .connect_domain("https://dice.example")
                .permission(Permission::ClipboardWrite)
                .prefers_border(true),
        )
        .meta("com.example/kind", "game");
    let roll = Tool::new("roll", "Roll.", |_, _: NoArguments| async {
        ToolOutput::new().content("6").meta("com.example/cost", 1)
    })
    .ui(ToolUi::new("ui://dice/page").visible_to(Visibility::App));
    Server::new("dice", "1").resource(page).tool(roll)
}

#[test]
fn a_tool_names_its_page_and_the_page_says_how_it_is_shown() {
    let stage = Stage::new(dice());
    let ui = json!({
        "csp": {"connectDomains": ["https://dice.example"]},
        "permissions": {"clipboardWrite": {}},
        "prefersBorder": true,
    });
    for (version, answer) in stage.everywhere("tools/list", json!({})) {
        let meta = &answer.json["result"]["tools"][0]["_meta"];
        assert_eq!(
            meta["ui"],
            json!({"resourceUri": "ui://dice/page", "visibility": ["app"]}),
            "{version:?}"
        );
        assert_eq!(meta["ui/resourceUri"], "ui://dice/page");
    }
    for (version, answer) in stage.everywhere("resources/list", json!({})) {
        let resource = &answer.json["result"]["resources"][0];
        assert_eq!(resource["mimeType"], "text/html;profile=mcp-app", "{version:?}");
        assert_eq!(resource["_meta"], json!({"ui": ui, "com.example/kind": "game"}));
    }
    for (version, answer) in stage.everywhere("resources/read", json!({"uri": "ui://dice/page"})) {
        let contents = &answer.json["result"]["contents"][0];
        assert_eq!(contents["mimeType"], "text/html;profile=mcp-app", "{version:?}");
        assert_eq!(contents["_meta"]["ui"], ui);
    }
    for (version, answer) in stage.everywhere("tools/call", json!({"name": "roll"})) {
        assert_eq!(answer.json["result"]["_meta"]["com.example/cost"], 1, "{version:?}");
    }
    let discovered = stage.modern("server/discover", json!({}));
    let extensions = &discovered.json["result"]["capabilities"]["extensions"];
    assert_eq!(extensions["io.modelcontextprotocol/ui"], json!({}));
}

#[test]
fn a_page_that_no_host_could_read_is_found_when_the_server_is_built() {
    let tool = |uri: &'static str| Tool::new("roll", "Roll.", |_, _: NoArguments| async { 6 }).ui(uri);
    let page = Resource::new("data://page", "page", |_, _: NoArguments| async { "" }).page(Page::new());
    for (server, says) in [
        (Server::new("dice", "1").tool(tool("https://dice.example")), "its URI must start with `ui://`"),
        (Server::new("dice", "1").tool(tool("ui://dice")), "which this server has no resource for"),
        (Server::new("dice", "1").resource(page), "only a `ui://` URI is one"),
    ] {
        let error = server.build().unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_completion_cannot_wait_for_its_client() {
    let server = Server::new("trips", "1")
        .prompt(Prompt::new("trip", "Plan a trip.", |_, Trip { city, .. }| async move { city }))
        .completion(Completion::prompt("trip", "city", |cx: Context, _: City| async move {
            cx.close_stream().await;
            vec![match cx.elicit::<bool>("Sure?").await {
                Ok(sure) => sure.to_string(),
                Err(why) => why.to_string(),
            }]
        }));
    let stage = Stage::new(server);
    let mut params = complete(prompt("trip"), "city", "x", Value::Null);
    params["_meta"] = json!({"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}});
    let (body, headers) = common::modern("completion/complete", params);
    let mut request = http::Request::post("/mcp").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let reading = common::live::Reading::of(&stage, request.body(body.to_string().into()).unwrap());
    assert!(reading.response.is_some(), "it hangs");
    assert!(reading.text.contains("a completion asks nothing"), "{}", reading.text);
}
