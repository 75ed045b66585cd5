//! What fills a prompt, or an argument that is completed: lines of `name=value`.

use edgemcp::Era;

use crate::{
    asked::asked,
    check::{one, quoted},
    client::modern_call,
    server::{Color, OPEN, Strings},
    stage::{Answer, Stage},
};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let pairs: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let stage = Stage::new(&OPEN);
    let object = |pairs: &[(&str, &str)]| {
        let members: Vec<_> =
            pairs.iter().map(|(name, value)| format!("{}:{}", quoted(name), quoted(value))).collect();
        format!("{{{}}}", members.join(","))
    };
    let arguments = object(&pairs);
    let prompt = ask(&stage, "prompts/get", &format!(r#""name":"strings","arguments":{arguments}"#));
    same(&prompt, &["messages", "content", "text"], &pairs);

    // The argument that is completed comes by itself, and is newer than what the context says of it.
    let value = pairs.iter().find(|(name, _)| *name == "text").map_or("", |(_, value)| value);
    let completion = ask(
        &stage,
        "completion/complete",
        &format!(
            r#""ref":{{"type":"ref/prompt","name":"strings"}},"argument":{{"name":"text","value":{}}},
               "context":{{"arguments":{arguments}}}"#,
            quoted(value)
        ),
    );
    let mut pairs: Vec<_> = pairs.into_iter().filter(|(name, _)| *name != "text").collect();
    pairs.push(("text", value));
    same(&completion, &["completion", "values"], &pairs);
    stage.has_no_fault();
}

fn ask(stage: &Stage, method: &str, params: &str) -> Answer {
    let request = modern_call(method, params);
    let answer = stage.send(request.clone());
    one(&answer, &asked(request.body()), Era::Modern);
    answer
}

/// Fails where the handler was given anything but what the strings stand for.
fn same(answer: &Answer, path: &[&str], pairs: &[(&str, &str)]) {
    let messages = answer.messages();
    let result = messages.last().and_then(|message| message.result);
    let expected = strings(pairs);
    assert_eq!(result.is_some(), expected.is_some(), "{pairs:?}: {answer:?}");
    let (Some(result), Some(expected)) = (result, expected) else { return };
    let mut value: &serde_json::Value = &serde_json::from_str(result.get()).unwrap_or_default();
    for name in path {
        value = &value[name];
        if value.is_array() {
            value = &value[0];
        }
    }
    let text = value.as_str().unwrap_or_else(|| panic!("{answer:?}"));
    assert_eq!(text, serde_json::to_string(&expected).unwrap_or_default());
}

/// What the strings stand for; `None` where one of them stands for nothing that is asked for.
fn strings(pairs: &[(&str, &str)]) -> Option<Strings> {
    let mut names: Vec<_> = pairs.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    let known = ["text", "small", "large", "weight", "flag", "color"];
    if names.windows(2).any(|two| two[0] == two[1] && known.contains(&two[0])) {
        return None;
    }
    let get = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    fn read<T: serde::de::DeserializeOwned>(value: Option<&str>) -> Option<Option<T>> {
        value.map(|value| serde_json::from_str(value).ok()).map_or(Some(None), |read| read.map(Some))
    }
    Some(Strings {
        text: get("text")?.to_owned(),
        small: read(get("small"))?,
        large: read(get("large"))?,
        weight: read(get("weight"))?,
        flag: read(get("flag"))?,
        color: match get("color") {
            None => None,
            Some("red") => Some(Color::Red),
            Some("green") => Some(Color::Green),
            Some(_) => return None,
        },
    })
}
