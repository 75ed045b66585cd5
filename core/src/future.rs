//! Decides where futures must be `Send`: everywhere but on wasm32, which has one thread.
//!
//! Handles, state and stores are `Send + Sync` on every target; only futures and streams differ, because those of
//! JavaScript hold values that cannot leave their thread. This is the one file of the core that looks at the target.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
};

#[cfg(not(target_arch = "wasm32"))]
mod target {
    /// `Send` on every target but wasm32.
    pub trait MaybeSend: Send {}
    impl<T: Send + ?Sized> MaybeSend for T {}
    pub(crate) type DynFuture<'a, T> = dyn std::future::Future<Output = T> + Send + 'a;
    pub(super) type Stream<'a, T> = dyn futures_core::Stream<Item = T> + Send + 'a;
}

#[cfg(target_arch = "wasm32")]
mod target {
    /// `Send` on every target but wasm32.
    pub trait MaybeSend {}
    impl<T: ?Sized> MaybeSend for T {}
    pub(crate) type DynFuture<'a, T> = dyn std::future::Future<Output = T> + 'a;
    pub(super) type Stream<'a, T> = dyn futures_core::Stream<Item = T> + 'a;
}

pub(crate) use target::DynFuture;
pub use target::MaybeSend;

/// A boxed future, `Send` on every target but wasm32.
pub type BoxFuture<'a, T> = Pin<Box<target::DynFuture<'a, T>>>;

/// A boxed stream, `Send` on every target but wasm32.
pub type BoxStream<'a, T> = Pin<Box<target::Stream<'a, T>>>;

/// Awaits `future`; a panic in it becomes its text. On wasm32 a panic ends the instance instead.
pub(crate) async fn caught<T>(mut future: BoxFuture<'_, T>) -> Result<T, String> {
    std::future::poll_fn(|cx| {
        // The future is dropped after a panic and never polled again, so nothing sees a state it left half-made.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().copied();
                let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
                std::task::Poll::Ready(Err(format!("the handler panicked: {}", text.unwrap_or("no text"))))
            }
        }
    })
    .await
}
