//! Writes results to standard output, whose reader may close it at any time.

use std::io::{self, Write};

use serde::Serialize;

use super::secrets;
use crate::error::{Error, Errors, ExitStatus};
use crate::terminal::{escaped_json, escaped_lines};

/// How a command prints its result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum OutputFormat {
    /// Text for people
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// Why a command stopped before its end.
pub(super) enum Halt {
    /// The reader closed the pipe (`| head`): not an error.
    Closed,
    Failed(Error),
}

impl From<io::Error> for Halt {
    fn from(e: io::Error) -> Halt {
        match e.kind() {
            io::ErrorKind::BrokenPipe => Halt::Closed,
            _ => Halt::Failed(
                Error::output("cannot write the result to standard output")
                    .help("the disk or pipe that it goes to may be full or closed")
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

/// The exit status of a command that only prints.
pub(super) fn exit(outcome: Result<(), Halt>) -> Result<ExitStatus, Errors> {
    match outcome {
        Ok(()) | Err(Halt::Closed) => Ok(ExitStatus::Done),
        Err(Halt::Failed(e)) => Err(e.into()),
    }
}

/// Prints text with control characters escaped and values of the environment hidden.
pub(super) fn text(out: &mut dyn Write, text: impl AsRef<str>) -> Result<ExitStatus, Errors> {
    text_with_place(out, text, "")
}

/// The same, followed by the folder of the published run, which is printed as it is on disk.
pub(super) fn text_with_place(out: &mut dyn Write, text: impl AsRef<str>, place: &str) -> Result<ExitStatus, Errors> {
    write(out, &escaped_lines(&(secrets::hide(text.as_ref()) + place)))
}

fn write(out: &mut dyn Write, text: &str) -> Result<ExitStatus, Errors> {
    exit(out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Into::into))
}

/// Prints a value as indented JSON, with values of the environment hidden.
pub(super) fn json(out: &mut dyn Write, value: &impl Serialize) -> Result<ExitStatus, Errors> {
    let defect = |e| Error::internal("a result cannot be written as JSON").because(e);
    let mut json = serde_json::to_value(value).map_err(defect)?;
    secrets::hide_json(&mut json);
    let document = serde_json::to_string_pretty(&json).map_err(defect)?;
    write(out, &(escaped_json(&document) + "\n"))
}
