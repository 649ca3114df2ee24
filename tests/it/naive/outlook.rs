//! DEFINITIONS §10: tables `forecast` and `forecast_backtest`.
//!
//! A smoothed figure is held to a range, not to a number: what forms and weights of nearly the least AICc say. The likelihood
//! of a short series is flat, and may have more maxima than one. So there are two ranges: nearly all figures are within that
//! of an excess of [`TIGHT`], that is, by the greatest maximum; each is within that of an excess of [`LOOSE`], that is, by
//! another maximum that is hardly worse. What is known without a fit is held exactly.
//! SETTLED.md, no. 48 to 53, says what is meant.

use std::collections::BTreeMap;

use super::smoothing::{Ahead, fits};
use super::{Book, Lens, Slice, churn, revenue};
use crate::cells::{Table, Value};
use crate::compare::{Want, WantRow};
use crate::days::{Day, Period};

const Z: f64 = 1.959_963_984_540_054;
const FEWEST: usize = 8;
const MOST: usize = 160;
const ORIGINS: usize = 18;

/// By so little a form's AICc may exceed the least there is to count as the best.
pub const TIGHT: f64 = 0.05;
/// And by so much at most, where a search ended at another maximum.
pub const LOOSE: f64 = 2.0;

/// A base over the last usable periods: openings (and the known next one), what was lost of each, customers at each opening.
#[derive(Clone, Debug, Default)]
struct Past {
    opening: Vec<f64>,
    lost: Vec<f64>,
    customers: Vec<f64>,
}

/// From the least to the greatest that may stand there.
#[derive(Clone, Copy, Debug)]
struct Between(f64, f64);

impl Between {
    fn over(values: impl Iterator<Item = f64>) -> Between {
        values.fold(Between(f64::INFINITY, f64::NEG_INFINITY), |b, x| Between(b.0.min(x), b.1.max(x)))
    }

    /// Within, or beyond by no more than `slack`.
    fn holds(self, x: f64, slack: f64) -> bool {
        self.0 - slack <= x && x <= self.1 + slack
    }
}

/// Expected, lower and upper end.
type Figure = [f64; 3];

/// A figure of one step with its excess, by the name of the form.
type Outlook = Vec<(String, Vec<(f64, Figure)>)>;

/// What was found: contradictions, and how many figures are within the tight range and the loose one alone.
#[derive(Debug, Default)]
pub struct Held {
    pub contradictions: Vec<String>,
    pub tight: usize,
    pub loose: usize,
}

impl Held {
    /// Whether the figure is within the range of those of at most so much excess.
    fn take(&mut self, within: &dyn Fn(f64) -> bool, what: &dyn Fn() -> String) {
        match (within(TIGHT), within(LOOSE)) {
            (true, _) => self.tight += 1,
            (false, true) => self.loose += 1,
            (false, false) => self.contradictions.push(what()),
        }
    }
}

/// The three figures of a base: opening, rate, lost. Nothing after fewer than eight periods.
fn outlook(past: &Past, season: usize, steps: usize) -> Option<Vec<[Outlook; 3]>> {
    let n = past.lost.len();
    if n < FEWEST {
        return None;
    }
    let from = n.saturating_sub(MOST);
    let logit = |p: usize| {
        let (r, n) = ((past.lost[p] / past.opening[p]).clamp(0.0, 1.0), past.customers[p]);
        let share = (r * n + 0.5) / (n + 1.0);
        (share / (1.0 - share)).ln()
    };
    let rates = fits(&(from..n).map(logit).collect::<Vec<_>>(), season, steps, LOOSE);
    let openings = fits(&past.opening[from..], season, steps, LOOSE);
    let (known, customers) = (past.opening[n], past.customers[n]);
    let back = |x: f64| ((customers + 1.0) / (1.0 + (-x).exp()) - 0.5).clamp(0.0, customers) / customers;
    let ends = |a: &Ahead| [a.mean, a.mean - Z * a.variance.sqrt(), a.mean + Z * a.variance.sqrt()];
    let of_step = |step: usize| {
        let rate = rates.iter().map(|f| {
            let figures = f.said.iter().map(|s| (s.excess, ends(&s.ahead[step - 1]).map(back)));
            (f.form.name(), figures.collect())
        });
        let opening = openings.iter().map(|f| {
            let figures = f.said.iter().map(|s| match step {
                1 => (s.excess, [known; 3]),
                _ => (s.excess, ends(&s.ahead[step - 2]).map(|x| x.max(0.0))),
            });
            (f.form.name(), figures.collect())
        });
        let (rate, opening): (Outlook, Outlook) = (rate.collect(), opening.collect());
        let mut lost: Outlook = vec![];
        for (r_name, r_figures) in &rate {
            for (o_name, o_figures) in &opening {
                let products = r_figures.iter().flat_map(|(r_excess, r)| {
                    o_figures.iter().map(|(o_excess, o)| (r_excess.max(*o_excess), product(*r, *o)))
                });
                lost.push((format!("{r_name} × {o_name}"), products.collect()));
            }
        }
        [opening, rate, lost]
    };
    Some((1..=steps).map(of_step).collect())
}

/// Factors that err independently: distances of the ends in logarithms, as the sides of a right angle (Zou and Donner 2008).
fn product(a: Figure, b: Figure) -> Figure {
    let middle = a[0] * b[0];
    if middle <= 0.0 {
        return [0.0, 0.0, a[2] * b[2]];
    }
    let far = |i: usize| (a[i] / a[0]).ln().hypot((b[i] / b[0]).ln());
    [middle, middle * (-far(1)).exp(), middle * far(2).exp()]
}

/// Customers and money of a slice, and the first day after the last complete period.
fn pasts(book: &Book, lens: &Lens, slice: &Slice, churn: &[WantRow], money: &[WantRow]) -> ([Past; 2], Day) {
    let number = |rows: &[WantRow], start: Day, column: &str| {
        let same = |row: &&WantRow| {
            row.get("period") == Some(&Want::Date(start))
                && row.get("segment") == Some(&Want::Text(slice.segment.to_string()))
                && row.get("value") == Some(&Want::Text(slice.value.clone()))
        };
        match rows.iter().find(same).and_then(|row| row.get(column)) {
            Some(Want::Int(n)) => *n as f64,
            Some(Want::Money(cents)) => *cents as f64 / 100.0,
            _ => 0.0,
        }
    };
    let complete: Vec<(Day, Day)> = lens.ranges.iter().copied().filter(|r| book.complete(*r)).collect();
    let next = complete.last().or(lens.ranges.last()).map(|r| r.1).filter(|_| !complete.is_empty());
    let next = next.unwrap_or_else(|| lens.ranges.last().expect("a period").0);
    let passes = book.switches().policy.passing_counts;
    let of = |base: &dyn Fn(Day) -> [f64; 3]| {
        // Opening, closing, lost; and customers at the opening and the closing.
        let usable = |r: &&(Day, Day)| {
            let heads = number(churn, r.0, "opening");
            !book.truncated(lens, r.0) && base(r.0)[0] > 0.0 && heads > 0.0
        };
        let mut run: Vec<Day> = complete.iter().rev().take_while(usable).map(|r| r.0).collect();
        run.reverse();
        let Some(last) = run.last() else { return Past::default() };
        let (closing, heads) = (base(*last)[1], number(churn, *last, "closing"));
        if closing <= 0.0 || heads <= 0.0 {
            return Past::default();
        }
        let with = |of: &dyn Fn(Day) -> f64, next: f64| run.iter().map(|p| of(*p)).chain([next]).collect();
        Past {
            opening: with(&|p| base(p)[0], closing),
            lost: run.iter().map(|p| base(*p)[2]).collect(),
            customers: with(&|p| number(churn, p, "opening"), heads),
        }
    };
    let of_customers = of(&|p| {
        let passed = if passes { number(churn, p, "intra") } else { 0.0 };
        [number(churn, p, "opening"), number(churn, p, "closing"), number(churn, p, "churned") - passed]
    });
    let of_money = of(&|p| {
        let lost = -number(money, p, "churned") - number(money, p, "contraction") - passing_money(book, lens, slice, p);
        [number(money, p, "opening"), number(money, p, "closing"), lost]
    });
    ([of_customers, of_money], next)
}

/// What those brought who came and went within a period: churned where a policy counts it, but never of the opening.
fn passing_money(book: &Book, lens: &Lens, slice: &Slice, start: Day) -> f64 {
    let dimension = book.dimensions().into_iter().find(|d| d.map_or("all", |s| s.name) == slice.segment);
    let range = lens.ranges.iter().find(|r| r.0 == start).expect("a period of the stage");
    let people = churn::moments(book, lens, *range, dimension.expect("a segment of the scenario"));
    people.iter().filter(|(_, during, _)| during == slice).map(|(m, ..)| m.passing as f64 / 100.0).sum()
}

const NAMES: [[&str; 3]; 2] =
    [["opening", "churn_rate", "churned_customers"], ["opening_revenue", "gross_churn_rate", "lost_revenue"]];

/// Of a base as it was: opening, rate, lost.
fn observed(past: &Past, figure: usize) -> Vec<f64> {
    match figure {
        0 => past.opening.clone(),
        1 => past.lost.iter().zip(&past.opening).map(|(lost, opening)| lost / opening).collect(),
        _ => past.lost.clone(),
    }
}

fn year_of(period: Period) -> usize {
    [364, 52, 12, 4, 1][period as usize]
}

/// The season of a period unless the stage names another.
pub fn season_of(period: Period) -> usize {
    [7, 52, 12, 4, 0][period as usize]
}

/// Where `forecast` and `forecast_backtest` contradict the definitions.
pub fn hold(book: &Book, season: usize, steps: usize, table: &dyn Fn(&str) -> Table) -> Held {
    let lens = book.lens(book.scenario.period);
    let (churn, money) = (churn::table(book, &lens, false), revenue::table(book, &lens));
    let (forecast, mut held, mut found) = (table("forecast"), Held::default(), vec![]);
    let mut rows: BTreeMap<[String; 4], &crate::cells::Row> = BTreeMap::new();
    for row in &forecast.rows {
        let key = ["segment", "value", "metric", "period"].map(|c| row[c].to_string());
        if rows.insert(key.clone(), row).is_some() {
            found.push(format!("forecast: two rows {key:?}"));
        }
    }
    for dimension in book.dimensions() {
        for slice in book.slices(dimension) {
            let (pasts, next) = pasts(book, &lens, &slice, &churn, &money);
            let outlooks = [0, 1].map(|b| outlook(&pasts[b], season, steps));
            for step in 1..=steps {
                let start = lens.period.after(next, step as i64 - 1);
                for (base, past) in pasts.iter().enumerate() {
                    for (figure, name) in NAMES[base].into_iter().enumerate() {
                        let key = [slice.segment, &slice.value, name, &crate::days::show(start)].map(str::to_string);
                        let Some(row) = rows.remove(&key) else {
                            // A value that nobody ever had while live has no row.
                            if slice.segment == "all" || !past.lost.is_empty() {
                                found.push(format!("forecast: no row {key:?}"));
                            }
                            continue;
                        };
                        let back = past_figures(past, figure, (season, year_of(lens.period)), step);
                        for (column, want) in ["last_year", "seasonal_index"].into_iter().zip(back) {
                            if !want.map_or(Want::Null, Want::Rate).matches(&row[column]) {
                                found.push(format!("forecast {key:?} {column}: {want:?}, found {}", row[column]));
                            }
                        }
                        let steps = outlooks[base].as_ref().map(|o| &o[step - 1][figure]);
                        hold_row(&mut held, &key, row, steps);
                    }
                }
            }
            if slice.segment == "all" {
                hold_backtest(&mut held, &pasts, &lens, (season, steps), &table("forecast_backtest"));
            }
        }
    }
    found.extend(rows.keys().map(|key| format!("forecast: row {key:?} should not be there")));
    held.contradictions.extend(found);
    held
}

/// The same figure a year before, and its place in its season.
fn past_figures(past: &Past, figure: usize, (season, year): (usize, usize), step: usize) -> [Option<f64>; 2] {
    let (seen, n) = (observed(past, figure), past.lost.len());
    let last_year =
        (n + step).checked_sub(1 + year).and_then(|p| seen.get(p).copied()).filter(|_| n > 0 && step <= year + 1);
    let index = if season < 2 {
        None
    } else {
        // Whole seasons, counted back from the last complete period.
        let whole: Vec<&[f64]> = (1..=n / season).map(|k| &seen[n - k * season..n - (k - 1) * season]).collect();
        let ratios: Vec<f64> = whole
            .iter()
            .map(|values| (values[(step - 1) % season], values.iter().sum::<f64>() / season as f64))
            .filter(|(_, mean)| *mean > 0.0)
            .map(|(value, mean)| value / mean)
            .collect();
        (ratios.len() > 1).then(|| ratios.iter().sum::<f64>() / ratios.len() as f64)
    };
    [last_year, index]
}

fn hold_row(held: &mut Held, key: &[String; 4], row: &crate::cells::Row, outlook: Option<&Outlook>) {
    let columns = ["expected", "ci_low", "ci_high"];
    let Some(outlook) = outlook else {
        let nulls = columns.iter().chain(["model"].iter()).all(|c| row[*c] == Value::Null);
        if !nulls || row["note"] == Value::Null {
            held.contradictions.push(format!("forecast {key:?}: nothing can be expected, found {row:?}"));
        }
        return;
    };
    let model = row["model"].to_string();
    let Some((_, figures)) = outlook.iter().find(|(name, _)| *name == model) else {
        let names: Vec<&String> = outlook.iter().map(|(name, _)| name).collect();
        held.contradictions.push(format!("forecast {key:?}: model {model} is none of the best, {names:?}"));
        return;
    };
    let numbers = columns.map(|c| if let Value::Float(x) = row[c] { x } else { f64::NAN });
    let wide = figures.iter().map(|(_, f)| f[2] - f[1]).fold(0.0, f64::max);
    for (i, column) in columns.into_iter().enumerate() {
        let between = |most: f64| Between::over(figures.iter().filter(|(e, _)| *e <= most).map(|(_, f)| f[i]));
        let slack = 2e-3 * wide + 1e-6 * numbers[i].abs();
        held.take(&|most| between(most).holds(numbers[i], slack), &|| {
            let (tight, loose) = (between(TIGHT), between(LOOSE));
            format!(
                "forecast {key:?} {column} by {model}: {}, not within {tight:?} nor {loose:?} ± {slack}",
                numbers[i]
            )
        });
    }
}

fn hold_backtest(held: &mut Held, pasts: &[Past; 2], lens: &Lens, (season, steps): (usize, usize), table: &Table) {
    let year = year_of(lens.period);
    for (base, past) in pasts.iter().enumerate() {
        let n = past.lost.len();
        let origins: Vec<usize> = (FEWEST.max(n.saturating_sub(ORIGINS))..n).collect();
        let known_at = |t: usize| Past {
            opening: past.opening[..=t].to_vec(),
            lost: past.lost[..t].to_vec(),
            customers: past.customers[..=t].to_vec(),
        };
        let outlooks: Vec<Vec<[Outlook; 3]>> =
            origins.iter().map(|t| outlook(&known_at(*t), season, steps.min(n - t)).expect("eight periods")).collect();
        for (figure, name) in NAMES[base].into_iter().enumerate() {
            let seen = observed(past, figure);
            for horizon in 1..=steps {
                // Of each origin: the ranges of the smoothing's error, and the rivals' errors.
                let mut errors: Vec<Errors> = vec![];
                for (t, outlook) in origins.iter().zip(&outlooks).filter(|(t, _)| **t + horizon <= n) {
                    let target = t + horizon - 1;
                    let known = if figure == 0 { t + 1 } else { *t };
                    let same = |p: Option<usize>| p.filter(|p| *p < known).map(|p| (seen[p] - seen[target]).abs());
                    let smoothed = [TIGHT, LOOSE].map(|most| {
                        let forms = outlook[horizon - 1][figure].iter();
                        let near = forms.flat_map(|(_, f)| f.iter().filter(|(e, _)| *e <= most).map(|(_, f)| f[0]));
                        let Between(low, high) = Between::over(near.map(|x| x - seen[target]));
                        let least = if low <= 0.0 && high >= 0.0 { 0.0 } else { low.abs().min(high.abs()) };
                        Between(least, low.abs().max(high.abs()))
                    });
                    errors.push((smoothed, same(Some(known - 1)), same(target.checked_sub(year))));
                }
                for method in ["smoothing", "last_period", "last_year"] {
                    let key = [("metric", name), ("horizon", &horizon.to_string()), ("method", method)];
                    hold_tested(held, table.row(&key), method, &errors);
                }
            }
        }
    }
}

/// Tight and loose; of the last period and of the last year.
type Errors = ([Between; 2], Option<f64>, Option<f64>);
/// What a method's errors are divided by.
type Rival<'a> = &'a dyn Fn(&Errors) -> Option<f64>;

fn hold_tested(held: &mut Held, row: &crate::cells::Row, method: &str, errors: &[Errors]) {
    let own = |e: &Errors, most: f64| match method {
        "smoothing" => Some(e.0[usize::from(most > TIGHT)]),
        "last_period" => e.1.map(|x| Between(x, x)),
        _ => e.2.map(|x| Between(x, x)),
    };
    let count = errors.iter().filter(|e| own(e, TIGHT).is_some()).count();
    if row["origins"] != Value::Int(count as i64) {
        held.contradictions.push(format!("forecast_backtest: {count} origins, found {row:?}"));
    }
    // Σ of the errors of those origins that have both, over so much.
    let over = |most: f64, of: &dyn Fn(&Errors) -> Option<f64>| {
        let both: Vec<(Between, f64)> = errors.iter().filter_map(|e| own(e, most).zip(of(e))).collect();
        let by: f64 = both.iter().map(|b| b.1).sum();
        let sum = |end: fn(&Between) -> f64| both.iter().map(|b| end(&b.0)).sum::<f64>();
        (by > 0.0).then(|| Between(sum(|b| b.0) / by, sum(|b| b.1) / by))
    };
    let rivals: [(&str, Rival<'_>); 3] =
        [("mean_absolute_error", &|_| Some(1.0)), ("against_last_period", &|e| e.1), ("against_last_year", &|e| e.2)];
    for (column, rival) in rivals {
        let fits = |most: f64| match (over(most, rival), &row[column]) {
            (None, Value::Null) => true,
            // The smoothing's expectations to three digits, sums of known figures to nine.
            (Some(b), Value::Float(x)) => {
                b.holds(*x, b.1.abs() * if method == "smoothing" { 2e-3 } else { 1e-9 } + 1e-9)
            }
            _ => false,
        };
        held.take(&fits, &|| {
            let (tight, loose) = (over(TIGHT, rival), over(LOOSE, rival));
            format!("forecast_backtest {column}: {tight:?} or {loose:?}, found {row:?}")
        });
    }
}
