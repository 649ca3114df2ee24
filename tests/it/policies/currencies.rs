//! DEFINITIONS §5, currencies: movements at the rate of the period's first day, currency_effect the exact remainder; under
//! "no movement" each subscription keeps the rate of its last change.

use super::{CHARTMOGUL, MAXIO, PROFITWELL, STANDARD, STRIPE};
use crate::small::{Business, shows};

const RATES: &str = "currency | date       | rate
                     USD      | 2020-01-01 | 0.80
                     USD      | 2020-01-31 | 0.80
                     USD      | 2020-02-01 | 0.80
                     USD      | 2020-02-14 | 0.84
                     USD      | 2020-03-01 | 0.90
                     USD      | 2020-04-01 | 0.70";

/// $100 from January, $150 from 15 February.
const UPGRADED: &str = "customer_id | subscription_id | started_at | ended_at   | amount | currency
                        Ann         | 1               | 2020-01-01 | 2020-02-15 | 100.00 | USD
                        Ann         | 1               | 2020-02-15 |            | 150.00 | USD";

fn subscribed(lines: &str, rows: &str, rates: &str) -> Business {
    let business = Business::of_subscriptions("2020-04-01").customers(lines).source("subscriptions", rows);
    business.source("exchange_rates", rates).stage("churn", "").stage("revenue_churn", "")
}

/// The quoted example: opening 80, expansion +40, currency_effect +15, closing 135. In March nothing happens but the
/// rate: 150 at 0.90 opens, at 0.70 closes.
#[test]
fn a_hundred_dollars_upgraded_while_the_dollar_rises() {
    for lines in ["", STANDARD, STRIPE, PROFITWELL, MAXIO, "exchange_rate_moves = \"currency_effect\""] {
        let here = subscribed(lines, UPGRADED, RATES).runs();
        shows(
            &here,
            "revenue_churn",
            "period     : opening | new   | expansion | contraction | currency_effect | closing
             2020-01-01 : 0.00    | 80.00 | 0.00      | 0.00        | 0.00            | 80.00
             2020-02-01 : 80.00   | 0.00  | 40.00     | 0.00        | 15.00           | 135.00
             2020-03-01 : 135.00  | 0.00  | 0.00      | 0.00        | -30.00          | 105.00",
        );
        shows(&here, "revenue_churn", "period : gross_churn_rate | grr\n2020-02-01 : 0 | 1");
    }
}

/// The rate of the last change is that of 14 February, a day before it: 150 × 0.84 = 126.00, for good.
#[test]
fn without_movement_a_subscription_keeps_the_rate_of_its_last_change() {
    for lines in [CHARTMOGUL, "exchange_rate_moves = \"no movement\""] {
        let here = subscribed(lines, UPGRADED, RATES).runs();
        shows(
            &here,
            "revenue_churn",
            "period     : opening | new   | expansion | contraction | currency_effect | closing
             2020-01-01 : 0.00    | 80.00 | 0.00      | 0.00        | 0.00            | 80.00
             2020-02-01 : 80.00   | 0.00  | 46.00     | 0.00        | 0.00            | 126.00
             2020-03-01 : 126.00  | 0.00  | 0.00      | 0.00        | 0.00            | 126.00",
        );
    }
}

/// 10.00 in pounds and 10.00 in dollars are one customer's two subscriptions; when the dollars end it is a contraction
/// at the rate of the period's first day, and when the pounds end, churn.
#[test]
fn two_currencies_of_one_customer() {
    let rows = "customer_id | started_at | ended_at   | amount | currency
                Ann         | 2020-01-10 | 2020-03-15 | 10.00  | GBP
                Ann         | 2020-01-10 | 2020-02-20 | 10.00  | USD";
    let here = subscribed("", rows, RATES).runs();
    shows(
        &here,
        "revenue_churn",
        "period     : opening | new   | contraction | churned | currency_effect | closing
         2020-01-01 : 0.00    | 18.00 | 0.00        | 0.00    | 0.00            | 18.00
         2020-02-01 : 18.00   | 0.00  | -8.00       | 0.00    | 0.00            | 10.00
         2020-03-01 : 10.00   | 0.00  | 0.00        | -10.00  | 0.00            | 0.00",
    );
    shows(&here, "churn", "period : churned | closing\n2020-02-01 : 0 | 1\n2020-03-01 : 1 | 0");
}

/// A rate is rounded half-even to the minor unit: 0.05 × 0.50 = 0.025 → 0.02, 0.15 × 0.50 = 0.075 → 0.08.
#[test]
fn transactions_convert_at_their_own_date() {
    let business = Business::of_transactions("2020-04-01")
        .source(
            "transactions",
            "customer_id | occurred_at | amount | currency
             Ann         | 2020-01-01  | 100.00 | USD
             Ann         | 2020-02-14  | 100.00 | USD
             Ann         | 2020-03-08  | 100.00 | USD
             Ann         | 2020-03-09  | 7.00   | GBP",
        )
        .source("exchange_rates", RATES);
    let here = business.stage("revenue_churn", "").runs();
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
}

#[test]
fn a_rate_that_is_missing_or_older_than_seven_days_is_named() {
    // No rate at all; none by then; one of eight days before.
    let none = "currency | date       | rate
                EUR      | 2020-01-01 | 0.90";
    let late = "currency | date       | rate
                USD      | 2020-02-01 | 0.80
                USD      | 2020-03-01 | 0.80
                USD      | 2020-04-01 | 0.80";
    let old = "currency | date       | rate
               USD      | 2020-01-01 | 0.80
               USD      | 2020-01-24 | 0.80
               USD      | 2020-03-01 | 0.80
               USD      | 2020-04-01 | 0.80";
    let rows = "customer_id | started_at | amount | currency
                Ann         | 2020-01-01 | 100.00 | USD";
    for (rates, date) in [(none, "2020-01-01"), (late, "2020-01-01"), (old, "2020-02-01")] {
        let (here, outcome) = subscribed("", rows, rates).outcome();
        outcome.exits(3).says(&["USD", date]);
        assert!(!here.left_behind().iter().any(|f| f.contains("latest")), "{:?}", here.left_behind());
    }
    let purchases = Business::of_transactions("2020-04-01")
        .source(
            "transactions",
            "customer_id | occurred_at | amount | currency
             Ann         | 2020-01-09  | 100.00 | USD",
        )
        .source("exchange_rates", RATES)
        .stage("revenue_churn", "");
    // The rate of 1 January is eight days old.
    purchases.outcome().1.exits(3).says(&["USD", "2020-01-09"]);
}

#[test]
fn foreign_money_without_rates_is_refused() {
    let business = Business::of_transactions("2020-04-01").source(
        "transactions",
        "customer_id | occurred_at | amount | currency
         Ann         | 2020-01-09  | 100.00 | USD
         Bob         | 2020-01-09  | 100.00 | GBP",
    );
    let (_, outcome) = business.stage("revenue_churn", "").outcome();
    assert!(matches!(outcome.code, Some(1..=3)), "{outcome}");
    outcome.says(&["USD"]);
}

/// A rate of nothing, a negative one and one without a date stand in quarantine; what needs them has no rate.
#[test]
fn a_rate_of_zero_is_quarantined() {
    let rates = "currency | date       | rate
                 USD      | 2020-01-01 | 0.80
                 USD      | 2020-01-31 | 0.80
                 USD      | 2020-02-01 | 0
                 USD      | 2020-02-14 | -1
                 USD      |            | 0.5
                 USD      | 2020-02-29 | 0.90
                 USD      | 2020-04-01 | 0.90";
    let business = subscribed("", UPGRADED, rates);
    let (_, outcome) = business.clone().outcome();
    assert!(matches!(outcome.code, Some(1 | 3)), "three rates of seven are refused rows\n{outcome}");
    let here = business.output("quarantine_limit = 0.9").runs();
    let quarantine = here.table("quarantine");
    let told: Vec<String> = quarantine.rows.iter().map(|r| format!("{} {}", r["source"], r["row"])).collect();
    assert_eq!(told, ["exchange_rates 3", "exchange_rates 4", "exchange_rates 5"], "{:?}", quarantine.rows);
    // 1 February takes the rate of 31 January, 1 March that of 29 February.
    shows(
        &here,
        "revenue_churn",
        "period     : opening | expansion | currency_effect | closing
         2020-02-01 : 80.00   | 40.00     | 15.00           | 135.00",
    );
}
