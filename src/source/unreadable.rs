//! The error about a path that cannot be read.

use crate::error::Error;

/// Says why a path cannot be read, and what to do about it. `shown`: the path as messages show it.
pub(super) fn unreadable(shown: &str, e: &std::io::Error) -> Error {
    match e.kind() {
        std::io::ErrorKind::NotFound => Error::input(format!("there is no file {shown}"))
            .help("paths are relative to the pipeline file; check the path, or whether the export has arrived"),
        std::io::ErrorKind::PermissionDenied => Error::input(format!("{shown} may not be read"))
            .help("give the account that runs tenure permission to read it"),
        _ => Error::input(format!("{shown} cannot be read: {e}")).help("is the disk or network share in order?"),
    }
}
