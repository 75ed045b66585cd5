//! Shows a legacy client that waits for an answer that somebody is still there.

use std::{pin::pin, time::Duration};

use futures_util::future::{Either, select};
use serde_json::value::RawValue;

use super::{Answering, Message, Middleware, Next, Stage};
use crate::{ask::Reach, context::Context, seal::random_id, wire::jsonrpc};

/// Sends a legacy client the request `ping` while a call of its works: every 30 s unless said otherwise.
///
/// A client must answer it, so one that is gone is noticed by whatever carries the messages, and one that counts silence
/// does not give up. What it answers is not waited for, and a client that does not answer is not hung up on.
///
/// It means something on stdio, and in a session whose answers are held open (a store and a platform that can, as for
/// [asking](Context::elicit)). Anywhere else it does nothing: the modern era has no requests of a server's; without a session
/// there is nobody to ask; a task has no stream; and an answer that leaves in one piece is no sign of life. Between requests
/// nothing is sent, since on serverless nothing runs then.
///
/// A stream over HTTP says that somebody is there by itself, with a comment every
/// [`KEEP_ALIVE_EVERY`](crate::KEEP_ALIVE_EVERY), which wakes proxies but no client's own clock.
///
/// # Source
/// FastMCP 4, `PingMiddleware`; 2025-11-25, basic/utilities/ping.
///
/// ```
/// # use std::time::Duration;
/// # use edgemcp::prelude::*;
/// use edgemcp::middleware::Ping;
/// let server = Server::new("tools", "1.0.0").middleware(Ping::every(Duration::from_secs(10)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Ping {
    interval: Duration,
}

impl Ping {
    /// Every 30 s.
    pub const fn new() -> Self {
        Self::every(Duration::from_secs(30))
    }

    /// Every `interval`, which is more than nothing.
    pub const fn every(interval: Duration) -> Self {
        Self { interval }
    }
}

impl Default for Ping {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a request of the server's that nobody waits for reaches the client of this call now.
fn reaches(cx: &Context) -> bool {
    match cx.0.reach {
        Reach::Connection => true,
        Reach::Store => !cx.is_taken_up() && cx.platform().hold_max().is_some(),
        Reach::Again | Reach::Nowhere(_) => false,
    }
}

impl Middleware for Ping {
    fn stage(&self) -> Stage {
        Stage::Any
    }

    fn problems(&self) -> Vec<String> {
        match self.interval.is_zero() {
            true => vec!["its interval is 0 s; take one that is longer".to_owned()],
            false => Vec::new(),
        }
    }

    fn on_request<'a>(
        &'a self,
        cx: &'a Context,
        message: Message,
        next: Next<Message>,
    ) -> Answering<'a, Message> {
        if !reaches(cx) {
            return next.run(message);
        }
        Box::pin(async move {
            let mut running = next.run(message);
            loop {
                let sleeping = pin!(cx.platform().sleep(self.interval));
                match select(running, sleeping).await {
                    Either::Left((outcome, _)) => return outcome,
                    Either::Right(((), still_running)) => running = still_running,
                }
                // Without randomness no id would be this request's alone.
                if let Ok(id) = random_id(cx.platform().random()) {
                    let nothing = RawValue::from_string("{}".to_owned()).unwrap_or_default();
                    cx.line().say(jsonrpc::request(&format!("ping-{id}"), "ping", &nothing));
                }
            }
        })
    }
}
