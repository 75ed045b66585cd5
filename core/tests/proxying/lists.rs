//! What a mount says of prefixes, tags, names and middlewares holds for a remote, which takes nothing from this server.

use std::sync::{Arc, Mutex};

use edgemcp::{
    Era, Server,
    compose::{Mount, OnDuplicate, ResourcePrefixFormat},
    middleware,
    prelude::*,
    remote::Remote,
    transform::ToolTransform,
};
use serde_json::json;

use crate::{
    common,
    ground::{Far, Speaks, names, remote, stage_of, tools},
};

#[test]
fn a_mount_chooses_by_the_tags_that_a_fastmcp_server_publishes() {
    let tagged = |name: &'static str, tag: &str| {
        Tool::new(name, "A tool.", |_, _: NoArguments| async { "ok" }).meta("fastmcp", json!({"tags": [tag]}))
    };
    let far = Far::new(
        Server::new("far", "1").tool(tagged("a", "public")).tool(tagged("b", "internal")),
        Speaks::Both,
    );
    let server = Server::new("near", "1").mount(Mount::under("far", remote()).exclude_tags(["internal"]));
    let stage = stage_of(server, &far);
    assert_eq!(tools(&stage), ["far_a"]);
    assert_eq!(stage.modern("tools/call", json!({"name": "far_b"})).code(), Some(-32602));
    let included = Server::new("near", "1").mount(remote()).include_tags(["internal"]);
    assert_eq!(tools(&stage.beside(included)), ["b"]);
}

#[test]
fn a_prefix_is_as_the_mount_has_it_however_deep() {
    let far = Far::new(common::server(), Speaks::Both);
    let inner = || {
        Server::new("inner", "1").mount(
            Mount::under("in", remote())
                .separator("-")
                .resource_prefix_format(ResourcePrefixFormat::Protocol),
        )
    };
    let stage = stage_of(Server::new("near", "1").mount(Mount::under("out", inner())), &far);
    assert_eq!(tools(&stage)[0], "out_in-add");
    let add = json!({"name": "out_in-add", "arguments": {"a": 1, "b": 2}});
    assert_eq!(stage.modern("tools/call", add).message(), "3");
    let uri = "in+data://out/config";
    assert_eq!(names(&stage.modern("resources/list", json!({})), "resources", "uri"), [uri]);
    let read = stage.modern("resources/read", json!({"uri": uri}));
    assert_eq!(
        read.json["result"]["contents"][0],
        json!({"uri": uri, "mimeType": "text/plain", "text": "debug = false"})
    );
}

#[test]
fn a_tool_that_is_renamed_is_called_by_its_own_name_there() {
    let far = Far::new(common::server(), Speaks::ModernOnly);
    let rename = || ToolTransform::new("add").rename("sum").description("Sums.");
    let server = Server::new("near", "1").mount(Mount::under("far", remote()).transform(rename()));
    let stage = stage_of(server, &far);
    // Before anybody has listed, too.
    let sum = || stage.modern("tools/call", json!({"name": "far_sum", "arguments": {"a": 1, "b": 2}}));
    assert_eq!(sum().message(), "3");
    assert_eq!(far.take().pop().unwrap().header("mcp-name"), Some("add"));
    assert_eq!(tools(&stage)[0], "far_sum");
    assert_eq!(stage.modern("tools/call", json!({"name": "far_add"})).code(), Some(-32602));
    // A transform of the server's own that names what is not there yet does not keep it from being built.
    let server = Server::new("near", "1")
        .mount(Mount::under("far", remote()))
        .transform(ToolTransform::new("far_add").rename("plus"));
    let stage = stage_of(server, &far);
    assert_eq!(
        stage.modern("tools/call", json!({"name": "plus", "arguments": {"a": 1, "b": 2}})).message(),
        "3"
    );
    // What is still not there once the remote has listed is said in the log.
    let server = Server::new("near", "1")
        .mount(Mount::under("far", remote()).transform(ToolTransform::new("nothing").rename("x")));
    let stage = stage_of(server, &far);
    assert_eq!(tools(&stage).len(), 5);
    assert!(stage.log.all().contains("nothing"), "{}", stage.log.all());
}

#[test]
fn middlewares_stand_around_a_remotes_tools() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |who: &'static str| {
        let seen = Arc::clone(&seen);
        middleware::on_call_tool(move |cx: Context, call: middleware::CallTool, next| {
            let seen = Arc::clone(&seen);
            async move {
                let tags = cx.tool(call.name()).is_some();
                seen.lock().unwrap().push(format!("{who} {} {tags}", call.name()));
                next.run(call).await
            }
        })
    };
    let far = Far::new(common::server(), Speaks::Both);
    let inner = Server::new("inner", "1").middleware(note("inner")).mount(Mount::under("in", remote()));
    let server = Server::new("near", "1").middleware(note("outer")).mount(Mount::under("out", inner));
    let stage = stage_of(server, &far);
    let answer = stage.modern("tools/call", json!({"name": "out_in_add", "arguments": {"a": 1, "b": 2}}));
    assert_eq!(answer.message(), "3", "{}", answer.text);
    assert_eq!(*seen.lock().unwrap(), ["outer out_in_add true", "inner in_add true"]);
    // What could not be asked passes them too, and lists say so once.
    far.set_way(crate::ground::Way::Cut);
    stage.clock.advance(std::time::Duration::from_secs(25 * 60 * 60));
    let answer = stage.modern("tools/call", json!({"name": "out_in_add"}));
    assert!(answer.message().contains("cannot be asked"), "{}", answer.text);
    assert_eq!(seen.lock().unwrap().len(), 3);
    let list = stage.modern("tools/list", json!({}));
    assert_eq!(
        list.json["result"]["_meta"]["edgemcp/unavailable"].as_array().unwrap().len(),
        1,
        "{}",
        list.text
    );
}

#[test]
fn a_remote_takes_no_name_from_this_server() {
    let own = || Tool::new("add", "This server's.", |_, _: NoArguments| async { "own" });
    let far = Far::new(common::server(), Speaks::Both);
    for server in [
        Server::new("near", "1").mount(remote()).tool(own()),
        Server::new("near", "1").tool(own()).mount(remote()),
    ] {
        let stage = stage_of(server, &far);
        assert_eq!(tools(&stage), ["add", "fail", "leak", "nan", "sampler"]);
        assert_eq!(stage.modern("tools/call", json!({"name": "add"})).message(), "own");
        assert!(stage.log.all().contains("two tools are named \"add\""), "{}", stage.log.all());
    }
    // Where it is to, that is said.
    let replaced = Server::new("near", "1").tool(own()).mount(remote()).on_duplicate(OnDuplicate::Replace);
    let stage = stage_of(replaced, &far);
    tools(&stage);
    assert_eq!(
        stage.modern("tools/call", json!({"name": "add", "arguments": {"a": 1, "b": 2}})).message(),
        "3"
    );
}

#[test]
fn what_is_wrong_with_a_remote_is_said_when_the_server_is_built() {
    let problem = |remote: Remote| {
        let built = Server::new("near", "1").mount(Mount::under("far", remote)).build();
        built.err().map(|error| error.problems().join("\n")).unwrap_or_default()
    };
    for (remote, says) in [
        (Remote::new("/mcp"), "no address of a server"),
        (Remote::new("far.example/mcp"), "write \"https://host/mcp\""),
        (Remote::new("ftp://far.example/mcp"), "write \"https://host/mcp\""),
        (Remote::new("https://far example"), "is no URL"),
        (Remote::new("https://"), "write \"https://host/mcp\""),
        (Remote::new("https://ada:hunter2@far.example/mcp"), "holds a user name"),
        (remote().header("x y", "1"), "\"x y\" is no name of a header"),
        (remote().header("x-a", "1\n2"), "has a character that no header can have"),
        (remote().header("Mcp-Session-Id", "1"), "belongs to the connection or the protocol"),
        (remote().header_from("content-length", "LENGTH"), "belongs to the connection or the protocol"),
        (remote().forward_header("authorization"), "say `Remote::forward_authorization()`"),
        (remote().forward_header("cookie"), "cookies are not forwarded"),
        (remote().forward_header("host"), "belongs to the connection or the protocol"),
        (
            remote().bearer_from("TOKEN").forward_authorization(),
            "leave out `bearer_from` or `forward_authorization`",
        ),
    ] {
        let problem = problem(remote);
        assert!(problem.contains(says) && problem.contains("remote \"far\""), "{says}: {problem}");
        assert!(!problem.contains("hunter2"), "{problem}");
    }
    assert_eq!(problem(remote().era(Era::Modern).header("X-A", "1").forward_header("X-B")), "");
    let imported = Server::new("near", "1").import_server(remote()).build().unwrap_err();
    assert!(imported.problems()[0].contains("cannot be imported"), "{imported}");
    let deep = Server::new("near", "1")
        .import_server(Server::new("inner", "1").mount(remote()))
        .build()
        .unwrap_err();
    assert!(deep.problems()[0].contains("another server mounted"), "{deep}");
}

#[test]
fn tools_that_look_over_the_server_find_a_remotes_too() {
    use edgemcp::{
        middleware::{PromptTools, ResourceTools},
        transform::BM25Search,
    };
    let far = Far::new(common::server(), Speaks::Both);
    let server = || {
        Server::new("near", "1")
            .middleware(PromptTools)
            .middleware(ResourceTools)
            .mount(Mount::under("far", remote()))
            .transform(BM25Search::new())
    };
    let stage = stage_of(server(), &far);
    // The first request that this instance ever gets.
    let find = |stage: &common::Stage| {
        stage
            .modern("tools/call", json!({"name": "search_tools", "arguments": {"query": "add two integers"}}))
    };
    assert!(find(&stage).text.contains("far_add"), "{}", find(&stage).text);
    let call = json!({"name": "call_tool", "arguments": {"name": "far_add", "arguments": {"a": 1, "b": 2}}});
    assert_eq!(stage.beside(server()).modern("tools/call", call).message(), "3");
    for (name, found) in [("list_prompts", "far_greet"), ("list_resources", "data://far/config")] {
        let answer = stage.beside(server()).modern("tools/call", json!({"name": name}));
        assert!(answer.text.contains(found), "{name}: {}", answer.text);
    }
}
