//! Runs a message through the middlewares of a server, to where it is served.

use std::{
    fmt,
    future::{poll_fn, ready},
    marker::PhantomData,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use super::{Hooked, Listed, Message, Middleware, Response};
use crate::{context::Context, error::Error, exchange::perform, future::BoxFuture, tool::Tool};

/// The middlewares of a server, the outermost first.
pub(crate) type Chain = Arc<[Arc<dyn Middleware>]>;

/// What comes next: the next hook, the next middleware, or the handler. It can be run once.
pub struct Next<R> {
    cx: Context,
    course: Arc<Course>,
    at: usize,
    step: Step,
    of: PhantomData<fn(R)>,
}

/// The hooks of one middleware, from the outside.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Message,
    Kind,
    Own,
}

/// The way of a message: the middlewares, and what is at their end.
pub(crate) struct Course {
    pub(crate) chain: Chain,
    pub(crate) end: End,
}

/// What is at the end of the middlewares.
pub(crate) enum End {
    /// The server's components.
    Components,
    /// Those of a mounted server, in the view of the scope of this number; and what its parent was asked for.
    Scope { scope: usize, found: perform::Found },
    /// Tools that a search has found.
    Found(Listed<Tool>),
    /// Whoever waits at the gate, and serves the message itself.
    Gate(Arc<Gate>),
}

/// Where a message is handed to somebody who serves it while the middlewares wait.
#[derive(Default)]
pub(crate) struct Gate(Mutex<Passage>);

#[derive(Default)]
enum Passage {
    #[default]
    Ahead,
    Reached,
    Served(Result<(), Error>),
    Passed,
}

impl Gate {
    fn passage(&self) -> MutexGuard<'_, Passage> {
        // Nothing leaves it half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the message has come to the end of the middlewares.
    pub(crate) fn is_reached(&self) -> bool {
        matches!(*self.passage(), Passage::Reached)
    }

    /// Says how the message was served.
    pub(crate) fn served(&self, outcome: Result<(), Error>) {
        *self.passage() = Passage::Served(outcome);
    }

    /// The end of the middlewares: waits until the message is served. Whoever serves it polls this afterwards, so nobody
    /// has to be woken.
    fn pass(self: Arc<Self>) -> BoxFuture<'static, Result<Response, Error>> {
        let mut arrived = false;
        Box::pin(poll_fn(move |_| {
            let mut passage = self.passage();
            if !arrived {
                arrived = true;
                *passage = Passage::Reached;
            }
            match std::mem::replace(&mut *passage, Passage::Passed) {
                Passage::Served(outcome) => Poll::Ready(outcome.map(|()| Response::Done)),
                other => {
                    *passage = other;
                    Poll::Pending
                }
            }
        }))
    }
}

impl<R: Hooked> Next<R> {
    /// Goes on with `message`, which may be another than came in.
    pub fn run(self, message: R) -> BoxFuture<'static, Result<R::Response, Error>> {
        let Self { cx, course, at, step, .. } = self;
        let running = go(cx, course, at, step, message.into_message());
        Box::pin(async move { R::answered(running.await?) })
    }

    /// The same, to be run once more: for a middleware that tries again, and knows what may happen twice.
    pub(super) fn again(&self) -> Self {
        Self { cx: self.cx.clone(), course: Arc::clone(&self.course), ..*self }
    }
}

impl<R> fmt::Debug for Next<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("at", &self.at).field("step", &self.step).finish_non_exhaustive()
    }
}

impl Course {
    /// Sends `message` along the whole way.
    pub(crate) fn run(self, cx: Context, message: Message) -> BoxFuture<'static, Result<Response, Error>> {
        go(cx, Arc::new(self), 0, Step::Message, message)
    }
}

/// Sends `message` along the rest of its way.
pub(crate) fn go(
    cx: Context,
    course: Arc<Course>,
    at: usize,
    step: Step,
    message: Message,
) -> BoxFuture<'static, Result<Response, Error>> {
    let Some(middleware) = course.chain.get(at).map(Arc::clone) else {
        return match &course.end {
            End::Components => perform::at_the_end(cx, message),
            End::Scope { scope, found } => perform::in_scope(cx, *scope, found.clone(), message),
            End::Found(tools) => Box::pin(ready(Ok(Response::Tools(tools.clone())))),
            End::Gate(gate) => Arc::clone(gate).pass(),
        };
    };
    Box::pin(async move {
        // Runs a hook, whose own response is one of the chain's.
        macro_rules! hook {
            ($hook:ident($message:expr) as $wrap:expr, then $at:expr, $step:expr) => {{
                let next = Next { cx: cx.clone(), course, at: $at, step: $step, of: PhantomData };
                middleware.$hook(&cx, $message, next).await.map($wrap)
            }};
        }
        let own = at + 1;
        match (step, message) {
            (Step::Message, message) => hook!(on_message(message) as |it| it, then at, Step::Kind),
            (Step::Kind, message) if message.is_notification() => {
                hook!(on_notification(message) as |it| it, then own, Step::Message)
            }
            (Step::Kind, message) => hook!(on_request(message) as |it| it, then at, Step::Own),
            (Step::Own, Message::Initialize(message)) => {
                hook!(on_initialize(message) as |()| Response::Done, then own, Step::Message)
            }
            (Step::Own, Message::Discover(message)) => {
                hook!(on_discover(message) as |()| Response::Done, then own, Step::Message)
            }
            (Step::Own, Message::Task(message)) => {
                hook!(on_task(message) as |()| Response::Done, then own, Step::Message)
            }
            (Step::Own, Message::CallTool(message)) => {
                hook!(on_call_tool(message) as Response::Tool, then own, Step::Message)
            }
            (Step::Own, Message::ReadResource(message)) => {
                hook!(on_read_resource(message) as Response::Resource, then own, Step::Message)
            }
            (Step::Own, Message::GetPrompt(message)) => {
                hook!(on_get_prompt(message) as Response::Prompt, then own, Step::Message)
            }
            (Step::Own, Message::ListTools(message)) => {
                hook!(on_list_tools(message) as Response::Tools, then own, Step::Message)
            }
            (Step::Own, Message::ListResources(message)) => {
                hook!(on_list_resources(message) as Response::Resources, then own, Step::Message)
            }
            (Step::Own, Message::ListResourceTemplates(message)) => {
                hook!(on_list_resource_templates(message) as Response::ResourceTemplates, then own, Step::Message)
            }
            (Step::Own, Message::ListPrompts(message)) => {
                hook!(on_list_prompts(message) as Response::Prompts, then own, Step::Message)
            }
            (Step::Own, Message::Complete(message)) => {
                hook!(on_complete(message) as Response::Completions, then own, Step::Message)
            }
            (Step::Own, message @ (Message::Other(_) | Message::Notification(_))) => {
                go(cx, course, own, Step::Message, message).await
            }
        }
    })
}
