//! Writing results to standard output, whose reader may go at any time.

use std::io::{self, Write};

use serde::Serialize;

use super::secrets;
use crate::error::{Error, Errors, ExitStatus};
use crate::terminal::{escaped_json, escaped_lines};

/// Who reads the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// Why a command stopped before its end.
pub(super) enum Halt {
    /// The reader has seen enough (`| head`): not an error.
    Closed,
    Failed(Error),
}

impl From<io::Error> for Halt {
    fn from(e: io::Error) -> Halt {
        match e.kind() {
            io::ErrorKind::BrokenPipe => Halt::Closed,
            _ => Halt::Failed(
                Error::output("cannot write the result to standard output")
                    .help("check where it goes: the disk may be full")
                    .because(e),
            ),
        }
    }
}

impl From<Error> for Halt {
    fn from(e: Error) -> Halt {
        Halt::Failed(e)
    }
}

/// What a command that prints and then is done returns.
pub(super) fn exit(outcome: Result<(), Halt>) -> Result<ExitStatus, Errors> {
    match outcome {
        Ok(()) | Err(Halt::Closed) => Ok(ExitStatus::Done),
        Err(Halt::Failed(e)) => Err(e.into()),
    }
}

/// Prints a whole result, with nothing in it that a terminal would obey or that the environment gave.
pub(super) fn text(out: &mut dyn Write, text: impl AsRef<str>) -> Result<ExitStatus, Errors> {
    text_with_place(out, text, "")
}

/// The same, and behind it the place of a published run, which stands as it is on disk.
pub(super) fn text_with_place(out: &mut dyn Write, text: impl AsRef<str>, place: &str) -> Result<ExitStatus, Errors> {
    write(out, &escaped_lines(&(secrets::hide(text.as_ref()) + place)))
}

fn write(out: &mut dyn Write, text: &str) -> Result<ExitStatus, Errors> {
    exit(out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Into::into))
}

/// Prints a whole result as JSON, indented.
pub(super) fn json(out: &mut dyn Write, value: &impl Serialize) -> Result<ExitStatus, Errors> {
    let defect = |e| Error::internal("a result cannot be written as JSON").because(e);
    let mut json = serde_json::to_value(value).map_err(defect)?;
    secrets::hide_json(&mut json);
    let document = serde_json::to_string_pretty(&json).map_err(defect)?;
    write(out, &(escaped_json(&document) + "\n"))
}
