//! One contract that every store of edgemcp keeps, as cases that run wherever the store runs.
//!
//! The contract needs no runtime, so it runs natively, in a Lambda and inside a Worker alike. A store's own tests
//! make a [`Subject`], run the contract and ask the [`Report`] for its verdict:
//!
//! ```
//! # use std::sync::Arc;
//! # use edgemcp::{platform::Timestamp, store::MemoryStore};
//! use edgemcp_testkit::{ManualClock, Subject, run_all};
//!
//! let clock = ManualClock::at(Timestamp::from_millis(1_800_000_000_000));
//! let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
//! let subject = Subject::new(store.clone(), clock, "run-1").surveyed_by(store);
//! let report = futures_executor::block_on(run_all(&subject));
//! report.verdict().unwrap();
//! ```

mod cases;
mod clock;
mod ground;
mod instance;
mod random;
mod report;
mod store;

use std::{fmt, sync::Arc};

use edgemcp::{
    future::BoxFuture,
    store::{Store, Survey},
};

pub use self::{
    clock::ManualClock,
    ground::Ground,
    instance::Instance,
    random::Counting,
    report::{CELLS, Outcome, Report},
    store::{FAILURE, TestStore},
};

/// The store a run is about, and what a case may do to its surroundings.
#[derive(Clone)]
pub struct Subject {
    store: Arc<dyn Store>,
    clock: ManualClock,
    namespace: String,
    settle: Arc<dyn Fn() + Send + Sync>,
    survey: Option<Arc<dyn Survey>>,
    name: Option<String>,
}

impl Subject {
    /// A `store` that takes its time from `clock`.
    ///
    /// `namespace` begins every collection of this run, so that two runs on one back end do not meet; it has at most
    /// 32 bytes of printable ASCII without `/`.
    pub fn new(store: Arc<dyn Store>, clock: ManualClock, namespace: impl Into<String>) -> Self {
        Self { store, clock, namespace: namespace.into(), settle: Arc::new(|| {}), survey: None, name: None }
    }

    /// Says how to bring an eventually consistent store to where every earlier write is seen.
    ///
    /// Cases that need no consistency call it between a write and the read that looks for it; those that need it
    /// never do. It must not move the clock, since expiry is what some of them look at.
    #[must_use]
    pub fn settled_by(mut self, settle: impl Fn() + Send + Sync + 'static) -> Self {
        self.settle = Arc::new(settle);
        self
    }

    /// Gives the store another name in the report than its own, such as one that says what is wrapped around it.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Says that the store can be looked over as a whole, as `survey`, which is the same store.
    #[must_use]
    pub fn surveyed_by(mut self, survey: Arc<dyn Survey>) -> Self {
        self.survey = Some(survey);
        self
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("store", &self.store.capabilities())
            .field("clock", &self.clock)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// What a case needs of the store; where the store does not say that it has it, the case is skipped, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing that not every store has.
    Nothing,
    /// [`Capabilities::consistent`](edgemcp::store::Capabilities::consistent).
    Consistent,
    /// [`Capabilities::atomic`](edgemcp::store::Capabilities::atomic).
    Atomic,
    /// [`Capabilities::value_bytes_max`](edgemcp::store::Capabilities::value_bytes_max), small enough to hold a value one byte longer.
    ValueLimit,
    /// [`Capabilities::transactions`](edgemcp::store::Capabilities::transactions).
    Transactions,
    /// [`Capabilities::watch`](edgemcp::store::Capabilities::watch).
    Watch,
    /// A [`Survey`], which the [`Subject`] was given.
    Survey,
}

/// The largest limit that is tried, so that no case needs a gigabyte.
const VALUE_LIMIT_BYTES_MAX: usize = 64 * 1024 * 1024;

impl Need {
    /// Whether the store of `subject` offers it.
    fn is_met_by(self, subject: &Subject) -> bool {
        let capabilities = subject.store.capabilities();
        match self {
            Self::Nothing => true,
            Self::Consistent => capabilities.consistent,
            Self::Atomic => capabilities.atomic,
            Self::ValueLimit => capabilities.value_bytes_max.is_some_and(|max| max <= VALUE_LIMIT_BYTES_MAX),
            Self::Transactions => capabilities.transactions,
            Self::Watch => capabilities.watch,
            Self::Survey => subject.survey.is_some(),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::Consistent => "a consistent store",
            Self::Atomic => "an atomic store",
            Self::ValueLimit => "a limit on values",
            Self::Transactions => "a store with transactions",
            Self::Watch => "a store that tells of changes",
            Self::Survey => "a store that can be looked over",
        })
    }
}

/// One sentence of the contract.
#[derive(Clone, Copy)]
pub struct Case {
    /// The sentence, in snake case.
    pub name: &'static str,
    /// What it needs of the store.
    pub need: Need,
    run: for<'a> fn(&'a Ground) -> BoxFuture<'a, Result<(), String>>,
}

impl Case {
    /// Tries the sentence on `subject`; skipped where the store does not offer what it needs.
    pub async fn run(&self, subject: &Subject) -> Outcome {
        if !self.need.is_met_by(subject) {
            return Outcome::Skipped(self.need);
        }
        match (self.run)(&Ground::new(subject, self.name)).await {
            Ok(()) => Outcome::Passed,
            Err(why) => Outcome::Failed(why),
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).field("need", &self.need).finish_non_exhaustive()
    }
}

/// The whole contract, in the order it is best read.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    cases::ALL.iter().copied().flatten()
}

/// Tries the whole contract on `subject`, one case after the other, since they share its clock.
pub async fn run_all(subject: &Subject) -> Report {
    let name = subject.name.as_deref().unwrap_or(subject.store.capabilities().name);
    let mut report = Report::new(name);
    for case in cases() {
        report.add(case.name, case.run(subject).await);
    }
    report
}
