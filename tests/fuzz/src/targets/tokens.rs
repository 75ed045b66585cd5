//! What a client is given and hands back, forged: the first byte says which token, the second how it is forged, and the
//! rest with what.

use std::time::Duration;

use edgemcp::{Era, ProtocolVersion};
use http::{Method, Request, StatusCode};

use crate::{
    asked::asked,
    check::{changes_nothing_where_refused, one, quoted},
    client::{BOTH, modern_call, request, session},
    said::Message,
    server::{OPEN, seen},
    stage::{Answer, Stage},
};

/// Longer than any token is good.
const FOR_EVER: Duration = Duration::from_secs(30 * 24 * 3600);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    State,
    Session,
    Handle,
    Cursor,
}

const KINDS: [Kind; 4] = [Kind::State, Kind::Session, Kind::Handle, Kind::Cursor];

pub(crate) fn run(data: &[u8]) {
    let [kind, how, rest @ ..] = data else { return };
    let kind = KINDS[usize::from(*kind) % KINDS.len()];
    let stage = Stage::new(&OPEN);
    let own = token(&stage, kind);
    let mut is_late = false;
    let forged = match how % 6 {
        // As it is.
        0 => own.clone().into_bytes(),
        // Bytes flipped, each at a place.
        1 => {
            let mut forged = own.clone().into_bytes();
            for edit in rest.chunks_exact(3) {
                let place = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % forged.len();
                forged[place] ^= edit[2];
            }
            forged
        }
        // Cut off, or gone on with.
        2 => {
            let length = rest.first().map_or(0, |length| usize::from(*length)) % (own.len() + 1);
            [&own.as_bytes()[..length], rest.get(1..).unwrap_or_default()].concat()
        }
        // A token of another kind.
        3 => {
            let other = KINDS[rest.first().map_or(0, |other| usize::from(*other)) % KINDS.len()];
            if other == kind {
                return;
            }
            token(&stage, other).into_bytes()
        }
        // Too late.
        4 => {
            is_late = true;
            own.clone().into_bytes()
        }
        // Made up.
        _ => rest.to_vec(),
    };
    let Ok(forged) = String::from_utf8(forged) else { return };
    if is_late {
        stage.clock.advance(FOR_EVER);
    }
    // What has no end of its own is good as long as its list is what it was.
    // Spaces around it are none of a header's value (RFC 9110, section 5.5).
    let is_same = if kind == Kind::Session { forged.trim_matches([' ', '\t']) == own } else { forged == own };
    let is_own = is_same && (!is_late || kind == Kind::Cursor);
    seen();
    let is_taken = takes(&stage, kind, &forged);
    match kind {
        Kind::Cursor => assert!(is_taken || !is_own, "its own cursor was refused"),
        _ => assert_eq!(is_taken, is_own, "{kind:?} {forged:?}, where its own is {own:?}"),
    }
    stage.has_no_fault();
}

/// A token that the server gives out.
fn token(stage: &Stage, kind: Kind) -> String {
    let text = |request, name| {
        let answer = stage.send(request);
        let messages = answer.messages();
        messages.last().and_then(|message| message.text(name)).unwrap_or_else(|| panic!("{answer:?}"))
    };
    match kind {
        Kind::State => text(modern_call("tools/call", r#""name":"greet""#), "requestState"),
        Kind::Session => session(stage, ProtocolVersion::LATEST_LEGACY.as_str()),
        Kind::Handle => {
            let answer = stage.send(modern_call("tools/call", r#""name":"open""#));
            let messages = answer.messages();
            let content = messages[0].member("content").unwrap_or_else(|| panic!("{answer:?}"));
            let content: serde_json::Value = serde_json::from_str(content.get()).unwrap_or_default();
            content[0]["text"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
        }
        Kind::Cursor => text(modern_call("tools/list", ""), "nextCursor"),
    }
}

/// Whether the server takes it for one of its own.
fn takes(stage: &Stage, kind: Kind, token: &str) -> bool {
    let quoted = quoted(token);
    let send = |request: Request<bytes::Bytes>| {
        changes_nothing_where_refused(
            stage,
            || stage.send(request),
            |answer: &Answer| answer.messages().last().is_none_or(|message| message.failure().is_some()),
        )
    };
    let modern = |method, params: String, refused: i64| {
        let request = modern_call(method, &params);
        let answer = send(request.clone());
        let messages = one(&answer, &asked(request.body()), Era::Modern);
        let code = messages.last().and_then(Message::code);
        assert!(code.is_none_or(|code| code == refused), "{answer:?}");
        code.is_none()
    };
    match kind {
        Kind::State => {
            let answers = r#"{"name":{"action":"accept","content":{"name":"Ada"}}}"#;
            let params = format!(r#""name":"greet","requestState":{quoted},"inputResponses":{answers}"#);
            modern("tools/call", params, -32602)
        }
        Kind::Session => {
            let headers = [
                ("content-type", &b"application/json"[..]),
                ("accept", BOTH.as_bytes()),
                ("mcp-session-id", token.as_bytes()),
            ];
            let request = request(Method::POST, headers, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
            if request.headers().get("mcp-session-id").is_none() {
                return false;
            }
            let answer = send(request);
            assert!([StatusCode::OK, StatusCode::NOT_FOUND].contains(&answer.status), "{answer:?}");
            answer.status == StatusCode::OK
        }
        Kind::Handle => {
            let params = format!(r#""name":"put","arguments":{{"cart":{quoted}}}"#);
            assert!(modern("tools/call", params, 0));
            seen().carts == 1
        }
        Kind::Cursor => modern("tools/list", format!(r#""cursor":{quoted}"#), -32602),
    }
}
