//! How much memory this process uses, and how much it may use.
//!
//! The program's allocator ([`CountingAllocator`]) counts the bytes that are allocated and not yet freed. A run sets a
//! [`MemoryLimit`] and plans by how much [`room`] is left. While it works it asks whether the limit [`is_exceeded`]: a tenth above
//! the limit it uses fewer threads, or ends with an error that says what to lower. A fifth above the limit the allocator ends
//! the process with one sentence, before the machine or the container would kill it.
//!
//! A program that does not install the allocator (a library's caller) counts nothing: [`in_use`] is 0, and no limit is
//! ever passed.

mod allocator;
mod available;

use std::sync::atomic::{AtomicU64, Ordering};

pub use allocator::{CountingAllocator, in_use, peak_of_thread, resident, share_address_space};

pub use available::{PROGRAM, available, own_address_space, program};

/// How much memory the process may use, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimit {
    /// Resident memory that the run plans for: `--memory-limit`, or a share of the available memory.
    pub process: u64,
    /// The part of it that the program itself uses: its code, stacks and tables.
    pub program: u64,
}

impl MemoryLimit {
    /// Bytes that may be allocated.
    pub fn heap(self) -> u64 {
        self.process.saturating_sub(self.program)
    }

    /// Allocated bytes from which the limit counts as exceeded: a tenth above it.
    fn tolerated(self) -> u64 {
        self.heap().saturating_add(self.process / 10)
    }

    /// Resident bytes at which the process ends: a fifth above the limit.
    fn ceiling(self) -> u64 {
        self.process.saturating_add(self.process / 5)
    }
}

static PROCESS: AtomicU64 = AtomicU64::new(u64::MAX);
static HEAP: AtomicU64 = AtomicU64::new(u64::MAX);
static TOLERATED: AtomicU64 = AtomicU64::new(u64::MAX);

/// What is printed to standard error when the process ends for lack of memory; each text ends with a line break.
#[derive(Clone, Debug)]
pub struct OutOfMemoryMessages {
    /// The process has passed its limit.
    pub passed_limit: String,
    /// The operating system refused memory although the limit allows it.
    pub refused: String,
}

/// Limits the process from now on. `words` are printed if it has to end. They are made beforehand, since there may be no
/// memory to make them then.
pub fn set_limit(limit: MemoryLimit, words: OutOfMemoryMessages) {
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

/// True if both allocated and resident memory are more than a tenth above the limit. (Memory that was allocated as zeros and
/// never written to is not resident.)
pub fn is_exceeded() -> bool {
    in_use() > TOLERATED.load(Ordering::Relaxed)
        && resident().is_none_or(|bytes| bytes > PROCESS.load(Ordering::Relaxed) / 10 * 11)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_divided_between_program_and_heap() {
        let limit = MemoryLimit { process: 500, program: 100 };
        assert_eq!((limit.heap(), limit.tolerated(), limit.ceiling()), (400, 450, 600));
        let tiny = MemoryLimit { process: 50, program: 100 };
        assert_eq!((tiny.heap(), tiny.tolerated(), tiny.ceiling()), (0, 5, 60));
    }

    #[test]
    fn without_a_limit_there_is_room() {
        assert_eq!((room(), is_exceeded()), (u64::MAX, false));
    }
}
