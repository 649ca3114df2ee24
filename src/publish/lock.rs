//! The lock on an output folder: one process writes at a time, and the second learns who holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::failure;
use crate::error::{Error, Result};

/// Held until dropped. The operating system releases it when the process ends, however it ends: a lock file that lies
/// about never blocks anybody.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

const NAME: &str = ".lock";
/// How often a waiting run looks again.
const PAUSE: Duration = Duration::from_millis(50);

impl Lock {
    /// Takes the lock of folder `out`, waiting for it at most `wait`. `since` goes into the lock's text.
    ///
    /// # Errors
    /// Output: another process holds it (it is named), or the folder cannot be written.
    pub fn take(out: &Path, since: Timestamp, wait: Duration) -> Result<Lock> {
        let path = out.join(NAME);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| failure::output(format_args!("write {}", path.display()), e))?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if began.elapsed() < wait => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Err(held(out, &mut file)),
                Err(TryLockError::Error(e)) => {
                    return Err(Error::output(format!("cannot lock {}", path.display()))
                        .help("its file system offers no file locks; choose a local folder with `--out`")
                        .because(e));
                }
            }
        }
        let mut lock = Lock { file };
        let text = format!("pid {} on {} since {since:.0}\n", std::process::id(), host());
        // The text is a courtesy to whoever comes second; the lock holds without it.
        let _ = lock.file.set_len(0).and_then(|()| lock.file.write_all(text.as_bytes()));
        Ok(lock)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // So that nobody reads an old name; the lock itself ends with the file.
        let _ = self.file.set_len(0);
    }
}

fn held(out: &Path, file: &mut File) -> Error {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(200).read_to_string(&mut text));
    let holder = match (read, text.trim()) {
        (Err(_), _) | (_, "") => "another run of tenure",
        (Ok(_), said) => said,
    };
    Error::output(format!("{} is in use: {holder} holds it", out.display()))
        .help("wait until that run has ended (the lock goes with its process), or choose another folder with `--out`")
}

fn host() -> String {
    let named = ["/proc/sys/kernel/hostname", "/etc/hostname"].iter().find_map(|p| std::fs::read_to_string(p).ok());
    let name = named.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    if name.trim().is_empty() { "this host".into() } else { format!("host {}", name.trim()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Exit, Kind};

    fn now() -> Timestamp {
        "2026-11-21T20:45:01.5Z".parse().unwrap()
    }

    #[test]
    fn the_second_learns_who_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path(), now(), Duration::ZERO).unwrap();
        let e = Lock::take(dir.path(), now(), Duration::ZERO).unwrap_err();
        assert_eq!((e.kind, e.kind.exit()), (Kind::Output, Exit::Data));
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
        drop(first);
    }
}
