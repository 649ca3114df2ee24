//! DEFINITIONS §7: how long spells last.

use std::collections::BTreeSet;

use super::{Book, Lens, Range, Slice, all};
use crate::compare::{Want, WantRow};
use crate::days::{Day, Period};
use crate::scenario::{Rule, Segment};

const Z: f64 = 1.959_963_984_540_054;

/// A spell as it was observed, in units: at risk at t where entry < t ≤ length.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    entry: i64,
    length: i64,
    ended: bool,
}

/// A time at which somebody ended or was last seen.
#[derive(Clone, Copy)]
struct Step {
    time: i64,
    at_risk: i64,
    events: i64,
    censored: i64,
    survival: f64,
    error: Option<f64>,
    interval: Option<(f64, f64)>,
}

/// Curve, summary and tests.
pub fn tables<'a>(book: &Book, lens: &Lens, option: &dyn Fn(&str) -> Option<&'a str>) -> [Vec<WantRow>; 3] {
    let word = |name: &str, default: &'a str| option(name).unwrap_or(default).trim_matches('"');
    let by_period = matches!(book.scenario.rule, Rule::Transactions { window: None, .. });
    let default = if by_period { lens.period } else { Period::Day };
    let unit = Period::ALL.into_iter().find(|p| p.name() == word("unit", "")).unwrap_or(default);
    let only_first = word("spells", "first") == "first";
    let confidence = word("confidence", "log-log");
    let horizon: Option<i64> = option("horizon").map(|h| h.parse().expect("a number of units"));
    let (mut curve, mut summary, mut tests) = (vec![], vec![], vec![]);
    for dimension in book.dimensions() {
        let (mut groups, mut any) = (vec![], false);
        for slice in book.slices(dimension) {
            let seen = seen(book, unit, by_period, only_first, dimension, &slice);
            let steps = steps(&seen, confidence);
            curve.extend(steps.iter().map(|step| curve_row(&slice, step)));
            summary.push(summary_row(&slice, &seen, &steps, horizon));
            any |= !seen.is_empty();
            if !seen.is_empty() && slice.value != "(none)" {
                groups.push(seen);
            }
        }
        if let Some(segment) = dimension.filter(|_| any) {
            tests.extend(WEIGHTS.map(|weights| test_row(segment.name, weights, &groups)));
        }
    }
    [curve, summary, tests]
}

fn seen(
    book: &Book,
    unit: Period,
    by_period: bool,
    only_first: bool,
    dimension: Option<&Segment>,
    slice: &Slice,
) -> Vec<Seen> {
    let mut all_seen = vec![];
    for person in book.people.values() {
        let value = dimension.map_or(all(), |s| Slice { segment: s.name, value: book.fixed_value(person, s) });
        let spells = book.spells(person, unit);
        let counted = if only_first { spells.len().min(1) } else { spells.len() };
        for spell in &spells[..counted] {
            if value == *slice && spell.1 > book.observed_from {
                all_seen.push(observed(book, unit, by_period, *spell));
            }
        }
    }
    all_seen
}

fn observed(book: &Book, unit: Period, by_period: bool, (start, end): Range) -> Seen {
    let up_to = |day: Day| (0..).find(|n| unit.after(start, *n) >= day).expect("a day that is reached");
    let entry = up_to(book.observed_from);
    // Units of which it can be said whether they were the last.
    let judged = match by_period {
        true => units_within(unit, start, book.as_of) - 1,
        false => units_within(unit, start, book.as_of - 1),
    };
    let ended = end < book.as_of && up_to(end) <= judged;
    Seen { entry, length: if ended { up_to(end) } else { judged.max(0) }, ended }
}

/// Whole units from one day to another; none to an earlier one.
fn units_within(unit: Period, from: Day, to: Day) -> i64 {
    (1..).find(|n| unit.after(from, *n) > to).expect("a day that is passed") - 1
}

fn steps(seen: &[Seen], confidence: &str) -> Vec<Step> {
    let at_risk = |t: i64| seen.iter().filter(|s| s.entry < t && t <= s.length).count() as i64;
    let of_length =
        |t: i64, ended: bool| seen.iter().filter(|s| s.length == t && s.entry < t && s.ended == ended).count() as i64;
    let times: BTreeSet<i64> = seen.iter().filter(|s| s.entry < s.length).map(|s| s.length).collect();
    let step = |time: &i64| {
        let (mut survival, mut variance) = (1.0, 0.0);
        for t in times.range(..=*time) {
            let (n, d) = (at_risk(*t) as f64, of_length(*t, true) as f64);
            survival *= 1.0 - d / n;
            variance += if n > d { d / (n * (n - d)) } else { 0.0 };
        }
        let sigma: f64 = f64::sqrt(variance);
        let left = survival > 1e-12;
        let interval = match confidence {
            _ if !left => None,
            "log-log" if sigma == 0.0 => None,
            "log-log" => {
                // ln(−ln S) ± z·σ/|ln S|
                let (middle, reach) = (f64::ln(-f64::ln(survival)), Z * sigma / f64::ln(survival).abs());
                let back = |y: f64| f64::exp(-f64::exp(y));
                Some((back(middle + reach), back(middle - reach)))
            }
            "log" => Some((survival * f64::exp(-Z * sigma), f64::min(1.0, survival * f64::exp(Z * sigma)))),
            _ => Some((f64::max(0.0, survival - Z * sigma * survival), f64::min(1.0, survival + Z * sigma * survival))),
        };
        Step {
            time: *time,
            at_risk: at_risk(*time),
            events: of_length(*time, true),
            censored: of_length(*time, false),
            survival: if left { survival } else { 0.0 },
            error: left.then_some(survival * sigma),
            interval,
        }
    };
    times.iter().map(step).collect()
}

/// First spells of a slice in the stage's periods, as `ltv` counts them.
pub fn observed_lives(book: &Book, lens: &Lens, dimension: Option<&Segment>, slice: &Slice) -> Vec<Seen> {
    let by_period = matches!(book.scenario.rule, Rule::Transactions { window: None, .. });
    seen(book, lens.period, by_period, true, dimension, slice)
}

/// S(0), S(1) … of at most `most` periods, as long as ten are at risk, and the standard error of their sum (Irwin 1949).
/// Nothing where no spell was seen from its beginning, or fewer than ten were at risk at the first end.
pub fn paid_by_survival(seen: &[Seen], most: i64) -> Option<(Vec<f64>, f64)> {
    let steps = steps(seen, "plain");
    let whole = seen.iter().any(|s| s.entry == 0 && s.length > 0);
    steps.first().filter(|first| whole && first.at_risk >= 10)?;
    let share = |t: i64| steps.iter().rfind(|s| s.time <= t).map_or(1.0, |s| s.survival);
    let thin = |t: i64| steps.iter().any(|s| s.time <= t && s.at_risk < 10);
    let last = steps.last().map_or(0, |s| s.time);
    let shares: Vec<f64> = (0..most).take_while(|t| *t == 0 || *t <= last && !thin(*t)).map(share).collect();
    let part = |s: &Step| {
        let (n, d) = (s.at_risk as f64, s.events as f64);
        let right: f64 = shares.iter().skip(s.time as usize).sum();
        if n > d { right * right * d / (n * (n - d)) } else { 0.0 }
    };
    let variance: f64 = steps.iter().filter(|s| (s.time as usize) < shares.len()).map(part).sum();
    Some((shares, variance.sqrt()))
}

fn key(slice: &Slice) -> Vec<(&'static str, Want)> {
    vec![("segment", Want::Text(slice.segment.to_string())), ("value", Want::Text(slice.value.clone()))]
}

fn figure(x: Option<f64>) -> Want {
    x.map_or(Want::Null, Want::Figure)
}

fn curve_row(slice: &Slice, step: &Step) -> WantRow {
    let mut key = key(slice);
    key.push(("time", Want::Int(step.time)));
    WantRow::new(
        key,
        vec![
            ("at_risk", Want::Int(step.at_risk)),
            ("events", Want::Int(step.events)),
            ("censored", Want::Int(step.censored)),
            ("survival", Want::Figure(step.survival)),
            ("std_error", figure(step.error)),
            // An exponential of an exponential: nine digits.
            ("ci_low", step.interval.map_or(Want::Null, |i| Want::Rate(i.0))),
            ("ci_high", step.interval.map_or(Want::Null, |i| Want::Rate(i.1))),
            ("hazard", Want::Figure(step.events as f64 / step.at_risk as f64)),
        ],
    )
}

fn summary_row(slice: &Slice, seen: &[Seen], steps: &[Step], horizon: Option<i64>) -> WantRow {
    let never = seen.iter().filter(|s| s.length <= s.entry).count() as i64;
    let whole = seen.iter().any(|s| s.entry == 0 && s.length > 0);
    let curve = |of: &dyn Fn(&Step) -> Option<f64>| half(steps, of).filter(|_| whole);
    let to = steps.last().filter(|_| whole).map(|last| match horizon {
        Some(h) if h <= last.time || last.survival == 0.0 => h,
        _ => last.time,
    });
    let mean = to.map(|to| area(steps, 0, to));
    let variance = to.map(|to| {
        let part = |s: &Step| {
            let (n, d) = (s.at_risk as f64, s.events as f64);
            if n > d { area(steps, s.time, to).powi(2) * d / (n * (n - d)) } else { 0.0 }
        };
        steps.iter().filter(|s| s.time < to).map(part).sum::<f64>()
    });
    let mut row = WantRow::new(
        key(slice),
        vec![
            ("customers", Want::Int(seen.len() as i64)),
            ("events", Want::Int(steps.iter().map(|s| s.events).sum())),
            ("never_at_risk", Want::Int(never)),
            ("median", figure(curve(&|s| Some(s.survival)))),
            ("median_ci_low", figure(curve(&|s| s.interval.map(|i| i.0)))),
            ("median_ci_high", figure(curve(&|s| s.interval.map(|i| i.1)))),
            ("restricted_mean", figure(mean)),
            ("restricted_mean_std_error", variance.map_or(Want::Null, |v| Want::Rate(v.sqrt()))),
            ("horizon", to.map_or(Want::Null, Want::Int)),
        ],
    );
    row.optional = slice.segment != "all" && seen.is_empty();
    row
}

/// The first time at which a curve is at or below ½; the middle of the stretch on which it is just ½.
fn half(steps: &[Step], of: &dyn Fn(&Step) -> Option<f64>) -> Option<f64> {
    let points: Vec<(f64, f64)> = steps.iter().filter_map(|s| Some((s.time as f64, of(s)?))).collect();
    let (time, level) = *points.iter().find(|(_, s)| *s < 0.5 + 1e-9)?;
    let below = points.iter().find(|(t, s)| *t > time && *s < 0.5 - 1e-9);
    let on_it = (level - 0.5).abs() < 1e-9;
    Some(if let (true, Some((below, _))) = (on_it, below) { (time + below) / 2.0 } else { time })
}

/// The area under the curve, unit by unit.
fn area(steps: &[Step], from: i64, to: i64) -> f64 {
    let height = |t: i64| steps.iter().rev().find(|s| s.time <= t).map_or(1.0, |s| s.survival);
    (from..to).map(height).sum()
}

const WEIGHTS: [&str; 4] = ["log-rank", "wilcoxon", "tarone-ware", "peto"];

fn test_row(segment: &'static str, weights: &str, groups: &[Vec<Seen>]) -> WantRow {
    let (statistic, df) = compare(weights, groups);
    let tail = statistic.map(|x| chi_squared_tail(x, df));
    WantRow::new(
        vec![("segment", Want::Text(segment.to_string())), ("test", Want::Text(weights.to_string()))],
        vec![
            ("groups", Want::Int(groups.len() as i64)),
            ("statistic", statistic.map_or(Want::Null, Want::Rate)),
            ("df", Want::Int(df as i64)),
            ("p_value", tail.map_or(Want::Null, Want::Rate)),
        ],
    )
}

/// χ² = Zᵀ V⁻ Z and the rank of V.
fn compare(weights: &str, groups: &[Vec<Seen>]) -> (Option<f64>, usize) {
    let g = groups.len();
    let (mut z, mut v) = (vec![0.0; g], vec![vec![0.0; g]; g]);
    let mut together: Vec<usize> = (0..g).collect();
    let times: BTreeSet<i64> =
        groups.iter().flatten().filter(|s| s.ended && s.entry < s.length).map(|s| s.length).collect();
    let mut peto = 1.0;
    for t in times {
        let count = |group: &[Seen], is: &dyn Fn(&Seen) -> bool| {
            group.iter().filter(|s| s.entry < t && t <= s.length && is(s)).count() as f64
        };
        let n_of: Vec<f64> = groups.iter().map(|group| count(group, &|_| true)).collect();
        let d_of: Vec<f64> = groups.iter().map(|group| count(group, &|s| s.ended && s.length == t)).collect();
        let (n, d) = (n_of.iter().sum::<f64>(), d_of.iter().sum::<f64>());
        peto *= 1.0 - d / (n + 1.0);
        let w = match weights {
            "log-rank" => 1.0,
            "wilcoxon" => n,
            "tarone-ware" => n.sqrt(),
            _ => peto,
        };
        for i in 0..g {
            z[i] += w * (d_of[i] - d * n_of[i] / n);
            for j in 0..g {
                if n > 1.0 {
                    let same = f64::from(u8::from(i == j));
                    v[i][j] += w * w * d * (n - d) / (n - 1.0) * n_of[i] / n * (same - n_of[j] / n);
                }
                if d < n && n_of[i] > 0.0 && n_of[j] > 0.0 {
                    let (a, b) = (together[i], together[j]);
                    together.iter_mut().filter(|c| **c == a).for_each(|c| *c = b);
                }
            }
        }
    }
    // Of those at risk together one tells nothing new.
    let kept: Vec<usize> = (0..g).filter(|i| together[..*i].contains(&together[*i])).collect();
    if kept.is_empty() {
        return (None, 0);
    }
    let a = kept.iter().map(|i| kept.iter().map(|j| v[*i][*j]).collect()).collect();
    let b: Vec<f64> = kept.iter().map(|i| z[*i]).collect();
    let x = solve(a, b.clone());
    (Some(x.iter().zip(&b).map(|(x, b)| x * b).sum()), kept.len())
}

/// Gauss with pivots.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|i, j| a[*i][k].abs().total_cmp(&a[*j][k].abs())).expect("a row is left");
        a.swap(k, pivot);
        b.swap(k, pivot);
        for i in k + 1..n {
            let factor = a[i][k] / a[k][k];
            let pivot = a[k].clone();
            a[i].iter_mut().zip(pivot).for_each(|(x, p)| *x -= factor * p);
            b[i] -= factor * b[k];
        }
    }
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|j| a[k][j] * b[j]).sum();
        b[k] = (b[k] - known) / a[k][k];
    }
    b
}

/// P(χ² > x) by the recurrence Q(k + 2) = Q(k) + (x/2)^{k/2} e^{−x/2} / Γ(k/2 + 1).
fn chi_squared_tail(x: f64, df: usize) -> f64 {
    let x = x.max(0.0);
    let (mut k, mut q) = if df % 2 == 1 { (1, libm::erfc((x / 2.0).sqrt())) } else { (2, f64::exp(-x / 2.0)) };
    while k < df {
        let half = k as f64 / 2.0;
        q += (x / 2.0).powf(half) * f64::exp(-x / 2.0) / libm::tgamma(half + 1.0);
        k += 2;
    }
    q
}

#[test]
fn the_tail_agrees_with_printed_tables() {
    for (x, df, tail) in [(3.841_459, 1, 0.05), (5.991_465, 2, 0.05), (11.344_867, 3, 0.01), (9.487_729, 4, 0.05)] {
        assert!((chi_squared_tail(x, df) - tail).abs() < 1e-7, "{x} {df}");
    }
}
