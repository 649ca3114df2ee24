//! DEFINITIONS §9: what customers answer, and what they do afterwards, by hand.

use crate::small::{Business, Rows, shows, shows_only};

fn asked() -> Business {
    asked_until("2020-05-01")
}

fn asked_until(as_of: &str) -> Business {
    Business::of_subscriptions(as_of).calendar("observed_from = \"2020-01-01\"").source(
        "subscriptions",
        "customer_id | subscription_id | started_at | ended_at   | amount
             Ann         | a               | 2019-12-01 |            | 10.00
             Ann         | b               | 2020-03-05 |            | 5.00
             Bob         | c               | 2019-12-01 | 2020-02-20 | 20.00
             Cy          | d               | 2019-12-01 | 2020-03-10 | 30.00
             Dee         | e               | 2019-12-01 |            | 40.00
             Eve         | f               | 2019-12-01 |            | 50.00
             Fay         | g               | 2019-12-01 |            | 60.00
             Gus         | h               | 2019-12-01 |            | 70.00",
    )
}

#[test]
fn effort_is_a_mean_whose_direction_is_said() {
    let run = |lines| {
        asked()
            .source_of(
                "surveys",
                Rows::read(
                    "customer_id | answered_at | kind | score
             Ann         | 2020-02-03  | ces  | 2
             Bob         | 2020-02-03  | ces  | 3
             Cy          | 2020-02-03  | ces  | 4
             Dee         | 2020-02-03  | ces  | 5
             Eve         | 2020-02-03  | ces  | 3
             Fay         | 2020-02-03  | ces  | 2
             Gus         | 2020-02-03  | ces  | 1",
                ),
                lines,
            )
            .stage("voice", "")
            .runs()
    };
    let here = run("");
    // 20 points by 7 customers, the handbook's 2.86; 4 is the middle of the scale. Σ(x − 20/7)² = 76/7, so s² = 38/21 and
    // the mean's standard error √(38/147); by 2.446912, t at six degrees of freedom (SciPy), that is 1.244089.
    shows_only(
        &here,
        "voice",
        "period     | kind : answers | promoters | passives | detractors | score | ci_low        | ci_high       | response_rate
         2020-02-01 | ces  : 7       | 1         | 1        | 5          | 20/7  | 1.61305384236 | 4.10123187193 |",
    );
    shows(&here, "voice", "period | kind : score | ci_low | ci_high\n 2020-02-01 | ces : ~2.86 | ~1.613 | ~4.101");
    shows_only(
        &run("ces_high = \"effort\""),
        "voice",
        "period     | kind : promoters | passives | detractors | score
         2020-02-01 | ces  : 5         | 1        | 1          | 20/7",
    );
}

#[test]
fn the_last_answer_counts_and_silence_is_no_score() {
    let here = asked()
        .source(
            "surveys",
            "customer_id | answered_at | kind | score
             Ann         | 2020-02-03  | nps  | 2
             Ann         | 2020-02-10  | nps  | 10
             Ann         | 2020-02-12  | nps  |
             Bob         | 2020-02-03  | nps  | 6
             Cy          | 2020-02-03  | nps  | 8
             Dee         | 2020-02-03  | nps  | 9
             Eve         | 2020-02-03  | nps  |
             Fay         | 2020-02-03  | nps  | 11
             Zoe         | 2020-02-03  | nps  | 0
             Gus         | 2020-02-03  | csat | 4
             Fay         | 2020-02-03  | csat | 3
             Gus         | 2020-03-03  | nps  |",
        )
        .stage("voice", "")
        .output("quarantine_limit = 0.5")
        .runs();
    // Fay's 11 is quarantined, and nobody knows Zoe. One of five who were asked did not answer.
    // NPS: p = 1/2, d = 1/4: ± 196·√((3/4 − 1/16)/4) = 81.2573. CSAT: Wilson of 1 in 2 is ½ ± 0.405469.
    shows_only(
        &here,
        "voice",
        "period     | kind : answers | promoters | passives | detractors | score | ci_low     | ci_high    | response_rate
         2020-02-01 | nps  : 4       | 2         | 1        | 1          | 25    | ~-56.2573  | ~106.2573  | 4/5
         2020-02-01 | csat : 2       | 1         | 1        | 0          | 1/2   | ~0.094531  | ~0.905469  |
         2020-03-01 | nps  : 0       | 0         | 0        | 0          |       |            |            | 0",
    );
    shows(&here, "quarantine", "source | row : reason | value\n surveys | 8 : score_out_of_scale | 11");
    shows(&here, "checks", "check | subject : status | actual\n unknown_customers | surveys : warn | 1");
}

/// Promoters 9 and 10, passives 7 and 8, detractors 0 to 6; the scores of a scale from 1 to 10 by the same distances.
#[test]
fn every_point_of_a_scale_has_its_group() {
    let asked = |points: &[i64], lines| {
        let (mut customers, mut surveys) =
            (Rows::read("customer_id"), Rows::read("customer_id | answered_at | kind | score"));
        for point in points {
            for kind in ["nps", "csat", "ces"] {
                let cells = [&*format!("c{point}"), "2020-02-03", kind, &*point.to_string()];
                surveys.cells.push(cells.map(str::to_string).to_vec());
            }
            customers.cells.push(vec![format!("c{point}")]);
        }
        Business::of_subscriptions("2020-04-01")
            .calendar("observed_from = \"2020-01-01\"")
            .source("subscriptions", "customer_id | started_at | amount\n c1 | 2019-12-01 | 1.00")
            .source_of("customers", customers, "")
            .source_of("surveys", surveys, lines)
            .stage("voice", "")
            .output("quarantine_limit = 0.9")
            .runs()
    };
    let here = asked(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "");
    // csat has 1 to 5, of which 4 and 5 are satisfied; ces 1 to 7.
    shows_only(
        &here,
        "voice",
        "period     | kind : answers | promoters | passives | detractors | score
         2020-02-01 | nps  : 11      | 2         | 2        | 7          | -500/11
         2020-02-01 | csat : 5       | 2         | 1        | 2          | 2/5
         2020-02-01 | ces  : 7       | 3         | 1        | 3          | 4",
    );
    let here = asked(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "scales = { nps = [1, 10], csat = [0, 10], ces = [1, 5] }");
    shows_only(
        &here,
        "voice",
        "period     | kind : answers | promoters | passives | detractors | score
         2020-02-01 | nps  : 10      | 2         | 2        | 6          | -40
         2020-02-01 | csat : 11      | 2         | 7        | 2          | 2/11
         2020-02-01 | ces  : 5       | 2         | 1        | 2          | 3",
    );
}

#[test]
fn one_answer_has_no_doubt_that_could_be_told_of_a_mean() {
    let here = asked()
        .source(
            "surveys",
            "customer_id | answered_at | kind | score
             Ann         | 2020-02-03  | ces  | 2
             Ann         | 2020-02-03  | csat | 5
             Ann         | 2020-02-03  | nps  | 9",
        )
        .stage("voice", "")
        .runs();
    // Wilson of 1 in 1 begins at 1/(1 + 1.96²).
    shows_only(
        &here,
        "voice",
        "period     | kind : answers | score | ci_low    | ci_high
         2020-02-01 | nps  : 1       | 100   | 100       | 100
         2020-02-01 | csat : 1       | 1     | ~0.206549 | 1
         2020-02-01 | ces  : 1       | 2     |           |",
    );
}

#[test]
fn answers_have_the_segment_and_the_time_of_their_customers() {
    // Dee is known to `customers` alone, and answers all the same; Eve answers on the day up to which everything is known.
    let here = Business::of_subscriptions("2020-03-15")
        .calendar("observed_from = \"2020-01-01\"")
        .source(
            "subscriptions",
            "customer_id | started_at | ended_at   | amount | plan
             Ann         | 2019-12-01 |            | 10.00  | solo
             Bob         | 2019-12-01 | 2020-02-10 | 20.00  | team
             Bob         | 2020-02-10 |            | 5.00   | solo
             Cy          | 2020-02-05 |            | 30.00  | team
             Eve         | 2019-12-01 |            | 30.00  | team",
        )
        .source("customers", "customer_id | country\n Ann | Österreich\n Bob | مصر\n Cy | مصر\n Dee | \n Eve | مصر")
        .source(
            "surveys",
            "customer_id | answered_at | kind | score
             Ann         | 2020-02-29  | nps  | 9
             Bob         | 2020-02-20  | nps  | 3
             Cy          | 2020-02-20  | nps  | 7
             Dee         | 2020-02-20  | nps  | 10
             Ann         | 2020-03-14  | nps  | 6
             Ann         | 2020-03-14  | nps  |
             Eve         | 2020-03-15  | nps  | 0
             Eve         | 2020-02-20  | exit | ",
        )
        .segment("country = \"customers.country\"")
        .segment("plan = { column = \"subscriptions.plan\", at = \"opening\" }")
        .stage("voice", "")
        .runs();
    // In February Bob counts where he was at its opening, and Cy where he is at its end.
    shows_only(
        &here,
        "voice",
        "segment | value      | period     | kind : answers | promoters | passives | detractors | score | maturity
         all     | all        | 2020-02-01 | nps  : 4       | 2         | 1        | 1          | 25    | complete
         all     | all        | 2020-03-01 | nps  : 1       | 0         | 0        | 1          | -100  | partial
         country | Österreich | 2020-02-01 | nps  : 1       | 1         | 0        | 0          | 100   | complete
         country | Österreich | 2020-03-01 | nps  : 1       | 0         | 0        | 1          | -100  | partial
         country | مصر        | 2020-02-01 | nps  : 2       | 0         | 1        | 1          | -50   | complete
         country | (none)     | 2020-02-01 | nps  : 1       | 1         | 0        | 0          | 100   | complete
         plan    | solo       | 2020-02-01 | nps  : 1       | 1         | 0        | 0          | 100   | complete
         plan    | solo       | 2020-03-01 | nps  : 1       | 0         | 0        | 1          | -100  | partial
         plan    | team       | 2020-02-01 | nps  : 2       | 0         | 1        | 1          | -50   | complete
         plan    | (none)     | 2020-02-01 | nps  : 1       | 1         | 0        | 0          | 100   | complete",
    );
    shows(&here, "checks", "check | subject : status | actual\n rows_after_as_of | surveys : warn | 1");
}

#[test]
fn who_complains_leaves_and_who_praises_buys_more() {
    let here = asked()
        .source(
            "surveys",
            "customer_id | answered_at | kind | score
             Ann         | 2020-02-03  | nps  | 10
             Bob         | 2020-02-03  | nps  | 1
             Cy          | 2020-02-03  | nps  | 2
             Dee         | 2020-02-03  | nps  | 3
             Bob         | 2020-02-25  | csat | 1
             Eve         | 2020-04-03  | nps  | 8",
        )
        .stage("voice_outcome", "")
        .runs();
    // Of Bob, Cy and Dee, who paid 90.00, Dee and her 40.00 are left at the end of March. When Bob was not content he had gone.
    shows_only(
        &here,
        "voice_outcome",
        "period     | kind | group      : customers | churn_rate_after | revenue_change_after
         2020-02-01 | nps  | promoters  : 1         | 0                | 1/2
         2020-02-01 | nps  | detractors : 3         | 2/3              | -5/9
         2020-04-01 | nps  | passives   : 1         |                  |",
    );
}

#[test]
fn what_followed_is_known_when_the_next_month_is_over() {
    let of = |as_of| {
        let surveys = "customer_id | answered_at | kind | score
             Dee         | 2020-02-03  | csat | 5
             Cy          | 2020-02-04  | csat | 5
             Dee         | 2020-03-03  | csat | 5
             Cy          | 2020-03-04  | csat | 5";
        asked_until(as_of).source("surveys", surveys).stage("voice_outcome", "").runs()
    };
    // Cy left on 10 March, and was live when he answered on the 4th.
    let key = "period | kind | group : customers | churn_rate_after | revenue_change_after\n";
    let (february, march) = ("2020-02-01 | csat | promoters", "2020-03-01 | csat | promoters");
    let shown = |as_of, rows: &str| shows_only(&of(as_of), "voice_outcome", &format!("{key}{rows}"));
    shown("2020-03-31", &format!("{february} : 2 | | \n {march} : 2 | | "));
    shown("2020-04-01", &format!("{february} : 2 | 1/2 | -3/7\n {march} : 2 | | "));
    shown("2020-04-30", &format!("{february} : 2 | 1/2 | -3/7\n {march} : 2 | | "));
    shown("2020-05-01", &format!("{february} : 2 | 1/2 | -3/7\n {march} : 2 | 1/2 | -3/7"));
}

#[test]
fn without_scores_there_is_nothing_to_say() {
    asked().stage("voice", "").workspace().run().exits(2).says(&["voice", "surveys"]);
    let exits = "customer_id | answered_at | kind | reason\n Ann | 2020-02-03 | exit | price";
    let outcome = asked().source("surveys", exits).stage("voice_outcome", "").outcome().1;
    outcome.exits(2).says(&["voice_outcome", "score"]);
}
