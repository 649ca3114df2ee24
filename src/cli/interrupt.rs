//! Ctrl-C and termination: asked for between batches, so that everything is put away before the process ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::{Error, Kind, Result};

#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Listens from now on.
    pub fn listen() -> Result<Interrupt> {
        let interrupt = Interrupt::default();
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_usize(signal, interrupt.signal.clone(), signal as usize)
                .map_err(|e| Error::output("signals cannot be listened for").because(e))?;
        }
        Ok(interrupt)
    }

    /// An error once a signal has come.
    pub fn check(&self) -> Result<()> {
        match self.signal.load(Ordering::Relaxed) as i32 {
            0 => Ok(()),
            SIGINT => Err(Error::new(Kind::Interrupted, "interrupted; nothing was published")
                .help("the last published run is as it was")),
            _ => Err(Error::new(Kind::Terminated, "terminated; nothing was published")
                .help("the last published run is as it was")),
        }
    }
}
