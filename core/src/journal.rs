//! Remembers what a handler has been answered and has done, so that it can run again and come to where it stood.
//!
//! A handler that asks the client for something may go on in another request, on another instance: it runs again from
//! its beginning, each earlier ask is answered from here, and each earlier step gives the result it gave. An ask is
//! known by its key and by what it asks; where a handler asks something else under a key that was answered, it is not
//! the same run any more, and it is refused.

use std::task::{Poll, Waker};

use serde_json::value::RawValue;

use crate::seal::fingerprint;

/// The most asks one call may make.
pub const ASKS_MAX: usize = 64;

/// The most steps one call may take.
pub const STEPS_MAX: usize = 64;

/// What a handler has been answered and has done.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) asks: Vec<Asked>,
    pub(crate) steps: Vec<Step>,
    /// The names of the steps that were begun in this run and have not ended.
    pub(crate) begun: Vec<String>,
    /// The call that steps are claimed under in the store, once one was.
    pub(crate) call: Option<String>,
    /// How many keys of this run were made up from a count.
    unnamed: usize,
    /// Answers that came without an ask: a client that knows a server's keys may send them at once.
    unasked: Vec<(String, Box<RawValue>)>,
}

/// Something the client was asked.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) key: String,
    /// Tells this ask from any other.
    pub(crate) digest: String,
    /// The method and the parameters; `None` until the handler has asked it in this run.
    pub(crate) request: Option<(&'static str, Box<RawValue>)>,
    pub(crate) answer: Option<Answer>,
    /// Whether the driver of this run has seen to it.
    pub(crate) is_seen: bool,
    /// Whether it was sent to the client, in this run or an earlier one.
    pub(crate) is_sent: bool,
    waker: Option<Waker>,
}

/// What came back.
#[derive(Clone, Debug)]
pub enum Answer {
    Result(Box<RawValue>),
    /// A JSON-RPC error, which only the legacy era has.
    Refusal(Box<RawValue>),
}

/// Something that is not done again.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) result: Box<RawValue>,
}

/// What was answered and done, in a form of its own.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) asks: Vec<(RecordedAsk, Answer)>,
    pub(crate) steps: Vec<(String, Box<RawValue>)>,
    pub(crate) begun: Vec<String>,
}

/// Something that was asked, to be kept.
#[derive(Debug)]
pub(crate) struct RecordedAsk {
    pub(crate) key: String,
    pub(crate) digest: String,
    /// `None` where the handler has not come to it in this run.
    pub(crate) request: Option<(&'static str, Box<RawValue>)>,
}

/// How far a run had come.
#[derive(Debug)]
pub(crate) struct Mark {
    unnamed: usize,
    /// The keys of what was asked.
    asked: Vec<String>,
}

/// Why an ask is not one of this run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Strange {
    /// Something else was answered under this key.
    Changed(String),
    /// There are [`ASKS_MAX`] already.
    TooMany,
}

impl Journal {
    /// Whether nothing was asked, answered or done yet, in this run or an earlier one.
    pub(crate) fn is_untouched(&self) -> bool {
        self.asks.is_empty() && self.steps.is_empty() && self.unasked.is_empty() && self.call.is_none()
    }

    /// An ask that was made in an earlier run.
    pub(crate) fn remember(&mut self, key: String, digest: String, answer: Option<Answer>) {
        self.asks.push(Asked {
            key,
            digest,
            request: None,
            answer,
            is_seen: false,
            is_sent: false,
            waker: None,
        });
    }

    /// An answer that came without an ask.
    pub(crate) fn remember_unasked(&mut self, key: String, answer: Box<RawValue>) {
        self.unasked.push((key, answer));
    }

    /// Asks, and says where the ask stands. `key` is the handler's own, where it gave one.
    ///
    /// # Errors
    /// [`Strange`], where this run is not the one that was answered.
    pub(crate) fn ask(
        &mut self,
        key: Option<&str>,
        method: &'static str,
        params: Box<RawValue>,
    ) -> Result<usize, Strange> {
        let named = key.is_some();
        let key = self.unique(key);
        let digest = fingerprint(format!("{method} {}", params.get()).as_bytes());
        let known = self.asks.iter_mut().position(|asked| asked.key == key);
        if let Some(index) = known
            && let Some(asked) = self.asks.get_mut(index)
        {
            if asked.digest != digest {
                return Err(Strange::Changed(key));
            }
            asked.request = Some((method, params));
            return Ok(index);
        }
        if self.asks.len() >= ASKS_MAX {
            return Err(Strange::TooMany);
        }
        // Only a key that the handler chose says which ask an answer is for.
        let unasked = self.unasked.iter().position(|(of, _)| named && *of == key);
        let answer = unasked.map(|index| Answer::Result(self.unasked.swap_remove(index).1));
        let request = Some((method, params));
        self.asks.push(Asked { key, digest, request, answer, is_seen: false, is_sent: false, waker: None });
        Ok(self.asks.len() - 1)
    }

    /// A key that no ask of this run has yet: the one given, or one made of a count.
    fn unique(&mut self, key: Option<&str>) -> String {
        let is_taken = |key: &str| self.asks.iter().any(|asked| asked.key == key && asked.request.is_some());
        match key {
            None => {
                self.unnamed += 1;
                format!("ask-{}", self.unnamed)
            }
            Some(key) if !is_taken(key) => key.to_owned(),
            Some(key) => {
                (2..).map(|number| format!("{key}-{number}")).find(|key| !is_taken(key)).unwrap_or_default()
            }
        }
    }

    /// The answer to the ask at `index`, once it is there.
    pub(crate) fn poll(&mut self, index: usize, waker: &Waker) -> Poll<Answer> {
        let Some(asked) = self.asks.get_mut(index) else { return Poll::Pending };
        match &asked.answer {
            Some(answer) => Poll::Ready(answer.clone()),
            None => {
                asked.waker = Some(waker.clone());
                Poll::Pending
            }
        }
    }

    /// Whether the driver of this run has seen to the ask at `index`.
    pub(crate) fn is_seen(&self, index: usize) -> bool {
        self.asks.get(index).is_some_and(|asked| asked.is_seen)
    }

    /// The asks of this run that its driver has not seen to; it has now.
    pub(crate) fn see(&mut self) -> impl Iterator<Item = (usize, &mut Asked)> {
        let unseen = |asked: &Asked| asked.answer.is_none() && asked.request.is_some() && !asked.is_seen;
        self.asks.iter_mut().enumerate().filter(move |(_, asked)| unseen(asked)).map(|(index, asked)| {
            asked.is_seen = true;
            (index, asked)
        })
    }

    /// Answers the ask at `index`.
    pub(crate) fn answer_at(&mut self, index: usize, answer: Answer) {
        if let Some(key) = self.asks.get(index).map(|asked| asked.key.clone()) {
            self.answer(&key, answer);
        }
    }

    /// Answers the ask with this key; nothing happens where there is none, or where it has been answered.
    pub(crate) fn answer(&mut self, key: &str, answer: Answer) {
        let open = self.asks.iter_mut().find(|asked| asked.key == key && asked.answer.is_none());
        if let Some(asked) = open {
            asked.answer = Some(answer);
            if let Some(waker) = asked.waker.take() {
                waker.wake();
            }
        }
    }

    /// How far this run has come, to go back to.
    pub(crate) fn mark(&self) -> Mark {
        let asked = self.asks.iter().filter(|asked| asked.request.is_some());
        Mark { unnamed: self.unnamed, asked: asked.map(|asked| asked.key.clone()).collect() }
    }

    /// Goes back to `mark`: what was asked since is asked again, and gets the answers that are here.
    pub(crate) fn go_back(&mut self, mark: &Mark) {
        self.unnamed = mark.unnamed;
        for asked in self.asks.iter_mut().filter(|asked| !mark.asked.contains(&asked.key)) {
            asked.request = None;
        }
    }

    /// The asks of this run that wait for an answer.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Asked> {
        self.asks.iter().filter(|asked| asked.answer.is_none() && asked.request.is_some())
    }

    /// Where the asks of this run stand that wait for an answer.
    pub(crate) fn open_indexes(&self) -> Vec<usize> {
        let is_open = |asked: &Asked| asked.answer.is_none() && asked.request.is_some();
        self.asks.iter().enumerate().filter(|(_, asked)| is_open(asked)).map(|(index, _)| index).collect()
    }

    /// What was answered and done so far, to be kept.
    pub(crate) fn recorded(&self) -> Recorded {
        let answered = self.asks.iter().filter_map(|asked| {
            let (key, digest) = (asked.key.clone(), asked.digest.clone());
            Some((RecordedAsk { key, digest, request: asked.request.clone() }, asked.answer.clone()?))
        });
        let steps = self.steps.iter().map(|step| (step.name.clone(), step.result.clone()));
        Recorded { asks: answered.collect(), steps: steps.collect(), begun: self.begun.clone() }
    }

    /// The result of the step `name`, where it was taken.
    pub(crate) fn step(&self, name: &str) -> Option<&RawValue> {
        self.steps.iter().find(|step| step.name == name).map(|step| &*step.result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Box<RawValue> {
        RawValue::from_string(format!("{{\"message\":\"{text}\"}}")).unwrap()
    }

    #[test]
    fn an_ask_without_a_key_is_known_by_its_place() {
        let mut journal = Journal::default();
        for number in 1..=3 {
            let index = journal.ask(None, "elicitation/create", params("?")).unwrap();
            assert_eq!(journal.asks[index].key, format!("ask-{number}"));
        }
    }

    #[test]
    fn a_key_that_is_used_again_stays_unique() {
        let mut journal = Journal::default();
        for key in ["again", "again-2", "again-3"] {
            let index = journal.ask(Some("again"), "elicitation/create", params("?")).unwrap();
            assert_eq!(journal.asks[index].key, key);
        }
    }

    #[test]
    fn an_ask_that_is_no_longer_the_one_that_was_answered_is_strange() {
        let mut first = Journal::default();
        first.ask(None, "elicitation/create", params("How many?")).unwrap();
        let Asked { key, digest, .. } = first.asks.remove(0);

        let mut replay = Journal::default();
        replay.remember(key.clone(), digest.clone(), None);
        assert_eq!(
            replay.ask(None, "elicitation/create", params("How much?")),
            Err(Strange::Changed("ask-1".to_owned()))
        );
        let mut replay = Journal::default();
        replay.remember(key, digest, None);
        assert_eq!(replay.ask(None, "elicitation/create", params("How many?")), Ok(0));
    }

    #[test]
    fn an_answer_without_an_ask_is_for_a_key_the_handler_chose() {
        let answer = || RawValue::from_string("{}".to_owned()).unwrap();
        let mut journal = Journal::default();
        journal.remember_unasked("ask-1".to_owned(), answer());
        journal.remember_unasked("name".to_owned(), answer());
        let unnamed = journal.ask(None, "elicitation/create", params("?")).unwrap();
        assert!(journal.asks[unnamed].answer.is_none());
        let named = journal.ask(Some("name"), "elicitation/create", params("?")).unwrap();
        assert!(journal.asks[named].answer.is_some());
    }

    #[test]
    fn what_was_asked_since_a_mark_is_asked_again_and_gets_its_answer() {
        let answer = || Answer::Result(RawValue::from_string("{}".to_owned()).unwrap());
        let mut journal = Journal::default();
        let before = journal.ask(None, "elicitation/create", params("before")).unwrap();
        let mark = journal.mark();
        for _ in 0..2 {
            let unnamed = journal.ask(None, "elicitation/create", params("?")).unwrap();
            let named = journal.ask(Some("name"), "elicitation/create", params("Who?")).unwrap();
            assert_eq!((before, unnamed, named), (0, 1, 2));
            journal.answer("ask-2", answer());
            journal.go_back(&mark);
        }
        assert!(journal.asks[1].answer.is_some());
        // What was asked before is no other ask's.
        assert_eq!(journal.ask(None, "elicitation/create", params("?")), Ok(1));
        assert_eq!(journal.asks[0].key, "ask-1");
        assert!(journal.asks[0].request.is_some());
    }

    #[test]
    fn one_ask_too_many_is_refused() {
        let mut journal = Journal::default();
        for _ in 0..ASKS_MAX {
            journal.ask(None, "roots/list", params("?")).unwrap();
        }
        assert_eq!(journal.ask(None, "roots/list", params("?")), Err(Strange::TooMany));
    }
}
