//! Calls a Workers KV namespace, and tells what its JavaScript answers.

use bytes::Bytes;
use edgemcp::{
    platform::Timestamp,
    store::{Entry, StoreError, StoreErrorKind},
};
use worker::{
    Env,
    js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array},
    send::SendWrapper,
    wasm_bindgen::{JsCast, JsValue},
    wasm_bindgen_futures::JsFuture,
};

use crate::thrown;

/// Where an entry's end is in its metadata, in milliseconds since 1970; an entry that has no end has no metadata.
const END: &str = "e";

/// A binding to a KV namespace.
///
/// Not `worker::kv::KvStore`, which reads five functions of the binding on every event, whether the store is used or
/// not, and cannot tell an entry of somebody else's from a failed call.
pub(super) struct Namespace {
    binding: String,
    object: SendWrapper<JsValue>,
}

/// What one call for names gave.
pub(super) struct Listed {
    /// Names in byte order, each with the end of its entry.
    pub(super) names: Vec<(String, Option<Timestamp>)>,
    /// How to go on, where there is more.
    pub(super) cursor: Option<String>,
}

impl Namespace {
    pub(super) fn bound(env: &Env, binding: &str) -> Option<Self> {
        let object = Reflect::get(env, &binding.into()).ok().filter(JsValue::is_truthy)?;
        Some(Self { binding: binding.to_owned(), object: SendWrapper(object) })
    }

    pub(super) fn binding(&self) -> &str {
        &self.binding
    }

    pub(super) async fn get(&self, operation: &'static str, name: &str) -> Result<Option<Entry>, StoreError> {
        let arguments = [name.into(), "arrayBuffer".into()];
        let answer = self.call(operation, "getWithMetadata", &arguments).await?;
        let value = field(&answer, "value");
        if value.is_null() || value.is_undefined() {
            return Ok(None);
        }
        let value = Bytes::from(Uint8Array::new(&value).to_vec());
        Ok(Some(Entry { value, expires_at: end(operation, name, &answer)? }))
    }

    pub(super) async fn put(
        &self,
        operation: &'static str,
        name: &str,
        entry: &Entry,
        ttl_s: Option<u64>,
    ) -> Result<(), StoreError> {
        let options = Object::new();
        if let Some(end) = entry.expires_at {
            let metadata = Object::new();
            set(&metadata, END, (end.as_millis() as f64).into());
            set(&options, "metadata", metadata.into());
        }
        if let Some(ttl_s) = ttl_s {
            set(&options, "expirationTtl", (ttl_s as f64).into());
        }
        // A copy that JavaScript owns: this memory may move while KV still reads it.
        let value = Uint8Array::from(&*entry.value).buffer();
        self.call(operation, "put", &[name.into(), value.into(), options.into()]).await?;
        Ok(())
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.call("delete", "delete", &[name.into()]).await?;
        Ok(())
    }

    pub(super) async fn list(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        names_max: usize,
    ) -> Result<Listed, StoreError> {
        let options = Object::new();
        set(&options, "prefix", prefix.into());
        set(&options, "limit", (names_max as f64).into());
        if let Some(cursor) = cursor {
            set(&options, "cursor", cursor.into());
        }
        let answer = self.call("list", "list", &[options.into()]).await?;
        let mut names = Vec::new();
        for key in Array::from(&field(&answer, "keys")).iter() {
            let Some(name) = field(&key, "name").as_string() else {
                return Err(corrupt("list", prefix, "a name that is no text"));
            };
            let end = end("list", &name, &key)?;
            names.push((name, end));
        }
        let complete = field(&answer, "list_complete").is_truthy();
        let cursor = field(&answer, "cursor").as_string().filter(|_| !complete);
        Ok(Listed { names, cursor })
    }

    async fn call(
        &self,
        operation: &'static str,
        method: &str,
        arguments: &[JsValue],
    ) -> Result<JsValue, StoreError> {
        let failed = |why: JsValue| {
            let message = thrown::message(&why);
            StoreError::new(kind(&message), operation, message)
        };
        let Ok(method) = field(&self.object, method).dyn_into::<Function>() else {
            let detail = format!("the binding `{}` is no KV namespace", self.binding);
            return Err(StoreError::new(StoreErrorKind::Denied, operation, detail));
        };
        let arguments: Array = arguments.iter().collect();
        let promise = method.apply(&self.object, &arguments).map_err(failed)?;
        JsFuture::from(Promise::from(promise)).await.map_err(failed)
    }
}

fn field(object: &JsValue, name: &str) -> JsValue {
    // It throws where `object` is no object, and then there is no such field either.
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

fn set(object: &Object, name: &str, value: JsValue) {
    // It fails on frozen objects, and these were made here.
    drop(Reflect::set(object, &name.into(), &value));
}

fn end(operation: &'static str, name: &str, found: &JsValue) -> Result<Option<Timestamp>, StoreError> {
    let metadata = field(found, "metadata");
    if metadata.is_null() || metadata.is_undefined() {
        return Ok(None);
    }
    match field(&metadata, END).as_f64() {
        // A number that no `u64` is becomes the nearest one.
        Some(ms) => Ok(Some(Timestamp::from_millis(ms as u64))),
        None => Err(corrupt(operation, name, "metadata that is not this store's")),
    }
}

pub(super) fn corrupt(operation: &'static str, name: &str, what: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, operation, format!("{name} has {what}"))
}

/// What a failed call means. KV says it in words only: "KV PUT failed: 429 Too Many Requests".
fn kind(message: &str) -> StoreErrorKind {
    let status = message.split_once("failed: ").and_then(|(_, rest)| rest.split([' ', ':']).next());
    match status {
        Some("429") => StoreErrorKind::Throttled,
        Some("413") => StoreErrorKind::TooLarge,
        Some("401" | "403") => StoreErrorKind::Denied,
        // "KV put() limit exceeded for the day."
        _ if message.contains("limit exceeded") => StoreErrorKind::Throttled,
        _ => StoreErrorKind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kv_says_decides_whether_to_try_again() {
        for (message, expected) in [
            ("KV PUT failed: 429 Too Many Requests", StoreErrorKind::Throttled),
            ("KV put() limit exceeded for the day.", StoreErrorKind::Throttled),
            (
                "KV PUT failed: 413 Value length of 26214401 exceeds limit of 26214400.",
                StoreErrorKind::TooLarge,
            ),
            ("KV GET failed: 403 Forbidden", StoreErrorKind::Denied),
            ("KV GET failed: 503 Service Unavailable", StoreErrorKind::Unavailable),
            ("Network connection lost.", StoreErrorKind::Unavailable),
        ] {
            assert_eq!(kind(message), expected, "{message}");
        }
    }
}
