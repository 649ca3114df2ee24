//! Early warning (DEFINITIONS §10): the signs, the score and its backtest against the definitions written down a second
//! time, customer by customer; and what a person is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

use crate::days::{Day, Period, civil, day, plus_months, show};
use crate::dice::Dice;
use crate::published::{float, int, path_text, rows_of};
use crate::reference::reference;
use crate::small::{Business, Rows, shows};
use crate::support::{Row, Table, Value, Workspace};

/// Days of purchase of each customer.
type Shop = BTreeMap<String, BTreeSet<Day>>;
/// Answers with their day and points.
type Answers = BTreeMap<String, BTreeMap<Day, Option<i64>>>;

const FIRST: &str = "2020-01-06";

/// Customers who buy at a pace of their own until they stop.
fn shop(seed: u64, customers: i64, until: Day) -> Shop {
    let mut dice = Dice::new(seed);
    let mut shop = Shop::new();
    for customer in 0..customers {
        let pace = dice.pick(&[3, 6, 12, 25, 60]);
        let stops = dice.pick(&[20, 90, 200, 400, 2000]);
        let mut at = day(FIRST) + if customer == 0 { 0 } else { dice.below(500) };
        let end = (at + 1 + dice.below(2 * stops)).min(until);
        let days = shop.entry(format!("c{customer:03}")).or_default();
        while at < end {
            days.insert(at);
            at += 1 + dice.below(2 * pace);
        }
    }
    shop.retain(|_, days| !days.is_empty());
    shop
}

fn answers(seed: u64, shop: &Shop) -> Answers {
    let mut dice = Dice::new(seed);
    let mut answers = Answers::new();
    for (customer, days) in shop {
        for _ in 0..dice.below(4) {
            let on = days.first().expect("a day") + dice.below(500);
            answers.entry(customer.clone()).or_default().insert(on, dice.percent(80).then(|| dice.below(11)));
        }
    }
    answers
}

fn purchases(shop: &Shop) -> Rows {
    let mut text = String::from("customer_id | occurred_at | amount\n");
    for (customer, days) in shop {
        days.iter().for_each(|on| writeln!(text, "{customer} | {} | 5.00", show(*on)).expect("strings grow"));
    }
    Rows::read(&text)
}

fn surveys(answers: &Answers) -> Rows {
    let mut text = String::from("customer_id | answered_at | kind | score\n");
    for (customer, answers) in answers {
        for (on, points) in answers {
            let points = points.map(|p| p.to_string()).unwrap_or_default();
            writeln!(text, "{customer} | {} | nps | {points}", show(*on)).expect("strings grow");
        }
    }
    Rows::read(&text)
}

fn business(shop: &Shop, as_of: Day, rule: &str) -> Business {
    Business::of_transactions(&show(as_of))
        .customers(&format!("churn_after = \"{rule}\""))
        .source_of("transactions", purchases(shop), "")
        .stage("risk", "")
        .stage("churn", "")
}

/// When silence is churn.
#[derive(Clone, Copy)]
enum Rule {
    Month,
    Days(Day),
}

/// The definitions, for everybody on a date.
struct Naive<'a> {
    shop: &'a Shop,
    answers: &'a Answers,
    rule: Rule,
}

/// Which of so many levels a value is in, if each begins at a cut.
fn level(value: f64, cuts: &[f64]) -> usize {
    cuts.iter().filter(|cut| value >= **cut).count()
}

/// Levels of silence, rhythm, level, purchases, lately, pace and survey.
const LEVELS: [usize; 7] = [5, 7, 6, 5, 5, 6, 4];

struct Seen {
    levels: [usize; 7],
    /// Silence ÷ window.
    silence: f64,
    left: bool,
}

impl Naive<'_> {
    fn ends(&self, cut: Day) -> Day {
        match self.rule {
            Rule::Month => plus_months(cut, 1),
            Rule::Days(days) => cut + days,
        }
    }

    fn cuts(&self, as_of: Day) -> Vec<Day> {
        let from = *self.shop.values().filter_map(BTreeSet::first).min().expect("somebody bought");
        let window = if let Rule::Days(days) = self.rule { days } else { 0 };
        let earliest = (from + 30).max(plus_months(from, 1)).max(from + window);
        let mut cuts: Vec<Day> = (1..).map(|n| plus_months(as_of, -n)).take_while(|d| *d >= earliest).collect();
        cuts.retain(|cut| self.ends(*cut) <= as_of);
        cuts.truncate(24);
        cuts.reverse();
        cuts
    }

    fn see(&self, customer: &str, cut: Day) -> Option<Seen> {
        let days: Vec<Day> = self.shop[customer].iter().copied().filter(|d| *d < cut).collect();
        let (first, last) = (*days.first()?, *days.last()?);
        let window = if let Rule::Days(days) = self.rule { days } else { 30 };
        let live = match self.rule {
            Rule::Month => last >= plus_months(Period::Month.start(cut, jiff::civil::Weekday::Monday), -1),
            Rule::Days(days) => last + days >= cut,
        };
        if !live {
            return None;
        }
        let silence = (cut - 1 - last) as f64;
        let n = days.len() as f64;
        let rhythm = if days.len() < 2 {
            0
        } else {
            1 + level(silence / ((last - first) as f64 / (n - 1.0)), &[1.0, 1.5, 2.0, 3.0, 5.0])
        };
        let from = first.max(cut - 7 * 30);
        let recent = days.iter().filter(|d| **d >= cut - 30).count() as f64;
        let earlier = days.iter().filter(|d| **d >= from && **d < cut - 30).count() as f64;
        let lately = if cut - 30 - from < 30 || earlier == 0.0 {
            0
        } else if recent == 0.0 {
            1
        } else {
            2 + level(recent * (cut - 30 - from) as f64, &[0.5, 0.75, 1.25].map(|c| c * earlier * 30.0))
        };
        let known = self.answers.get(customer).into_iter().flat_map(|a| a.range(cut - 365..cut));
        let survey = match known.filter_map(|(_, points)| *points).next_back() {
            None => 0,
            Some(..=6) => 1,
            Some(7..=8) => 2,
            Some(_) => 3,
        };
        let share = silence / window as f64;
        let levels = [
            level(share, &[0.25, 0.5, 0.75, 1.0]),
            rhythm,
            lately,
            level(n, &[2.0, 3.0, 5.0, 9.0]),
            level(recent, &[2.0, 3.0, 5.0, 9.0]),
            level((cut - first) as f64 / n / window as f64, &[0.125, 0.25, 0.5, 1.0, 2.0]),
            survey,
        ];
        let left = !self.shop[customer].iter().any(|d| (cut..self.ends(cut)).contains(d));
        Some(Seen { levels, silence: share, left })
    }

    fn all(&self, cut: Day) -> Vec<Seen> {
        self.shop.keys().filter_map(|customer| self.see(customer, cut)).collect()
    }

    /// Everybody who was seen at the dates whose outcome was known by a day; nobody where these are fewer than three.
    fn taught(&self, cuts: &[Day], day: Day) -> Vec<Seen> {
        let known: Vec<Day> = cuts.iter().copied().filter(|cut| self.ends(*cut) <= day).collect();
        let last = &known[known.len().saturating_sub(12)..];
        if last.len() < 3 { vec![] } else { last.iter().flat_map(|cut| self.all(*cut)).collect() }
    }
}

/// The columns of the intercept and of a customer's levels, of some of the signs.
fn columns(levels: &[usize; 7], signs: &[usize]) -> Vec<usize> {
    let column = |sign: &usize| 1 + LEVELS[..*sign].iter().sum::<usize>() + levels[*sign];
    std::iter::once(0).chain(signs.iter().map(column)).collect()
}

/// Ridge logistic regression, customer by customer: Newton's method, Gauss's elimination.
fn fit(seen: &[Seen], signs: &[usize]) -> Option<Vec<f64>> {
    let size = 1 + LEVELS.iter().sum::<usize>();
    if !seen.iter().any(|s| s.left) || seen.iter().all(|s| s.left) {
        return None;
    }
    let mut w = vec![0.0; size];
    for _ in 0..60 {
        let mut a: Vec<Vec<f64>> = vec![vec![0.0; size + 1]; size];
        for (i, row) in a.iter_mut().enumerate().skip(1) {
            row[i] = 1.0;
            row[size] = -w[i];
        }
        for s in seen {
            let on = columns(&s.levels, signs);
            let p = predicted(&w, &on);
            for i in &on {
                a[*i][size] += f64::from(u8::from(s.left)) - p;
                on.iter().for_each(|j| a[*i][*j] += p * (1.0 - p));
            }
        }
        for i in 0..size {
            let pivot = a[i].clone();
            for (k, row) in a.iter_mut().enumerate().filter(|(k, _)| *k != i) {
                let factor = row[i] / pivot[i];
                assert!(factor.is_finite(), "row {k}");
                row.iter_mut().zip(&pivot).for_each(|(x, p)| *x -= factor * p);
            }
        }
        (0..size).for_each(|i| w[i] += a[i][size] / a[i][i]);
    }
    Some(w)
}

fn predicted(w: &[f64], on: &[usize]) -> f64 {
    1.0 / (1.0 + (-on.iter().map(|i| w[*i]).sum::<f64>()).exp())
}

/// Lift-less figures: those who left in the top tenth, auc, brier; by every pair of customers.
fn judged(scored: &[(f64, bool)]) -> (f64, Option<f64>) {
    let pairs = scored.iter().filter(|s| s.1).flat_map(|l| scored.iter().filter(|s| !s.1).map(move |s| (l.0, s.0)));
    let (mut won, mut all) = (0.0, 0.0);
    for (left, stayed) in pairs {
        all += 1.0;
        won += if left > stayed { 1.0 } else { f64::from(u8::from(left == stayed)) / 2.0 };
    }
    // The place of a customer among the others, if equals stand at every place alike.
    let top = scored.len() as f64 / 10.0;
    let share = |score: f64| {
        let above = scored.iter().filter(|s| s.0 > score).count() as f64;
        let equal = scored.iter().filter(|s| s.0 == score).count() as f64;
        ((top - above) / equal).clamp(0.0, 1.0)
    };
    (scored.iter().filter(|s| s.1).map(|s| share(s.0)).sum(), (all > 0.0).then(|| won / all))
}

fn brier(scored: &[(f64, bool)]) -> f64 {
    scored.iter().map(|(p, left)| (p - f64::from(u8::from(*left))).powi(2)).sum::<f64>() / scored.len() as f64
}

#[track_caller]
fn near(what: &str, found: &Value, expected: Option<f64>) {
    match (found, expected) {
        (Value::Null, None) => {}
        (Value::Float(x), Some(y)) => assert!((x - y).abs() < 1e-8, "{what}: {x} is not {y}"),
        _ => panic!("{what}: {found} is not {expected:?}"),
    }
}

fn agrees(shop: &Shop, answers: &Answers, as_of: Day, rule: Rule) {
    let said = if let Rule::Days(n) = rule { format!("{n} days") } else { "1 period".into() };
    let here = business(shop, as_of, &said).source_of("surveys", surveys(answers), "").runs();
    let naive = Naive { shop, answers, rule };
    let cuts = naive.cuts(as_of);
    let all = [0, 1, 2, 3, 4, 5, 6];

    let model = fit(&naive.taught(&cuts, as_of), &all).expect("some left, some stayed");
    let customers = here.table("customers");
    assert_eq!(customers.rows.len(), shop.len());
    let mut scored = 0;
    for row in &customers.rows {
        let customer = row["customer_id"].to_string();
        let seen = naive.see(&customer, as_of);
        assert_eq!(seen.is_some(), row["state"].to_string() == "live", "{row:?}");
        near(&customer, &row["risk_score"], seen.as_ref().map(|s| predicted(&model, &columns(&s.levels, &all))));
        assert!(seen.is_some() || row["risk_reason"] == Value::Null);
        scored += usize::from(seen.is_some());
    }
    assert!(scored > 20 && scored < shop.len(), "{scored} of {} are live", shop.len());

    let table = here.table("risk_backtest");
    let tested = &cuts[cuts.len().saturating_sub(12)..];
    let mut predictions = 0;
    for cut in tested {
        let (here, taught) = (naive.all(*cut), naive.taught(&cuts, *cut));
        let row = |signal: &str| table.row(&[("cut", &show(*cut)), ("signal", signal)]);
        let by = |signs: &[usize]| -> Option<Vec<(f64, bool)>> {
            let w = fit(&taught, signs)?;
            Some(here.iter().map(|s| (predicted(&w, &columns(&s.levels, signs)), s.left)).collect())
        };
        for (signal, signs) in [("risk_score", &all[..]), ("purchases", &[3]), ("lately", &[4]), ("survey", &[6])] {
            let scored = by(signs);
            let figures = scored.as_ref().map(|s| judged(s));
            near(signal, &row(signal)["churned_in_top_decile"], figures.map(|f| f.0));
            near(signal, &row(signal)["auc"], figures.and_then(|f| f.1));
            near(signal, &row(signal)["brier"], scored.as_ref().map(|s| brier(s)));
            predictions += usize::from(scored.is_some());
        }
        let left = here.iter().filter(|s| s.left).count() as f64;
        let silence: Vec<(f64, bool)> = here.iter().map(|s| ((1000.0 * s.silence + 1e-9).floor(), s.left)).collect();
        near("silence", &row("silence")["auc"], judged(&silence).1);
        near("silence", &row("silence")["lift"], (left > 0.0).then(|| judged(&silence).0 / left * 10.0));
        near("silence", &row("silence")["brier"], by(&[0]).map(|s| brier(&s)));
        near("chance", &row("chance")["churned_in_top_decile"], Some(left / 10.0));
        let rate = taught.iter().filter(|s| s.left).count() as f64 / taught.len() as f64;
        let chance: Vec<(f64, bool)> = here.iter().map(|s| (rate, s.left)).collect();
        near("chance", &row("chance")["brier"], (!taught.is_empty()).then(|| brier(&chance)));
        for signal in ["risk_score", "silence", "chance"] {
            assert_eq!((int(row(signal), "customers"), int(row(signal), "churned")), (here.len() as i64, left as i64));
        }
    }
    assert!(predictions >= 16, "{predictions} predictions");
    let signals = 9;
    assert_eq!(table.rows.len(), (tested.len() + 1) * signals);
}

#[test]
fn months_are_predicted_as_the_definitions_say() {
    let shop = shop(7, 160, day("2021-09-01"));
    agrees(&shop, &answers(8, &shop), day("2021-09-01"), Rule::Month);
}

#[test]
fn windows_are_predicted_as_the_definitions_say_on_any_day_of_a_month() {
    let shop = shop(3, 160, day("2021-09-17"));
    agrees(&shop, &answers(4, &shop), day("2021-09-17"), Rule::Days(45));
    agrees(&shop, &answers(5, &shop), day("2021-08-31"), Rule::Month);
}

/// By month, who is looked at and who leaves are churn's own opening and churned.
#[test]
fn who_leaves_is_whom_churn_counts() {
    let here = business(&shop(11, 200, day("2021-09-01")), day("2021-09-01"), "1 period").runs();
    let (risk, churn) = (here.table("risk_backtest"), here.table("churn"));
    let rows = risk.filter(&[("signal", "chance")]);
    assert_eq!(rows.len(), 13);
    for row in rows.iter().filter(|row| row["cut"] != Value::Null) {
        let period = churn.row(&[("segment", "all"), ("period", &row["cut"].to_string())]);
        assert_eq!((&row["customers"], &row["churned"]), (&period["opening"], &period["churned"]), "{row:?}");
    }
}

/// A shop that can be followed: on 1 June ten customers are live, who last bought on the 1st to the 30th of May; whoever
/// was silent for longer than twelve days leaves, but for one.
#[test]
fn silence_can_be_counted_by_hand() {
    let mut text = String::from("customer_id | occurred_at | amount\n");
    let last = [31, 30, 28, 25, 22, 20, 18, 14, 9, 2];
    for (i, last) in last.into_iter().enumerate() {
        writeln!(text, "c{i} | 2020-01-10 | 5.00\nc{i} | 2020-04-10 | 5.00\nc{i} | 2020-05-{last:02} | 5.00")
            .expect("strings grow");
        if i < 5 || i == 7 {
            writeln!(text, "c{i} | 2020-06-15 | 5.00").expect("strings grow");
        }
    }
    let business = Business::of_transactions("2020-07-01").source_of("transactions", Rows::read(&text), "");
    let here = business.stage("risk", "").runs();
    // At the three dates before it nobody left. c5, c6, c8 and c9 left. The top tenth is c9, silent for 29 days. Of 4·6 pairs c7 (17 days) beats c5 and c6 (11, 13).
    shows(
        &here,
        "risk_backtest",
        "cut        | signal     : stage | customers | churned | churned_in_top_decile | lift | auc   | brier
         2020-06-01 | silence    : risk  | 10        | 4       | 1                     | 2.5  | 22/24 |
         2020-06-01 | chance     : risk  | 10        | 4       | 0.4                   | 1    | 0.5   | 0.4
         2020-03-01 | silence    : risk  | 0         | 0       | 0                     |      |       |
         2020-06-01 | risk_score : risk  | 10        | 4       |                       |      |       | ",
    );
    shows(
        &here,
        "checks",
        "check              | subject : status | actual
         risk_dates         | risk    : pass   | 4
         risk_beats_silence | risk    : warn   | none",
    );
}

/// Everything from a day on is another, but for whether somebody buys in the month that follows it.
fn altered(shop: &Shop, cut: Day, dice: &mut Dice) -> Shop {
    let ends = plus_months(cut, 1);
    let mut other = Shop::new();
    for (customer, days) in shop {
        let mut kept: BTreeSet<Day> = days.iter().copied().filter(|d| *d < cut).collect();
        if days.range(cut..ends).next().is_some() {
            (0..1 + dice.below(3)).for_each(|_| {
                kept.insert(cut + dice.below(ends - cut));
            });
        }
        (0..dice.below(9)).for_each(|_| {
            kept.insert(ends + dice.below(90));
        });
        other.insert(customer.clone(), kept);
    }
    // Somebody who was not there before.
    (0..30).for_each(|n| {
        other.insert(format!("new {n}"), [cut + dice.below(120)].into());
    });
    other
}

fn told(table: &Table, until: &str) -> Vec<String> {
    let rows = table.rows.iter().filter(|row| row["cut"] != Value::Null && *row["cut"].to_string() <= *until);
    rows.map(|row| format!("{row:?}")).collect()
}

#[test]
fn rows_after_a_date_change_nothing_that_was_predicted_at_it() {
    let (cut, as_of) = (day("2021-06-01"), day("2021-09-01"));
    let mut dice = Dice::new(99);
    let before = shop(21, 200, as_of);
    let after = altered(&before, cut, &mut dice);
    assert!(before != after);
    let tables = [&before, &after].map(|shop| business(shop, as_of, "1 period").runs().table("risk_backtest"));
    let [told_before, told_after] = [&tables[0], &tables[1]].map(|table| told(table, "2021-06-01"));
    assert!(told_before.len() >= 9 * 6 && told_before.iter().any(|row| row.contains("risk_score")));
    assert_eq!(told_before, told_after);
    // What came of the dates after it is another.
    assert_ne!(told(&tables[0], "2021-08-01"), told(&tables[1], "2021-08-01"));

    // Whoever was scored on that day got what the backtest says.
    let scored = [&before, &after].map(|shop| business(shop, cut, "1 period").runs().table("customers"));
    let score = |table: &Table| -> BTreeMap<String, (String, String)> {
        let of = |row: &Row| (row["risk_score"].to_string(), row["risk_reason"].to_string());
        table.rows.iter().map(|row| (row["customer_id"].to_string(), of(row))).collect()
    };
    assert_eq!(score(&scored[0]), score(&scored[1]));
    let outcomes: Vec<(f64, bool)> = scored[0]
        .rows
        .iter()
        .filter(|row| row["risk_score"] != Value::Null)
        .map(|row| {
            let days = &before[&row["customer_id"].to_string()];
            (float(row, "risk_score"), days.range(cut..plus_months(cut, 1)).next().is_none())
        })
        .collect();
    let row = tables[0].row(&[("cut", "2021-06-01"), ("signal", "risk_score")]);
    let (top, auc) = judged(&outcomes);
    near("top", &row["churned_in_top_decile"], Some(top));
    near("auc", &row["auc"], auc);
    near("brier", &row["brier"], Some(brier(&outcomes)));
    assert_eq!(int(row, "customers"), outcomes.len() as i64);
}

/// The same where windows are learned: they are learned before all past dates.
#[test]
fn learned_windows_of_past_dates_know_nothing_later() {
    let (cut, as_of) = (day("2021-06-01"), day("2021-12-01"));
    let learned = |shop: &Shop| {
        let business = Business::of_transactions(&show(as_of))
            .customers("churn_after = { quantile = 0.8, by = \"frequency\" }")
            .source_of("transactions", purchases(shop), "")
            .stage("risk", "");
        business.runs().table("risk_backtest")
    };
    let before = shop(5, 300, as_of);
    let mut after = before.clone();
    // From the date on everybody buys every fifth day: all windows of the whole span are others.
    for days in after.values_mut() {
        days.retain(|d| *d < cut);
        days.extend((0..30).map(|n| cut + 5 * n));
    }
    let [before, after] = [learned(&before), learned(&after)];
    let earlier: Vec<String> = before
        .filter(&[("signal", "risk_score")])
        .iter()
        .filter(|row| row["cut"] != Value::Null)
        .map(|row| row["cut"].to_string())
        .collect();
    let first = earlier.first().expect("a date").clone();
    assert!(*first < *"2021-06-01", "{earlier:?}");
    // Who was live, and so at which window, is told by no later row.
    for table in [&before, &after] {
        assert!(table.rows.len() > 6 * 3);
    }
    for cut in earlier.iter().filter(|cut| cut.as_str() <= "2021-06-01") {
        let live = |table: &Table| int(table.row(&[("cut", cut), ("signal", "chance")]), "customers");
        assert_eq!(live(&before), live(&after), "{cut}");
    }
}

/// On data that has been published on: better than chance, and by how much than silence alone.
fn tells_more_than_silence(here: &Workspace, least_lift: f64) {
    let table = here.table("risk_backtest");
    let of = |signal: &str| {
        let row = table.row(&[("cut", "NULL"), ("signal", signal)]);
        (float(row, "lift"), float(row, "auc"), float(row, "brier"))
    };
    let (score, silence, chance) = (of("risk_score"), of("silence"), of("chance"));
    eprintln!("risk_score {score:?}, silence {silence:?}, chance {chance:?}");
    assert!(score.0 > least_lift && score.0 > silence.0 && score.1 > silence.1 + 0.05, "{score:?} {silence:?}");
    assert!(score.2 < chance.2 && score.2 < silence.2, "{score:?} {silence:?} {chance:?}");
    let check = here.table("checks");
    assert_eq!(check.row(&[("check", "risk_beats_silence")])["status"].to_string(), "pass");
}

fn shipped(name: &str, set: &[&str]) -> Workspace {
    let pipeline = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("pipelines/{name}.toml"));
    let here = Workspace::new();
    let (pipeline, out) = (path_text(&pipeline), path_text(&here.join("out")));
    let mut arguments = vec!["run", &pipeline, "--quiet", "--out", &out, "--set", "stages.risk.window=\"30 days\""];
    set.iter().for_each(|set| arguments.extend(["--set", set]));
    here.tenure(&arguments).exits(0);
    here
}

#[test]
fn cdnow_and_the_grocery_chain_are_told_more_than_silence() {
    // Seven of ten leave each month: no tenth can hold a third more than its share.
    tells_more_than_silence(&shipped("cdnow", &[]), 1.2);
    tells_more_than_silence(&shipped("grocery", &["customers.churn_after=\"1 period\""]), 3.0);
}

#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn online_retail_is_told_more_than_silence() {
    let export = reference("online_retail/online_retail.parquet");
    let here = Workspace::new();
    let columns =
        "customer_id = \"CustomerID\", occurred_at = \"InvoiceDate\", amount = { sql = \"Quantity * UnitPrice\" }";
    for (rule, least) in [("1 period", 1.2), ("90 days", 1.5)] {
        here.write(
            "pipeline.toml",
            &format!(
                "[calendar]\nas_of = \"2011-12-01\"\n[money]\ncurrency = \"GBP\"\n[customers]\nchurn_after = {rule:?}\n\
                 [sources.transactions]\npath = {:?}\nfilter = \"\\\"CustomerID\\\" IS NOT NULL\"\ncolumns = {{ {columns} }}\n\
                 [stages.risk]\n[output]\ndir = \"out\"\nquarantine_limit = 1.0\n",
                path_text(&export)
            ),
        );
        here.run().exits(0);
        tells_more_than_silence(&here, least);
    }
}

/// By fifths of the score: what was predicted, and what came.
fn fifths(mut scored: Vec<(f64, bool)>) -> Vec<(f64, f64, f64)> {
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let share = |fifth: &[(f64, bool)]| {
        let n = fifth.len() as f64;
        (n, fifth.iter().map(|s| s.0).sum::<f64>() / n, fifth.iter().filter(|s| s.1).count() as f64 / n)
    };
    scored.chunks(scored.len().div_ceil(5)).map(share).collect()
}

/// A score of a third means that a third leaves: customers who, once they have joined, come in a week or not by a chance of
/// their own.
#[test]
fn scores_are_probabilities() {
    let mut dice = Dice::new(41);
    let first = day("2020-01-01");
    let mut shop = Shop::new();
    for customer in 0..3000 {
        let chance = dice.pick(&[3, 8, 15, 30, 60]);
        let mut days = BTreeSet::new();
        for week in dice.below(60)..100 {
            if dice.percent(chance) {
                days.insert(first + 7 * week + dice.below(7));
            }
        }
        shop.insert(format!("c{customer:04}"), days);
    }
    shop.retain(|_, days| !days.is_empty());
    let as_of = plus_months(first, 20);
    let here = business(&shop, as_of, "1 period").runs();
    let left = |row: &Row| shop[&row["customer_id"].to_string()].range(as_of..plus_months(as_of, 1)).next().is_none();
    let customers = here.table("customers");
    let scored: Vec<(f64, bool)> = customers
        .rows
        .iter()
        .filter(|row| row["risk_score"] != Value::Null)
        .map(|row| (float(row, "risk_score"), left(row)))
        .collect();
    assert!(scored.len() > 1500);
    let fifths = fifths(scored);
    for (n, predicted, left) in &fifths {
        let deviation = (predicted * (1.0 - predicted) / n).sqrt();
        assert!((predicted - left).abs() < 3.0 * deviation + 0.01, "predicted {predicted}, left {left}");
    }
    assert!(fifths[0].1 < 0.1 && fifths[4].1 > 0.6, "{fifths:?}");
}

/// Six runs as of the firsts of January to June 1998 against who then bought. One month is not the next: in January and
/// April everybody bought less than before, which nothing foretold.
#[test]
fn scores_of_a_real_shop_come_true_over_half_a_year() {
    let export = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/cdnow/purchases.parquet");
    let bought: BTreeSet<(String, Day)> = rows_of(&export)
        .iter()
        .filter_map(|row| match &row["date"] {
            Value::Date(on) => Some((row["customer_id"].to_string(), *on)),
            _ => None,
        })
        .collect();
    let mut scored = vec![];
    for month in 1..=6 {
        let as_of = day(&format!("1998-{month:02}-01"));
        let here = shipped("cdnow", &[&format!("calendar.as_of={:?}", show(as_of))]);
        for row in here.table("customers").rows.iter().filter(|row| row["risk_score"] != Value::Null) {
            let of = |on: Day| (row["customer_id"].to_string(), on);
            let came = bought.range(of(as_of)..of(plus_months(as_of, 1))).next().is_some();
            scored.push((float(row, "risk_score"), !came));
        }
    }
    assert!(scored.len() > 9000);
    for (_, predicted, left) in fifths(scored) {
        eprintln!("predicted {predicted:.3}, left {left:.3}");
        assert!((predicted - left).abs() < 0.06, "predicted {predicted}, left {left}");
    }
}

/// Ten actions a week, until five weeks before the end: then two.
#[test]
fn who_uses_less_is_told_to_leave() {
    let as_of = day("2022-01-03");
    let mut dice = Dice::new(17);
    let (mut subscriptions, mut usage) = (
        String::from("customer_id | started_at | ended_at | amount\n"),
        String::from("customer_id | occurred_at | quantity\n"),
    );
    let mut fading = BTreeSet::new();
    for n in 0..300 {
        let started = day("2019-12-30") + dice.below(300);
        let ends = dice.percent(60).then(|| started + 150 + dice.below(700));
        let ends = if n % 25 == 0 { Some(as_of + dice.below(20)) } else { ends.filter(|end| *end < as_of - 40) };
        let known = ends.filter(|end| *end < as_of).map(show).unwrap_or_default();
        writeln!(subscriptions, "c{n} | {} | {known} | 10.00", show(started)).expect("strings grow");
        for week in (started..ends.unwrap_or(as_of).min(as_of)).step_by(7) {
            let fades = ends.is_some_and(|end| week >= end - 35);
            let quantity = if fades { 2 } else { 9 + dice.below(3) };
            writeln!(usage, "c{n} | {} | {quantity}", show(week)).expect("strings grow");
        }
        if ends.is_some_and(|end| end >= as_of) {
            fading.insert(format!("c{n}"));
        }
    }
    let here = Business::of_subscriptions(&show(as_of))
        .source_of("subscriptions", Rows::read(&subscriptions), "")
        .source_of("usage", Rows::read(&usage), "")
        .stage("risk", "window = \"28 days\"")
        .runs();
    let customers = here.table("customers");
    let mut live: Vec<(f64, String, String)> = customers
        .rows
        .iter()
        .filter(|row| row["risk_score"] != Value::Null)
        .map(|row| (float(row, "risk_score"), row["customer_id"].to_string(), row["risk_reason"].to_string()))
        .collect();
    assert!(
        customers.rows.iter().all(|row| (row["state"].to_string() == "live") == (row["risk_score"] != Value::Null))
    );
    live.sort_by(|a, b| b.0.total_cmp(&a.0));
    let riskiest: BTreeSet<String> = live.iter().take(fading.len()).map(|(_, who, _)| who.clone()).collect();
    assert_eq!(riskiest, fading, "{:?}", &live[..20]);
    for (score, who, reason) in &live {
        assert!(if fading.contains(who) { *score > 0.3 } else { *score < 0.2 }, "{who}: {score}");
        if fading.contains(who) {
            assert!(
                reason.starts_with("used ") && reason.ends_with("% less than usual in the last 28 days"),
                "{reason}"
            );
        }
    }
    tells_more_than_silence(&here, 5.0);
}

/// Two subscribers by the year, two by the month, of whom one of each is about to leave; and nobody has anything else to
/// show.
#[test]
fn contracts_speak_without_use() {
    let mut text =
        String::from("customer_id | started_at | ended_at | cancelled_at | paid_until | interval | amount\n");
    let start = day("2018-01-10");
    for n in 0..120 {
        let joined = plus_months(start, n % 24);
        if n % 2 == 0 {
            // By the year; every second one leaves at the second renewal, and says so a month before.
            let end = plus_months(joined, 24);
            let ended = if n % 4 == 0 && end < day("2021-07-01") { show(end) } else { String::new() };
            let told = if ended.is_empty() { String::new() } else { show(plus_months(end, -1)) };
            writeln!(text, "c{n} | {} | {ended} | {told} | {ended} | year | 120.00", show(joined))
                .expect("strings grow");
        } else {
            writeln!(text, "c{n} | {} | | | | month | 10.00", show(joined)).expect("strings grow");
        }
    }
    // Up for renewal on 10 July; cancelled, and paid until then; in the midst of a year; by the month.
    text += "due      | 2020-07-10 |            |            |            | year  | 120.00\n";
    text += "leaving  | 2020-07-10 |            | 2021-06-20 | 2021-07-10 | year  | 120.00\n";
    text += "midst    | 2021-02-10 |            |            |            | year  | 120.00\n";
    text += "monthly  | 2021-02-10 |            |            |            | month | 10.00\n";
    let here = Business::of_subscriptions("2021-07-01")
        .source_of("subscriptions", Rows::read(&text), "")
        .stage("risk", "")
        .stage("churn", "")
        .runs();
    let customers = here.table("customers");
    let of = |who: &str| {
        let row = customers.row(&[("customer_id", who)]);
        (float(row, "risk_score"), row["risk_reason"].to_string())
    };
    let (due, leaving, midst, monthly) = (of("due"), of("leaving"), of("midst"), of("monthly"));
    assert!(leaving.0 > 0.6 && leaving.0 > due.0 && due.0 > 2.0 * midst.0 && due.0 > 2.0 * monthly.0);
    assert_eq!(leaving.1, "cancelled on 2021-06-20, paid until 2021-07-10");
    assert_eq!(due.1, "term ends on 2021-07-10: up for renewal");
    let (risk, churn) = (here.table("risk_backtest"), here.table("churn"));
    for row in risk.filter(&[("signal", "chance")]).iter().filter(|row| row["cut"] != Value::Null) {
        let period = churn.row(&[("segment", "all"), ("period", &row["cut"].to_string())]);
        assert_eq!((&row["customers"], &row["churned"]), (&period["opening"], &period["churned"]), "{row:?}");
    }
    // Nothing shows silence: the rival is chance, and silence has no figures.
    assert_eq!(risk.row(&[("cut", "NULL"), ("signal", "silence")])["auc"], Value::Null);
    let checks = here.table("checks");
    let check = checks.row(&[("check", "risk_beats_silence")]);
    assert_eq!(check["status"].to_string(), "pass", "{check:?}");
}

#[test]
fn what_cannot_be_known_is_null_and_said() {
    // Two months: no past date.
    let short = shop(2, 40, day("2020-03-01"));
    let here = business(&short, day("2020-03-01"), "1 period").runs();
    assert!(
        here.table("customers").rows.iter().all(|r| r["risk_score"] == Value::Null && r["risk_reason"] == Value::Null)
    );
    shows(&here, "checks", "check | subject : status\n risk_dates | risk : warn\n risk_beats_silence | risk : warn");
    // Everybody comes on every first of the month: nobody ever leaves.
    let first_of = |n: i64| plus_months(day("2020-01-01"), n);
    let loyal: Shop = (0..9).map(|n| (format!("c{n}"), (0..20).map(first_of).collect())).collect();
    let here = business(&loyal, first_of(20), "1 period").runs();
    assert!(here.table("customers").rows.iter().all(|r| r["risk_score"] == Value::Null));
    let checks = here.table("checks");
    assert!(checks.row(&[("check", "risk_dates")])["detail"].to_string().contains("nothing to learn"));
    assert_eq!(civil(first_of(20)).day(), 1);
    // A window longer than the span, and one of a day.
    let shop = shop(2, 40, day("2021-03-01"));
    for lines in ["window = \"36525 days\"", "window = \"1 days\"", "period = \"day\"", "period = \"year\""] {
        let here = Business::of_transactions("2021-03-01")
            .source_of("transactions", purchases(&shop), "")
            .stage("risk", lines)
            .runs();
        assert!(here.table("checks").filter(&[("check", "risk_dates")]).len() == 1, "{lines}");
    }
}

/// A second stage has columns and rows of its own.
#[test]
fn a_second_stage_is_told_apart() {
    let shop = shop(11, 100, day("2021-09-01"));
    let here =
        business(&shop, day("2021-09-01"), "1 period").stage("weekly", "kind = \"risk\"\nperiod = \"week\"").runs();
    let table = here.table("risk_backtest");
    assert_eq!(table.filter(&[("stage", "weekly"), ("signal", "chance")]).len(), 13);
    let customers = here.table("customers");
    assert!(customers.rows.iter().any(|row| row["weekly_risk_score"] != row["risk_score"]));
}
