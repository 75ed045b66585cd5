//! A platform that is the same in every run: its time stands still, its randomness counts, its store counts writes.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context as Task, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use edgemcp::{
    Service,
    future::BoxFuture,
    http::Body,
    platform::{
        Background, Clock, Exposure, Log, LogLevel, Platform, PlatformBuilder, Random, RandomError,
        Timestamp, Vars,
    },
    store::{Consistency, MemoryStore, Partition, Store},
};
use edgemcp_testkit::{Counting, ManualClock, TestStore};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body as _;

use crate::said::{self, Message};

/// When every run begins.
const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// How long the platform holds an answer open.
const HOLD_MAX: Duration = Duration::from_secs(60);

/// How the clock is moved while something is waited for, and how often at most: longer than an answer is held open.
const STEP: Duration = Duration::from_secs(10);
const STEPS: usize = 12;

/// The key that seals.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A service on a platform.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) service: Arc<Service>,
    pub(crate) platform: Platform,
    alone: Platform,
    pub(crate) clock: ManualClock,
    pub(crate) store: TestStore,
    log: Arc<Faults>,
    behind: Behind,
}

impl Stage {
    /// A platform that holds answers open and works behind them, with an empty store.
    pub(crate) fn new(service: &Arc<Service>) -> Self {
        Self::built(service, |builder| builder.hold_max(HOLD_MAX))
    }

    /// A platform that sends answers in one piece.
    pub(crate) fn buffered(service: &Arc<Service>) -> Self {
        Self::built(service, |builder| builder)
    }

    /// A platform that only this machine can reach.
    pub(crate) fn loopback(service: &Arc<Service>) -> Self {
        Self::built(service, |builder| builder.hold_max(HOLD_MAX).exposure(Exposure::Loopback))
    }

    fn built(service: &Arc<Service>, change: impl FnOnce(PlatformBuilder) -> PlatformBuilder) -> Self {
        let clock = ManualClock::at(START);
        let store = TestStore::new(MemoryStore::new(Arc::new(clock.clone())));
        let (log, behind) = (Arc::new(Faults::default()), Behind::default());
        let builder = Platform::builder(Arc::new(clock.clone()), Arc::new(Counting::default()))
            .store(Arc::new(store.clone()))
            .vars(Arc::new(Settings))
            .log(log.clone());
        let alone = change(builder).build();
        let platform = alone.clone().with_background(Arc::new(behind.clone()));
        Self { service: Arc::clone(service), platform, alone, clock, store, log, behind }
    }

    /// The same, where nothing can be done behind an answer.
    pub(crate) fn alone(&self) -> Self {
        Self { platform: self.alone.clone(), ..self.clone() }
    }

    /// Begins to send a request, and reads what is there at once.
    pub(crate) fn begin(&self, request: Request<Bytes>) -> Reading {
        let (service, platform) = (Arc::clone(&self.service), self.platform.clone());
        let mut reading = Reading::of(Box::pin(async move { service.handle(&platform, request).await }));
        reading.poll();
        reading
    }

    /// Sends a request, and reads its answer as long as it is held open.
    pub(crate) fn send(&self, request: Request<Bytes>) -> Answer {
        let mut reading = self.begin(request);
        self.wait(|| reading.poll());
        reading.into_answer()
    }

    /// Moves the clock until `is_done`, or until nobody would wait any longer.
    pub(crate) fn wait(&self, mut is_done: impl FnMut() -> bool) {
        for _ in 0..STEPS {
            if is_done() {
                return;
            }
            self.behind.poll();
            self.clock.advance(STEP);
        }
    }

    /// Waits until nothing is done any more behind the answers, or nothing comes of it.
    pub(crate) fn settle(&self) {
        self.wait(|| self.behind.poll());
    }

    /// What the store does at once.
    pub(crate) fn now<T>(&self, work: BoxFuture<'_, T>) -> T {
        let mut work = work;
        match work.as_mut().poll(&mut Task::from_waker(Waker::noop())) {
            Poll::Ready(done) => done,
            Poll::Pending => panic!("the store takes its time"),
        }
    }

    /// What is kept as an item; nothing where there is none.
    pub(crate) fn kept(&self, partition: &Partition, item: &str) -> Bytes {
        let Ok(key) = partition.item(item) else { return Bytes::new() };
        let entry = self.now(self.store.get(&key, Consistency::Strong)).ok().flatten();
        entry.map(|entry| entry.value).unwrap_or_default()
    }

    /// Fails where the server blames itself for something: no client's bytes are a reason to.
    #[track_caller]
    pub(crate) fn has_no_fault(&self) {
        let faults = lock(&self.log.0);
        assert!(faults.is_empty(), "the server's log says: {}", faults.join("\n"));
    }

    /// Forgets what the server has blamed itself for.
    pub(crate) fn excuse(&self) {
        lock(&self.log.0).clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer under way.
pub(crate) struct Reading {
    answering: Option<BoxFuture<'static, Response<Body>>>,
    response: Option<Response<Body>>,
    body: Vec<u8>,
    ended: bool,
}

impl Reading {
    /// An answer that nothing is known of yet.
    pub(crate) fn of(answering: BoxFuture<'static, Response<Body>>) -> Self {
        Self { answering: Some(answering), response: None, body: Vec::new(), ended: false }
    }

    /// Reads what is there now; says whether there is nothing more to come.
    pub(crate) fn poll(&mut self) -> bool {
        let mut task = Task::from_waker(Waker::noop());
        if let Some(answering) = &mut self.answering
            && let Poll::Ready(response) = answering.as_mut().poll(&mut task)
        {
            (self.answering, self.response) = (None, Some(response));
        }
        while let Some(response) = self.response.as_mut().filter(|_| !self.ended) {
            match Pin::new(response.body_mut()).poll_frame(&mut task) {
                Poll::Ready(Some(Ok(frame))) => self.body.extend(frame.into_data().unwrap_or_default()),
                Poll::Ready(Some(Err(error))) => panic!("the answer broke off: {error}"),
                Poll::Ready(None) => self.ended = true,
                Poll::Pending => break,
            }
        }
        self.ended
    }

    /// Whether it has begun, and is a stream.
    pub(crate) fn is_stream(&self) -> bool {
        let kind = self.response.as_ref().and_then(|response| response.headers().get("content-type"));
        kind.is_some_and(|kind| kind == "text/event-stream")
    }

    /// What has been read.
    pub(crate) fn so_far(&self) -> &[u8] {
        &self.body
    }

    /// What has come; the rest of it is not waited for.
    pub(crate) fn into_answer(mut self) -> Answer {
        let Some(response) = self.response.take() else { panic!("no answer came in two minutes") };
        let (parts, _) = response.into_parts();
        Answer { status: parts.status, headers: parts.headers, body: self.body.into(), ended: self.ended }
    }
}

/// An answer, as far as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) ended: bool,
}

impl Answer {
    /// The messages in it, which are all that it may have; none in plain text. Says what it is where it is none of this.
    pub(crate) fn messages(&self) -> Vec<Message<'_>> {
        let kind = self.headers.get("content-type").map(http::HeaderValue::as_bytes);
        match kind {
            Some(b"application/json") => said::whole(&self.body),
            Some(b"text/event-stream") => said::streamed(&self.body),
            Some(b"text/plain; charset=utf-8") => {
                assert!(self.status.is_client_error() || self.status.is_server_error(), "{self:?}");
                assert!(self.body.len() < 1000 && self.body.ends_with(b"\n"), "{self:?}");
                Vec::new()
            }
            None => {
                assert!(self.body.is_empty(), "{self:?}");
                Vec::new()
            }
            Some(_) => panic!("another type: {self:?}"),
        }
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"))
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream")
    }
}

/// A platform without randomness, where no time passes.
pub(crate) struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        START
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

impl Random for Still {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
        Err(RandomError)
    }
}

struct Settings;

impl Vars for Settings {
    fn var(&self, name: &str) -> Option<String> {
        (name == edgemcp::SEAL_KEYS).then(|| KEY.to_owned())
    }
}

/// What the server blames itself for.
#[derive(Default)]
struct Faults(Mutex<Vec<String>>);

impl Log for Faults {
    fn log(&self, level: LogLevel, message: &str) {
        assert!(!message.contains(KEY), "the key is in the log");
        if level == LogLevel::Error {
            lock(&self.0).push(message.to_owned());
        }
    }
}

/// Work that goes on after the answer.
#[derive(Clone, Default)]
struct Behind(Arc<Mutex<Vec<BoxFuture<'static, ()>>>>);

impl Background for Behind {
    fn run(&self, work: BoxFuture<'static, ()>) {
        lock(&self.0).push(work);
    }
}

impl Behind {
    /// Goes on with all of it as far as it goes now; says whether nothing is left.
    fn poll(&self) -> bool {
        let works = std::mem::take(&mut *lock(&self.0));
        for mut work in works {
            if work.as_mut().poll(&mut Task::from_waker(Waker::noop())).is_pending() {
                lock(&self.0).push(work);
            }
        }
        lock(&self.0).is_empty()
    }
}
