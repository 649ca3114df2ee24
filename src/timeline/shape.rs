//! The shape of the data: what the scan found out and all later steps use. The observed window, the grids of periods,
//! the values of segments, exchange rates.

use std::sync::{Arc, OnceLock};

use jiff::civil::Weekday;

use super::labels::Labels;
use super::purchase_frequency::FrequencyClasses;
use super::scores::Scores;
use super::segments::SegmentDictionary;
use crate::calendar::{Day, Grid, Period};
use crate::exchange::{ConversionError, CurrencyCode, ExchangeRates, OWN_CURRENCY, Rate};

/// The source that decides when a customer is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Basis {
    Transactions,
    Subscriptions,
}

/// Acquisition costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CostRow {
    /// The first day of the time that the amount was spent for.
    pub day: Day,
    /// Minor units.
    pub amount: i64,
    /// The number of rows of the export in this sum.
    pub rows: u64,
    /// A rank of [`Labels::channels`]; [`NO_VALUE`](crate::rows::NO_VALUE) without a channel.
    pub channel: u32,
}

/// What a run learns from all customers and then evaluates them with. `None`: not learned yet, or not used in this run.
#[derive(Clone, Debug, Default)]
pub struct Learned {
    pub frequency_classes: Option<Arc<FrequencyClasses>>,
    pub scores: Option<Arc<Scores>>,
}

/// Facts about the data of a run.
#[derive(Clone, Debug)]
pub struct Shape {
    pub basis: Basis,
    /// The observed window is `[observed_from, as_of)`.
    pub observed_from: Day,
    pub as_of: Day,
    /// The first day of the grids of periods: history may begin before the window.
    pub first_day: Day,
    pub week_start: Weekday,
    pub integer_ids: bool,
    /// Source `transactions` is mapped, so that orders and revenue are known (on the subscriptions basis, too).
    pub has_transactions: bool,
    /// `customers.signed_up_at` is mapped, so that first spells can be told from returns.
    pub has_signed_up: bool,
    pub dictionary: Arc<SegmentDictionary>,
    pub costs: Arc<[CostRow]>,
    pub labels: Arc<Labels>,
    /// Exchange rates to `money.currency`.
    pub rates: Arc<ExchangeRates>,
    /// The results that earlier rounds published.
    pub learned: Learned,
    frames: [OnceLock<Arc<Frame>>; 5],
}

impl Shape {
    #[expect(clippy::too_many_arguments, reason = "plain facts, built once")]
    pub fn new(
        basis: Basis,
        (observed_from, as_of): (Day, Day),
        first_day: Day,
        week_start: Weekday,
        integer_ids: bool,
        has_transactions: bool,
        has_signed_up: bool,
        dictionary: SegmentDictionary,
    ) -> Shape {
        Shape {
            basis,
            observed_from,
            as_of,
            first_day: first_day.min(observed_from),
            week_start,
            integer_ids,
            has_transactions,
            has_signed_up,
            dictionary: Arc::new(dictionary),
            costs: Arc::default(),
            labels: Arc::default(),
            rates: Arc::default(),
            learned: Learned::default(),
            frames: Default::default(),
        }
    }

    pub fn with_costs(self, costs: Vec<CostRow>) -> Shape {
        Shape { costs: costs.into(), ..self }
    }

    pub fn with_labels(self, labels: Labels) -> Shape {
        Shape { labels: labels.into(), ..self }
    }

    pub fn with_rates(self, rates: Arc<ExchangeRates>) -> Shape {
        Shape { rates, frames: Default::default(), ..self }
    }

    pub fn with_frequency_classes(self, frequency_classes: Arc<FrequencyClasses>) -> Shape {
        Shape { learned: Learned { frequency_classes: Some(frequency_classes), ..self.learned }, ..self }
    }

    pub fn with_scores(self, scores: Arc<Scores>) -> Shape {
        Shape { learned: Learned { scores: Some(scores), ..self.learned }, ..self }
    }

    /// The periods of one kind, from the first record to as_of. Computed once.
    pub fn frame(&self, period: Period) -> &Arc<Frame> {
        self.frames[period as usize].get_or_init(|| {
            let grid = Grid::new(period, self.week_start, self.first_day, self.as_of);
            let window = grid.at(self.observed_from);
            Arc::new(Frame {
                grid,
                window,
                observed_from: self.observed_from,
                as_of: self.as_of,
                rates: self.rates.clone(),
                worths: (0..self.rates.currencies()).map(|_| OnceLock::new()).collect(),
            })
        })
    }
}

/// How far a period or a cohort cell lies in the observed window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maturity {
    Complete,
    Partial,
    NotObservable,
}

impl Maturity {
    pub fn name(self) -> &'static str {
        match self {
            Maturity::Complete => "complete",
            Maturity::Partial => "partial",
            Maturity::NotObservable => "not_observable",
        }
    }
}

/// The exchange rate at each boundary; `None` where there is none.
type AtBoundaries = Box<[Option<Rate>]>;

/// The periods of one kind over all records, and the window within them.
///
/// Boundary `b` is the start of period `b`, except that the last one, `len()`, is as_of: a customer is live at a
/// boundary when live on the day before it.
#[derive(Debug)]
pub struct Frame {
    pub grid: Grid,
    /// The period of observed_from: tables start with it.
    pub window: usize,
    observed_from: Day,
    as_of: Day,
    rates: Arc<ExchangeRates>,
    /// The exchange rates of each currency, computed when they are first used.
    worths: Box<[OnceLock<AtBoundaries>]>,
}

impl Frame {
    #[expect(clippy::len_without_is_empty, reason = "there is at least one period")]
    /// The number of periods.
    pub fn len(&self) -> usize {
        self.grid.len()
    }

    /// The periods of the window.
    pub fn periods(&self) -> std::ops::Range<usize> {
        self.window..self.len()
    }

    /// Whether a period lies in the window wholly, in part, or not at all.
    pub fn maturity(&self, period: usize) -> Maturity {
        if period >= self.len() || self.grid.end(period) <= self.observed_from {
            Maturity::NotObservable
        } else if self.grid.start(period) >= self.observed_from && self.grid.end(period) <= self.as_of {
            Maturity::Complete
        } else {
            Maturity::Partial
        }
    }

    /// True if the last period ends after as_of.
    pub fn last_is_partial(&self) -> bool {
        self.grid.end(self.len() - 1) > self.as_of
    }

    /// The day of a boundary.
    pub fn boundary(&self, b: usize) -> Day {
        if b == self.len() { self.as_of } else { self.grid.start(b) }
    }

    /// Converts `units` minor units of a currency at the exchange rate of a boundary's day, to minor units of
    /// `money.currency`.
    ///
    /// # Errors
    /// There is no rate, or the result is too large.
    pub fn worth(&self, currency: CurrencyCode, units: i64, boundary: usize) -> Result<i64, ConversionError> {
        if currency == OWN_CURRENCY || units == 0 {
            return Ok(units);
        }
        let boundary = boundary.min(self.len());
        let missing = ConversionError::Missing(self.boundary(boundary), currency);
        let worths = self.worths.get(usize::from(currency) - 1).ok_or(missing)?;
        let known =
            worths.get_or_init(|| (0..=self.len()).map(|b| self.rates.at(currency, self.boundary(b))).collect());
        self.rates.worth(currency, units, known[boundary].ok_or(missing)?)
    }

    /// The last boundary on or before a day; the first boundary if there is none.
    pub fn boundary_by(&self, day: Day) -> usize {
        let next = self.boundary_at_or_after(day).min(self.len());
        if self.boundary(next) <= day { next } else { next.saturating_sub(1) }
    }

    /// The first boundary at or after `day`; `len() + 1` if there is none.
    pub fn boundary_at_or_after(&self, day: Day) -> usize {
        if day > self.as_of { self.len() + 1 } else { self.grid.boundary_at_or_after(day).min(self.len()) }
    }

    /// The first boundary at which something that began on `day` counts.
    pub fn seen_from(&self, day: Day) -> usize {
        self.boundary_at_or_after(day.plus(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maturity_and_boundaries_of_a_cut_window() {
        let day = |t| Day::parse(t).unwrap();
        let window = (day("2011-01-15"), day("2011-04-10"));
        let dictionary = SegmentDictionary::default();
        let first = day("2010-11-20");
        let s = Shape::new(Basis::Transactions, window, first, Weekday::Monday, true, true, false, dictionary);
        let f = s.frame(Period::Month);
        assert_eq!((f.len(), f.periods()), (6, 2..6));
        use Maturity::*;
        let maturity: Vec<_> = (0..7).map(|p| f.maturity(p)).collect();
        assert_eq!(maturity, [NotObservable, NotObservable, Partial, Complete, Complete, Partial, NotObservable]);
        assert!(f.last_is_partial());
        assert_eq!(f.boundary(6), day("2011-04-10"));
        assert_eq!(f.seen_from(day("2011-03-31")), 5);
        assert_eq!(f.seen_from(day("2011-04-01")), 6);
        assert_eq!(f.seen_from(day("2011-04-09")), 6);
        assert_eq!(f.seen_from(day("2011-04-10")), 7);
    }
}
