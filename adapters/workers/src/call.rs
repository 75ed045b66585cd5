//! Waits for JavaScript to call a function, and leaves nothing behind where nobody waits any more.
//!
//! Not `JsFuture` on a promise: what belongs to one that is never settled is kept for as long as the isolate lives.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use worker::{
    js_sys::Function,
    wasm_bindgen::{JsCast, closure::Closure},
};

/// Resolves once JavaScript has called its [`function`](Self::function). After it is dropped, a call throws; so whoever
/// hands the function out takes it back first.
pub(crate) struct Call {
    heard: Rc<RefCell<Heard>>,
    listener: Closure<dyn FnMut()>,
}

#[derive(Default)]
struct Heard {
    called: bool,
    waker: Option<Waker>,
}

impl Call {
    pub(crate) fn new() -> Self {
        let heard = Rc::new(RefCell::new(Heard::default()));
        let ear = heard.clone();
        let listener = Closure::<dyn FnMut()>::new(move || {
            let waker = {
                let mut heard = ear.borrow_mut();
                heard.called = true;
                heard.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        });
        Self { heard, listener }
    }

    pub(crate) fn function(&self) -> &Function {
        self.listener.as_ref().unchecked_ref()
    }
}

impl Future for Call {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut heard = self.heard.borrow_mut();
        if heard.called {
            return Poll::Ready(());
        }
        heard.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
