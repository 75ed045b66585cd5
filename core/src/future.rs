//! Decides where futures must be `Send`: everywhere but on wasm32, which has one thread.
//!
//! Handles, state and stores are `Send + Sync` on every target; only futures and streams differ, because those of
//! JavaScript hold values that cannot leave their thread. This is the one file of the core that looks at the target.

use std::pin::Pin;

#[cfg(not(target_arch = "wasm32"))]
mod target {
    /// `Send` on every target but wasm32.
    pub trait MaybeSend: Send {}
    impl<T: Send + ?Sized> MaybeSend for T {}
    pub(super) type Future<'a, T> = dyn std::future::Future<Output = T> + Send + 'a;
    pub(super) type Stream<'a, T> = dyn futures_core::Stream<Item = T> + Send + 'a;
}

#[cfg(target_arch = "wasm32")]
mod target {
    /// `Send` on every target but wasm32.
    pub trait MaybeSend {}
    impl<T: ?Sized> MaybeSend for T {}
    pub(super) type Future<'a, T> = dyn std::future::Future<Output = T> + 'a;
    pub(super) type Stream<'a, T> = dyn futures_core::Stream<Item = T> + 'a;
}

pub use target::MaybeSend;

/// A boxed future, `Send` on every target but wasm32.
pub type BoxFuture<'a, T> = Pin<Box<target::Future<'a, T>>>;

/// A boxed stream, `Send` on every target but wasm32.
pub type BoxStream<'a, T> = Pin<Box<target::Stream<'a, T>>>;
