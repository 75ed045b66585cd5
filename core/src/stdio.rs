use crate::{Service, platform::Platform};
use bytes::Bytes;
use std::sync::Arc;

pub struct Connection {}
impl Connection {
    pub fn new(_service: Arc<Service>, _platform: Platform) -> Self {
        Self {}
    }
    pub async fn receive(&self, _line: Bytes) -> Option<Bytes> {
        None
    }
}
