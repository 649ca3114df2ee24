//! Reading a pipeline file.

use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};
use toml::de::DeTable;

use super::diagnostics::Diagnostics;
use super::layout::Layout;
use super::layout::Override;
use super::overrides;
use super::recovery::salvage;
use super::tree::DocumentTable;
use super::{Pipeline, decode, environment};
use crate::error::{Error, Errors, SHOWN};
use crate::regular_file::{self, OpenError};
use crate::stage::Kind;

/// Pipeline files are written by people: what is larger than this is some other file, named by mistake.
const LARGEST: u64 = 4 << 20;

/// A file with mistakes.
#[derive(Debug)]
pub struct Flawed {
    pub errors: Errors,
    /// What is left without them, enough to look at the exports with. Never to be run.
    pub rest: Option<Box<Pipeline>>,
}

impl From<Error> for Flawed {
    fn from(e: Error) -> Flawed {
        Flawed { errors: e.into(), rest: None }
    }
}

/// Reads and validates a pipeline file.
///
/// `overrides` come from the command line; `env` looks up environment variables; `kinds` is the registry of stages. Every
/// problem is reported, with its place in the file where it has one.
pub fn load(
    path: &Path,
    overrides: &[Override],
    env: &dyn Fn(&str) -> Option<String>,
    kinds: &'static [Kind],
) -> Result<Pipeline, Errors> {
    examine(path, overrides, env, kinds).map_err(|flawed| flawed.errors)
}

/// Like [`load`], and of a file with mistakes also says what it would mean without them.
pub fn examine(
    path: &Path,
    overrides: &[Override],
    env: &dyn Fn(&str) -> Option<String>,
    kinds: &'static [Kind],
) -> Result<Pipeline, Flawed> {
    let bytes = bytes(path)?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let line = e.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1;
        let what = format!("{} is not UTF-8 text: line {line} holds a byte that is not", path.display());
        Error::pipeline(what).help("save the file as UTF-8").at(path, None)
    })?;
    read(path, &text, overrides, env, kinds)
}

/// The text of a pipeline file, to quote it in messages; `None` if it cannot be read any more.
pub fn read_text(path: &Path) -> Option<String> {
    String::from_utf8(bytes(path).ok()?).ok()
}

/// The bytes of a pipeline file: of a regular file, and of no more than fits one.
fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |e: std::io::Error| {
        let what = format!("the pipeline file {} cannot be read: {}", path.display(), reason(&e));
        Error::pipeline(what).help("name a pipeline file, for example pipelines/grocery.toml").because(e)
    };
    let no_pipeline = |is: String| {
        let what = format!("{} {is}, so it is not a pipeline file", path.display());
        Error::pipeline(what).help("name the TOML file that describes the pipeline")
    };
    // A pipe that nobody writes to and a device without an end would be read for ever.
    let file = regular_file::open(path).map_err(|refused| match refused {
        OpenError::Io(e) => unreadable(e),
        OpenError::NotRegular if path.is_dir() => unreadable(std::io::ErrorKind::IsADirectory.into()),
        OpenError::NotRegular => no_pipeline("is a pipe, a socket or a device".into()),
    })?;
    let mut bytes = vec![];
    // It may grow while it is read.
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(no_pipeline(format!("is larger than {} MiB", LARGEST >> 20)));
    }
    Ok(bytes)
}

fn reason(e: &std::io::Error) -> String {
    match e.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::PermissionDenied => "permission is denied".into(),
        std::io::ErrorKind::IsADirectory => "it is a folder".into(),
        _ => e.to_string(),
    }
}

/// Like [`load`] for a text already read; `path` names it in messages and gives the folder of relative paths.
pub fn parse(
    path: &Path,
    text: &str,
    overrides: &[Override],
    env: &dyn Fn(&str) -> Option<String>,
    kinds: &'static [Kind],
) -> Result<Pipeline, Errors> {
    read(path, text, overrides, env, kinds).map_err(|flawed| flawed.errors)
}

fn read(
    path: &Path,
    text: &str,
    overrides: &[Override],
    env: &dyn Fn(&str) -> Option<String>,
    kinds: &'static [Kind],
) -> Result<Pipeline, Flawed> {
    let layout = Layout { file: path, text_len: text.len(), overrides };
    let (document, errors) = DeTable::parse_recoverable(text);
    let diagnostics = Diagnostics::of_syntax(&errors);
    let mut root = DocumentTable::read(document.get_ref(), &|span| span, &|span| diagnostics.unreadable(span));
    overrides::apply(&mut root, &layout, &diagnostics);
    environment::expand(&mut root, text, env, &diagnostics);
    let sha256 = Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    let file = decode::File { path, sha256, kinds };
    let pipeline = decode::pipeline(&file, root.clone(), &diagnostics);
    let (faults, readable) = (diagnostics.spans(), !diagnostics.of_the_syntax());
    match (diagnostics.into_errors(&layout), pipeline) {
        (errors, _) if !errors.is_empty() => {
            // A file with more mistakes is some other file; and each is compared with each entry.
            let rest = (readable && faults.len() <= SHOWN).then(|| salvage(&file, &root, &faults)).flatten();
            let rest = rest.map(Box::new);
            Err(Flawed { errors: errors.into(), rest })
        }
        (_, Ok(pipeline)) => Ok(pipeline),
        // A proof of a report without a report: impossible, unless the report was lost to a syntax error's.
        (_, Err(_)) => Err(Error::internal("a problem of the pipeline file went unreported").at(path, None).into()),
    }
}
