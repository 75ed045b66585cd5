//! Hears through a WebSocket which items of an object change.

use std::{
    cell::RefCell,
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use edgemcp::store::WATCH_ITEMS_MAX;
use futures_util::Stream;
use worker::{
    js_sys::{Function, Reflect},
    send::SendWrapper,
    wasm_bindgen::{JsCast, JsValue, closure::Closure},
    web_sys::WebSocket,
    worker_sys::ext::WebSocketExt,
};

/// The events that are listened for: a change, and the two ways to end.
const EVENTS: [&str; 3] = ["message", "close", "error"];

/// The items that change, until the WebSocket ends. Dropping it ends the WebSocket.
pub(super) struct Watch(SendWrapper<Ears>);

struct Ears {
    socket: WebSocket,
    heard: Rc<RefCell<Heard>>,
    listener: Closure<dyn FnMut(JsValue)>,
}

impl Watch {
    /// Listens on `socket`, of which Workers keep what has come since it was opened.
    pub(super) fn on(socket: WebSocket) -> Result<Self, JsValue> {
        let heard = Rc::new(RefCell::new(Heard::default()));
        let ear = heard.clone();
        let listener = Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
            // Only a message has data.
            let item = Reflect::get(&event, &"data".into()).ok().and_then(|data| data.as_string());
            let waker = ear.borrow_mut().hear(item);
            if let Some(waker) = waker {
                waker.wake();
            }
        });
        let watch = Self(SendWrapper(Ears { socket, heard, listener }));
        for event in EVENTS {
            watch.0.socket.add_event_listener_with_callback(event, watch.0.function())?;
        }
        watch.0.socket.accept()?;
        Ok(watch)
    }
}

impl Stream for Watch {
    type Item = String;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<String>> {
        self.0.heard.borrow_mut().poll_next(cx)
    }
}

impl Ears {
    fn function(&self) -> &Function {
        self.listener.as_ref().unchecked_ref()
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        // The closure goes now, and JavaScript must not call it after. None of this fails where it matters: a socket
        // that has ended is closed once more in vain.
        for event in EVENTS {
            drop(self.socket.remove_event_listener_with_callback(event, self.function()));
        }
        drop(self.socket.close());
    }
}

/// What was heard and not yet told.
#[derive(Default)]
struct Heard {
    // A tree would be 6 kB of code.
    changed: VecDeque<String>,
    ended: bool,
    waker: Option<Waker>,
}

impl Heard {
    /// Notes a change, or the end where there is no item, and says whom to wake.
    fn hear(&mut self, item: Option<String>) -> Option<Waker> {
        match item {
            // It has missed something, or the socket has ended, and whoever listens must look again.
            _ if self.ended => {}
            Some(item) if self.changed.contains(&item) => {}
            Some(item) if self.changed.len() < WATCH_ITEMS_MAX => self.changed.push_back(item),
            _ => self.ended = true,
        }
        self.waker.take()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<String>> {
        match self.changed.pop_front() {
            Some(item) => Poll::Ready(Some(item)),
            None if self.ended => Poll::Ready(None),
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(heard: &mut Heard) -> Poll<Option<String>> {
        heard.poll_next(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn what_was_heard_before_the_end_is_told_before_the_end() {
        let mut heard = Heard::default();
        assert_eq!(next(&mut heard), Poll::Pending);
        assert!(heard.hear(Some("a".to_owned())).is_some(), "who waits is woken");
        heard.hear(Some("a".to_owned()));
        heard.hear(None);
        assert_eq!(next(&mut heard), Poll::Ready(Some("a".to_owned())));
        assert_eq!(next(&mut heard), Poll::Ready(None));
    }

    #[test]
    fn who_does_not_keep_up_is_ended_after_what_was_heard() {
        let name = |item: usize| format!("{item:06}");
        let mut heard = Heard::default();
        for item in 0..WATCH_ITEMS_MAX {
            heard.hear(Some(name(item)));
        }
        heard.hear(Some(name(7)));
        assert_eq!(next(&mut heard), Poll::Ready(Some(name(0))), "one that waits already misses nothing");
        heard.hear(Some(name(WATCH_ITEMS_MAX)));
        heard.hear(Some(name(WATCH_ITEMS_MAX + 1)));
        for item in 1..=WATCH_ITEMS_MAX {
            assert_eq!(next(&mut heard), Poll::Ready(Some(name(item))));
            heard.hear(Some("after the end".to_owned()));
        }
        assert_eq!(next(&mut heard), Poll::Ready(None));
    }
}
