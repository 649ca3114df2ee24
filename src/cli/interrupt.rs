//! Ctrl-C and termination: the run is asked to stop and puts everything away; what takes too long is put away for it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::error::{Error, Kind, Result};

/// How long a run may take to stop by itself: it promises two seconds, and removing its folder takes a moment too.
const GRACE: Duration = Duration::from_millis(1200);

#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    signal: Arc<AtomicI32>,
    /// What has to be gone when the process ends.
    folder: Arc<Mutex<Option<PathBuf>>>,
}

impl Interrupt {
    /// Listens from now on.
    pub fn listen() -> Result<Interrupt> {
        let interrupt = Interrupt::default();
        let deaf = |e: std::io::Error| Error::output("signals cannot be listened for").because(e);
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(deaf)?;
        let heard = interrupt.clone();
        let listen = move || {
            for signal in signals.forever() {
                heard.signal.store(signal, Ordering::Relaxed);
                let heard = heard.clone();
                // A thread of its own, so that further signals are taken and ignored meanwhile.
                std::thread::spawn(move || heard.end_after_grace());
            }
        };
        std::thread::Builder::new().name("signals".into()).spawn(listen).map_err(deaf)?;
        Ok(interrupt)
    }

    /// The temporary folder of the run, once there is one.
    pub fn guard(&self, folder: &Path) {
        if let Ok(mut guarded) = self.folder.lock() {
            *guarded = Some(folder.to_owned());
        }
    }

    /// An error once a signal has come.
    pub fn check(&self) -> Result<()> {
        match self.heard() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn heard(&self) -> Option<Error> {
        let (kind, how) = match self.signal.load(Ordering::Relaxed) {
            0 => return None,
            SIGINT => (Kind::Interrupted, "interrupted"),
            _ => (Kind::Terminated, "terminated"),
        };
        Some(Error::new(kind, format!("{how}; nothing was published")).help("the last published run is as it was"))
    }

    /// Ends the process if the run has not ended by itself: a sort of millions of rows asks nobody whether to go on.
    fn end_after_grace(&self) {
        std::thread::sleep(GRACE);
        let Some(error) = self.heard() else { return };
        if let Some(folder) = self.folder.lock().ok().and_then(|mut f| f.take()) {
            if !folder.exists() {
                // Published, or put away already: what is left to do is said by the run itself.
                return;
            }
            // Other threads may still be writing into it; a second try gets what they added.
            for _ in 0..3 {
                if std::fs::remove_dir_all(&folder).is_ok() || !folder.exists() {
                    break;
                }
            }
        }
        eprintln!("error: {}\nhelp: {}", error.what, error.help.as_deref().unwrap_or_default());
        std::process::exit(error.kind.exit() as i32);
    }
}
