//! The lock on an output folder: one process writes at a time, and a second one reports who holds the lock.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{failure, files};
use crate::error::{Error, Result};

/// The lock of an output folder, held until it is dropped. The operating system releases it when the process ends, however
/// it ends: a lock file left behind never blocks a run.
#[derive(Debug)]
pub struct Lock {
    file: Arc<File>,
    unended: Option<String>,
}

const NAME: &str = ".lock";
/// Pause between two attempts of a waiting run.
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes of the lock's text that are read.
const TEXT: usize = 200;

impl Lock {
    /// Takes the lock of folder `out`, waiting for it at most `wait`. `since` goes into the lock's text.
    ///
    /// # Errors
    /// Output: another process holds it (it is named), the folder cannot be written, or a link, a folder or a file of
    /// somebody else has the lock's name.
    pub fn take(out: &Path, since: Timestamp, wait: Duration) -> Result<Lock> {
        let path = out.join(NAME);
        let file = files::open_lock(&path).map_err(|e| match e.kind() {
            io::ErrorKind::Other | io::ErrorKind::IsADirectory => {
                Error::output(format!("{} is not the lock file of an output folder, and is left alone", path.display()))
                    .help("remove it, or choose another folder with `--out`")
                    .because(e)
            }
            _ => failure::output(format_args!("write {}", path.display()), e),
        })?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if began.elapsed() < wait => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let holder = said(&file).unwrap_or_else(|| "another run of tenure".into());
                    return Err(Error::output(format!("{} is in use: {holder} holds it", out.display())).help(
                        "wait until that run has ended (the lock goes with its process), or choose another folder \
                         with `--out`",
                    ));
                }
                Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(TryLockError::Error(e)) => {
                    return Err(Error::output(format!("cannot lock {}", path.display()))
                        .help("its file system offers no file locks; choose a local folder with `--out`")
                        .because(e));
                }
            }
        }
        let unended = said(&file);
        let text = format!("pid {} on {} since {since:.0}\n", std::process::id(), host());
        // The text only tells a second process who holds the lock; the lock holds without it.
        let _ = file.set_len(0).and_then(|()| file.write_all_at(text.as_bytes(), 0));
        Ok(Lock { file: Arc::new(file), unended })
    }

    /// The text of the process that held the lock before, if it was killed before it could clear it.
    pub fn unended(&self) -> Option<&str> {
        self.unended.as_deref()
    }

    /// A handle that clears the lock's text where the process ends without dropping the lock.
    pub(super) fn text(&self) -> LockText {
        LockText(Arc::downgrade(&self.file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A text that is left tells the next run that this one was killed. Closing the file releases the lock.
        self.text().clear();
    }
}

/// See [`Lock::text`]. It does not keep the lock.
#[derive(Debug)]
pub(super) struct LockText(Weak<File>);

impl LockText {
    pub(super) fn clear(&self) {
        if let Some(file) = self.0.upgrade() {
            let _ = file.set_len(0);
        }
    }
}

/// The lock's text, if it has the form that tenure writes. It is printed, so any other text is ignored.
fn said(file: &File) -> Option<String> {
    let mut text = [0; TEXT];
    let read = file.read_at(&mut text, 0).ok()?;
    let line = std::str::from_utf8(&text[..read]).ok()?.strip_suffix('\n')?;
    let is_plain = line.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    (is_plain && line.starts_with("pid ")).then(|| line.to_owned())
}

fn host() -> String {
    let named = ["/proc/sys/kernel/hostname", "/etc/hostname"].iter().find_map(|p| std::fs::read_to_string(p).ok());
    let name = named.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let name: String = name.trim().chars().filter(char::is_ascii_graphic).take(64).collect();
    if name.is_empty() { "this host".into() } else { format!("host {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, ExitStatus};

    fn now() -> Timestamp {
        "2026-11-21T20:45:01.5Z".parse().unwrap()
    }

    #[test]
    fn the_second_learns_who_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path(), now(), Duration::ZERO).unwrap();
        let e = Lock::take(dir.path(), now(), Duration::ZERO).unwrap_err();
        assert_eq!((e.kind, e.kind.exit()), (ErrorKind::Output, ExitStatus::Data));
        assert!(e.what.contains(&format!("pid {}", std::process::id())), "{}", e.what);
        assert!(e.what.contains("since 2026-11-21T20:45:01Z"), "{}", e.what);
        assert!(e.help.is_some());
        drop(first);
        Lock::take(dir.path(), now(), Duration::ZERO).unwrap();
    }

    #[test]
    fn a_waiting_run_gets_the_lock_when_the_first_ends() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path(), now(), Duration::ZERO).unwrap();
        thread::scope(|s| {
            let second = s.spawn(|| Lock::take(dir.path(), now(), Duration::from_secs(30)));
            thread::sleep(Duration::from_millis(120));
            drop(first);
            assert!(second.join().unwrap().is_ok());
        });
    }

    #[test]
    fn an_unreadable_holder_is_still_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path(), now(), Duration::ZERO).unwrap();
        std::fs::write(dir.path().join(NAME), [0xFF, 0xFE, 0x00]).unwrap();
        let e = Lock::take(dir.path(), now(), Duration::ZERO).unwrap_err();
        assert!(e.what.contains("another run of tenure holds it"), "{}", e.what);
        std::fs::write(dir.path().join(NAME), "pid 1 \u{1b}[31m\n").unwrap();
        let e = Lock::take(dir.path(), now(), Duration::ZERO).unwrap_err();
        assert!(e.what.contains("another run of tenure holds it"), "{}", e.what);
        drop(first);
    }

    #[test]
    fn a_holder_that_did_not_end_is_told_to_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let text = || std::fs::read_to_string(dir.path().join(NAME)).unwrap();
        assert_eq!(Lock::take(dir.path(), now(), Duration::ZERO).unwrap().unended(), None);
        assert_eq!(text(), "");
        std::fs::write(dir.path().join(NAME), "pid 7 on host b since 2026-11-21T20:45:01Z\n").unwrap();
        let lock = Lock::take(dir.path(), now(), Duration::ZERO).unwrap();
        assert_eq!(lock.unended(), Some("pid 7 on host b since 2026-11-21T20:45:01Z"));
        assert!(text().starts_with(&format!("pid {} on ", std::process::id())));
        let from_elsewhere = lock.text();
        from_elsewhere.clear();
        assert_eq!(text(), "");
        drop(lock);
        from_elsewhere.clear();
        assert_eq!(Lock::take(dir.path(), now(), Duration::ZERO).unwrap().unended(), None);
    }

    #[test]
    fn what_is_not_our_lock_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (lock, victim) = (dir.path().join(NAME), dir.path().join("victim"));
        let refused = || {
            let e = Lock::take(dir.path(), now(), Duration::ZERO).unwrap_err();
            assert!(
                e.what.ends_with(".lock is not the lock file of an output folder, and is left alone"),
                "{}",
                e.what
            );
            assert_eq!(e.kind, ErrorKind::Output);
        };
        std::fs::write(&victim, "precious\n").unwrap();
        std::os::unix::fs::symlink("victim", &lock).unwrap();
        refused();
        std::fs::remove_file(&lock).unwrap();
        std::fs::hard_link(&victim, &lock).unwrap();
        refused();
        std::fs::remove_file(&lock).unwrap();
        std::fs::create_dir(&lock).unwrap();
        refused();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious\n");
    }
}
