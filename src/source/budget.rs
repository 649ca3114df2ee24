//! The memory for what a scan keeps beside rows.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that a scan may keep of texts of segments, channels and reasons, of costs and of rates, all together. Rows are
/// not counted here: the store has a limit for them, and writes them to a temporary file beyond it.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    spent: AtomicUsize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Budget {
        Budget { limit, spent: AtomicUsize::new(0) }
    }

    /// Takes bytes from the budget; false, and nothing taken, if fewer are left.
    pub(super) fn spend(&self, bytes: usize) -> bool {
        let taken = |spent: usize| spent.checked_add(bytes).filter(|spent| *spent <= self.limit);
        self.spent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }
}

/// The whole budget, in MiB.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB", self.limit >> 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_is_spent_once() {
        let budget = Budget::new(10);
        assert!(budget.spend(4) && budget.spend(6) && !budget.spend(1) && budget.spend(0));
        assert!(!Budget::new(usize::MAX - 1).spend(usize::MAX));
    }
}
