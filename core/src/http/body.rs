//! The body of an answer: nothing, bytes, or a stream of bytes.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::future::BoxStream;

/// Why a streamed body broke off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer. It is an [`http_body::Body`], so hyper, axum and `lambda_http` take it as it is.
///
/// ```
/// # use edgemcp::http::Body;
/// assert_eq!(Body::from("ok").as_bytes().unwrap(), "ok");
/// ```
pub struct Body(Kind);

enum Kind {
    Full(Bytes),
    Stream(BoxStream<'static, Result<Bytes, BodyError>>),
}

impl Body {
    /// A body of no bytes.
    pub const fn empty() -> Self {
        Self(Kind::Full(Bytes::new()))
    }

    /// A body that is sent as it is made; each item goes out at once.
    pub fn stream(stream: BoxStream<'static, Result<Bytes, BodyError>>) -> Self {
        Self(Kind::Stream(stream))
    }

    /// The bytes, unless this is a stream.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match &self.0 {
            Kind::Full(bytes) => Some(bytes),
            Kind::Stream(_) => None,
        }
    }

    /// The bytes, or the stream for a platform that takes streams in its own form.
    ///
    /// # Errors
    /// The stream, where this is one.
    pub fn into_bytes(self) -> Result<Bytes, BoxStream<'static, Result<Bytes, BodyError>>> {
        match self.0 {
            Kind::Full(bytes) => Ok(bytes),
            Kind::Stream(stream) => Err(stream),
        }
    }

    /// The whole body in one piece, once its stream has ended.
    ///
    /// # Errors
    /// What broke the stream off, or a text that says so where the body has more than `bytes_max` bytes.
    pub async fn collect(self, bytes_max: usize) -> Result<Bytes, BodyError> {
        let mut stream = match self.0 {
            Kind::Full(bytes) if bytes.len() <= bytes_max => return Ok(bytes),
            Kind::Full(_) => return Err(too_large(bytes_max)),
            Kind::Stream(stream) => stream,
        };
        let mut whole = Vec::new();
        while let Some(chunk) = std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
            let chunk = chunk?;
            if whole.len().saturating_add(chunk.len()) > bytes_max {
                return Err(too_large(bytes_max));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.into())
    }
}

fn too_large(bytes_max: usize) -> BodyError {
    format!("the body has more than {bytes_max} bytes").into()
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Kind::Full(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Kind::Stream(_) => f.write_str("Body(stream)"),
        }
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self(Kind::Full(bytes.into()))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut self.0 {
            Kind::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Stream(stream) => {
                stream.as_mut().poll_next(cx).map(|next| next.map(|chunk| chunk.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Kind::Full(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream(_) => SizeHint::default(),
        }
    }
}
