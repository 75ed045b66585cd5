//! Decides, from what was counted so far and the time, whether one more request may go on.

use std::time::Duration;

use bytes::Bytes;

use crate::platform::Timestamp;

/// The most requests of a [sliding window](Algorithm::SlidingWindow) whose moments are each remembered. Of a larger one
/// those are counted together that come within one part in so many of the window, so that an entry stays short.
pub(super) const MOMENTS_MAX: u64 = 64;

/// The longest a client is remembered for: a window, or the time in which an empty bucket fills.
pub(super) const MEMORY_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// The most requests per second, and the most in one burst or window.
pub(super) const REQUESTS_MAX: u32 = 1_000_000;

const NS_PER_MS: u64 = 1_000_000;
const NS_PER_S: f64 = 1e9;

/// How requests are counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Algorithm {
    /// A bucket that refills all the time. What is kept of it is one moment: when it would be full again (the "theoretical
    /// arrival time" of the generic cell rate algorithm, ITU-T I.371), so a bucket that nobody has kept is a full one.
    TokenBucket { per_second: f64, burst: Option<u32> },
    /// So many requests in any window of this length. What is kept is when they came.
    SlidingWindow { requests: u32, window: Duration },
    /// So many requests in each window, all of which begin at a multiple of their length since 1970.
    FixedWindow { requests: u32, window: Duration },
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It goes on, once `state` is kept; after `ttl` that says no more than nothing would.
    Admit { state: Bytes, ttl: Duration },
    /// It does not, and another may after so long.
    Refuse { retry_after: Duration },
}

impl Algorithm {
    /// What one more request at `now` comes to, where `state` is what was kept of those before it. What is no state of this
    /// algorithm counts as none.
    pub(super) fn decide(&self, state: Option<&[u8]>, now: Timestamp) -> Decision {
        let state = state.and_then(|state| std::str::from_utf8(state).ok());
        match *self {
            Self::TokenBucket { per_second, burst } => {
                bucket(interval_ns(per_second), burst_of(per_second, burst), state, now)
            }
            Self::SlidingWindow { requests, window } => sliding(requests.into(), millis(window), state, now),
            Self::FixedWindow { requests, window } => fixed(requests.into(), millis(window), state, now),
        }
    }

    /// What is wrong with the numbers, each a sentence with its way out.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut counted = |what: &str, requests: u32| {
            if requests == 0 || requests > REQUESTS_MAX {
                problems.push(format!("{what} is {requests}: write a number from 1 to {REQUESTS_MAX}"));
            }
        };
        let memory = match *self {
            Self::TokenBucket { per_second, burst } => {
                if !(per_second.is_finite() && per_second > 0.0 && per_second <= REQUESTS_MAX.into()) {
                    return vec![format!(
                        "its rate is {per_second} per second: write a number above 0 and up to {REQUESTS_MAX}"
                    )];
                }
                let burst = burst_of(per_second, burst);
                counted("its burst", burst);
                Duration::from_nanos(interval_ns(per_second).saturating_mul(burst.into()))
            }
            Self::SlidingWindow { requests, window } | Self::FixedWindow { requests, window } => {
                counted("its number of requests", requests);
                if window < Duration::from_millis(1) {
                    problems.push(format!("its window is {window:?}: write one of a millisecond or more"));
                }
                window
            }
        };
        if memory > MEMORY_MAX {
            problems.push(format!(
                "it would remember a client for {} days: write a rate or a window of {} days at the most",
                memory.as_secs() / 86_400,
                MEMORY_MAX.as_secs() / 86_400
            ));
        }
        problems
    }

    /// What a client is told that it may do, where FastMCP tells it.
    pub(super) fn told(&self) -> Option<String> {
        match *self {
            Self::TokenBucket { .. } => None,
            Self::SlidingWindow { requests, window } | Self::FixedWindow { requests, window } => {
                let seconds = window.as_secs();
                Some(match seconds {
                    _ if window.subsec_nanos() != 0 => format!("{requests} requests per {window:?}"),
                    _ if seconds % 60 == 0 => format!("{requests} requests per {} minutes", seconds / 60),
                    _ => format!("{requests} requests per {seconds} seconds"),
                })
            }
        }
    }

    /// Tells its counts from those of any other algorithm and of other numbers.
    pub(super) fn tag(&self) -> String {
        match *self {
            Self::TokenBucket { per_second, burst } => {
                format!("bucket {} {}", interval_ns(per_second), burst_of(per_second, burst))
            }
            Self::SlidingWindow { requests, window } => format!("sliding {requests} {}", millis(window)),
            Self::FixedWindow { requests, window } => format!("fixed {requests} {}", millis(window)),
        }
    }
}

/// FastMCP's: twice the rate, and one at the least.
fn burst_of(per_second: f64, burst: Option<u32>) -> u32 {
    // A rate that is none is refused before anything is counted; the cast makes the nearest number of it.
    burst.unwrap_or_else(|| ((per_second * 2.0) as u32).max(1))
}

/// How long a token takes to come back, rounded up, so that rounding never lets more through.
fn interval_ns(per_second: f64) -> u64 {
    ((NS_PER_S / per_second).ceil() as u64).max(1)
}

/// The length of a window in milliseconds, which is how exact a [`Timestamp`] is.
pub(super) fn millis(window: Duration) -> u64 {
    u64::try_from(window.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn bucket(interval: u64, burst: u32, state: Option<&str>, now: Timestamp) -> Decision {
    let now = now.as_millis().saturating_mul(NS_PER_MS);
    let capacity = interval.saturating_mul(burst.into());
    let full_at = state.and_then(|state| state.parse().ok()).unwrap_or(0);
    // Before `now` it is full. It is never further from full than empty; what says so was written by a clock that went
    // ahead, and would shut the client out until then.
    let full_at = full_at.clamp(now, now.saturating_add(capacity)).saturating_add(interval);
    match full_at.saturating_sub(now).checked_sub(capacity) {
        None | Some(0) => Decision::Admit {
            state: full_at.to_string().into(),
            ttl: Duration::from_millis((full_at - now).div_ceil(NS_PER_MS)),
        },
        Some(wait) => Decision::Refuse { retry_after: Duration::from_nanos(wait) },
    }
}

/// Requests that came at one moment, or together within one grain of the window.
struct Moment {
    /// That of the last of them, so that none is forgotten too early.
    at: u64,
    count: u64,
}

fn sliding(requests: u64, window: u64, state: Option<&str>, now: Timestamp) -> Decision {
    let now = now.as_millis();
    let mut moments = state.and_then(read_moments).unwrap_or_default();
    // What is more than a window ahead was written by a clock that went wrong, and would shut the client out until then.
    moments.retain(|moment| moment.at <= now.saturating_add(window));
    // An instance whose clock is behind does not bring back what has passed on another.
    let at = moments.last().map_or(now, |last| last.at.max(now));
    moments.retain(|moment| moment.at.saturating_add(window) > at);
    let counted = moments.iter().fold(0_u64, |sum, moment| sum.saturating_add(moment.count));
    if counted >= requests {
        let leaves = moments.first().map_or(at, |first| first.at.saturating_add(window));
        return Decision::Refuse { retry_after: Duration::from_millis(leaves.saturating_sub(now)) };
    }
    let grain = if requests <= MOMENTS_MAX { 1 } else { (window / MOMENTS_MAX).max(1) };
    match moments.last_mut() {
        Some(last) if last.at / grain == at / grain => *last = Moment { at, count: last.count + 1 },
        _ => moments.push(Moment { at, count: 1 }),
    }
    Decision::Admit {
        state: write_moments(&moments).into(),
        ttl: Duration::from_millis(at.saturating_add(window).saturating_sub(now)),
    }
}

fn write_moments(moments: &[Moment]) -> String {
    let mut text = String::new();
    let mut before = 0;
    for Moment { at, count } in moments {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&(at - before).to_string());
        if *count > 1 {
            text.push('x');
            text.push_str(&count.to_string());
        }
        before = *at;
    }
    text
}

fn read_moments(text: &str) -> Option<Vec<Moment>> {
    let mut before = 0_u64;
    text.split(' ')
        .map(|moment| {
            let (after, count) = moment.split_once('x').unwrap_or((moment, "1"));
            before = before.checked_add(after.parse().ok()?)?;
            Some(Moment { at: before, count: count.parse().ok()? })
        })
        .collect()
}

/// Which window `now` is in, and how long that goes on.
pub(super) fn window_at(window: u64, now: Timestamp) -> (u64, Duration) {
    let now = now.as_millis();
    (now / window, Duration::from_millis(window - now % window))
}

/// What a store counts by itself, counted here where there is none.
fn fixed(requests: u64, window: u64, state: Option<&str>, now: Timestamp) -> Decision {
    let (number, left) = window_at(window, now);
    let kept = state.and_then(|state| state.split_once(' '));
    let kept = kept.and_then(|(of, count)| Some((of.parse::<u64>().ok()?, count.parse::<u64>().ok()?)));
    let count = kept.filter(|(of, _)| *of == number).map_or(0, |(_, count)| count);
    match count < requests {
        true => Decision::Admit { state: format!("{number} {}", count + 1).into(), ttl: left },
        false => Decision::Refuse { retry_after: left },
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::properties::config;

    /// Requests at these moments after one another, each with whether it went on.
    fn run(algorithm: Algorithm, gaps: &[u64]) -> Vec<(u64, bool)> {
        let (mut state, mut end, mut now) = (None::<Bytes>, 0, 1_800_000_000_000);
        let mut outcomes = Vec::new();
        for gap in gaps {
            now += gap;
            let moment = Timestamp::from_millis(now);
            // A store forgets what has ended.
            let kept = state.as_deref().filter(|_| now < end);
            let decision = algorithm.decide(kept, moment);
            if let Decision::Refuse { retry_after } = &decision {
                let then = Timestamp::from_millis(now + u64::try_from(retry_after.as_millis()).unwrap() + 1);
                let later = algorithm.decide(kept.filter(|_| then.as_millis() < end), then);
                assert!(matches!(later, Decision::Admit { .. }), "refused after it was said to wait");
                let just_before = retry_after.checked_sub(Duration::from_millis(2));
                if let Some(early) = just_before.and_then(|early| u64::try_from(early.as_millis()).ok()) {
                    let early = algorithm.decide(kept, Timestamp::from_millis(now + early));
                    assert!(
                        matches!(early, Decision::Refuse { .. }),
                        "told to wait for longer than it has to"
                    );
                }
            }
            outcomes.push((now, matches!(decision, Decision::Admit { .. })));
            if let Decision::Admit { state: new, ttl } = decision {
                assert!(!ttl.is_zero());
                end = now + u64::try_from(ttl.as_millis()).unwrap();
                state = Some(new);
            }
        }
        outcomes
    }

    fn gaps() -> impl Strategy<Value = Vec<u64>> {
        let gap = prop_oneof![3 => Just(0_u64), 3 => 0..200_u64, 1 => 0..5_000_u64];
        prop::collection::vec(gap, 1..80)
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn a_bucket_never_lets_more_through_than_its_burst_and_what_has_come_back(
            per_second in 0.5..200.0_f64, burst in 1..40_u32, gaps in gaps(),
        ) {
            let algorithm = Algorithm::TokenBucket { per_second, burst: Some(burst) };
            prop_assert_eq!(algorithm.problems(), [""; 0]);
            let outcomes = run(algorithm, &gaps);
            let admitted: Vec<_> = outcomes.iter().filter(|(_, on)| *on).map(|(at, _)| *at).collect();
            for (index, from) in admitted.iter().enumerate() {
                for (more, to) in admitted[index..].iter().enumerate() {
                    let come_back = (to - from) as f64 / 1000.0 * per_second;
                    prop_assert!((more + 1) as f64 <= f64::from(burst) + come_back + 1e-6);
                }
            }
            // And no less: a plain bucket with a fraction of a token to spare lets through as much.
            let (mut tokens, mut last) = (f64::from(burst), outcomes[0].0);
            for (at, on) in outcomes {
                tokens = f64::from(burst).min(tokens + (at - last) as f64 / 1000.0 * per_second);
                last = at;
                if on {
                    tokens -= 1.0;
                } else {
                    prop_assert!(tokens < 1.0 + 1e-3, "{tokens} tokens and refused");
                }
            }
        }

        #[test]
        fn no_window_has_more_than_its_requests(
            requests in prop_oneof![1..10_u32, 60..70_u32, 100..130_u32], window in 1..3_000_u64, gaps in gaps(),
        ) {
            let algorithm = Algorithm::SlidingWindow { requests, window: Duration::from_millis(window) };
            let outcomes = run(algorithm, &gaps);
            let within = |to: u64, length: u64| {
                outcomes.iter().filter(|(at, on)| *on && *at <= to && *at + length > to).count()
            };
            let slack = if u64::from(requests) <= MOMENTS_MAX { 0 } else { (window / MOMENTS_MAX).max(1) };
            for (at, on) in &outcomes {
                prop_assert!(within(*at, window) <= requests as usize);
                // And what is refused is refused for a reason.
                prop_assert!(*on || within(*at, window + slack) >= requests as usize);
            }
        }

        #[test]
        fn what_is_kept_of_a_window_stays_short(gaps in prop::collection::vec(0..20_u64, 400)) {
            let algorithm = Algorithm::SlidingWindow { requests: 1_000, window: Duration::from_millis(2_000) };
            let (mut state, mut now) = (None::<Bytes>, 1_800_000_000_000);
            for gap in gaps {
                now += gap;
                if let Decision::Admit { state: new, .. } = algorithm.decide(state.as_deref(), Timestamp::from_millis(now)) {
                    prop_assert!(read_moments(std::str::from_utf8(&new).unwrap()).unwrap().len() <= 66);
                    state = Some(new);
                }
            }
        }

        #[test]
        fn whatever_stands_in_the_store_shuts_nobody_out_for_longer_than_a_window_or_a_bucket(
            state in prop_oneof![any::<Vec<u8>>(), "[0-9x ]{0,60}".prop_map(String::into_bytes)], now: u64,
        ) {
            let second = Duration::from_secs(1);
            for algorithm in [
                Algorithm::TokenBucket { per_second: 2.0, burst: Some(2) },
                Algorithm::SlidingWindow { requests: 2, window: second },
                Algorithm::FixedWindow { requests: 2, window: second },
            ] {
                match algorithm.decide(Some(&state), Timestamp::from_millis(now)) {
                    Decision::Refuse { retry_after } => prop_assert!(retry_after <= 2 * second),
                    Decision::Admit { ttl, .. } => prop_assert!(ttl <= 2 * second),
                }
            }
        }
    }

    #[test]
    fn a_fixed_window_begins_anew_at_its_multiple() {
        let algorithm = Algorithm::FixedWindow { requests: 2, window: Duration::from_secs(10) };
        let outcomes = run(algorithm, &[0, 0, 0, 9_999, 1, 0, 0]);
        let went_on: Vec<_> = outcomes.iter().map(|(_, on)| *on).collect();
        assert_eq!(went_on, [true, true, false, false, true, true, false]);
    }

    #[test]
    fn a_clock_that_is_behind_brings_nothing_back() {
        let second = Duration::from_secs(1);
        for algorithm in [
            Algorithm::TokenBucket { per_second: 1.0, burst: Some(1) },
            Algorithm::SlidingWindow { requests: 1, window: second },
        ] {
            let ahead = Timestamp::from_millis(1_800_000_000_000);
            let Decision::Admit { state, .. } = algorithm.decide(None, ahead) else { panic!("refused") };
            let behind = Timestamp::from_millis(ahead.as_millis() - 500);
            let decision = algorithm.decide(Some(&state), behind);
            let Decision::Refuse { retry_after } = decision else { panic!("{algorithm:?}: {decision:?}") };
            assert!(retry_after >= second, "{algorithm:?}: {retry_after:?}");
        }
    }
}
