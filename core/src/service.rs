use crate::{http::Body, platform::Platform};
use bytes::Bytes;

pub struct Service {}
impl Service {
    pub async fn handle(
        &self,
        _platform: &Platform,
        _request: ::http::Request<Bytes>,
    ) -> ::http::Response<Body> {
        ::http::Response::new(Body::empty())
    }
    pub fn name(&self) -> &str {
        ""
    }
    pub fn path(&self) -> &str {
        "/mcp"
    }
    pub fn body_bytes_max(&self) -> usize {
        4 << 20
    }
}
