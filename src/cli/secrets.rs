//! Keeps values that the pipeline file takes from the environment out of everything that the process prints.

use std::borrow::Cow;
use std::path::Path;
use std::sync::RwLock;

use crate::check::Check;
use crate::config::{Pipeline, Redactor};
use crate::error::{Error, Errors};

/// One for the process, with the values of every pipeline file that it has read.
static REDACTOR: RwLock<Option<Redactor>> = RwLock::new(None);

/// Hides the values that this pipeline file took from the environment, from now on.
pub(super) fn keep(pipeline: &Pipeline) {
    let mut redactor = pipeline.redactor();
    let given: Vec<(String, String)> = redactor.given().map(|(v, w)| (v.to_owned(), w.to_owned())).collect();
    for (value, written) in given.iter().filter(|(value, _)| value.contains('/')) {
        // Messages also print paths relative to the current folder, and with links resolved.
        let absolute = Path::new(value).canonicalize().ok();
        let here = std::env::current_dir().ok().and_then(|here| here.canonicalize().ok());
        let variants = [
            absolute.clone(),
            here.as_ref().and_then(|here| absolute.as_ref()?.strip_prefix(here).ok().map(Path::to_owned)),
            here.as_ref().and_then(|here| Path::new(value).strip_prefix(here).ok().map(Path::to_owned)),
        ];
        for variant in variants.into_iter().flatten() {
            redactor.add(&variant.to_string_lossy(), written);
        }
    }
    if let Ok(mut kept) = REDACTOR.write() {
        kept.get_or_insert_default().merge(&redactor);
    }
}

/// The text with `${NAME}` in place of each value of the environment.
pub(super) fn hide(text: &str) -> Cow<'_, str> {
    match REDACTOR.read() {
        Ok(kept) => kept.as_ref().map_or(Cow::Borrowed(text), |redactor| redactor.hide(text)),
        // A thread panicked while it held the lock: print nothing rather than a secret.
        Err(_) => Cow::Borrowed("(not shown)"),
    }
}

/// The same for every string of a JSON value.
pub(super) fn hide_json(json: &mut serde_json::Value) {
    match REDACTOR.read() {
        Ok(kept) => kept.iter().for_each(|redactor| redactor.hide_json(json)),
        Err(_) => *json = "(not shown)".into(),
    }
}

/// The same for errors, their help and their causes.
pub(super) fn hide_errors(errors: Errors) -> Errors {
    let hidden = Vec::from(errors).into_iter().map(|error| Error {
        what: hide(&error.what).into_owned(),
        help: error.help.map(|help| hide(&help).into_owned()),
        source: error.source.map(|cause| chain(&*cause)),
        ..error
    });
    Errors::from(hidden.collect::<Vec<_>>())
}

/// The same for checks, before they go to table `checks` and the manifest.
pub(super) fn hide_checks(checks: &mut [Check]) {
    for check in checks {
        let optional = [check.expected.as_mut(), check.actual.as_mut()].into_iter().flatten();
        for text in [&mut check.subject, &mut check.detail].into_iter().chain(optional) {
            *text = hide(text).into_owned();
        }
    }
}

/// A cause as text, and its own cause.
#[derive(Debug)]
struct PrintedCause {
    said: String,
    source: Option<Box<PrintedCause>>,
}

impl std::fmt::Display for PrintedCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.said)
    }
}

impl std::error::Error for PrintedCause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|cause| cause as _)
    }
}

fn chain(cause: &(dyn std::error::Error + 'static)) -> Box<dyn std::error::Error + Send + Sync> {
    fn cause_of(e: &(dyn std::error::Error + 'static)) -> PrintedCause {
        PrintedCause { said: hide(&e.to_string()).into_owned(), source: e.source().map(|e| Box::new(cause_of(e))) }
    }
    Box::new(cause_of(cause))
}
