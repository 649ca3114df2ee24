//! Errors of the file system as sentences with a remedy.

use std::fmt::Display;
use std::io;

use parquet::errors::ParquetError;

use crate::error::Error;

/// An error `cannot {doing}: …` for the person who runs the machine. `doing` names the path: `write out/retail/latest`.
pub fn output(doing: impl Display, cause: io::Error) -> Error {
    let (why, help) = match cause.kind() {
        io::ErrorKind::StorageFull => (
            "the disk is full",
            "free space there (`tenure gc` removes old runs) or choose another folder with `--out`",
        ),
        io::ErrorKind::QuotaExceeded => {
            ("the disk quota is used up", "free space, raise the quota, or choose another folder with `--out`")
        }
        io::ErrorKind::FileTooLarge => (
            "it would grow beyond the largest file that the process or the file system may have",
            "raise the limit (`ulimit -f`), or choose a folder on another file system with `--out`",
        ),
        io::ErrorKind::PermissionDenied => {
            ("permission denied", "give this user write permission there, or choose another folder with `--out`")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            ("the file system is read-only", "mount it writable, or choose another folder with `--out`")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            ("a file stands where a folder is needed", "move it away, or choose another folder with `--out`")
        }
        io::ErrorKind::NotFound => (
            "it is not there",
            "choose a folder that can be made with `--out`; do not remove it while a run writes into it",
        ),
        _ => ("the operating system refused", "mend what it says, or choose another folder with `--out`"),
    };
    Error::output(format!("cannot {doing}: {why}")).help(help).because(cause)
}

/// The same for an error of the Parquet writer, which wraps those of the file below it.
pub(super) fn parquet(doing: impl Display, cause: ParquetError) -> Error {
    match cause {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(io) => output(doing, *io),
            Err(other) => Error::internal(format!("cannot {doing}")).because(other),
        },
        other => Error::internal(format!("cannot {doing}")).because(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_full_disk_is_called_so_through_the_parquet_writer() {
        let full = ParquetError::from(io::Error::from(io::ErrorKind::StorageFull));
        let e = parquet("write x.parquet", full);
        assert_eq!((e.kind, e.what.as_str()), (ErrorKind::Output, "cannot write x.parquet: the disk is full"));
        assert!(e.help.unwrap().contains("free space"));
        let odd = parquet("write x.parquet", ParquetError::General("odd".into()));
        assert_eq!(odd.kind, ErrorKind::Internal);
    }
}
