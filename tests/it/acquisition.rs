//! DEFINITIONS §8: who won the customers, what that cost, and what became of trials, by hand.

use crate::small::{Business, Rows, shows, shows_only};

/// Six customers of 10.00 a month.
fn six() -> Business {
    Business::of_subscriptions("2024-04-01")
        .calendar("observed_from = \"2024-01-01\"")
        .money("gross_margin = 0.5")
        .source(
            "subscriptions",
            "customer_id | started_at | amount
             Ann         | 2024-01-05 | 10.00
             Bob         | 2024-01-10 | 10.00
             Cy          | 2024-02-03 | 10.00
             Dee         | 2024-02-04 | 10.00
             Eve         | 2024-02-05 | 10.00
             Fay         | 2024-02-06 | 10.00",
        )
        // Dee was referred by Ann, Eve by herself.
        .source(
            "customers",
            "customer_id | acquired_by | referred_by | town
             Ann         | ads         |             | Ulm
             Bob         | ads         |             | Bonn
             Cy          | Referral    |             | Ulm
             Dee         | content     | Ann         | Ulm
             Eve         | content     | Eve         | Bonn
             Fay         |             |             | Bonn",
        )
        .stage("acquisition", "")
        .stage("churn", "")
        .stage("ltv", "")
}

const COSTS: &str = "period_start | channel | amount
                     2023-12-01   | ads     | 99.00
                     2024-01-01   | ads     | 30.00
                     2024-02-01   | ads     | 50.00
                     2024-02-01   | content | 20.00
                     2024-02-20   | content | 0.01
                     2024-02-15   |         | 5.00
                     2024-03-01   | ads     | 7.00
                     2024-04-01   | ads     | 3.00";

#[test]
fn channels_have_their_customers_their_referrals_and_their_costs() {
    let here = six().source("acquisition_costs", COSTS).runs();
    // January: MRR 20.00 of two customers, half of it margin: 15.00 ÷ 5.00 a month. February's content: 20.01 of two.
    shows_only(
        &here,
        "acquisition",
        "channel  | period     : new | referred | referral_share | spend | cac     | payback_periods | maturity
         all      | 2024-01-01 : 2   | 0        | 0              | 30.00 | 15      | 3               | complete
         ads      | 2024-01-01 : 2   | 0        | 0              | 30.00 | 15      | 3               | complete
         all      | 2024-02-01 : 4   | 2        | 0.5            | 75.01 | 18.7525 | 3.7505          | complete
         (none)   | 2024-02-01 : 1   | 0        | 0              |       |         |                 | complete
         Referral | 2024-02-01 : 1   | 1        | 1              |       |         |                 | complete
         ads      | 2024-02-01 : 0   | 0        |                | 50.00 |         |                 | complete
         content  | 2024-02-01 : 2   | 1        | 0.5            | 20.01 | 10.005  | 2.001           | complete
         all      | 2024-03-01 : 0   | 0        |                | 7.00  |         |                 | complete
         ads      | 2024-03-01 : 0   | 0        |                | 7.00  |         |                 | complete",
    );
    // The same cost of everybody as table ltv has it.
    shows(
        &here,
        "ltv",
        "method | period     : cac     | payback_periods
         ratio  | 2024-01-01 : 15      | 3
         ratio  | 2024-02-01 : 18.7525 | 3.7505
         ratio  | 2024-03-01 :         | ",
    );
    shows(
        &here,
        "checks",
        "check                  | subject     : status | actual
         channels_add_up        | acquisition : pass   | 3
         costs_outside          | acquisition : warn   | 2
         referred_to_self       | customers   : warn   | 1",
    );
}

#[test]
fn a_segment_has_its_customers_and_no_costs() {
    let here = six().source("acquisition_costs", COSTS).segment("town = \"customers.town\"").runs();
    shows(
        &here,
        "acquisition",
        "segment | value | channel | period     : new | referred | spend | cac
         town    | Ulm   | all     | 2024-01-01 : 1   | 0        |       |
         town    | Ulm   | all     | 2024-02-01 : 2   | 2        |       |
         town    | Ulm   | content | 2024-02-01 : 1   | 1        |       |
         town    | Bonn  | content | 2024-02-01 : 1   | 0        |       |
         town    | Bonn  | (none)  | 2024-02-01 : 1   | 0        |       | ",
    );
    shows(&here, "checks", "check | subject : status\n channels_add_up | acquisition : pass");
}

#[test]
fn without_costs_there_is_no_spend_and_without_channels_nobody_by_channel() {
    let here = six().runs();
    shows(
        &here,
        "acquisition",
        "channel | period     : new | spend | cac | payback_periods | trials_ended | trial_conversion
         all     | 2024-02-01 : 4   |       |     |                 |              |
         content | 2024-02-01 : 2   |       |     |                 |              | ",
    );
    // Costs by channel, and customers of whom nobody knows theirs.
    let here = Business::of_subscriptions("2024-03-01")
        .calendar("observed_from = \"2024-01-01\"")
        .source("subscriptions", "customer_id | started_at | amount\n Ann | 2024-01-05 | 10.00")
        .source("acquisition_costs", "period_start | channel | amount\n 2024-01-01 | ads | 30.00")
        .stage("acquisition", "")
        .runs();
    shows_only(
        &here,
        "acquisition",
        "channel | period     : new | referred | referral_share | spend | cac
         all     | 2024-01-01 : 1   |          |                | 30.00 | 30
         ads     | 2024-01-01 :     |          |                | 30.00 |
         all     | 2024-02-01 : 0   |          |                |       | ",
    );
}

#[test]
fn a_partial_period_has_its_counts_so_far_and_no_rates() {
    let business = six().source("acquisition_costs", COSTS);
    let text = business.toml().replace("as_of = \"2024-04-01\"", "as_of = \"2024-02-06\"");
    let here = business.workspace();
    here.write("pipeline.toml", &text);
    here.run().exits(0);
    shows(
        &here,
        "acquisition",
        "channel | period     : new | referred | referral_share | spend | cac | payback_periods | maturity
         all     | 2024-01-01 : 2   | 0        | 0              | 30.00 | 15  | 3               | complete
         all     | 2024-02-01 : 3   | 2        |                | 70.00 |     |                 | partial
         content | 2024-02-01 : 2   | 1        |                | 20.00 |     |                 | partial",
    );
}

#[test]
fn trials_end_and_some_become_paid() {
    // Ann's became paid, Bob's came to nothing, Cy called his off before its end, Dee's is not over. Eve changed her plan
    // within hers, and once more later; Fay paid from the start.
    let business = Business::of_subscriptions("2024-04-01")
        .calendar("observed_from = \"2024-01-01\"")
        .source(
            "subscriptions",
            "customer_id | subscription_id | started_at | trial_ends_at | ended_at   | amount
             Ann         | a               | 2024-01-05 | 2024-01-19    |            | 10.00
             Bob         | b               | 2024-01-10 | 2024-01-24    | 2024-01-24 | 10.00
             Cy          | c               | 2024-01-25 | 2024-02-08    | 2024-02-01 | 10.00
             Dee         | d               | 2024-03-25 | 2024-04-08    |            | 10.00
             Eve         | e               | 2024-02-01 | 2024-02-15    | 2024-02-10 | 10.00
             Eve         | e               | 2024-02-10 | 2024-02-15    | 2024-03-10 | 20.00
             Eve         | e               | 2024-03-10 | 2024-02-15    |            | 30.00
             Fay         | f               | 2024-02-01 |               |            | 10.00",
        )
        .source("customers", "customer_id | acquired_by\n Ann | ads\n Bob | ads\n Cy | ads\n Eve | talks\n Dee | talks")
        .stage("acquisition", "");
    shows_only(
        &business.runs(),
        "acquisition",
        "channel | period     : new | trials_ended | trial_conversion
         all     | 2024-01-01 : 1   | 2            | 0.5
         ads     | 2024-01-01 : 1   | 2            | 0.5
         all     | 2024-02-01 : 2   | 2            | 0.5
         (none)  | 2024-02-01 : 1   | 0            |
         ads     | 2024-02-01 : 0   | 1            | 0
         talks   | 2024-02-01 : 1   | 1            | 1
         all     | 2024-03-01 : 0   | 0            | ",
    );
}

#[test]
fn purchases_have_channels_and_no_trials() {
    let here = Business::of_transactions("2024-03-01")
        .calendar("observed_from = \"2024-01-01\"")
        .source(
            "transactions",
            "customer_id | occurred_at | amount\n 1 | 2024-01-05 | 40.00\n 2 | 2024-01-06 | 20.00\n 2 | 2024-02-06 | 10.00",
        )
        .source("customers", "customer_id | acquired_by | referred_by\n 1 | shop | 2\n 2 | shop | 2\n 3 | shop | 1")
        .source("acquisition_costs", "period_start | channel | amount\n 2024-01-31 | shop | 12.00")
        .stage("acquisition", "")
        .runs();
    // Closing revenue 60.00 of two, all of it counted: there is no margin.
    shows_only(
        &here,
        "acquisition",
        "channel | period     : new | referred | spend | cac | payback_periods | trials_ended
         all     | 2024-01-01 : 2   | 1        | 12.00 | 6   | 0.2             |
         shop    | 2024-01-01 : 2   | 1        | 12.00 | 6   | 0.2             |
         all     | 2024-02-01 : 0   | 0        |       |     |                 | ",
    );
    shows(&here, "checks", "check | subject : actual\n referred_to_self | customers : 1");
}

#[test]
fn a_channel_may_be_called_anything() {
    let rows = |name: &str, line: &dyn Fn(usize) -> String| {
        Rows::read(&(0..9).fold(name.to_string(), |t, i| t + "\n" + &line(i)))
    };
    let names = ["all", "other", "(none)", "قناة", "👩‍👩‍👧", " ", "other", "all", ""];
    let here = Business::of_subscriptions("2024-02-01")
        .calendar("observed_from = \"2024-01-01\"")
        .source_of(
            "subscriptions",
            rows("customer_id | started_at | amount", &|i| format!("c{i} | 2024-01-05 | 1.00")),
            "",
        )
        .source_of("customers", rows("customer_id | acquired_by", &|i| format!("c{i} | {}", names[i])), "")
        .stage("acquisition", "cap = 2")
        .runs();
    // A cell of blanks is NULL in our exports: three customers have no channel, or one that says so.
    shows_only(
        &here,
        "acquisition",
        "channel | period     : new
         all     | 2024-01-01 : 9
         (all)   | 2024-01-01 : 2
         other   | 2024-01-01 : 2
         (other) | 2024-01-01 : 2
         (none)  | 2024-01-01 : 3",
    );
    shows(&here, "checks", "check | subject : status | actual\n channels_cap | acquisition : warn | 2");
}

#[test]
fn a_stage_that_knows_nothing_more_than_churn_says_what_to_map() {
    let business = Business::of_transactions("2024-03-01")
        .source("transactions", "customer_id | occurred_at | amount\n 1 | 2024-01-05 | 40.00")
        .stage("acquisition", "");
    business.workspace().run().exits(2).says(&["acquisition", "acquired_by", "acquisition_costs"]);
}
