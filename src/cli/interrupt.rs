//! Ctrl-C and SIGTERM: the run stops and removes what it has written. If it takes too long to stop, the signal thread
//! removes the files and ends the process. While the run is being published, signals are ignored.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::error::{Error, ErrorKind, Errors, Result};
use crate::publish::publication::Cleanup;
use crate::publish::{Publication, Reservation};

/// How long a run may take to stop by itself. A run promises to end within two seconds; removing its folder takes time too.
const GRACE: Duration = Duration::from_millis(1200);

/// The listener of this process, if it has been started.
static LISTENER: Mutex<Option<Interrupt>> = Mutex::new(None);

/// Listens for SIGINT and SIGTERM. Clones share their state.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupt {
    signal: Arc<AtomicI32>,
    state: Arc<Mutex<OutputState>>,
    /// True if the end is reported as a JSON event instead of text.
    as_event: Arc<AtomicBool>,
}

/// What a signal has to clean up.
#[derive(Debug, Default)]
enum OutputState {
    /// Nothing: the run has not written anything.
    #[default]
    Reading,
    /// The files of the run.
    Writing(Cleanup),
    /// Nothing: the run is being published, or has ended and cleans up itself.
    Ending,
}

impl Interrupt {
    /// Starts to listen; a process has one listener.
    ///
    /// # Errors
    /// Output: the operating system refuses.
    pub(super) fn listen() -> Result<Interrupt> {
        let mut listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listening) = &*listener {
            return Ok(listening.clone());
        }
        let interrupt = Interrupt::default();
        let deaf = |e: io::Error| Error::output("signals cannot be listened for").because(e);
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(deaf)?;
        let heard = interrupt.clone();
        let listen = move || {
            // Further signals are ignored.
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

    fn state(&self) -> MutexGuard<'_, OutputState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on an end by signal is reported as a JSON event.
    pub(super) fn report_as_event(&self) {
        self.as_event.store(true, Ordering::Relaxed);
    }

    /// Reserves an output folder; a signal releases it.
    ///
    /// # Errors
    /// Interrupted, Terminated: a signal has come. Those of `take`.
    pub(super) fn reserve(&self, take: impl FnOnce() -> Result<Reservation>) -> Result<Reservation> {
        // A signal cannot end the process while the state is locked.
        let mut state = self.state();
        self.check()?;
        let reservation = take()?;
        *state = OutputState::Writing(reservation.cleanup());
        Ok(reservation)
    }

    /// Creates the run in a reserved output folder; a signal removes it.
    ///
    /// # Errors
    /// Interrupted, Terminated: a signal has come. As [`Reservation::begin`].
    pub(super) fn begin(&self, reservation: Reservation) -> Result<Publication> {
        let mut state = self.state();
        self.check()?;
        let publication = reservation.begin()?;
        *state = OutputState::Writing(publication.cleanup());
        Ok(publication)
    }

    /// Ignores signals from now on: the run is about to be published.
    ///
    /// # Errors
    /// Interrupted, Terminated: a signal has come before.
    pub(super) fn hold_off(&self) -> Result<()> {
        let mut state = self.state();
        self.check()?;
        *state = OutputState::Ending;
        Ok(())
    }

    /// The run has ended and has removed what it had to.
    pub(super) fn ended(&self) {
        *self.state() = OutputState::Ending;
    }

    /// An error once a signal has come.
    pub(super) fn check(&self) -> Result<()> {
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
        Some(Error::new(kind, format!("{how}; nothing was published")).help("the last published run is unchanged"))
    }

    /// Ends the process if the run has not ended by itself: a long sort does not check for signals.
    fn end_after_grace(&self) {
        std::thread::sleep(GRACE);
        let Some(error) = self.heard() else { return };
        // Locked to the end, so that the run cannot be published meanwhile.
        let state = self.state();
        match &*state {
            OutputState::Reading => {}
            OutputState::Writing(cleanup) => cleanup.run(),
            OutputState::Ending => return,
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

/// Makes a file that grows beyond the process' size limit an error of the call that writes, instead of a signal that
/// kills the process.
///
/// # Errors
/// What the operating system says.
pub(super) fn outlive_file_size_limit() -> io::Result<()> {
    // The flag is not read: the failing call reports the same.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map(drop)
}
