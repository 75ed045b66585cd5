//! Turns the JSON of a Lambda event into an HTTP request, whatever is in it, or into the task that a function has
//! invoked itself for.
//!
//! Why not with `lambda_http`? Its conversion parses the event's `Host` and path as a URL and decodes its body with
//! `unwrap`, so that a client can end an invocation with a header; it also puts API Gateway's stage in front of the
//! path. Here what cannot be part of a request is answered with a 4xx that says why, and only what a request needs is
//! read: an unusual `requestContext` fails nothing. A server nested in a user's own function takes the request that
//! `lambda_http` made, see [`handle`](crate::handle).

use std::{borrow::Cow, collections::BTreeMap};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri,
    header::{COOKIE, HOST},
    uri::{Authority, PathAndQuery},
};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::path::Place;

/// The longest path and query together, in bytes. API Gateway takes less.
pub const URI_BYTES_MAX: usize = 16 * 1024;

/// The most header fields of a request.
pub const HEADERS_MAX: usize = 128;

/// The most bytes of all header names and values of a request together.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;

/// What an event asks of the function.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is taken apart at once")]
pub(crate) enum Event {
    /// To answer a request.
    Request(Kind, Result<Request<Bytes>, Refusal>),
    /// To go on with the task that has this id.
    Task(String),
}

/// Who sent a request, which decides the form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An API Gateway REST API, or an HTTP API with payload format 1.0.
    V1,
    /// An API Gateway HTTP API with payload format 2.0, or a function URL.
    V2,
    /// An Application Load Balancer; `multi_value` where its target group has multi-value headers switched on.
    Alb { multi_value: bool },
}

/// Why an event is no request for the service.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It cannot be a request: status and reason.
    Bad(StatusCode, String),
    /// Its body is larger than the service takes.
    BodyTooLarge,
}

/// The event comes from none of the sources that speak HTTP, nor from the function itself.
#[derive(Debug)]
pub(crate) struct UnknownEvent;

impl std::fmt::Display for UnknownEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "the event is none of those this function serves: API Gateway REST API, API Gateway HTTP API \
             (payload format 1.0 or 2.0), Lambda function URL, Application Load Balancer",
        )
    }
}

/// The event by which a function invokes itself for the task `id`.
pub(crate) fn for_task(id: &str) -> String {
    // An id is hexadecimal.
    format!(r#"{{"edgemcp":{{"task":"{id}"}}}}"#)
}

/// Reads one event.
pub(crate) fn read(event: &str, body_bytes_max: usize) -> Result<Event, UnknownEvent> {
    let fields: Fields<'_> = serde_json::from_str(event).map_err(|_| UnknownEvent)?;
    let context = match fields.request_context {
        Some(raw) => serde_json::from_str(raw.get()).map_err(|_| UnknownEvent)?,
        None => Context::default(),
    };
    let kind = if context.elb.is_some() {
        Kind::Alb { multi_value: fields.multi_value_headers.is_some() }
    } else if context.http.is_some() {
        Kind::V2
    } else if fields.http_method.is_some() {
        Kind::V1
    } else {
        return fields.edgemcp.and_then(task).map(Event::Task).ok_or(UnknownEvent);
    };
    let request = match kind {
        Kind::V2 => from_v2(&fields, &context, body_bytes_max),
        Kind::V1 | Kind::Alb { .. } => from_v1(&fields, &context, kind, body_bytes_max),
    };
    Ok(Event::Request(kind, request))
}

/// The id of the task in what a function has sent itself.
fn task(own: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Own {
        task: String,
    }
    let Own { task } = serde_json::from_str(own.get()).ok()?;
    (task.len() == 32 && task.bytes().all(|b| b.is_ascii_hexdigit())).then_some(task)
}

/// The fields of all kinds. Each stays raw until it is needed, so that an error can name it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow)]
    request_context: Option<&'a RawValue>,
    #[serde(borrow)]
    http_method: Option<&'a RawValue>,
    #[serde(borrow)]
    path: Option<&'a RawValue>,
    #[serde(borrow)]
    raw_path: Option<&'a RawValue>,
    #[serde(borrow)]
    raw_query_string: Option<&'a RawValue>,
    #[serde(borrow)]
    query_string_parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    multi_value_query_string_parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    path_parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    #[serde(borrow)]
    route_key: Option<&'a RawValue>,
    #[serde(borrow)]
    headers: Option<&'a RawValue>,
    #[serde(borrow)]
    multi_value_headers: Option<&'a RawValue>,
    #[serde(borrow)]
    cookies: Option<&'a RawValue>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(borrow)]
    is_base64_encoded: Option<&'a RawValue>,
    #[serde(borrow)]
    edgemcp: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    #[serde(borrow)]
    elb: Option<&'a RawValue>,
    #[serde(borrow)]
    http: Option<&'a RawValue>,
    #[serde(borrow)]
    stage: Option<&'a RawValue>,
    #[serde(borrow)]
    path: Option<&'a RawValue>,
    #[serde(borrow)]
    domain_name: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ContextHttp<'a> {
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    path: Option<&'a RawValue>,
}

/// What one kind of event has in its own way.
struct Read {
    method: String,
    path: String,
    context_path: Option<String>,
    route: Option<String>,
    query: String,
    headers: Headers,
}

type Single = BTreeMap<String, Option<String>>;
type Multiple = BTreeMap<String, Option<Vec<String>>>;

fn from_v1(
    fields: &Fields<'_>,
    context: &Context<'_>,
    kind: Kind,
    body_bytes_max: usize,
) -> Result<Request<Bytes>, Refusal> {
    let multiple: Option<Multiple> =
        field("multiValueQueryStringParameters", fields.multi_value_query_string_parameters)?;
    let query = match multiple {
        Some(multiple) => {
            let pairs = multiple
                .iter()
                .flat_map(|(name, values)| values.iter().flatten().map(move |value| (name, value)));
            query_string(kind, pairs)
        }
        None => {
            let single: Option<Single> = field("queryStringParameters", fields.query_string_parameters)?;
            let single = single.unwrap_or_default();
            query_string(kind, single.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))))
        }
    };
    let mut headers = Headers::default();
    let multiple: Multiple = field("multiValueHeaders", fields.multi_value_headers)?.unwrap_or_default();
    for (name, values) in &multiple {
        for value in values.iter().flatten() {
            headers.push(name, value)?;
        }
    }
    let single: Single = field("headers", fields.headers)?.unwrap_or_default();
    for (name, value) in &single {
        // Both forms tell the same fields; the single one would only repeat the last value.
        if let Some(value) = value
            && !multiple.contains_key(name)
        {
            headers.push(name, value)?;
        }
    }
    let read = Read {
        method: required("httpMethod", fields.http_method)?,
        path: required("path", fields.path)?,
        context_path: field("requestContext.path", context.path)?,
        route: field("resource", fields.resource)?,
        query,
        headers,
    };
    request(read, fields, context, body_bytes_max)
}

fn from_v2(
    fields: &Fields<'_>,
    context: &Context<'_>,
    body_bytes_max: usize,
) -> Result<Request<Bytes>, Refusal> {
    let http = match context.http {
        Some(raw) => {
            serde_json::from_str(raw.get()).map_err(|error| malformed("requestContext.http", &error))?
        }
        None => ContextHttp { method: None, path: None },
    };
    let mut headers = Headers::default();
    let single: Single = field("headers", fields.headers)?.unwrap_or_default();
    for (name, value) in &single {
        if let Some(value) = value {
            headers.push(name, value)?;
        }
    }
    let cookies: Vec<String> = field("cookies", fields.cookies)?.unwrap_or_default();
    if !cookies.is_empty() {
        headers.fields.remove(COOKIE);
        headers.push(COOKIE.as_str(), &cookies.join("; "))?;
    }
    let read = Read {
        method: required("requestContext.http.method", http.method)?,
        path: required("rawPath", fields.raw_path)?,
        context_path: field("requestContext.http.path", http.path)?,
        route: field("routeKey", fields.route_key)?,
        query: field("rawQueryString", fields.raw_query_string)?.unwrap_or_default(),
        headers,
    };
    request(read, fields, context, body_bytes_max)
}

fn request(
    read: Read,
    fields: &Fields<'_>,
    context: &Context<'_>,
    body_bytes_max: usize,
) -> Result<Request<Bytes>, Refusal> {
    let Read { method, path, context_path, route, query, mut headers } = read;
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| bad(format!("the method {:?} is not an HTTP method", shown(&method))))?;

    let stage: Option<String> = field("requestContext.stage", context.stage)?;
    let parameters: Option<Single> = field("pathParameters", fields.path_parameters)?;
    let place = Place {
        path: &path,
        stage: stage.as_deref(),
        context_path: context_path.as_deref(),
        route: route.as_deref(),
    };
    let uri = uri(place, |name| parameters.as_ref()?.get(name)?.as_deref(), &query)?;

    let domain: Option<String> = field("requestContext.domainName", context.domain_name)?;
    host(&mut headers, domain.as_deref())?;

    let text: Option<String> = field("body", fields.body)?;
    let base64: Option<bool> = field("isBase64Encoded", fields.is_base64_encoded)?;
    let body = body(text.unwrap_or_default(), base64.unwrap_or_default(), body_bytes_max)?;

    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers.fields;
    Ok(request)
}

/// What must be escaped in a query that already is one.
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// What must be escaped in a path. API Gateway hands some paths over decoded.
const PATH: &AsciiSet = &QUERY.add(b'?').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// The address below stage and base path, without scheme and host: what a client would send to a server of its own.
pub(crate) fn uri<'p>(
    place: Place<'_>,
    parameter: impl Fn(&str) -> Option<&'p str>,
    query: &str,
) -> Result<Uri, Refusal> {
    // All of the path is looked at, since a base path could be anything.
    if !place.path.starts_with('/') {
        return Err(bad(format!("the path {:?} does not start with `/`", shown(place.path))));
    }
    if place.path.chars().any(char::is_control) {
        return Err(bad(format!("the path {:?} has a control character", shown(place.path))));
    }
    let path = place.below_prefix(parameter);
    let path: Cow<'_, str> = utf8_percent_encode(path, PATH).into();
    let query: Cow<'_, str> = utf8_percent_encode(query, QUERY).into();
    let whole = if query.is_empty() { path.into_owned() } else { format!("{path}?{query}") };
    if whole.len() > URI_BYTES_MAX {
        let why = format!("path and query have {} bytes, more than {URI_BYTES_MAX}", whole.len());
        return Err(Refusal::Bad(StatusCode::URI_TOO_LONG, why));
    }
    PathAndQuery::try_from(whole)
        .map(Uri::from)
        .map_err(|error| bad(format!("path and query are not part of a URI: {error}")))
}

/// A load balancer hands parameters over as they were sent, API Gateway decodes them.
fn query_string<'a>(kind: Kind, parameters: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let escape = |text: &'a str| match kind {
        Kind::Alb { .. } => Cow::Borrowed(text),
        Kind::V1 | Kind::V2 => utf8_percent_encode(text, NON_ALPHANUMERIC).into(),
    };
    let pairs: Vec<String> =
        parameters.map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    pairs.join("&")
}

/// The header fields of a request, within their limits.
#[derive(Default)]
struct Headers {
    fields: HeaderMap,
    bytes: usize,
}

impl Headers {
    fn push(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        self.bytes = self.bytes.saturating_add(name.len()).saturating_add(value.len());
        if self.fields.len() >= HEADERS_MAX || self.bytes > HEADER_BYTES_MAX {
            let why =
                format!("the headers are more than {HEADERS_MAX}, or more than {HEADER_BYTES_MAX} bytes");
            return Err(Refusal::Bad(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, why));
        }
        let field = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| bad(format!("{:?} is not the name of a header", shown(name))))?;
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| bad(format!("the header `{field}` has a control character")))?;
        self.fields.append(field, value);
        Ok(())
    }
}

/// Leaves one `Host` that is one: the caller's, or the domain that the gateway names.
fn host(headers: &mut Headers, domain: Option<&str>) -> Result<(), Refusal> {
    let is_host = |text: &str| !text.contains('@') && text.parse::<Authority>().is_ok();
    let mut given = headers.fields.get_all(HOST).iter();
    match (given.next(), given.next()) {
        (Some(_), Some(_)) => Err(bad("there is more than one `Host` header".to_owned())),
        (Some(one), None) if one.to_str().is_ok_and(is_host) => Ok(()),
        (Some(_), None) => Err(bad("the `Host` header is not a host name with an optional port".to_owned())),
        (None, _) => match domain.filter(|domain| is_host(domain)) {
            Some(domain) => headers.push(HOST.as_str(), domain),
            None => Ok(()),
        },
    }
}

/// Some senders leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn body(text: String, base64: bool, bytes_max: usize) -> Result<Bytes, Refusal> {
    // The size is checked before anything is decoded: four characters of base64 are three bytes, the last four one.
    let bytes_least = if base64 { (text.len() / 4).saturating_mul(3).saturating_sub(2) } else { text.len() };
    if bytes_least > bytes_max {
        return Err(Refusal::BodyTooLarge);
    }
    if !base64 {
        return Ok(text.into());
    }
    let bytes = BASE64
        .decode(text)
        .map_err(|error| bad(format!("the event says that its body is base64, and it is not: {error}")))?;
    if bytes.len() > bytes_max { Err(Refusal::BodyTooLarge) } else { Ok(bytes.into()) }
}

fn field<T: DeserializeOwned>(name: &str, raw: Option<&RawValue>) -> Result<Option<T>, Refusal> {
    raw.map(|raw| serde_json::from_str(raw.get()).map_err(|error| malformed(name, &error))).transpose()
}

fn required<T: DeserializeOwned>(name: &str, raw: Option<&RawValue>) -> Result<T, Refusal> {
    field(name, raw)?.ok_or_else(|| bad(format!("the event has no `{name}`")))
}

fn malformed(name: &str, error: &serde_json::Error) -> Refusal {
    bad(format!("`{name}` of the event is malformed: {error}"))
}

fn bad(why: String) -> Refusal {
    Refusal::Bad(StatusCode::BAD_REQUEST, why)
}

/// The start of what was sent, short enough for a message.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(event: &str) -> Option<String> {
        match read(event, 1024) {
            Ok(Event::Task(id)) => Some(id),
            Ok(Event::Request(..)) | Err(UnknownEvent) => None,
        }
    }

    #[test]
    fn what_a_function_sends_itself_is_read_again() {
        let id = "00112233445566778899aabbccddeeff";
        assert_eq!(for_task(id), r#"{"edgemcp":{"task":"00112233445566778899aabbccddeeff"}}"#);
        assert_eq!(task(&for_task(id)).as_deref(), Some(id));
    }

    #[test]
    fn what_only_looks_like_it_is_an_unknown_event() {
        let id = "0".repeat(32);
        for own in [
            "null".to_owned(),
            "{}".to_owned(),
            format!("\"{id}\""),
            r#"{"task":null}"#.to_owned(),
            r#"{"task":""}"#.to_owned(),
            format!(r#"{{"task":"{}"}}"#, "0".repeat(31)),
            format!(r#"{{"task":"{id}0"}}"#),
            format!(r#"{{"task":"{}g"}}"#, "0".repeat(31)),
            format!(r#"{{"task":"{}"}}"#, "ä".repeat(16)),
            format!(r#"{{"task":"{id}","more":1}}"#),
        ] {
            assert_eq!(task(&format!(r#"{{"edgemcp":{own}}}"#)), None, "{own}");
        }
    }

    #[test]
    fn an_event_that_carries_a_request_is_one_whatever_else_is_in_it() {
        let event =
            r#"{"httpMethod":"GET","path":"/","edgemcp":{"task":"00112233445566778899aabbccddeeff"}}"#;
        assert!(matches!(read(event, 1024), Ok(Event::Request(Kind::V1, Ok(_)))));
    }
}
