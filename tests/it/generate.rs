//! Random histories that look for trouble: dates on and beside the boundaries of periods, refunds, gaps of just the
//! tolerated length, trials that outlive their subscription, plans that change.

use std::collections::BTreeMap;

use jiff::civil::Weekday;

use crate::days::{Day, Period, day};
use crate::dice::Dice;
use crate::export::{Amounts, Ids, Shape, Times};
use crate::scenario::{
    At, Attribute, Customer, Dated, Policy, Rule, Scenario, Segment, Stage, Subscription, Switches, Transaction,
};

/// Customers who buy. `by_days`: live for a number of days, else for the period.
pub fn purchases(seed: u64, by_days: bool) -> Scenario {
    purchases_of(&mut Dice::new(seed), Period::ALL[(seed % 5) as usize], by_days)
}

pub fn purchases_of(dice: &mut Dice, period: Period, by_days: bool) -> Scenario {
    purchases_among(dice, period, by_days, (1, 14))
}

/// By so many that ten of them are at risk.
pub fn many_purchases(seed: u64) -> Scenario {
    purchases_among(&mut Dice::new(seed ^ 0x3A1C), Period::ALL[(seed % 5) as usize], seed.is_multiple_of(2), (30, 60))
}

fn purchases_among(dice: &mut Dice, period: Period, by_days: bool, (fewest, most): (i64, i64)) -> Scenario {
    let mean_days = (period.days().0 / period.days().1) as i64;
    let window = by_days.then(|| (mean_days * dice.pick(&[1, 2, 3, 6]) / 2).max(1) + dice.below(3));
    let mut scenario = Scenario::new(Rule::Transactions { window, every_row_counts: dice.percent(20) });
    let span = setting(&mut scenario, dice, period);
    let with_orders = dice.percent(50);
    let customers = dice.between(fewest, most);
    for customer in 0..customers {
        let mut shades = BTreeMap::new();
        for _ in 0..dice.between(0, 11) {
            let day = span.a_day(dice);
            let dated_to_the_second = scenario.shape.times != Times::Date;
            let second = if dated_to_the_second { dice.pick(&[0, 1, 43_200, 86_399]) } else { 0 };
            let shade = dice.pick(&[Some("red"), Some("blue"), Some("dark green"), None]);
            scenario.transactions.push(Transaction {
                customer,
                day,
                second,
                cents: amount(dice),
                order: with_orders.then(|| dice.between(1, 6)),
                // Rows at one instant have no order among themselves, so they agree.
                shade: *shades.entry((day, second)).or_insert(shade),
            });
        }
    }
    if scenario.transactions.is_empty() {
        scenario.transactions.push(Transaction::new(0, span.first, 1_00));
    }
    finish(scenario, dice, &span, Attribute::Shade, customers)
}

/// A shop of two years whose customers differ in how often they buy, for how much, and how readily they leave.
pub fn shop(seed: u64, customers: i64) -> Scenario {
    let mut dice = Dice::new(seed ^ 0x5709);
    let first = day("2021-01-01");
    let mut rows = vec![];
    for customer in 0..customers {
        let (rate, leaving) = (dice.pick(&[4, 8, 20, 50, 120]), dice.pick(&[2, 5, 10, 20, 40, 60]));
        let level = dice.pick(&[5_00, 15_00, 25_00, 60_00]);
        let mut at = first + dice.below(400);
        let shade = dice.pick(&[Some("red"), Some("blue"), None]);
        while at < first + 730 {
            let cents = level * dice.between(50, 150) / 100;
            rows.push(Transaction { shade, ..Transaction::new(customer, at, cents) });
            if dice.percent(leaving) {
                break;
            }
            at += 1;
            while dice.below(1000) >= rate {
                at += 1;
            }
        }
    }
    let mut scenario = Scenario::purchases(rows).known_until("2023-01-01");
    scenario.segments = vec![Segment { name: "shade", attribute: Attribute::Shade, at: At::First }];
    scenario
}

/// Customers who subscribe.
pub fn subscribers(seed: u64) -> Scenario {
    subscribers_of(&mut Dice::new(seed ^ 0xABCD), Period::ALL[(seed % 5) as usize])
}

pub fn subscribers_of(dice: &mut Dice, period: Period) -> Scenario {
    subscribers_among(dice, period, (1, 12))
}

/// So many that ten of them are at risk.
pub fn many_subscribers(seed: u64) -> Scenario {
    subscribers_among(&mut Dice::new(seed ^ 0x3A1B), Period::ALL[(seed % 5) as usize], (30, 60))
}

fn subscribers_among(dice: &mut Dice, period: Period, (fewest, most): (i64, i64)) -> Scenario {
    let switches = Switches {
        ended_at_inclusive: dice.percent(25),
        gap_days: dice.pick(&[0, 0, 1, 3, 30]),
        free_is_live: dice.percent(25),
        paused_is_live: dice.percent(30),
        past_due_is_live: dice.percent(75),
        policy: Policy::default(),
    };
    let mut scenario = Scenario::new(Rule::Subscriptions(switches));
    let span = setting(&mut scenario, dice, period);
    let with_intervals = dice.percent(60);
    let customers = dice.between(fewest, most);
    let mut number = 0;
    for customer in 0..customers {
        let mut cursor = span.a_day(dice);
        let mut taken = vec![];
        for _ in 0..dice.between(1, 4) {
            if cursor > span.last + 30 {
                break;
            }
            while taken.contains(&cursor) {
                cursor += 1;
            }
            taken.push(cursor);
            number += 1;
            let row = subscription(dice, &span, customer, number, cursor, with_intervals);
            let end = row.ended.or(row.paid_until).or(row.cancelled).unwrap_or(cursor + 40);
            let overlaps = dice.percent(20);
            cursor = if overlaps { cursor + dice.between(1, 30) } else { end + dice.pick(&[0, 0, 0, 1, 2, 3, 4, 45]) };
            scenario.subscriptions.push(row);
        }
    }
    finish(scenario, dice, &span, Attribute::Plan, customers)
}

/// Customers who subscribe, seen by another policy than the standard one.
pub fn by_policy(seed: u64) -> Scenario {
    with_a_policy(&mut Dice::new(seed ^ 0x9011), subscribers(seed))
}

pub fn with_a_policy(dice: &mut Dice, mut scenario: Scenario) -> Scenario {
    let Rule::Subscriptions(switches) = &mut scenario.rule else { return scenario };
    switches.policy = Policy {
        dated: dice.pick(&[Dated::PaidUntil, Dated::EndedAt, Dated::CancelledAt]),
        of_thirty_days: dice.percent(40),
        passing_counts: dice.percent(60),
        reactivation: dice.pick(&[None, Some(1), Some(3), Some(45), Some(90)]),
        free_after_paid_is_live: dice.percent(60),
    };
    switches.free_is_live &= dice.percent(20);
    for row in &mut scenario.subscriptions {
        if dice.percent(15) {
            row.cents = 0;
        }
    }
    scenario
}

/// A company over so many periods that they can be forecast from: customers come, change their price and leave, some of
/// them by the season.
pub fn company(seed: u64) -> Scenario {
    let mut dice = Dice::new(seed ^ 0xC0_4A);
    let period = dice.pick(&[Period::Week, Period::Month, Period::Month, Period::Quarter]);
    let periods = dice.between(9, if period == Period::Quarter { 20 } else { 34 });
    let first = period.start(day("2019-01-01") + dice.below(700), Weekday::Monday);
    let (leaving, season, coming) = (dice.pick(&[1, 4, 10, 25]), dice.pick(&[0, 0, 3]), dice.pick(&[0, 2, 5]));
    let mut live: Vec<(i64, Day, i64)> = vec![];
    let (mut rows, mut customers) = (vec![], 0);
    for number in 0..periods {
        let (start, next) = (period.after(first, number), period.after(first, number + 1));
        let coming = if number == 0 { dice.between(15, 60) } else { dice.between(0, coming) };
        for _ in 0..coming {
            live.push((customers, dice.between(start, next - 1), dice.pick(&[9_00, 19_00, 49_00])));
            customers += 1;
        }
        let chance = leaving * if number % 4 == 2 { 1 + season } else { 1 };
        for (customer, since, cents) in std::mem::take(&mut live) {
            let on = dice.between(start, next - 1);
            let (leaves, changes) = (dice.percent(chance), dice.percent(4));
            if on <= since || !(leaves || changes) {
                live.push((customer, since, cents));
                continue;
            }
            rows.push(Subscription { ended: Some(on), ..Subscription::new(customer, since, None, cents) });
            if !leaves {
                live.push((customer, on, dice.pick(&[9_00, 19_00, 49_00])));
            }
        }
    }
    rows.extend(live.into_iter().map(|(customer, since, cents)| Subscription::new(customer, since, None, cents)));
    for (number, row) in (1..).zip(&mut rows) {
        row.number = number;
        row.plan = Some(if row.customer % 3 == 0 { "pro" } else { "basic" });
    }
    let mut scenario = Scenario::subscribers(rows).period(period);
    scenario.as_of = Some(period.after(first, periods) + dice.pick(&[0, 0, 3]));
    if dice.percent(40) {
        scenario.segments = vec![Segment { name: "plan", attribute: Attribute::Plan, at: At::First }];
    }
    scenario
}

fn subscription(
    dice: &mut Dice,
    span: &Span,
    customer: i64,
    number: i64,
    started: Day,
    with_intervals: bool,
) -> Subscription {
    const INTERVALS: [&str; 8] = ["month", "month", "year", "week", "3 months", "2 weeks", "10 days", "quarter"];
    let mut row = Subscription::new(customer, started, None, dice.pick(&[0, 999, 1_000, 2_500, 2_500, 12_345]));
    row.number = number;
    row.interval = with_intervals.then(|| dice.pick(&INTERVALS));
    row.plan = dice.pick(&[Some("basic"), Some("pro"), Some("team"), None]);
    row.trial_ends = dice.percent(20).then(|| started + dice.pick(&[0, 7, 14, 30]));
    let length = if dice.percent(40) { span.boundary(dice).max(started) - started } else { dice.between(0, 150) };
    let (end, paid_from) = (started + length, started.max(row.trial_ends.unwrap_or(started)));
    match dice.below(6) {
        0 | 1 => row.ended = Some(end),
        2 => {
            row.ended = Some(end);
            row.cancelled = Some(dice.between(started, end));
        }
        // Notice given after the first payment; what has been paid for runs on.
        3 => row.cancelled = Some(paid_from + 1 + length),
        4 => {
            row.paid_until = Some(end);
            row.ended = dice.percent(50).then(|| dice.between(started, end + 5));
        }
        _ => {}
    }
    if dice.percent(20) {
        let from = started + dice.between(0, 60);
        row.paused_from = Some(from);
        row.paused_until = dice.percent(85).then(|| from + dice.pick(&[1, 3, 20, 50]));
    }
    row.past_due_since = dice.percent(12).then(|| started + dice.between(1, 80));
    row
}

/// The days that a history plays on.
struct Span {
    first: Day,
    last: Day,
    boundaries: Vec<Day>,
}

impl Span {
    fn a_day(&self, dice: &mut Dice) -> Day {
        if dice.percent(40) { self.boundary(dice) } else { dice.between(self.first, self.last) }
    }

    /// A period's first day, or a day beside it.
    fn boundary(&self, dice: &mut Dice) -> Day {
        dice.pick(&self.boundaries) + dice.between(-1, 1)
    }
}

/// Calendar, shape and the span of days.
fn setting(scenario: &mut Scenario, dice: &mut Dice, period: Period) -> Span {
    scenario.period = period;
    scenario.week_start = dice.pick(&[Weekday::Monday, Weekday::Sunday]);
    let times = [Times::Date, Times::Millis, Times::Micros, Times::Nanos, Times::IsoText];
    let zones = [Times::Zoned("America/New_York"), Times::Zoned("Asia/Kolkata")];
    scenario.shape = Shape {
        ids: dice.pick(&[Ids::Integer, Ids::Text]),
        times: if dice.percent(25) { dice.pick(&zones) } else { dice.pick(&times) },
        amounts: dice.pick(&[Amounts::Decimal(2), Amounts::Decimal(4), Amounts::Float]),
        files: dice.between(1, 3) as usize,
        row_group: dice.pick(&[3, 1000]),
    };
    let first = day("2019-01-01") + dice.below(700);
    let periods = [25, 16, 13, 9, 6][period as usize];
    let start = period.start(first, scenario.week_start);
    let boundaries: Vec<Day> = (1..=periods).map(|n| period.after(start, n)).collect();
    Span { first, last: boundaries[boundaries.len() - 1], boundaries }
}

/// Window, segments, customers and stages.
fn finish(mut scenario: Scenario, dice: &mut Dice, span: &Span, changing: Attribute, customers: i64) -> Scenario {
    let sign_ups = dice.percent(25);
    if dice.percent(70) {
        // One more than there are, and not all that there are.
        for customer in 0..=customers {
            if dice.percent(80) {
                scenario.customers.push(Customer {
                    customer,
                    region: dice.pick(&[Some("north"), Some("süd"), None]),
                    signed_up: (sign_ups && dice.percent(60)).then(|| span.first + dice.between(-400, 60)),
                });
            }
        }
    }
    scenario.segments = vec![
        Segment { name: "then", attribute: changing, at: At::Opening },
        Segment { name: "at_first", attribute: changing, at: At::First },
        Segment { name: "by_now", attribute: changing, at: At::Latest },
    ];
    if !scenario.customers.is_empty() {
        scenario.segments.push(Segment { name: "region", attribute: Attribute::Region, at: At::Latest });
    }
    let records: Vec<Day> = if scenario.on_subscriptions() {
        scenario.subscriptions.iter().map(|s| s.started).collect()
    } else {
        scenario.transactions.iter().map(|t| t.day).collect()
    };
    let first_record = records.into_iter().min().unwrap_or(span.first);
    if dice.percent(60) {
        let third = (span.last - span.first) / 3;
        let as_of = if dice.percent(40) { span.boundary(dice) } else { span.last - dice.below(third) };
        scenario.as_of = Some(as_of.max(first_record + 1));
    }
    let mut kinds = vec![
        Stage::plain("churn"),
        Stage::plain("revenue_churn"),
        Stage { name: "other_churn", kind: "churn", period: None, options: "trailing_method = \"mean\"" },
        Stage { name: "other_movements", kind: "revenue_churn", period: None, options: "" },
    ];
    let neighbours = [Period::Week, Period::Month, Period::Quarter, Period::Year, Period::Quarter];
    let other = neighbours[scenario.period as usize];
    kinds[2].period = Some(other);
    kinds[3].period = Some(other);
    let mean_days = (scenario.period.days().0 / scenario.period.days().1) as i64;
    match dice.below(5) {
        0 => scenario.observed_from = Some(first_record - dice.below(2 * mean_days + 1)),
        // The history began before the window: what a cohort of that time is, no table says.
        1 => scenario.observed_from = Some((first_record + dice.below(2 * mean_days + 1)).min(newest(&scenario) - 1)),
        _ => {}
    }
    if scenario.observed_from.is_none_or(|d| d <= first_record) {
        kinds.push(Stage::plain("cohort"));
        kinds.push(Stage { name: "cohort_live", kind: "cohort", period: None, options: "mode = \"live\"" });
        kinds.push(Stage { name: "cohort_ever", kind: "cohort", period: Some(other), options: "mode = \"unbounded\"" });
    }
    kinds.push(Stage { name: "survival", kind: "survival", period: None, options: dice.pick(&LASTING) });
    kinds.push(Stage { name: "lasting", kind: "survival", period: None, options: dice.pick(&LASTING) });
    scenario.stages = kinds;
    scenario
}

/// How spells may be counted.
const LASTING: [&str; 8] = [
    "",
    "unit = \"day\"",
    "unit = \"week\"\nspells = \"all\"",
    "unit = \"month\"",
    "unit = \"month\"\nspells = \"all\"\nconfidence = \"log\"",
    "unit = \"quarter\"\nspells = \"all\"\nhorizon = 3",
    "unit = \"week\"\nconfidence = \"plain\"\nhorizon = 500",
    "unit = \"year\"\nspells = \"all\"",
];

/// The same history, the window opening somewhere within it: spells that had begun before enter late.
pub fn entered_late(mut scenario: Scenario, seed: u64) -> Scenario {
    let mut dice = Dice::new(seed ^ 0x1A7E);
    let records: Vec<Day> = if scenario.on_subscriptions() {
        scenario.subscriptions.iter().map(|s| s.started).collect()
    } else {
        scenario.transactions.iter().map(|t| t.day).collect()
    };
    let first = records.into_iter().min().expect("a record");
    scenario.observed_from = Some(dice.between(first, (newest(&scenario) - 1).max(first)));
    scenario.stages.retain(|s| s.kind != "cohort");
    scenario
}

fn newest(scenario: &Scenario) -> Day {
    crate::naive::Book::new(scenario).as_of
}

fn amount(dice: &mut Dice) -> i64 {
    match dice.below(100) {
        0..75 => dice.between(1, 20_000),
        75..92 => -dice.between(1, 20_000),
        92..97 => 0,
        _ => dice.between(1, 1_000_000_000),
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    assert_eq!(subscribers(7).subscriptions, subscribers(7).subscriptions);
    assert_ne!(purchases(7, false).transactions, purchases(8, false).transactions);
}
