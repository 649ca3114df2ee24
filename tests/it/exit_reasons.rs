//! DEFINITIONS §9: why customers left, by hand.

use crate::small::{Business, Rows, shows, shows_only};

/// Who left in February 2024 at the latest, and how.
fn leavers() -> Business {
    Business::of_subscriptions("2024-05-01")
        .calendar("observed_from = \"2024-01-01\"")
        .source(
            "subscriptions",
            "customer_id | subscription_id | started_at | ended_at   | paused_from | paused_until | amount | cancel_reason  | cancel_kind
             Ann         | a               | 2023-12-01 | 2024-02-10 |             |              | 10.00  | price          | voluntary
             Bob         | b               | 2023-12-01 | 2024-02-20 |             |              | 20.00  | payment_failed | involuntary
             Cy          | c               | 2023-12-01 | 2024-02-25 |             |              | 30.00  |                | voluntary
             Dee         | d               | 2023-12-01 | 2024-02-28 |             |              | 40.00  |                |
             Eve         | e               | 2023-12-01 | 2024-02-03 |             |              | 5.00   | too small      | voluntary
             Eve         | f               | 2023-12-01 | 2024-02-21 |             |              | 6.00   | price          | voluntary
             Fay         | g               | 2023-12-01 | 2024-04-20 | 2024-03-10  | 2024-04-10   | 7.00   | moved          | voluntary
             Gus         | h               | 2023-12-01 | 2024-03-15 |             |              | 8.00   |                | voluntary
             Gus         | i               | 2024-04-05 | 2024-04-25 |             |              | 8.00   |                | voluntary
             Hal         | j               | 2023-12-01 |            |             |              | 9.00   | never mind     | voluntary",
        )
        .stage("exit_reasons", "")
        .stage("churn", "")
        .stage("revenue_churn", "")
}

#[test]
fn the_last_subscription_to_end_says_why() {
    // Eve's two subscriptions of 5.00 and 6.00 were live at the opening; the second ended last. Fay paused in March, was back
    // in April and left within it: at neither boundary.
    let here = leavers().runs();
    shows_only(
        &here,
        "exit_reasons",
        "period     | reason         | kind        : customers | share | revenue_lost | maturity
         2024-02-01 | price          | voluntary   : 2         | 2/5   | 21.00        | complete
         2024-02-01 | payment_failed | involuntary : 1         | 1/5   | 20.00        | complete
         2024-02-01 | no answer      | voluntary   : 1         | 1/5   | 30.00        | complete
         2024-02-01 | no answer      | unknown     : 1         | 1/5   | 40.00        | complete
         2024-03-01 | no answer      | unknown     : 1         | 1/2   | 7.00         | complete
         2024-03-01 | no answer      | voluntary   : 1         | 1/2   | 8.00         | complete",
    );
    shows(&here, "churn", "period : churned | intra\n 2024-02-01 : 5 | 0\n 2024-03-01 : 2 | 0\n 2024-04-01 : 0 | 2");
    shows(&here, "revenue_churn", "period : churned\n 2024-02-01 : -111.00\n 2024-03-01 : -15.00");
    shows(
        &here,
        "checks",
        "check              | subject      : status | actual
         reasons_add_up     | exit_reasons : pass   | 4
         lost_money_adds_up | exit_reasons : pass   | 4
         without_reason     | exit_reasons : warn   | 4",
    );
}

#[test]
fn an_exit_survey_answers_where_the_subscription_does_not() {
    let here = leavers()
        .source(
            "surveys",
            "customer_id | answered_at | kind | score | reason
             Ann         | 2024-02-10  | exit |       | never used
             Cy          | 2024-03-05  | exit |       | switched
             Cy          | 2024-04-01  | exit |       | forgot
             Dee         | 2024-02-27  | nps  | 3     | slow
             Dee         | 2024-02-28  | exit |       |
             Gus         | 2024-04-10  | exit |       | holidays
             Fay         | 2024-02-07  | exit |       | too early
             Hal         | 2024-02-10  | exit |       | still here",
        )
        .runs();
    // Ann's subscription says why, whatever she answers. Cy's answer of April comes after the end of the next period, Gus's
    // after his return. Dee was asked and did not say; Fay's last live day is 9 March: 31 days after what she said.
    shows_only(
        &here,
        "exit_reasons",
        "period     | reason         | kind        : customers | revenue_lost
         2024-02-01 | price          | voluntary   : 2         | 21.00
         2024-02-01 | payment_failed | involuntary : 1         | 20.00
         2024-02-01 | switched       | voluntary   : 1         | 30.00
         2024-02-01 | no answer      | unknown     : 1         | 40.00
         2024-03-01 | no answer      | unknown     : 1         | 7.00
         2024-03-01 | no answer      | voluntary   : 1         | 8.00",
    );
}

#[test]
fn who_cancelled_long_before_the_end_may_have_said_why_then() {
    // Paid for a year, called off in June; asked at once, and never again.
    let here = Business::of_subscriptions("2024-03-01")
        .calendar("observed_from = \"2023-01-01\"")
        .source(
            "subscriptions",
            "customer_id | started_at | cancelled_at | paid_until | interval | amount
             Ann         | 2023-02-01 | 2023-06-15   | 2024-02-01 | year     | 120.00
             Bob         | 2023-02-01 |              | 2024-02-01 | year     | 120.00",
        )
        .source(
            "surveys",
            "customer_id | answered_at | kind | reason
             Ann         | 2023-06-15  | exit | boss left
             Bob         | 2023-06-15  | exit | only asking",
        )
        .stage("exit_reasons", "")
        .runs();
    shows_only(
        &here,
        "exit_reasons",
        "period     | reason    | kind    : customers | share | revenue_lost
         2024-02-01 | boss left | unknown : 1         | 0.5   | 10.00
         2024-02-01 | no answer | unknown : 1         | 0.5   | 10.00",
    );
}

#[test]
fn a_replay_knows_no_reason_before_the_cancellation() {
    // Paid until 10 February; the reason came with the cancellation of 20 February.
    let rows = "customer_id | started_at | paid_until | cancelled_at | amount | cancel_reason | cancel_kind
                Ann         | 2023-12-01 | 2024-02-10 | 2024-02-20   | 10.00  | price         | voluntary
                Bob         | 2023-12-01 |            |              | 10.00  |               | ";
    let known_until = |as_of: &str| {
        Business::of_subscriptions(as_of)
            .calendar("observed_from = \"2024-01-01\"")
            .source("subscriptions", rows)
            .stage("exit_reasons", "")
            .runs()
    };
    let key = "period | reason | kind : customers | share | maturity\n 2024-02-01 |";
    shows_only(&known_until("2024-02-15"), "exit_reasons", &format!("{key} no answer | unknown : 1 |  | partial"));
    shows_only(&known_until("2024-03-01"), "exit_reasons", &format!("{key} price | voluntary : 1 | 1 | complete"));
}

#[test]
fn customers_who_buy_have_exit_surveys_alone() {
    // All bought in January and not in February. The subscriptions beside them say nothing of it.
    let here = Business::of_transactions("2024-04-15")
        .calendar("observed_from = \"2024-01-01\"")
        .source(
            "transactions",
            "customer_id | occurred_at | amount
             Ann         | 2024-01-05  | 10.00
             Bob         | 2024-01-05  | 20.00
             Cy          | 2024-01-05  | 30.00
             Dee         | 2024-01-05  | 40.00
             Eve         | 2024-01-05  | 50.00
             Eve         | 2024-03-05  | 50.00
             Fay         | 2024-03-05  | 1.00",
        )
        .source(
            "subscriptions",
            "customer_id | started_at | ended_at   | amount | cancel_reason\n Ann | 2023-12-01 | 2024-02-10 | 10.00 | price",
        )
        // Bob before his last purchase, Cy in time, Dee too late, Eve after she came back, Fay in a month that nobody can judge.
        .source(
            "surveys",
            "customer_id | answered_at | kind | reason
             Bob         | 2023-12-30  | exit | long ago
             Cy          | 2024-03-31  | exit | far away
             Dee         | 2024-04-01  | exit | far away
             Eve         | 2024-03-06  | exit | far away
             Fay         | 2024-04-10  | exit | far away",
        )
        .stage("exit_reasons", "")
        .runs();
    shows_only(
        &here,
        "exit_reasons",
        "period     | reason    | kind    : customers | share | revenue_lost
         2024-02-01 | far away  | unknown : 1         | 1/5   | 30.00
         2024-02-01 | no answer | unknown : 4         | 4/5   | 120.00",
    );
}

#[test]
fn a_segment_has_those_who_were_there_at_the_opening() {
    // Ann changes her plan in January and leaves in February; Bob within February, before he leaves.
    let here = Business::of_subscriptions("2024-03-01")
        .calendar("observed_from = \"2023-12-01\"")
        .source(
            "subscriptions",
            "customer_id | subscription_id | plan | started_at | ended_at   | amount | cancel_reason
             Ann         | a               | big  | 2023-12-01 | 2024-01-10 | 10.00  |
             Ann         | a               | tiny | 2024-01-10 | 2024-02-10 | 3.00   | price
             Bob         | b               | big  | 2023-12-01 | 2024-02-05 | 10.00  |
             Bob         | b               | tiny | 2024-02-05 | 2024-02-10 | 3.00   | price",
        )
        .segment("plan = { column = \"subscriptions.plan\", at = \"opening\" }")
        .stage("exit_reasons", "")
        .runs();
    shows(
        &here,
        "exit_reasons",
        "segment | value | period     | reason | kind    : customers | share | revenue_lost
         all     | all   | 2024-02-01 | price  | unknown : 2         | 1     | 13.00
         plan    | tiny  | 2024-02-01 | price  | unknown : 1         | 1     | 3.00
         plan    | big   | 2024-02-01 | price  | unknown : 1         | 1     | 10.00",
    );
}

/// A form with a free text: every other reason is one of its own.
#[test]
fn reasons_without_number_are_gathered() {
    let mut rows = Rows::read("customer_id | started_at | ended_at | amount | cancel_reason");
    for i in 0..3000 {
        let reason = match i % 6 {
            0 => "السعر مرتفع".to_string(),
            1 => "other".to_string(),
            2 => "no answer".to_string(),
            _ => format!("because of {i} 🤷"),
        };
        let cells = [&*format!("c{i}"), "2023-12-01", "2024-02-10", "1.00", &*reason];
        rows.cells.push(cells.map(str::to_string).to_vec());
    }
    let here = Business::of_subscriptions("2024-03-01")
        .calendar("observed_from = \"2024-01-01\"")
        .source_of("subscriptions", rows, "")
        .stage("exit_reasons", "cap = 3")
        .runs();
    // Of those with a text of their own the first in order, `because of 10 🤷`, has the third name.
    shows_only(
        &here,
        "exit_reasons",
        "period     | reason             | kind    : customers | share    | revenue_lost
         2024-02-01 | السعر مرتفع        | unknown : 500       | 1/6      | 500.00
         2024-02-01 | other              | unknown : 500       | 1/6      | 500.00
         2024-02-01 | no answer          | unknown : 500       | 1/6      | 500.00
         2024-02-01 | because of 10 🤷   | unknown : 1         | 1/3000   | 1.00
         2024-02-01 | (other)            | unknown : 1499      | 1499/3000 | 1499.00",
    );
    shows(&here, "checks", "check | subject : status | actual\n reasons_cap | exit_reasons : warn | 1499");
}

#[test]
fn a_stage_that_knows_no_reason_says_what_to_map() {
    let business = Business::of_subscriptions("2024-03-01")
        .source("subscriptions", "customer_id | started_at | amount\n 1 | 2024-01-05 | 40.00")
        .stage("exit_reasons", "");
    business.workspace().run().exits(2).says(&["exit_reasons", "cancel_reason", "surveys"]);
    // Customers who buy are not live by their subscriptions.
    let business = Business::of_transactions("2024-03-01")
        .source("transactions", "customer_id | occurred_at | amount\n 1 | 2024-01-05 | 40.00")
        .source("subscriptions", "customer_id | started_at | amount | cancel_reason\n 1 | 2024-01-05 | 40.00 | price")
        .stage("exit_reasons", "");
    business.workspace().run().exits(2).says(&["exit_reasons", "surveys"]);
}
