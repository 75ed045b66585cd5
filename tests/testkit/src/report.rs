//! What came of a run, and whether what was skipped is what the checked-in list says.

use std::fmt::{self, Write as _};

use crate::{Need, cases};

/// The cells (a store and a case) that are skipped because the store does not offer what the case needs.
///
/// Checked in, so that a store that loses an ability, or a case that is quietly skipped, fails the run.
pub const CELLS: &str = include_str!("../cells.txt");

/// What came of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The sentence holds.
    Passed,
    /// It does not, and why.
    Failed(String),
    /// The store does not offer what it needs.
    Skipped(Need),
}

/// What came of every case on one store. Its text form has one line per case.
#[derive(Clone, Debug)]
pub struct Report {
    store: String,
    outcomes: Vec<(String, Outcome)>,
}

impl Report {
    /// A report on `store`, by the name the checked-in list has for it, with no case yet.
    pub(crate) fn new(store: impl Into<String>) -> Self {
        Self { store: store.into(), outcomes: Vec::new() }
    }

    /// Notes what came of a case.
    pub(crate) fn add(&mut self, case: impl Into<String>, outcome: Outcome) {
        self.outcomes.push((case.into(), outcome));
    }

    /// How many cases held.
    pub fn passed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Passed))
    }

    /// How many did not.
    pub fn failed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    /// How many the store does not offer.
    pub fn skipped(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Skipped(_)))
    }

    /// The skipped cells as the checked-in list has them: `<store>: <case> (needs <what>)`, in the contract's order.
    pub fn cells(&self) -> String {
        let mut cells = String::new();
        for (case, outcome) in &self.outcomes {
            if let Outcome::Skipped(need) = outcome {
                let _ = writeln!(cells, "{}: {case} (needs {need})", self.store);
            }
        }
        cells
    }

    /// Whether the store keeps the contract: every case of it ran and held, but for the cells that [`CELLS`] lists.
    ///
    /// # Errors
    /// The whole report, and what is wrong with it.
    pub fn verdict(&self) -> Result<(), String> {
        self.verdict_by(CELLS)
    }

    /// Whether a store that does not offer `needs` keeps the contract: every case of it ran and held, but for those that
    /// need one of them, and they were skipped. For a wrapper around a store, which is in no list of stores.
    ///
    /// # Errors
    /// As [`verdict`](Self::verdict).
    pub fn verdict_without(&self, needs: &[Need]) -> Result<(), String> {
        let mut without = Self::new(self.store.as_str());
        for case in cases().filter(|case| needs.contains(&case.need)) {
            without.add(case.name, Outcome::Skipped(case.need));
        }
        self.verdict_by(&without.cells())
    }

    fn verdict_by(&self, cells: &str) -> Result<(), String> {
        let mut wrong = Vec::new();
        if self.failed() > 0 {
            wrong.push(format!("{} cases failed", self.failed()));
        }
        if self.passed() == 0 {
            wrong.push("no case ran to its end".to_owned());
        }
        let ran: Vec<_> = self.outcomes.iter().map(|(case, _)| case.as_str()).collect();
        let contract: Vec<_> = cases().map(|case| case.name).collect();
        if ran != contract {
            wrong.push(format!("{} cases were tried, the contract has {}", ran.len(), contract.len()));
        }
        let prefix = format!("{}: ", self.store);
        let listed: String =
            cells.lines().filter(|line| line.starts_with(&prefix)).map(|line| format!("{line}\n")).collect();
        if listed != self.cells() {
            wrong.push(format!(
                "the skipped cells differ from those that this store may skip, which are\n{listed}",
            ));
        }
        if wrong.is_empty() { Ok(()) } else { Err(format!("{self}{}", wrong.join("\n"))) }
    }

    fn count(&self, of: impl Fn(&Outcome) -> bool) -> usize {
        self.outcomes.iter().filter(|(_, outcome)| of(outcome)).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = &self.store;
        for (case, outcome) in &self.outcomes {
            match outcome {
                Outcome::Passed => writeln!(f, "{store}: {case} ... ok")?,
                Outcome::Failed(why) => writeln!(f, "{store}: {case} ... FAILED: {why}")?,
                Outcome::Skipped(need) => writeln!(f, "{store}: {case} ... skipped (needs {need})")?,
            }
        }
        writeln!(
            f,
            "{store}: {} passed, {} failed, {} not offered",
            self.passed(),
            self.failed(),
            self.skipped()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcome: impl Fn(&str) -> Outcome) -> Report {
        let mut report = Report::new("shelf");
        for case in cases() {
            report.add(case.name, outcome(case.name));
        }
        report
    }

    #[test]
    fn a_report_in_which_every_case_held_is_good() {
        assert_eq!(report(|_| Outcome::Passed).verdict_by(""), Ok(()));
    }

    #[test]
    fn one_failed_case_fails_the_run_and_is_named() {
        let first = cases().next().unwrap().name;
        let bad = report(|case| match case == first {
            true => Outcome::Failed("it was blue".into()),
            false => Outcome::Passed,
        });
        let verdict = bad.verdict_by("").unwrap_err();
        assert!(verdict.contains(&format!("shelf: {first} ... FAILED: it was blue")), "{verdict}");
    }

    #[test]
    fn a_skipped_cell_is_good_only_where_the_list_has_it() {
        let first = cases().next().unwrap().name;
        let skipping = report(|case| match case == first {
            true => Outcome::Skipped(Need::Atomic),
            false => Outcome::Passed,
        });
        assert!(skipping.verdict_by("").is_err());
        let list =
            format!("other: {first} (needs an atomic store)\nshelf: {first} (needs an atomic store)\n");
        assert_eq!(skipping.verdict_by(&list), Ok(()));
        assert!(
            report(|_| Outcome::Passed).verdict_by(&list).is_err(),
            "a listed cell that ran must be struck"
        );
    }

    #[test]
    fn what_may_be_skipped_is_all_that_needs_it_and_nothing_else() {
        let skipping = |need: Need| {
            let mut report = Report::new("shelf");
            for case in cases() {
                let outcome = if case.need == need { Outcome::Skipped(need) } else { Outcome::Passed };
                report.add(case.name, outcome);
            }
            report
        };
        let atomic = skipping(Need::Atomic);
        assert_eq!(atomic.verdict_without(&[Need::Atomic]), Ok(()));
        for needs in [&[][..], &[Need::Watch], &[Need::Atomic, Need::Watch]] {
            assert!(atomic.verdict_without(needs).is_err(), "{needs:?}");
        }
        assert_eq!(report(|_| Outcome::Passed).verdict_without(&[]), Ok(()));
    }

    #[test]
    fn a_run_without_cases_or_with_some_of_them_fails() {
        assert!(Report::new("shelf").verdict_by("").is_err());
        let mut some = Report::new("shelf");
        some.add(cases().next().unwrap().name, Outcome::Passed);
        assert!(some.verdict_by("").is_err());
    }
}
