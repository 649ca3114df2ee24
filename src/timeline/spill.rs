//! The temporary file for rows that do not fit the memory limit.
//!
//! There is one a run. It has no name from the moment it is made, so that it is gone when the process is, whatever ends
//! it, and only its owner can read it.
//!
//! Every [`BLOCK`] bytes of a piece have a checksum, which stays in memory. Every byte that is read is verified by it,
//! so that a damaged file is an error and never a wrong figure. That the checksums are not in the file itself also
//! finds writes that the disk lost or put in another place.

use std::fs::File;
#[cfg(target_os = "linux")]
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
#[cfg(target_os = "linux")]
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};

/// Bytes that have a checksum together. The last pass reads a few KiB of each bucket at a time and has to read whole
/// blocks, so smaller ones save reading; the checksums take memory, 1/2048 of what is spilled at this size.
pub(super) const BLOCK: usize = 1 << 14;

/// A piece of the temporary file.
#[derive(Debug)]
pub(super) struct SpilledPiece {
    start: u64,
    length: usize,
    /// XXH3-64 of each block; the last one may be short.
    checksums: Box<[u64]>,
}

impl SpilledPiece {
    /// In bytes.
    pub(super) fn len(&self) -> usize {
        self.length
    }
}

/// Appends pieces to the temporary file and reads them back, from any thread.
pub(super) struct Spill {
    folder: PathBuf,
    open: Mutex<SpillFile>,
}

/// What helps where a disk does not give back what was written to it.
const ANOTHER_DISK: &str = "run again with `temp_dir` of [output] (or TMPDIR) on another disk that has room for what is \
                            spilled, and check this one; or raise --memory-limit, so that nothing is spilled";

#[derive(Default)]
struct SpillFile {
    /// Made when something is first written.
    file: Option<std::sync::Arc<File>>,
    end: u64,
}

impl Spill {
    /// `folder`: where the file is made, once something is written.
    pub(super) fn new(folder: &Path) -> Spill {
        Spill { folder: folder.to_owned(), open: Mutex::default() }
    }

    /// Bytes written so far.
    pub(super) fn written(&self) -> u64 {
        self.open.lock().map_or(0, |open| open.end)
    }

    /// Appends a piece. `share`: how much of the work that writes is done, in (0, 1], if that is known.
    ///
    /// # Errors
    /// Output: the file cannot be made or written. The error of a full disk says how much room is needed.
    pub(super) fn write(&self, piece: &[u8], share: Option<f64>) -> Result<SpilledPiece> {
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
        Ok(SpilledPiece { start, length: piece.len(), checksums: piece.chunks(BLOCK).map(xxh3_64).collect() })
    }

    /// Fills `into` with the bytes of a piece from `at` on, and verifies them. `at` is a multiple of [`BLOCK`], and so
    /// is the end of what is read, unless it is the end of the piece.
    ///
    /// # Errors
    /// Output: the file cannot be read, or does not hold what was written.
    pub(super) fn read(&self, piece: &SpilledPiece, at: usize, into: &mut [u8]) -> Result<()> {
        debug_assert!(at.is_multiple_of(BLOCK));
        debug_assert!(into.len().is_multiple_of(BLOCK) || at + into.len() == piece.length);
        let open = self.open.lock().map_err(|_| Error::internal("a thread failed while it spilled rows"))?;
        let file = open.file.clone().ok_or_else(|| Error::internal("nothing was spilled that could be read"))?;
        drop(open);
        let start = piece.start + at as u64;
        file.read_exact_at(into, start).map_err(|e| {
            Error::output(format!("the temporary file in {} cannot be read", self.folder.display()))
                .help(ANOTHER_DISK)
                .because(e)
        })?;
        let checksums = &piece.checksums[at / BLOCK..];
        match into.chunks(BLOCK).zip(checksums).position(|(block, checksum)| xxh3_64(block) != *checksum) {
            Some(damaged) => Err(self.damaged(start + (damaged * BLOCK) as u64)),
            None => Ok(()),
        }
    }

    fn damaged(&self, at: u64) -> Error {
        Error::output(format!(
            "the temporary file in {} changed on disk: its {} KiB from byte {at} on are not what was written",
            self.folder.display(),
            BLOCK >> 10,
        ))
        .help(ANOTHER_DISK)
    }

    /// Flips a bit of a byte of the file.
    #[cfg(test)]
    pub(super) fn damage(&self, at: u64) {
        let open = self.open.lock().unwrap();
        let file = open.file.as_ref().unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1 << (at % 8)], at).unwrap();
    }

    /// Why writing failed, and what helps. `wanted`: the size of the file with what was to be written.
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
        // Runs are merged and written a second time, which takes at most as much again.
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

/// Makes a file that never has a name.
#[cfg(target_os = "linux")]
fn unnamed(folder: &Path) -> io::Result<File> {
    // O_EXCL: nobody can give it a name later either.
    let flags = libc::O_TMPFILE | libc::O_EXCL;
    let made = OpenOptions::new().read(true).write(true).custom_flags(flags).mode(PRIVATE).open(folder);
    match made {
        // The file system does not support files without names.
        Err(e) if matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL)) => unlinked(folder),
        other => other,
    }
}

#[cfg(not(target_os = "linux"))]
fn unnamed(folder: &Path) -> io::Result<File> {
    unlinked(folder)
}

/// Makes a file and removes its name at once.
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
        let spilled = pieces.map(|p| spill.write(p, None).unwrap());
        for (piece, spilled) in pieces.iter().zip(spilled) {
            let mut read = vec![0; piece.len()];
            spill.read(&spilled, 0, &mut read).unwrap();
            assert_eq!(read, *piece);
        }
        assert_eq!(spill.written(), 8);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// Every byte of a piece of two whole blocks and a short one is damaged in turn.
    #[test]
    fn a_damaged_byte_is_an_error_in_every_read_of_its_block_and_in_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let spill = Spill::new(folder.path());
        spill.write(b"another piece", None).unwrap();
        let bytes: Vec<u8> = (0..2 * BLOCK + 99).map(|i| ((i * i) >> 3) as u8).collect();
        let piece = spill.write(&bytes, None).unwrap();
        let read = |from: usize, to: usize| {
            let mut read = vec![0; to - from];
            spill.read(&piece, from, &mut read).map(|()| read)
        };
        let edges = [0, BLOCK, 2 * BLOCK, bytes.len()];
        let ranges: Vec<_> = edges.iter().flat_map(|from| edges.map(|to| (*from, to))).filter(|r| r.0 < r.1).collect();
        for at in 0..bytes.len() {
            spill.damage(piece.start + at as u64);
            let error = read(at / BLOCK * BLOCK, bytes.len().min((at / BLOCK + 1) * BLOCK)).unwrap_err();
            assert_eq!(error.kind.exit(), crate::error::ExitStatus::Data);
            assert!(error.what.contains("changed on disk"), "{}", error.what);
            assert!(error.help.unwrap().contains("`temp_dir` of [output]"));
            // All ranges at each byte would take minutes.
            for (from, to) in ranges.iter().filter(|_| at % 509 == 0) {
                let read = read(*from, *to);
                assert_eq!(read.is_err(), (*from..*to).contains(&at), "byte {at} of {from}..{to}");
                assert!(read.is_err() || read.unwrap() == bytes[*from..*to]);
            }
            spill.damage(piece.start + at as u64);
        }
        assert_eq!(read(0, bytes.len()).unwrap(), bytes);
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
