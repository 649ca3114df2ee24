//! RFM scores: how recently, how often and for how much a customer bought, compared with all others (DEFINITIONS §8).

use serde::{Deserialize, Serialize};

use super::rows::DayRow;
use crate::calendar::Day;

/// The measures that customers are ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RfmMeasures {
    /// Days from the last activity to the last observed day.
    pub days_since_last: i64,
    pub orders: i64,
    /// Net revenue in minor units, with refunds on days without activity.
    pub revenue: i64,
}

impl RfmMeasures {
    /// The measures of a customer; `None` without activity. `days`: those before as_of.
    pub fn of(days: &[DayRow], as_of: Day) -> Option<RfmMeasures> {
        let last = days.iter().rev().find(|d| d.active > 0)?.day;
        Some(RfmMeasures {
            days_since_last: i64::from(as_of.0) - 1 - i64::from(last.0),
            orders: days.iter().map(|d| i64::from(d.orders)).sum(),
            revenue: days.iter().map(|d| d.net).sum(),
        })
    }
}

/// The cuts of each measure, sorted: a value greater than n of them has the score 1 + n.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scores {
    /// Of −`days_since_last`, so that greater is better.
    pub recency: Vec<i64>,
    pub frequency: Vec<i64>,
    pub monetary: Vec<i64>,
}

/// R, F and M: 1 + ⌊scores·(customers strictly worse)/n⌋ each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rfm {
    pub r: i64,
    pub f: i64,
    pub m: i64,
}

impl Scores {
    /// The scores of a customer.
    pub fn of(&self, bought: &RfmMeasures) -> Rfm {
        let score = |cuts: &[i64], value: i64| 1 + cuts.iter().filter(|cut| value > **cut).count() as i64;
        Rfm {
            r: score(&self.recency, -bought.days_since_last),
            f: score(&self.frequency, bought.orders),
            m: score(&self.monetary, bought.revenue),
        }
    }
}

/// The names of groups of customers by R and F (five scores each), sorted.
pub const RFM_NAMES: [&str; 10] = [
    "at risk",
    "cannot lose",
    "champions",
    "hibernating",
    "lost",
    "loyal",
    "need attention",
    "new",
    "potential loyalists",
    "promising",
];

/// The index of the group's name in [`RFM_NAMES`], for R and F from 1 to 5.
pub fn rfm_name(rfm: Rfm) -> usize {
    let name = match (rfm.r, rfm.f) {
        (5.., 4..) => "champions",
        (3.., 4..) => "loyal",
        (4.., 2..) => "potential loyalists",
        (5.., _) => "new",
        (4, _) => "promising",
        (3, _) => "need attention",
        (_, 5..) => "cannot lose",
        (_, 3..) => "at risk",
        (2, _) => "hibernating",
        (..=1, _) => "lost",
    };
    RFM_NAMES.iter().position(|n| *n == name).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of DEFINITIONS §8.
    #[test]
    fn every_pair_of_scores_has_its_name() {
        assert!(RFM_NAMES.is_sorted());
        let rows = [
            (5, ["new", "potential loyalists", "potential loyalists", "champions", "champions"]),
            (4, ["promising", "potential loyalists", "potential loyalists", "loyal", "loyal"]),
            (3, ["need attention", "need attention", "need attention", "loyal", "loyal"]),
            (2, ["hibernating", "hibernating", "at risk", "at risk", "cannot lose"]),
            (1, ["lost", "lost", "at risk", "at risk", "cannot lose"]),
        ];
        for (r, names) in rows {
            for (f, expected) in (1..).zip(names) {
                assert_eq!(RFM_NAMES[rfm_name(Rfm { r, f, m: 1 })], expected, "R {r}, F {f}");
            }
        }
    }

    /// Orders 1×6, 2×2, 3, 9: the second, fourth, sixth and eighth of ten are 1, 1, 1 and 2.
    #[test]
    fn scores_follow_the_definitions_example() {
        let scores = Scores { frequency: vec![1, 1, 1, 2], ..Scores::default() };
        let f = |orders| scores.of(&RfmMeasures { days_since_last: 0, orders, revenue: 0 }).f;
        assert_eq!([1, 2, 3, 9].map(f), [1, 4, 5, 5]);
    }
}
