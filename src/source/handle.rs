//! Input files: opened without waiting, and watched for changes.
//!
//! A [`FileState`] is taken when the footer of a file is read. Every handle on the file has to show the same state when it
//! is opened and again after it was read ([`InputHandle::unchanged`]), and after the last read so does the path
//! ([`InputHandle::reopen`]). The system changes a file's times before it changes contents, so bytes that were read before
//! an equal state was seen belong to the file that the footer describes. Two precautions make that exact:
//!
//! - Times have a granularity. A second write within one tick shows no new time, so a state counts only once it is older
//!   than a tick ([`FileState::unsettled`]). Git calls younger entries "racily clean".
//! - A call that writes sets the times once, when it begins. [`finish_writes`] waits for the call that is under way.
//!
//! Not noticed: writes through a memory mapping whose page was dirty before the state was taken, or whose file lies in a
//! tmpfs; and on network file systems, changes that the server does not report when a file is opened.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::unreadable::unreadable;
use crate::error::{Error, Result};
use crate::regular_file::{self, OpenError};

/// Longer than a tick of the clock that file times are taken from: 1 to 10 ms, by how the kernel was built.
const TICK: Duration = Duration::from_millis(25);
/// The tick of file systems that keep whole seconds; FAT keeps even ones.
const COARSE_TICK: Duration = Duration::from_secs(2);

/// What the system reports about a file. Equal states mean the same file with the same contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileState {
    device: u64,
    inode: u64,
    pub bytes: u64,
    /// Seconds since the epoch and nanoseconds, as all times here.
    modified: (i64, i64),
    /// When contents, owner, permissions or the number of names last changed. No program can set it.
    changed: (i64, i64),
}

impl FileState {
    fn of(about: &Metadata) -> FileState {
        FileState {
            device: about.dev(),
            inode: about.ino(),
            bytes: about.len(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        }
    }

    /// Modification time, seconds since the epoch.
    pub(crate) fn modified(&self) -> i64 {
        self.modified.0
    }

    /// How long to wait until any later write is certain to show another time; `None` if no wait is needed. If the state is
    /// the same after the wait, it counts.
    pub(crate) fn unsettled(&self, now: SystemTime) -> Option<Duration> {
        let tick = if self.changed.1 == 0 && self.modified.1 == 0 { COARSE_TICK } else { TICK };
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let changed = match (u64::try_from(self.changed.0), u32::try_from(self.changed.1)) {
            (Ok(seconds), Ok(nanos)) => Duration::new(seconds, nanos),
            // Before 1970.
            _ => return None,
        };
        match now.checked_sub(changed) {
            Some(age) => tick.checked_sub(age).filter(|rest| !rest.is_zero()),
            // A time in the future comes from the clock of another machine, which goes on while we wait.
            None => Some(tick),
        }
    }

    /// What changed between this state and a later one, to end a sentence with.
    fn change_to(&self, now: &FileState) -> String {
        if (self.device, self.inode) != (now.device, now.inode) {
            "another file has its name now".into()
        } else if self.bytes != now.bytes {
            format!("it had {} bytes and has {} now", self.bytes, now.bytes)
        } else if self.modified != now.modified {
            "its contents were written again".into()
        } else {
            "its contents, permissions or names were changed".into()
        }
    }
}

/// An input file that is open.
#[derive(Clone, Debug)]
pub(crate) struct InputHandle {
    file: Arc<File>,
    /// The state when it was opened.
    pub state: FileState,
}

impl InputHandle {
    /// Opens a file for the first time. Opening a pipe or a device does not block.
    ///
    /// # Errors
    /// Input: it does not exist, may not be read or is not a regular file.
    pub(crate) fn open(path: &Path, shown: &str) -> Result<InputHandle> {
        Self::try_open(path).map_err(|refused| match refused {
            OpenError::NotRegular => Error::input(format!("{shown} is not a regular file"))
                .help("pipes, sockets, devices and folders cannot be read: name a Parquet file"),
            OpenError::Io(e) => unreadable(shown, &e),
        })
    }

    /// Opens a file again, which must still be in the state `before`: the one in which its footer was read.
    ///
    /// # Errors
    /// Input: it is in another state, or cannot be read.
    pub(crate) fn reopen(path: &Path, shown: &str, before: &FileState) -> Result<InputHandle> {
        let handle = Self::try_open(path).map_err(|refused| match refused {
            OpenError::NotRegular => replaced(shown, "it is not a regular file any more"),
            OpenError::Io(e) if e.kind() == io::ErrorKind::NotFound => replaced(shown, "it is no longer there"),
            OpenError::Io(e) => unreadable(shown, &e),
        })?;
        if handle.state != *before {
            return Err(replaced(shown, &before.change_to(&handle.state)));
        }
        Ok(handle)
    }

    fn try_open(path: &Path) -> std::result::Result<InputHandle, OpenError> {
        let file = regular_file::open(path)?;
        finish_writes(&file, file.metadata()?.len());
        let state = FileState::of(&file.metadata()?);
        Ok(InputHandle { file: Arc::new(file), state })
    }

    /// Makes sure that the file is still in the state in which it was opened. Everything read until now belongs to that
    /// state.
    ///
    /// # Errors
    /// Input: the file was changed, replaced or deleted.
    pub(crate) fn unchanged(&self, shown: &str) -> Result<()> {
        let about = self.file.metadata().map_err(|e| replaced(shown, &format!("its state cannot be read: {e}")))?;
        let now = FileState::of(&about);
        if now == self.state {
            return Ok(());
        }
        if about.nlink() == 0 {
            return Err(replaced(shown, "it was deleted, or another file has its name now"));
        }
        Err(replaced(shown, &self.state.change_to(&now)))
    }

    /// Threads share the file, so it has to be read at given positions, never from its current one.
    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }
}

/// The error about a file that has changed since its footer was read. `what` says what changed.
pub(super) fn replaced(shown: &str, what: &str) -> Error {
    Error::input(format!("{shown} was replaced while it was read: {what}")).help(
        "run it again; have exports written under another name and renamed when they are complete, before the run",
    )
}

/// Waits until a system call that is writing to the file has ended. Seeking a hole takes the lock that such a call holds
/// (on ext4, Btrfs and tmpfs; on XFS every read takes it). Where the file system cannot seek holes, nothing is done.
fn finish_writes(file: &File, bytes: u64) {
    let _ = rustix::fs::seek(file, rustix::fs::SeekFrom::Hole(bytes.saturating_sub(1)));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    fn handle(path: &Path) -> InputHandle {
        InputHandle::open(path, "a.parquet").unwrap()
    }

    /// Longer than the test's file system takes to show a new time.
    fn tick() {
        std::thread::sleep(TICK);
    }

    #[test]
    fn every_kind_of_change_is_noticed_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.parquet");
        type MakeChange = fn(&Path);
        let changes: [(MakeChange, &str, &str); 7] = [
            (|p| std::fs::write(p, "01234567").unwrap(), "written again", "written again"),
            (|p| std::fs::write(p, "0123456789").unwrap(), "had 8 bytes and has 10", "had 8 bytes and has 10"),
            (|p| File::options().write(true).open(p).unwrap().set_len(3).unwrap(), "has 3 now", "has 3 now"),
            (|p| std::fs::remove_file(p).unwrap(), "deleted", "no longer there"),
            (
                |p| {
                    std::fs::write(p.with_extension("new"), "abcdefgh").unwrap();
                    std::fs::rename(p.with_extension("new"), p).unwrap();
                },
                "another file",
                "another file",
            ),
            (
                |p| {
                    std::fs::remove_file(p).unwrap();
                    std::fs::create_dir(p).unwrap();
                },
                "deleted",
                "not a regular file any more",
            ),
            (
                // Contents and size as they were and the modification time set back.
                |p| {
                    let file = File::options().write(true).open(p).unwrap();
                    let before = file.metadata().unwrap().modified().unwrap();
                    file.write_at(b"x", 2).unwrap();
                    file.set_modified(before).unwrap();
                },
                "contents, permissions or names",
                "contents, permissions or names",
            ),
        ];
        for (change, by_handle, by_path) in changes {
            let _ = std::fs::remove_dir(&path);
            std::fs::write(&path, "abcdefgh").unwrap();
            tick();
            let handle = handle(&path);
            handle.unchanged("a.parquet").unwrap();
            InputHandle::reopen(&path, "a.parquet", &handle.state).unwrap();
            change(&path);
            let said = handle.unchanged("a.parquet").unwrap_err();
            assert!(said.what.starts_with("a.parquet was replaced while it was read: "), "{}", said.what);
            assert!(said.what.contains(by_handle), "{}", said.what);
            let said = InputHandle::reopen(&path, "a.parquet", &handle.state).unwrap_err();
            assert!(said.what.contains(by_path), "{}", said.what);
        }
    }

    #[test]
    fn a_link_that_leads_elsewhere_is_a_change_of_the_path_alone() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two, link] = ["1", "2", "link"].map(|name| dir.path().join(name));
        std::fs::write(&one, "same").unwrap();
        std::fs::write(&two, "same").unwrap();
        std::os::unix::fs::symlink(&one, &link).unwrap();
        let handle = handle(&link);
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&two, &link).unwrap();
        handle.unchanged("link").unwrap();
        assert!(InputHandle::reopen(&link, "link", &handle.state).unwrap_err().what.contains("another file"));
    }

    #[test]
    fn a_state_counts_once_it_is_older_than_a_tick() {
        let at =
            |seconds, nanos| FileState { device: 1, inode: 1, bytes: 1, modified: (0, 5), changed: (seconds, nanos) };
        let now = UNIX_EPOCH + Duration::from_millis(1_000_010);
        assert_eq!(at(999, 0).unsettled(now), None);
        assert_eq!(at(1000, 0).unsettled(now), Some(TICK - Duration::from_millis(10)));
        assert_eq!(at(5000, 0).unsettled(now), Some(TICK));
        assert_eq!(at(-1, 0).unsettled(now), None);
        let coarse = FileState { modified: (0, 0), ..at(999, 0) };
        assert_eq!(coarse.unsettled(now), Some(COARSE_TICK - Duration::from_millis(1010)));
    }
}
