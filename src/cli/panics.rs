//! Turns panics, which are defects, into errors with a message and an exit status.
//!
//! A damaged file may make a reader panic; the reader's caller catches that and reports an error of the file. The message
//! that Rust prints by default would confuse there, so it is switched off, and printed here for panics nobody caught.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use crate::error::{Error, Errors};

/// Message and place of the last panic.
static LAST: Mutex<Option<(String, String)>> = Mutex::new(None);

/// Records panics from now on instead of printing them.
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
        Err(Error::internal(format!("tenure has a defect and stopped: {said}{place}")).into())
    })
}

fn said(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("the panic had no message").to_owned()
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
        assert!(all[0].what.contains("has a defect and stopped: 3 buckets"), "{}", all[0].what);
        assert!(all[0].help.as_ref().is_some_and(|h| h.contains("report")));
        assert_eq!(guarded(|| Ok(1)).unwrap(), 1);
    }
}
