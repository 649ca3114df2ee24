//! DEFINITIONS §5, the table of policies: for each of its rows a history of a few lines, under `standard`, under every
//! vendor that deviates and under the switch alone, with the figures worked out by hand.

mod currencies;

use crate::generate;
use crate::small::{Business, shows};
use crate::support::{Value, Workspace};

const STANDARD: &str = "policy = \"standard\"";
const CHARTMOGUL: &str = "policy = \"chartmogul\"";
const STRIPE: &str = "policy = \"stripe\"";
const PROFITWELL: &str = "policy = \"profitwell\"";
const MAXIO: &str = "policy = \"maxio\"";

/// Subscriptions of a few customers under a policy or a switch.
fn under(lines: &str, as_of: &str, rows: &str) -> Workspace {
    let business = Business::of_subscriptions(as_of).customers(lines).source("subscriptions", rows);
    business.stage("churn", "").stage("revenue_churn", "").runs()
}

/// Row 1. Ann cancels on 20 February, has paid until 10 March, and is shut off on 5 April.
#[test]
fn churn_is_dated_by_what_was_paid_by_the_end_or_by_the_cancellation() {
    let rows = "customer_id | started_at | cancelled_at | paid_until | ended_at   | amount
                Ann         | 2020-01-10 | 2020-02-20   | 2020-03-10 | 2020-04-05 | 10.00
                Bob         | 2020-01-10 |              |            |            | 20.00";
    let paid = [STANDARD, PROFITWELL, MAXIO, "churn_dated = \"paid_until\"", ""];
    let ended = [CHARTMOGUL, "churn_dated = \"ended_at\""];
    let cancelled = [STRIPE, "churn_dated = \"cancelled_at\""];
    let months = ["2020-02-01", "2020-03-01", "2020-04-01"];
    for (policies, churns_in) in [(&paid[..], 1), (&ended, 2), (&cancelled, 0)] {
        for lines in policies {
            let here = under(lines, "2020-05-01", rows);
            for (i, month) in months.iter().enumerate() {
                let row = match i.cmp(&churns_in) {
                    std::cmp::Ordering::Less => "2 | 0 | 2",
                    std::cmp::Ordering::Equal => "2 | 1 | 1",
                    std::cmp::Ordering::Greater => "1 | 0 | 1",
                };
                shows(&here, "churn", &format!("period : opening | churned | closing\n{month} : {row}"));
                let row = match i.cmp(&churns_in) {
                    std::cmp::Ordering::Less => "30.00 | 0.00 | 30.00",
                    std::cmp::Ordering::Equal => "30.00 | -10.00 | 20.00",
                    std::cmp::Ordering::Greater => "20.00 | 0.00 | 20.00",
                };
                shows(&here, "revenue_churn", &format!("period : opening | churned | closing\n{month} : {row}"));
            }
        }
    }
}

/// Row 1, where less is known. Who has only cancelled has paid to the next renewal, 15 March; who only ended has ended.
#[test]
fn what_is_not_known_does_not_date_churn() {
    let cancelled = "customer_id | started_at | cancelled_at | paid_until | ended_at | amount
                     Ann         | 2020-01-15 | 2020-02-20   |            |          | 10.00";
    for (lines, month) in
        [(STANDARD, "2020-03-01"), (CHARTMOGUL, "2020-03-01"), (STRIPE, "2020-02-01"), (MAXIO, "2020-03-01")]
    {
        let here = under(lines, "2020-05-01", cancelled);
        shows(&here, "churn", &format!("period : opening | churned | closing\n{month} : 1 | 1 | 0"));
    }
    let ended = "customer_id | started_at | cancelled_at | paid_until | ended_at   | amount
                 Ann         | 2020-01-15 |              | 2020-03-15 | 2020-03-15 | 10.00";
    for lines in [STANDARD, CHARTMOGUL, STRIPE, PROFITWELL, MAXIO] {
        let here = under(lines, "2020-05-01", ended);
        shows(&here, "churn", "period : opening | churned | closing\n2020-03-01 : 1 | 1 | 0");
    }
}

/// Row 2. By the calendar, three open March and Ann and Bob leave. In the 30 days before 1 April (from 2 March on) two
/// are there, Bob and Cat; Dan joins; Bob leaves. Eve joins and leaves within, which only `stripe` counts.
#[test]
fn churn_of_the_last_thirty_days_is_of_those_who_were_there_and_those_who_joined() {
    let rows = "customer_id | started_at | cancelled_at | ended_at   | amount
                Ann         | 2020-01-10 | 2020-03-01   | 2020-03-01 | 10.00
                Bob         | 2020-01-10 | 2020-03-15   | 2020-03-15 | 10.00
                Cat         | 2020-01-10 |              |            | 10.00
                Dan         | 2020-03-10 |              |            | 10.00
                Eve         | 2020-03-20 | 2020-03-25   | 2020-03-25 | 10.00";
    for (lines, rate, new, churned) in [
        (STANDARD, "2/3", 1, 2),
        (CHARTMOGUL, "2/3", 1, 2),
        (PROFITWELL, "2/3", 1, 2),
        (MAXIO, "3/3", 2, 3),
        ("churn_rate = \"rolling_30_days\"", "1/3", 1, 2),
        (STRIPE, "2/4", 2, 3),
    ] {
        let here = under(lines, "2020-05-01", rows);
        shows(
            &here,
            "churn",
            &format!(
                "period     : opening | new   | churned   | closing | churn_rate
                 2020-03-01 : 3       | {new} | {churned} | 2       | {rate}
                 2020-04-01 : 2       | 0     | 0         | 2       | 0"
            ),
        );
    }
}

/// Row 2 in a month of 31 days: 30 days before 1 February is 2 January, not 1 January; in February (29 days) it is
/// 31 January, so that who left on that day leaves twice.
#[test]
fn thirty_days_are_not_a_month() {
    let rows = "customer_id | started_at | ended_at   | amount
                Ann         | 2019-12-10 | 2020-01-02 | 10.00
                Bob         | 2019-12-10 | 2020-01-31 | 10.00
                Cat         | 2019-12-10 | 2020-03-01 | 10.00
                Dan         | 2019-12-10 |            | 10.00";
    // Ann is live just before 2 January and gone on it.
    let here = under("churn_rate = \"rolling_30_days\"", "2020-04-01", rows);
    shows(
        &here,
        "churn",
        "period     : opening | churned | churn_rate
         2020-01-01 : 4       | 2       | 2/4
         2020-02-01 : 2       | 0       | 1/3
         2020-03-01 : 2       | 1       | 0",
    );
    let here = under("churn_rate = \"opening\"", "2020-04-01", rows);
    shows(
        &here,
        "churn",
        "period     : opening | churned | churn_rate
         2020-01-01 : 4       | 2       | 2/4
         2020-02-01 : 2       | 0       | 0
         2020-03-01 : 2       | 1       | 1/2",
    );
}

/// Row 3. In March Eve joins and leaves; Gil, who had left in February, comes back and leaves.
#[test]
fn who_joined_and_left_within_a_period_counts_in_neither_or_in_both() {
    let rows = "customer_id | started_at | cancelled_at | ended_at   | amount
                Ann         | 2020-01-10 |              |            | 5.00
                Eve         | 2020-03-05 | 2020-03-15   | 2020-03-15 | 10.00
                Gil         | 2020-01-10 | 2020-02-10   | 2020-02-10 | 20.00
                Gil         | 2020-03-05 | 2020-03-20   | 2020-03-20 | 20.00";
    for lines in [STANDARD, CHARTMOGUL, PROFITWELL, "within_period = \"neither\""] {
        let here = under(lines, "2020-05-01", rows);
        shows(
            &here,
            "churn",
            "period     : opening | new | returned | retained | churned | closing | intra | churn_rate
             2020-02-01 : 2       | 0   | 0        | 1        | 1       | 1       | 0     | 1/2
             2020-03-01 : 1       | 0   | 0        | 1        | 0       | 1       | 2     | 0",
        );
        shows(
            &here,
            "revenue_churn",
            "period     : opening | new  | reactivation | churned | closing
             2020-03-01 : 5.00    | 0.00 | 0.00         | 0.00    | 5.00",
        );
    }
    for lines in [STRIPE, MAXIO, "within_period = \"both\""] {
        let here = under(lines, "2020-05-01", rows);
        shows(
            &here,
            "churn",
            "period     : opening | new | returned | retained | churned | closing
             2020-02-01 : 2       | 0   | 0        | 1        | 1       | 1
             2020-03-01 : 1       | 1   | 1        | 1        | 2       | 1
             2020-04-01 : 1       | 0   | 0        | 1        | 0       | 1",
        );
        shows(
            &here,
            "revenue_churn",
            "period     : opening | new   | reactivation | churned | expansion | closing
             2020-03-01 : 5.00    | 10.00 | 20.00        | -30.00  | 0.00      | 5.00",
        );
        // Two of whom one was there: no share, and no interval (§3).
        let churn = here.table("churn");
        let march = churn.row(&[("period", "2020-03-01"), ("segment", "all")]);
        assert_eq!((&march["ci_low"], &march["ci_high"]), (&Value::Null, &Value::Null), "{lines}");
    }
    let here = under("within_period = \"both\"", "2020-05-01", rows);
    shows(&here, "churn", "period : churn_rate | crr | crr_strict\n2020-03-01 : 2/1 | 0/1 | 1/1");
}

/// DEFINITIONS §2: "Under a policy that counts both: new 3, returned 2, churned 3, closing 5."
#[test]
fn the_march_of_eight_customers_under_a_policy_that_counts_both() {
    let rows = "customer_id | started_at | cancelled_at | ended_at   | amount
                A           | 2020-01-10 |              |            | 10.00
                B           | 2020-01-10 | 2020-03-10   | 2020-03-10 | 10.00
                C           | 2020-01-10 | 2020-03-05   | 2020-03-05 | 10.00
                C           | 2020-03-20 |              |            | 10.00
                D           | 2020-03-10 |              |            | 10.00
                E           | 2020-03-05 | 2020-03-15   | 2020-03-15 | 10.00
                F           | 2020-01-10 | 2020-02-10   | 2020-02-10 | 10.00
                F           | 2020-03-10 |              |            | 10.00
                G           | 2020-01-10 | 2020-02-10   | 2020-02-10 | 10.00
                G           | 2020-03-05 | 2020-03-20   | 2020-03-20 | 10.00
                H           | 2020-03-02 | 2020-03-10   | 2020-03-10 | 10.00
                H           | 2020-03-20 |              |            | 10.00";
    for lines in ["within_period = \"both\"", STRIPE, MAXIO] {
        let here = under(lines, "2020-04-01", rows);
        shows(
            &here,
            "churn",
            "period     : opening | new | returned | retained | churned | closing
             2020-03-01 : 3       | 3   | 2        | 2        | 3       | 5",
        );
        shows(
            &here,
            "revenue_churn",
            "period     : opening | new   | reactivation | churned | closing
             2020-03-01 : 30.00   | 30.00 | 20.00        | -30.00  | 50.00",
        );
    }
}

/// Row 4. Ann is back after 74 days, Bob after 90, Cat after 91.
#[test]
fn who_comes_back_late_is_new_to_maxio() {
    let rows = "customer_id | started_at | ended_at   | amount
                Ann         | 2020-01-01 | 2020-02-01 | 10.00
                Ann         | 2020-04-15 |            | 10.00
                Bob         | 2020-01-01 | 2020-02-01 | 20.00
                Bob         | 2020-05-01 |            | 20.00
                Cat         | 2020-01-01 | 2020-02-01 | 40.00
                Cat         | 2020-05-02 |            | 40.00";
    for lines in [STANDARD, CHARTMOGUL, STRIPE, PROFITWELL, "reactivation = \"always\""] {
        let here = under(lines, "2020-06-01", rows);
        shows(
            &here,
            "churn",
            "period     : new | returned | closing
             2020-04-01 : 0   | 1        | 1
             2020-05-01 : 0   | 2        | 3",
        );
        shows(
            &here,
            "revenue_churn",
            "period     : new  | reactivation | closing
             2020-04-01 : 0.00 | 10.00        | 10.00
             2020-05-01 : 0.00 | 60.00        | 70.00",
        );
    }
    for lines in [MAXIO, "reactivation = \"90 days\""] {
        let here = under(lines, "2020-06-01", rows);
        shows(
            &here,
            "churn",
            "period     : new | returned | closing
             2020-04-01 : 0   | 1        | 1
             2020-05-01 : 1   | 1        | 3",
        );
        shows(
            &here,
            "revenue_churn",
            "period     : new   | reactivation | closing
             2020-04-01 : 0.00  | 10.00        | 10.00
             2020-05-01 : 40.00 | 20.00        | 70.00",
        );
    }
}

/// Row 6. Ann goes from paid to free, Bob from free to paid.
#[test]
fn a_free_plan_after_a_paid_one_is_churn_or_live_at_nothing() {
    let rows = "customer_id | subscription_id | started_at | ended_at   | amount
                Ann         | 1               | 2020-01-10 | 2020-03-10 | 10.00
                Ann         | 1               | 2020-03-10 |            | 0.00
                Bob         | 2               | 2020-01-10 | 2020-03-10 | 0.00
                Bob         | 2               | 2020-03-10 |            | 20.00";
    for lines in [STANDARD, STRIPE, PROFITWELL, MAXIO, "free_after_paid = \"churned\""] {
        let here = under(lines, "2020-05-01", rows);
        shows(
            &here,
            "churn",
            "period     : opening | new | retained | churned | closing
             2020-02-01 : 1       | 0   | 1        | 0       | 1
             2020-03-01 : 1       | 1   | 0        | 1       | 1",
        );
        shows(
            &here,
            "revenue_churn",
            "period     : opening | new   | contraction | churned | closing
             2020-03-01 : 10.00   | 20.00 | 0.00        | -10.00  | 20.00",
        );
    }
    for lines in [CHARTMOGUL, "free_after_paid = \"live at 0\""] {
        let here = under(lines, "2020-05-01", rows);
        shows(
            &here,
            "churn",
            "period     : opening | new | retained | churned | closing
             2020-02-01 : 1       | 0   | 1        | 0       | 1
             2020-03-01 : 1       | 1   | 1        | 0       | 2
             2020-04-01 : 2       | 0   | 2        | 0       | 2",
        );
        shows(
            &here,
            "revenue_churn",
            "period     : opening | new   | contraction | churned | closing | customers
             2020-03-01 : 10.00   | 20.00 | -10.00      | 0.00    | 20.00   | 2",
        );
    }
}

/// Row 7. One of five leaves in February, April, June and August. At the end of August: Σ 3 of Σ 4+4+3+3+2+2 = 1/6;
/// the mean of February to July, August excluded: (1/5 + 0 + 1/4 + 0 + 1/3 + 0) / 6.
#[test]
fn lifetime_value_takes_the_trailing_rate_or_the_mean_of_the_six_before() {
    let rows = "customer_id | started_at | ended_at   | amount
                Ann         | 2020-01-01 | 2020-02-10 | 10.00
                Bob         | 2020-01-01 | 2020-04-10 | 10.00
                Cat         | 2020-01-01 | 2020-06-10 | 10.00
                Dan         | 2020-01-01 | 2020-08-10 | 10.00
                Eve         | 2020-01-01 |            | 10.00";
    let with = |lines: &str| {
        let business = Business::of_subscriptions("2020-09-01").customers(lines).source("subscriptions", rows);
        business.stage("churn", "").stage("ltv", "models = [\"ratio\"]").runs()
    };
    for lines in [STANDARD, STRIPE, PROFITWELL, MAXIO, "ltv_churn_rate = \"trailing\""] {
        let row = "period | method : arpa | churn_rate | ltv\n2020-08-01 | ratio : 10.00 | 1/6 | 60.00";
        shows(&with(lines), "ltv", row);
    }
    for lines in [CHARTMOGUL, "ltv_churn_rate = \"mean_of_previous\""] {
        let rate = (0.2 + 0.25 + 1.0 / 3.0) / 6.0;
        let row = format!(
            "period | method : arpa | churn_rate | ltv\n2020-08-01 | ratio : 10.00 | {rate} | ~{:.2}",
            10.0 / rate
        );
        shows(&with(lines), "ltv", &row);
    }
}

/// What each vendor documents, in the order of the table.
const PRESETS: [(&str, [&str; 7]); 4] = [
    (
        CHARTMOGUL,
        [
            "churn_dated = \"ended_at\"",
            "churn_rate = \"opening\"",
            "within_period = \"neither\"",
            "reactivation = \"always\"",
            "exchange_rate_moves = \"no movement\"",
            "free_after_paid = \"live at 0\"",
            "ltv_churn_rate = \"mean_of_previous\"",
        ],
    ),
    (
        STRIPE,
        [
            "churn_dated = \"cancelled_at\"",
            "churn_rate = \"rolling_30_days\"",
            "within_period = \"both\"",
            "reactivation = \"always\"",
            "exchange_rate_moves = \"currency_effect\"",
            "free_after_paid = \"churned\"",
            "ltv_churn_rate = \"trailing\"",
        ],
    ),
    (
        PROFITWELL,
        [
            "churn_dated = \"paid_until\"",
            "churn_rate = \"opening\"",
            "within_period = \"neither\"",
            "reactivation = \"always\"",
            "exchange_rate_moves = \"currency_effect\"",
            "free_after_paid = \"churned\"",
            "ltv_churn_rate = \"trailing\"",
        ],
    ),
    (
        MAXIO,
        [
            "churn_dated = \"paid_until\"",
            "churn_rate = \"opening\"",
            "within_period = \"both\"",
            "reactivation = \"90 days\"",
            "exchange_rate_moves = \"currency_effect\"",
            "free_after_paid = \"churned\"",
            "ltv_churn_rate = \"trailing\"",
        ],
    ),
];

/// On random histories with pauses, trials and free plans: a preset is its seven switches, whatever stood before.
#[test]
fn a_preset_is_its_switches_and_a_switch_wins_over_the_preset() {
    for (i, (preset, switches)) in PRESETS.iter().enumerate() {
        let mut scenario = generate::subscribers(4711 + i as u64);
        scenario.stages.retain(|s| s.kind != "survival");
        scenario.stages.push(crate::scenario::Stage {
            name: "ltv",
            kind: "ltv",
            period: None,
            options: "models = [\"ratio\", \"realised\"]",
        });
        let here = Workspace::of(&scenario);
        let text = scenario.toml();
        let other = PRESETS[(i + 1) % PRESETS.len()].0;
        let told =
            [preset.to_string(), switches.join("\n"), format!("{other}\n{}", switches.join("\n"))].map(|lines| {
                here.write("pipeline.toml", &text.replace("[customers]\n", &format!("[customers]\n{lines}\n")));
                here.run().exits(0);
                let names = scenario.stages.iter().map(|s| s.name).chain(["ledger", "customers"]);
                names.map(|name| here.table(name)).collect::<Vec<_>>()
            });
        for tables in &told[1..] {
            for (a, b) in told[0].iter().zip(tables) {
                assert_eq!(a.rows.len(), b.rows.len(), "{preset} {}", a.name);
                for (a_row, b_row) in a.rows.iter().zip(&b.rows) {
                    assert_eq!(a_row, b_row, "{preset} {}", a.name);
                }
            }
        }
    }
}
