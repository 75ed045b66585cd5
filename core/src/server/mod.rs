use crate::Service;
use crate::{future::MaybeSend, http::Body, platform::Platform};
use bytes::Bytes;

pub struct Server {}
#[derive(Debug)]
pub struct BuildError(String);
impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for BuildError {}
impl Server {
    pub fn new(_name: impl Into<String>, _version: impl Into<String>) -> Self {
        Self {}
    }
    pub fn route<F, R>(self, _method: ::http::Method, _path: &str, _handler: F) -> Self
    where
        F: Fn(Platform, ::http::Request<Bytes>) -> R + Send + Sync + 'static,
        R: Future<Output = ::http::Response<Body>> + MaybeSend + 'static,
    {
        self
    }
    pub fn build(self) -> Result<Service, BuildError> {
        Ok(Service {})
    }
}
