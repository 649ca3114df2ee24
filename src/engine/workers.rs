//! How many workers walk over the customers at a time, and what they do when memory grows short.
//!
//! Each worker has tallies of its own, so that workers do not wait for each other. Where tallies could be too large for
//! that, one worker visits one bucket first: what its tallies then take says how many workers there is room for. Tallies
//! may go on growing. A worker that finds the memory limit passed hands its tallies to the others and ends; the last
//! one ends the run with a sentence that names the largest tally.
//!
//! The result does not depend on any of this, since tallies merge in any order.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::memory;

/// What workers do, and how their results become one.
pub(super) trait Work: Sync {
    type State: Send;

    fn start(&self) -> Self::State;
    /// Does one of the pieces of work.
    fn piece(&self, state: &mut Self::State, number: usize) -> Result<()>;
    fn merge(&self, into: &mut Self::State, from: Self::State);
    /// Why a state is too large for the memory limit, if it alone is.
    fn too_large(&self, state: &Self::State) -> Error;
    /// In the end so many workers were at work, fewer than there are threads.
    fn few(&self, workers: usize, threads: usize);
}

/// How many times what it takes for the first piece a state is expected to take.
const GROWTH: u64 = 4;

struct Crew<'a, W: Work> {
    work: &'a W,
    pieces: usize,
    next: AtomicUsize,
    active: AtomicUsize,
    /// How many workers have handed their states over.
    ended: AtomicUsize,
    failed: AtomicBool,
    /// Of workers that have ended because memory was short.
    handed_over: Mutex<Option<W::State>>,
}

/// Does pieces `0..pieces` and brings together what came of them. `bytes`: the most that a state can take.
///
/// # Errors
/// The first of a piece; when the states do not fit the memory limit however few workers there are.
pub(super) fn run<W: Work>(work: &W, pieces: usize, bytes: u64) -> Result<W::State> {
    let threads = rayon::current_num_threads().max(1);
    let mut first = work.start();
    let mut done = 0;
    let mut workers = threads;
    if bytes.saturating_mul(threads as u64) > memory::room() && pieces > 1 {
        let (visited, taken) = memory::peak_of_thread(|| work.piece(&mut first, 0));
        visited?;
        done = 1;
        // All of them grow at the same time, and each looks at memory only between two pieces.
        let a_worker = taken.saturating_mul(GROWTH).min(bytes).max(1);
        let further = memory::room().saturating_sub(a_worker) / a_worker;
        workers = usize::try_from(further).unwrap_or(usize::MAX).saturating_add(1).min(threads);
    }
    let crew = Crew {
        work,
        pieces,
        next: AtomicUsize::new(done),
        active: AtomicUsize::new(workers),
        ended: AtomicUsize::new(0),
        failed: AtomicBool::new(false),
        handed_over: Mutex::new(None),
    };
    let mut states: Vec<Option<W::State>> = (1..workers).map(|_| None).collect();
    states.push(Some(first));
    let merged = states
        .into_par_iter()
        .with_max_len(1)
        .map(|state| crew.worker(state))
        .try_reduce(|| None, |a, b| Ok(crew.merged(a, b)))?;
    let left = workers - crew.ended.into_inner();
    if left < threads && pieces >= threads {
        work.few(left, threads);
    }
    let handed_over = crew.handed_over.into_inner().map_err(poisoned)?;
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

impl<W: Work> Crew<'_, W> {
    /// What a worker counted; `None` if it had nothing to do or has handed it over.
    fn worker(&self, state: Option<W::State>) -> Result<Option<W::State>> {
        let done = self.visit(state);
        if done.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        done
    }

    fn visit(&self, mut state: Option<W::State>) -> Result<Option<W::State>> {
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

    /// Hands a worker's state over, if there are others at work; else brings everything together, which frees what was
    /// there several times.
    fn with_less_memory(&self, mut counted: W::State) -> Result<Option<W::State>> {
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

    fn merged(&self, a: Option<W::State>, b: Option<W::State>) -> Option<W::State> {
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

    struct Sum {
        fails_at: Option<usize>,
    }

    impl Work for Sum {
        type State = Vec<usize>;

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
        fn few(&self, _: usize, _: usize) {}
    }

    #[test]
    fn every_piece_is_done_once_by_any_number_of_threads() {
        for threads in [1, 2, 7] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            // As if it fitted, and as if it did not: one piece is then done first.
            for bytes in [0, u64::MAX] {
                let mut done = pool.install(|| run(&Sum { fails_at: None }, 100, bytes)).unwrap();
                done.sort_unstable();
                assert_eq!(done, (0..100).collect::<Vec<_>>());
            }
            assert_eq!(pool.install(|| run(&Sum { fails_at: None }, 0, 0)).unwrap(), Vec::<usize>::new());
            assert!(pool.install(|| run(&Sum { fails_at: Some(50) }, 100, 0)).is_err());
        }
    }
}
