//! Is the class of the objects: what Workers call when a request, an alarm or a WebSocket's end reaches one.

use std::{panic::AssertUnwindSafe, rc::Rc};

use bytes::Bytes;
use edgemcp::store::{KEY_PART_BYTES_MAX, StoreErrorKind};
use worker::{
    ResponseBody, ResponseBuilder,
    js_sys::Promise,
    wasm_bindgen::JsValue,
    wasm_bindgen_futures::future_to_promise,
    web_sys::{Request, Response, WebSocket},
    worker_sys::{DurableObjectState, WebSocketPair},
};

use super::{
    batch::MANY_BYTES_MAX,
    entries::Entries,
    frame::SEVERAL_MAX,
    message::{ADDRESS, Answer, Ask, Refusal, WATCH},
};
use crate::{read, thrown};

/// The most bytes of a request: its values, and what names each of them and says when it ends.
const ASK_BYTES_MAX: usize = MANY_BYTES_MAX + SEVERAL_MAX * (KEY_PART_BYTES_MAX + 64);

/// WebSocket's code for an end as it was meant.
const NORMAL: u16 = 1000;

/// One object: the entries of one partition, and those who listen to it.
///
/// It has no state but what Workers keep for it, the open WebSockets among that, so that it can hibernate between two
/// requests. A panic drops the whole instance, so nothing half-done is seen afterwards.
pub struct Object(AssertUnwindSafe<Rc<Inner>>);

struct Inner {
    state: DurableObjectState,
    entries: Entries,
}

impl Object {
    /// The object that Workers have woken.
    ///
    /// # Errors
    /// What JavaScript throws where it is none.
    pub fn new(state: DurableObjectState) -> Result<Self, JsValue> {
        let entries = Entries::new(state.storage()?);
        Ok(Self(AssertUnwindSafe(Rc::new(Inner { state, entries }))))
    }

    /// Answers a request, with an answer whatever it is.
    pub fn fetch(&self, request: Request) -> Promise {
        let inner = self.0.clone();
        future_to_promise(AssertUnwindSafe(
            async move { Ok(Response::from(inner.fetch(request).await).into()) },
        ))
    }

    /// Deletes what has ended; Workers try again where it fails.
    ///
    /// # Errors
    /// What the table refuses, in words.
    pub fn alarm(&self) -> Result<Promise, JsValue> {
        self.0.entries.tidy().map_err(|refusal| worker::js_sys::Error::new(&refusal.detail).into())
    }

    /// Ends a WebSocket from this side too, after the other has.
    pub fn closed(&self, socket: &WebSocket) {
        // It fails where it is closed already.
        drop(socket.close_with_code(NORMAL));
    }
}

impl Inner {
    async fn fetch(&self, request: Request) -> worker::Response {
        let url = request.url();
        let Some(name) = url.strip_prefix(ADDRESS) else { return status(404) };
        if name == WATCH {
            return self.listen().unwrap_or_else(|why| respond(Answer::Refused(why)));
        }
        let body = match request.body() {
            None => Bytes::new(),
            Some(stream) => match read::read(&stream, ASK_BYTES_MAX).await {
                Ok(body) => body,
                Err(_) => return status(400),
            },
        };
        let Some(ask) = Ask::decode(name, body) else { return status(404) };
        // From here to the answer nothing waits, so nothing comes between.
        respond(match self.entries.carry_out(ask) {
            Ok((answer, changed)) => {
                changed.iter().for_each(|item| self.tell(item));
                answer
            }
            Err(why) => Answer::Refused(why),
        })
    }

    /// One more who is told of every change from now on.
    fn listen(&self) -> Result<worker::Response, Refusal> {
        let failed =
            |why: JsValue| Refusal { kind: StoreErrorKind::Throttled, detail: thrown::message(&why) };
        let mut pair = WebSocketPair::new().map_err(failed)?;
        let (theirs, ours) = (pair.client().map_err(failed)?, pair.server().map_err(failed)?);
        // It fails where an object has as many as Workers let it have.
        self.state.accept_websocket(&ours).map_err(failed)?;
        Ok(ResponseBuilder::new().with_status(101).with_websocket(theirs.into()).empty())
    }

    /// Workers hold these messages back as they do the answer, until what they tell of is safe.
    fn tell(&self, item: &str) {
        for socket in self.state.get_websockets().unwrap_or_default() {
            // It fails where the other end has just gone.
            drop(socket.send_with_str(item));
        }
    }
}

fn respond(answer: Answer) -> worker::Response {
    ResponseBuilder::new().body(ResponseBody::Body(answer.encode()))
}

/// What no store of this version asks for.
fn status(status: u16) -> worker::Response {
    ResponseBuilder::new().with_status(status).empty()
}
