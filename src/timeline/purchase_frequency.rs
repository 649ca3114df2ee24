//! How often a customer buys, and after how many days without a purchase they have churned (DEFINITIONS §2).
//!
//! A customer's gaps are the days between one day of activity and the next. Customers with at least [`LEAST_GAPS`] of
//! them are in one of five classes, by the quintile of their mean gap. All others are in a sixth class, whose window is
//! that of all customers together.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::rows::DayRow;
use crate::calendar::Day;

/// The fewest gaps of which a mean is taken.
pub const LEAST_GAPS: u32 = 3;
/// Classes by mean gap.
pub const QUINTILES: usize = 5;
/// The class of those with too few gaps.
pub const FEW: usize = QUINTILES;
/// The names of classes by number. Their texts sort so too: a class is its rank as a segment value.
pub const CLASSES: [&str; QUINTILES + 1] =
    ["1 most often", "2 often", "3 now and then", "4 seldom", "5 least often", "fewer than 3 gaps"];

/// A mean gap as an exact fraction in lowest terms, so that equal means are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MeanGap {
    days: u32,
    gaps: u32,
}

impl MeanGap {
    /// `gaps` ≥ 1 of `days` together.
    pub fn new(days: u32, gaps: u32) -> MeanGap {
        let divisor = greatest_common_divisor(days, gaps).max(1);
        MeanGap { days: days / divisor, gaps: gaps / divisor }
    }
}

impl Ord for MeanGap {
    fn cmp(&self, other: &MeanGap) -> Ordering {
        (u64::from(self.days) * u64::from(other.gaps)).cmp(&(u64::from(other.days) * u64::from(self.gaps)))
    }
}

impl PartialOrd for MeanGap {
    fn partial_cmp(&self, other: &MeanGap) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// A customer's days of activity before some day: the first, the last, and the number of gaps between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurchaseRhythm {
    pub first: Day,
    pub last: Day,
    pub gaps: u32,
}

impl PurchaseRhythm {
    /// `None` without activity before `until`.
    pub fn before(days: &[DayRow], until: Day) -> Option<PurchaseRhythm> {
        let mut active = days.iter().take_while(|d| d.day < until).filter(|d| d.active > 0);
        let first = active.next()?.day;
        let (last, gaps) = active.fold((first, 0), |(_, gaps), d| (d.day, gaps + 1));
        Some(PurchaseRhythm { first, last, gaps })
    }

    /// The mean gap; `None` with fewer than [`LEAST_GAPS`] gaps.
    pub fn mean_gap(&self) -> Option<MeanGap> {
        (self.gaps >= LEAST_GAPS).then(|| MeanGap::new((self.last.0 - self.first.0) as u32, self.gaps))
    }
}

/// The mean gaps that separate the classes: a class above the first has mean gaps greater than its cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrequencyCuts(pub Vec<MeanGap>);

impl FrequencyCuts {
    /// The class, from 0: ⌊5·(customers with a smaller mean gap)/n⌋, or [`FEW`].
    pub fn class(&self, rhythm: Option<PurchaseRhythm>) -> usize {
        let Some(mean) = rhythm.and_then(|r| r.mean_gap()) else { return FEW };
        self.0.iter().filter(|cut| mean > **cut).count()
    }
}

/// What was learned from the gaps of a class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrequencyClass {
    pub customers: u64,
    /// Gaps that ended in a purchase.
    pub intervals: u64,
    /// Last gaps of customers, that had not ended in a purchase when the learning ended.
    pub censored: u64,
    /// The share of gaps that end in another purchase, as far as was observed: 1 − S at the end of the Kaplan–Meier
    /// curve; `None` without a gap at risk.
    pub share_returning: Option<f64>,
    /// The churn window: a customer has churned after so many days without activity.
    pub window: i32,
}

/// What was learned about all classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrequencyClasses {
    /// Exclusive: days from here on were not used.
    pub until: Day,
    /// The share of the returning customers of a class who return within its window.
    pub quantile: f64,
    pub cuts: FrequencyCuts,
    pub classes: [FrequencyClass; QUINTILES + 1],
    /// All customers together.
    pub everybody: FrequencyClass,
}

impl FrequencyClasses {
    /// The class of a customer, by their days before [`until`](FrequencyClasses::until).
    pub fn class(&self, days: &[DayRow]) -> usize {
        self.cuts.class(PurchaseRhythm::before(days, self.until))
    }

    /// The customer's own churn window in days.
    pub fn window(&self, days: &[DayRow]) -> i32 {
        self.classes[self.class(days)].window
    }

    /// The longest window of any class.
    pub fn longest(&self) -> i32 {
        self.classes.iter().map(|c| c.window).max().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(on: &[i32]) -> Vec<DayRow> {
        on.iter().map(|day| DayRow { day: Day(*day), active: 1, orders: 1, net: 100 }).collect()
    }

    #[test]
    fn mean_gaps_are_exact_fractions() {
        assert_eq!(MeanGap::new(6, 4), MeanGap::new(3, 2));
        assert!(MeanGap::new(10, 3) > MeanGap::new(333, 100) && MeanGap::new(10, 3) < MeanGap::new(334, 100));
    }

    #[test]
    fn a_mean_gap_takes_three_gaps_before_the_day() {
        let three = days(&[0, 2, 4, 9]);
        assert_eq!(PurchaseRhythm::before(&three, Day(100)).unwrap().mean_gap(), Some(MeanGap::new(3, 1)));
        assert_eq!(PurchaseRhythm::before(&three, Day(9)).unwrap().mean_gap(), None);
        assert_eq!(PurchaseRhythm::before(&three, Day(0)), None);
        let refunds = [DayRow { day: Day(3), active: 0, orders: 0, net: -5 }];
        assert_eq!(PurchaseRhythm::before(&refunds, Day(9)), None);
    }

    #[test]
    fn classes_begin_beyond_their_cuts() {
        let cuts = FrequencyCuts([1, 2, 2, 7].map(|d| MeanGap::new(d, 1)).to_vec());
        let class = |mean: i32| cuts.class(PurchaseRhythm::before(&days(&[0, mean, 2 * mean, 3 * mean]), Day(1000)));
        assert_eq!([1, 2, 3, 7, 8].map(class), [0, 1, 3, 3, 4]);
        assert_eq!(cuts.class(PurchaseRhythm::before(&days(&[0, 1, 2]), Day(1000))), FEW);
    }

    #[test]
    fn class_names_sort_as_their_numbers_do() {
        assert!(CLASSES.is_sorted());
    }
}
