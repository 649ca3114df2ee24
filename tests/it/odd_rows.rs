//! Rows that no figure can use are set aside with their place or said in `checks`, and never silently dropped.

use crate::small::{Business, Rows, column, shows};

fn subscribers() -> Business {
    Business::of_subscriptions("2020-05-01").source(
        "subscriptions",
        "customer_id | started_at | ended_at   | amount
         Ann         | 2020-01-10 | 2020-03-05 | 10.00
         Bob         | 2020-02-01 |            | 20.00",
    )
}

#[test]
fn a_score_of_eleven_and_surveys_of_strangers() {
    let here = subscribers()
        .source(
            "surveys",
            "customer_id | answered_at | kind  | score | reason
             Ann         | 2020-02-10  | nps   | 11    |
             Ann         | 2020-02-11  | nps   | 9     |
             Bob         | 2020-02-11  | mood  | 3     |
             Zoe         | 2020-02-12  | nps   | 2     |
             Zoe         | 2020-03-12  | exit  |       | price",
        )
        .stage("exit_reasons", "")
        .output("quarantine_limit = 0.5")
        .runs();
    shows(
        &here,
        "quarantine",
        "source  | row : reason              | column | value
         surveys | 1   : score_out_of_scale  | score  | 11
         surveys | 3   : survey_kind_unknown | kind   | mood",
    );
    shows(&here, "checks", "check | subject : status | actual\n unknown_customers | surveys : warn | 1");
    let known = column(&here.table("customers"), "customer_id", "state");
    assert_eq!(known.keys().collect::<Vec<_>>(), ["Ann", "Bob"]);
}

#[test]
fn more_than_may_be_set_aside_publishes_nothing() {
    let (here, outcome) = subscribers()
        .source("surveys", "customer_id | answered_at | kind | score | reason\n Ann | 2020-02-10 | nps | 11 |")
        .stage("exit_reasons", "")
        .customers("gap_days = 3")
        .period("week")
        .outcome();
    outcome.exits(1).says(&["quarantine", "surveys", "11"]);
    assert!(!here.join("out/latest").exists());
}

#[test]
fn a_referral_to_oneself_and_a_subscription_that_ends_before_it_starts() {
    let here = Business::of_subscriptions("2020-05-01")
        .source(
            "subscriptions",
            "customer_id | started_at | ended_at   | amount
             Ann         | 2020-01-10 |            | 10.00
             Bob         | 2020-02-01 | 2020-01-31 | 20.00",
        )
        .source("customers", "customer_id | referred_by\n Ann | Ann\n Bob | Ann")
        .stage("acquisition", "")
        .output("quarantine_limit = 0.5")
        .runs();
    shows(
        &here,
        "quarantine",
        "source        | row : reason           | column   | value
         subscriptions | 2   : end_before_start | ended_at | 2020-01-31",
    );
    shows(&here, "checks", "check | subject : status | actual\n referred_to_self | customers : warn | 1");
    shows(&here, "acquisition", "channel | period : new | referred\n all | 2020-01-01 : 1 | 0");
}

/// As many values as customers: the cap keeps the most frequent, the rest are `other`, and the run stays small.
#[test]
fn a_segment_of_a_million_values_is_capped() {
    let names = ["customer_id", "occurred_at", "amount", "session"].map(String::from).to_vec();
    let cells = (0..1_000_000)
        .map(|i| {
            // Three sessions that are shared, and one of his own for everybody else; from right to left, too.
            let session = match i % 1000 {
                0 => "שלום".to_string(),
                1 => "مرحبا\u{200f} 🙂".to_string(),
                2 => "e\u{301}".to_string(),
                _ => format!("s{i}"),
            };
            vec![format!("c{i}"), "2020-03-05".to_string(), "1".to_string(), session]
        })
        .collect();
    let here = Business::of_transactions("2020-04-01")
        .source_of("transactions", Rows { names, cells }, "")
        .segment("session = { column = \"transactions.session\", cap = 3 }")
        .stage("churn", "")
        .runs();
    shows(
        &here,
        "churn",
        "segment | value | period     : new
         session | שלום  | 2020-03-01 : 1000
         session | مرحبا\u{200f} 🙂 | 2020-03-01 : 1000
         session | e\u{301} | 2020-03-01 : 1000
         session | other | 2020-03-01 : 997000",
    );
    shows(&here, "checks", "check | subject : status | actual\n segment_cap | session : warn | 997000");
}
