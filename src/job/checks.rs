//! What the scan and the census say of the data, as rows of table `checks`.

use super::LoadedData;
use crate::calendar::{Day, LocalDays};
use crate::check::{Check, Status};
use crate::config::{Pipeline, SourceKind};
use crate::engine::step_outputs::StepOutputs;
use crate::error::Error;
use crate::numbers::{count, grouped};
use crate::source::{Reason, Rejections, Scan};
use crate::tally::data_quality_counts::DataQualityCounts;
use crate::timeline::history::UnknownCustomers;
use crate::timeline::segments::SegmentIndex;
use crate::timeline::shape::Basis;

fn check(
    check: &str,
    subject: &str,
    status: Status,
    expected: Option<String>,
    actual: impl ToString,
    detail: impl Into<String>,
) -> Check {
    let (check, subject, actual) = (check.into(), subject.into(), Some(actual.to_string()));
    Check { check, subject, status, expected, actual, detail: detail.into() }
}

/// A count that is worth a warning where it is not zero.
fn warn_of(name: &str, subject: &str, count: u64, detail: &str) -> Option<Check> {
    (count > 0).then(|| check(name, subject, Status::Warn, Some("0".into()), count, detail))
}

/// Checks on the exports: quarantine, freshness, as_of. `now` in seconds since the epoch.
pub fn input_checks(pipeline: &Pipeline, scan: &Scan, as_of: Day, now: i64) -> Vec<Check> {
    let mut checks = vec![];
    for (kind, report) in &scan.reports {
        let name = kind.name();
        if !report.read {
            let detail = match kind {
                SourceKind::ExchangeRates => {
                    "no source maps currency, so that nothing asks for rates: they were not read"
                }
                _ => "no stage and no segment asks for this source: it was not read",
            };
            checks.push(check("rows_read", name, Status::Pass, None, 0, detail));
            continue;
        }
        let detail = "rows in the files, before filter and quarantine";
        checks.push(check("rows_read", name, Status::Pass, None, report.rows, detail));
        if report.filtered > 0 {
            let detail = "rows that sources.*.filter left out";
            checks.push(check("rows_filtered", name, Status::Pass, None, report.filtered, detail));
        }
        checks.extend(warn_of(
            "rows_after_as_of",
            name,
            report.after_as_of,
            "rows dated at or after as_of are ignored",
        ));
        let detail = "amounts had digits beyond the minor unit and were rounded half to even";
        checks.extend(warn_of("amounts_rounded", name, report.amounts_rounded, detail));
        if report.converted > 0 {
            let detail = match kind {
                SourceKind::Subscriptions => {
                    "prices in other currencies than money.currency, worth what the rates make them"
                }
                _ => "amounts in other currencies than money.currency, converted at the rate of their day",
            };
            checks.push(check("amounts_converted", name, Status::Pass, None, report.converted, detail));
        }
        let detail = "rates had more than 18 digits after the point and were rounded half to even";
        checks.extend(warn_of("rates_rounded", name, report.rates_rounded, detail));
        let detail = "cancel_kind says neither voluntary nor involuntary; these are of unknown kind";
        checks.extend(warn_of("cancel_kind_unknown", name, report.cancel_kinds_unknown, detail));
        let detail = "referred_by names the customer's own id; these count as not referred";
        checks.extend(warn_of("referred_to_self", name, report.referred_to_self, detail));
        let looked_at = report.rows - report.filtered;
        let share = if looked_at == 0 { 0.0 } else { report.rejected as f64 / looked_at as f64 };
        let limit = pipeline.output.quarantine_limit;
        let status = match report.rejected {
            0 => Status::Pass,
            _ if share > limit => Status::Fail,
            _ => Status::Warn,
        };
        let (reasons, beyond) = (reasons(scan, *kind), beyond(scan, *kind));
        let detail = format!(
            "share of rows that could not be used ({} of {}{reasons}){beyond}",
            grouped(report.rejected),
            grouped(looked_at)
        );
        let expected = Some(format!("at most {}", percent(limit)));
        checks.push(check("quarantine", name, status, expected, percent(share), detail));
        if let Some(seconds) = pipeline.sources.get(kind).and_then(|s| s.freshness) {
            checks.push(freshness(name, seconds, report.newest_instant, now));
        }
    }
    checks.push(as_of_check(pipeline, scan, as_of));
    checks
}

/// A share for a reader, with as many digits as it takes to tell it from its limit.
fn percent(share: f64) -> String {
    let hundredths = format!("{:.3}", 100.0 * share);
    format!("{} %", hundredths.trim_end_matches('0').trim_end_matches('.'))
}

/// The reasons of a source's quarantine with their counts, for the sentence.
fn reasons(scan: &Scan, kind: SourceKind) -> String {
    let mut counts = std::collections::BTreeMap::new();
    for ((reason, _), rows) in scan.rejected.of(kind).iter().flat_map(|source| &source.counts) {
        *counts.entry(reason.name()).or_insert(0u64) += rows;
    }
    let list: Vec<_> = counts.iter().map(|(reason, n)| format!("{reason} {}", grouped(*n))).collect();
    if list.is_empty() { String::new() } else { format!(": {}", list.join(", ")) }
}

/// Where table `quarantine` has not every row of a source: how many it has, and by column what all of them are.
fn beyond(scan: &Scan, kind: SourceKind) -> String {
    let Some(source) = scan.rejected.of(kind).filter(|source| source.beyond() > 0) else { return String::new() };
    let columns: Vec<_> =
        source.counts.iter().map(|((r, column), n)| format!("{} in {column} {}", r.name(), grouped(*n))).collect();
    let kept = grouped(source.rows.len() as u64);
    format!(
        "; if the run is published, table quarantine has the first {kept} of these rows; all of them by column: {}",
        columns.join(", ")
    )
}

fn freshness(source: &str, limit: i64, newest: Option<i64>, now: i64) -> Check {
    let expected = Some(format!("at most {} old when the run starts", exactly(limit)));
    let detail = "the newest record of the source";
    let Some(newest) = newest else {
        return check("freshness", source, Status::Fail, expected, "no record", detail);
    };
    // The record's own time, not its age: a table must not change with the clock.
    let actual = jiff::Timestamp::from_second(newest).map_or_else(|_| newest.to_string(), |at| at.to_string());
    if now - newest > limit {
        let allowed = (now - newest) / 86_400 + 1;
        let late = format!(
            "{detail}, {} old; is the export late? freshness = \"{}\" would allow it",
            roughly(now - newest),
            format_args!("{allowed} day{}", if allowed == 1 { "" } else { "s" })
        );
        return check("freshness", source, Status::Fail, expected, actual, late);
    }
    check("freshness", source, Status::Pass, expected, actual, detail)
}

/// Units of time that a duration is told in, with their seconds.
const UNITS: [(&str, i64); 5] = [("year", 31_557_600), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)];

/// A limit, in the largest unit that says it exactly: `2 days`, `36 hours`.
fn exactly(seconds: i64) -> String {
    let (unit, of) = UNITS[1..].iter().find(|(_, of)| seconds % of == 0).unwrap_or(&UNITS[4]);
    plural(seconds / of, unit)
}

/// An age, in whole units of which there are at least two: `36 hours`, `15 years`.
fn roughly(seconds: i64) -> String {
    let (unit, of) = UNITS.iter().find(|(_, of)| seconds >= 2 * of).unwrap_or(&UNITS[4]);
    plural((seconds as f64 / *of as f64).round() as i64, unit)
}

fn plural(n: i64, unit: &str) -> String {
    count(n.unsigned_abs(), unit)
}

fn as_of_check(pipeline: &Pipeline, scan: &Scan, as_of: Day) -> Check {
    let newest = scan.files.iter().map(|f| f.modified).max().unwrap_or(i64::MAX);
    let latest = LocalDays::new(pipeline.calendar.timezone.clone()).day(newest).plus(1);
    if as_of > latest {
        let detail = "the exports cannot cover days after the one on which the newest of them was written";
        return check("as_of", "calendar", Status::Fail, Some(format!("at most {latest}")), as_of, detail);
    }
    let expected = Some("at most a day past the newest input file".into());
    check("as_of", "calendar", Status::Pass, expected, as_of, "rows dated at or after as_of are ignored")
}

/// Checks on customers and subscriptions, counted by the census.
pub(super) fn census_checks(
    census: &DataQualityCounts,
    index: &SegmentIndex,
    known: &StepOutputs,
    loaded: &LoadedData,
) -> Vec<Check> {
    let (mut checks, shape) = (vec![], &known.shape);
    let count = |n: i64| n.max(0) as u64;
    let detail = "customers with a row in the basis source or in source customers";
    checks.push(check("customers", "all", Status::Pass, None, census.customers, detail));
    let has_members = loaded.scan.reports.contains_key(&SourceKind::Customers);
    if has_members {
        let detail = "customers in source customers without a row in the basis source: state `never`";
        checks.push(check("without_rows", "customers", Status::Pass, None, census.never_in_basis, detail));
        let detail = "customers of the basis source are missing from source customers; their attributes are `(none)`";
        checks.extend(warn_of("missing", "customers", count(census.not_in_customers), detail));
        let detail = "rows of source customers contradict another of the same customer; the row with the greatest values is used";
        checks.extend(warn_of("conflicting_rows", "customers", count(census.conflicting_rows), detail));
    }
    let basis = match shape.basis {
        Basis::Transactions => "transactions",
        Basis::Subscriptions => "subscriptions",
    };
    let detail = "customers of the basis source who were never live: refunds, free plans or trials only";
    let nobody = census.never_live > 0 && census.never_live == census.customers - census.never_in_basis;
    let (status, detail) = match nobody {
        true => (Status::Warn, "nobody was ever live: look at customers.activity, and at the amounts"),
        false => (Status::Pass, detail),
    };
    checks.push(check("never_live", basis, status, None, census.never_live, detail));
    let detail = "customer-days of transactions at or after as_of are ignored";
    checks.extend(warn_of("days_after_as_of", "transactions", count(census.days_after_as_of), detail));
    let detail = "customer-days of use at or after as_of are ignored";
    checks.extend(warn_of("days_after_as_of", "usage", count(census.uses_after_as_of), detail));
    let detail = "answers at or after as_of are ignored";
    checks.extend(warn_of("answers_after_as_of", "surveys", count(census.answers_after_as_of), detail));
    checks.extend(unknown_customers(&known.unknown_customers, basis));
    checks.extend(term_checks(census));
    for (segment, beyond) in shape.dictionary.segments.iter().zip(&index.beyond_cap) {
        let detail =
            format!("values beyond the segment's cap of {} are gathered in `other`", grouped(segment.cap as u64));
        checks.extend(warn_of("segment_cap", &segment.name, *beyond as u64, &detail));
    }
    checks
}

/// Customers of a source whom neither the basis source nor `customers` knows.
fn unknown_customers(unknown_customers: &UnknownCustomers, basis: &str) -> impl Iterator<Item = Check> {
    let nobody =
        format!("customers known neither to {basis} nor to source customers before as_of; no figure counts them");
    let answers = format!("{nobody}; their answers and invitations: {}", unknown_customers.answers);
    let counts = [
        ("transactions", unknown_customers.in_transactions, nobody.clone()),
        ("subscriptions", unknown_customers.in_subscriptions, nobody.clone()),
        ("usage", unknown_customers.in_usage, nobody),
        ("surveys", unknown_customers.in_surveys, answers),
    ];
    counts.into_iter().filter_map(|(source, n, detail)| warn_of("unknown_customers", source, n.max(0) as u64, &detail))
}

fn term_checks(census: &DataQualityCounts) -> Vec<Check> {
    let (terms, source) = (&census.terms, "subscriptions");
    let count = |n: i64| n.max(0) as u64;
    let mut checks: Vec<Check> = [
        ("started_after_as_of", terms.after_as_of, "subscriptions that start at or after as_of are ignored"),
        ("never_live_rows", terms.never_live, "subscriptions end on the day they start and are never live"),
        ("end_derived", terms.end_derived, "cancelled without an end date: the date of the next renewal is used"),
    ]
    .into_iter()
    .filter_map(|(name, n, detail)| warn_of(name, source, count(n), detail))
    .collect();
    if terms.trial_outlives > 0 {
        let detail = "trials that ended without paid time: never live";
        checks.push(check("trial_outlives", source, Status::Pass, None, terms.trial_outlives, detail));
    }
    if terms.free > 0 {
        let detail = "rows of amount 0 are not live (customers.free = \"live\" makes them so)";
        checks.push(check("free", source, Status::Pass, None, terms.free, detail));
    }
    if terms.ended > 0 {
        let share = terms.resumed_within_3_days as f64 / terms.ended as f64;
        let status = if share > 0.05 { Status::Warn } else { Status::Pass };
        let detail = "share of ends after which the same customer starts again within 3 days; if those are no churn, \
                      set customers.gap_days = 3, or ended_at_inclusive = true where ended_at is the last paid day";
        checks.push(check("ends_resumed", source, status, Some("at most 5 %".into()), percent(share), detail));
    }
    checks
}

/// Where the first rejected row lacks a value: the filter that leaves such rows out, as the pipeline file has it.
fn filter_of_nulls(rejected: &Rejections, source: &str) -> String {
    let first = rejected.rows().find(|r| r.source.name() == source && r.value.is_none() && !r.column.contains(' '));
    first.map_or_else(String::new, |r| {
        format!("leave rows without a value out with filter = '\"{}\" IS NOT NULL' in [sources.{source}]; ", r.column)
    })
}

/// A quarantine limit, in whole hundredths, that allows a share such as `24.927 %`.
fn enough(share: &str) -> String {
    let percent = share.trim_end_matches(" %").parse().unwrap_or(100.0f64);
    format!("{}", percent.ceil() / 100.0)
}

/// The first rows of a source that could not be used, to find them in the export.
fn examples(rejected: &Rejections, source: &str) -> String {
    let shown = rejected.rows().filter(|r| r.source.name() == source).take(5).map(|r| {
        let value = r.value.as_deref().map_or("NULL".to_owned(), |v| format!("{:?}", beginning(v)));
        format!("row {} of {}, {} = {value} ({})", r.row, r.file, r.column, r.reason.name())
    });
    shown.collect::<Vec<_>>().join("; ")
}

/// A value as far as a message shows it; the table has more of it.
fn beginning(value: &str) -> String {
    match value.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// How SQL reads text that is no date or no number, from the first rejected row; empty for other reasons.
fn conversion(rejected: &Rejections, source: &str) -> String {
    let Some(first) = rejected.rows().find(|r| r.source.name() == source) else { return String::new() };
    let sql = match first.reason {
        Reason::TimeNotIso => format!("STRPTIME(\"{}\", '{}')", first.column, date_format(rejected, source)),
        Reason::AmountNotNumeric => format!("REPLACE(REPLACE(\"{}\", '£', ''), ',', '')", first.column),
        _ => return String::new(),
    };
    format!("; text in another format is converted by SQL, such as {{ sql = '''{sql}''' }}")
}

/// The format of dates with slashes, dashes or dots, as far as the first rows show it: day first unless a number that
/// stands second is no month.
fn date_format(rejected: &Rejections, source: &str) -> String {
    let values = || rejected.rows().filter(|r| r.source.name() == source).filter_map(|r| r.value.as_deref());
    let mark = values().flat_map(str::chars).find(|c| ['/', '-', '.'].contains(c)).unwrap_or('/');
    let second = |value: &str| value.split(mark).nth(1).and_then(|n| n.parse::<u8>().ok());
    let month_first = values().filter_map(second).any(|n| n > 12);
    let time = if values().any(|v| v.contains(':')) { " %H:%M" } else { "" };
    let (first, second) = if month_first { ("%m", "%d") } else { ("%d", "%m") };
    format!("{first}{mark}{second}{mark}%Y{time}")
}

/// Every row of the basis source was rejected, so that there is not even a window.
pub(super) fn nothing_usable(scan: &Scan, kind: SourceKind) -> Error {
    let name = kind.name();
    Error::check(format!("no row of source {name} can be used{}", reasons(scan, kind))).help(format!(
        "check columns in [sources.{name}]{}; the first rows: {}",
        conversion(&scan.rejected, name),
        examples(&scan.rejected, name)
    ))
}

/// The checks that keep a run from being published, as errors.
pub fn failures(checks: &[Check], rejected: &Rejections) -> Vec<Error> {
    let failed = checks.iter().filter(|c| c.status == Status::Fail);
    failed
        .map(|c| {
            let expected = c.expected.as_deref().unwrap_or("nothing else");
            let actual = c.actual.as_deref().unwrap_or("unknown");
            let help = match c.check.as_str() {
                "quarantine" => format!(
                    "mend the export or its mapping; {}or, if the rows may go, set output.quarantine_limit = {}; the \
                     first of them: {}",
                    filter_of_nulls(rejected, &c.subject),
                    enough(actual),
                    examples(rejected, &c.subject)
                ),
                "freshness" => {
                    format!("wait for the export, or raise freshness in [sources.{}] if older rows will do", c.subject)
                }
                "as_of" => format!(
                    "use --as-of {}, or set calendar.as_of to what the exports cover; if as_of is not set, look for a \
                     row that is dated in the future",
                    expected.trim_start_matches("at most ")
                ),
                _ => "this is a defect of tenure, not of your data: please report it".into(),
            };
            Error::check(format!(
                "check {} of {} failed: expected {expected}, found {actual}: {}",
                c.check, c.subject, c.detail
            ))
            .help(help)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_as_people_say_them() {
        let limits = [90 * 60, 36 * 3600, 48 * 3600, 86_400, 100 * 3600, 61].map(exactly);
        assert_eq!(limits, ["90 minutes", "36 hours", "2 days", "1 day", "100 hours", "61 seconds"]);
        let ages = [1, 119, 130, 7_300, 130_000, 172_800, 472_661_640].map(roughly);
        assert_eq!(ages, ["1 second", "119 seconds", "2 minutes", "2 hours", "36 hours", "2 days", "15 years"]);
    }
}
