//! The share still there after a time, by the product-limit estimator.

use libm::{exp, log, sqrt};

use crate::stats::proportion::Z95;
use crate::stats::survival::{Life, RiskSet};

/// The scale on which a 95 % interval of S is symmetric, σ² = Σ d/(n(n−d)) being the variance of ln S.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confidence {
    /// S^exp(±z·σ/ln S): stays within (0, 1) by itself and covers best in small groups (Kalbfleisch & Prentice 1980).
    #[default]
    LogLog,
    /// S·exp(±z·σ), at most 1: what R prints unless told otherwise.
    Log,
    /// S ± z·σ·S, cut to [0, 1].
    Plain,
}

impl Confidence {
    /// The interval of `survival` with the standard error `sigma` of its logarithm. `None` where the scale has no such
    /// point, as R's `NA`: all of them at S = 0, where σ is infinite, and log-log at S = 1.
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

/// A time at which somebody at risk ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    pub time: u32,
    /// n: entry < time ≤ end.
    pub at_risk: u64,
    /// d.
    pub events: u64,
    pub censored: u64,
    /// S = Π (1 − d/n) over the times up to this one.
    pub survival: f64,
    /// σ·S (Greenwood 1926); `None` at S = 0.
    pub std_error: Option<f64>,
    /// 95 %, see [`Confidence`].
    pub ci_low: Option<f64>,
    pub ci_high: Option<f64>,
    /// d/n: the share of those at risk that goes at this very time.
    pub hazard: f64,
}

/// A time at which the curve falls to a level, and where the ends of its interval do so.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reached {
    /// `None`: the curve stays above the level as far as it was seen.
    pub time: Option<f64>,
    pub ci_low: Option<f64>,
    pub ci_high: Option<f64>,
}

/// The mean of min(T, `to`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RestrictedMean {
    /// The horizon, or the last time seen where that is earlier: the curve is not extrapolated.
    pub to: u32,
    pub mean: f64,
    pub std_error: f64,
}

/// S(t), a step function from S(0) = 1 on (Kaplan & Meier 1958, JASA 53:457).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// By time, ascending; empty if nobody was ever at risk.
    pub rows: Vec<Row>,
    /// Spells, those never at risk included.
    pub customers: u64,
    /// Events among those at risk.
    pub events: u64,
    /// Spells that are over no later than they enter (a length of 0): in no row.
    pub never_at_risk: u64,
    /// What late entry does to the curve, in words.
    pub notes: Vec<String>,
}

/// So near to a level counts as on it: far above the rounding of a long product, far below any step one customer makes.
const ON_LEVEL: f64 = 1e-9;

impl Curve {
    pub fn new(life: &Life, confidence: Confidence) -> Curve {
        let (mut survival, mut variance) = (1.0, 0.0);
        let mut rows = vec![];
        for set in life.risk_sets().filter(|s| s.events + s.censored > 0) {
            let (n, d) = (set.at_risk as f64, set.events as f64);
            let left = (set.at_risk - set.events) as f64;
            survival *= left / n;
            if left > 0.0 {
                variance += d / n / left;
            }
            let sigma = sqrt(variance);
            let interval = confidence.interval(survival, sigma);
            rows.push(Row {
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
        let [customers, events, never_at_risk] = [life.customers(), life.events(), life.never_at_risk()];
        Curve { rows, customers, events, never_at_risk, notes: notes(life) }
    }

    /// S at `time`; `None` beyond the last time seen, unless nobody was left by then.
    pub fn survival(&self, time: u32) -> Option<f64> {
        let last = self.rows.last()?;
        let before = self.rows.partition_point(|r| r.time <= time);
        (time <= last.time || last.survival == 0.0)
            .then(|| if before == 0 { 1.0 } else { self.rows[before - 1].survival })
    }

    /// The median time: the first with S ≤ ½, or the midpoint of the stretch on which S is just ½. Its interval has the
    /// first times at which the ends of the curve's interval do so (Brookmeyer & Crowley 1982, Biometrics 38:29, on the
    /// chosen scale), as R prints it; an end that is never reached is `None`.
    pub fn median(&self) -> Reached {
        self.quantile(0.5)
    }

    /// The time by which the share `gone`, in (0, 1], has left, as [`Curve::median`] for ½.
    pub fn quantile(&self, gone: f64) -> Reached {
        if !(gone > 0.0 && gone <= 1.0) {
            return Reached::default();
        }
        let level = 1.0 - gone;
        let reach = |of: fn(&Row) -> Option<f64>| {
            let mut curve = self.rows.iter().filter_map(|r| Some((f64::from(r.time), of(r)?)));
            let (time, on) = curve.find(|(_, s)| *s < level + ON_LEVEL)?;
            let below = if on > level - ON_LEVEL { curve.find(|(_, s)| *s <= level - ON_LEVEL) } else { None };
            Some(below.map_or(time, |(below, _)| (time + below) / 2.0))
        };
        Reached { time: reach(|r| Some(r.survival)), ci_low: reach(|r| r.ci_low), ci_high: reach(|r| r.ci_high) }
    }

    /// The first time d by which the share `share` of those ever seen to go has gone: F(d) ≥ share·F(last), F = 1 − S.
    /// Gaps between purchases make a churn window of it (DEFINITIONS §2). `None` without events.
    pub fn window(&self, share: f64) -> Option<u32> {
        let all = 1.0 - self.rows.last()?.survival;
        // The last row has gone as far as any: rounding must not ask for more.
        let gone = |r: &&Row| 1.0 - r.survival >= share.min(1.0) * all - ON_LEVEL * all;
        (all > 0.0).then(|| self.rows.iter().find(gone).map(|r| r.time))?
    }

    /// The area under S up to `horizon`, by default the last time seen: the mean of min(T, horizon), with
    /// Var = Σ A(t)²·d/(n(n−d)), A(t) the area from t on (Irwin 1949; Klein & Moeschberger 2003, 4.5.2).
    ///
    /// `None` if nobody was ever at risk.
    pub fn restricted_mean(&self, horizon: Option<u32>) -> Option<RestrictedMean> {
        let last = self.rows.last()?;
        let to = match horizon {
            Some(h) if h <= last.time || last.survival == 0.0 => h,
            _ => last.time,
        };
        // Backwards: what lies to the right of a time is its A.
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

/// Where late entry leaves nobody at risk, and what the curve does there.
fn notes(life: &Life) -> Vec<String> {
    let sets: Vec<RiskSet> = life.risk_sets().collect();
    let mut notes = vec![];
    let Some(first) = sets.first() else { return notes };
    if first.time > 0 {
        notes.push(format!("nobody is seen before {}: the curve tells of those who got so far", first.time));
    }
    let gaps: Vec<&[RiskSet]> = sets.windows(2).filter(|w| w[1].at_risk == 0).collect();
    if let Some(gap) = gaps.first() {
        let times = if gaps.len() > 1 { format!(", and {} more times", gaps.len() - 1) } else { String::new() };
        let (from, to) = (gap[0].time, gap[1].time);
        notes.push(format!("nobody is at risk after {from} up to {to}{times}: the curve stays where it was"));
    }
    let zero = sets.iter().position(|s| s.at_risk > 0 && s.events == s.at_risk);
    let later = zero.map_or(0, |i| sets[i..].iter().map(|s| s.entered).sum());
    if let Some(i) = zero.filter(|_| later > 0) {
        let at = sets[i].time;
        notes.push(format!("all at risk at {at} left then, before {later} more came in: the curve is 0 from there on"));
    }
    notes
}

#[cfg(test)]
mod tests;
