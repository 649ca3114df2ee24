//! Ctrl-C and termination: the run is asked to stop and removes what it has written; if that takes too long, it is done
//! for it. Once the run is being published, a signal changes nothing any more.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::error::{Error, ErrorKind, Errors, Result};
use crate::publish::publication::Cleanup;
use crate::publish::{Publication, Reservation};

/// How long a run may take to stop by itself: it promises two seconds, and removing its folder takes a moment too.
const GRACE: Duration = Duration::from_millis(1200);

/// The listener of this process, once there is one.
static LISTENER: Mutex<Option<Interrupt>> = Mutex::new(None);

/// Listens for SIGINT and SIGTERM. Clones share what they know.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    signal: Arc<AtomicI32>,
    stage: Arc<Mutex<Stage>>,
    /// Whether the end is told as an event instead of a sentence.
    as_event: Arc<AtomicBool>,
}

/// What a signal finds.
#[derive(Debug, Default)]
enum Stage {
    /// Nothing of the run is on disk.
    #[default]
    Reading,
    /// The run has to be removed when the process ends.
    Writing(Cleanup),
    /// The run is being published, or has ended and says so itself.
    Ending,
}

impl Interrupt {
    /// Listens from now on; a process has one listener.
    ///
    /// # Errors
    /// Output: the operating system refuses.
    pub fn listen() -> Result<Interrupt> {
        let mut listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listening) = &*listener {
            return Ok(listening.clone());
        }
        let interrupt = Interrupt::default();
        let deaf = |e: io::Error| Error::output("signals cannot be listened for").because(e);
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(deaf)?;
        let heard = interrupt.clone();
        let listen = move || {
            // Further signals are taken and ignored.
            if let Some(signal) = signals.forever().next() {
                heard.signal.store(signal, Ordering::Relaxed);
                heard.end_after_grace();
            }
            signals.forever().for_each(drop);
        };
        std::thread::Builder::new().name("signals".into()).spawn(listen).map_err(deaf)?;
        *listener = Some(interrupt.clone());
        Ok(interrupt)
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end of the process is told as an event, for who asked for events.
    pub fn tell_as_event(&self) {
        self.as_event.store(true, Ordering::Relaxed);
    }

    /// Takes an output folder; a signal gives it back.
    ///
    /// # Errors
    /// Interrupted, Terminated: a signal has come. Those of `take`.
    pub fn reserve(&self, take: impl FnOnce() -> Result<Reservation>) -> Result<Reservation> {
        // While the stage is locked the process does not end.
        let mut stage = self.stage();
        self.check()?;
        let reservation = take()?;
        *stage = Stage::Writing(reservation.cleanup());
        Ok(reservation)
    }

    /// Begins the run in a reserved output folder; a signal removes it again.
    ///
    /// # Errors
    /// Interrupted, Terminated: a signal has come. As [`Reservation::begin`].
    pub fn begin(&self, reservation: Reservation) -> Result<Publication> {
        let mut stage = self.stage();
        self.check()?;
        let publication = reservation.begin()?;
        *stage = Stage::Writing(publication.cleanup());
        Ok(publication)
    }

    /// From now on a signal does not end the process: the run is about to be published.
    ///
    /// # Errors
    /// Interrupted, Terminated: a signal has come before.
    pub fn hold_off(&self) -> Result<()> {
        let mut stage = self.stage();
        self.check()?;
        *stage = Stage::Ending;
        Ok(())
    }

    /// The run has ended, one way or the other, and removed what it had to.
    pub fn ended(&self) {
        *self.stage() = Stage::Ending;
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
            SIGINT => (ErrorKind::Interrupted, "interrupted"),
            _ => (ErrorKind::Terminated, "terminated"),
        };
        Some(Error::new(kind, format!("{how}; nothing was published")).help("the last published run is as it was"))
    }

    /// Ends the process if the run has not ended by itself: a sort of millions of rows asks nobody whether to go on.
    fn end_after_grace(&self) {
        std::thread::sleep(GRACE);
        let Some(error) = self.heard() else { return };
        // Held to the end, so that the run is not published meanwhile.
        let stage = self.stage();
        match &*stage {
            Stage::Reading => {}
            Stage::Writing(cleanup) => cleanup.run(),
            Stage::Ending => return,
        }
        let status = error.kind.exit() as i32;
        let errors = super::secrets::hide_errors(Errors::from(error));
        if self.as_event.load(Ordering::Relaxed) {
            super::run::emit_errors(&errors);
        } else {
            super::report(&errors, &[]);
        }
        std::process::exit(status);
    }
}

/// A file that grows beyond the process' limit is then an error of the call that writes, which can be told, instead of
/// the end of the process.
///
/// # Errors
/// What the operating system says.
pub fn outlive_file_size_limit() -> io::Result<()> {
    // That the signal has come says nothing that the failing call does not say.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map(drop)
}
