//! Moves headers between JavaScript and `http`, whatever bytes are in their values.

use http::{HeaderMap, HeaderName, HeaderValue};
use worker::{
    js_sys::Array,
    wasm_bindgen::{JsCast, JsValue},
    web_sys::Headers,
};

use crate::thrown;

/// The headers of a request or an answer; `None` where one is none that `http` takes.
pub(crate) fn from_js(headers: &Headers) -> Option<HeaderMap> {
    // One list of pairs, since each step of an iterator would be three calls into JavaScript.
    let pairs = Array::from(headers);
    let mut map = HeaderMap::with_capacity(pairs.length() as usize);
    for pair in pairs.iter() {
        let pair: Array = pair.unchecked_into();
        let name = HeaderName::from_bytes(pair.get(0).as_string()?.as_bytes()).ok()?;
        let value = HeaderValue::from_bytes(pair.get(1).as_string()?.as_bytes()).ok()?;
        map.append(name, value);
    }
    Some(map)
}

/// The headers for JavaScript, one entry per value, so that several `Set-Cookie` stay several.
///
/// # Errors
/// The name of a header whose value is not UTF-8.
pub(crate) fn to_js(map: &HeaderMap) -> Result<Headers, String> {
    let fail = |why: JsValue| thrown::message(&why);
    let headers = Headers::new().map_err(fail)?;
    for (name, value) in map {
        let text = std::str::from_utf8(value.as_bytes())
            .map_err(|_| format!("the value of header `{name}` is not UTF-8"))?;
        headers.append(name.as_str(), text).map_err(fail)?;
    }
    Ok(headers)
}
