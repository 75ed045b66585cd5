//! Finds texts by words, the best first: Okapi BM25 with weighted fields.
//!
//! It is these hundred lines, since what the libraries add (stemmers and stop words of a dozen languages, hash maps that draw
//! seeds) weighs more than a Worker should carry for it.
//!
//! Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), section 3; weighted fields
//! as in its section 3.6, with one length for all of them.

use std::ops::Range;

use super::words;

/// How soon more of one word stops to count.
const K1: f32 = 1.5;

/// How much longer texts are held back.
const B: f32 = 0.75;

/// What a word counts that is only akin to one that was asked for.
const AKIN: f32 = 0.5;

/// The words of some texts, and where they stand.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Sorted, each with where its postings begin.
    terms: Vec<(Box<str>, usize)>,
    postings: Vec<Posting>,
    lengths: Vec<f32>,
    mean_length: f32,
}

/// That a text has a word, and how often, by weight.
#[derive(Clone, Copy, Debug)]
struct Posting {
    text: usize,
    count: f32,
}

impl Index {
    /// An index of `texts`, each of which is some fields and what their words count.
    pub(super) fn new<'a, F>(texts: impl IntoIterator<Item = F>) -> Self
    where
        F: IntoIterator<Item = (&'a str, f32)>,
    {
        let (mut found, mut lengths) = (Vec::<(String, Posting)>::new(), Vec::new());
        for (text, fields) in texts.into_iter().enumerate() {
            let mut length = 0.0;
            for (field, weight) in fields {
                words::each(field, |word| {
                    length += weight;
                    found.push((word.to_owned(), Posting { text, count: weight }));
                });
            }
            lengths.push(length);
        }
        found.sort_by(|(a, one), (b, other)| a.cmp(b).then(one.text.cmp(&other.text)));
        let mut index = Self { mean_length: mean(&lengths), lengths, ..Self::default() };
        for (word, posting) in found {
            let is_known = index.terms.last().is_some_and(|(last, _)| **last == *word);
            match index.postings.last_mut() {
                Some(last) if is_known && last.text == posting.text => last.count += posting.count,
                _ => {
                    if !is_known {
                        index.terms.push((word.into(), index.postings.len()));
                    }
                    index.postings.push(posting);
                }
            }
        }
        index
    }

    /// The numbers of the texts that have words of `query`, the best first; of equal ones the first.
    pub(super) fn search(&self, query: &str) -> Vec<usize> {
        let mut asked = Vec::<String>::new();
        words::each(query, |word| {
            if !asked.iter().any(|known| known == word) {
                asked.push(word.to_owned());
            }
        });
        let mut scores = vec![0.0_f32; self.lengths.len()];
        for word in &asked {
            match self.terms.binary_search_by(|(term, _)| (**term).cmp(word)) {
                Ok(at) => self.score(at, 1.0, &mut scores),
                // A form of the word that nobody has written.
                Err(_) => {
                    for at in self.akin(word) {
                        self.score(at, AKIN, &mut scores);
                    }
                }
            }
        }
        let mut found: Vec<_> = scores.into_iter().enumerate().filter(|(_, score)| *score > 0.0).collect();
        // A stable sort, so that equal ones stay in order.
        found.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        found.into_iter().map(|(text, _)| text).collect()
    }

    /// Adds to `scores` what the term at `at` counts in each text.
    fn score(&self, at: usize, weight: f32, scores: &mut [f32]) {
        let postings = self.postings(at);
        let (texts, having) = (self.lengths.len() as f32, postings.len() as f32);
        let rarity = (1.0 + (texts - having + 0.5) / (having + 0.5)).ln();
        for Posting { text, count } in postings {
            let length = self.lengths.get(*text).copied().unwrap_or_default() / self.mean_length;
            let saturated = count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * length));
            if let Some(score) = scores.get_mut(*text) {
                *score += weight * rarity * saturated;
            }
        }
    }

    fn postings(&self, at: usize) -> &[Posting] {
        let begin = |at: usize| self.terms.get(at).map_or(self.postings.len(), |(_, begin)| *begin);
        self.postings.get(begin(at)..begin(at + 1)).unwrap_or_default()
    }

    /// The terms that are other forms of `word`: most of it is common to both, and little follows.
    fn akin(&self, word: &str) -> Range<usize> {
        let count = word.chars().count();
        let common = 4.max((count * 3).div_ceil(5));
        if count < common {
            return 0..0;
        }
        let end = word.char_indices().nth(common).map_or(word.len(), |(end, _)| end);
        let stem = word.get(..end).unwrap_or(word);
        let from = self.terms.partition_point(|(term, _)| **term < *stem);
        let akin = self.terms.iter().skip(from).take_while(|(term, _)| term.starts_with(stem));
        from..from + akin.count()
    }
}

fn mean(lengths: &[f32]) -> f32 {
    let sum: f32 = lengths.iter().sum();
    if sum > 0.0 { sum / lengths.len() as f32 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(texts: &[&str]) -> Index {
        Index::new(texts.iter().map(|text| [(*text, 1.0)]))
    }

    #[test]
    fn the_rarer_word_counts_more() {
        let index = index(&["send message", "send email", "send fax", "read email"]);
        assert_eq!(index.search("send fax"), [2, 0, 1]);
        assert_eq!(index.search("read email")[0], 3);
    }

    #[test]
    fn of_equal_words_the_shorter_text_is_better() {
        let index = index(&["ship an order with many other words around it, in the end", "ship order"]);
        assert_eq!(index.search("ship order"), [1, 0]);
    }

    #[test]
    fn a_field_counts_as_much_as_it_weighs() {
        let texts = [[("invoice", 1.0), ("order", 3.0)], [("order", 1.0), ("invoice", 3.0)]];
        assert_eq!(Index::new(texts).search("invoice"), [1, 0]);
    }

    #[test]
    fn a_form_of_a_word_that_nobody_wrote_is_found_by_its_kin() {
        let index = index(&["create ticket", "delete ticket", "translation of text", "deployment"]);
        assert_eq!(index.search("creating"), [0]);
        assert_eq!(index.search("deletion"), [1]);
        assert_eq!(index.search("translate"), [2]);
        assert_eq!(index.search("deploying"), [3]);
        assert!(index.search("tack cat").is_empty());
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        assert!(Index::default().search("anything").is_empty());
        assert!(index(&["", "—"]).search("anything").is_empty());
        assert!(index(&["a word"]).search("  ").is_empty());
    }
}
