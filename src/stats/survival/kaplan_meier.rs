//! The Kaplan–Meier (product-limit) estimator of the share of customers who are still there after a time.

use libm::{exp, log, sqrt};

use crate::stats::proportion::Z95;
use crate::stats::survival::{EventTable, RiskSet};

/// The scale on which a 95 % interval of S is symmetric, σ² = Σ d/(n(n−d)) being the variance of ln S.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confidence {
    /// S^exp(±z·σ/ln S): stays within (0, 1) by itself and covers best in small groups (Kalbfleisch & Prentice 1980).
    #[default]
    LogLog,
    /// S·exp(±z·σ), at most 1: the default of R's `survfit`.
    Log,
    /// S ± z·σ·S, cut to [0, 1].
    Plain,
}

impl Confidence {
    /// The interval of `survival`, given the standard error `sigma` of its logarithm. `None`, as R's `NA`, at S = 0, where σ
    /// is infinite, and on the log-log scale at S = 1.
    fn interval(self, survival: f64, sigma: f64) -> Option<(f64, f64)> {
        let reach = Z95 * sigma;
        match self {
            _ if survival <= 0.0 => None,
            Confidence::LogLog if survival >= 1.0 => None,
            Confidence::LogLog => {
                let ln = log(survival);
                let factor = exp(reach / ln);
                Some((exp(ln / factor), exp(ln * factor)))
            }
            Confidence::Log => Some((survival * exp(-reach), (survival * exp(reach)).min(1.0))),
            Confidence::Plain => Some(((survival * (1.0 - reach)).max(0.0), (survival * (1.0 + reach)).min(1.0))),
        }
    }
}

/// The curve at a time at which at least one spell at risk ended or was censored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurveRow {
    /// The time, in units since the spells began.
    pub time: u32,
    /// n, the number at risk: entry < time ≤ end.
    pub at_risk: u64,
    /// d, the number of these that end at this time.
    pub events: u64,
    /// The number of these that are last observed at this time.
    pub censored: u64,
    /// S = Π (1 − d/n) over the times up to and including this one.
    pub survival: f64,
    /// The standard error of S, σ·S (Greenwood 1926); `None` at S = 0.
    pub std_error: Option<f64>,
    /// The lower end of the 95 % interval of S, see [`Confidence`].
    pub ci_low: Option<f64>,
    /// The upper end.
    pub ci_high: Option<f64>,
    /// d/n: the share of those at risk that ends at this time.
    pub hazard: f64,
}

/// The time at which the curve falls to a level, with a 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QuantileTime {
    /// The time; `None` if the curve stays above the level to its end.
    pub time: Option<f64>,
    /// The time at which the lower end of the curve's interval falls to the level; `None` if it does not.
    pub ci_low: Option<f64>,
    /// The time at which the upper end does so.
    pub ci_high: Option<f64>,
}

/// The restricted mean survival time: the mean of min(T, `to`), T a spell's length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RestrictedMean {
    /// The horizon, or the last observed time if that is earlier, because the curve is not extrapolated.
    pub to: u32,
    /// The mean, in units of time.
    pub mean: f64,
    /// Its standard error.
    pub std_error: f64,
}

/// The Kaplan–Meier curve S(t), a step function that starts at S(0) = 1 (Kaplan & Meier 1958, JASA 53:457).
///
/// # Example
/// Remission of leukaemia in weeks under maintenance chemotherapy (R's data set `aml`); R's `survfit` prints a survival of
/// 0.818 with a standard error of 0.1163 at week 13, and a median of 31 weeks.
/// ```
/// use tenure::stats::survival::kaplan_meier::{Confidence, Curve};
/// use tenure::stats::survival::{EventTable, ObservedSpell};
///
/// let spell = |(end, event)| ObservedSpell { entry: 0, end, event, customers: 1 };
/// let relapsed = [9, 13, 18, 23, 31, 34, 48].map(|week| spell((week, true)));
/// let in_remission = [13, 28, 45, 161].map(|week| spell((week, false)));
/// let table = EventTable::from_spells(relapsed.into_iter().chain(in_remission)).unwrap();
/// let curve = Curve::new(&table, Confidence::Log);
/// assert!((curve.survival(13).unwrap() - 0.818).abs() < 5e-4);
/// assert!((curve.rows[1].std_error.unwrap() - 0.1163).abs() < 5e-5);
/// assert_eq!(curve.median().time, Some(31.0));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// The curve, ascending by time; empty if no spell was ever at risk.
    pub rows: Vec<CurveRow>,
    /// The number of spells, those never at risk included.
    pub customers: u64,
    /// The number of events among spells at risk.
    pub events: u64,
    /// Spells that end no later than they enter (such as those of length 0). They are in no row.
    pub never_at_risk: u64,
    /// For people: where late entry leaves nobody at risk, and what the curve does there.
    pub notes: Vec<String>,
}

/// A value this close to a level counts as equal to it. This is far above the rounding of a long product, and far below any
/// step that one customer makes.
const ON_LEVEL: f64 = 1e-9;

impl Curve {
    /// Estimates the curve, with 95 % intervals that are symmetric on the given scale. It has no row if no spell was ever
    /// at risk.
    pub fn new(event_table: &EventTable, confidence: Confidence) -> Curve {
        let (mut survival, mut variance) = (1.0, 0.0);
        let mut rows = vec![];
        for set in event_table.risk_sets().filter(|s| s.events + s.censored > 0) {
            let (n, d) = (set.at_risk as f64, set.events as f64);
            let left = (set.at_risk - set.events) as f64;
            survival *= left / n;
            if left > 0.0 {
                variance += d / n / left;
            }
            let sigma = sqrt(variance);
            let interval = confidence.interval(survival, sigma);
            rows.push(CurveRow {
                time: set.time,
                at_risk: set.at_risk,
                events: set.events,
                censored: set.censored,
                survival,
                std_error: (survival > 0.0).then_some(survival * sigma),
                ci_low: interval.map(|i| i.0),
                ci_high: interval.map(|i| i.1),
                hazard: d / n,
            });
        }
        let [customers, events, never_at_risk] =
            [event_table.customers(), event_table.events(), event_table.never_at_risk()];
        Curve { rows, customers, events, never_at_risk, notes: notes(event_table) }
    }

    /// S at `time`; `None` after the last observed time, unless S is 0 by then, and for an empty curve.
    pub fn survival(&self, time: u32) -> Option<f64> {
        let last = self.rows.last()?;
        let before = self.rows.partition_point(|r| r.time <= time);
        (time <= last.time || last.survival == 0.0)
            .then(|| if before == 0 { 1.0 } else { self.rows[before - 1].survival })
    }

    /// The median time: the first time with S ≤ ½, or the midpoint of the stretch on which S equals ½. The interval has the
    /// times at which the ends of the curve's interval do the same (Brookmeyer & Crowley 1982, Biometrics 38:29, on the
    /// chosen scale), as R prints it. `None` for an end that is never reached.
    pub fn median(&self) -> QuantileTime {
        self.quantile(0.5)
    }

    /// The time by which the share `gone`, in (0, 1], has left; computed as [`Curve::median`] is for ½. All `None` for
    /// another share.
    pub fn quantile(&self, gone: f64) -> QuantileTime {
        if !(gone > 0.0 && gone <= 1.0) {
            return QuantileTime::default();
        }
        let level = 1.0 - gone;
        let reach = |of: fn(&CurveRow) -> Option<f64>| {
            let mut curve = self.rows.iter().filter_map(|r| Some((f64::from(r.time), of(r)?)));
            let (time, on) = curve.find(|(_, s)| *s < level + ON_LEVEL)?;
            let below = if on > level - ON_LEVEL { curve.find(|(_, s)| *s <= level - ON_LEVEL) } else { None };
            Some(below.map_or(time, |(below, _)| (time + below) / 2.0))
        };
        QuantileTime { time: reach(|r| Some(r.survival)), ci_low: reach(|r| r.ci_low), ci_high: reach(|r| r.ci_high) }
    }

    /// The first time d by which the share `share` of those who were ever observed to leave has left: F(d) ≥ share·F(last),
    /// F = 1 − S. For gaps between purchases this is a churn window (DEFINITIONS §2). `None` without events.
    pub fn window(&self, share: f64) -> Option<u32> {
        let all = 1.0 - self.rows.last()?.survival;
        // Rounding must not ask for more than the last row has.
        let gone = |r: &&CurveRow| 1.0 - r.survival >= share.min(1.0) * all - ON_LEVEL * all;
        (all > 0.0).then(|| self.rows.iter().find(gone).map(|r| r.time))?
    }

    /// The area under S up to `horizon`, by default the last observed time. It is the mean of min(T, horizon), with variance
    /// Σ A(t)²·d/(n(n−d)), where A(t) is the area from t on (Irwin 1949; Klein & Moeschberger 2003, 4.5.2).
    ///
    /// `None` if no spell was ever at risk.
    pub fn restricted_mean(&self, horizon: Option<u32>) -> Option<RestrictedMean> {
        let last = self.rows.last()?;
        let to = match horizon {
            Some(h) if h <= last.time || last.survival == 0.0 => h,
            _ => last.time,
        };
        // Backwards, so that the area so far is A(t).
        let (mut until, mut area, mut variance) = (to, 0.0, 0.0);
        for row in self.rows.iter().rev().filter(|r| r.time < to) {
            area += row.survival * f64::from(until - row.time);
            until = row.time;
            let (n, left) = (row.at_risk as f64, (row.at_risk - row.events) as f64);
            if left > 0.0 {
                variance += area * area * (row.events as f64 / n / left);
            }
        }
        Some(RestrictedMean { to, mean: area + f64::from(until), std_error: sqrt(variance) })
    }
}

/// Notes on where late entry leaves nobody at risk, and what the curve does there.
fn notes(event_table: &EventTable) -> Vec<String> {
    let sets: Vec<RiskSet> = event_table.risk_sets().collect();
    let mut notes = vec![];
    let Some(first) = sets.first() else { return notes };
    if first.time > 0 {
        notes.push(format!("no spell is observed before {}: the curve is of spells that lasted that long", first.time));
    }
    let gaps: Vec<&[RiskSet]> = sets.windows(2).filter(|w| w[1].at_risk == 0).collect();
    if let Some(gap) = gaps.first() {
        let times = if gaps.len() > 1 { format!(", and {} more times", gaps.len() - 1) } else { String::new() };
        let (from, to) = (gap[0].time, gap[1].time);
        notes.push(format!("nobody is at risk after {from} up to {to}{times}: the curve is constant there"));
    }
    let zero = sets.iter().position(|s| s.at_risk > 0 && s.events == s.at_risk);
    let later = zero.map_or(0, |i| sets[i..].iter().map(|s| s.entered).sum());
    if let Some(i) = zero.filter(|_| later > 0) {
        let at = sets[i].time;
        notes.push(format!("all at risk at {at} left then, and the curve stays 0, although {later} entered later"));
    }
    notes
}

#[cfg(test)]
mod tests;
