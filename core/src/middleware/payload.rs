//! What of a message a log may have: its parameters, without the values of members that are named like secrets.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::Message;

/// What a log has instead of a value that is not for it.
pub const REDACTED: &str = "[redacted]";

/// The names of members whose values are not logged, unless a middleware is told otherwise.
pub const SECRET_NAMES: [&str; 18] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "access_key",
    "private_key",
    "authorization",
    "cookie",
    "credential",
    "otp",
    "pin",
    "cvv",
    "cvc",
    "card_number",
];

/// The parameters of `message` as JSON, and what the protocol calls them.
pub(super) fn of(message: &Message) -> (Value, &'static str) {
    let named = |name: &str, arguments: Value| json!({"name": name, "arguments": arguments});
    let strings = |pairs: &[(String, String)]| {
        Value::Object(pairs.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect())
    };
    match message {
        Message::CallTool(call) => {
            let arguments = serde_json::from_str(call.arguments_json()).unwrap_or_default();
            (named(call.name(), arguments), "CallToolRequestParams")
        }
        Message::GetPrompt(get) => (named(get.name(), strings(get.arguments())), "GetPromptRequestParams"),
        Message::ReadResource(read) => (json!({"uri": read.uri()}), "ReadResourceRequestParams"),
        Message::Complete(complete) => {
            // The value stands under its own name, by which it is known to be a secret.
            let value = [(complete.argument().to_owned(), complete.value().to_owned())];
            let mut payload = json!({"ref": complete.of(), "argument": strings(&value)});
            if let Some(members) = payload.as_object_mut().filter(|_| !complete.arguments.is_empty()) {
                members.insert("context".to_owned(), json!({"arguments": strings(&complete.arguments)}));
            }
            (payload, "CompleteRequestParams")
        }
        Message::Task(task) => (json!({"taskId": task.id()}), "TaskRequestParams"),
        Message::Initialize(_) => (json!({}), "InitializeRequest"),
        Message::Discover(_) => (json!({}), "DiscoverRequest"),
        Message::ListTools(_) => (json!({}), "ListToolsRequest"),
        Message::ListResources(_) => (json!({}), "ListResourcesRequest"),
        Message::ListResourceTemplates(_) => (json!({}), "ListResourceTemplatesRequest"),
        Message::ListPrompts(_) => (json!({}), "ListPromptsRequest"),
        Message::Other(_) => (json!({}), "Request"),
        Message::Notification(_) => (json!({}), "Notification"),
    }
}

/// Names by which members are known whose values are not for a log.
#[derive(Clone, Debug)]
pub(super) struct Names(Vec<Vec<String>>);

impl Default for Names {
    fn default() -> Self {
        let mut names = Self(Vec::new());
        names.add(SECRET_NAMES);
        names
    }
}

impl Names {
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    pub(super) fn add<S: AsRef<str>>(&mut self, names: impl IntoIterator<Item = S>) {
        self.0.extend(names.into_iter().map(|name| words(name.as_ref())).filter(|words| !words.is_empty()));
    }

    /// Whether one of the names is in `name`, word by word: `password` is in `dbPassword` and `PASSWORD_HASH`, and `pin` is
    /// not in `spinning`.
    fn is_in(&self, name: &str) -> bool {
        let name = words(name);
        self.0.iter().any(|secret| name.windows(secret.len()).any(|part| part == secret.as_slice()))
    }

    /// Takes the values out of `value` whose members have such a name, at any depth.
    pub(super) fn redact(&self, value: &mut Value) {
        match value {
            Value::Object(members) => self.redact_members(members),
            Value::Array(elements) => elements.iter_mut().for_each(|element| self.redact(element)),
            Value::String(text) => {
                if let Cow::Owned(redacted) = self.redact_uri(text) {
                    *text = redacted;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn redact_members(&self, members: &mut Map<String, Value>) {
        for (name, value) in members {
            if self.is_in(name) {
                *value = REDACTED.into();
            } else {
                self.redact(value);
            }
        }
    }

    /// A URI without the password of its user, and without the values in its query that have such a name. Other text is
    /// as it was.
    fn redact_uri<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some((scheme, rest)) = text.split_once("://") else { return text.into() };
        let (head, query) = match rest.split_once('?') {
            Some((head, query)) => (head, Some(query)),
            None => (rest, None),
        };
        let authority = head.split_once('/').map_or(head, |(authority, _)| authority);
        let password = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':'));
        let is_secret = |pair: &str| pair.split_once('=').is_some_and(|(name, _)| self.is_in(name));
        let pairs = || query.into_iter().flat_map(|query| query.split('&'));
        if password.is_none() && !pairs().any(is_secret) {
            return text.into();
        }
        let mut redacted = format!("{scheme}://");
        match password {
            Some((user, password)) => {
                let after = head.get(user.len() + 1 + password.len()..).unwrap_or_default();
                redacted.extend([user, ":", REDACTED, after]);
            }
            None => redacted.push_str(head),
        }
        for (number, pair) in pairs().enumerate() {
            redacted.push(if number == 0 { '?' } else { '&' });
            match pair.split_once('=').filter(|_| is_secret(pair)) {
                Some((name, _)) => redacted.extend([name, "=", REDACTED]),
                None => redacted.push_str(pair),
            }
        }
        redacted.into()
    }
}

/// The words of a name in lower case and in the singular: `APIKeys` has `api` and `key`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = None;
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        let is_lower = |c: Option<&char>| c.is_some_and(|c| c.is_lowercase());
        let begins = c.is_uppercase()
            && (is_lower(before.as_ref())
                || before.is_some_and(char::is_uppercase) && is_lower(chars.peek()));
        if begins || !c.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        before = Some(c);
    }
    for word in &mut words {
        // Digits only number what is meant, as in `password2`.
        word.truncate(word.trim_end_matches(|c: char| c.is_ascii_digit()).len());
        if word.len() > 2 && word.ends_with('s') && !word.ends_with("ss") {
            word.pop();
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_by_its_words_however_they_are_joined() {
        let names = Names::default();
        for secret in [
            "password",
            "Password",
            "PASSWORD",
            "dbPassword",
            "db_password_2",
            "passwords",
            "password2",
            "user.password",
            "passwordConfirmation",
            "apiKey",
            "api-key",
            "APIKey",
            "API_KEYS",
            "x-api-key",
            "APIKEY",
            "accessToken",
            "token",
            "Authorization",
            "client secret",
            "cardNumber",
            "PIN",
            "set-cookie",
        ] {
            assert!(names.is_in(secret), "{secret} {:?}", words(secret));
        }
        for other in
            ["name", "spinning", "pinned", "tokenize", "compass", "key", "api", "passenger", "", "_", "密码"]
        {
            assert!(!names.is_in(other), "{other} {:?}", words(other));
        }
        let mut own = Names::none();
        own.add(["iban", "密码", ""]);
        assert!(own.is_in("customerIBAN") && own.is_in("密码") && !own.is_in("password") && !own.is_in(""));
    }

    #[test]
    fn secrets_are_taken_out_at_any_depth() {
        let mut value = json!({
            "user": "ada",
            "login": {"password": {"old": "hunter2", "new": ["hunter3"]}},
            "list": [{"apiKey": 7}, "https://ada:hunter2@db.example/x?token=abc&page=2"],
        });
        Names::default().redact(&mut value);
        assert_eq!(
            value,
            json!({
                "user": "ada",
                "login": {"password": REDACTED},
                "list": [{"apiKey": REDACTED}, "https://ada:[redacted]@db.example/x?token=[redacted]&page=2"],
            })
        );
    }

    #[test]
    fn only_what_is_secret_in_a_uri_is_taken_out() {
        let redact = |uri| Names::default().redact_uri(uri).into_owned();
        assert_eq!(redact("data://x?access_token=abc"), "data://x?access_token=[redacted]");
        assert_eq!(redact("data://x?a=1&token"), "data://x?a=1&token");
        assert_eq!(redact("redis://:hunter2@host"), "redis://:[redacted]@host");
        // A password may have an `@` itself.
        assert_eq!(redact("redis://u:a@b@host/0"), "redis://u:[redacted]@host/0");
        for other in ["data://x", "a?token=abc", "http://host:80/a:b@c", "what is 1://?", "://@"] {
            assert_eq!(redact(other), other);
        }
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::properties::{config, json};

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn a_secret_is_never_left_wherever_it_stands(value in json(), before: String, path: Vec<u8>) {
            let mut value = value;
            for step in path.iter().take(5) {
                value = match step % 2 {
                    0 => json!([value]),
                    _ => json!({before.clone(): value}),
                };
            }
            let mut value = json!({"outer": value, format!("{before} password"): "hunter2 is it"});
            value = json!({"in": [value]});
            Names::default().redact(&mut value);
            prop_assert!(!value.to_string().contains("hunter2"), "{}", value);
        }

        #[test]
        fn any_text_can_be_redacted(text: String) {
            let names = Names::default();
            let once = names.redact_uri(&text).into_owned();
            prop_assert_eq!(names.redact_uri(&once).into_owned(), once);
        }
    }
}
