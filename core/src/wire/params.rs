//! The parameters of a request, read once and typed where they are used.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::given::{Given, Known, Place};
use crate::{
    error::Error,
    limits::{ID_BYTES_MAX, MEMBERS_MAX, SUBSCRIPTIONS_MAX, URI_BYTES_MAX, cut, echo},
    model::{Completed, Input, Listened, Listing, LoggingLevel, Pairs, Request, Responses},
};

/// The members of `params` that any method of either era has, still as JSON. Others are ignored.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Params<'a> {
    meta: Given<Meta<'a>>,
    name: Option<&'a RawValue>,
    uri: Option<&'a RawValue>,
    arguments: Option<&'a RawValue>,
    input_responses: Option<&'a RawValue>,
    request_state: Option<&'a RawValue>,
    cursor: Option<&'a RawValue>,
    protocol_version: Option<&'a RawValue>,
    capabilities: Option<&'a RawValue>,
    client_info: Option<&'a RawValue>,
    level: Option<&'a RawValue>,
    reference: Option<&'a RawValue>,
    argument: Option<&'a RawValue>,
    context: Option<&'a RawValue>,
    notifications: Option<&'a RawValue>,
    task_id: Option<&'a RawValue>,
    request_id: Option<&'a RawValue>,
}

// In a box, since it would be moved a dozen times on its way.
impl<'a> Known<'a> for Box<Params<'a>> {
    fn place(&mut self, key: &str) -> Option<(u32, Place<'_, 'a>)> {
        Some(match key {
            "_meta" => (0, Place::Meta(&mut self.meta)),
            "name" => (1, Place::Json(&mut self.name)),
            "uri" => (2, Place::Json(&mut self.uri)),
            "arguments" => (3, Place::Json(&mut self.arguments)),
            "inputResponses" => (4, Place::JsonOrNull(&mut self.input_responses)),
            "requestState" => (5, Place::Json(&mut self.request_state)),
            "cursor" => (6, Place::Json(&mut self.cursor)),
            "protocolVersion" => (7, Place::Json(&mut self.protocol_version)),
            "capabilities" => (8, Place::Json(&mut self.capabilities)),
            "clientInfo" => (9, Place::Json(&mut self.client_info)),
            "level" => (10, Place::Json(&mut self.level)),
            "ref" => (11, Place::Json(&mut self.reference)),
            "argument" => (12, Place::Json(&mut self.argument)),
            "context" => (13, Place::Json(&mut self.context)),
            "notifications" => (14, Place::Json(&mut self.notifications)),
            "taskId" => (15, Place::Json(&mut self.task_id)),
            "requestId" => (16, Place::Json(&mut self.request_id)),
            _ => return None,
        })
    }
}

/// What a request's `_meta` says about the request itself (2026-07-28, basic/index, "`_meta`").
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meta<'a> {
    pub(crate) protocol_version: Option<&'a RawValue>,
    pub(crate) client_capabilities: Option<&'a RawValue>,
    pub(crate) client_info: Option<&'a RawValue>,
    log_level: Option<&'a RawValue>,
    progress_token: Option<&'a RawValue>,
    pub(crate) traceparent: Option<&'a RawValue>,
    pub(crate) tracestate: Option<&'a RawValue>,
    pub(crate) baggage: Option<&'a RawValue>,
}

impl<'a> Known<'a> for Meta<'a> {
    fn place(&mut self, key: &str) -> Option<(u32, Place<'_, 'a>)> {
        Some(match key {
            "io.modelcontextprotocol/protocolVersion" => (0, Place::JsonOrNull(&mut self.protocol_version)),
            "io.modelcontextprotocol/clientCapabilities" => (1, Place::Json(&mut self.client_capabilities)),
            "io.modelcontextprotocol/clientInfo" => (2, Place::Json(&mut self.client_info)),
            "io.modelcontextprotocol/logLevel" => (3, Place::Json(&mut self.log_level)),
            "progressToken" => (4, Place::Json(&mut self.progress_token)),
            "traceparent" => (5, Place::Json(&mut self.traceparent)),
            "tracestate" => (6, Place::Json(&mut self.tracestate)),
            "baggage" => (7, Place::Json(&mut self.baggage)),
            _ => return None,
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Given<Box<Params<'a>>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Given::take(deserializer)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Given<Meta<'a>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Given::take(deserializer)
    }
}

impl<'a> Meta<'a> {
    /// What the legacy era knows of it.
    pub(crate) fn legacy(self) -> Self {
        let Self { progress_token, traceparent, tracestate, baggage, .. } = self;
        Self { progress_token, traceparent, tracestate, baggage, ..Self::default() }
    }

    /// The token that reports of progress must carry, where they are wanted.
    ///
    /// # Errors
    /// `InvalidParams` where it is neither a string nor an integer, and where it is too long, since each report repeats it.
    pub(crate) fn progress_token(&self) -> Result<Option<&'a RawValue>, Error> {
        let Some(token) = self.progress_token else { return Ok(None) };
        let text = token.get();
        let is_integer = text.strip_prefix('-').unwrap_or(text).bytes().all(|b| b.is_ascii_digit());
        match text.starts_with('"') || is_integer {
            true if text.len() > ID_BYTES_MAX => Err(Error::invalid_params(format!(
                "`progressToken` has {} bytes, more than {ID_BYTES_MAX}",
                text.len()
            ))),
            true => Ok(Some(token)),
            false => Err(Error::invalid_params(format!(
                "`progressToken` must be a string or an integer, not {}",
                cut(text)
            ))),
        }
    }

    /// The least level of log that a modern request wants; it wants none where it says nothing.
    ///
    /// # Errors
    /// `InvalidParams` where it names no level.
    pub(crate) fn log_level(&self) -> Result<Option<LoggingLevel>, Error> {
        self.log_level.map(|raw| level("io.modelcontextprotocol/logLevel", raw)).transpose()
    }
}

impl<'a> Params<'a> {
    /// The parameters that were given; absent ones have no members.
    ///
    /// # Errors
    /// `InvalidParams` where they are no object, or have a member twice.
    pub(crate) fn of(given: Given<Box<Self>>) -> Result<Box<Self>, Error> {
        given.read("params").map(Option::unwrap_or_default)
    }

    /// The request's `_meta`, where it has one.
    ///
    /// # Errors
    /// As [`Params::of`].
    pub(crate) fn meta(&self) -> Result<Option<Meta<'a>>, Error> {
        self.meta.read("params._meta")
    }

    /// The member that the `Mcp-Name` header repeats, where the method has one and it is a string.
    pub(crate) fn routed_name(&self, method: &str) -> Option<Cow<'a, str>> {
        match method {
            "tools/call" | "prompts/get" => self.name.and_then(string),
            "resources/read" => self.uri.and_then(string),
            "tasks/get" | "tasks/update" | "tasks/cancel" => self.task_id.and_then(string),
            _ => None,
        }
    }

    /// The id of the request that a `notifications/cancelled` is about, as JSON.
    pub(crate) fn request_id(&self) -> Option<&'a RawValue> {
        self.request_id
    }

    /// The methods of both eras, each reading what it takes; `None` for any other.
    ///
    /// # Errors
    /// `InvalidParams` for parameters the method does not take.
    pub(super) fn decode(&self, method: &str) -> Result<Option<Request<'a>>, Error> {
        Ok(Some(match method {
            "tools/list" => self.list(Listing::Tools)?,
            "resources/list" => self.list(Listing::Resources)?,
            "resources/templates/list" => self.list(Listing::ResourceTemplates)?,
            "prompts/list" => self.list(Listing::Prompts)?,
            "tools/call" => Request::CallTool {
                name: required("name", self.name)?,
                arguments: self.arguments,
                input: Input::default(),
            },
            "resources/read" => Request::ReadResource { uri: self.uri()?, input: Input::default() },
            "prompts/get" => Request::GetPrompt {
                name: required("name", self.name)?,
                arguments: self.arguments.map_or(Ok(Vec::new()), |raw| strings("arguments", raw))?,
                input: Input::default(),
            },
            "completion/complete" => self.complete()?,
            _ => return Ok(None),
        }))
    }

    /// What comes back with a request of the modern era that is sent again.
    ///
    /// # Errors
    /// `InvalidParams` where it is not what a server could have handed out.
    pub(super) fn input(&self) -> Result<Input<'a>, Error> {
        Ok(Input {
            state: self.request_state.map(|raw| required("requestState", Some(raw))).transpose()?,
            responses: self.input_responses.map_or(Ok(Vec::new()), responses)?,
        })
    }

    /// The parameters of `initialize`.
    ///
    /// # Errors
    /// `InvalidParams` where no revision is asked for.
    pub(super) fn initialize(&self) -> Result<Request<'a>, Error> {
        Ok(Request::Initialize {
            requested: required("protocolVersion", self.protocol_version)?,
            capabilities: self.capabilities,
            client_info: self.client_info,
        })
    }

    /// The parameters of `logging/setLevel`.
    ///
    /// # Errors
    /// `InvalidParams` where no level is named.
    pub(super) fn set_level(&self) -> Result<Request<'a>, Error> {
        let raw = self.level.ok_or_else(|| Error::invalid_params("`params` must have `level`"))?;
        Ok(Request::SetLevel { level: level("level", raw)? })
    }

    /// The URI that a method is about.
    ///
    /// # Errors
    /// `InvalidParams` where there is none, or it is too long.
    pub(super) fn uri(&self) -> Result<Cow<'a, str>, Error> {
        bounded_uri("uri", required("uri", self.uri)?)
    }

    /// The task that a method is about.
    ///
    /// # Errors
    /// `InvalidParams` where there is none.
    pub(super) fn task_id(&self) -> Result<Cow<'a, str>, Error> {
        required("taskId", self.task_id)
    }

    /// The parameters of `tasks/update`.
    ///
    /// # Errors
    /// `InvalidParams` where they are not a task and answers for it.
    pub(super) fn update_task(&self) -> Result<Request<'a>, Error> {
        let raw = self
            .input_responses
            .ok_or_else(|| Error::invalid_params("`params` must have `inputResponses`"))?;
        Ok(Request::UpdateTask { id: self.task_id()?, responses: responses(raw)? })
    }

    /// The parameters of `subscriptions/listen`.
    ///
    /// # Errors
    /// `InvalidParams` where they name no notifications.
    pub(super) fn listen(&self) -> Result<Request<'a>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[derive(Default)]
        struct Filter<'a> {
            tools_list_changed: bool,
            prompts_list_changed: bool,
            resources_list_changed: bool,
            #[serde(borrow)]
            resource_subscriptions: Vec<Text<'a>>,
            #[serde(borrow)]
            task_ids: Vec<Text<'a>>,
        }
        let raw = self
            .notifications
            .ok_or_else(|| Error::invalid_params("`params` must have `notifications`, what to listen to"))?;
        let filter: Filter<'a> =
            serde_json::from_str(raw.get()).ok().filter(|_| raw.get().starts_with('{')).ok_or_else(|| {
                Error::invalid_params(format!(
                    "`notifications` must be an object of flags (`toolsListChanged`, …) and lists of strings \
                     (`resourceSubscriptions`), not {}",
                    cut(raw.get())
                ))
            })?;
        let count = filter.resource_subscriptions.len() + filter.task_ids.len();
        if count > SUBSCRIPTIONS_MAX {
            return Err(Error::invalid_params(format!(
                "`notifications` lists {count} resources and tasks, more than {SUBSCRIPTIONS_MAX}"
            )));
        }
        let uris = filter.resource_subscriptions.into_iter();
        Ok(Request::Listen(Listened {
            tools: filter.tools_list_changed,
            prompts: filter.prompts_list_changed,
            resources: filter.resources_list_changed,
            uris: uris
                .map(|Text(uri)| bounded_uri("resourceSubscriptions", uri))
                .collect::<Result<_, _>>()?,
            tasks: filter.task_ids.into_iter().map(|Text(id)| id).collect(),
        }))
    }

    fn list(&self, listing: Listing) -> Result<Request<'a>, Error> {
        let cursor = self.cursor.map(|raw| required("cursor", Some(raw))).transpose()?;
        Ok(Request::List { listing, cursor })
    }

    fn complete(&self) -> Result<Request<'a>, Error> {
        #[derive(Deserialize)]
        struct Reference<'a> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'a, str>,
            #[serde(borrow)]
            name: Option<Cow<'a, str>>,
            #[serde(borrow)]
            uri: Option<Cow<'a, str>>,
        }
        #[derive(Deserialize)]
        struct Argument<'a> {
            #[serde(borrow)]
            name: Cow<'a, str>,
            #[serde(borrow)]
            value: Cow<'a, str>,
        }
        #[derive(Deserialize)]
        struct Context<'a> {
            #[serde(borrow)]
            arguments: Option<&'a RawValue>,
        }
        let reference: Reference<'a> = shaped(
            "ref",
            self.reference,
            "{\"type\": \"ref/prompt\", \"name\": …}, or of a resource template",
        )?;
        let of = match (reference.kind.as_ref(), reference.name, reference.uri) {
            ("ref/prompt", Some(name), _) => Completed::Prompt(name),
            ("ref/resource", _, Some(uri)) => Completed::Resource(bounded_uri("ref.uri", uri)?),
            (kind, ..) => {
                return Err(Error::invalid_params(format!(
                    "`ref` must be a `ref/prompt` with a `name` or a `ref/resource` with a `uri`, not {}",
                    echo(kind)
                )));
            }
        };
        let Argument { name, value } =
            shaped("argument", self.argument, "{\"name\": …, \"value\": …}, both strings")?;
        let context: Option<Context<'a>> =
            self.context.map(|raw| shaped("context", Some(raw), "{\"arguments\": …}")).transpose()?;
        let arguments = context
            .and_then(|context| context.arguments)
            .map_or(Ok(Vec::new()), |raw| strings("context.arguments", raw))?;
        Ok(Request::Complete { of, argument: name, value, arguments })
    }
}

/// Whether both eras have `method`.
pub(super) fn knows(method: &str) -> bool {
    // Parameters that are wrong are those of a method that is known.
    !matches!(Params::default().decode(method), Ok(None))
}

/// A member that must be there and be an object of this shape.
fn shaped<'a, T: Deserialize<'a>>(name: &str, raw: Option<&'a RawValue>, shape: &str) -> Result<T, Error> {
    let raw = raw.ok_or_else(|| Error::invalid_params(format!("`params` must have `{name}`")))?;
    serde_json::from_str(raw.get())
        .ok()
        .filter(|_| raw.get().starts_with('{'))
        .ok_or_else(|| Error::invalid_params(format!("`{name}` must be {shape}, not {}", cut(raw.get()))))
}

/// A member that must be there and be a string.
fn required<'a>(name: &str, raw: Option<&'a RawValue>) -> Result<Cow<'a, str>, Error> {
    let raw = raw.ok_or_else(|| Error::invalid_params(format!("`params` must have `{name}`")))?;
    string(raw)
        .ok_or_else(|| Error::invalid_params(format!("`{name}` must be a string, not {}", cut(raw.get()))))
}

fn bounded_uri<'a>(name: &str, uri: Cow<'a, str>) -> Result<Cow<'a, str>, Error> {
    match uri.len() {
        bytes if bytes > URI_BYTES_MAX => {
            Err(Error::invalid_params(format!("`{name}` has {bytes} bytes, more than {URI_BYTES_MAX}")))
        }
        _ => Ok(uri),
    }
}

fn level(name: &str, raw: &RawValue) -> Result<LoggingLevel, Error> {
    string(raw).and_then(|level| LoggingLevel::parse(&level)).ok_or_else(|| {
        let levels = LoggingLevel::ALL.map(LoggingLevel::as_str).join(", ");
        Error::invalid_params(format!("`{name}` must be one of {levels}, not {}", cut(raw.get())))
    })
}

/// `raw` as a string, where it is one.
pub(crate) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match quoted.filter(|quoted| !quoted.contains('\\')) {
        // What needs no unescaping was read when the whole was.
        Some(quoted) => Some(Cow::Borrowed(quoted)),
        None => serde_json::from_str::<Text<'_>>(text).ok().map(|text| text.0),
    }
}

/// A string that borrows where it can; serde's `Cow` borrows only behind an attribute.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

fn strings<'a>(name: &str, raw: &'a RawValue) -> Result<Pairs<'a>, Error> {
    let Object(pairs) = serde_json::from_str::<Object<'_, Text<'_>>>(raw.get()).map_err(|_| {
        Error::invalid_params(format!("`{name}` must be an object of strings, not {}", cut(raw.get())))
    })?;
    few(name, pairs.len())?;
    Ok(pairs.into_iter().map(|(key, Text(value))| (key, value)).collect())
}

fn responses(raw: &RawValue) -> Result<Responses<'_>, Error> {
    let Object(pairs) = serde_json::from_str::<Object<'_, &RawValue>>(raw.get()).map_err(|_| {
        Error::invalid_params(format!("`inputResponses` must be an object, not {}", cut(raw.get())))
    })?;
    few("inputResponses", pairs.len())?;
    Ok(pairs)
}

fn few(name: &str, members: usize) -> Result<(), Error> {
    match members > MEMBERS_MAX {
        true => Err(Error::invalid_params(format!("`{name}` has more than {MEMBERS_MAX} members"))),
        false => Ok(()),
    }
}

/// The member `name` of a JSON object, among however many; `None` where there is none, or `text` is no object.
pub(crate) fn member<'a>(text: &'a str, name: &str) -> Option<&'a RawValue> {
    struct Find<'n>(&'n str);
    impl<'de> Visitor<'de> for Find<'_> {
        type Value = Option<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(Text(key)) = map.next_key()? {
                let value: &RawValue = map.next_value()?;
                found = found.or_else(|| (key == self.0).then_some(value));
            }
            Ok(found)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_map(Find(name)).ok()?
}

/// The members of a JSON object, however many, in their order; `None` where `text` is no object.
pub(crate) fn members(text: &str) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    struct All;
    impl<'de> Visitor<'de> for All {
        type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(Text(key)) = map.next_key()? {
                members.push((key, map.next_value()?));
            }
            Ok(members)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_map(All).ok()
}

/// The members of a JSON object, by name; `None` where `text` is no object, or has more than [`MEMBERS_MAX`].
pub(crate) struct Members<'a>(Object<'a, &'a RawValue>);

impl<'a> Members<'a> {
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|Object(pairs)| pairs.len() <= MEMBERS_MAX).map(Self)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let Self(Object(pairs)) = self;
        pairs.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.0.is_empty()
    }

    /// All of them, in their own order.
    pub(crate) fn into_pairs(self) -> Vec<(Cow<'a, str>, &'a RawValue)> {
        self.0.0
    }
}

/// A JSON object in its own order. Of more than [`MEMBERS_MAX`] members one more is kept, which tells: the smallest
/// take an eighth in the body of what they take here.
struct Object<'a, V>(Vec<(Cow<'a, str>, V)>);

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Object<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Pairs<V> {
            type Value = Object<'de, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Text(key), value)) = map.next_entry()? {
                    if pairs.len() <= MEMBERS_MAX {
                        pairs.push((key, value));
                    }
                }
                Ok(Object(pairs))
            }
        }
        deserializer.deserialize_map(Pairs(PhantomData))
    }
}

/// The version of a component that a request asks for, as FastMCP's clients do: `params._meta.fastmcp.version`.
pub(crate) fn asked_version(message: &[u8]) -> Option<String> {
    let member =
        |json: &str, name: &str| Members::read(json)?.get(name).map(RawValue::get).map(str::to_owned);
    let mut json = std::str::from_utf8(message).ok()?.to_owned();
    for name in ["params", "_meta", "fastmcp", "version"] {
        json = member(&json, name)?;
    }
    super::read(json.as_bytes())
}

#[cfg(test)]
mod properties {
    use proptest::{option, prelude::*};
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        properties::{config, json, object},
        version::Era,
        wire,
    };

    fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
        prop::collection::btree_map(any::<String>(), any::<String>(), 0..4)
            .prop_map(|pairs| pairs.into_iter().collect())
    }

    fn raw(value: &Value) -> Box<RawValue> {
        RawValue::from_string(value.to_string()).unwrap()
    }

    fn read(raw: &RawValue) -> Result<Box<Params<'_>>, Error> {
        Params::of(serde_json::from_str(raw.get()).unwrap())
    }

    /// What `method` with `params` asks for in each era that has it.
    fn each(
        method: &str,
        params: &Value,
        check: impl Fn(Request<'_>) -> Result<(), TestCaseError>,
    ) -> Result<(), TestCaseError> {
        let raw = raw(params);
        let params = read(&raw).unwrap();
        for era in [Era::Legacy, Era::Modern] {
            match wire::decode(era, method, &params) {
                Ok(request) => check(request)?,
                Err(error) => {
                    prop_assert_eq!(error.kind, crate::error::ErrorKind::MethodNotFound, "{}", error.message);
                }
            }
        }
        Ok(())
    }

    fn same(read: &Pairs<'_>, written: &[(String, String)]) -> bool {
        read.iter()
            .map(|(name, value)| (&**name, &**value))
            .eq(written.iter().map(|(name, value)| (&**name, &**value)))
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn requests_are_read_as_they_were_written(
            text: String, other: String, arguments in object(), pairs in pairs(), uri in "[ -~ü]{0,40}", cursor in option::of(any::<String>()),
        ) {
            let object = |pairs: &[(String, String)]| -> Value {
                pairs.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
            };
            let arguments = Value::Object(arguments);
            each("tools/call", &json!({"name": text, "arguments": arguments, "else": other}), |request| match request {
                Request::CallTool { name, arguments: Some(read), .. } => {
                    prop_assert_eq!(&*name, &*text);
                    prop_assert_eq!(serde_json::from_str::<Value>(read.get()).unwrap(), arguments.clone());
                    Ok(())
                }
                other => Err(TestCaseError::fail(format!("{other:?}"))),
            })?;
            each("prompts/get", &json!({"name": text, "arguments": object(&pairs)}), |request| match request {
                Request::GetPrompt { name, arguments, .. } => {
                    prop_assert!(*name == *text && same(&arguments, &pairs));
                    Ok(())
                }
                other => Err(TestCaseError::fail(format!("{other:?}"))),
            })?;
            for method in ["resources/read", "resources/subscribe", "resources/unsubscribe"] {
                each(method, &json!({"uri": uri}), |request| match request {
                    Request::ReadResource { uri: read, .. }
                    | Request::Subscribe { uri: read }
                    | Request::Unsubscribe { uri: read } => {
                        prop_assert_eq!(&*read, &*uri);
                        Ok(())
                    }
                    other => Err(TestCaseError::fail(format!("{other:?}"))),
                })?;
            }
            each("tools/list", &json!({"cursor": cursor}), |request| match request {
                Request::List { listing: Listing::Tools, cursor: read } => {
                    prop_assert_eq!(read.as_deref(), cursor.as_deref());
                    Ok(())
                }
                other => Err(TestCaseError::fail(format!("{other:?}"))),
            })?;
            let completed = json!({
                "ref": {"type": "ref/resource", "uri": uri}, "argument": {"name": text, "value": other},
                "context": {"arguments": object(&pairs)},
            });
            each("completion/complete", &completed, |request| match request {
                Request::Complete { of: Completed::Resource(of), argument, value, arguments } => {
                    prop_assert!(*of == *uri && *argument == *text && *value == *other && same(&arguments, &pairs));
                    Ok(())
                }
                other => Err(TestCaseError::fail(format!("{other:?}"))),
            })?;
        }

        #[test]
        fn what_comes_back_with_a_request_is_read_as_it_was_written(
            state in option::of(any::<String>()), answers in object(), tools: bool, uris in prop::collection::vec("[ -~]{0,9}", 0..4),
        ) {
            let mut params = json!({"inputResponses": answers});
            if let Some(state) = &state {
                params["requestState"] = state.as_str().into();
            }
            let raw = raw(&params);
            let Input { state: read, responses } = read(&raw).unwrap().input().unwrap();
            prop_assert_eq!(read.as_deref(), state.as_deref());
            let read = responses.iter().map(|(key, value)| (key.clone().into_owned(), serde_json::from_str(value.get()).unwrap()));
            prop_assert_eq!(read.collect::<Vec<(String, Value)>>(), answers.into_iter().collect::<Vec<_>>());

            let filter = json!({"notifications": {"toolsListChanged": tools, "resourceSubscriptions": uris, "else": 1}});
            each("subscriptions/listen", &filter, |request| match request {
                Request::Listen(listened) => {
                    prop_assert_eq!((listened.tools, listened.prompts), (tools, false));
                    prop_assert!(listened.uris.iter().eq(&uris));
                    Ok(())
                }
                other => Err(TestCaseError::fail(format!("{other:?}"))),
            })?;
        }

        #[test]
        fn a_member_that_stands_there_twice_is_refused_and_an_unknown_one_is_not(
            name in prop::sample::select(vec!["name", "_meta", "taskId", "inputResponses"]), one in json(), other in json(),
        ) {
            let (one, other) = (one.to_string(), other.to_string());
            for name in [name, "else"] {
                let raw = RawValue::from_string(format!(r#"{{"{name}":{one},"arguments":{{}},"{name}":{other}}}"#)).unwrap();
                prop_assert_eq!(read(&raw).is_ok(), name == "else");
            }
            // What is wrong with the metadata is told by whoever asks for it, and of nothing else.
            let meta = format!(r#"{{"requestId":1,"_meta":{{"baggage":{one},"else":1,"baggage":{other}}}}}"#);
            let raw = RawValue::from_string(meta).unwrap();
            let params = read(&raw).unwrap();
            prop_assert!(params.request_id().is_some());
            prop_assert_eq!(params.meta().unwrap_err().message, "`params._meta` has a member twice");
        }

        #[test]
        fn what_is_no_object_is_refused_and_null_is_nothing(value in json()) {
            let params = raw(&value);
            match read(&params) {
                Ok(_) => prop_assert!(value.is_object() || value.is_null()),
                Err(error) => {
                    prop_assert!(!value.is_object());
                    prop_assert_eq!(error.message, "`params` must be an object");
                }
            }
            let within = raw(&json!({"_meta": value, "name": "t"}));
            let params = read(&within).unwrap();
            prop_assert!(params.routed_name("tools/call").is_some_and(|name| name == "t"));
            match params.meta() {
                Ok(meta) => prop_assert!(meta.is_some() == value.is_object() && (value.is_object() || value.is_null())),
                Err(error) => prop_assert_eq!(error.message, "`params._meta` must be an object"),
            }
        }

        #[test]
        fn a_string_is_read_as_it_was_written(text: String) {
            let raw = raw(&Value::from(text.as_str()));
            prop_assert_eq!(string(&raw).unwrap(), text);
        }

        #[test]
        fn any_parameters_are_read_or_refused(params in prop_oneof![json(), object().prop_map(Value::Object)], member in json()) {
            const MEMBERS: [&str; 18] = [
                "_meta", "name", "uri", "arguments", "inputResponses", "requestState", "cursor", "protocolVersion",
                "capabilities", "clientInfo", "level", "ref", "argument", "context", "notifications", "taskId", "requestId",
                "else",
            ];
            const METHODS: [&str; 19] = [
                "initialize", "ping", "server/discover", "tools/list", "tools/call", "resources/list",
                "resources/templates/list", "resources/read", "resources/subscribe", "resources/unsubscribe",
                "prompts/list", "prompts/get", "completion/complete", "logging/setLevel", "subscriptions/listen",
                "tasks/get", "tasks/update", "tasks/cancel", "nonsense",
            ];
            let mut params = params;
            if let Some(object) = params.as_object_mut() {
                object.extend(MEMBERS.map(|name| (name.to_owned(), member.clone())));
            }
            let raw = raw(&params);
            let Ok(read) = read(&raw) else {
                prop_assert!(!params.is_object());
                return Ok(());
            };
            for method in METHODS {
                let _ = (read.routed_name(method), read.meta());
                for era in [Era::Legacy, Era::Modern] {
                    if let Err(error) = wire::decode(era, method, &read) {
                        // What is said of it is cut.
                        prop_assert!(error.cause.is_none() && error.message.chars().count() < 600, "{}", error.message);
                    }
                }
            }
        }
    }
}
