//! A string of the pipeline file, and what the environment made of it.

use std::fmt;
use std::ops::Range;

/// As written, and as it reads once references to the environment are filled in.
///
/// What the environment holds may be secret, so a `Text` is shown as it was written: that is what `Display` gives. The
/// value is for use alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text {
    written: String,
    value: String,
    /// In order.
    references: Vec<Reference>,
}

/// One `${NAME}` and what it became.
#[derive(Clone, PartialEq, Eq)]
struct Reference {
    written: Range<usize>,
    value: Range<usize>,
    /// The value is the environment's, not the default behind `:-`, which stands in the file for everybody to see.
    secret: bool,
}

/// What makes a path a pattern.
const PATTERN: [char; 4] = ['*', '?', '[', ']'];

/// Shorter values are replaced only where they stand as a word of their own: `1` is part of many others.
const SHORT: usize = 4;

impl Text {
    /// Without any reference.
    pub fn plain(text: impl Into<String>) -> Text {
        let written = text.into();
        Text { value: written.clone(), written, references: vec![] }
    }

    /// The same string, with nothing filled in so far: to be followed by [`Text::push`] and [`Text::fill`].
    pub(crate) fn unfilled(written: &str) -> Text {
        Text { written: written.into(), value: String::with_capacity(written.len()), references: vec![] }
    }

    /// Appends a part of the value that stands in the file.
    pub(crate) fn push(&mut self, part: &str) {
        self.value += part;
    }

    /// Appends what the reference at `written` became.
    pub(crate) fn fill(&mut self, written: Range<usize>, value: &str, secret: bool) {
        let from = self.value.len();
        self.value += value;
        self.references.push(Reference { written, value: from..self.value.len(), secret });
    }

    /// What it means: to open a file, to name a column. Never to be shown.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// As the file has it.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Whether something of it came from the environment or a default.
    pub fn is_filled_in(&self) -> bool {
        !self.references.is_empty()
    }

    /// What the environment gave, with the reference that asked for it.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (&str, &str)> {
        let pair = move |r: &Reference| (&self.value[r.value.clone()], &self.written[r.written.clone()]);
        self.references.iter().filter(|r| r.secret && !r.value.is_empty()).map(pair)
    }

    /// What somebody says of the value, such as a parser's message, with references in place of what the environment
    /// gave.
    pub fn hide(&self, said: &str) -> String {
        let mut values: Vec<(&str, &str)> = self.secrets().collect();
        // One value may be part of another.
        values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        values.into_iter().fold(said.to_owned(), |said, (value, written)| {
            // SQL names functions in capitals, and parts of dates in small letters.
            let said = replaced(&said, value, written);
            replaced(&replaced(&said, &value.to_uppercase(), written), &value.to_lowercase(), written)
        })
    }

    /// A path that this text, as a file, a folder or a pattern, has led to, with references in place of what they
    /// became.
    pub fn unexpanded(&self, path: &str) -> String {
        let first = self.value.find(PATTERN).unwrap_or(self.value.len());
        let Some(rest) = path.strip_prefix(&self.value[..first]).filter(|_| self.is_filled_in()) else {
            return self.hide(path);
        };
        let tail = self.value.rfind(PATTERN).map_or("", |last| &self.value[last + 1..]);
        let (rest, tail) = match rest.strip_suffix(tail) {
            Some(rest) => (rest, self.written_from(self.value.len() - tail.len())),
            None => (rest, ""),
        };
        // A pattern that begins within a reference: what stands before it there is hidden with the reference.
        let cut = self.references.iter().any(|r| r.value.start < first && first < r.value.end);
        let gap = if cut && self.value[..first].ends_with('/') { "/" } else { "" };
        let mut middle = self.hide(rest);
        // Of a pattern that the environment gave, the letters between its signs.
        for (value, written) in self.secrets().filter(|(value, _)| value.contains(PATTERN)) {
            let parts = value.split(PATTERN).map(|part| part.trim_matches('/')).filter(|part| part.len() >= SHORT);
            middle = parts.fold(middle, |middle, part| middle.replace(part, written));
        }
        format!("{}{gap}{middle}{tail}", self.written_until(first))
    }

    /// As written, for the value up to a byte: a reference that reaches beyond it whole.
    fn written_until(&self, end: usize) -> &str {
        let within = |r: &&Reference| r.value.start < end;
        match self.references.iter().rev().find(within) {
            Some(last) => {
                let more = end.saturating_sub(last.value.end);
                let from_there = &self.written[last.written.end..];
                // `$${` is written for `${`.
                &self.written[..last.written.end + literal(from_there, more)]
            }
            None => &self.written[..literal(&self.written, end)],
        }
    }

    /// As written, for the value from a byte: without a reference that begins before it.
    fn written_from(&self, start: usize) -> &str {
        let before = |r: &&Reference| r.value.start < start;
        match self.references.iter().rev().find(before) {
            Some(last) => {
                let less = start.saturating_sub(last.value.end);
                let from_there = &self.written[last.written.end..];
                &from_there[literal(from_there, less)..]
            }
            None => &self.written[literal(&self.written, start)..],
        }
    }

    /// The text with a plain one before it.
    pub(crate) fn behind(&self, prefix: &str) -> Text {
        let shift = |range: &Range<usize>| range.start + prefix.len()..range.end + prefix.len();
        let references = self.references.iter().map(|r| Reference {
            written: shift(&r.written),
            value: shift(&r.value),
            secret: r.secret,
        });
        Text {
            written: format!("{prefix}{}", self.written),
            value: format!("{prefix}{}", self.value),
            references: references.collect(),
        }
    }

    /// The parts before and behind the first `separator` of the value. Where the environment gave it, the second part is
    /// shown as the whole is.
    pub(crate) fn split_once(&self, separator: char) -> Option<(&str, Text)> {
        let (before, behind) = self.value.split_once(separator)?;
        let from = before.len() + separator.len_utf8();
        let given = self.references.iter().any(|r| r.value.start < from);
        let cut = if given { 0 } else { literal(&self.written, from) };
        let shift = |range: &Range<usize>, by: usize| range.start.saturating_sub(by)..range.end.saturating_sub(by);
        let references = self.references.iter().map(|r| Reference {
            written: shift(&r.written, cut),
            value: shift(&r.value, from),
            secret: r.secret,
        });
        let references = references.collect();
        Some((before, Text { written: self.written[cut..].into(), value: behind.into(), references }))
    }
}

/// The bytes of `written` that give `length` bytes of the value, if no reference is among them.
fn literal(written: &str, length: usize) -> usize {
    let (mut bytes, mut given) = (0, 0);
    while given < length && bytes < written.len() {
        if written[bytes..].starts_with("$${") {
            bytes += 3;
            given += 2;
        } else {
            let letter = written[bytes..].chars().next().map_or(1, char::len_utf8);
            bytes += letter;
            given += letter;
        }
    }
    bytes.min(written.len())
}

/// `text` with `by` in place of `value`; a short value only where it is a word of its own.
pub(crate) fn replaced(text: &str, value: &str, by: &str) -> String {
    if value.len() >= SHORT {
        return text.replace(value, by);
    }
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, found) in text.match_indices(value) {
        let (before, behind) = (&text[..at], &text[at + found.len()..]);
        let alone = !before.ends_with(char::is_alphanumeric) && !behind.starts_with(char::is_alphanumeric);
        if alone && at >= from {
            out.push_str(&text[from..at]);
            out.push_str(by);
            from = at + found.len();
        }
    }
    out + &text[from..]
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.written, f)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text::plain(text)
    }
}

impl From<&Text> for Text {
    fn from(text: &Text) -> Text {
        text.clone()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text::plain(text)
    }
}

/// SQL as the user wrote it, with its place in the pipeline file for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    pub sql: Text,
    pub span: Range<usize>,
}

/// A value and its place in the pipeline file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    pub span: Range<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts of the file, and references with what they became.
    fn text(parts: &[(&str, Option<&str>)]) -> Text {
        let written: String = parts.iter().map(|(written, _)| *written).collect();
        let mut text = Text::unfilled(&written);
        let mut at = 0;
        for (written, value) in parts {
            match value {
                None => text.push(&written.replace("$${", "${")),
                Some(value) => text.fill(at..at + written.len(), value, true),
            }
            at += written.len();
        }
        text
    }

    #[test]
    fn a_text_is_shown_as_it_was_written() {
        let text = text(&[("in/", None), ("${A}", Some("s3cr3t")), ("/x", None)]);
        assert_eq!((text.value(), text.to_string().as_str()), ("in/s3cr3t/x", "in/${A}/x"));
        assert!(!format!("{text:?}").contains("s3cr3t") && text.is_filled_in());
        assert!(!Text::plain("in/x").is_filled_in());
    }

    #[test]
    fn what_is_said_of_a_value_names_the_reference() {
        let long = text(&[("${A}", Some("s3cr3t")), ("-", None), ("${B}", Some("s3cr3t-more"))]);
        assert_eq!(long.hide("found s3cr3t-more, xs3cr3tx"), "found ${B}, x${A}x");
        let short = text(&[("a = ", None), ("${N}", Some("1"))]);
        assert_eq!(short.hide("line 11: `1` is not 1"), "line 11: `${N}` is not ${N}");
    }

    #[test]
    fn paths_that_a_pattern_led_to_are_unexpanded() {
        let a = Some("/data/s3cr3t");
        let file = text(&[("${A}", a), ("/x.parquet", None)]);
        assert_eq!(file.unexpanded("/data/s3cr3t/x.parquet"), "${A}/x.parquet");
        let folder = text(&[("${A}", a)]);
        assert_eq!(folder.unexpanded("/data/s3cr3t/year=1/x.parquet"), "${A}/year=1/x.parquet");
        let glob =
            text(&[("in/", None), ("${R}", Some("eu")), ("/**/*-", None), ("${Y}", Some("24")), (".parquet", None)]);
        assert_eq!(glob.unexpanded("in/eu/a/b-24.parquet"), "in/${R}/a/b-${Y}.parquet");
        let within = text(&[("${A}", Some("/data/s3cr3t/*")), ("/x.parquet", None)]);
        assert_eq!(within.unexpanded("/data/s3cr3t/a/x.parquet"), "${A}/a/x.parquet");
        let tail = text(&[("in/*", None), ("${A}", Some("s3cr3t?x")), (".parquet", None)]);
        assert_eq!(tail.unexpanded("in/as3cr3tbx.parquet"), "in/a${A}b.parquet");
        let literal = text(&[("$${x}/", None), ("${A}", Some("s3cr3t")), ("/*", None)]);
        assert_eq!(literal.unexpanded("${x}/s3cr3t/y"), "$${x}/${A}/y");
        // Put together otherwise than written.
        assert_eq!(file.unexpanded("/else//data/s3cr3t/x.parquet"), "/else/${A}/x.parquet");
    }

    #[test]
    fn a_part_is_shown_as_far_as_it_can_be() {
        let whole = text(&[("${A}", Some("customers.s3cr3t"))]);
        let (source, column) = whole.split_once('.').unwrap();
        assert_eq!((source, column.value(), column.written()), ("customers", "s3cr3t", "${A}"));
        let behind = text(&[("customers.", None), ("${A}", Some("s3cr3t.x"))]);
        let (source, column) = behind.split_once('.').unwrap();
        assert_eq!((source, column.value(), column.written()), ("customers", "s3cr3t.x", "${A}"));
        assert_eq!(column.hide("no s3cr3t.x"), "no ${A}");
        assert!(Text::plain("x").split_once('.').is_none());
    }
}
