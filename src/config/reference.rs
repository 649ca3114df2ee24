//! The reference of the pipeline file: every key with what it takes, its default and one line of documentation.
//!
//! Decoding, `tenure explain` and the suggestions in messages all read these tables, so that nothing is stated twice.
//! The options of a kind of stage are declared in its own folder, in the same form.

use std::ops::Bound::{Excluded, Included};

use jiff::civil::Weekday;

use super::{At, Basis, SourceKind};
use crate::calendar::Period;
pub use crate::options::{Accepts, Default, Key};
use crate::options::{names, word};
use crate::stage::Kind;
use crate::timeline::builtin::Builtin;
use crate::timeline::policy::{Dated, FreeAfterPaid, LtvRate, Passing, Policy, RateMoves, RateOf};

/// The keys of one table of the file. A part of `path` in capitals stands for a name: `sources.SOURCE`.
#[derive(Clone, Copy, Debug)]
pub struct KeyGroup {
    pub path: &'static str,
    pub keys: &'static [Key],
}

const fn key(name: &'static str, accepts: Accepts, default: Default, doc: &'static str) -> Key {
    Key { name, accepts, default, doc }
}

const fn later(name: &'static str, doc: &'static str, instead: &'static str) -> Key {
    Key { name, accepts: Accepts::Later(instead), default: Default::Unset("not offered yet"), doc }
}

pub(super) const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];
pub(super) const BASES: [(&str, Basis); 2] =
    [("transactions", Basis::Transactions), ("subscriptions", Basis::Subscriptions)];
pub(super) const CES_HIGH: [(&str, bool); 2] = [("ease", true), ("effort", false)];
pub(super) const LIVENESS: [(&str, bool); 2] = [("live", true), ("not live", false)];
pub(super) const DATED: [(&str, Dated); 3] =
    [("paid_until", Dated::PaidUntil), ("ended_at", Dated::EndedAt), ("cancelled_at", Dated::CancelledAt)];
pub(super) const RATE_OF: [(&str, RateOf); 2] =
    [("opening", RateOf::Opening), ("rolling_30_days", RateOf::LastThirtyDays)];
pub(super) const PASSING: [(&str, Passing); 2] = [("neither", Passing::Neither), ("both", Passing::Both)];
pub(super) const RATE_MOVES: [(&str, RateMoves); 2] =
    [("currency_effect", RateMoves::CurrencyEffect), ("no movement", RateMoves::NoMovement)];
pub(super) const FREE_AFTER_PAID: [(&str, FreeAfterPaid); 2] =
    [("churned", FreeAfterPaid::Churned), ("live at 0", FreeAfterPaid::LiveAtZero)];
pub(super) const LTV_RATES: [(&str, LtvRate); 2] =
    [("trailing", LtvRate::Trailing), ("mean_of_previous", LtvRate::PreviousMean)];
pub(super) const MOMENTS: [(&str, At); 3] = [("opening", At::Opening), ("first", At::First), ("latest", At::Latest)];

const PERIODS: Accepts = word(&names(&Period::ALL));
const LIVE: Accepts = word(&names(&LIVENESS));
const THE_POLICY: Default = Default::Follows("as the policy has it");

pub static GROUPS: &[KeyGroup] = &[
    KeyGroup {
        path: "",
        keys: &[
            key(
                "name",
                Accepts::FileName,
                Default::Follows("the file's name without its ending"),
                "the pipeline's name",
            ),
            key(
                "calendar",
                Accepts::Table,
                Default::Unset("all its defaults"),
                "periods, time zone and the observed window",
            ),
            key("money", Accepts::Table, Default::Required, "currency and what a customer's worth is computed with"),
            key("customers", Accepts::Table, Default::Unset("all its defaults"), "what makes a customer live"),
            key("sources", Accepts::Table, Default::Required, "the exports"),
            key("segments", Accepts::Table, Default::Unset("no segments"), "by what the tables are also split"),
            key("stages", Accepts::Table, Default::Unset("customers and ledger alone"), "what is computed"),
            key("output", Accepts::Table, Default::Unset("all its defaults"), "where the results go"),
            later(
                "privacy",
                "keyed hashes in place of customer ids",
                "leave the table out; per-customer tables are readable by their owner alone",
            ),
        ],
    },
    KeyGroup {
        path: "calendar",
        keys: &[
            key("period", PERIODS, Default::Value("\"month\""), "the period of every table whose stage names no other"),
            key("timezone", Accepts::Zone, Default::Value("\"UTC\""), "where instants become local dates"),
            key("week_start", word(&names(&WEEKDAYS)), Default::Value("\"monday\""), "the first day of a week"),
            key(
                "as_of",
                Accepts::Date,
                Default::Unset("one day after the newest record"),
                "exclusive end of what is observed",
            ),
            key(
                "observed_from",
                Accepts::Date,
                Default::Unset("the first record of the basis source"),
                "start of what is observed",
            ),
            key(
                "fiscal_year_start",
                Accepts::Int { min: 1, max: 12 },
                Default::Value("1"),
                "month in which the fiscal year begins, for table `dates`",
            ),
        ],
    },
    KeyGroup {
        path: "money",
        keys: &[
            key(
                "currency",
                Accepts::Currency,
                Default::Required,
                "currency of all tables, and of amounts without a currency of their own (ISO 4217)",
            ),
            key("digits", Accepts::Int { min: 0, max: 6 }, Default::Value("2"), "decimal digits of the minor unit"),
            key(
                "gross_margin",
                Accepts::Number { min: Excluded(0.0), max: Included(1.0) },
                Default::Unset("lifetime value is of revenue"),
                "share of revenue that lifetime value counts",
            ),
            key(
                "discount_rate",
                Accepts::Number { min: Included(0.0), max: Excluded(10.0) },
                Default::Unset("no discounted lifetime value"),
                "discount a year: 0.10 is ten per cent",
            ),
        ],
    },
    KeyGroup {
        path: "customers",
        keys: &[
            key(
                "basis",
                word(&names(&BASES)),
                Default::Follows("transactions if that source is configured, else subscriptions"),
                "what makes a customer live",
            ),
            key(
                "churn_after",
                Accepts::ChurnAfter,
                Default::Value("\"1 period\""),
                "transactions: the silence that is churn",
            ),
            key(
                "activity",
                Accepts::Sql,
                Default::Value("\"amount > 0\""),
                "transactions: SQL over canonical columns, which rows make a customer live",
            ),
            key(
                "policy",
                word(&names(&Policy::PRESETS)),
                Default::Value("\"standard\""),
                "subscriptions: whose definitions of churn are followed; it sets the switches below; a switch that you set \
                 overrides it",
            ),
            key(
                "ended_at_inclusive",
                Accepts::Flag,
                Default::Value("false"),
                "subscriptions: `ended_at` is the last live day, not the first day after",
            ),
            key(
                "gap_days",
                Accepts::Int { min: 0, max: 3660 },
                Default::Value("0"),
                "subscriptions: the customer stays live in a gap of up to this many days",
            ),
            key("free", LIVE, Default::Value("\"not live\""), "subscriptions of amount 0"),
            key("paused", LIVE, Default::Value("\"not live\""), "subscriptions while paused"),
            key("past_due", LIVE, Default::Value("\"live\""), "subscriptions while past due"),
            key(
                "learned_until",
                Accepts::Date,
                Default::Unset("as_of: figures of past periods may change in later runs"),
                "transactions: exclusive end of what churn windows and frequency classes are learned from",
            ),
            key(
                "loyal_orders",
                Accepts::Int { min: 1, max: 1_000_000 },
                Default::Value("3"),
                "orders that make a live customer loyal, in table `customers`",
            ),
            key("churn_dated", word(&names(&DATED)), THE_POLICY, "policy switch: the date at which an end is churn"),
            key(
                "churn_rate",
                word(&names(&RATE_OF)),
                THE_POLICY,
                "policy switch: churned customers are a share of those at the opening, or, over the 30 days before the \
                 period's end, of those live at their beginning and the new ones",
            ),
            key(
                "within_period",
                word(&names(&PASSING)),
                THE_POLICY,
                "policy switch: who joins and leaves within a period is neither new nor churned, or both",
            ),
            key(
                "reactivation",
                Accepts::Reactivation,
                THE_POLICY,
                "policy switch: coming back is a reactivation always, or within so many days and later a new customer",
            ),
            key(
                "exchange_rate_moves",
                word(&names(&RATE_MOVES)),
                THE_POLICY,
                "policy switch: moves of exchange rates are booked as currency_effect, or each subscription keeps the rate \
                 of its last change",
            ),
            key(
                "free_after_paid",
                word(&names(&FREE_AFTER_PAID)),
                THE_POLICY,
                "policy switch: a free plan that goes on from a paid one is churn, or live at 0",
            ),
            key(
                "ltv_churn_rate",
                word(&names(&LTV_RATES)),
                THE_POLICY,
                "policy switch: lifetime value divides by the trailing churn rate, or by the mean of the rates of as many \
                 periods before the present one",
            ),
        ],
    },
    KeyGroup {
        path: "customers.churn_after",
        keys: &[
            key(
                "quantile",
                Accepts::Number { min: Excluded(0.0), max: Included(1.0) },
                Default::Value("0.95"),
                "the share of those who buy again that does so within the window",
            ),
            key(
                "by",
                word(&["frequency"]),
                Default::Value("\"frequency\""),
                "the classes that have windows of their own",
            ),
        ],
    },
    KeyGroup {
        path: "sources",
        keys: &[
            key("customers", Accepts::Table, Default::Unset("not read"), "one row a customer: attributes"),
            key("transactions", Accepts::Table, Default::Unset("not read"), "one row a purchase or order line"),
            key("subscriptions", Accepts::Table, Default::Unset("not read"), "one row a subscription or change of one"),
            key("acquisition_costs", Accepts::Table, Default::Unset("not read"), "what winning customers cost"),
            key("usage", Accepts::Table, Default::Unset("not read"), "one row each time that something is used"),
            key("surveys", Accepts::Table, Default::Unset("not read"), "answers to NPS, CSAT, CES and exit surveys"),
            key(
                "exchange_rates",
                Accepts::Table,
                Default::Unset("not read"),
                "what other currencies are worth in money.currency",
            ),
        ],
    },
    KeyGroup {
        path: "sources.SOURCE",
        keys: &[
            key(
                "path",
                Accepts::Paths,
                Default::Required,
                "Parquet files, globs or folders, relative to the pipeline file",
            ),
            key(
                "filter",
                Accepts::Sql,
                Default::Unset("every row"),
                "SQL over the export's own columns: which rows count; row groups that the file's statistics rule out are not \
                 read, and no CAST fails in them",
            ),
            key(
                "columns",
                Accepts::Table,
                Default::Required,
                "canonical column = the export's column or { sql = \"…\" }",
            ),
            key("timezone", Accepts::Zone, Default::Follows("calendar.timezone"), "of timestamps without a zone"),
            key(
                "freshness",
                Accepts::Duration,
                Default::Unset("any age"),
                "the newest record may be this old at run time",
            ),
        ],
    },
    KeyGroup {
        path: "sources.surveys",
        keys: &[
            key(
                "scales.nps",
                Accepts::Scale,
                Default::Value("[0, 10]"),
                "lowest and highest score; the two highest are promoters, those at least four below the highest detractors",
            ),
            key(
                "scales.csat",
                Accepts::Scale,
                Default::Value("[1, 5]"),
                "the same of csat; the two highest are satisfied",
            ),
            key("scales.ces", Accepts::Scale, Default::Value("[1, 7]"), "the same of ces"),
            key(
                "ces_high",
                word(&names(&CES_HIGH)),
                Default::Value("\"ease\""),
                "what a high score of ces means: an easy time, or effort",
            ),
        ],
    },
    KeyGroup {
        path: "sources.SOURCE.columns.COLUMN",
        keys: &[key("sql", Accepts::Sql, Default::Required, "SQL over the export's own columns")],
    },
    KeyGroup {
        path: "segments.NAME",
        keys: &[
            key("column", Accepts::SourceColumn, Default::Unset("computed, see builtin"), "the source and its column"),
            key(
                "at",
                word(&names(&MOMENTS)),
                Default::Follows("latest for source customers, where a customer has one row, else opening"),
                "which of a customer's values counts",
            ),
            key(
                "cap",
                Accepts::Int { min: 1, max: 10_000 },
                Default::Value("200"),
                "most values shown, by customers; the rest are `other`",
            ),
            key(
                "builtin",
                word(&names(&Builtin::ALL)),
                Default::Unset("a column of a source"),
                "a segment that the program computes, as of as_of, in place of a column",
            ),
        ],
    },
    KeyGroup {
        path: "stages.NAME",
        keys: &[
            key("kind", Accepts::Kind, Default::Follows("the stage's name"), "what the stage computes"),
            key("period", PERIODS, Default::Follows("calendar.period"), "the period of the stage's table"),
            key("segments", Accepts::Segments, Default::Follows("all"), "the segments that its table is split by"),
            key(
                "by",
                Accepts::Segments,
                Default::Unset("none"),
                "two segments crossed: rows for each pair of their values",
            ),
        ],
    },
    KeyGroup {
        path: "output",
        keys: &[
            key(
                "dir",
                Accepts::Path,
                Default::Follows("out/NAME"),
                "folder of the runs, relative to the pipeline file",
            ),
            key(
                "quarantine_limit",
                Accepts::Number { min: Included(0.0), max: Included(1.0) },
                Default::Value("0.01"),
                "share of rejected rows above which the run fails",
            ),
            key(
                "mode",
                Accepts::Mode,
                Default::Unset("readable by their owner alone"),
                "Unix permissions of per-customer tables, such as \"0640\"",
            ),
            key("temp_dir", Accepts::Path, Default::Unset("the system's"), "folder of temporary files"),
        ],
    },
];

/// The keys of a table, by the path of its group.
pub(super) fn keys(path: &str) -> Vec<Key> {
    GROUPS.iter().filter(|g| g.path == path).flat_map(|g| g.keys.iter().copied()).collect()
}

/// The keys of a source: those of every source, and its own.
pub(super) fn source_keys(source: SourceKind) -> Vec<Key> {
    let own = keys(&format!("sources.{}", source.name()));
    keys("sources.SOURCE").into_iter().chain(own).collect()
}

/// The keys of a stage: those of every stage, and the options of its kind.
pub(super) fn stage_keys(kind: &Kind) -> Vec<Key> {
    keys("stages.NAME").into_iter().chain(kind.keys.iter().copied()).collect()
}

/// The group whose table has the key at its top, for a key that stands in the wrong table.
pub(super) fn home_of(name: &str) -> Option<&'static str> {
    let fixed = |g: &&KeyGroup| !g.path.is_empty() && !g.path.chars().any(char::is_uppercase);
    let mut homes = GROUPS.iter().filter(fixed).filter(|g| g.keys.iter().any(|k| k.name == name));
    homes.next().filter(|_| homes.next().is_none()).map(|g| g.path)
}

/// Tables that are no stage's own: no stage may take their names.
pub(super) const TABLES_OF_EVERY_RUN: &[&str] =
    &["checks", "churn_windows", "customers", "dates", "ledger", "quarantine", "segments"];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_key_is_named_once_and_says_what_it_is() {
        let kinds = crate::stage::KINDS.iter().map(|k| (k.name, stage_keys(k)));
        for (path, keys) in GROUPS.iter().map(|g| (g.path, g.keys.to_vec())).chain(kinds) {
            let names: BTreeSet<&str> = keys.iter().map(|k| k.name).collect();
            assert_eq!(names.len(), keys.len(), "{path}");
            for key in keys {
                assert!(
                    !key.doc.is_empty() && !key.doc.contains('\n') && !key.doc.ends_with('.'),
                    "{path}.{}",
                    key.name
                );
            }
        }
    }

    #[test]
    fn a_key_of_another_table_is_known_where_it_is_unambiguous() {
        assert_eq!(home_of("currency"), Some("money"));
        assert_eq!(home_of("dir"), Some("output"));
        assert_eq!(home_of("customers"), Some("sources"));
        assert_eq!(home_of("nothing"), None);
    }
}
