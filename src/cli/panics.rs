//! Panics, which are defects: what happened is said, as an error with an exit status like any other.
//!
//! Damaged files make readers panic; that is caught where it happens and told as an error of the file. The default
//! message would only confuse there, so it is kept silent everywhere and told here for the panics that nobody caught.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use crate::error::{Error, Errors};

/// What the last panic said, and where.
static LAST: Mutex<Option<(String, String)>> = Mutex::new(None);

/// From now on panics are noted instead of printed.
pub(super) fn note() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
        if let Ok(mut last) = LAST.lock() {
            *last = Some((said(info.payload()), place));
        }
    }));
}

/// Runs `work`; a panic that nobody caught becomes an error.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, Errors>) -> Result<T, Errors> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = said(&*panic);
        let last = LAST.lock().ok().and_then(|mut last| last.take());
        // Another thread may have panicked since.
        let place = last.filter(|(what, _)| *what == said).map(|(_, place)| format!(" ({place})")).unwrap_or_default();
        Err(Error::internal(format!("tenure stopped at a broken assumption: {said}{place}")).into())
    })
}

fn said(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it did not say which").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ExitStatus;

    #[test]
    fn a_panic_is_an_error_that_says_what_happened() {
        // Other tests print their panics: the hook stays as it is.
        let errors = guarded(|| -> Result<(), Errors> { panic!("{} buckets", 3) }).unwrap_err();
        assert_eq!(errors.exit(), ExitStatus::Data);
        let all: Vec<Error> = errors.into();
        assert!(all[0].what.contains("broken assumption: 3 buckets"), "{}", all[0].what);
        assert!(all[0].help.as_ref().is_some_and(|h| h.contains("report")));
        assert_eq!(guarded(|| Ok(1)).unwrap(), 1);
    }
}
