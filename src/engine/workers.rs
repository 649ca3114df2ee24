//! Runs pieces of work on as many workers as the memory limit has room for.
//!
//! Each worker has a state (its tallies) of its own, so that workers do not wait for each other. If the states could be
//! too large for that, one worker does one piece first, and the memory that its state then takes decides how many
//! workers run. States may grow further. A worker that finds the memory limit exceeded hands its state over and ends;
//! if it is the last one, the run ends with an error that names the largest tally.
//!
//! None of this changes the result, since states merge in any order.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::memory;

/// Work that is done in pieces, by several workers, and whose results are merged.
pub(super) trait ParallelWork: Sync {
    /// The result of a worker.
    type WorkerState: Send;

    /// The state before the first piece.
    fn start(&self) -> Self::WorkerState;
    /// Does piece `number` and adds its result to the state.
    fn piece(&self, state: &mut Self::WorkerState, number: usize) -> Result<()>;
    /// Adds the state of another worker.
    fn merge(&self, into: &mut Self::WorkerState, from: Self::WorkerState);
    /// The error for a single state that exceeds the memory limit.
    fn too_large(&self, state: &Self::WorkerState) -> Error;
    /// Called at the end if only `workers` of the threads worked to the end.
    fn fewer_workers(&self, workers: usize, threads: usize);
}

/// A state is expected to grow to this many times its size after the first piece.
const GROWTH: u64 = 4;

struct WorkerPool<'a, W: ParallelWork> {
    work: &'a W,
    pieces: usize,
    next: AtomicUsize,
    active: AtomicUsize,
    /// The number of workers that handed their states over.
    ended: AtomicUsize,
    failed: AtomicBool,
    /// The merged states of workers that ended because memory was short.
    handed_over: Mutex<Option<W::WorkerState>>,
}

/// Does pieces `0..pieces` and returns the merged state. `bytes`: the most that a state can take.
///
/// # Errors
/// The first error of a piece; [`ParallelWork::too_large`] if not even one state fits the memory limit.
pub(super) fn run<W: ParallelWork>(work: &W, pieces: usize, bytes: u64) -> Result<W::WorkerState> {
    let threads = rayon::current_num_threads().max(1);
    let mut first = work.start();
    let mut done = 0;
    let mut workers = threads;
    if bytes.saturating_mul(threads as u64) > memory::room() && pieces > 1 {
        let (visited, taken) = memory::peak_of_thread(|| work.piece(&mut first, 0));
        visited?;
        done = 1;
        // All states grow at the same time, and a worker checks the memory limit only between two pieces.
        let a_worker = taken.saturating_mul(GROWTH).min(bytes).max(1);
        let further = memory::room().saturating_sub(a_worker) / a_worker;
        workers = usize::try_from(further).unwrap_or(usize::MAX).saturating_add(1).min(threads);
    }
    let pool = WorkerPool {
        work,
        pieces,
        next: AtomicUsize::new(done),
        active: AtomicUsize::new(workers),
        ended: AtomicUsize::new(0),
        failed: AtomicBool::new(false),
        handed_over: Mutex::new(None),
    };
    let mut states: Vec<Option<W::WorkerState>> = (1..workers).map(|_| None).collect();
    states.push(Some(first));
    let merged = states
        .into_par_iter()
        .with_max_len(1)
        .map(|state| pool.worker(state))
        .try_reduce(|| None, |a, b| Ok(pool.merged(a, b)))?;
    let left = workers - pool.ended.into_inner();
    if left < threads && pieces >= threads {
        work.fewer_workers(left, threads);
    }
    let handed_over = pool.handed_over.into_inner().map_err(poisoned)?;
    let merged = match (merged, handed_over) {
        (Some(mut merged), Some(more)) => {
            work.merge(&mut merged, more);
            Some(merged)
        }
        (merged, more) => merged.or(more),
    };
    Ok(merged.unwrap_or_else(|| work.start()))
}

fn poisoned<T>(_: T) -> Error {
    Error::internal("a thread failed while it walked over customers")
}

impl<W: ParallelWork> WorkerPool<'_, W> {
    /// The state of a worker at its end; `None` if it had no work or handed its state over.
    fn worker(&self, state: Option<W::WorkerState>) -> Result<Option<W::WorkerState>> {
        let done = self.visit(state);
        if done.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        done
    }

    fn visit(&self, mut state: Option<W::WorkerState>) -> Result<Option<W::WorkerState>> {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.pieces || self.failed.load(Ordering::Relaxed) {
                self.active.fetch_sub(1, Ordering::Relaxed);
                return Ok(state);
            }
            let mut counted = state.take().unwrap_or_else(|| self.work.start());
            self.work.piece(&mut counted, number)?;
            if !memory::is_exceeded() {
                state = Some(counted);
                continue;
            }
            state = self.with_less_memory(counted)?;
            if state.is_none() {
                return Ok(None);
            }
        }
    }

    /// Called when memory is short. Hands the worker's state over if others are at work. The last worker merges what
    /// was handed over into its state, which frees the cells that both have, and goes on if that was enough.
    fn with_less_memory(&self, mut counted: W::WorkerState) -> Result<Option<W::WorkerState>> {
        let mut handed_over = self.handed_over.lock().map_err(poisoned)?;
        let before = handed_over.take();
        if self.active.load(Ordering::Relaxed) > 1 {
            self.active.fetch_sub(1, Ordering::Relaxed);
            self.ended.fetch_add(1, Ordering::Relaxed);
            *handed_over = self.merged(before, Some(counted));
            return Ok(None);
        }
        if let Some(before) = before {
            self.work.merge(&mut counted, before);
        }
        if memory::is_exceeded() { Err(self.work.too_large(&counted)) } else { Ok(Some(counted)) }
    }

    fn merged(&self, a: Option<W::WorkerState>, b: Option<W::WorkerState>) -> Option<W::WorkerState> {
        match (a, b) {
            (Some(mut a), Some(b)) => {
                self.work.merge(&mut a, b);
                Some(a)
            }
            (a, b) => a.or(b),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct PieceList {
        fails_at: Option<usize>,
    }

    impl ParallelWork for PieceList {
        type WorkerState = Vec<usize>;

        fn start(&self) -> Vec<usize> {
            vec![]
        }
        fn piece(&self, state: &mut Vec<usize>, number: usize) -> Result<()> {
            if self.fails_at == Some(number) {
                return Err(Error::input("this piece cannot be done"));
            }
            state.push(number);
            Ok(())
        }
        fn merge(&self, into: &mut Vec<usize>, from: Vec<usize>) {
            into.extend(from);
        }
        fn too_large(&self, _: &Vec<usize>) -> Error {
            Error::pipeline("too large")
        }
        fn fewer_workers(&self, _: usize, _: usize) {}
    }

    #[test]
    fn every_piece_is_done_once_by_any_number_of_threads() {
        for threads in [1, 2, 7] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            // As if it fitted, and as if it did not: one piece is then done first.
            for bytes in [0, u64::MAX] {
                let mut done = pool.install(|| run(&PieceList { fails_at: None }, 100, bytes)).unwrap();
                done.sort_unstable();
                assert_eq!(done, (0..100).collect::<Vec<_>>());
            }
            assert_eq!(pool.install(|| run(&PieceList { fails_at: None }, 0, 0)).unwrap(), Vec::<usize>::new());
            assert!(pool.install(|| run(&PieceList { fails_at: Some(50) }, 100, 0)).is_err());
        }
    }
}
