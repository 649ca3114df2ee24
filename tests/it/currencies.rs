//! DEFINITIONS §5, currencies, where what is bought is paid in several of them.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::dice::Dice;
use crate::small::{Business, shows};
use crate::support::Workspace;

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
