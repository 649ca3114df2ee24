//! What is left of files with mistakes: the exports that they name can still be looked at.

use super::*;
use crate::config::{Flawed, Override};

fn flawed(text: &str, set: &[&str]) -> Flawed {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("retail.toml");
    std::fs::write(&path, text).unwrap();
    let overrides: Vec<Override> = set.iter().map(|s| Override::set(s)).collect();
    crate::config::examine(&path, &overrides, &env, crate::stage::KINDS).unwrap_err()
}

/// The sources that can be looked at, with their mapped columns, and the segments.
fn left(text: &str, set: &[&str]) -> Option<(Vec<(&'static str, usize)>, usize)> {
    let rest = flawed(text, set).rest?;
    Some((rest.sources.iter().map(|(kind, s)| (kind.name(), s.columns.len())).collect(), rest.segments.len()))
}

#[test]
fn mistakes_are_taken_out_and_the_rest_stays() {
    let all = Some((vec![("customers", 3), ("transactions", 4)], 2));
    for (right, wrong) in [
        ("\"Europe/London\"", "\"London\""),
        ("currency      = \"GBP\"", "currency = 7"),
        ("digits        = 2", "digits = 99"),
        ("[stages.churn]", "[stages.chrn]"),
        ("trailing = 12", "trailing = -1"),
        ("[output]", "[outptu]"),
        ("churn_after = \"90 days\"", "churn_aftr = \"90 days\""),
        ("freshness = \"36 hours\"", "freshnes = \"36 hours\""),
        ("quarantine_limit = 0.05", "quarantine_limit = \"${NOWHERE}\""),
        ("name = \"retail\"", "name = \"a/b\""),
    ] {
        assert!(RETAIL.contains(right), "{right}");
        assert_eq!(left(&RETAIL.replacen(right, wrong, 1), &[]), all, "{wrong}");
    }
    assert_eq!(left(RETAIL, &["money.digits=9", "stages.churn.trailing=x"]), all);
    assert_eq!(left(&RETAIL.replace("currency      = \"GBP\"\n", ""), &[]), all, "what is missing is not asked for");
}

#[test]
fn a_part_goes_with_what_it_needs() {
    let fewer = |text: &str| left(text, &[]);
    let one_less = RETAIL.replace("order_id =", "ordr_id =");
    assert_eq!(fewer(&one_less), Some((vec![("customers", 3), ("transactions", 3)], 2)));
    let no_segment = RETAIL.replace("transactions.Country", "transaction.Country");
    assert_eq!(fewer(&no_segment), Some((vec![("customers", 3), ("transactions", 4)], 1)));
    // Without a customer id source customers is none, and the segment of its column goes too.
    let one_source = RETAIL.replace("customer_id = \"id\"", "customer_id = 7");
    assert_eq!(fewer(&one_source), Some((vec![("transactions", 4)], 0)));
}

#[test]
fn too_little_is_nothing() {
    assert_eq!(left("", &[]), None);
    assert_eq!(left(&SMALLEST.replace("customer_id = \"id\", ", ""), &[]), None, "the basis source");
    assert_eq!(left(&RETAIL.replace("\"monday\"", "monday"), &[]), None, "a file with syntax errors");
}

#[test]
fn places_hold_in_what_is_left() {
    let text = RETAIL.replace("\"Europe/London\"", "\"London\"");
    let rest = flawed(&text, &[]).rest.unwrap();
    let path = &rest.sources[&SourceKind::Transactions].paths[1];
    assert_eq!(&text[path.span.clone()], "\"exports/late.parquet\"");
}
