mod caught;
mod refused;
mod salvaged;
mod unreadable;

use std::path::Path;

use super::fixtures::{RETAIL, SAAS, SMALLEST};
use super::{
    At, Basis, ChurnAfter, Mapping, Override, Pipeline, SourceKind, Style, explain_settings, mutations, parse, render,
};
use crate::calendar::{Day, Period};
use crate::error::{Errors, ExitStatus};
use crate::options::{Days, Months};
use crate::stage::churn::ChurnOptions;
use crate::stage::cohort::CohortOptions;
use crate::stage::ltv::LtvOptions;
use crate::timeline::purchases::TransactionUnit;

fn env(name: &str) -> Option<String> {
    match name {
        "EXPORTS" => Some("/mnt/exports".into()),
        "SECRET" => Some("hunter2".into()),
        _ => None,
    }
}

fn read(text: &str) -> Result<Pipeline, Errors> {
    parse(Path::new("pipelines/retail.toml"), text, &[], &env, crate::stage::KINDS)
}

fn read_with(text: &str, overrides: &[&str]) -> Result<Pipeline, Errors> {
    let overrides: Vec<Override> = overrides.iter().map(|s| Override::set(s)).collect();
    parse(Path::new("pipelines/retail.toml"), text, &overrides, &env, crate::stage::KINDS)
}

/// Errors as plain text, with the places of an error in the file as its text there.
fn shown(text: &str, errors: &Errors) -> String {
    render(errors, &[], Style::default(), &|_| Some(text.to_string()))
}

fn good(text: &str) -> Pipeline {
    read(text).unwrap_or_else(|e| panic!("{}", shown(text, &e)))
}

/// The messages, each with the text it points at.
fn faults(text: &str) -> Vec<(String, String)> {
    let errors = read(text).err().unwrap_or_else(|| panic!("accepted:\n{text}"));
    let at = |e: &crate::error::Error| {
        let span = e.place.as_ref().and_then(|p| p.span.clone());
        span.map(|s| text[s].to_string()).unwrap_or_default()
    };
    errors.iter().map(|e| (at(e), e.what.clone())).collect()
}

/// The smallest pipeline with more lines, those of a table in front behind their header.
fn with(lines: &str) -> String {
    format!("{SMALLEST}\n{lines}\n")
}

#[test]
fn a_complete_pipeline_is_read_in_all_its_parts() {
    let p = good(RETAIL);
    assert_eq!((p.name.value(), p.calendar.period), ("retail", Period::Month));
    assert_eq!(p.calendar.as_of.unwrap().to_string(), "2011-12-10");
    assert_eq!(p.calendar.observed_from.unwrap().to_string(), "2009-12-01");
    assert_eq!(p.calendar.timezone.iana_name(), Some("Europe/London"));
    assert_eq!((p.money.currency.value(), p.money.digits, p.money.gross_margin), ("GBP", 2, Some(0.55)));
    assert_eq!((p.customers.basis, p.customers.churn_after), (Basis::Transactions, ChurnAfter::Days(90)));
    let tx = &p.sources[&SourceKind::Transactions];
    assert_eq!(
        tx.paths.iter().map(|l| l.value.value()).collect::<Vec<_>>(),
        ["exports/tx/**/*.parquet", "exports/late.parquet"]
    );
    assert_eq!(tx.columns["amount"].value, Mapping::Sql("Quantity * UnitPrice".into()));
    assert_eq!(&RETAIL[tx.columns["amount"].span.clone()], "\"Quantity * UnitPrice\"");
    assert_eq!((tx.freshness, tx.timezone.iana_name()), (Some(129_600), Some("Europe/Paris")));
    let customers = &p.sources[&SourceKind::Customers];
    assert_eq!(customers.columns["Home town"].value, Mapping::Column("town".into()));
    assert_eq!(customers.timezone.iana_name(), Some("Europe/London"));
    assert_eq!(p.segments.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["country", "plan"]);
    assert_eq!((p.segments[0].at, p.segments[1].at, p.segments[1].cap), (At::Opening, At::First, 50));
    let names: Vec<&str> = p.stages.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["churn", "cohort", "ltv", "revenue_churn", "survival", "weekly_cohort"]);
    let weekly = &p.stages[5];
    assert_eq!((weekly.kind.name, weekly.period, weekly.segments.as_slice()), ("cohort", Period::Week, [0].as_slice()));
    let cohort = weekly.options.of::<CohortOptions>().unwrap();
    assert_eq!((cohort.age_unit, cohort.max_age), (Some(Days(30)), None));
    let ltv = p.stages[2].options.of::<LtvOptions>().unwrap();
    assert_eq!(ltv.calibrate_until, Day::parse("2011-06-30"));
    assert_eq!((ltv.horizon, ltv.transactions_by), (Months(60), TransactionUnit::ByOrder));
    assert_eq!(p.stages[0].options.of::<ChurnOptions>().unwrap().excellent, 0.02);
    assert_eq!(p.stages[0].segments, [0, 1]);
    assert_eq!(p.output.dir, Path::new("pipelines/results"));
    assert_eq!((p.output.mode, p.output.quarantine_limit), (Some(0o640), 0.05));
    assert_eq!(p.sha256.len(), 64);
}

#[test]
fn a_subscription_company_is_read_in_all_its_parts() {
    let p = good(SAAS);
    let c = &p.customers;
    assert_eq!((c.basis, c.gap_days, c.ended_at_inclusive), (Basis::Subscriptions, 3, true));
    assert_eq!((c.free_is_live, c.paused_is_live, c.past_due_is_live), (true, true, false));
    assert_eq!(p.sources[&SourceKind::Subscriptions].columns.len(), 16);
    let scales = p.sources[&SourceKind::Surveys].scales.map(|s| [s.nps, s.csat, s.ces].map(|s| (s.lowest, s.highest)));
    assert_eq!(scales, Some([(1, 10), (1, 5), (1, 5)]));
    assert_eq!(p.sources[&SourceKind::Surveys].scales.map(|s| s.ces_high_is_ease), Some(false));
    assert_eq!((p.sources[&SourceKind::Usage].scales, p.sources[&SourceKind::Usage].freshness), (None, Some(172_800)));
    assert_eq!((p.segments[0].at, p.segments[1].at), (At::Opening, At::Latest));
    assert_eq!(p.stages[2].kind.name, "churn");
}

#[test]
fn defaults_hold_where_nothing_is_written() {
    let p = good(SMALLEST);
    assert_eq!(p.name.value(), "retail");
    assert_eq!(p.output.dir, Path::new("pipelines/out/retail"));
    assert_eq!((p.output.mode, p.output.quarantine_limit, p.money.digits), (None, 0.01, 2));
    assert_eq!((p.customers.basis, p.customers.churn_after), (Basis::Transactions, ChurnAfter::OnePeriod));
    assert!(p.customers.activity.is_none() && p.stages.is_empty() && p.segments.is_empty());
    assert!(!p.customers.free_is_live && !p.customers.paused_is_live && p.customers.past_due_is_live);
    let here = parse(Path::new("x.toml"), SMALLEST, &[], &env, crate::stage::KINDS).unwrap();
    assert_eq!((here.base.as_path(), here.output.dir.as_path()), (Path::new("."), Path::new("out/x")));
    let without = SMALLEST.replace("transactions", "subscriptions").replace("occurred_at", "started_at");
    assert_eq!(good(&without).customers.basis, Basis::Subscriptions);
}

#[test]
fn every_default_of_the_registry_is_a_value_that_its_option_takes() {
    for kind in crate::stage::KINDS {
        // Under a name of its own, in the company that has what the kind needs.
        let stage = format!("\n[stages.of_its_own]\nkind = \"{}\"\n", kind.name);
        let p = read(&format!("{RETAIL}{stage}")).unwrap_or_else(|_| good(&format!("{SAAS}{stage}")));
        let stage = p.stages.iter().find(|s| s.name == "of_its_own").unwrap();
        assert_eq!(stage.kind.name, kind.name);
    }
}

#[test]
fn what_is_resolved_holds_every_default_and_no_secret() {
    let text = SMALLEST.replace("\"tx.parquet\"", "[\"${EXPORTS}/${SECRET}\", \"${NONE:-late}\"]");
    let p = good(&(text + "filter = \"k = '${SECRET}'\"\n[stages.churn]\n"));
    let tx = &p.sources[&SourceKind::Transactions];
    assert_eq!(tx.paths[0].value.value(), "/mnt/exports/hunter2");
    assert_eq!(tx.paths[1].value.value(), "late");
    assert_eq!(tx.filter.as_ref().unwrap().sql.value(), "k = 'hunter2'");
    assert!(!p.resolved.to_string().contains("hunter2"));
    insta::assert_snapshot!("resolved", serde_json::to_string_pretty(&p.resolved).unwrap());
}

#[test]
fn every_setting_is_explained_with_its_value() {
    let lines: Vec<String> = explain_settings(&good(RETAIL))
        .into_iter()
        .map(|s| format!("{} {} = {}", if s.is_default { " " } else { "*" }, s.key, s.value))
        .collect();
    insta::assert_snapshot!("explained", lines.join("\n"));
    assert!(
        explain_settings(&good(SMALLEST))
            .iter()
            .filter(|s| !s.is_default)
            .all(|s| { s.key == "money.currency" || s.key.ends_with(".path") || s.key.ends_with(".columns") })
    );
}

#[test]
fn overrides_win_and_their_faults_are_placed_at_them() {
    let p = read_with(
        RETAIL,
        &[
            "calendar.period=week",
            "calendar.as_of=2011-06-01",
            "calendar.period=day",
            "output.mode=0600",
            "stages.second.kind=churn",
        ],
    )
    .unwrap();
    assert_eq!((p.calendar.period, p.output.mode), (Period::Day, Some(0o600)));
    assert_eq!(p.calendar.as_of.unwrap().to_string(), "2011-06-01");
    assert!(p.stages.iter().any(|s| s.name == "second"));
    assert_eq!(p.resolved["calendar"]["period"], "day");

    let overrides = [
        "calender.period=week",
        "money.digits=9",
        "calendar.as_of=soon",
        "name.x=1",
        "nonsense",
        "segments.country=transaction.x",
    ];
    let errors = read_with(RETAIL, &overrides).unwrap_err();
    assert_eq!(errors.exit(), ExitStatus::Invalid);
    insta::assert_snapshot!("overrides", shown(RETAIL, &errors));
    // A value that came by --set and is refused later is still placed there.
    let p = read_with(RETAIL, &["customers.activity=amount > > 0"]).unwrap();
    let late: Errors =
        crate::error::Error::pipeline("no SQL").at(&p.file, Some(p.customers.activity.unwrap().span)).into();
    let text =
        render(&late, &[Override::set("customers.activity=amount > > 0")], Style::default(), &|_| Some(RETAIL.into()));
    assert!(text.contains("--set customers.activity=amount > > 0"), "{text}");
}

#[test]
fn mistakes_that_stand_together_are_all_reported() {
    let text = RETAIL
        .replace("week_start", "weak_start")
        .replace("\"Europe/London\"", "\"London\"")
        .replace("digits        = 2", "digits = \"two\"")
        .replace("[stages.churn]", "[stages.chrn]")
        .replace("\"realised\"", "\"realized\"")
        .replace("[\"country\"]", "[\"contry\"]")
        .replace("amount = {", "amout = {")
        .replace("Europe/Paris", "${SECRET}")
        .replace("\"scratch\"", "\"${SCRATCH}\"");
    let errors = read(&text).unwrap_err();
    let all = shown(&text, &errors);
    insta::assert_snapshot!("together", all);
    assert!(!all.contains("hunter2"));
    assert_eq!(errors.iter().count(), 9);
}
