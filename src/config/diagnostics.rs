//! Collecting every problem of a pipeline file instead of stopping at the first.
//!
//! Whoever reports a problem gets a [`ErrorGuaranteed`], the proof that the user will hear of it; a function that cannot give
//! its value returns that proof instead, and what depends on the value stays silent. So one mistake is one message.

use std::cell::RefCell;

use super::layout::{Layout, Span};
use crate::error::Error;

/// Proof that a problem was reported; made by [`Diagnostics::add`] alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct ErrorGuaranteed(());

/// A value, or the proof that the reason for its absence was reported.
pub(super) type Parsed<T> = Result<T, ErrorGuaranteed>;

#[derive(Debug)]
pub(super) struct Diagnostic {
    span: Option<Span>,
    what: String,
    help: Option<String>,
    /// Follows from several places together, or from something absent: not to be trusted where syntax errors hide a
    /// part of the file.
    remote: bool,
}

impl Diagnostic {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Diagnostic { span: None, what: what.into(), help: None, remote: false }
    }
    pub(super) fn at(mut self, span: impl Into<Option<Span>>) -> Self {
        self.span = span.into();
        self
    }
    /// What to do about it; an empty string is no help.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into()).filter(|h| !h.is_empty());
        self
    }
    pub(super) fn remote(mut self) -> Self {
        self.remote = true;
        self
    }
}

#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    list: RefCell<Vec<Diagnostic>>,
    /// The places of syntax errors.
    syntax: Vec<Span>,
    /// What stands from here on may be misread.
    misread_from: Option<usize>,
}

/// Syntax errors that leave the rest of the file readable, by how the parser words them. Behind any other, such as a
/// quote that is not closed, nothing is certain.
const CONTAINED: [&str; 2] = ["duplicate key", "string values must be quoted"];

impl Diagnostics {
    /// What the TOML parser found, with its places.
    pub(super) fn of_syntax(errors: &[toml::de::Error]) -> Self {
        let problem =
            |e: &toml::de::Error| Diagnostic::new(format!("this is not valid TOML: {}", e.message())).at(e.span());
        let place = |e: &toml::de::Error| e.span().unwrap_or(0..0);
        let contained = |e: &&toml::de::Error| CONTAINED.iter().any(|c| e.message().starts_with(c));
        Diagnostics {
            list: RefCell::new(errors.iter().map(problem).collect()),
            syntax: errors.iter().map(place).collect(),
            misread_from: errors.iter().filter(|e| !contained(e)).map(|e| place(e).start).min(),
        }
    }

    /// The proof of a report if the value at a place is one that the parser could not make out; it leaves a value
    /// without a place where it found none.
    pub(super) fn unreadable(&self, span: &Span) -> Option<ErrorGuaranteed> {
        let touches = |s: &Span| s.start <= span.end && span.start <= s.end && s.end > 0;
        (self.syntax.iter().any(touches) || *span == (0..0) && !self.syntax.is_empty()).then_some(ErrorGuaranteed(()))
    }

    pub(super) fn add(&self, problem: Diagnostic) -> ErrorGuaranteed {
        let hidden = |from: usize| problem.span.as_ref().is_none_or(|s| s.start >= from);
        let doubtful = problem.remote && !self.syntax.is_empty() || self.misread_from.is_some_and(hidden);
        if !doubtful {
            self.list.borrow_mut().push(problem);
        }
        ErrorGuaranteed(())
    }

    /// True if the file is not valid TOML.
    pub(super) fn of_the_syntax(&self) -> bool {
        !self.syntax.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// Where the problems are that have a place.
    pub(super) fn spans(&self) -> Vec<Span> {
        self.list.borrow().iter().filter_map(|p| p.span.clone()).collect()
    }

    /// The problems in the order of the file, then those of the command line, then those without a place.
    pub(super) fn into_errors(self, layout: &Layout<'_>) -> Vec<Error> {
        let mut list = self.list.into_inner();
        list.sort_by_key(|p| p.span.as_ref().map_or(usize::MAX, |s| s.start));
        let place = |p: Diagnostic| {
            let (file, span) = layout.place(p.span);
            let error = Error::pipeline(p.what).at(file, span);
            match p.help {
                Some(help) => error.help(help),
                None => error,
            }
        };
        list.into_iter().map(place).collect()
    }
}
