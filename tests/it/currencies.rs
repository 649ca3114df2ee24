//! DEFINITIONS §5, currencies: what is bought in several of them, and what is subscribed to, recomputed.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::dice::Dice;
use crate::small::{Business, shows};
use crate::support::{Value, Workspace};

const RATES: &str = "currency | date       | rate
                     USD      | 2020-01-01 | 0.80
                     USD      | 2020-02-14 | 0.84
                     USD      | 2020-03-01 | 0.90";

fn bought(rows: &str, rates: &str) -> Business {
    let business = Business::of_transactions("2020-04-01").source("transactions", rows);
    business.source("exchange_rates", rates).stage("revenue_churn", "")
}

#[test]
fn each_purchase_is_converted_at_its_own_date() {
    let rows = "customer_id | occurred_at | amount | currency
                Ann         | 2020-01-01  | 100.00 | USD
                Ann         | 2020-02-14  | 100.00 | USD
                Ann         | 2020-03-08  | 100.00 | USD
                Ann         | 2020-03-09  | 7.00   | GBP";
    let here = bought(rows, RATES).runs();
    // 8 March takes the rate of 1 March, seven days old.
    shows(
        &here,
        "revenue_churn",
        "period     : opening | new   | expansion | currency_effect | closing
         2020-01-01 : 0.00    | 80.00 | 0.00      | 0.00            | 80.00
         2020-02-01 : 80.00   | 0.00  | 4.00      | 0.00            | 84.00
         2020-03-01 : 84.00   | 0.00  | 13.00     | 0.00            | 97.00",
    );
    shows(&here, "customers", "customer_id : revenue\nAnn : 261.00");
    shows(&here, "checks", "check | subject : status | actual\namounts_converted | transactions : pass | 3");
}

#[test]
fn a_missing_rate_ends_the_run_with_its_currency_and_date() {
    let rows = |day: &str| {
        format!(
            "customer_id | occurred_at | amount | currency\nAnn | 2020-01-01 | 1.00 | GBP\nAnn | {day} | 1.00 | USD"
        )
    };
    for day in ["2019-12-31", "2020-01-09", "2020-03-09"] {
        let (here, outcome) = bought(&rows(day), RATES).outcome();
        outcome.exits(3).says(&["USD", day, "exchange_rates", "filter"]);
        assert!(!here.left_behind().iter().any(|f| f.contains("latest")), "{:?}", here.left_behind());
    }
    for day in ["2020-01-08", "2020-02-21", "2020-04-01", "2020-05-05"] {
        // From as_of on nothing is read, and needs no rate.
        bought(&rows(day), RATES).runs();
    }
    let alone = Business::of_transactions("2020-04-01").source("transactions", &rows("2020-01-09"));
    alone.stage("revenue_churn", "").outcome().1.exits(3).says(&["USD", "exchange_rates"]);
    let own = "customer_id | occurred_at | amount | currency
               Ann         | 2020-01-09  | 100.00 |
               Bob         | 2020-01-09  | 100.00 | GBP";
    Business::of_transactions("2020-04-01").source("transactions", own).stage("churn", "").runs();
}

#[test]
fn rates_of_nothing_stand_in_quarantine() {
    let rates = "currency | date       | rate
                 USD      | 2020-01-01 | 0.80
                 USD      | 2020-01-02 | 0
                 USD      | 2020-01-03 | -1
                 USD      |            | 0.5
                          | 2020-01-04 | 0.5
                 USD      | 2020-01-05 |";
    let rows = "customer_id | occurred_at | amount | currency
                Ann         | 2020-01-06  | 100.00 | USD";
    let business = bought(rows, rates);
    business.outcome().1.exits(1).says(&["quarantine", "exchange_rates", "rate_not_positive"]);
    let here = business.output("quarantine_limit = 0.9").runs();
    let told = here.table("quarantine").rows;
    let told: Vec<String> = told.iter().map(|r| format!("{} {} {}", r["source"], r["row"], r["reason"])).collect();
    let expected = ["2 rate_not_positive", "3 rate_not_positive", "4 no_time", "5 no_currency", "6 no_rate"];
    assert_eq!(told, expected.map(|row| format!("exchange_rates {row}")));
    shows(&here, "customers", "customer_id : revenue\nAnn : 80.00");
}

/// A rate is needed on the first day of each period in which somebody is live, and at as_of; nobody else needs one.
#[test]
fn subscriptions_need_rates_where_they_are_live() {
    let rows = "customer_id | started_at | ended_at   | cancelled_at | amount | currency
                Ann         | 2020-02-10 | 2020-04-05 |              | 100.00 | USD
                Bob         | 2020-01-01 |            |              | 5.00   |
                Cat         | 2020-01-01 |            |              | 0.00   | CHF
                Dan         | 2020-02-10 | 2020-02-20 |              | 9.00   | USD
                Eve         | 2020-06-01 |            |              | 9.00   | CHF";
    let business = |days: &[&str]| {
        let mut rates = String::from("currency | date | rate\n");
        days.iter().for_each(|day| rates.push_str(&format!("USD | {day} | 0.80\n")));
        let business = Business::of_subscriptions("2020-06-01").source("subscriptions", rows);
        business.source("exchange_rates", &rates).stage("churn", "").stage("revenue_churn", "").stage("cohort", "")
    };
    let enough = ["2020-01-28", "2020-03-01", "2020-03-25"];
    let here = business(&enough).runs();
    shows(
        &here,
        "revenue_churn",
        "period     : opening | new   | churned | currency_effect | closing
         2020-02-01 : 5.00    | 80.00 | 0.00    | 0.00            | 85.00
         2020-03-01 : 85.00   | 0.00  | 0.00    | 0.00            | 85.00
         2020-04-01 : 85.00   | 0.00  | -80.00  | 0.00            | 5.00",
    );
    shows(&here, "checks", "check | subject : status | actual\namounts_converted | subscriptions : pass | 2");
    for (left, day) in [(0, "2020-02-01"), (1, "2020-03-01"), (2, "2020-04-01")] {
        let days: Vec<&str> = enough.iter().enumerate().filter(|(i, _)| *i != left).map(|(_, day)| *day).collect();
        let (here, outcome) = business(&days).outcome();
        outcome.exits(3).says(&["USD", day, "exchange_rates"]);
        assert!(!here.left_behind().iter().any(|f| f.contains("latest")), "{:?}", here.left_behind());
    }
    // No movement: the days on which they began are enough.
    let still = |days: &[&str]| business(days).customers("exchange_rate_moves = \"no movement\"");
    still(&["2020-02-10"]).runs();
    still(&["2020-01-28"]).outcome().1.exits(3).says(&["USD", "2020-02-10"]);
}

/// More than a table can hold, by a rate.
#[test]
fn a_price_that_a_rate_makes_too_large_is_an_error() {
    let rows = "customer_id | started_at | amount           | currency
                Ann         | 2020-02-10 | 9000000000000.00 | USD";
    let rates = "currency | date       | rate
                 USD      | 2020-02-01 | 900000
                 USD      | 2020-03-01 | 900000";
    let business = Business::of_subscriptions("2020-03-01").source("subscriptions", rows);
    let business = business.source("exchange_rates", rates).stage("revenue_churn", "");
    business.outcome().1.exits(3).says(&["DECIMAL(18)", "exchange_rates"]);
}

/// `units × rate`, in hundredths and ten-thousandths, rounded half to even by hand.
fn converted(cents: i64, ten_thousandths: i64) -> i64 {
    let product = cents * ten_thousandths;
    let (below, rest) = (product.div_euclid(10_000), product.rem_euclid(10_000));
    match rest.cmp(&5_000) {
        std::cmp::Ordering::Less => below,
        std::cmp::Ordering::Greater => below + 1,
        std::cmp::Ordering::Equal => below + below.rem_euclid(2),
    }
}

fn money(cents: i64) -> String {
    format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
}

/// A date of the year's first half, by its number.
fn date(day: i64) -> String {
    (jiff::civil::date(2020, 1, 1) + jiff::Span::new().days(day)).to_string()
}

/// Purchases of a shop that takes four currencies, and the same in one, converted here.
fn shop(seed: u64) -> (Business, Business) {
    let dice = &mut Dice::new(seed);
    let currencies = ["USD", "EUR", "CHF"];
    let mut rates: BTreeMap<(&str, i64), i64> = BTreeMap::new();
    for currency in currencies {
        let mut day = dice.between(-7, 0);
        while day < 182 {
            rates.insert((currency, day), dice.between(1, 30_000));
            day += dice.between(1, 7);
        }
    }
    let (mut several, mut one) = (String::new(), String::new());
    for _ in 0..dice.between(40, 160) {
        let (who, day) = (dice.below(15), dice.below(182));
        let cents = if dice.percent(15) { -dice.below(9_000) } else { dice.below(9_000) };
        let currency = dice.pick(&["USD", "EUR", "CHF", "GBP", ""]);
        let rate = rates.range((currency, -99)..=(currency, day)).next_back().map(|(_, rate)| *rate);
        let own = rate.map_or(cents, |rate| converted(cents, rate));
        let shop = dice.pick(&["Ulm", "Bonn"]);
        writeln!(several, "c{who} | {} | {} | {shop} | {currency}", date(day), money(cents)).expect("strings grow");
        writeln!(one, "c{who} | {} | {} | {shop}", date(day), money(own)).expect("strings grow");
    }
    let mut known = String::from("currency | date | rate\n");
    for ((currency, day), rate) in rates {
        let rate = format!("{}.{:04}", rate / 10_000, rate % 10_000);
        writeln!(known, "{currency} | {} | {rate}", date(day)).expect("strings grow");
    }
    let lines = dice.pick(&["churn_after = \"1 period\"", "churn_after = \"40 days\""]);
    let business = |rows: &str| {
        let business = Business::of_transactions("2020-06-20").customers(lines).source("transactions", rows);
        let business = business.segment("shop = \"transactions.shop\"").segment("rfm = { builtin = \"rfm\" }");
        ["churn", "revenue_churn", "cohort", "rfm", "concentration"].iter().fold(business, |b, kind| b.stage(kind, ""))
    };
    let several = business(&format!("customer_id | occurred_at | amount | shop | currency\n{several}"));
    let one = business(&format!("customer_id | occurred_at | amount | shop\n{one}"));
    (several.source("exchange_rates", &known), one)
}

/// Every figure is what it is where somebody has converted the export beforehand.
#[test]
fn purchases_in_several_currencies_are_those_converted_by_hand() {
    const TABLES: [&str; 7] = ["churn", "revenue_churn", "cohort", "rfm", "concentration", "customers", "ledger"];
    for seed in 0..12 {
        let (several, one) = shop(seed);
        let (several, one) = (several.runs(), one.runs());
        for name in TABLES {
            let rows = |here: &Workspace| format!("{:?}", here.table(name).rows);
            assert_eq!(rows(&several), rows(&one), "{name} of seed {seed}");
        }
    }
}

/// A row of a subscription, in units of its currency: cents, or thousandths of a dinar.
#[derive(Clone, Copy, Debug)]
struct Row {
    customer: usize,
    subscription: usize,
    start: i64,
    end: Option<i64>,
    units: i64,
    yearly: bool,
    currency: &'static str,
    /// The first day of the price, or of the subscription after a gap.
    changed: i64,
}

impl Row {
    fn mrr(&self) -> i64 {
        if self.yearly { half_even(self.units.into(), 12) } else { self.units }
    }

    /// Live on the day before a boundary.
    fn stands(&self, boundary: i64) -> bool {
        self.start < boundary && self.end.is_none_or(|end| end >= boundary)
    }
}

fn half_even(n: i128, by: i128) -> i64 {
    let (below, rest) = (n.div_euclid(by), n.rem_euclid(by));
    let up = 2 * rest > by || 2 * rest == by && below.rem_euclid(2) == 1;
    (below + i128::from(up)) as i64
}

/// Subscriptions of a year, and the rates of every few days.
struct Company {
    rows: Vec<Row>,
    rates: BTreeMap<(&'static str, i64), i64>,
    /// Days of the year before which each month begins; the last is as_of.
    boundaries: Vec<i64>,
    moves: bool,
}

const ABROAD: [&str; 2] = ["USD", "KWD"];
const CUSTOMERS: usize = 14;
const AS_OF: i64 = 284;

fn company(seed: u64) -> Company {
    let dice = &mut Dice::new(seed);
    let mut rows = vec![];
    for subscription in 0..dice.between(12, 30) as usize {
        let customer = dice.below(CUSTOMERS as i64) as usize;
        let currency = dice.pick(&["GBP", "USD", "USD", "KWD"]);
        let yearly = dice.percent(30);
        let mut start = dice.below(200);
        let (mut units, mut changed) = (dice.between(1, 90_000), start);
        for _ in 0..dice.between(1, 5) {
            let end = (!dice.percent(20)).then(|| start + dice.between(1, 90));
            rows.push(Row { customer, subscription, start, end, units, yearly, currency, changed });
            let Some(end) = end else { break };
            start = end;
            let gap = if dice.percent(25) { dice.between(1, 60) } else { 0 };
            start += gap;
            let dearer = dice.percent(60);
            if dearer {
                units += dice.between(1, 9_000);
            }
            // A row at the same price that goes on is a renewal.
            if gap > 0 || dearer {
                changed = start;
            }
        }
    }
    rows.retain(|r| r.start < AS_OF);
    let mut rates = BTreeMap::new();
    for currency in ABROAD {
        let mut day = -7;
        while day <= AS_OF {
            rates.insert((currency, day), dice.between(5_000, 15_000));
            day += dice.between(1, 7);
        }
    }
    let first = rows.iter().map(|r| r.start).min().expect("a company has customers");
    let months: Vec<i64> = [0, 31, 60, 91, 121, 152, 182, 213, 244, 274].into();
    let from = months.iter().rposition(|m| *m <= first).expect("the year begins before");
    let boundaries = months[from..].iter().copied().chain([AS_OF]).collect();
    Company { rows, rates, boundaries, moves: dice.percent(60) }
}

impl Company {
    fn rate(&self, currency: &'static str, day: i64) -> i64 {
        *self.rates.range((currency, day - 7)..=(currency, day)).next_back().expect("there are rates every week").1
    }

    /// Units of a currency in pence at the rate of a day.
    fn worth(&self, currency: &'static str, units: i64, day: i64) -> i64 {
        match currency {
            "GBP" => units,
            "USD" => half_even(i128::from(units) * i128::from(self.rate(currency, day)), 10_000),
            _ => half_even(i128::from(units) * i128::from(self.rate(currency, day)), 100_000),
        }
    }

    /// What a customer pays at a boundary, at the rates of another day; `None`: not live.
    fn money(&self, customer: usize, boundary: i64, day: impl Fn(&'static str) -> i64) -> Option<i64> {
        let standing: Vec<&Row> = self.rows.iter().filter(|r| r.customer == customer && r.stands(boundary)).collect();
        if standing.is_empty() {
            return None;
        }
        if !self.moves {
            return Some(standing.iter().map(|r| self.worth(r.currency, r.mrr(), r.changed)).sum());
        }
        let mut sums: BTreeMap<&str, (&'static str, i64)> = BTreeMap::new();
        standing.iter().for_each(|r| sums.entry(r.currency).or_insert((r.currency, 0)).1 += r.mrr());
        Some(sums.into_values().map(|(currency, units)| self.worth(currency, units, day(currency))).sum())
    }

    /// Opening, new, expansion, contraction, churned, reactivation, currency_effect, closing.
    fn moved(&self, customer: usize, period: usize) -> [i64; 8] {
        let (b0, b1) = (self.boundaries[period], self.boundaries[period + 1]);
        let before = self.money(customer, b0, |_| b0);
        let valued = self.money(customer, b1, |_| b0);
        let after = self.money(customer, b1, |_| b1).unwrap_or(0);
        let first = self.rows.iter().filter(|r| r.customer == customer).map(|r| r.start).min();
        let is_new = first.is_some_and(|day| day >= b0);
        let (m0, m1) = (before.unwrap_or(0), valued.unwrap_or(0));
        let moves = match (before.is_some(), valued.is_some()) {
            (true, true) => [0, (m1 - m0).max(0), (m1 - m0).min(0), 0, 0],
            (true, false) => [0, 0, 0, -m0, 0],
            (false, true) if is_new => [m1, 0, 0, 0, 0],
            (false, true) => [0, 0, 0, 0, m1],
            (false, false) => [0; 5],
        };
        let [new, expansion, contraction, churned, reactivation] = moves;
        [m0, new, expansion, contraction, churned, reactivation, after - m1, after]
    }

    fn business(&self) -> Business {
        let mut rows =
            String::from("customer_id | subscription_id | started_at | ended_at | amount | interval | currency\n");
        for r in &self.rows {
            let amount = match r.currency {
                "KWD" => format!("{}.{:03}", r.units / 1000, r.units % 1000),
                _ => money(r.units),
            };
            let (start, end) = (date(r.start), r.end.map(date).unwrap_or_default());
            let interval = if r.yearly { "year" } else { "month" };
            let (who, which, currency) = (r.customer, r.subscription, r.currency);
            writeln!(rows, "c{who} | {which} | {start} | {end} | {amount} | {interval} | {currency}")
                .expect("it grows");
        }
        let mut rates = String::from("currency | date | rate\n");
        for ((currency, day), rate) in &self.rates {
            writeln!(rates, "{currency} | {} | {}.{:04}", date(*day), rate / 10_000, rate % 10_000).expect("it grows");
        }
        let lines = if self.moves { "" } else { "exchange_rate_moves = \"no movement\"" };
        let business = Business::of_subscriptions(&date(AS_OF)).customers(lines);
        let business = business.source("subscriptions", &rows).source("exchange_rates", &rates);
        business.stage("churn", "").stage("revenue_churn", "").stage("cohort", "")
    }
}

const MOVES: [&str; 8] =
    ["opening", "new", "expansion", "contraction", "churned", "reactivation", "currency_effect", "closing"];

/// Every movement of every customer, every period's sum, what each has paid, and what cohorts keep.
#[test]
fn subscriptions_in_several_currencies_are_recomputed() {
    let (mut moved, mut kept) = (0, 0);
    for seed in 0..24 {
        let company = company(seed);
        let here = company.business().runs();
        let (ledger, customers) = (here.table("ledger"), here.table("customers"));
        let periods = company.boundaries.len() - 1;
        for period in 0..periods {
            let start = date(company.boundaries[period]);
            let mut sums = [0; 8];
            for customer in 0..CUSTOMERS {
                let expected = company.moved(customer, period);
                sums.iter_mut().zip(expected).for_each(|(sum, m)| *sum += m);
                assert_eq!(expected[..7].iter().sum::<i64>(), expected[7], "the identity");
                moved += i64::from(expected[6] != 0);
                let name = format!("c{customer}");
                let row = ledger.rows.iter().find(|r| {
                    let (from, until) = (r["period"].to_string(), r["until"].to_string());
                    r["customer_id"].to_string() == name && from <= start && start < until
                });
                let found = MOVES.map(|m| row.map_or("0.00".into(), |r| r[m].to_string()));
                assert_eq!(found, expected.map(money), "{name} in {start} of seed {seed}: {:?}", company.rows);
            }
            let cells: Vec<String> = sums.iter().map(|m| money(*m)).collect();
            shows(
                &here,
                "revenue_churn",
                &format!("period : {} | committed\n{start} : {} | {}", MOVES.join(" | "), cells.join(" | "), cells[7]),
            );
        }
        for row in &customers.rows {
            let customer: usize = row["customer_id"].to_string()[1..].parse().expect("a number");
            let paid: i64 = (0..periods).map(|p| company.moved(customer, p)[7]).sum();
            assert_eq!(row["revenue"].to_string(), money(paid), "c{customer} of seed {seed}");
        }
        kept += cohorts(&company, &here, seed);
    }
    assert!(moved > 300 && kept > 300, "{moved} currency effects, {kept} cells of cohorts");
}

/// What cohorts keep, each currency at the rate of the closing at which the customer first paid in it.
fn cohorts(company: &Company, here: &Workspace, seed: u64) -> i64 {
    let table = here.table("cohort");
    let mut seen = 0;
    for (cohort, start) in company.boundaries[..company.boundaries.len() - 1].iter().enumerate() {
        let began = |c: &usize| company.rows.iter().filter(|r| r.customer == *c).map(|r| r.start).min();
        let next = company.boundaries[cohort + 1];
        let members: Vec<usize> =
            (0..CUSTOMERS).filter(|c| began(c).is_some_and(|day| (*start..next).contains(&day))).collect();
        if members.is_empty() {
            continue;
        }
        for age in 0..company.boundaries.len() - 1 - cohort {
            let closing = company.boundaries[cohort + age + 1];
            let still = |customer: usize, at: i64| {
                let first = |currency: &'static str| {
                    let pays = |b: &i64| {
                        company.rows.iter().any(|r| r.customer == customer && r.currency == currency && r.stands(*b))
                    };
                    *company.boundaries[cohort + 1..].iter().find(|b| pays(b)).expect("it is paid in")
                };
                company.money(customer, at, first).unwrap_or(0)
            };
            let (mut m0, mut m1, mut least, mut revenue) = (0, 0, 0, 0);
            for customer in &members {
                let (a, b) = (still(*customer, next), still(*customer, closing));
                (m0, m1, least) = (m0 + a, m1 + b, least + a.min(b));
                revenue += company.money(*customer, closing, |_| closing).unwrap_or(0);
            }
            let age_text = age.to_string();
            let row = table.row(&[("segment", "all"), ("cohort", &date(*start)), ("age", &age_text)]);
            assert_eq!(row["revenue"].to_string(), money(revenue), "cohort {start}, age {age} of seed {seed}");
            if row["maturity"].to_string() != "complete" || m0 == 0 {
                continue;
            }
            for (column, over) in [("grr", least), ("nrr", m1)] {
                let Value::Float(found) = &row[column] else {
                    panic!("{column} of cohort {start}, age {age}: {row:?}")
                };
                let expected = over as f64 / m0 as f64;
                assert!(
                    (found - expected).abs() < 1e-12,
                    "{column} of {start}, age {age}, seed {seed}: {found} {expected}"
                );
                seen += 1;
            }
        }
    }
    seen
}
