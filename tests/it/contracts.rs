//! The shapes of a contract, DEFINITIONS §2 and §5: trials, pauses, changes of plan within a period, several subscriptions
//! of a customer, prices by the year, by the week and by the day, past due. A history of a few lines each, by hand.

use crate::small::{Business, shows};
use crate::support::Workspace;

/// Until 1 May 2020, by month.
fn subscribed(lines: &str, rows: &str) -> Workspace {
    let business = Business::of_subscriptions("2020-05-01").customers(lines).source("subscriptions", rows);
    business.stage("churn", "").stage("revenue_churn", "").runs()
}

/// Ann's trial ends in February and she pays from then on; Bob leaves before his is over; Cat never had one.
#[test]
fn a_trial_is_not_live() {
    let here = subscribed(
        "",
        "customer_id | started_at | trial_ends_at | ended_at   | amount
         Ann         | 2020-01-10 | 2020-02-10    |            | 10.00
         Bob         | 2020-01-10 | 2020-02-10    | 2020-02-05 | 20.00
         Cat         | 2020-01-20 |               |            | 40.00",
    );
    shows(
        &here,
        "churn",
        "period     : opening | new | churned | closing | intra
         2020-02-01 : 1       | 1   | 0       | 2       | 0
         2020-03-01 : 2       | 0   | 0       | 2       | 0",
    );
    shows(&here, "revenue_churn", "period : opening | new | closing\n2020-02-01 : 40.00 | 10.00 | 50.00");
    shows(&here, "customers", "customer_id : state\nAnn : live\nBob : never\nCat : live");
}

/// A pause from 10 March to 20 April.
#[test]
fn a_pause_is_churn_and_a_return_unless_the_paused_are_live() {
    let rows = "customer_id | started_at | paused_from | paused_until | amount
                Ann         | 2020-01-10 | 2020-03-10  | 2020-04-20   | 10.00
                Bob         | 2020-01-10 |             |              | 20.00";
    let here = subscribed("", rows);
    shows(
        &here,
        "churn",
        "period     : opening | returned | churned | closing
         2020-03-01 : 2       | 0        | 1       | 1
         2020-04-01 : 1       | 1        | 0       | 2",
    );
    shows(
        &here,
        "revenue_churn",
        "period     : opening | reactivation | churned | closing
         2020-03-01 : 30.00   | 0.00         | -10.00  | 20.00
         2020-04-01 : 20.00   | 10.00        | 0.00    | 30.00",
    );
    let here = subscribed("paused = \"live\"", rows);
    shows(
        &here,
        "churn",
        "period     : opening | returned | churned | closing
         2020-03-01 : 2       | 0        | 0       | 2
         2020-04-01 : 2       | 0        | 0       | 2",
    );
    // Bridged, the pause of 41 days is no end, and worth nothing while it lasts.
    let here = subscribed("gap_days = 41", rows);
    shows(
        &here,
        "revenue_churn",
        "period     : opening | contraction | expansion | churned | closing
         2020-03-01 : 30.00   | -10.00      | 0.00      | 0.00    | 20.00
         2020-04-01 : 20.00   | 0.00        | 10.00     | 0.00    | 30.00",
    );
}

/// From 10 to 30 and on to 20 within February: only the boundaries count.
#[test]
fn a_change_of_plan_within_a_period_is_the_difference_of_its_boundaries() {
    let here = subscribed(
        "",
        "customer_id | subscription_id | plan  | started_at | ended_at   | amount
         Ann         | 1               | small | 2020-01-10 | 2020-02-10 | 10.00
         Ann         | 1               | large | 2020-02-10 | 2020-02-20 | 30.00
         Ann         | 1               | mid   | 2020-02-20 | 2020-04-10 | 20.00
         Ann         | 1               | small | 2020-04-10 |            | 10.00",
    );
    shows(
        &here,
        "revenue_churn",
        "period     : opening | new  | expansion | contraction | churned | reactivation | closing
         2020-02-01 : 10.00   | 0.00 | 10.00     | 0.00        | 0.00    | 0.00         | 20.00
         2020-03-01 : 20.00   | 0.00 | 0.00      | 0.00        | 0.00    | 0.00         | 20.00
         2020-04-01 : 20.00   | 0.00 | 0.00      | -10.00      | 0.00    | 0.00         | 10.00",
    );
    shows(&here, "churn", "period : opening | churned | returned | intra\n2020-02-01 : 1 | 0 | 0 | 0");
}

/// Ann's second subscription ends in February, the first in April, and a third begins in March.
#[test]
fn one_of_two_subscriptions_is_a_contraction_and_the_last_is_churn() {
    let here = subscribed(
        "",
        "customer_id | subscription_id | started_at | ended_at   | amount
         Ann         | 1               | 2020-01-10 | 2020-04-10 | 10.00
         Ann         | 2               | 2020-01-10 | 2020-02-10 | 5.00
         Ann         | 3               | 2020-03-10 | 2020-04-20 | 2.00
         Bob         | 4               | 2020-01-10 |            | 20.00",
    );
    shows(
        &here,
        "revenue_churn",
        "period     : opening | expansion | contraction | churned | closing | customers
         2020-02-01 : 35.00   | 0.00      | -5.00       | 0.00    | 30.00   | 2
         2020-03-01 : 30.00   | 2.00      | 0.00        | 0.00    | 32.00   | 2
         2020-04-01 : 32.00   | 0.00      | 0.00        | -12.00  | 20.00   | 1",
    );
    shows(&here, "churn", "period : opening | churned\n2020-02-01 : 2 | 0\n2020-04-01 : 2 | 1");
}

/// A month of: 100.00 a year 8.33; 0.06 a year 0.005, to even 0.00; 0.18 a year 0.015, to even 0.02; 100.00 a quarter
/// 33.33; 10.00 a week × 52/12 = 43.33; 1.00 a day × 365/12 = 30.42.
#[test]
fn prices_by_any_interval_are_money_of_a_month() {
    let here = subscribed(
        "",
        "customer_id | started_at | interval | amount
         Ann         | 2020-01-01 | year     | 100.00
         Bob         | 2020-01-02 | year     | 0.06
         Cat         | 2020-01-03 | year     | 0.18
         Dan         | 2020-02-01 | 3 months | 100.00
         Eve         | 2020-03-01 | week     | 10.00
         Fay         | 2020-04-01 | day      | 1.00",
    );
    shows(
        &here,
        "revenue_churn",
        "period     : new   | closing | customers
         2020-01-01 : 8.35  | 8.35    | 3
         2020-02-01 : 33.33 | 41.68   | 4
         2020-03-01 : 43.33 | 85.01   | 5
         2020-04-01 : 30.42 | 115.43  | 6",
    );
}

/// Ann's payment fails on 10 March.
#[test]
fn past_due_is_live_unless_it_is_not() {
    let rows = "customer_id | started_at | past_due_since | amount
                Ann         | 2020-01-10 | 2020-03-10     | 10.00
                Bob         | 2020-01-10 |                | 20.00";
    for (lines, churned, lost) in
        [("", 0, "0.00"), ("past_due = \"live\"", 0, "0.00"), ("past_due = \"not live\"", 1, "-10.00")]
    {
        let here = subscribed(lines, rows);
        shows(&here, "churn", &format!("period : opening | churned\n2020-03-01 : 2 | {churned}"));
        shows(&here, "revenue_churn", &format!("period : opening | churned\n2020-03-01 : 30.00 | {lost}"));
    }
}

/// Started and ended on one day: never live, and counted.
#[test]
fn a_subscription_of_no_length_and_one_that_ends_before_it_starts() {
    let business = Business::of_subscriptions("2020-05-01")
        .source(
            "subscriptions",
            "customer_id | started_at | ended_at   | amount
             Ann         | 2020-01-10 |            | 10.00
             Bob         | 2020-02-10 | 2020-02-10 | 20.00
             Cat         | 2020-03-10 | 2020-02-10 | 40.00",
        )
        .output("quarantine_limit = 0.9");
    let here = business.stage("churn", "").runs();
    shows(&here, "customers", "customer_id : state\nAnn : live\nBob : never");
    // Cat is nobody's customer, and somebody hears of her.
    let quarantine = here.table("quarantine");
    let told: Vec<String> =
        quarantine.rows.iter().map(|r| format!("{} {} {}", r["source"], r["row"], r["value"])).collect();
    let checks = here.table("checks");
    let said = |word: &str| checks.rows.iter().filter(|r| r.values().any(|v| v.to_string().contains(word))).count();
    assert!(told.len() == 1 && told[0].starts_with("subscriptions 3") || said("before") > 0, "{told:?}\n{checks:#?}");
}
