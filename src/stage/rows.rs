//! What the tables of stages have in common: the columns that say whose figures a row holds, and how rates become cells.

use super::RunSettings;
use crate::calendar::Period;
use crate::check::{Check, Status};
use crate::money::minor_per_major;
use crate::table::{Cell, ColumnSpec, Type, column};
use crate::tally::cohorts::revenue_of;
use crate::timeline::lens::LiveRule;
use crate::timeline::segments::{CellId, SegmentIndex};
use crate::timeline::shape::{Basis, Frame, Maturity, Shape};

/// The first columns of every table by segment.
pub(super) fn segment_columns() -> Vec<ColumnSpec> {
    vec![
        column("segment_id", Type::Int, "number of the segment's value in table `segments`; 0 is everybody"),
        column("segment", Type::Text, "name of the segment; `all` for everybody. Never add up different segments"),
        column("value", Type::Text, "the segment's value; `(none)` where a customer has none, `all` for everybody"),
    ]
}

/// The cells of [`segment_columns`].
pub(super) fn segment_cells(index: &SegmentIndex, cell: CellId) -> [Cell<'_>; 3] {
    let c = &index.cells[cell as usize];
    [i64::from(cell).into(), (&c.segment).into(), (&c.value).into()]
}

/// `numerator / denominator`, NULL where there is nothing to divide by.
pub(super) fn ratio(numerator: i128, denominator: i128) -> Option<f64> {
    (denominator > 0).then(|| numerator as f64 / denominator as f64)
}

/// Money of a customer in a period, in major units, from customers and money at its closing.
pub(super) fn arpa(setting: &RunSettings, period: Period, customers: i64, closing: i128) -> Option<f64> {
    // MRR is by the month; a lifetime in quarters wants a quarter's worth.
    let closing = match setting.basis {
        Basis::Subscriptions => revenue_of(closing, period, None),
        Basis::Transactions => closing,
    };
    (customers > 0).then(|| closing as f64 / customers as f64 / minor_per_major(setting.digits))
}

/// A window of a table's periods under a lens: which periods, and what can be known of each.
pub(super) struct Windowed<'a> {
    pub frame: &'a Frame,
    pub shape: &'a Shape,
    pub rule: LiveRule,
}

impl Windowed<'_> {
    pub(super) fn complete(&self, period: usize) -> bool {
        self.frame.maturity(period) == Maturity::Complete
    }

    /// Under `1 period` who left, and what closes, is not known before the period is over.
    pub(super) fn undecided(&self, period: usize) -> bool {
        self.rule == LiveRule::Period && period + 1 == self.frame.len() && self.frame.last_is_partial()
    }

    /// Starts within one churn window (at least one period) of observed_from, and nobody knows who was there before.
    pub(super) fn left_truncated(&self, period: usize) -> bool {
        if self.shape.has_signed_up {
            return false;
        }
        let from = self.shape.observed_from;
        let one_period = self.frame.grid.period.shift(from, 1);
        let window = match self.rule {
            LiveRule::Window(days) => from.plus(days).max(one_period),
            LiveRule::Learned => {
                let longest = self.shape.learned.frequency_classes.as_ref().map_or(1, |habits| habits.longest());
                from.plus(longest).max(one_period)
            }
            LiveRule::Period | LiveRule::Subscriptions(_) => one_period,
        };
        self.frame.grid.start(period) < window
    }
}

/// Collects violations of an identity over all rows of a table.
pub(super) struct Identity {
    check: &'static str,
    says: &'static str,
    looked: u64,
    violations: Vec<String>,
}

impl Identity {
    pub(super) fn new(check: &'static str, says: &'static str) -> Identity {
        Identity { check, says, looked: 0, violations: vec![] }
    }

    pub(super) fn see(&mut self, left: i128, right: i128, place: impl FnOnce() -> String) {
        self.looked += 1;
        if left != right {
            self.violations.push(format!("{}: {left} is not {right}", place()));
        }
    }

    /// Fails with the first place where the identity does not hold.
    pub(super) fn check(self, subject: &str) -> Check {
        let first = self.violations.first().map(|v| format!("; first at {v}")).unwrap_or_default();
        Check {
            check: self.check.into(),
            subject: subject.into(),
            status: if self.violations.is_empty() { Status::Pass } else { Status::Fail },
            expected: Some(self.looked.to_string()),
            actual: Some((self.looked - self.violations.len() as u64).to_string()),
            detail: format!("{}, exactly{first}", self.says),
        }
    }
}
