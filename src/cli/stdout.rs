//! Writing results to standard output, whose reader may go at any time.

use std::io;

use crate::error::{Error, Errors, Exit};

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
pub(super) fn exit(outcome: Result<(), Halt>) -> Result<Exit, Errors> {
    match outcome {
        Ok(()) | Err(Halt::Closed) => Ok(Exit::Done),
        Err(Halt::Failed(e)) => Err(e.into()),
    }
}
