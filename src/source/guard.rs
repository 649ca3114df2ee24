//! Turns a panic of a library into an error.
//!
//! Readers of untrusted bytes panic on some malformed input (parquet 60.1 on 4 of 163 files of the public corpora). Such a
//! panic is caught here, and its message and back trace are not printed.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<u32> = const { Cell::new(0) };
}

/// Runs `f`.
///
/// # Errors
/// The message of a panic in `f`. Whatever `f` was changing must be thrown away then: it may be half changed.
pub(super) fn guarded<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if GUARDED.get() == 0 {
                before(info);
            }
        }));
    });
    GUARDED.set(GUARDED.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(f));
    GUARDED.set(GUARDED.get() - 1);
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown cause".to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message_and_guards_nest() {
        assert_eq!(guarded(|| 1), Ok(1));
        let inner = guarded(|| {
            assert_eq!(guarded(|| panic!("inner {}", 7)), Err::<(), _>("inner 7".to_string()));
            panic!("outer")
        });
        assert_eq!(inner, Err::<(), _>("outer".to_string()));
        assert_eq!(GUARDED.get(), 0);
    }
}
