//! Reaches the object of a partition, and tells why it could not be reached.

use bytes::Bytes;
use edgemcp::store::{Partition, StoreError, StoreErrorKind};
use worker::{
    Env,
    js_sys::{Reflect, Uint8Array},
    send::SendWrapper,
    wasm_bindgen::{JsCast, JsValue},
    wasm_bindgen_futures::JsFuture,
    web_sys::{Headers, Request, RequestInit, Response, WebSocket},
    worker_sys::{DurableObjectNamespace, ext::ResponseExt},
};

use super::{
    OBJECT_VALUE_BYTES_MAX,
    entries::PAGE_BYTES_MAX,
    message::{ADDRESS, Answer, Ask, Refusal, WATCH},
};
use crate::{read, thrown};

/// The most bytes of an answer: a page, whose last value may be one too many, and the names of its entries.
const ANSWER_BYTES_MAX: usize = PAGE_BYTES_MAX + OBJECT_VALUE_BYTES_MAX + (64 << 10);

/// A binding to a namespace of objects.
pub(super) struct Namespace {
    binding: String,
    objects: SendWrapper<DurableObjectNamespace>,
}

impl Namespace {
    pub(super) fn bound(env: &Env, binding: &str) -> Option<Self> {
        let objects = Reflect::get(env, &binding.into()).ok().filter(JsValue::is_truthy)?;
        Some(Self { binding: binding.to_owned(), objects: SendWrapper(objects.unchecked_into()) })
    }

    pub(super) fn binding(&self) -> &str {
        &self.binding
    }

    /// What the object of `partition` answers; a refusal of its is an error.
    pub(super) async fn ask(&self, partition: &Partition, ask: Ask) -> Result<Answer, StoreError> {
        let operation = ask.work.name();
        let init = RequestInit::new();
        init.set_method("POST");
        // A copy that JavaScript owns: this memory may move while the request is sent.
        init.set_body(&Uint8Array::from(&*ask.encode()));
        let response = self.fetch(operation, partition, &init).await?;
        self.answer(operation, &response).await
    }

    /// A WebSocket on which the object of `partition` tells of its changes.
    pub(super) async fn watch(&self, partition: &Partition) -> Result<WebSocket, StoreError> {
        let failed = |why: JsValue| self.unreachable(WATCH, &why);
        let headers = Headers::new().map_err(failed)?;
        headers.set("upgrade", "websocket").map_err(failed)?;
        let init = RequestInit::new();
        init.set_headers(&headers);
        let response = self.fetch(WATCH, partition, &init).await?;
        match response.websocket() {
            Some(socket) => Ok(socket),
            None => {
                self.answer(WATCH, &response).await?;
                Err(self.foreign(WATCH))
            }
        }
    }

    async fn fetch(
        &self,
        operation: &'static str,
        partition: &Partition,
        init: &RequestInit,
    ) -> Result<Response, StoreError> {
        let failed = |why: JsValue| self.unreachable(operation, &why);
        let request =
            Request::new_with_str_and_init(&format!("{ADDRESS}{operation}"), init).map_err(failed)?;
        // A stub that has failed once fails ever after, so each request has its own.
        let object = self.objects.get_by_name(&partition.to_string()).map_err(|_| self.foreign(operation))?;
        let response = object.fetch_with_request(&request).map_err(failed)?;
        JsFuture::from(response).await.map_err(failed)?.dyn_into().map_err(failed)
    }

    async fn answer(&self, operation: &'static str, response: &Response) -> Result<Answer, StoreError> {
        let body = match response.body() {
            Some(stream) if response.ok() => read::read(&stream, ANSWER_BYTES_MAX).await,
            _ => return Err(self.foreign(operation)),
        };
        let body: Bytes = body.map_err(|_| {
            let detail = format!("the answer of an object in `{}` broke off", self.binding);
            StoreError::new(StoreErrorKind::Unavailable, operation, detail)
        })?;
        match Answer::decode(body) {
            Some(Answer::Refused(Refusal { kind, detail })) => Err(StoreError::new(kind, operation, detail)),
            Some(answer) => Ok(answer),
            None => Err(self.foreign(operation)),
        }
    }

    /// What is bound is something else, or of a version that this one does not understand.
    pub(super) fn foreign(&self, operation: &'static str) -> StoreError {
        let detail = format!(
            "the binding `{}` is no Durable Object of this version's class `EdgemcpObject` (its Worker exports it with \
             `edgemcp_workers::durable_object!()`)",
            self.binding
        );
        StoreError::new(StoreErrorKind::Denied, operation, detail)
    }

    pub(super) fn unreachable(&self, operation: &'static str, why: &JsValue) -> StoreError {
        // Workers mark an error so where another try would only add to the queue.
        let overloaded = Reflect::get(why, &"overloaded".into()).is_ok_and(|marked| marked.is_truthy());
        let kind = if overloaded { StoreErrorKind::Throttled } else { StoreErrorKind::Unavailable };
        StoreError::new(kind, operation, format!("an object in `{}`: {}", self.binding, thrown::message(why)))
    }
}
