//! Segments that the program computes: a customer has one value of each, as of as_of.
//!
//! The values depend on the whole history: a customer is `lost` because of what they did later. Such segments describe
//! customers, but cannot explain why they left.

use std::sync::Arc;

use super::purchase_frequency::CLASSES;
use super::rows::DayRow;
use super::scores::{RFM_NAMES, RfmMeasures, rfm_name};
use super::shape::Shape;
use crate::calendar::Day;
use crate::rows::NO_VALUE;

/// A segment that the program computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Builtin {
    /// The class of the mean gap between purchases.
    Frequency,
    /// The RFM name, by the scores for recency and frequency.
    Rfm,
    /// The year of the first activity, or of the first paid day.
    CohortYear,
    /// The time from that day to as_of.
    Tenure,
}

/// The classes of tenure in the order of their text, with the whole months from which each begins.
const TENURES: [(&str, i32); 6] = [
    ("00-02 months", 0),
    ("03-05 months", 3),
    ("06-11 months", 6),
    ("12-23 months", 12),
    ("24-35 months", 24),
    ("36+ months", 36),
];

impl Builtin {
    pub const ALL: [(&'static str, Builtin); 4] = [
        ("frequency", Builtin::Frequency),
        ("rfm", Builtin::Rfm),
        ("cohort_year", Builtin::CohortYear),
        ("tenure", Builtin::Tenure),
    ];

    /// Every value that customers may have, sorted. Years go from the first record to as_of.
    pub fn values(self, first_day: Day, as_of: Day) -> Vec<Arc<str>> {
        let texts = |all: &[&str]| all.iter().map(|t| Arc::from(*t)).collect();
        match self {
            Builtin::Frequency => texts(&CLASSES),
            Builtin::Rfm => texts(&RFM_NAMES),
            Builtin::CohortYear => (year(first_day)..=year(as_of.plus(-1))).map(|y| format!("{y:04}").into()).collect(),
            Builtin::Tenure => texts(&TENURES.map(|(name, _)| name)),
        }
    }

    /// The rank of a customer's value, [`NO_VALUE`] if they have none. `days`: those before as_of. `first`: the first
    /// day of activity or of paid time.
    pub fn rank(self, shape: &Shape, days: &[DayRow], first: Option<Day>) -> u32 {
        let rank = match self {
            Builtin::Frequency => {
                let frequency_classes = shape.learned.frequency_classes.as_ref();
                frequency_classes.filter(|_| days.iter().any(|d| d.active > 0)).map(|h| h.class(days))
            }
            Builtin::Rfm => {
                let scores = shape.learned.scores.as_ref();
                scores.and_then(|s| Some(rfm_name(s.of(&RfmMeasures::of(days, shape.as_of)?))))
            }
            Builtin::CohortYear => first.map(|day| (year(day) - year(shape.first_day)).max(0) as usize),
            Builtin::Tenure => first.map(|day| {
                let reached = |months: i32| day.plus_months(months) <= shape.as_of.plus(-1);
                TENURES.iter().rposition(|(_, months)| reached(*months)).unwrap_or(0)
            }),
        };
        rank.map_or(NO_VALUE, |rank| rank as u32)
    }
}

/// The year. As text of four digits years sort as numbers do.
fn year(day: Day) -> i16 {
    day.civil().year().max(0)
}
