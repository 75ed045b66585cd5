//! Does something once, though its handler may run several times.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::Context;
use crate::{
    ask::Reach,
    call::{BEGUN, step_item},
    error::ToolError,
    finite,
    journal::{STEPS_MAX, Step},
    limits::echo,
    line::Line,
    seal::random_id,
    state,
    store::{Condition, Consistency, Key, Partition},
    wire::call::{self, StepRecord},
};

/// The collection of what has been claimed, a partition for each call.
const STEPS: &str = "edgemcp.step";

/// The collection of the calls that are under way, by what they ask.
const CALLS: &str = "edgemcp.under-way";

impl Context {
    /// Does `work` once, however often this handler runs: its result is kept, and a run that takes the handler up again
    /// after an ask gets it from there. `name` tells the steps of a call apart, and must be the same in each run.
    ///
    /// ```
    /// # use edgemcp::prelude::*;
    /// # async fn charge(_: u32) -> Result<String, ToolError> { Ok("r-1".to_owned()) }
    /// /// Buy something.
    /// #[tool]
    /// async fn buy(cx: &Context, cents: u32) -> Result<String, ToolError> {
    ///     let receipt: String = cx.step("charge card", || charge(cents)).await?;
    ///     let gift: bool = cx.elicit("Is it a gift?").await?;      // the handler runs again once this is answered
    ///     Ok(format!("{receipt}, gift: {gift}"))
    /// }
    /// # let _ = buy::tool();
    /// ```
    ///
    /// How sure is once? A run that continues another does not repeat a step: its result is in the state that the client
    /// carries, or with the call in the store. A client can also send an older state, or the first request, again.
    /// Where the platform's [`strong_store`](crate::platform::Platform::strong_store) is atomic, a step is claimed in it
    /// before it runs: at most once, as long as states are good, and a client that starts over while its call is not
    /// finished gets the earlier result (a client without a name, on a server without a verifier, is not recognized
    /// when it starts over). Where there is no such store (Workers KV alone), it is at least once. A step that fails is
    /// not kept, and runs again.
    ///
    /// A run that has to wait for its client lets the steps end that it has begun. So a step itself asks nothing, and waits
    /// for nothing that is asked elsewhere: an ask in it fails at once.
    ///
    /// What a step did stays done where a later ask is declined or the client cannot be asked, so ask first what decides.
    /// Work that cannot fail says its error's type: `|| async { Ok::<_, ToolError>(draw()) }`.
    ///
    /// # Errors
    /// What `work` failed with; or that the step was begun before and nobody knows how it ended, as when an instance
    /// died in it: it is not done again then.
    ///
    /// # Limits
    /// [`STEPS_MAX`](crate::limits::STEPS_MAX) a call. Results count towards the size of the state.
    pub async fn step<T, E, Fut>(&self, name: &str, work: impl FnOnce() -> Fut) -> Result<T, ToolError>
    where
        T: Serialize + DeserializeOwned,
        E: Into<ToolError>,
        Fut: Future<Output = Result<T, E>>,
    {
        let known = self.line().journal(|journal| journal.step(name).map(ToOwned::to_owned));
        if let Some(result) = known {
            return read(name, result.get());
        }
        if self.line().journal(|journal| journal.steps.len()) >= STEPS_MAX {
            return Err(ToolError::masked(format!("a call takes {STEPS_MAX} steps at most")));
        }
        let _begun = Begun::new(self.line(), name);
        let store = self.0.platform.strong_store();
        if let Some(claim) = self.claim(name).await?
            && !store.put_if(&claim, BEGUN.into(), Some(self.step_ttl()), Condition::Absent).await?
        {
            return self.taken_before(name, &claim).await;
        }
        let done = self.line().in_step(work()).await.map_err(Into::into);
        // The call may be kept since.
        let claim = self.claim(name).await?;
        match done {
            Ok(result) => {
                let json = json(&result)?;
                // As a later run will get it, so that both go on alike: what is read need not be what was written.
                let result = read(name, json.get())?;
                if let Some(claim) = claim {
                    let record = call::write(&StepRecord { name: name.into(), result: &json });
                    store.put(&claim, record.into(), Some(self.step_ttl())).await?;
                }
                self.keep(name, json);
                Ok(result)
            }
            Err(error) => {
                if let Some(claim) = claim {
                    store.delete(&claim).await?;
                }
                Err(error)
            }
        }
    }

    /// What was noted under `name` in an earlier run.
    pub(crate) fn noted(&self, name: &str) -> Option<Box<RawValue>> {
        self.line().journal(|journal| journal.step(name).map(ToOwned::to_owned))
    }

    /// Notes `result` under `name`, so that a run that takes this one up has it. Nothing is claimed for it: what it was
    /// made by may be done again where a client starts over.
    pub(crate) async fn note(&self, name: &str, result: &RawValue) -> Result<(), ToolError> {
        if self.line().journal(|journal| journal.steps.len()) >= STEPS_MAX {
            return Err(ToolError::masked(format!("a call takes {STEPS_MAX} steps at most")));
        }
        if let Some(kept) = self.0.kept.get() {
            let record = call::write(&StepRecord { name: name.into(), result });
            let key = kept.partition().item(step_item(name))?;
            self.0.platform.strong_store().put(&key, record.into(), Some(self.step_ttl())).await?;
        }
        self.keep(name, result.to_owned());
        Ok(())
    }

    /// The result of a step that was claimed before.
    async fn taken_before<T: DeserializeOwned>(&self, name: &str, claim: &Key) -> Result<T, ToolError> {
        let entry = self.0.platform.strong_store().get(claim, Consistency::Strong).await?;
        let step = entry.and_then(|entry| call::step(&entry.value)).ok_or_else(|| {
            ToolError::new(format!(
                "step {} was begun before, and how it ended is not known: it is not done again (look whether it was \
                 done, then start over in {} s)",
                echo(name),
                self.step_ttl().as_secs()
            ))
        })?;
        let read = read(name, step.result.get())?;
        self.keep(name, step.result);
        Ok(read)
    }

    fn keep(&self, name: &str, result: Box<RawValue>) {
        self.line().journal(|journal| journal.steps.push(Step { name: name.to_owned(), result }));
    }

    /// How long a claim holds: as long as a state that could repeat it is good, or the call is kept that it is a part of.
    fn step_ttl(&self) -> Duration {
        self.0.kept.get().map_or(self.0.tables.request_state.ttl, |kept| kept.ttl)
    }

    /// Where this step is claimed; `None` where nothing can run the handler again, and where no store could tell.
    async fn claim(&self, name: &str) -> Result<Option<Key>, ToolError> {
        let partition = match (self.0.kept.get(), self.0.reach) {
            (Some(kept), _) => kept.partition().clone(),
            (None, Reach::Again) if self.0.platform.strong_store().capabilities().atomic => {
                Partition::new(STEPS, self.under_way().await?)?
            }
            (None, _) => return Ok(None),
        };
        Ok(Some(partition.item(step_item(name))?))
    }

    /// The id of this call: the one in its state, or the one that the same principal's same request is under way by.
    async fn under_way(&self) -> Result<String, ToolError> {
        if let Some(id) = self.line().journal(|journal| journal.call.clone()) {
            return Ok(id);
        }
        let store = self.0.platform.strong_store();
        let fresh = random_id(self.0.platform.random())?;
        let mut id = fresh.clone();
        if self.0.principal.is_some() {
            let pointer = Key::new(CALLS, state::identity(self), "call")?;
            let ttl = Some(self.step_ttl());
            if !store.put_if(&pointer, fresh.clone().into(), ttl, Condition::Absent).await? {
                let entry = store.get(&pointer, Consistency::Strong).await?;
                let known = entry.and_then(|entry| String::from_utf8(entry.value.to_vec()).ok());
                id = known.unwrap_or(fresh);
            }
        }
        self.line().journal(|journal| journal.call = Some(id.clone()));
        Ok(id)
    }

    /// Ends the call: the next one that asks the same is another one.
    pub(crate) async fn finish(&self) -> Result<(), ToolError> {
        let is_claimed = self.0.principal.is_some()
            && self.line().journal(|journal| match self.0.reach {
                Reach::Again => journal.call.is_some(),
                // It may have taken them before it went on as a task.
                _ => self.0.is_task && !journal.steps.is_empty(),
            });
        if is_claimed {
            let pointer = Key::new(CALLS, state::identity(self), "call")?;
            self.0.platform.strong_store().delete(&pointer).await?;
        }
        Ok(())
    }
}

/// A step that was begun: its run is not left in the middle of it.
struct Begun<'a>(&'a Line, &'a str);

impl<'a> Begun<'a> {
    fn new(line: &'a Line, name: &'a str) -> Self {
        line.journal(|journal| journal.begun.push(name.to_owned()));
        Self(line, name)
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.end_step(self.1);
    }
}

fn json<T: Serialize>(result: &T) -> Result<Box<RawValue>, ToolError> {
    finite::to_raw_json(result).map_err(ToolError::masked)
}

fn read<T: DeserializeOwned>(name: &str, result: &str) -> Result<T, ToolError> {
    serde_json::from_str(result).map_err(|error| {
        ToolError::masked(format!("the kept result of step {} is none: {error}", echo(name)))
    })
}
