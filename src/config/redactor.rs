//! What the environment gave to a pipeline file, taken out of texts on their way to the outside.
//!
//! Messages are made of texts as the file has them, so nothing is found here in the ordinary case. It is the last line of
//! defence: for what a library says of a value, and for paths that the operating system has put together.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

use super::reference::{Accepts, GROUPS};
use super::{Mapping, Pipeline, SegmentFrom, SourceKind};
use crate::source_kind::columns;
use crate::stage::{KINDS, Kind};
use crate::text::{Text, replaced};

/// Shorter values are part of too many other words to be told apart; they keep no secret either.
const SHORTEST: usize = 3;

/// `2024-01-31`
const LONGEST_DATE: usize = 10;

/// Values of the environment, and the references that asked for them.
#[derive(Clone, Debug, Default)]
pub struct Redactor(Vec<Given>);

#[derive(Clone, PartialEq, Eq)]
struct Given {
    value: String,
    written: String,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.written)
    }
}

impl Redactor {
    /// Takes out one value more. Nothing changes for one of fewer than three bytes, for a number or a date, and for a word
    /// that the program itself uses: `2024` would be taken out of every date, `amount` out of every sentence that speaks of
    /// amounts.
    pub fn add(&mut self, value: &str, written: &str) {
        let given = Given { value: value.into(), written: written.into() };
        let numeric = value.len() <= LONGEST_DATE && !value.contains(char::is_alphabetic);
        if value.len() < SHORTEST || numeric || self.0.contains(&given) || VOCABULARY.contains(value) {
            return;
        }
        self.0.push(given);
        // One value may be part of another.
        self.0.sort_by_key(|given| std::cmp::Reverse(given.value.len()));
    }

    /// Takes out what another takes out as well.
    pub fn merge(&mut self, other: &Redactor) {
        other.0.iter().for_each(|given| self.add(&given.value, &given.written));
    }

    /// The values and the references that asked for them.
    pub fn given(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|given| (given.value.as_str(), given.written.as_str()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text with `${NAME}` in place of each value.
    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if !self.0.iter().any(|given| text.contains(&given.value)) {
            return Cow::Borrowed(text);
        }
        let hide = |text: String, given: &Given| replaced(&text, &given.value, &given.written);
        Cow::Owned(self.0.iter().fold(text.to_owned(), hide))
    }

    /// The same of every string within a JSON value; keys are the program's own.
    pub fn hide_json(&self, json: &mut serde_json::Value) {
        use serde_json::Value;
        match json {
            _ if self.is_empty() => {}
            Value::String(text) => *text = self.hide(text).into_owned(),
            Value::Array(list) => list.iter_mut().for_each(|value| self.hide_json(value)),
            Value::Object(map) => map.values_mut().for_each(|value| self.hide_json(value)),
            _ => {}
        }
    }
}

impl Pipeline {
    /// What the environment gave to the strings of the file that name something or say something in SQL. Words, dates and
    /// numbers are not among them: the program says what they mean, not how they were written.
    pub fn redactor(&self) -> Redactor {
        let mut redactor = Redactor::default();
        let mut take = |text: &Text| text.secrets().for_each(|(value, written)| redactor.add(value, written));
        take(&self.name);
        take(&self.money.currency);
        take(&self.output.dir_text);
        self.output.temp_dir_text.iter().for_each(&mut take);
        self.customers.activity.iter().for_each(|expression| take(&expression.sql));
        for source in self.sources.values() {
            source.paths.iter().for_each(|path| take(&path.value));
            source.filter.iter().for_each(|expression| take(&expression.sql));
            for mapping in source.columns.values() {
                let (Mapping::Column(text) | Mapping::Sql(text)) = &mapping.value;
                take(text);
            }
        }
        for segment in &self.segments {
            if let SegmentFrom::Column(_, text) = &segment.from {
                take(text);
            }
        }
        redactor
    }
}

static VOCABULARY: LazyLock<HashSet<&'static str>> = LazyLock::new(|| vocabulary(KINDS));

/// The words that the program says of itself: keys and values of the pipeline file, stages, canonical columns.
fn vocabulary(kinds: &[Kind]) -> HashSet<&'static str> {
    let mut texts: Vec<&'static str> = vec![];
    for group in GROUPS {
        texts.push(group.path);
        for key in group.keys {
            texts.extend([key.name, key.doc]);
            if let Accepts::Word(words) | Accepts::Words(words) = key.accepts {
                texts.extend(words.now);
            }
        }
    }
    for kind in kinds {
        texts.extend([kind.name, kind.definition]);
        texts.extend(kind.keys.iter().flat_map(|option| [option.name, option.doc]));
    }
    for column in SourceKind::ALL.into_iter().flat_map(columns) {
        texts.extend([column.name, column.doc]);
    }
    let words = texts.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_'));
    words.chain(texts.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[(&str, &str)]) -> Redactor {
        let mut redactor = Redactor::default();
        values.iter().for_each(|(value, written)| redactor.add(value, written));
        redactor
    }

    #[test]
    fn values_give_way_to_their_references() {
        let redactor = of(&[("s3cr3t", "${A}"), ("/data/s3cr3t", "${B}"), ("QXZ", "${C}")]);
        for (text, hidden) in [
            ("there is no file /data/s3cr3t/x.parquet", "there is no file ${B}/x.parquet"),
            ("xs3cr3ty", "x${A}y"),
            ("12.00 QXZ", "12.00 ${C}"),
            ("AQXZB QXZ", "AQXZB ${C}"),
            ("nothing of the kind", "nothing of the kind"),
        ] {
            assert_eq!(redactor.hide(text), hidden, "{text}");
        }
    }

    #[test]
    fn words_of_the_program_and_short_values_stay() {
        let redactor =
            of(&[("amount", "${A}"), ("customers", "${B}"), ("eu", "${C}"), ("", "${D}"), ("2024-01-31", "${E}")]);
        assert!(redactor.is_empty(), "{redactor:?}");
    }
}
