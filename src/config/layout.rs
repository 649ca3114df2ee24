//! Places: in the file, and behind its end in what the command line sets.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// A byte range of the pipeline file's text or, behind its end, of the overrides (see [`Layout`]).
pub(super) type Span = Range<usize>;

/// A setting of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// `key.path=value`
    pub(super) assignment: String,
    /// The option as the user typed it. Messages point at it.
    pub(super) typed: String,
}

impl Override {
    /// `--set key.path=value`
    pub fn set(assignment: &str) -> Override {
        Override { assignment: assignment.into(), typed: format!("--set {assignment}") }
    }

    /// An option that stands for a key, its value read as a string: `--as-of 2011-12-10`.
    pub fn option(option: &str, key: &str, value: &str) -> Override {
        // JSON's escapes are TOML's.
        let assignment = format!("{key}={}", serde_json::Value::from(value));
        Override { assignment, typed: format!("{option} {value}") }
    }
}

/// Where spans lie: the file's text first, behind it each override as if it were a line of its own. Thus a value that
/// came by the command line has a place like any other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout<'a> {
    pub file: &'a Path,
    pub text_len: usize,
    pub overrides: &'a [Override],
}

impl Layout<'_> {
    /// The span of the `i`-th override.
    pub(super) fn span_of_override(&self, i: usize) -> Span {
        let start = self.text_len + 1 + self.overrides[..i].iter().map(|o| o.assignment.len() + 1).sum::<usize>();
        start..start + self.overrides[i].assignment.len()
    }

    /// The file and the range in it; an override stands for a file of its own, named as the user typed it.
    pub(super) fn place(&self, span: Option<Span>) -> (PathBuf, Option<Span>) {
        let option = span.as_ref().filter(|s| s.start > self.text_len).and_then(|s| {
            self.overrides.iter().enumerate().find(|(i, _)| self.span_of_override(*i).end >= s.start).map(|(_, o)| o)
        });
        match option {
            Some(o) => (PathBuf::from(&o.typed), None),
            None => (self.file.to_owned(), span),
        }
    }
}
