//! Temporary files: one, without a name from the moment it is made, so that it is gone when the process is, whatever
//! ends it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::error::{Error, Result};

/// Appends pieces and reads them back, from any thread.
pub struct Spill {
    folder: PathBuf,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
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
                    let made = tempfile::tempfile_in(&self.folder).map_err(|e| self.unwritable(&e, 0, None))?;
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
