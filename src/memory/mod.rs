//! How much memory this process takes, and how much it may take.
//!
//! The program's allocator ([`CountingAllocator`]) counts the bytes that are allocated and not yet freed. A run sets a
//! [`Limit`] and plans by how much [`room`] is left. While it works it asks whether the limit [`is_exceeded`]: a tenth above
//! the limit a run uses fewer threads, or ends with a sentence that says what to lower. What passes the limit by a fifth
//! all the same ends the process with one sentence, before the machine or the container would.
//!
//! A program that does not install the allocator (a library's caller) counts nothing: [`in_use`] is 0, and no limit is
//! ever passed.

mod allocator;
mod available;

use std::sync::atomic::{AtomicU64, Ordering};

pub use allocator::{CountingAllocator, in_use, peak_of_thread, resident, share_address_space};

pub use available::{PROGRAM, available, own_address_space, program};

/// What the process may take, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Resident memory that the run plans for: what was asked for, or a share of what there is.
    pub process: u64,
    /// What of it is taken by the program itself: its code, stacks and tables.
    pub program: u64,
}

impl Limit {
    /// Bytes that may be allocated.
    pub fn heap(self) -> u64 {
        self.process.saturating_sub(self.program)
    }

    /// Bytes of allocations from which the limit may be exceeded: a tenth of it more.
    fn tolerated(self) -> u64 {
        self.heap().saturating_add(self.process / 10)
    }

    /// Resident bytes at which the process ends: a fifth of the limit more.
    fn ceiling(self) -> u64 {
        self.process.saturating_add(self.process / 5)
    }
}

static PROCESS: AtomicU64 = AtomicU64::new(u64::MAX);
static HEAP: AtomicU64 = AtomicU64::new(u64::MAX);
static TOLERATED: AtomicU64 = AtomicU64::new(u64::MAX);

/// What standard error is told when memory ends before the work does, as whole lines.
#[derive(Clone, Debug)]
pub struct LastWords {
    /// The process has passed its limit.
    pub passed_limit: String,
    /// The operating system gave no memory although the limit allows it.
    pub refused: String,
}

/// Limits the process from now on. `words` are printed if it has to end: what they say must be known beforehand,
/// since there is no memory to make them with.
pub fn set_limit(limit: Limit, words: LastWords) {
    PROCESS.store(limit.process, Ordering::Relaxed);
    HEAP.store(limit.heap(), Ordering::Relaxed);
    TOLERATED.store(limit.tolerated(), Ordering::Relaxed);
    allocator::end_at(limit.heap(), limit.ceiling(), words);
}

/// Bytes that may still be allocated within the limit; [`u64::MAX`] where none is set.
pub fn room() -> u64 {
    let heap = HEAP.load(Ordering::Relaxed);
    if heap == u64::MAX { heap } else { heap.saturating_sub(in_use()) }
}

/// Whether the process is past a tenth above its limit: by what is allocated, and by what of it is resident. (Memory that
/// was allocated as zeros and never written to is not.)
pub fn is_exceeded() -> bool {
    in_use() > TOLERATED.load(Ordering::Relaxed)
        && resident().is_none_or(|bytes| bytes > PROCESS.load(Ordering::Relaxed) / 10 * 11)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_divided_between_program_and_heap() {
        let limit = Limit { process: 500, program: 100 };
        assert_eq!((limit.heap(), limit.tolerated(), limit.ceiling()), (400, 450, 600));
        let tiny = Limit { process: 50, program: 100 };
        assert_eq!((tiny.heap(), tiny.tolerated(), tiny.ceiling()), (0, 5, 60));
    }

    #[test]
    fn without_a_limit_there_is_room() {
        assert_eq!((room(), is_exceeded()), (u64::MAX, false));
    }
}
