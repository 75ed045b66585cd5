//! A catalogue that is too large to be listed is searched, and what is found is called.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{
    borrow::Cow,
    cell::RefCell,
    sync::{Arc, Mutex},
};

use common::{Answer, Stage};
use edgemcp::{
    Server,
    auth::{Principal, Requirement, StaticTokens},
    compose::{Live, Mount},
    limits::SEARCH_CHARS_MAX,
    middleware::{self, ResponseCaching},
    prelude::*,
    transform::{ArgTransform, BM25Search, Filter, ToolTransform},
};
use serde_json::{Value, json, value::RawValue};

/// Tools as servers have them: a name, what it says of itself, and the names of its arguments.
const CATALOGUE: &[(&str, &str, &[&str])] = &[
    (
        "github_create_issue",
        "Open a new issue in a repository.",
        &["owner", "repo", "title", "body", "labels"],
    ),
    ("github_list_issues", "List issues of a repository, newest first.", &["owner", "repo", "state"]),
    ("github_close_issue", "Close an issue.", &["owner", "repo", "number"]),
    ("github_create_pull_request", "Open a pull request from a branch.", &["owner", "repo", "head", "base"]),
    ("github_merge_pull_request", "Merge a pull request.", &["owner", "repo", "number", "method"]),
    ("github_search_code", "Search code across repositories.", &["query", "language"]),
    (
        "github_get_file_contents",
        "Get the contents of a file in a repository.",
        &["owner", "repo", "path", "ref"],
    ),
    ("github_list_commits", "List commits of a branch.", &["owner", "repo", "sha"]),
    ("slack_post_message", "Post a message to a channel.", &["channel", "text", "thread_ts"]),
    ("slack_list_channels", "List public channels of the workspace.", &["limit", "cursor"]),
    ("slack_add_reaction", "Add an emoji reaction to a message.", &["channel", "timestamp", "emoji"]),
    ("slack_get_user_profile", "Get a person's profile.", &["user_id"]),
    (
        "gmail_send_email",
        "Send an e-mail, with attachments.",
        &["to", "cc", "subject", "body", "attachments"],
    ),
    ("gmail_search_messages", "Search the mailbox.", &["query", "max_results"]),
    ("gmail_create_draft", "Save an e-mail as a draft.", &["to", "subject", "body"]),
    ("gmail_trash_message", "Move a message to the bin.", &["message_id"]),
    (
        "calendar_create_event",
        "Put a meeting into the calendar and invite people.",
        &["title", "start", "end", "attendees"],
    ),
    ("calendar_list_events", "List what is planned between two dates.", &["from", "until"]),
    ("calendar_delete_event", "Cancel a meeting.", &["event_id"]),
    (
        "calendar_find_free_slot",
        "Find a time when all attendees are free.",
        &["attendees", "duration_minutes"],
    ),
    ("drive_upload_file", "Upload a file to a folder.", &["folder_id", "name", "content"]),
    ("drive_share_file", "Share a file with somebody.", &["file_id", "email", "role"]),
    ("drive_search_files", "Find files by name or content.", &["query"]),
    ("fs_read_file", "Read a file of the local disk.", &["path"]),
    ("fs_write_file", "Write a file to the local disk.", &["path", "content"]),
    ("fs_list_directory", "List the entries of a directory.", &["path"]),
    ("fs_delete_file", "Remove a file from the local disk.", &["path"]),
    ("postgres_run_query", "Run a read-only SQL query against the database.", &["sql", "parameters"]),
    ("postgres_describe_table", "Describe columns and indexes of a table.", &["schema", "table"]),
    ("postgres_list_tables", "List tables of a schema.", &["schema"]),
    ("stripe_create_invoice", "Create an invoice for a customer.", &["customer", "items", "due_date"]),
    ("stripe_refund_payment", "Give back the money of a charge.", &["charge_id", "amount", "reason"]),
    ("stripe_list_subscriptions", "List subscriptions of a customer.", &["customer", "status"]),
    ("stripe_create_customer", "Add a customer.", &["name", "email"]),
    ("weather_get_forecast", "Forecast of temperature, rain and wind.", &["city", "days"]),
    ("weather_get_alerts", "Storm and flood warnings in force.", &["region"]),
    (
        "maps_get_directions",
        "Directions from one place to another, by car or on foot.",
        &["origin", "destination", "mode"],
    ),
    ("maps_geocode", "Coordinates of an address.", &["address"]),
    ("jira_create_ticket", "Create a ticket in a project.", &["project", "summary", "priority"]),
    ("jira_transition_ticket", "Move a ticket to another status.", &["key", "status"]),
    ("jira_add_comment", "Comment on a ticket.", &["key", "comment"]),
    ("k8s_get_pod_logs", "Logs of a container in a pod.", &["namespace", "pod", "container", "tail"]),
    (
        "k8s_scale_deployment",
        "Set how many replicas of a deployment run.",
        &["namespace", "deployment", "replicas"],
    ),
    ("k8s_restart_deployment", "Restart all pods of a deployment.", &["namespace", "deployment"]),
    ("aws_list_s3_buckets", "List buckets of the account.", &[]),
    ("awsGetS3Object", "Download an object out of a bucket.", &["bucket", "key"]),
    ("aws_invoke_lambda", "Invoke a function.", &["function_name", "payload"]),
    ("translate_text", "Translate a text into another language.", &["text", "target_language"]),
    ("convert_currency", "Convert an amount of money at today's rate.", &["amount", "from", "to"]),
    ("generate_image", "Paint a picture from a description.", &["prompt", "size"]),
    ("transcribe_audio", "Turn speech into text.", &["url", "language"]),
    ("summarize_document", "Summarize a long document.", &["url", "words"]),
    ("spotify_play_track", "Play a song.", &["track_id", "device"]),
    ("home_set_thermostat", "Set the heating of a room.", &["room", "celsius"]),
    ("home_lock_door", "Lock a door of the house.", &["door"]),
    ("find_flights", "查询两个城市之间的航班。", &["from", "to"]),
];

/// What people ask for, and what they should be given first.
const QUERIES: &[(&str, &str)] = &[
    ("open an issue on github", "github_create_issue"),
    ("github_merge_pull_request", "github_merge_pull_request"),
    ("merging pull requests", "github_merge_pull_request"),
    ("search the code of repositories", "github_search_code"),
    ("post message to slack channel", "slack_post_message"),
    ("react with an emoji", "slack_add_reaction"),
    ("send emails", "gmail_send_email"),
    ("save draft", "gmail_create_draft"),
    ("schedule a meeting with attendees", "calendar_create_event"),
    ("cancel meeting", "calendar_delete_event"),
    ("when is everybody free", "calendar_find_free_slot"),
    ("share a file with a colleague", "drive_share_file"),
    ("delete file from disk", "fs_delete_file"),
    ("run SQL", "postgres_run_query"),
    ("columns of a table", "postgres_describe_table"),
    ("refunding a charge", "stripe_refund_payment"),
    ("new invoices for a customer", "stripe_create_invoice"),
    ("will it rain tomorrow: weather forecast", "weather_get_forecast"),
    ("storm warning", "weather_get_alerts"),
    ("walking directions", "maps_get_directions"),
    ("coordinates of an address", "maps_geocode"),
    ("change the status of a jira ticket", "jira_transition_ticket"),
    ("container logs", "k8s_get_pod_logs"),
    ("scale replicas", "k8s_scale_deployment"),
    ("restarting a deployment", "k8s_restart_deployment"),
    ("get s3 object", "awsGetS3Object"),
    ("list buckets", "aws_list_s3_buckets"),
    ("translation", "translate_text"),
    ("exchange rate of currencies", "convert_currency"),
    ("speech to text", "transcribe_audio"),
    ("summary of a document", "summarize_document"),
    ("play a song", "spotify_play_track"),
    ("lock the door", "home_lock_door"),
    ("target_language", "translate_text"),
    ("航班", "find_flights"),
];

thread_local! {
    static SCHEMA: RefCell<Value> = const { RefCell::new(Value::Null) };
}

/// Any arguments, with the schema that was said last.
#[derive(serde::Deserialize)]
struct Any(Value);

impl schemars::JsonSchema for Any {
    fn schema_name() -> Cow<'static, str> {
        "Any".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        SCHEMA.take().try_into().unwrap()
    }
}

/// A tool that gives its name and its arguments back.
fn tool(name: impl Into<String>, description: impl Into<String>, arguments: &[&str]) -> Tool {
    let name = name.into();
    let properties = arguments.iter().map(|name| ((*name).to_owned(), json!({"type": "string"})));
    SCHEMA.set(json!({"type": "object", "properties": Value::Object(properties.collect())}));
    Tool::new(name.clone(), description.into(), move |_, Any(arguments)| {
        let said = format!("{name} {arguments}");
        async move { said }
    })
}

fn catalogue() -> Vec<Tool> {
    CATALOGUE.iter().map(|(name, description, arguments)| tool(*name, *description, arguments)).collect()
}

/// So many more tools, which share words with those that are looked for.
fn others(count: usize) -> Vec<Tool> {
    let verbs = ["create", "list", "get", "delete", "update", "send", "search", "share", "run", "move"];
    let things =
        ["contract", "vendor", "asset", "badge", "shift", "survey", "lead", "parcel", "recipe", "ward"];
    let systems = ["erp", "crm", "hr", "wms", "lab", "clinic", "school", "farm", "fleet", "museum"];
    let made = (0..count).map(|at| {
        let (verb, thing, system) = (verbs[at % 10], things[at / 10 % 10], systems[at / 100 % 10]);
        let name = format!("{system}{}_{verb}_{thing}", at / 1000);
        let description = format!(
            "{verb} a {thing} of the {system}, by its number and its state, with a file or a message."
        );
        tool(name, description, &["number", "state", "owner", "query"])
    });
    made.collect()
}

fn server(tools: Vec<Tool>) -> Server {
    tools.into_iter().fold(Server::new("test", "1"), Server::tool)
}

fn names(answer: &Answer) -> Vec<String> {
    let tools = answer.json["result"]["tools"].as_array().unwrap_or_else(|| panic!("{}", answer.text));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

/// What a search finds.
fn found(answer: &Answer) -> Vec<String> {
    let text =
        answer.json["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{}", answer.text));
    let result: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("{}", answer.text));
    let tools = result["tools"].as_array().unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

fn call(stage: &Stage, name: &str, arguments: Value) -> Answer {
    stage.modern("tools/call", json!({"name": name, "arguments": arguments}))
}

fn search(stage: &Stage, query: &str) -> Vec<String> {
    found(&call(stage, "search_tools", json!({"query": query})))
}

#[test]
fn a_catalogue_is_searched_instead_of_listed() {
    let stage =
        Stage::new(server(catalogue()).transform(BM25Search::new().always_visible(["translate_text"])));
    for (version, answer) in stage.everywhere("tools/list", json!({})) {
        assert_eq!(names(&answer), ["translate_text", "search_tools", "call_tool"], "{version}");
    }
    let query = json!({"name": "search_tools", "arguments": {"query": "share file"}});
    for (version, answer) in stage.everywhere("tools/call", query) {
        let text =
            answer.json["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{}", answer.text));
        let result: Value = serde_json::from_str(text).unwrap();
        assert_eq!(
            result["tools"][0],
            json!({
                "name": "drive_share_file",
                "description": "Share a file with somebody.",
                "inputSchema": {"type": "object", "properties": {
                    "file_id": {"type": "string"}, "email": {"type": "string"}, "role": {"type": "string"},
                }},
            }),
            "{version}"
        );
        assert_eq!(result["tools"].as_array().unwrap().len(), 5, "{version}");
        assert!(result["more"].as_u64() > Some(0), "{version}");
    }
    let through = json!({"name": "call_tool", "arguments": {"name": "drive_share_file", "arguments": {"role": "reader"}}});
    let itself = json!({"name": "drive_share_file", "arguments": {"role": "reader"}});
    for params in [through, itself] {
        for (version, answer) in stage.everywhere("tools/call", params) {
            assert_eq!(answer.message(), r#"drive_share_file {"role":"reader"}"#, "{version}");
        }
    }
}

#[test]
fn what_is_meant_is_found_first_among_fifty_tools_and_among_thousands() {
    for more in [0, 1_000, 5_000] {
        let stage = Stage::new(
            server(others(more).into_iter().chain(catalogue()).collect()).transform(BM25Search::new()),
        );
        let missed: Vec<_> = QUERIES
            .iter()
            .map(|(query, expected)| (query, expected, search(&stage, query)))
            .filter(|(_, expected, found)| found.first().map(String::as_str) != Some(**expected))
            .collect();
        assert!(missed.is_empty(), "among {more} others: {missed:#?}");
    }
}

#[test]
fn a_search_tells_of_as_many_as_it_is_to() {
    let stage = Stage::new(
        server(catalogue()).transform(BM25Search::new().max_results(2).search_tool("find").call_tool("run")),
    );
    let answer = call(&stage, "find", json!({"query": "ticket"}));
    assert_eq!(found(&answer).len(), 2);
    assert_eq!(answer.json["result"]["structuredContent"]["more"], 1);
    let none = call(&stage, "find", json!({"query": "xylophone"}));
    assert_eq!(none.json["result"]["structuredContent"], json!({"tools": []}));
    assert_eq!(call(&stage, "run", json!({"name": "jira_add_comment"})).message(), "jira_add_comment {}");
    let list = stage.modern("tools/list", json!({}));
    assert!(list.text.contains("Call one with `run`."), "{}", list.text);
}

#[test]
fn what_is_wrong_with_a_search_or_a_call_is_said() {
    let stage = Stage::new(server(catalogue()).transform(BM25Search::new()).tool(strict()));
    let said = |name: &str, arguments: Value| call(&stage, name, arguments).message().to_owned();
    assert_eq!(search(&stage, &"x".repeat(SEARCH_CHARS_MAX)), Vec::<String>::new());
    let long = said("search_tools", json!({"query": "x".repeat(SEARCH_CHARS_MAX + 1)}));
    assert_eq!(long, "invalid argument `query`: expected at most 500 characters, got 501");
    assert!(said("search_tools", json!({})).contains("missing field `query`"));
    assert_eq!(
        said("call_tool", json!({"name": "nobody"})),
        r#"no tool is named "nobody": search for one first"#
    );
    for name in ["call_tool", "search_tools"] {
        let said = said("call_tool", json!({"name": name, "arguments": {"name": "jira_add_comment"}}));
        assert!(said.contains("is called by itself"), "{said}");
    }
    let said = said("call_tool", json!({"name": "strict", "arguments": {"count": "x"}}));
    assert_eq!(
        said,
        "invalid argument `count`: invalid type: string \"x\", expected an integer from 0 to 255"
    );
    let found =
        server(catalogue()).transform(BM25Search::new().always_visible(["nobody"]).max_results(0)).build();
    let problems = found.unwrap_err().problems().to_vec();
    assert!(problems[0].contains(r#"there is no tool "nobody" to be always visible"#), "{problems:?}");
    assert!(problems[1].contains("0 tools"), "{problems:?}");
    let taken = server(catalogue()).transform(BM25Search::new().call_tool("fs_read_file")).build();
    assert!(taken.unwrap_err().problems()[0].contains(r#"two tools are named "fs_read_file""#));
}

fn strict() -> Tool {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Strict {
        count: u8,
    }
    Tool::new("strict", "Count.", |_, Strict { count }| async move { i64::from(count) })
}

#[test]
fn a_call_hands_its_arguments_on_as_they_are_written_and_its_result_as_it_is() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Echo {
        #[schemars(with = "Value")]
        value: Box<RawValue>,
    }
    let echo = Tool::new("echo", "Give back.", |_, Echo { value }| async move { value.get().to_owned() });
    let stage = Stage::new(server(vec![echo, strict()]).transform(BM25Search::new()));
    let (body, headers) =
        common::modern("tools/call", json!({"name": "call_tool", "arguments": "ARGUMENTS"}));
    let written = r#"{"b": 1.000000000000000000001, "a":[ ]}"#;
    let arguments = format!(r#"{{"name": "echo", "arguments": {{"value": {written}}}}}"#);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = stage.post(body.to_string().replace("\"ARGUMENTS\"", &arguments), &headers);
    assert_eq!(answer.message(), written);
    // A tool whose result is carried under `result` is answered as it would be.
    let (direct, through) = (
        call(&stage, "strict", json!({"count": 7})),
        call(&stage, "call_tool", json!({"name": "strict", "arguments": {"count": 7}})),
    );
    assert_eq!(direct.json["result"]["structuredContent"], json!({"result": 7}));
    assert_eq!(direct.json["result"], through.json["result"]);
}

#[test]
fn nobody_finds_what_is_not_theirs() {
    let secret = || {
        tool("wipe_disk", "Wipe the disk, and share nothing.", &[]).requires(Requirement::scopes(["admin"]))
    };
    let tokens = || {
        let admin = Principal::new("ada").scope("admin");
        StaticTokens::new().token("admin", admin).token("user", Principal::new("bob"))
    };
    let flat = || server(catalogue()).tool(secret()).transform(BM25Search::new());
    let mounted = Server::new("outer", "1").mount(Mount::under("in", flat()));
    for (server, name, prefix) in [(flat(), "wipe_disk", ""), (mounted, "in_wipe_disk", "in_")] {
        let stage = Stage::new(server.verifier(tokens()));
        let ask = |token: &str, name: &str, arguments: Value| {
            let params = json!({"name": format!("{prefix}{name}"), "arguments": arguments});
            stage.modern_as(Some(token), "tools/call", params)
        };
        let query = json!({"query": "wipe disk"});
        assert_eq!(found(&ask("admin", "search_tools", query.clone()))[0], name);
        let hidden = ask("user", "search_tools", query);
        assert!(!hidden.text.contains("wipe"), "{}", hidden.text);
        assert!(ask("admin", "call_tool", json!({"name": name})).message().starts_with("wipe_disk"));
        let refused = ask("user", "call_tool", json!({"name": name}));
        assert_eq!(refused.status, http::StatusCode::FORBIDDEN, "{}", refused.text);
    }
}

#[test]
fn a_middleware_that_filters_the_list_filters_what_is_found() {
    let filter = || {
        middleware::on_list_tools(|_, list, next| async move {
            let mut tools = next.run(list).await?;
            tools.retain(|tool| !tool.about().name.ends_with("_file"));
            Ok(tools)
        })
    };
    let same = Stage::new(server(catalogue()).middleware(filter()).transform(BM25Search::new()));
    let inner = || server(catalogue()).middleware(filter());
    let search_inside = Stage::new(Server::new("outer", "1").mount(inner().transform(BM25Search::new())));
    let search_outside = Stage::new(Server::new("outer", "1").mount(inner()).transform(BM25Search::new()));
    let search_between =
        Stage::new(Server::new("outer", "1").mount(Mount::new(inner()).transform(BM25Search::new())));
    for (at, stage) in [same, search_inside, search_outside, search_between].iter().enumerate() {
        assert_eq!(names(&stage.modern("tools/list", json!({}))), ["search_tools", "call_tool"], "{at}");
        let found = search(stage, "file");
        assert!(!found.is_empty() && found.iter().all(|name| !name.ends_with("_file")), "{at}: {found:?}");
    }
}

#[test]
fn a_list_that_is_kept_is_not_taken_for_what_was_found_nor_the_other_way_round() {
    let stage = Stage::new(
        server(catalogue()).middleware(ResponseCaching::new().lists()).transform(BM25Search::new()),
    );
    let ask = || {
        assert_eq!(names(&stage.modern("tools/list", json!({}))), ["search_tools", "call_tool"]);
        assert_eq!(search(&stage, "lock the door")[0], "home_lock_door");
        assert_eq!(search(&stage, "play a song")[0], "spotify_play_track");
    };
    ask();
    ask();
}

#[test]
fn both_calls_pass_the_middlewares() {
    let noted = Arc::<Mutex<Vec<String>>>::default();
    let notes = Arc::clone(&noted);
    let noting = middleware::on_call_tool(move |_, call, next| {
        notes.lock().unwrap().push(call.name().to_owned());
        next.run(call)
    });
    let stage = Stage::new(server(catalogue()).middleware(noting).transform(BM25Search::new()));
    call(&stage, "call_tool", json!({"name": "home_lock_door"}));
    assert_eq!(*noted.lock().unwrap(), ["call_tool", "home_lock_door"]);
}

#[test]
fn what_is_found_has_the_names_that_clients_call_it_by() {
    let inner = server(catalogue()).transform(BM25Search::new());
    let outer = Server::new("outer", "1").mount(Mount::under("in", inner)).transform(
        ToolTransform::new("in_home_lock_door")
            .rename("lock")
            .argument("door", ArgTransform::new().rename("which_door")),
    );
    let stage = Stage::new(outer);
    assert_eq!(names(&stage.modern("tools/list", json!({}))), ["in_search_tools", "in_call_tool"]);
    assert_eq!(
        found(&call(&stage, "in_search_tools", json!({"query": "post message"})))[0],
        "in_slack_post_message"
    );
    assert_eq!(found(&call(&stage, "in_search_tools", json!({"query": "lock which door"})))[0], "lock");
    let arguments = json!({"name": "lock", "arguments": {"which_door": "front"}});
    assert_eq!(call(&stage, "in_call_tool", arguments).message(), r#"home_lock_door {"door":"front"}"#);
}

#[test]
fn each_search_finds_what_is_behind_it() {
    let half = |range: std::ops::Range<usize>| server(catalogue().drain(range).collect());
    let outer = Server::new("outer", "1")
        .mount(Mount::under("a", half(0..20).transform(BM25Search::new())))
        .mount(Mount::under("b", half(20..40).transform(BM25Search::new())));
    let stage = Stage::new(outer);
    let list = ["a_search_tools", "a_call_tool", "b_search_tools", "b_call_tool"];
    assert_eq!(names(&stage.modern("tools/list", json!({}))), list);
    for (name, prefix) in [("a_search_tools", "a_"), ("b_search_tools", "b_")] {
        let found = found(&call(&stage, name, json!({"query": "list get create"})));
        assert!(!found.is_empty() && found.iter().all(|name| name.starts_with(prefix)), "{found:?}");
    }
}

#[test]
fn what_comes_while_the_server_runs_is_found_and_what_goes_is_not() {
    let live = Live::new();
    let stage = Stage::new(server(catalogue()).live(&live).transform(BM25Search::new()));
    assert!(search(&stage, "peel bananas").is_empty());
    live.add_tool(tool("banana_peeler", "Peel a banana.", &[])).unwrap();
    assert_eq!(search(&stage, "peel bananas"), ["banana_peeler"]);
    live.disable(Filter::new().name("banana_peeler"));
    assert!(search(&stage, "peel bananas").is_empty());
    assert!(
        call(&stage, "call_tool", json!({"name": "banana_peeler"})).message().contains("no tool is named")
    );
}

#[cfg(feature = "pattern")]
mod by_pattern {
    use edgemcp::{limits::SEARCH_PATTERN_CHARS_MAX, transform::RegexSearch};

    use super::*;

    fn matching(stage: &Stage, pattern: &str) -> Vec<String> {
        found(&call(stage, "search_tools", json!({"pattern": pattern})))
    }

    #[test]
    fn what_a_pattern_matches_is_found_by_name_first() {
        let stage = Stage::new(server(catalogue()).transform(RegexSearch::new()));
        for (version, answer) in stage.everywhere(
            "tools/call",
            json!({"name": "search_tools", "arguments": {"pattern": "^K8S_.*deploy"}}),
        ) {
            assert_eq!(found(&answer), ["k8s_scale_deployment", "k8s_restart_deployment"], "{version}");
        }
        // `invoice` stands in a name, and `customer` in descriptions and arguments.
        let names = matching(&stage, "customer|invoice");
        assert_eq!(names, ["stripe_create_invoice", "stripe_create_customer", "stripe_list_subscriptions"]);
        let exact = Stage::new(server(catalogue()).transform(RegexSearch::new().case_sensitive()));
        assert!(matching(&exact, "SLACK").is_empty() && !matching(&exact, "SQL").is_empty());
    }

    #[test]
    fn a_pattern_that_costs_too_much_is_refused() {
        let stage = Stage::new(server(catalogue()).transform(RegexSearch::new()));
        let said =
            |pattern: &str| call(&stage, "search_tools", json!({"pattern": pattern})).message().to_owned();
        assert!(!matching(&stage, &format!("[{}]", "x".repeat(SEARCH_PATTERN_CHARS_MAX - 2))).is_empty());
        let long = said(&"x".repeat(SEARCH_PATTERN_CHARS_MAX + 1));
        assert_eq!(long, "invalid argument `pattern`: expected at most 200 characters, got 201");
        for pattern in ["(", "(a{1000}){1000}", "(.?){190}", r"(?=x)", r"(x)\1"] {
            assert!(
                said(pattern).contains("is no regular expression that can be searched with: "),
                "{pattern}: {}",
                said(pattern)
            );
        }
        // What backtracks for ever elsewhere.
        assert!(matching(&stage, "(a+)+(a+)+(a+)+(a+)+!$").is_empty());
    }
}
