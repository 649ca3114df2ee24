//! The churn window: how long a silence has to last to count as churn, from the gaps between purchases (DEFINITIONS §2).

use super::survival::EventTable;
use super::survival::kaplan_meier::{Confidence, Curve};

/// A churn window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChurnWindow {
    /// The window in days: the smallest d with F(d) ≥ q·F(d_max).
    pub days: u32,
    /// F(d_max): the share of gaps that end in a purchase within the observed time.
    pub share_returning: f64,
}

/// A value this close to a level counts as equal to it. This is far above the rounding of a long product, and far below any
/// step that one gap makes.
const ON_LEVEL: f64 = 1e-9;

/// Estimates the churn window from gaps in days. F = 1 − S is estimated by Kaplan & Meier 1958 (JASA 53:457), with gaps that
/// have not ended yet as censored.
///
/// Completed gaps alone would give too short a window, because long gaps are more often still open. F is compared with its
/// own last value, because customers who never buy again have no gap to wait for.
///
/// # Parameters
/// - `gaps`: the gaps between purchases; an event is a purchase.
/// - `quantile`: q in (0, 1], the share of those who buy again that has done so within the window.
///
/// # Returns
/// The window; `None` if no gap ever ended.
pub fn churn_window(gaps: &EventTable, quantile: f64) -> Option<ChurnWindow> {
    let curve = Curve::new(gaps, Confidence::Plain);
    let share_returning = 1.0 - curve.rows.last()?.survival;
    let level = quantile * share_returning - ON_LEVEL;
    let row = curve.rows.iter().find(|row| row.events > 0 && 1.0 - row.survival >= level)?;
    Some(ChurnWindow { days: row.time, share_returning })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::survival::ObservedSpell;

    fn gaps(ended: &[u32], open: &[u32]) -> EventTable {
        let gap = |event| move |end: &u32| ObservedSpell { entry: 0, end: *end, event, customers: 1 };
        EventTable::from_spells(ended.iter().map(gap(true)).chain(open.iter().map(gap(false)))).unwrap()
    }

    #[test]
    fn all_gaps_closed_is_a_plain_quantile() {
        let ended: Vec<u32> = (1..=20).collect();
        assert_eq!(churn_window(&gaps(&ended, &[]), 0.95), Some(ChurnWindow { days: 19, share_returning: 1.0 }));
        assert_eq!(churn_window(&gaps(&ended, &[]), 1.0).unwrap().days, 20);
        assert_eq!(churn_window(&gaps(&ended, &[]), 0.01).unwrap().days, 1);
    }

    /// Two of four gaps end on days 2 and 10, one is open since day 5, one since day 20: S = 3/4 from 2, 3/8 from 10.
    #[test]
    fn open_gaps_wait_longer() {
        let event_table = gaps(&[2, 10], &[5, 20]);
        assert_eq!(churn_window(&event_table, 0.4).unwrap(), ChurnWindow { days: 2, share_returning: 0.625 });
        assert_eq!(churn_window(&event_table, 0.5).unwrap().days, 10);
    }

    #[test]
    fn nobody_who_comes_back_teaches_nothing() {
        assert_eq!(churn_window(&gaps(&[], &[3, 9]), 0.95), None);
        assert_eq!(churn_window(&EventTable::default(), 0.95), None);
    }
}
