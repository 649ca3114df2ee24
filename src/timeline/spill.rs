//! Temporary files: one, without a name from the moment it is made, so that it is gone when the process is, whatever
//! ends it; readable by its owner alone.

use std::fs::File;
#[cfg(target_os = "linux")]
use std::fs::OpenOptions;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
#[cfg(target_os = "linux")]
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::error::{Error, Result};

/// Appends pieces and reads them back, from any thread.
pub struct Spill {
    folder: PathBuf,
    open: Mutex<SpillFile>,
}

#[derive(Default)]
struct SpillFile {
    /// Made when something is first written.
    file: Option<std::sync::Arc<File>>,
    end: u64,
}

impl Spill {
    /// `folder`: where the file will lie.
    pub fn new(folder: &Path) -> Spill {
        Spill { folder: folder.to_owned(), open: Mutex::default() }
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.open.lock().map_or(0, |open| open.end)
    }

    /// Appends a piece and says where it lies. `share`: how much of the work that writes is done, in (0, 1], if that is
    /// known.
    ///
    /// # Errors
    /// Output: the file cannot be made or written; a full disk is answered with what is needed.
    pub fn write(&self, piece: &[u8], share: Option<f64>) -> Result<Range<u64>> {
        let (file, start) = {
            let mut open = self.open.lock().map_err(|_| Error::internal("a thread failed while it spilled rows"))?;
            let file = match &open.file {
                Some(file) => file.clone(),
                None => {
                    let made = unnamed(&self.folder).map_err(|e| self.unwritable(&e, 0, None))?;
                    open.file.insert(made.into()).clone()
                }
            };
            let start = open.end;
            open.end += piece.len() as u64;
            (file, start)
        };
        file.write_all_at(piece, start).map_err(|e| self.unwritable(&e, start + piece.len() as u64, share))?;
        Ok(start..start + piece.len() as u64)
    }

    /// Fills `into` with what lies at `start`.
    ///
    /// # Errors
    /// Output: the file cannot be read.
    pub fn read(&self, start: u64, into: &mut [u8]) -> Result<()> {
        let open = self.open.lock().map_err(|_| Error::internal("a thread failed while it spilled rows"))?;
        let file = open.file.clone().ok_or_else(|| Error::internal("nothing was spilled that could be read"))?;
        drop(open);
        file.read_exact_at(into, start).map_err(|e| {
            Error::output(format!("a temporary file in {} cannot be read", self.folder.display())).because(e)
        })
    }

    fn unwritable(&self, cause: &io::Error, wanted: u64, share: Option<f64>) -> Error {
        let folder = self.folder.display();
        let cause = io::Error::new(cause.kind(), cause.to_string());
        if cause.kind() == io::ErrorKind::FileTooLarge {
            return Error::output(format!(
                "the temporary file in {folder} would grow to {}, beyond the largest file that the process or the file \
                 system may have",
                mebibytes(wanted)
            ))
            .help("raise the limit (`ulimit -f`) or --memory-limit, or name another folder by `output.temp_dir`")
            .because(cause);
        }
        if !matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Error::output(format!("temporary files cannot be written to {folder}"))
                .help("name a folder for them by `output.temp_dir`, or by the environment's TMPDIR")
                .because(cause);
        }
        // What is merged is written a second time, at most as large.
        let all = share.map_or(2 * wanted, |share| (2.0 * wanted as f64 / share.clamp(0.01, 1.0)) as u64);
        Error::output(format!(
            "the disk of {folder} is full: temporary files have come to {}, and about {} are needed in all",
            mebibytes(wanted),
            mebibytes(all)
        ))
        .help("name a folder on a larger disk by `output.temp_dir` or TMPDIR, or raise --memory-limit")
        .because(cause)
    }
}

/// A new file that never has a name.
#[cfg(target_os = "linux")]
fn unnamed(folder: &Path) -> io::Result<File> {
    // O_EXCL: nobody can give it a name later either.
    let flags = libc::O_TMPFILE | libc::O_EXCL;
    let made = OpenOptions::new().read(true).write(true).custom_flags(flags).mode(PRIVATE).open(folder);
    match made {
        // A file system that knows only files with names.
        Err(e) if matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL)) => unlinked(folder),
        other => other,
    }
}

#[cfg(not(target_os = "linux"))]
fn unnamed(folder: &Path) -> io::Result<File> {
    unlinked(folder)
}

/// A new file whose name is taken away at once.
fn unlinked(folder: &Path) -> io::Result<File> {
    let (file, path) = tempfile::Builder::new().prefix("tenure-").tempfile_in(folder)?.into_parts();
    path.close()?;
    Ok(file)
}

/// Readable by its owner alone.
#[cfg(target_os = "linux")]
const PRIVATE: u32 = 0o600;

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_back_and_the_folder_stays_empty() {
        let folder = tempfile::tempdir().unwrap();
        let spill = Spill::new(folder.path());
        let pieces = [b"one".as_slice(), b"", b"three"];
        let places = pieces.map(|p| spill.write(p, None).unwrap());
        for (piece, place) in pieces.iter().zip(places) {
            let mut read = vec![0; piece.len()];
            spill.read(place.start, &mut read).unwrap();
            assert_eq!(read, *piece);
        }
        assert_eq!(spill.written(), 8);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_file_is_private_and_has_no_name() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        for file in [unnamed(folder.path()).unwrap(), unlinked(folder.path()).unwrap()] {
            let found = file.metadata().unwrap();
            assert_eq!((found.mode() & 0o777, found.nlink()), (0o600, 0));
            file.write_all_at(b"x", 0).unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_may_not_grow_is_a_sentence() {
        let limited = io::Error::from(io::ErrorKind::FileTooLarge);
        let error = Spill::new(Path::new("/t")).unwritable(&limited, 300 << 20, Some(0.5));
        assert!(error.what.contains("/t would grow to 300 MiB") && error.help.unwrap().contains("ulimit -f"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Spill::new(Path::new("/nowhere/at/all")).write(b"x", None).unwrap_err();
        assert!(error.what.contains("/nowhere/at/all"), "{}", error.what);
    }

    #[test]
    fn a_full_disk_says_what_is_needed() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = Spill::new(Path::new("/t")).unwritable(&full, 300 << 20, Some(0.5));
        assert!(error.what.contains("have come to 300 MiB, and about 1200 MiB"), "{}", error.what);
    }
}
