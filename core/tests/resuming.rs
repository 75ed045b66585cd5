//! A call outlives its stream and the instance that began it: its client comes back, and exactly one instance works on it.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on may panic"
)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use common::{
    Settings, Stage,
    asked::{Name, one_piece, server, stage, stage_of},
    live::{Session, accept, capabilities, pass},
};
use edgemcp::{ProtocolVersion, Server, prelude::*};
use http::StatusCode;
use serde_json::json;

#[test]
fn a_client_that_says_it_has_seen_more_than_there_is_gets_the_answer() {
    let (stage, behind) = stage();
    let session = Session::begin(&stage);
    let reading = session.call("greet");
    let id = reading.ask_id();
    let (call, _) = id.split_once('.').unwrap();
    drop(reading);
    behind.lose();
    pass(&stage, Duration::from_secs(20), || ());
    let mut back = session.resume(&format!("{call}.{}", u32::MAX));
    session.answer(&id, accept("Ada"));
    pass(&stage, Duration::from_secs(1), || {
        back.poll();
    });
    assert_eq!(back.answer().as_deref(), Some("Hello, Ada!"));
}

#[test]
fn an_instance_that_dies_between_ask_and_answer_is_taken_over_once_its_lease_is_over() {
    let (stage, _) = stage();
    let session = Session::begin(&stage);
    let reading = session.call("greet");
    let (id, last) = (reading.ask_id(), reading.last_id());
    // Killed: nothing of it runs any more, not even what would tidy up.
    std::mem::forget(reading);
    let b = stage.beside(server());
    session.at(&b).answer(&id, accept("Ada"));
    let mut resumed = session.at(&b).resume(&last);
    assert!(resumed.text.starts_with(&format!("id: {last}\nretry: ")), "{}", resumed.text);
    pass(&stage, Duration::from_secs(10), || {
        resumed.poll();
    });
    assert!(resumed.answer().is_none(), "the lease is not over yet");
    pass(&stage, Duration::from_secs(6), || {
        resumed.poll();
    });
    assert_eq!(resumed.answer().as_deref(), Some("Hello, Ada!"), "{}", resumed.text);
    assert!(resumed.ended);
    assert!(resumed.asks().is_empty(), "what was sent before is not sent again");
    let mut again = session.at(&b).resume(&last);
    again.poll();
    assert_eq!(again.answer().as_deref(), Some("Hello, Ada!"), "the answer stays for who comes again");
}

#[test]
fn what_was_not_seen_of_a_stream_comes_again() {
    let (stage, _) = stage();
    let session = Session::begin(&stage);
    let reading = session.call("greet");
    let first = reading.text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    let mut resumed = session.resume(&first);
    resumed.poll();
    assert_eq!(resumed.ask_id(), reading.ask_id());
}

#[test]
fn a_stream_is_closed_when_a_person_thinks_for_longer_than_the_platform_holds_it() {
    let (stage, behind) = stage();
    let session = Session::begin(&stage);
    let mut reading = session.call("greet");
    pass(&stage, Duration::from_secs(61), || {
        reading.poll();
    });
    assert!(reading.ended && reading.answer().is_none());
    // The posted answer has the call gone on with, though nobody is there to hear it.
    session.answer(&reading.ask_id(), accept("Ada"));
    assert_eq!(behind.len(), 1);
    behind.poll();
    assert_eq!(behind.len(), 0);
    let resumed = session.resume(&reading.last_id());
    assert_eq!(resumed.answer().as_deref(), Some("Hello, Ada!"));
}

#[test]
fn exactly_one_of_several_who_come_back_runs_the_handler() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counting = {
        let runs = runs.clone();
        move || {
            let runs = runs.clone();
            Server::new("counting", "1").tool(Tool::new(
                "greet",
                "Greet.",
                move |cx: Context, _: NoArguments| {
                    let runs = runs.clone();
                    async move {
                        let Name { name } = cx.elicit("What is your name?").await?;
                        runs.fetch_add(1, Ordering::Relaxed);
                        cx.platform().sleep(Duration::from_secs(3)).await;
                        Ok::<_, ToolError>(name)
                    }
                },
            ))
        }
    };
    let stage =
        Stage::built(counting(), Settings::default(), |builder| builder.hold_max(Duration::from_secs(10)));
    let session = Session::begin(&stage);
    let mut reading = session.call("greet");
    pass(&stage, Duration::from_secs(11), || {
        reading.poll();
    });
    assert!(reading.ended);
    session.answer(&reading.ask_id(), accept("Ada"));
    let others: Vec<_> = (0..3).map(|_| stage.beside(counting())).collect();
    let mut resumed: Vec<_> =
        others.iter().map(|other| session.at(other).resume(&reading.last_id())).collect();
    pass(&stage, Duration::from_secs(8), || {
        for reading in &mut resumed {
            reading.poll();
        }
    });
    for reading in &resumed {
        assert_eq!(reading.answer().as_deref(), Some("Ada"));
    }
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[test]
fn a_handler_closes_its_stream_and_its_client_comes_back_for_the_answer() {
    let (stage, behind) = stage();
    let session = Session::begin(&stage);
    let mut reading = session.call("leave");
    reading.poll();
    assert!(reading.ended && reading.answer().is_none(), "{}", reading.text);
    assert_eq!(behind.len(), 1, "the handler goes on behind");
    let mut resumed = session.resume(&reading.last_id());
    pass(&stage, Duration::from_secs(6), || {
        behind.poll();
        resumed.poll();
    });
    assert_eq!(resumed.answer().as_deref(), Some("came back"), "{}", resumed.text);

    // Where nothing runs behind an answer, the handler runs again.
    let stage = one_piece();
    let session = Session::begin(&stage);
    let reading = session.call("leave");
    assert!(reading.ended && reading.answer().is_none());
    let mut resumed = session.resume(&reading.last_id());
    pass(&stage, Duration::from_secs(6), || {
        resumed.poll();
    });
    assert_eq!(resumed.answer().as_deref(), Some("came back"));
}

/// A server whose tool says each time that it runs.
fn counting<F: Future<Output = Result<String, ToolError>> + Send + 'static>(
    work: impl Fn(Context) -> F + Clone + Send + Sync + 'static,
) -> (impl Fn() -> Server, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let server = move || {
        let (work, runs) = (work.clone(), counted.clone());
        Server::new("counting", "1").tool(Tool::new("count", "Count.", move |cx: Context, _: NoArguments| {
            runs.fetch_add(1, Ordering::Relaxed);
            work(cx)
        }))
    };
    (server, runs)
}

#[test]
fn a_call_whose_stream_is_closed_stays_with_whoever_works_on_it() {
    let (server, runs) = counting(|cx| async move {
        cx.close_stream().await;
        cx.platform().sleep(Duration::from_secs(40)).await;
        Ok("worked".to_owned())
    });
    let (stage, behind) = stage_of(server());
    let session = Session::begin(&stage);
    let mut reading = session.call("count");
    assert!(reading.poll().ended);
    let other = stage.beside(server());
    let mut resumed = session.at(&other).resume(&reading.last_id());
    pass(&stage, Duration::from_secs(42), || {
        behind.poll();
        resumed.poll();
    });
    assert_eq!(resumed.answer().as_deref(), Some("worked"));
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[test]
fn a_call_whose_client_has_gone_stays_with_whoever_works_on_it() {
    let (server, runs) = counting(|cx| async move {
        cx.progress(1.0);
        cx.platform().sleep(Duration::from_secs(40)).await;
        Ok("worked".to_owned())
    });
    let (stage, behind) = stage_of(server());
    let session = Session::begin(&stage);
    let mut reading = session.call("count");
    let last = reading.poll().last_id();
    drop(reading);
    behind.poll();
    let other = stage.beside(server());
    let mut resumed = session.at(&other).resume(&last);
    pass(&stage, Duration::from_secs(42), || {
        behind.poll();
        resumed.poll();
    });
    assert_eq!(resumed.answer().as_deref(), Some("worked"));
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[test]
fn a_call_that_is_often_answered_stays_with_whoever_works_on_it() {
    let (server, runs) = counting(|cx| async move {
        for _ in 0..10 {
            let _: Name = cx.elicit("What is your name?").await?;
        }
        Ok("asked".to_owned())
    });
    let (stage, behind) = stage_of(server());
    let session = Session::begin(&stage);
    let mut reading = session.call("count");
    for number in 0..10 {
        let id = reading.asks()[number]["id"].as_str().unwrap().to_owned();
        pass(&stage, Duration::from_secs(3), || {
            reading.poll();
        });
        session.answer(&id, accept("Ada"));
        behind.poll();
        pass(&stage, Duration::from_secs(1), || {
            reading.poll();
        });
    }
    assert_eq!(reading.answer().as_deref(), Some("asked"), "{}", reading.text);
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[test]
fn whoever_only_reads_what_another_writes_stops_when_its_client_goes() {
    let (stage, behind) = stage();
    let session = Session::begin(&stage);
    let reading = session.call("greet");
    let other = stage.beside(server());
    let resumed = session.at(&other).resume(&reading.last_id());
    assert!(!resumed.ended);
    drop(resumed);
    assert_eq!(behind.len(), 0);
}

#[test]
fn an_instance_that_stood_still_for_too_long_adds_nothing_to_a_call() {
    let (server, _) = counting(|cx| async move {
        cx.progress(1.0);
        let Name { name } = cx.elicit("What is your name?").await?;
        Ok(name)
    });
    let (stage, _behind) = stage_of(server());
    let session = Session::begin(&stage);
    let mut reading = session.call("count");
    let (id, last) = (reading.ask_id(), reading.last_id());
    session.answer(&id, accept("Ada"));
    stage.clock.advance(Duration::from_secs(20));
    let other = stage.beside(server());
    let resumed = session.at(&other).resume(&last);
    assert_eq!(resumed.answer().as_deref(), Some("Ada"));
    assert!(reading.poll().ended);
    assert!(reading.answer().is_none(), "{}", reading.text);
    let again = session.resume(&last);
    assert_eq!(again.events().iter().filter(|event| event["id"] == 7).count(), 1, "{}", again.text);
}

#[test]
fn an_instance_that_stood_still_for_too_long_ends_its_call_where_nobody_else_took_it() {
    let (server, runs) = counting(|cx| async move {
        let Name { name } = cx.elicit("What is your name?").await?;
        Ok(name)
    });
    let (stage, _behind) = stage_of(server());
    let session = Session::begin(&stage);
    let mut reading = session.call("count");
    session.answer(&reading.ask_id(), accept("Ada"));
    stage.clock.advance(Duration::from_secs(20));
    reading.poll();
    assert_eq!(reading.answer().as_deref(), Some("Ada"), "{}", reading.text);
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[test]
fn a_client_that_comes_back_before_it_is_missed_gets_its_answer_once_it_is_there() {
    let (server, runs) = counting(|cx| async move {
        cx.progress(1.0);
        cx.platform().sleep(Duration::from_secs(10)).await;
        Ok("worked".to_owned())
    });
    let (stage, _behind) = stage_of(server());
    let session = Session::begin(&stage);
    let mut reading = session.call("count");
    let last = reading.poll().last_id();
    // Its connection is broken, and only the client knows.
    let other = stage.beside(server());
    let mut resumed = session.at(&other).resume(&last);
    pass(&stage, Duration::from_secs(12), || {
        reading.poll();
        resumed.poll();
    });
    assert_eq!(resumed.answer().as_deref(), Some("worked"));
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    // A call that nobody works on is none after a while.
    let mut gone = session.resume(&format!("{}.0", "0".repeat(32)));
    pass(&stage, Duration::from_secs(4), || {
        gone.poll();
    });
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
}

#[test]
fn an_answer_that_is_there_as_its_client_goes_is_kept_for_it() {
    let ready = Arc::new(AtomicBool::new(false));
    let (server, runs) = {
        let ready = ready.clone();
        counting(move |cx| {
            let ready = ready.clone();
            async move {
                cx.progress(1.0);
                std::future::poll_fn(|_| match ready.load(Ordering::Relaxed) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                })
                .await;
                Ok("worked".to_owned())
            }
        })
    };
    let (stage, behind) = stage_of(server());
    let session = Session::begin(&stage);
    let mut reading = session.call("count");
    let last = reading.poll().last_id();
    ready.store(true, Ordering::Relaxed);
    drop(reading);
    behind.poll();
    let resumed = session.resume(&last);
    assert_eq!(resumed.answer().as_deref(), Some("worked"), "{}", resumed.text);
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[test]
fn a_call_that_was_cancelled_is_not_gone_on_with() {
    let (stage, behind) = stage();
    let session = Session::begin(&stage);
    let mut reading = session.call("greet");
    pass(&stage, Duration::from_secs(61), || {
        reading.poll();
    });
    assert!(reading.ended);
    session.post(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}));
    session.answer(&reading.ask_id(), accept("Ada"));
    behind.poll();
    let resumed = session.resume(&reading.last_id());
    assert_eq!(resumed.answer(), None, "{}", resumed.text);
    assert!(resumed.ended);
}

#[test]
fn nobody_waits_for_ever_for_a_client_that_has_gone() {
    let (stage, behind) = stage();
    let session = Session::of(&stage, ProtocolVersion::V2025_06_18, &capabilities(), None);
    drop(session.call("greet"));
    assert_eq!(behind.len(), 1);
    pass(&stage, Duration::from_secs(3700), || behind.poll());
    assert_eq!(behind.len(), 0);
}

#[test]
fn a_stream_that_is_taken_up_begins_where_its_client_was() {
    let (stage, behind) = stage();
    let session = Session::begin(&stage);
    let mut reading = session.call("both");
    let first = reading.text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    pass(&stage, Duration::from_secs(61), || {
        reading.poll();
    });
    let resumed = session.resume(&first);
    assert_eq!(resumed.asks().len(), 2);
    let begins = format!("id: {first}\n");
    assert!(resumed.text.starts_with(&begins), "{}", resumed.text);
    drop(behind);
}

#[test]
fn a_client_whose_revision_has_no_priming_is_sent_none() {
    let (stage, _behind) = stage();
    let session = Session::of(&stage, ProtocolVersion::V2025_06_18, &capabilities(), None);
    let reading = session.call("greet");
    let resumed = session.resume(&reading.last_id());
    assert_eq!((resumed.text.as_str(), resumed.ended), ("", false));
}

#[test]
fn a_store_that_fails_while_a_stream_is_taken_up_loses_nothing_of_it() {
    let hold = |builder: edgemcp::platform::PlatformBuilder| builder.hold_max(Duration::from_secs(60));
    let stage = Stage::built(server(), Settings::default(), hold);
    let session = Session::begin(&stage);
    let mut working = session.call("lenient");
    let mut resumed = session.at(&stage).resume(&working.last_id());
    assert!(!resumed.ended);
    stage.store.fail(true);
    pass(&stage, Duration::from_secs(1), || {
        resumed.poll();
    });
    assert!(resumed.ended);
    stage.store.fail(false);
    session.answer(&working.ask_id(), accept("Ada"));
    pass(&stage, Duration::from_secs(2), || {
        working.poll();
    });
    assert!(working.ended);
    let again = session.resume(&resumed.last_id());
    assert_eq!(again.answer().as_deref(), Some("Ada"), "{}\n{}", resumed.text, again.text);
}

#[test]
fn a_client_that_goes_while_its_answer_is_kept_finds_it_later() {
    let (stage, behind) = stage();
    let session = Session::begin(&stage);
    let mut reading = session.call("greet");
    session.answer(&reading.ask_id(), accept("Ada"));
    behind.poll();
    stage.store.hold_puts(true);
    pass(&stage, Duration::from_secs(2), || {
        reading.poll();
    });
    assert!(reading.answer().is_none());
    let last = reading.last_id();
    drop(reading);
    stage.store.hold_puts(false);
    behind.poll();
    let resumed = session.resume(&last);
    assert_eq!(resumed.answer().as_deref(), Some("Hello, Ada!"), "{}", resumed.text);
}

#[test]
fn an_answer_comes_after_all_that_its_client_has_seen() {
    let (server, _) = counting(|cx| async move {
        let ticking = async {
            for number in 1..20 {
                cx.progress(f64::from(number));
                cx.platform().sleep(Duration::from_secs(1)).await;
            }
        };
        let (name, ()) = futures_util::join!(cx.elicit::<Name>("What is your name?").into_future(), ticking);
        Ok(name?.name)
    });
    let (stage, behind) = stage_of(server());
    let session = Session::begin(&stage);
    let mut reading = session.call("count");
    pass(&stage, Duration::from_secs(61), || {
        reading.poll();
    });
    assert!(reading.ended);
    session.answer(&reading.ask_id(), accept("Ada"));
    pass(&stage, Duration::from_secs(21), || behind.poll());
    assert_eq!(behind.len(), 0);
    let resumed = session.resume(&reading.last_id());
    assert_eq!(resumed.answer().as_deref(), Some("Ada"), "{}", resumed.text);
}

#[test]
fn an_instance_that_stood_still_for_too_long_asks_nothing_that_another_asks() {
    let thought = Arc::new(AtomicBool::new(false));
    let (server, runs) = {
        let thought = thought.clone();
        counting(move |cx| {
            let thought = thought.clone();
            async move {
                let Name { name } = cx.elicit("What is your name?").await?;
                std::future::poll_fn(|_| match thought.load(Ordering::Relaxed) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                })
                .await;
                let Name { name: other } = cx.elicit("And another?").await?;
                Ok(format!("{name} {other}"))
            }
        })
    };
    // Before it sees the answer, and after.
    for sees in [false, true] {
        let (stage, _behind) = stage_of(server());
        let session = Session::begin(&stage);
        let mut reading = session.call("count");
        let last = reading.last_id();
        session.answer(&reading.ask_id(), accept("Ada"));
        thought.store(!sees, Ordering::Relaxed);
        if sees {
            pass(&stage, Duration::from_secs(1), || {
                reading.poll();
            });
        }
        stage.clock.advance(Duration::from_secs(20));
        thought.store(true, Ordering::Relaxed);
        let other = stage.beside(server());
        let resumed = session.at(&other).resume(&last);
        assert_eq!((resumed.asks().len(), runs.swap(0, Ordering::Relaxed)), (1, 2));
        assert!(reading.poll().ended);
        let again = session.resume(&last);
        assert_eq!(again.asks().len(), 1, "{}", again.text);
    }
}

#[test]
fn a_step_that_is_under_way_as_its_call_is_kept_is_taken_once() {
    let steps = Arc::new(AtomicUsize::new(0));
    let (server, runs) = {
        let steps = steps.clone();
        counting(move |cx| {
            let steps = steps.clone();
            async move {
                cx.progress(1.0);
                let charge = || async {
                    cx.platform().sleep(Duration::from_secs(1)).await;
                    Ok::<_, ToolError>(steps.fetch_add(1, Ordering::Relaxed) + 1)
                };
                let number: usize = cx.step("charge", charge).await?;
                let Name { name } = cx.elicit("What is your name?").await?;
                Ok(format!("{name} {number}"))
            }
        })
    };
    let (stage, behind) = stage_of(server());
    let session = Session::begin(&stage);
    let reading = session.call("count");
    let last = reading.last_id();
    // Its client goes in the middle of the step.
    drop(reading);
    pass(&stage, Duration::from_secs(65), || behind.poll());
    assert_eq!(behind.len(), 0);
    let mut resumed = session.resume(&last);
    session.answer(&resumed.ask_id(), accept("Ada"));
    pass(&stage, Duration::from_secs(5), || {
        resumed.poll();
    });
    assert_eq!(resumed.answer().as_deref(), Some("Ada 1"), "{}", resumed.text);
    assert_eq!((steps.load(Ordering::Relaxed), runs.load(Ordering::Relaxed)), (1, 2));
}

#[test]
fn a_step_that_is_under_way_as_its_call_is_kept_is_not_taken_by_another_when_its_instance_dies() {
    let steps = Arc::new(AtomicUsize::new(0));
    let (server, runs) = {
        let steps = steps.clone();
        counting(move |cx| {
            let steps = steps.clone();
            async move {
                cx.progress(1.0);
                let charge = || async {
                    steps.fetch_add(1, Ordering::Relaxed);
                    cx.platform().sleep(Duration::from_secs(1)).await;
                    Ok::<_, ToolError>(())
                };
                cx.step::<(), _, _>("charge", charge).await?;
                Ok("charged".to_owned())
            }
        })
    };
    let (stage, behind) = stage_of(server());
    let session = Session::begin(&stage);
    let reading = session.call("count");
    let last = reading.last_id();
    drop(reading);
    behind.poll();
    behind.lose();
    stage.clock.advance(Duration::from_secs(20));
    let answer = session.resume(&last).answer().unwrap();
    assert!(answer.contains("was begun before"), "{answer}");
    assert_eq!((steps.load(Ordering::Relaxed), runs.load(Ordering::Relaxed)), (1, 2));
}

#[test]
fn a_step_is_not_dropped_while_a_person_thinks() {
    let steps = Arc::new(AtomicUsize::new(0));
    let (server, _) = {
        let steps = steps.clone();
        counting(move |cx| {
            let steps = steps.clone();
            async move {
                let render = || async {
                    cx.platform().sleep(Duration::from_secs(90)).await;
                    Ok::<_, ToolError>(steps.fetch_add(1, Ordering::Relaxed) + 1)
                };
                let name = cx.elicit::<Name>("What is your name?").into_future();
                let (name, number) = futures_util::join!(name, cx.step::<usize, _, _>("render", render));
                Ok(format!("{} {}", name?.name, number?))
            }
        })
    };
    let (stage, behind) = stage_of(server());
    let session = Session::begin(&stage);
    let mut reading = session.call("count");
    pass(&stage, Duration::from_secs(200), || {
        reading.poll();
    });
    assert!(reading.ended && reading.answer().is_none());
    session.answer(&reading.ask_id(), accept("Ada"));
    behind.poll();
    let resumed = session.resume(&reading.last_id());
    assert_eq!(resumed.answer().as_deref(), Some("Ada 1"), "{}", resumed.text);
    assert_eq!(steps.load(Ordering::Relaxed), 1);
}

#[test]
fn a_store_that_fails_as_a_call_is_left_ends_no_call() {
    let (stage, _behind) = stage_of(server());
    let session = Session::begin(&stage);
    let mut reading = session.call("greet");
    let mut read = || {
        reading.poll();
    };
    pass(&stage, Duration::from_secs(59), &mut read);
    stage.store.fail(true);
    pass(&stage, Duration::from_secs(2), &mut read);
    stage.store.fail(false);
    assert!(reading.ended && reading.answer().is_none(), "{}", reading.text);
    session.answer(&reading.ask_id(), accept("Ada"));
    let mut resumed = session.resume(&reading.last_id());
    pass(&stage, Duration::from_secs(16), || {
        resumed.poll();
    });
    assert_eq!(resumed.answer().as_deref(), Some("Hello, Ada!"), "{}", resumed.text);
}

#[test]
fn a_store_that_fails_as_a_client_goes_stops_no_work() {
    let (server, runs) = counting(|cx| async move {
        cx.progress(1.0);
        cx.platform().sleep(Duration::from_secs(10)).await;
        Ok("worked".to_owned())
    });
    let (stage, behind) = stage_of(server());
    let session = Session::begin(&stage);
    let reading = session.call("count");
    let last = reading.last_id();
    stage.store.fail(true);
    drop(reading);
    behind.poll();
    assert_eq!(behind.len(), 1, "{}", stage.log.all());
    stage.store.fail(false);
    let mut resumed = session.resume(&last);
    pass(&stage, Duration::from_secs(12), || {
        behind.poll();
        resumed.poll();
    });
    assert_eq!(resumed.answer().as_deref(), Some("worked"), "{}", resumed.text);
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[test]
fn an_answer_comes_after_all_that_its_client_has_seen_of_a_stream_that_it_took_up() {
    let (stage, behind) = stage();
    let session = Session::begin(&stage);
    let mut reading = session.call("greet");
    let id = reading.ask_id();
    for _ in 0..3 {
        pass(&stage, Duration::from_secs(61), || {
            reading.poll();
        });
        assert!(reading.ended && reading.answer().is_none());
        reading = session.resume(&reading.last_id());
    }
    pass(&stage, Duration::from_secs(61), || {
        reading.poll();
    });
    session.answer(&id, accept("Ada"));
    behind.poll();
    assert_eq!(behind.len(), 0);
    let resumed = session.resume(&reading.last_id());
    assert_eq!(resumed.answer().as_deref(), Some("Hello, Ada!"), "{}{}", reading.text, resumed.text);
}
