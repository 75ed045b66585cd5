//! Reads a JavaScript stream of bytes, and no more of it than a limit.

use bytes::Bytes;
use worker::{
    js_sys::{JsString, Reflect, Uint8Array},
    wasm_bindgen::{JsCast, JsValue},
    wasm_bindgen_futures::JsFuture,
    web_sys::{ReadableStream, ReadableStreamDefaultReader},
};

/// Why a stream was not read to its end.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// It has more bytes than were allowed.
    TooLarge,
    /// It broke off, or somebody else has read it.
    Broken,
}

/// The bytes of `stream`, at most `bytes_max`; what comes after is refused unread.
pub(crate) async fn read(stream: &ReadableStream, bytes_max: usize) -> Result<Bytes, ReadError> {
    // `getReader` would throw, past all of Rust.
    if stream.locked() {
        return Err(ReadError::Broken);
    }
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let (done, value) = (JsString::from("done"), JsString::from("value"));
    let mut whole = Vec::new();
    loop {
        let step = JsFuture::from(reader.read()).await.map_err(broken)?;
        if Reflect::get(&step, &done).map_err(broken)?.is_truthy() {
            return Ok(whole.into());
        }
        let chunk: Uint8Array = Reflect::get(&step, &value).map_err(broken)?.dyn_into().map_err(broken)?;
        let (start, length) = (whole.len(), chunk.length() as usize);
        if length > bytes_max.saturating_sub(start) {
            // Whether the sender hears of it makes no difference here.
            drop(reader.cancel());
            return Err(ReadError::TooLarge);
        }
        whole.resize(start + length, 0);
        if let Some(room) = whole.get_mut(start..) {
            chunk.copy_to(room);
        }
    }
}

fn broken(_: JsValue) -> ReadError {
    ReadError::Broken
}
