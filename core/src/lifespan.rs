//! What a server starts once per instance and ends with it: pools, clients, configuration.

use std::{
    any::{Any, TypeId, type_name},
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    error::{Error, ToolError},
    future::{BoxFuture, MaybeSend, caught},
    platform::{LogLevel, Platform, Timestamp},
};

/// How long a request waits for another one that is starting the server, before it tries by itself: the other may have
/// been cut off in the middle, which nobody is told on Workers.
pub const START_TIME_MAX: Duration = Duration::from_secs(30);

/// How often it looks. Requests of one isolate on Workers must not wake each other, so each waits by its own clock.
const LOOK_EVERY: Duration = Duration::from_millis(20);

type Value = Arc<dyn Any + Send + Sync>;
type Start = dyn Fn(Platform) -> BoxFuture<'static, Result<Value, String>> + Send + Sync;
type Stop = dyn Fn(Value) -> BoxFuture<'static, ()> + Send + Sync;

/// What a server starts once per instance and cleans up at its end:
/// [`Server::with_lifespan`](crate::Server::with_lifespan). Where nothing has to be cleaned up,
/// [`Server::lifespan`](crate::Server::lifespan) is shorter.
///
/// ```
/// # use edgemcp::prelude::*;
/// # struct Pool;
/// # impl Pool {
/// #     async fn connect(_: &str) -> Result<Self, std::io::Error> { Ok(Self) }
/// #     async fn close(&self) {}
/// # }
/// struct App { pool: Pool }
///
/// let lifespan = Lifespan::new(|platform| async move {
///     let url = platform.var("DATABASE_URL").ok_or("`DATABASE_URL` is not set")?;
///     Ok::<_, Box<dyn std::error::Error + Send + Sync>>(App { pool: Pool::connect(&url).await? })
/// })
/// .on_stop(|app: State<App>| async move { app.pool.close().await });
/// let server = Server::new("notes", "1.0.0").with_lifespan(lifespan);
/// ```
pub struct Lifespan<T> {
    pub(crate) span: Span,
    of: std::marker::PhantomData<fn() -> T>,
}

/// A [`Lifespan`] whose type only [`State`] asks for.
pub(crate) struct Span {
    pub(crate) key: Key,
    start: Box<Start>,
    stop: Option<Box<Stop>>,
}

/// A type, and how it is called in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    id: TypeId,
    pub(crate) name: &'static str,
}

impl Key {
    pub(crate) fn of<T: 'static>() -> Self {
        Self { id: TypeId::of::<T>(), name: type_name::<T>() }
    }
}

impl<T: Send + Sync + 'static> Lifespan<T> {
    /// Starts with `start`, whose value handlers take as [`State<T>`](State).
    ///
    /// It runs once per instance (a process, an isolate, a container), in the first request that a handler answers,
    /// since Workers have no I/O before it. Where it fails that request fails, and the next one tries again. The
    /// platform it gets has no [`deadline`](Platform::deadline) and no [`background`](Platform::background), which are a
    /// request's. On Workers what it reads of bindings and secrets stays as it was read until the isolate ends.
    pub fn new<E, F, Fut>(start: F) -> Self
    where
        E: fmt::Display,
        F: Fn(Platform) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + MaybeSend + 'static,
    {
        let start = Box::new(move |platform| -> BoxFuture<'static, Result<Value, String>> {
            let starting = start(platform);
            Box::pin(async move {
                let started = starting.await;
                started.map(|value| Arc::new(value) as Value).map_err(|error| error.to_string())
            })
        });
        Self { span: Span { key: Key::of::<T>(), start, stop: None }, of: std::marker::PhantomData }
    }

    /// Cleans up with `stop` when the instance ends: natively at the end of a graceful shutdown, on Lambda in its
    /// shutdown phase where it has one. Workers end isolates without a word, and a process that is killed cleans up
    /// nothing: what must not be lost belongs into the store.
    #[must_use]
    pub fn on_stop<F, Fut>(mut self, stop: F) -> Self
    where
        F: Fn(State<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + MaybeSend + 'static,
    {
        self.span.stop = Some(Box::new(move |value: Value| -> BoxFuture<'static, ()> {
            match value.downcast() {
                Ok(value) => Box::pin(stop(State(value))),
                // It is what this lifespan's own start gave.
                Err(_) => Box::pin(std::future::ready(())),
            }
        }));
        self
    }
}

impl<T> fmt::Debug for Lifespan<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifespan").field("of", &self.span.key.name).finish_non_exhaustive()
    }
}

/// What a [`Lifespan`] has started, as handlers take it. Cloning is cheap; a clone is the same value.
///
/// ```
/// # use edgemcp::prelude::*;
/// struct App { greeting: String }
///
/// /// Greet somebody.
/// #[tool]
/// async fn greet(app: State<App>, name: String) -> String {
///     format!("{}, {name}!", app.greeting)
/// }
///
/// let server = Server::new("greetings", "1.0.0")
///     .lifespan(|platform| async move {
///         let greeting = platform.var("GREETING").unwrap_or("Hello".to_owned());
///         Ok::<_, std::convert::Infallible>(App { greeting })
///     })
///     .tool(greet::tool());
/// # assert!(server.build().is_ok());
/// ```
pub struct State<T>(Arc<T>);

impl<T> State<T> {
    /// `value` as a handler would get it, for a unit test that calls the function.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What it holds may be a secret.
        f.debug_struct("State").field("of", &type_name::<T>()).finish_non_exhaustive()
    }
}

/// What one lifespan has started.
pub(crate) struct Started {
    /// The server whose it is, by the number of its scope.
    scope: usize,
    key: Key,
    value: Value,
}

/// What the lifespans of a server have started, in their order; nothing where it has none, or none has to be started.
#[derive(Clone, Default)]
pub(crate) enum States {
    /// There is nothing to start.
    #[default]
    None,
    /// What each has started.
    Started(Arc<[Started]>),
    /// They did not start, which is told who asks how the server is.
    Failed(Arc<str>),
}

impl States {
    /// Whether they have started, where there is something to start.
    pub(crate) fn started(&self) -> Option<Result<(), &str>> {
        match self {
            Self::None => None,
            Self::Started(_) => Some(Ok(())),
            Self::Failed(why) => Some(Err(why)),
        }
    }

    /// What was started as a `T`.
    ///
    /// # Errors
    /// Where nothing was; the text is for the log.
    pub(crate) fn get<T: Send + Sync + 'static>(
        &self,
        mut scopes: impl Iterator<Item = usize>,
    ) -> Result<State<T>, ToolError> {
        let key = Key::of::<T>();
        let states = match self {
            Self::None => &[],
            Self::Started(states) => &**states,
            Self::Failed(why) => return Err(ToolError::masked(&**why)),
        };
        // A mounted server's own comes before that of the server it is mounted in.
        let found = scopes.find_map(|scope| {
            states.iter().find(|started| started.scope == scope && started.key.id == key.id)
        });
        let value = found.and_then(|started| Arc::clone(&started.value).downcast().ok());
        value.map(State).ok_or_else(|| ToolError::masked(lacking(key)))
    }
}

/// What is said where no lifespan gives what is asked for.
pub(crate) fn lacking(key: Key) -> String {
    let name = key.name;
    format!(
        "`State<{name}>` is asked for, and no lifespan of this server gives it (add `Server::lifespan(|platform| async \
         move {{ … Ok({name} {{ … }}) }})`)"
    )
}

/// The lifespans of a server, and how far they have come on this instance.
#[derive(Default)]
pub(crate) struct Lifespans {
    /// Each with the scope of the server whose it is.
    spans: Vec<(usize, Span)>,
    course: Mutex<Course>,
}

/// How far they have come.
#[derive(Default)]
struct Course {
    attempts: u64,
    stage: Stage,
    /// The last attempt that failed, and why: kept while others try again, since those who waited for it may look only
    /// then.
    failed: Option<(u64, Arc<str>)>,
}

#[derive(Default)]
enum Stage {
    /// None has begun, or the last one came to nothing: who comes next tries.
    #[default]
    Idle,
    /// A request is starting them.
    Starting {
        since: Timestamp,
        attempt: u64,
    },
    Started(States),
}

/// What a request does about it.
enum Turn {
    GoOn(States),
    Start(u64),
    WaitFor(u64),
}

impl Lifespans {
    pub(crate) fn new(spans: Vec<(usize, Span)>) -> Self {
        Self { spans, course: Mutex::default() }
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        // Nothing leaves it half-written, so a panic elsewhere does not spoil it.
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What they have started, which is awaited where they have not yet.
    ///
    /// # Errors
    /// Where one fails to start; the cause is for the log.
    pub(crate) async fn started(&self, platform: &Platform) -> Result<States, Error> {
        if self.spans.is_empty() {
            return Ok(States::default());
        }
        if let Stage::Started(states) = &self.course().stage {
            return Ok(states.clone());
        }
        // Boxed, since it is needed once, and every request's future would be larger by it.
        Box::pin(self.start(platform)).await
    }

    async fn start(&self, platform: &Platform) -> Result<States, Error> {
        let mut waited_for = None;
        loop {
            match self.turn(platform.now(), waited_for)? {
                Turn::GoOn(states) => return Ok(states),
                Turn::WaitFor(attempt) => {
                    waited_for = Some(attempt);
                    platform.sleep(LOOK_EVERY).await;
                }
                Turn::Start(attempt) => return self.attempt(platform, attempt).await,
            }
        }
    }

    /// What is started, or whose turn it is to start it.
    fn turn(&self, now: Timestamp, waited_for: Option<u64>) -> Result<Turn, Error> {
        let mut course = self.course();
        if let Stage::Started(states) = &course.stage {
            return Ok(Turn::GoOn(states.clone()));
        }
        // Where requests come faster than it looks, another attempt has begun by now. Waiting for that one, and then for
        // the next, would never end while they fail.
        if let (Some(waited_for), Some((failed, why))) = (waited_for, &course.failed)
            && waited_for <= *failed
        {
            return Err(not_started(why));
        }
        match &course.stage {
            Stage::Starting { since, attempt } if now.since(*since) < START_TIME_MAX => {
                return Ok(Turn::WaitFor(*attempt));
            }
            Stage::Idle | Stage::Starting { .. } | Stage::Started(_) => {}
        }
        course.attempts += 1;
        let attempt = course.attempts;
        course.stage = Stage::Starting { since: now, attempt };
        Ok(Turn::Start(attempt))
    }

    async fn attempt(&self, platform: &Platform, attempt: u64) -> Result<States, Error> {
        // Where this request is dropped in the middle, also of cleaning up, the next one need not wait for it.
        let _guard = Abandoned { lifespans: self, attempt };
        let of_instance = platform.of_instance();
        let mut states = Vec::with_capacity(self.spans.len());
        let mut failure = None;
        for (scope, span) in &self.spans {
            let started = caught((span.start)(of_instance.clone())).await.unwrap_or_else(Err);
            match started {
                Ok(value) => states.push(Started { scope: *scope, key: span.key, value }),
                Err(why) => {
                    failure = Some(format!("the lifespan of `{}` did not start: {why}", span.key.name));
                    break;
                }
            }
        }
        if let Some(why) = failure {
            // What was started before it would be started again by the next attempt.
            self.clean_up(platform, &states).await;
            let why: Arc<str> = format!("{why} (the next request tries again)").into();
            let mut course = self.course();
            if matches!(course.stage, Stage::Starting { attempt: current, .. } if current == attempt) {
                course.stage = Stage::Idle;
                course.failed = Some((attempt, Arc::clone(&why)));
            }
            return Err(not_started(&why));
        }
        let states: Arc<[_]> = states.into();
        let first = {
            let mut course = self.course();
            match &course.stage {
                Stage::Started(first) => Some(first.clone()),
                _ => {
                    course.stage = Stage::Started(States::Started(Arc::clone(&states)));
                    None
                }
            }
        };
        let Some(first) = first else { return Ok(States::Started(states)) };
        // It took so long that another request was faster.
        self.clean_up(platform, &states).await;
        Ok(first)
    }

    pub(crate) fn clean_up_something(&self) -> bool {
        self.spans.iter().any(|(_, span)| span.stop.is_some())
    }

    /// Ends what they have started, the last one first; nothing happens where they have not.
    pub(crate) async fn stop(&self, platform: &Platform) {
        let started = match &mut *self.course() {
            Course { stage: stage @ Stage::Started(_), .. } => std::mem::take(stage),
            _ => return,
        };
        if let Stage::Started(States::Started(states)) = started {
            self.clean_up(platform, &states).await;
        }
    }

    async fn clean_up(&self, platform: &Platform, states: &[Started]) {
        for ((_, span), Started { key, value, .. }) in self.spans.iter().zip(states).rev() {
            let Some(stop) = &span.stop else { continue };
            if let Err(panic) = caught(stop(Arc::clone(value))).await {
                platform
                    .log(LogLevel::Error, &format!("the lifespan of `{}` did not stop: {panic}", key.name));
            }
        }
    }
}

fn not_started(why: &str) -> Error {
    Error { message: "the server could not start; the cause is in its log".into(), ..Error::internal(why) }
}

/// An attempt whose request was dropped before it came to an end.
struct Abandoned<'a> {
    lifespans: &'a Lifespans,
    attempt: u64,
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        let mut course = self.lifespans.course();
        if matches!(course.stage, Stage::Starting { attempt, .. } if attempt == self.attempt) {
            course.stage = Stage::Idle;
        }
    }
}
