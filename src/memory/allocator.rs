//! The system's allocator, with a count of what is allocated and an orderly end where memory runs out.
//!
//! This is one of two places with unsafe code. Why it is sound: every method passes its arguments unchanged to [`System`],
//! whose contract is that of [`GlobalAlloc`] itself, and returns its result. The code around that allocates nothing, takes no
//! lock and does not unwind: it uses integers in thread-local cells without destructor, atomics, and, near the limit, system
//! calls on the process' own files (`open`, `read`, `close`, `write`, `_exit`).

#![expect(unsafe_code, reason = "GlobalAlloc is an unsafe trait; see the module's argument")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use super::OutOfMemoryMessages;
use crate::error::ExitStatus;

/// Counts on top of the system's allocator. Install it with `#[global_allocator]`.
///
/// A thread adds to the common count only when its own count has changed by [`FLUSH`], so that threads do not contend for
/// it.
#[derive(Debug)]
pub struct CountingAllocator;

/// Bytes by which a thread's own count may differ from what it has added to the common count.
const FLUSH: i64 = 256 << 10;

/// Bytes allocated and not freed, without those that threads have not added yet.
static IN_USE: AtomicI64 = AtomicI64::new(0);
/// Allocated bytes from which resident memory is checked, and resident bytes at which the process ends.
static WATCHED_FROM: AtomicU64 = AtomicU64::new(u64::MAX);
static CEILING: AtomicU64 = AtomicU64::new(u64::MAX);
static WORDS: OnceLock<OutOfMemoryMessages> = OnceLock::new();
/// True once a thread is ending the process.
static ENDING: AtomicBool = AtomicBool::new(false);

/// A thread's own count. Memory may be freed by another thread than the one that allocated it, so it may be negative.
struct Own {
    live: Cell<i64>,
    told: Cell<i64>,
    /// The greatest value of `live` since it was last asked for.
    peak: Cell<i64>,
}

thread_local! {
    static OWN: Own = const { Own { live: Cell::new(0), told: Cell::new(0), peak: Cell::new(0) } };
}

/// Bytes that are allocated and not yet freed, give or take a quarter of a mebibyte a thread. 0 if the allocator is not
/// installed.
pub fn in_use() -> u64 {
    IN_USE.load(Ordering::Relaxed).max(0) as u64
}

/// Runs `work` and returns its result with the peak of bytes that this thread had allocated meanwhile, beyond those
/// allocated before.
pub fn peak_of_thread<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let (before, outer) = OWN.with(|own| (own.live.get(), own.peak.replace(own.live.get())));
    let done = work();
    let peak = OWN.with(|own| own.peak.replace(outer.max(own.peak.get())));
    (done, (peak - before).max(0) as u64)
}

/// From now on ends the process with `words` before `ceiling` bytes are resident; checked once `heap` bytes are allocated.
/// Words that were set before stay.
pub(super) fn end_at(heap: u64, ceiling: u64, words: OutOfMemoryMessages) {
    let _ = WORDS.set(words);
    CEILING.store(ceiling, Ordering::Relaxed);
    WATCHED_FROM.store(heap, Ordering::Relaxed);
}

/// Resident bytes of this process as the operating system reports them; `None` if it does not. Allocates nothing.
pub fn resident() -> Option<u64> {
    let mut text = [0u8; 128];
    // SAFETY: the path is a constant that ends in NUL.
    let file = unsafe { libc::open(c"/proc/self/statm".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if file < 0 {
        return None;
    }
    // SAFETY: the buffer is as long as is said, and nobody else has it.
    let read = unsafe { libc::read(file, text.as_mut_ptr().cast(), text.len()) };
    // SAFETY: the file was opened above and is closed once.
    unsafe { libc::close(file) };
    let text = str::from_utf8(text.get(..usize::try_from(read).ok()?)?).ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    // SAFETY: asks for a constant of the system.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages.checked_mul(u64::try_from(page).ok()?)
}

/// Makes all threads allocate from one region of the address space. By default the system's allocator reserves 64 MiB of it
/// for each thread, used or not, which would exceed a limit of the address space (`ulimit -v`). Call it before threads
/// start.
pub fn share_address_space() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets a number of the allocator; nothing is allocated or freed by it.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

#[inline]
fn count(change: i64) {
    // A thread that is ending may have lost its cells; it then counts at once.
    let told = OWN.try_with(|own| {
        let live = own.live.get().wrapping_add(change);
        own.live.set(live);
        if live > own.peak.get() {
            own.peak.set(live);
        }
        let untold = live.wrapping_sub(own.told.get());
        if untold.abs() < FLUSH {
            return 0;
        }
        own.told.set(live);
        untold
    });
    let told = told.unwrap_or(change);
    if told != 0 {
        tell(told);
    }
}

#[cold]
#[inline(never)]
fn tell(change: i64) {
    let all = IN_USE.fetch_add(change, Ordering::Relaxed).wrapping_add(change);
    if change > 0 && all.max(0) as u64 > WATCHED_FROM.load(Ordering::Relaxed) {
        expect_below_ceiling(0);
    }
}

/// Ends the process if `size` more bytes would exceed the ceiling.
#[inline]
fn expect_room(size: usize) {
    if size as i64 >= FLUSH && in_use().saturating_add(size as u64) > WATCHED_FROM.load(Ordering::Relaxed) {
        expect_below_ceiling(size as u64);
    }
}

/// Ends the process if `more` bytes do not fit below the ceiling.
#[cold]
#[inline(never)]
fn expect_below_ceiling(more: u64) {
    let resident = resident().unwrap_or_else(in_use);
    if resident.saturating_add(more) > CEILING.load(Ordering::Relaxed) {
        end(|words| &words.passed_limit);
    }
}

/// Prints the reason and ends the process without unwinding, which would need memory. Files under way have no name or are in
/// the temporary folder of the run, which the next run removes.
#[cold]
#[inline(never)]
fn end(words: fn(&OutOfMemoryMessages) -> &String) -> ! {
    if ENDING.swap(true, Ordering::Relaxed) {
        loop {
            // SAFETY: takes no argument; the thread that came first ends the process.
            unsafe { libc::pause() };
        }
    }
    let text = WORDS.get().map_or("error: there is no memory left\n", |all| words(all).as_str());
    // SAFETY: the pointer and the length are of one live str; what could not be written cannot be told to anybody.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
    // SAFETY: ends the process; nothing of it runs afterwards.
    unsafe { libc::_exit(ExitStatus::Data as i32) }
}

// SAFETY: see the module's argument.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        expect_room(layout.size());
        // SAFETY: the caller's promises are those that `System` asks for.
        let memory = unsafe { System.alloc(layout) };
        counted(memory, layout.size() as i64)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // Large pieces come from the system as zeros and take no memory before they are written to.
        expect_room(0);
        // SAFETY: as above.
        let memory = unsafe { System.alloc_zeroed(layout) };
        counted(memory, layout.size() as i64)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) };
        count(-(layout.size() as i64));
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        expect_room(size.saturating_sub(layout.size()));
        // SAFETY: as above.
        let moved = unsafe { System.realloc(memory, layout, size) };
        counted(moved, size as i64 - layout.size() as i64)
    }
}

#[inline]
fn counted(memory: *mut u8, change: i64) -> *mut u8 {
    if memory.is_null() {
        end(|words| &words.refused);
    }
    count(change);
    memory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allocated_is_counted_until_it_is_freed() {
        let mebibyte = 1 << 20;
        let ((), peak) = peak_of_thread(|| {
            let first = vec![1u8; 3 * mebibyte];
            drop(first);
            let second = vec![1u8; 2 * mebibyte];
            assert!(in_use() >= 2 * mebibyte as u64);
            drop(second);
        });
        assert!((3 * mebibyte as u64..4 * mebibyte as u64).contains(&peak), "{peak}");
        let (inner, outer) = peak_of_thread(|| {
            let ((), inner) = peak_of_thread(|| drop(vec![1u8; 5 * mebibyte]));
            drop(vec![1u8; mebibyte]);
            inner
        });
        assert!(inner >= 5 * mebibyte as u64 && outer >= inner, "{inner} {outer}");
    }

    #[test]
    fn growing_counts_what_is_added() {
        let ((), peak) = peak_of_thread(|| {
            let mut bytes: Vec<u8> = Vec::with_capacity(1 << 20);
            bytes.resize(1 << 20, 1);
            bytes.reserve_exact(3 << 20);
            assert_eq!(bytes.len(), 1 << 20);
        });
        assert!((4 << 20..5 << 20).contains(&peak), "{peak}");
    }
}
