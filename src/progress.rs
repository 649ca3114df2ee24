//! How a run says how far it is, and how it is stopped.

use crate::error::Result;

/// A part of a run that takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Exports are read and their rows scattered into buckets. Counts rows.
    Scan,
    /// Walks over the customers' histories. Counts customers, of all walks.
    Fold,
    /// The last walk, and the writing of per-customer tables. Counts customers.
    Score,
    Publish,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Phase::Scan => "scan",
            Phase::Fold => "fold",
            Phase::Score => "score",
            Phase::Publish => "publish",
        }
    }
}

/// Is told how far a run is, and may stop it: a progress bar, a signal handler. Called from several threads.
pub trait Progress: Sync {
    /// A phase begins, with its expected amount of work where that is known.
    fn phase(&self, _phase: Phase, _total: Option<u64>) {}

    /// So much more of the phase's work is done.
    fn advance(&self, _amount: u64) {}

    /// Asked before every batch of rows and every bucket of customers.
    ///
    /// # Errors
    /// The one that the run is to end with.
    fn stopped(&self) -> Result<()> {
        Ok(())
    }

    /// The run is about to be published: the last moment at which it may be stopped.
    ///
    /// # Errors
    /// The one that the run is to end with.
    fn about_to_publish(&self) -> Result<()> {
        self.stopped()
    }

    /// Only `workers` of the `threads` were at work to the end of this phase, because memory has no room for more.
    fn few_workers(&self, _workers: usize, _threads: usize) {}
}

/// Tells nobody and never stops.
pub struct NoProgress;

impl Progress for NoProgress {}
