//! Answers and what followed, on random histories: every row of `voice` and `voice_outcome` against the definitions written
//! down a second time, customer by customer and day by day.

use std::collections::{BTreeMap, BTreeSet};

use crate::days::{Day, Period, civil, day, plus_months, show};
use crate::dice::Dice;
use crate::small::{Business, Rows};
use crate::support::{Row, Table, Value};

const KINDS: [&str; 3] = ["nps", "csat", "ces"];
/// The 97.5 % quantile of Student's t at 1, 2, … degrees of freedom (SciPy 1.17.1).
const T: [f64; 20] = [
    12.7062047362,
    4.3026527297,
    3.1824463053,
    2.7764451052,
    2.5705818356,
    2.4469118511,
    2.3646242516,
    2.3060041352,
    2.2621571628,
    2.2281388520,
    2.2009851601,
    2.1788128297,
    2.1603686565,
    2.1447866879,
    2.1314495456,
    2.1199052992,
    2.1098155778,
    2.1009220402,
    2.0930240544,
    2.0859634473,
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    Contracts,
    Month,
    Window(i64),
}

#[derive(Debug, Default)]
struct Customer {
    country: Option<&'static str>,
    /// Start, end if any, cents a month, plan.
    contracts: Vec<(Day, Option<Day>, i64, &'static str)>,
    /// Day, cents.
    purchases: Vec<(Day, i64)>,
    /// Day, kind, score.
    answers: Vec<(Day, &'static str, Option<i64>)>,
}

#[derive(Debug)]
struct History {
    rule: Rule,
    from: Day,
    as_of: Day,
    ces_high_is_ease: bool,
    customers: BTreeMap<String, Customer>,
}

fn history(seed: u64) -> History {
    let mut dice = Dice::new(seed);
    let rule = dice.pick(&[Rule::Contracts, Rule::Contracts, Rule::Month, Rule::Window(45)]);
    let from = day(dice.pick(&["2020-01-01", "2020-01-12"]));
    let as_of = day(dice.pick(&["2020-06-01", "2020-06-18", "2020-05-31"]));
    let mut customers = BTreeMap::new();
    for number in 0..18 {
        let mut customer = Customer { country: dice.pick(&[Some("AT"), Some("DE"), None]), ..Customer::default() };
        let plans = ["solo", "team"];
        for _ in 0..dice.below(4) {
            let start = from + dice.between(-60, 150);
            let end = dice.percent(70).then(|| start + dice.between(0, 120));
            customer.contracts.push((start, end, 100 * dice.between(1, 60), dice.pick(&plans)));
        }
        for _ in 0..dice.below(9) {
            let cents = if dice.percent(85) { dice.between(1, 9000) } else { -dice.between(1, 4000) };
            customer.purchases.push((from + dice.between(-20, 160), cents));
        }
        for _ in 0..dice.below(9) {
            let (kind, on) = (dice.pick(&["nps", "nps", "csat", "ces", "exit"]), from + dice.between(-20, 160));
            let highest = [("nps", 10), ("csat", 5), ("ces", 7)].iter().find(|k| k.0 == kind).map(|k| k.1);
            let lowest = i64::from(kind != "nps");
            let score = highest.filter(|_| dice.percent(75)).map(|highest| dice.between(lowest, highest));
            customer.answers.push((on, kind, score));
        }
        customers.insert(format!("c{number}"), customer);
    }
    History { rule, from, as_of, ces_high_is_ease: dice.percent(50), customers }
}

impl History {
    fn business(&self) -> Business {
        let as_of = show(self.as_of);
        let mut business = match self.rule {
            Rule::Contracts => Business::of_subscriptions(&as_of),
            Rule::Month => Business::of_transactions(&as_of),
            Rule::Window(days) => {
                Business::of_transactions(&as_of).customers(&format!("churn_after = \"{days} days\""))
            }
        };
        business = business.calendar(&format!("observed_from = \"{}\"", show(self.from)));
        let money =
            |cents: i64| format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100);
        let on = |day: Option<Day>| day.map(show).unwrap_or_default();
        let mut members = Rows::read("customer_id | country");
        let mut contracts = Rows::read("customer_id | started_at | ended_at | amount | plan");
        let mut purchases = Rows::read("customer_id | occurred_at | amount");
        let mut surveys = Rows::read("customer_id | answered_at | kind | score");
        for (id, customer) in &self.customers {
            members.cells.push(vec![id.clone(), customer.country.unwrap_or_default().into()]);
            for (start, end, cents, plan) in &customer.contracts {
                contracts.cells.push(vec![id.clone(), show(*start), on(*end), money(*cents), (*plan).into()]);
            }
            for (day, cents) in &customer.purchases {
                purchases.cells.push(vec![id.clone(), show(*day), money(*cents)]);
            }
            for (day, kind, score) in &customer.answers {
                let score = score.map(|s| s.to_string()).unwrap_or_default();
                surveys.cells.push(vec![id.clone(), show(*day), (*kind).into(), score]);
            }
        }
        // Of nobody, and out of order.
        surveys.cells.insert(0, ["nobody", "2020-03-03", "nps", "0"].map(str::to_string).to_vec());
        surveys.cells.reverse();
        business = match self.rule {
            Rule::Contracts => business
                .source_of("subscriptions", contracts, "")
                .segment("plan = { column = \"subscriptions.plan\", at = \"opening\" }"),
            _ => business.source_of("transactions", purchases, ""),
        };
        let high = if self.ces_high_is_ease { "" } else { "ces_high = \"effort\"" };
        business
            .source_of("customers", members, "")
            .source_of("surveys", surveys, high)
            .segment("country = \"customers.country\"")
            .stage("voice", "")
            .stage("voice_outcome", "")
            .output("quarantine_limit = 0.5")
    }

    /// The months of the window, by their first days.
    fn months(&self) -> Vec<Day> {
        let first = Period::Month.start(self.from, jiff::civil::Weekday::Monday);
        (0..).map(|n| plus_months(first, n)).take_while(|start| *start < self.as_of).collect()
    }

    fn live(&self, customer: &Customer, on: Day) -> bool {
        let bought = |from: Day, until: Day| {
            customer.purchases.iter().any(|(d, cents)| *cents > 0 && (from..until).contains(d) && *d < self.as_of)
        };
        match self.rule {
            Rule::Contracts => {
                customer.contracts.iter().any(|(start, end, _, _)| *start <= on && end.is_none_or(|end| on < end))
            }
            Rule::Month => {
                let start = Period::Month.start(on, jiff::civil::Weekday::Monday);
                bought(start, plus_months(start, 1))
            }
            Rule::Window(days) => bought(on - days + 1, on + 1),
        }
    }

    /// Money of a customer at a boundary: the start of a month, where the month before it closes.
    fn money(&self, customer: &Customer, boundary: Day) -> i128 {
        if !self.live(customer, boundary - 1) {
            return 0;
        }
        let net = |from: Day| -> i128 {
            customer.purchases.iter().filter(|(d, _)| (from..boundary).contains(d)).map(|(_, c)| i128::from(*c)).sum()
        };
        match self.rule {
            Rule::Contracts => {
                let runs = |(start, end, ..): &&(Day, Option<Day>, i64, &str)| {
                    *start < boundary && end.is_none_or(|end| boundary <= end)
                };
                customer.contracts.iter().filter(runs).map(|(_, _, cents, _)| i128::from(*cents)).sum()
            }
            Rule::Month => net(Period::Month.start(boundary - 1, jiff::civil::Weekday::Monday)).max(0),
            // A month's worth of it: × 365/12 days ÷ the window's days, half-even.
            Rule::Window(days) => {
                let (above, below) = (365 * net(boundary - days).max(0), 12 * i128::from(days));
                let (whole, rest) = (above / below, above % below);
                whole + i128::from(2 * rest > below || 2 * rest == below && whole % 2 == 1)
            }
        }
    }

    /// Segments and values of a customer in a month.
    fn cells(&self, customer: &Customer, month: Day) -> Vec<(&'static str, &'static str)> {
        let mut cells = vec![("all", "all"), ("country", customer.country.unwrap_or("(none)"))];
        if self.rule == Rule::Contracts {
            let closing = plus_months(month, 1).min(self.as_of);
            let by = if self.live(customer, month - 1) { month - 1 } else { closing - 1 };
            let known = customer.contracts.iter().filter(|(start, ..)| *start <= by);
            cells.push(("plan", known.map(|(start, _, _, plan)| (*start, *plan)).max().map_or("(none)", |k| k.1)));
        }
        cells
    }

    /// The last answer of a kind in a month, else an invitation: day and score.
    fn said(&self, customer: &Customer, kind: &str, month: Day) -> Option<(Day, Option<i64>)> {
        let until = plus_months(month, 1).min(self.as_of);
        let asked = || customer.answers.iter().filter(|(d, k, _)| *k == kind && (month..until).contains(d));
        // Of the answers of one day the highest counts.
        let answered = asked().filter_map(|(d, _, score)| Some((*d, Some((*score)?)))).max();
        answered.or_else(|| asked().map(|(d, _, _)| (*d, None)).max())
    }

    fn group(&self, kind: &str, score: i64) -> usize {
        let words = match kind {
            "nps" => "2222222 11 00".replace(' ', ""),
            "csat" => "-22100".to_string(),
            _ if self.ces_high_is_ease => "-2221000".to_string(),
            _ => "-0001222".to_string(),
        };
        words.as_bytes()[score as usize] as usize - usize::from(b'0')
    }

    fn complete(&self, month: Day) -> bool {
        self.from <= month && plus_months(month, 1) <= self.as_of
    }

    fn voice(&self) -> BTreeMap<String, Vec<Option<f64>>> {
        let mut said: BTreeMap<(&str, &str, Day, &str), Vec<Option<i64>>> = BTreeMap::new();
        for (customer, month) in self.customers.values().flat_map(|c| self.months().into_iter().map(move |m| (c, m))) {
            for kind in KINDS {
                let Some((_, score)) = self.said(customer, kind, month) else { continue };
                for (segment, value) in self.cells(customer, month) {
                    said.entry((segment, value, month, kind)).or_default().push(score);
                }
            }
        }
        let silent: BTreeSet<&str> =
            said.iter().filter(|(_, scores)| scores.contains(&None)).map(|((.., kind), _)| *kind).collect();
        let row = |((segment, value, month, kind), all): (&(&str, &str, Day, &str), &Vec<Option<i64>>)| {
            let scores: Vec<i64> = all.iter().flatten().copied().collect();
            let n = scores.len() as f64;
            let of = |group| scores.iter().filter(|s| self.group(kind, **s) == group).count() as f64;
            let (p, d) = (of(0) / n, of(2) / n);
            let (mut score, mut interval) = (None, None);
            if n > 0.0 {
                match *kind {
                    "nps" => {
                        let half = 1.96 * 100.0 * ((p + d - (p - d).powi(2)) / n).max(0.0).sqrt();
                        (score, interval) =
                            (Some(100.0 * (p - d)), Some((100.0 * (p - d) - half, 100.0 * (p - d) + half)));
                    }
                    "csat" => {
                        let z = 1.959_963_984_540_054_f64;
                        let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
                        let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt() / (1.0 + z * z / n);
                        (score, interval) = (Some(p), Some((middle - half, middle + half)));
                    }
                    _ => {
                        let mean = scores.iter().sum::<i64>() as f64 / n;
                        let squares: f64 = scores.iter().map(|s| (*s as f64 - mean).powi(2)).sum();
                        let half = |t: f64| t * (squares / (n - 1.0) / n).sqrt();
                        score = Some(mean);
                        interval = (n > 1.0).then(|| half(T[scores.len() - 2])).map(|half| (mean - half, mean + half));
                    }
                }
            }
            let response = silent.contains(kind).then_some(n / all.len() as f64);
            let figures = [Some(n), Some(of(0)), Some(of(1)), Some(of(2)), score];
            let ends = [interval.map(|i| i.0), interval.map(|i| i.1), response];
            (format!("{segment} {value} {} {kind}", civil(*month)), figures.into_iter().chain(ends).collect())
        };
        said.iter().map(row).collect()
    }

    fn outcome(&self) -> BTreeMap<String, Vec<Option<f64>>> {
        let mut groups: BTreeMap<String, (bool, i64, i64, i128, i128)> = BTreeMap::new();
        for (customer, month) in self.customers.values().flat_map(|c| self.months().into_iter().map(move |m| (c, m))) {
            let next = plus_months(month, 1);
            for kind in KINDS {
                let Some((on, Some(score))) = self.said(customer, kind, month) else { continue };
                if !self.live(customer, on) {
                    continue;
                }
                let group = ["promoters", "passives", "detractors"][self.group(kind, score)];
                let stays = self.live(customer, plus_months(next, 1) - 1);
                let at = if self.live(customer, month - 1) { month } else { next };
                for (segment, value) in self.cells(customer, month) {
                    let key = format!("{segment} {value} {} {kind} {group}", civil(month));
                    let of = groups.entry(key).or_default();
                    of.0 = self.complete(next);
                    of.1 += 1;
                    of.2 += i64::from(!stays);
                    of.3 += self.money(customer, at);
                    of.4 += self.money(customer, plus_months(next, 1));
                }
            }
        }
        let figures = |(key, (known, customers, left, before, later)): (String, (bool, i64, i64, i128, i128))| {
            let churned = known.then_some(left as f64 / customers as f64);
            let change = (known && before > 0).then(|| (later - before) as f64 / before as f64);
            (key, vec![Some(customers as f64), churned, change])
        };
        groups.into_iter().map(figures).collect()
    }
}

fn number(row: &Row, column: &str) -> Option<f64> {
    match &row[column] {
        Value::Null => None,
        Value::Int(n) => Some(*n as f64),
        Value::Float(x) => Some(*x),
        other => panic!("{column}: {other:?}"),
    }
}

fn differences(
    table: &Table,
    key: &[&str],
    figures: &[&str],
    want: &BTreeMap<String, Vec<Option<f64>>>,
) -> Vec<String> {
    let mut found = vec![];
    let mut seen = BTreeSet::new();
    for row in &table.rows {
        let key: Vec<String> = key.iter().map(|k| row[*k].to_string()).collect();
        let key = key.join(" ");
        let Some(want) = want.get(&key) else {
            found.push(format!("{}: nobody expects {key}", table.name));
            continue;
        };
        for (column, want) in figures.iter().zip(want) {
            let figure = number(row, column);
            let same = match (figure, *want) {
                (Some(x), Some(want)) => (x - want).abs() <= 1e-8 * want.abs().max(1.0),
                (x, want) => x == want,
            };
            if !same {
                found.push(format!("{}: {key}: {column} is {figure:?}, not {want:?}", table.name));
            }
        }
        seen.insert(key);
    }
    found.extend(want.keys().filter(|k| !seen.contains(*k)).map(|k| format!("{}: {k} is missing", table.name)));
    found
}

#[test]
fn random_answers_and_what_followed() {
    let mut rows = BTreeMap::new();
    for seed in 0..48 {
        let history = history(seed);
        let here = history.business().runs();
        let (voice, outcome) = (history.voice(), history.outcome());
        let figures = ["answers", "promoters", "passives", "detractors", "score", "ci_low", "ci_high", "response_rate"];
        let mut found = differences(&here.table("voice"), &["segment", "value", "period", "kind"], &figures, &voice);
        let key = ["segment", "value", "period", "kind", "group"];
        let figures = ["customers", "churn_rate_after", "revenue_change_after"];
        found.extend(differences(&here.table("voice_outcome"), &key, &figures, &outcome));
        assert!(found.is_empty(), "seed {seed}, {:?}\n{}", history.rule, found.join("\n"));
        let change = outcome.values().filter(|f| f[2].is_some_and(|x| x != 0.0 && x != -1.0)).count();
        let counts: &mut (usize, usize) = rows.entry(format!("{:?}", history.rule)).or_default();
        *counts = (counts.0 + voice.len(), counts.1 + change);
    }
    // Under every rule there is something to see.
    assert!(rows.len() == 3 && rows.values().all(|(voice, change)| *voice > 200 && *change > 50), "{rows:?}");
}
