//! Says in words what JavaScript threw, for the log.

use worker::{
    js_sys,
    wasm_bindgen::{JsCast, JsValue},
};

/// The message of an error, or the text where only a text was thrown.
pub(crate) fn message(thrown: &JsValue) -> String {
    match thrown.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().into(),
        None => {
            thrown.as_string().unwrap_or_else(|| "JavaScript threw something that is no error".to_owned())
        }
    }
}
