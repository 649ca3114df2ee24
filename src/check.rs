//! A check: something that a run found out about its own data or figures. Checks become table `checks`
//! ([`tables::checks`](crate::tables::checks)) and a list in the manifest.

use serde::{Deserialize, Serialize};

/// The outcome of a check, ordered by gravity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Pass,
    /// Worth knowing; the run is published.
    Warn,
    /// The run is not published (exit status 1).
    Fail,
}

impl Status {
    /// `pass`, `warn` or `fail`, as in table `checks`.
    pub fn name(self) -> &'static str {
        match self {
            Status::Pass => "pass",
            Status::Warn => "warn",
            Status::Fail => "fail",
        }
    }
}

/// One check and its outcome. The order is that of the rows of table `checks`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Check {
    /// What was checked: `closing_adds_up`, `freshness`, …
    pub check: String,
    /// The table, source or column that was checked. `check` and `subject` together are unique in a run.
    pub subject: String,
    pub status: Status,
    /// The expected value as text: a count, an amount, a date. `None` where a check only counts.
    pub expected: Option<String>,
    /// The value that was found, as text.
    pub actual: Option<String>,
    /// One sentence for the reader, with the remedy where there is one.
    pub detail: String,
}

/// The gravest status of all checks; `Pass` if there are none.
pub fn gravest(checks: &[Check]) -> Status {
    checks.iter().map(|c| c.status).max().unwrap_or(Status::Pass)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_status_is_that_of_the_run() {
        let check = |status| Check {
            check: String::new(),
            subject: String::new(),
            status,
            expected: None,
            actual: None,
            detail: String::new(),
        };
        assert_eq!(gravest(&[Status::Pass, Status::Fail, Status::Warn].map(check)), Status::Fail);
        assert_eq!(gravest(&[check(Status::Pass), check(Status::Warn)]), Status::Warn);
        assert_eq!(gravest(&[]), Status::Pass);
    }
}
