//! Each wrapper keeps the contract of every store, alone and in stacks, with what it says that it does not offer.

use std::{sync::Arc, time::Duration};

use edgemcp::store::{MemoryStore, Store, wrap::*};
use edgemcp_testkit::{Need, Subject, TestStore, run_all};
use futures_executor::block_on;

use crate::stage::{KEY, OTHER_KEY, Stage};

type Wrap = fn(&Stage, Arc<dyn Store>) -> Arc<dyn Store>;

/// Long enough for every value that the contract puts where a store has a limit, as a Fernet token too.
const LIMIT: usize = 350_000;

fn sealed(on: &Stage, below: Arc<dyn Store>) -> Arc<dyn Store> {
    Arc::new(on.encrypted(below, KEY))
}

fn prefixed(_: &Stage, below: Arc<dyn Store>) -> Arc<dyn Store> {
    Arc::new(Prefixed::new(below, "shop").unwrap())
}

fn cached(on: &Stage, below: Arc<dyn Store>) -> Arc<dyn Store> {
    let hour = Duration::from_secs(3600);
    Arc::new(Cached::new(below, on.clock()).hits_for(hour).misses_for(hour).entries_max(50))
}

fn limited(_: &Stage, below: Arc<dyn Store>) -> Arc<dyn Store> {
    Arc::new(SizeLimited::new(below, LIMIT))
}

fn retried(on: &Stage, below: Arc<dyn Store>) -> Arc<dyn Store> {
    Arc::new(Retry::new(below, on.clock(), on.random()))
}

fn timed(on: &Stage, below: Arc<dyn Store>) -> Arc<dyn Store> {
    Arc::new(Timeout::new(below, Duration::from_secs(1), on.clock()))
}

fn counted(_: &Stage, below: Arc<dyn Store>) -> Arc<dyn Store> {
    Arc::new(Statistics::new(below))
}

fn logged(on: &Stage, below: Arc<dyn Store>) -> Arc<dyn Store> {
    Arc::new(Logging::new(below, on.clock(), on.log.clone()))
}

fn clamped(_: &Stage, below: Arc<dyn Store>) -> Arc<dyn Store> {
    Arc::new(TtlClamp::new(below, Duration::ZERO, Duration::MAX))
}

fn falling_back(on: &Stage, below: Arc<dyn Store>) -> Arc<dyn Store> {
    Arc::new(Fallback::new(below, Arc::new(MemoryStore::new(on.clock()))))
}

/// Runs the contract on what `wraps` make of a memory store, the first one innermost.
fn keeps_the_contract(name: &str, wraps: &[Wrap], without: &[Need]) {
    let on = Stage::new();
    let store = wraps.iter().fold(on.memory.clone() as Arc<dyn Store>, |below, wrap| wrap(&on, below));
    keeps(name, &on, store, without);
}

fn keeps(name: &str, on: &Stage, store: Arc<dyn Store>, without: &[Need]) {
    let subject = Subject::new(store, on.clock.clone(), "wrapped").named(format!("memory, {name}"));
    let report = block_on(run_all(&subject));
    print!("{report}");
    // An operator looks over the store itself.
    report.verdict_without(&[without, &[Need::Survey]].concat()).unwrap();
}

/// What a memory store has not.
const NO_LIMIT: &[Need] = &[Need::ValueLimit];

/// What a store has not that falls back.
const WEAK: &[Need] = &[Need::ValueLimit, Need::Consistent, Need::Atomic, Need::Transactions, Need::Watch];

#[test]
fn an_encrypted_store_keeps_the_contract() {
    keeps_the_contract("encrypted", &[sealed], NO_LIMIT);
}

#[test]
fn an_encrypted_store_that_takes_what_it_cannot_open_for_absent_keeps_the_contract() {
    let on = Stage::new();
    let store = on.encrypted(on.memory.clone(), KEY).unreadable(Unreadable::Absent);
    keeps("encrypted, lenient", &on, Arc::new(store), NO_LIMIT);
}

#[test]
fn an_encrypted_store_that_seals_anew_keeps_the_contract() {
    let on = Stage::new();
    // What the inner one has sealed with the old key is sealed anew by the outer one; both see the same entries.
    let store = on.encrypted(on.memory.clone(), &format!("{OTHER_KEY},{KEY}")).rewriting();
    keeps("encrypted, rewriting", &on, Arc::new(store), NO_LIMIT);
}

#[cfg(feature = "fernet")]
#[test]
fn a_store_encrypted_with_fernet_keeps_the_contract() {
    keeps_the_contract("Fernet", &[fernet], NO_LIMIT);
    keeps_the_contract("limited, Fernet", &[limited, fernet], &[]);
}

#[cfg(feature = "fernet")]
fn fernet(on: &Stage, below: Arc<dyn Store>) -> Arc<dyn Store> {
    Arc::new(Encrypted::new(below, Fernet::parse(KEY).unwrap(), on.clock(), on.random()))
}

#[test]
fn a_prefixed_store_keeps_the_contract() {
    keeps_the_contract("prefixed", &[prefixed], NO_LIMIT);
    let on = Stage::new();
    let store = Prefixed::new(on.memory.clone(), "p".repeat(PREFIX_BYTES_MAX)).unwrap();
    keeps("prefixed at length", &on, Arc::new(store), NO_LIMIT);
}

#[cfg(feature = "compression")]
fn compressed(on: &Stage, below: Arc<dyn Store>) -> Arc<dyn Store> {
    let store = Compressed::new(below, on.clock(), on.random()).from_bytes(0);
    Arc::new(store.inflated_bytes_max(2 << 20))
}

#[cfg(feature = "compression")]
#[test]
fn a_compressed_store_keeps_the_contract() {
    keeps_the_contract("compressed", &[compressed], &[]);
    keeps_the_contract("limited, compressed", &[limited, compressed], &[]);
    keeps_the_contract("limited, encrypted, compressed", &[limited, sealed, compressed], &[]);
    keeps_the_contract(
        "falling back, compressed",
        &[falling_back, compressed],
        &[Need::Consistent, Need::Atomic, Need::Transactions, Need::Watch],
    );
}

#[test]
fn a_cached_store_keeps_the_contract() {
    keeps_the_contract("cached", &[cached], NO_LIMIT);
    keeps_the_contract("encrypted, cached", &[sealed, cached], NO_LIMIT);
}

#[test]
fn what_only_watches_operations_keeps_the_contract() {
    for (name, wrap) in [
        ("retried", retried as Wrap),
        ("timed", timed),
        ("counted", counted),
        ("logged", logged),
        ("clamped", clamped),
    ] {
        keeps_the_contract(name, &[wrap], NO_LIMIT);
    }
}

#[test]
fn a_limited_store_keeps_the_contract() {
    keeps_the_contract("limited", &[limited], &[]);
    keeps_the_contract("limited, encrypted", &[limited, sealed], &[]);
    keeps_the_contract("encrypted, limited", &[sealed, limited], &[]);
}

#[test]
fn a_store_that_falls_back_keeps_the_contract_of_one_that_is_neither_consistent_nor_atomic() {
    keeps_the_contract("falling back", &[falling_back], WEAK);
    // Also where the first one is down all the time, and whichever is the smaller one.
    let on = Stage::new();
    let down = TestStore::new(MemoryStore::new(on.clock()));
    down.fail(true);
    keeps("down", &on, Arc::new(Fallback::new(Arc::new(down), on.memory.clone())), WEAK);
    let weak = &[Need::Consistent, Need::Atomic, Need::Transactions, Need::Watch];
    for is_first in [true, false] {
        let on = Stage::new();
        let other = Arc::new(MemoryStore::new(on.clock()));
        let small = limited(&on, on.memory.clone());
        let store = if is_first { Fallback::new(small, other) } else { Fallback::new(other, small) };
        keeps("falling back, limited", &on, Arc::new(store), weak);
    }
}

#[test]
fn wrappers_keep_the_contract_around_a_store_that_is_not_atomic() {
    for (name, wrap) in [
        ("encrypted", sealed as Wrap),
        ("prefixed", prefixed),
        ("cached", cached),
        ("retried", retried),
        ("timed", timed),
        ("counted", counted),
        ("logged", logged),
        ("clamped", clamped),
    ] {
        keeps_the_contract(&format!("falling back, {name}"), &[falling_back, wrap], WEAK);
    }
}

#[test]
fn a_stack_of_all_wrappers_keeps_the_contract_in_either_order() {
    let mut all: Vec<Wrap> =
        vec![limited, timed, retried, counted, sealed, prefixed, clamped, logged, cached];
    keeps_the_contract("all wrappers", &all, &[]);
    all.reverse();
    keeps_the_contract("all wrappers, turned over", &all, &[]);
}
