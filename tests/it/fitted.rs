//! The tables of the models of buying: counted parts against the definitions, fitted parts against each other.

use std::collections::BTreeMap;

use crate::compare::{Want, WantRow, differences};
use crate::days::{Day, Period, show};
use crate::dice::Dice;
use crate::generate;
use crate::hostile::absurd;
use crate::integrals::{Grid, Model, Seen, spend};
use crate::naive::buying::{Counting, holdout, rival, value_then};
use crate::naive::{Book, Slice};
use crate::scenario::{Scenario, Stage};
use crate::support::{Row, Table, Value, Workspace, whole};

pub const MODELS: [&str; 3] = ["bgnbd", "mbgnbd", "paretonbd"];

/// A stage `ltv` that fits everything a history of purchases can take.
struct Setting {
    counting: Counting,
    period: Option<Period>,
    /// Name and length in days.
    unit: (&'static str, f64),
}

impl Setting {
    fn random(dice: &mut Dice, scenario: &Scenario) -> Setting {
        let days: Vec<Day> = scenario.transactions.iter().map(|t| t.day).collect();
        let (first, last) = (days.iter().min().copied().unwrap_or(0), days.iter().max().copied().unwrap_or(0));
        let with_orders = scenario.transactions.iter().any(|t| t.order.is_some());
        Setting {
            counting: Counting {
                by_order: with_orders && dice.percent(60),
                calibrate_until: dice.percent(60).then(|| dice.between(first - 3, last + 3)),
            },
            period: dice.percent(40).then(|| dice.pick(&[Period::Week, Period::Month, Period::Quarter])),
            unit: dice.pick(&[("day", 1.0), ("week", 7.0), ("month", 365.25 / 12.0)]),
        }
    }

    fn stage(&self) -> Stage {
        let mut options = format!(
            "models = [\"ratio\", \"bgnbd\", \"mbgnbd\", \"paretonbd\", \"gammagamma\"]\ntime_unit = \"{}\"\n",
            self.unit.0
        );
        if self.counting.by_order {
            options += "transactions_by = \"order_id\"\n";
        }
        if let Some(last) = self.counting.calibrate_until {
            options += &format!("calibrate_until = \"{}\"\n", show(last));
        }
        Stage { name: "ltv", kind: "ltv", period: self.period, options: options.leak() }
    }
}

fn number(row: &Row, column: &str) -> Option<f64> {
    match row[column] {
        Value::Float(x) => Some(x),
        Value::Null => None,
        ref other => panic!("{column} is {other:?}"),
    }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

/// What the tables say against what was counted; fitted figures are left to [`contradictions`].
fn differences_of(scenario: &Scenario, setting: &Setting, table: &dyn Fn(&str) -> Table) -> Vec<String> {
    let book = Book::new(scenario);
    let counting = setting.counting;
    let mut found = vec![];
    // Of each customer.
    let units = |days: i64| Want::Figure(days as f64 / setting.unit.1);
    let of_customer = |(customer, person): (&i64, &crate::naive::Person)| {
        let bought = counting.before(&book, person, book.as_of);
        let mean = bought.filter(|b| b.x > 0).map(|b| Want::Figure(b.cents as f64 / b.x as f64 / 100.0));
        WantRow::new(
            vec![("customer_id", Want::Text(scenario.shape.id(*customer)))],
            vec![
                ("frequency", bought.map_or(Want::Null, |b| Want::Int(b.x))),
                ("recency", bought.map_or(Want::Null, |b| units(b.recency))),
                ("age", bought.map_or(Want::Null, |b| units(b.age))),
                ("monetary", mean.unwrap_or(Want::Null)),
            ],
        )
    };
    let customers: Vec<WantRow> = book.people.iter().map(of_customer).collect();
    let mut told = table("customers");
    for row in &mut told.rows {
        let id = row["customer_id"].to_string();
        row.insert("customer_id".to_string(), Value::Text(id));
    }
    found.extend(differences(&customers, &told));

    // A value of then that nobody has any more has no rows.
    let still =
        |dimension, slice: &Slice| book.people.values().any(|p| value_then(&book, p, dimension, book.as_of) == *slice);
    let of = |slice: &Slice| book.dimensions().into_iter().find(|d| d.map_or("all", |s| s.name) == slice.segment);
    // Of the holdout.
    let lens = book.lens(setting.period.unwrap_or(scenario.period));
    let cut = counting.cut(&book, &lens);
    let fits = table("model_fits");
    for dimension in book.dimensions() {
        for slice in book.slices(dimension).into_iter().filter(|s| still(dimension, s)) {
            for (window, until) in [("full", book.as_of), ("calibration", cut)] {
                let of_slice = book.people.values().filter(|p| value_then(&book, p, dimension, until) == slice);
                let bought: Vec<_> = of_slice.filter_map(|p| counting.before(&book, p, until)).collect();
                let paying = bought.iter().filter(|b| b.x > 0 && b.cents > 0).count();
                let key = [("segment", slice.segment), ("value", slice.value.as_str()), ("window", window)];
                let rows = fits.filter(&key);
                let outside = cut <= book.observed_from || cut >= book.as_of;
                let fitted = !bought.is_empty() && (window == "full" || !outside);
                if fitted == rows.is_empty() {
                    found.push(format!("model_fits: {} rows of {key:?}, {} buyers", rows.len(), bought.len()));
                }
                for row in rows {
                    let value_model = row["model"].to_string() == "gammagamma";
                    let expected = if value_model { paying } else { bought.len() };
                    if whole(&row["customers"]) != expected as i128 {
                        found.push(format!("model_fits: {expected} customers are not those of {row:?}"));
                    }
                }
            }
        }
    }
    let backtest = table("model_backtest");
    if cut <= book.observed_from || cut >= book.as_of {
        found.extend(backtest.rows.iter().map(|row| format!("no holdout, yet {row:?}")));
        return found;
    }
    let done = holdout(&book, &lens, counting);
    let rivals =
        [("last_period", false), ("ratio", true)].map(|(n, shrinks)| (n, rival(&book, &lens, counting, shrinks)));
    let mut seen: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    for row in &backtest.rows {
        let period = if let Value::Date(day) = row["period"] { Some(day) } else { None };
        let text = |column: &str| row[column].to_string();
        let of = |(slice, p): &(Slice, Option<Day>)| {
            slice.segment == text("segment") && slice.value == text("value") && *p == period
        };
        let Some((_, (transactions, cents))) = done.iter().find(|(key, _)| of(key)) else {
            found.push(format!("model_backtest: nobody was counted in {row:?}"));
            continue;
        };
        let of_revenue = text("quantity") == "revenue";
        let actual = if of_revenue { *cents as f64 / 100.0 } else { *transactions as f64 };
        if !near(number(row, "actual").expect("a figure"), actual) {
            found.push(format!("model_backtest: {actual} was done in {row:?}"));
        }
        *seen.entry((text("segment") + "=" + &text("value"), text("model"), text("quantity"))).or_default() += 1;
        if let Some((_, rival)) = rivals.iter().find(|(name, _)| *name == text("model")) {
            let Some((_, (transactions, cents))) = rival.iter().find(|(key, _)| of(key)) else {
                found.push(format!("model_backtest: there is no rival for {row:?}"));
                continue;
            };
            let expected = if of_revenue { *cents / 100.0 } else { *transactions };
            if !near(number(row, "expected").expect("a figure"), expected) {
                found.push(format!("model_backtest: the rival expects {expected} in {row:?}"));
            }
        }
    }
    // Every rival there is, for both quantities, in every period of the holdout and in all.
    for (name, rival) in &rivals {
        let mut periods: BTreeMap<String, usize> = BTreeMap::new();
        for (slice, _) in rival.keys().filter(|(slice, _)| still(of(slice).expect("known"), slice)) {
            *periods.entry(format!("{}={}", slice.segment, slice.value)).or_default() += 1;
        }
        for (slice, count) in periods {
            for quantity in ["transactions", "revenue"] {
                let rows = seen.get(&(slice.clone(), name.to_string(), quantity.to_string())).copied().unwrap_or(0);
                if rows != count {
                    found.push(format!("model_backtest: {rows} rows of {name} of {quantity}, {slice}, not {count}"));
                }
            }
        }
    }
    // By x at the cut.
    for row in &table("model_calibration").rows {
        let (segment, value, x) = (row["segment"].to_string(), row["value"].to_string(), whole(&row["x"]));
        let dimension = book.dimensions().into_iter().find(|d| d.map_or("all", |s| s.name) == segment).expect("known");
        let alike = book.people.values().filter(|p| {
            value_then(&book, p, dimension, cut).value == value
                && counting.before(&book, p, cut).is_some_and(|b| i128::from(b.x.min(50)) == x)
        });
        let later: Vec<i64> = alike
            .map(|p| {
                let until_end = counting.before(&book, p, book.as_of).expect("bought before").x;
                until_end - counting.before(&book, p, cut).expect("bought before").x
            })
            .collect();
        let mean = later.iter().sum::<i64>() as f64 / later.len() as f64;
        let told = (whole(&row["customers"]), number(row, "actual").expect("a mean"));
        if told.0 != later.len() as i128 || !near(told.1, mean) {
            found.push(format!("model_calibration: {} with a mean of {mean} are not {row:?}", later.len()));
        }
    }
    found
}

/// Where the tables of one run contradict each other.
pub fn contradictions(table: &dyn Fn(&str) -> Table, ltv: &str) -> Vec<String> {
    let mut found = vec![];
    let (backtest, calibration) = (table("model_backtest"), table("model_calibration"));
    let mut parts: BTreeMap<Vec<String>, [f64; 2]> = BTreeMap::new();
    let key = |row: &Row, columns: &[&str]| columns.iter().map(|c| row[*c].to_string()).collect::<Vec<_>>();
    let of_series = ["segment", "value", "stage", "model", "quantity"];
    for row in &backtest.rows {
        let [actual, expected, error] = ["actual", "expected", "error"].map(|c| number(row, c).expect("a figure"));
        let relative = (actual > 0.0).then(|| error / actual);
        if error != expected - actual || number(row, "relative_error") != relative {
            found.push(format!("model_backtest: the errors of {row:?}"));
        }
        if row["period"] != Value::Null {
            let sum = parts.entry(key(row, &of_series)).or_default();
            *sum = [sum[0] + actual, sum[1] + expected];
        }
    }
    let mut by_x: BTreeMap<Vec<String>, [f64; 3]> = BTreeMap::new();
    for row in &calibration.rows {
        let n = whole(&row["customers"]) as f64;
        let sum = by_x.entry(key(row, &of_series[..4])).or_default();
        let [actual, expected] = ["actual", "expected"].map(|c| number(row, c).expect("a figure"));
        *sum = [sum[0] + n, sum[1] + n * actual, sum[2] + n * expected];
    }
    let mut errors = BTreeMap::new();
    for row in backtest.filter(&[("period", "NULL")]) {
        let [actual, expected] = ["actual", "expected"].map(|c| number(row, c).expect("a figure"));
        let sum = parts.remove(&key(row, &of_series)).unwrap_or_default();
        if !near(sum[0], actual) || !near(sum[1], expected) {
            found.push(format!("model_backtest: the periods come to {sum:?}, not to {row:?}"));
        }
        if row["quantity"].to_string() == "transactions" {
            let model = row["model"].to_string();
            if MODELS.contains(&model.as_str()) {
                let sum = by_x.remove(&key(row, &of_series[..4])).unwrap_or_default();
                if !near(sum[1], actual) || !near(sum[2], expected) {
                    found.push(format!("model_calibration: comes to {sum:?}, not to {row:?}"));
                }
            }
            errors.insert(key(row, &["segment", "value", "model"]), number(row, "relative_error"));
        }
    }
    found.extend(parts.keys().map(|k| format!("model_backtest: no total of {k:?}")));
    found.extend(by_x.keys().map(|k| format!("model_calibration: {k:?} has no backtest")));
    for row in &table(ltv).rows {
        let method = row["method"].to_string();
        let tested = errors.get(&key(row, &["segment", "value", "method"])).copied().flatten();
        let expected = tested.filter(|_| MODELS.contains(&method.as_str()));
        if number(row, "holdout_error") != expected {
            found.push(format!("{ltv}: the holdout's error is {expected:?}, not as in {row:?}"));
        }
    }
    found
}

#[test]
fn random_purchases_are_counted_as_defined() {
    let mut report = vec![];
    let (mut fitted, mut rivals, mut calibrated) = (0, 0, 0);
    for seed in 0..40 {
        let mut scenario = generate::purchases(7000 + seed, seed % 2 == 0);
        let setting = Setting::random(&mut Dice::new(seed), &scenario);
        scenario.stages = vec![setting.stage()];
        scenario.money = "discount_rate = 0.1";
        let here = Workspace::of(&scenario);
        here.run().exits(0);
        let table = |name: &str| here.table(name);
        let mut found = differences_of(&scenario, &setting, &table);
        found.extend(contradictions(&table, "ltv"));
        found.extend(absurd(&here));
        let tested = here.table("model_backtest");
        let is_model = |row: &&Row| MODELS.contains(&row["model"].to_string().as_str());
        fitted += tested.rows.iter().filter(is_model).count();
        rivals += tested.rows.len();
        calibrated += here.table("model_calibration").rows.len();
        if !found.is_empty() {
            let more = found.len();
            report.push(format!(
                "seed {seed}, kept in {}, {more}:\n  {}",
                here.keep().display(),
                found[..more.min(8)].join("\n  ")
            ));
        }
        if report.len() == 4 {
            break;
        }
    }
    assert!(report.is_empty(), "{}", report.join("\n\n"));
    // Histories in which nothing was tested would prove nothing.
    assert!(fitted > 0 && rivals > 5_000 && calibrated > 0, "{fitted} {rivals} {calibrated}");
}

/// So few customers that some models converge and some do not: every figure is there, or a reason.
#[test]
fn small_shops_say_what_they_cannot() {
    let (mut scored, mut silent) = (0, 0);
    for seed in 100..130 {
        let mut scenario = generate::shop(seed, 12 + 2 * (seed as i64 % 15));
        let setting = Setting::random(&mut Dice::new(seed), &scenario);
        scenario.stages = vec![setting.stage()];
        let here = Workspace::of(&scenario);
        here.run().exits(0);
        let table = |name: &str| here.table(name);
        let mut found = differences_of(&scenario, &setting, &table);
        found.extend(contradictions(&table, "ltv"));
        found.extend(absurd(&here));
        assert!(found.is_empty(), "{seed}: {} complaints:\n{}", found.len(), found[..found.len().min(6)].join("\n"));
        let values = table("ltv");
        let of_models = values.rows.iter().filter(|r| MODELS.contains(&r["method"].to_string().as_str()));
        let (with, without): (Vec<_>, Vec<_>) = of_models.partition(|r| r["ltv"] != Value::Null);
        (scored, silent) = (scored + with.len(), silent + without.len());
    }
    assert!(scored > 10 && silent > 10, "{scored} {silent}");
}

fn shop(seed: u64, options: &'static str) -> (Scenario, Workspace) {
    let mut scenario = generate::shop(seed, 300);
    scenario.stages = vec![Stage { name: "ltv", kind: "ltv", period: None, options }];
    scenario.money = "discount_rate = 0.12\ngross_margin = 0.4";
    let here = Workspace::of(&scenario);
    here.run().exits(0);
    (scenario, here)
}

/// Enough customers that models converge, in segments too.
#[test]
fn a_shop_is_counted_as_defined() {
    for seed in 0..2 {
        let mut scenario = generate::shop(seed, 300);
        let counting =
            Counting { by_order: false, calibrate_until: (seed == 1).then(|| crate::days::day("2022-03-14")) };
        let setting = Setting { counting, period: None, unit: ("week", 7.0) };
        scenario.stages = vec![setting.stage()];
        let here = Workspace::of(&scenario);
        here.run().exits(0);
        let table = |name: &str| here.table(name);
        let mut found = differences_of(&scenario, &setting, &table);
        found.extend(contradictions(&table, "ltv"));
        assert!(found.is_empty(), "{} differ:\n{}", found.len(), found[..found.len().min(10)].join("\n"));
        for model in MODELS {
            assert!(!table("model_calibration").filter(&[("model", model), ("segment", "all")]).is_empty(), "{model}");
        }
        assert!(!table("model_calibration").filter(&[("segment", "shade")]).is_empty());
    }
}

/// Estimates of one model, by parameter.
fn estimates(fits: &Table, model: &str, window: &str) -> BTreeMap<String, f64> {
    let rows = fits.filter(&[("segment", "all"), ("model", model), ("window", window)]);
    rows.iter()
        .map(|row| {
            assert_eq!(row["converged"], Value::Bool(true), "{row:?}");
            (row["parameter"].to_string(), number(row, "estimate").expect("an estimate"))
        })
        .collect()
}

fn value_model(fits: &Table, window: &str) -> (f64, f64, f64) {
    let of = estimates(fits, "gammagamma", window);
    (of["p"], of["q"], of["v"])
}

#[track_caller]
fn agree(what: &str, told: Option<f64>, expected: f64) {
    let told = told.unwrap_or_else(|| panic!("{what} is NULL, not {expected}"));
    assert!((told - expected).abs() <= 1e-7 * expected.abs().max(1e-6), "{what}: {told} is not {expected}");
}

/// P(alive), transactions and value to come, of customers and of a new one: from the published estimates by brute force.
fn scores(model: &'static str, unit: f64, options: &'static str) {
    let (_, here) = shop(3, options);
    let (fits, customers) = (here.table("model_fits"), here.table("customers"));
    let grid = Grid::new(Model::of(model, &estimates(&fits, model, "full")));
    let value = value_model(&fits, "full");
    let (months, month) = (18, 365.25 / 12.0 / unit);
    let monthly = f64::powf(1.12, 1.0 / 12.0) - 1.0;
    let ends: Vec<f64> = (1..=months).map(|i| f64::from(i) * month).collect();
    let discounted = |expected: &[f64]| -> f64 {
        let before = std::iter::once(&0.0).chain(expected);
        let steps = expected.iter().zip(before).zip(1..);
        steps.map(|((now, before), i)| (now - before) / f64::powi(1.0 + monthly, i)).sum()
    };
    let mut once = 0;
    for row in customers.rows.iter().step_by(23) {
        let x = whole(&row["frequency"]) as f64;
        let of = |column: &str| number(row, column);
        let seen = Seen { x, recency: of("recency").expect("a time"), age: of("age").expect("a time") };
        let (alive, expected) = grid.foresee(seen, &ends);
        if x == 0.0 && model == "bgnbd" {
            assert_eq!(of("p_alive"), None, "certain for everybody who bought once: {row:?}");
            once += 1;
        } else {
            agree("p_alive", of("p_alive"), alive);
        }
        agree("expected_orders", of("expected_orders"), *expected.last().expect("months"));
        let spent = spend(value, x, of("monetary").unwrap_or(0.0));
        agree("clv", of("clv"), discounted(&expected) * spent * 0.4);
    }
    assert!(once > 0 || model != "bgnbd", "somebody bought once");
    let of_new: Vec<f64> = ends.iter().map(|t| grid.of_new(*t)).collect();
    let ltv = here.table("ltv");
    let row = ltv.row(&[("segment", "all"), ("method", model)]);
    let spent = spend(value, 0.0, 0.0) * 0.4;
    agree("ltv", number(row, "ltv"), (1.0 + of_new.last().expect("months")) * spent);
    agree("ltv_discounted", number(row, "ltv_discounted"), (1.0 + discounted(&of_new)) * spent);
}

#[test]
fn bgnbd_scores_as_brute_force_does() {
    scores("bgnbd", 7.0, "models = [\"bgnbd\"]\nhorizon = \"18 months\"");
}

#[test]
fn mbgnbd_scores_as_brute_force_does() {
    scores("mbgnbd", 1.0, "models = [\"mbgnbd\"]\nhorizon = \"18 months\"\ntime_unit = \"day\"");
}

#[test]
fn paretonbd_scores_as_brute_force_does() {
    scores("paretonbd", 365.25 / 12.0, "models = [\"paretonbd\"]\nhorizon = \"18 months\"\ntime_unit = \"month\"");
}

/// What was expected of the holdout, period by period, from the estimates of the calibration by brute force.
#[test]
fn the_holdout_is_expected_as_brute_force_does() {
    let (scenario, here) = shop(4, "models = [\"bgnbd\", \"mbgnbd\", \"paretonbd\"]\ncalibrate_until = \"2022-03-14\"");
    let book = Book::new(&scenario);
    let lens = book.lens(scenario.period);
    let counting = Counting { by_order: false, calibrate_until: Some(crate::days::day("2022-03-14")) };
    let cut = counting.cut(&book, &lens);
    let (fits, backtest) = (here.table("model_fits"), here.table("model_backtest"));
    let value = value_model(&fits, "calibration");
    let periods: Vec<_> = lens.ranges.iter().filter(|r| r.1 > cut).collect();
    let ends: Vec<f64> = periods.iter().map(|r| (r.1.min(book.as_of) - cut) as f64 / 7.0).collect();
    for model in MODELS {
        let grid = Grid::new(Model::of(model, &estimates(&fits, model, "calibration")));
        let (mut transactions, mut revenue) = (vec![0.0; ends.len()], vec![0.0; ends.len()]);
        for person in book.people.values() {
            let Some(bought) = counting.before(&book, person, cut) else { continue };
            let weeks = |days: i64| days as f64 / 7.0;
            let seen = Seen { x: bought.x as f64, recency: weeks(bought.recency), age: weeks(bought.age) };
            let mean = if bought.x > 0 { bought.cents as f64 / 100.0 / bought.x as f64 } else { 0.0 };
            let spent = spend(value, bought.x as f64, mean);
            let (_, until) = grid.foresee(seen, &ends);
            for (k, now) in until.iter().enumerate() {
                let step = now - if k > 0 { until[k - 1] } else { 0.0 };
                transactions[k] += step;
                revenue[k] += step * spent;
            }
        }
        for (k, range) in periods.iter().enumerate() {
            let of = |quantity: &str| {
                let period = show(range.0);
                let key = [("segment", "all"), ("model", model), ("quantity", quantity), ("period", &period)];
                number(backtest.row(&key), "expected")
            };
            agree(model, of("transactions"), transactions[k]);
            agree(model, of("revenue"), revenue[k]);
        }
    }
}
