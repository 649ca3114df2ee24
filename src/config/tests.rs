use std::path::Path;

use super::samples::{RETAIL, SAAS, SMALLEST};
use super::{At, Basis, ChurnAfter, Mapping, Pipeline, SourceKind, Style, explain_settings, mistakes, parse, render};
use crate::calendar::Period;
use crate::error::{Errors, Exit};
use crate::stage::OptionValue;

fn env(name: &str) -> Option<String> {
    match name {
        "EXPORTS" => Some("/mnt/exports".into()),
        "SECRET" => Some("hunter2".into()),
        _ => None,
    }
}

fn read(text: &str) -> Result<Pipeline, Errors> {
    parse(Path::new("pipelines/retail.toml"), text, &[], &env)
}

fn read_with(text: &str, overrides: &[&str]) -> Result<Pipeline, Errors> {
    let overrides: Vec<String> = overrides.iter().map(|s| s.to_string()).collect();
    parse(Path::new("pipelines/retail.toml"), text, &overrides, &env)
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
    assert_eq!((p.name.as_str(), p.calendar.period), ("retail", Period::Month));
    assert_eq!(p.calendar.as_of.unwrap().to_string(), "2011-12-10");
    assert_eq!(p.calendar.observed_from.unwrap().to_string(), "2009-12-01");
    assert_eq!(p.calendar.timezone.iana_name(), Some("Europe/London"));
    assert_eq!((p.money.currency.as_str(), p.money.digits, p.money.gross_margin), ("GBP", 2, Some(0.55)));
    assert_eq!((p.customers.basis, p.customers.churn_after), (Basis::Transactions, ChurnAfter::Days(90)));
    let tx = &p.sources[&SourceKind::Transactions];
    assert_eq!(
        tx.paths.iter().map(|l| l.value.as_str()).collect::<Vec<_>>(),
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
    assert_eq!(names, ["churn", "cohort", "ltv", "revenue_churn", "weekly_cohort"]);
    let weekly = &p.stages[4];
    assert_eq!((weekly.kind, weekly.period, weekly.segments.as_slice()), ("cohort", Period::Week, [0].as_slice()));
    assert_eq!(weekly.options.0["age_unit"], OptionValue::Days(Some(30)));
    assert_eq!(weekly.options.0["max_age"], OptionValue::Unset);
    assert_eq!(p.stages[0].options.0["benchmark.excellent"], OptionValue::Float(0.02));
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
    assert_eq!((p.segments[0].at, p.segments[1].at), (At::Opening, At::Latest));
    assert_eq!(p.stages[2].kind, "churn");
}

#[test]
fn defaults_hold_where_nothing_is_written() {
    let p = good(SMALLEST);
    assert_eq!(p.name, "retail");
    assert_eq!(p.output.dir, Path::new("pipelines/out/retail"));
    assert_eq!((p.output.mode, p.output.quarantine_limit, p.money.digits), (None, 0.01, 2));
    assert_eq!((p.customers.basis, p.customers.churn_after), (Basis::Transactions, ChurnAfter::OnePeriod));
    assert!(p.customers.activity.is_none() && p.stages.is_empty() && p.segments.is_empty());
    assert!(!p.customers.free_is_live && !p.customers.paused_is_live && p.customers.past_due_is_live);
    let here = parse(Path::new("x.toml"), SMALLEST, &[], &env).unwrap();
    assert_eq!((here.base.as_path(), here.output.dir.as_path()), (Path::new("."), Path::new("out/x")));
    let without = SMALLEST.replace("transactions", "subscriptions").replace("occurred_at", "started_at");
    assert_eq!(good(&without).customers.basis, Basis::Subscriptions);
}

#[test]
fn every_default_of_the_registry_is_a_value_that_its_option_takes() {
    for kind in crate::stage::KINDS {
        let p = good(&with(&format!("[stages.{}]", kind.name)));
        assert_eq!(p.stages[0].options.0.len(), kind.options.len(), "{}", kind.name);
    }
}

#[test]
fn what_is_resolved_holds_every_default_and_no_secret() {
    let text = SMALLEST.replace("\"tx.parquet\"", "[\"${EXPORTS}/${SECRET}\", \"${NONE:-late}\"]");
    let p = good(&(text + "filter = \"k = '${SECRET}'\"\n[stages.churn]\n"));
    let tx = &p.sources[&SourceKind::Transactions];
    assert_eq!(tx.paths[0].value, "/mnt/exports/hunter2");
    assert_eq!(tx.paths[1].value, "late");
    assert_eq!(tx.filter.as_ref().unwrap().sql, "k = 'hunter2'");
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
    assert_eq!(errors.exit(), Exit::Invalid);
    insta::assert_snapshot!("overrides", shown(RETAIL, &errors));
    // A value that came by --set and is refused later is still placed there.
    let p = read_with(RETAIL, &["customers.activity=amount > > 0"]).unwrap();
    let late: Errors =
        crate::error::Error::pipeline("no SQL").at(&p.file, Some(p.customers.activity.unwrap().span)).into();
    let text = render(&late, &["customers.activity=amount > > 0".into()], Style::default(), &|_| Some(RETAIL.into()));
    assert!(text.contains("--set customers.activity=amount > > 0"), "{text}");
}

/// One mistake is one message, at its place, with the suggestion.
fn caught(mistakes: Vec<mistakes::Mistake>, least: usize) {
    assert!(mistakes.len() >= least, "only {} mistakes were made", mistakes.len());
    let mut missed = vec![];
    for m in mistakes {
        let Err(errors) = read(&m.text) else {
            missed.push(format!("{}: accepted", m.done));
            continue;
        };
        let inside = |e: &&crate::error::Error| {
            let span = e.place.as_ref().and_then(|p| p.span.clone());
            span.is_some_and(|s| s.start >= m.at.start && s.end <= m.at.end && s.start < s.end)
        };
        let right = |e: &&crate::error::Error| {
            m.right.as_ref().is_none_or(|r| {
                e.help.as_ref().is_some_and(|h| {
                    h.contains(&format!("did you mean `{r}`?")) || h.contains(&format!("did you mean \"{r}\"?"))
                })
            })
        };
        if !errors.iter().any(|e| inside(&e) && right(&e)) || errors.iter().count() > 1 {
            missed.push(format!("{}:\n{}", m.done, shown(&m.text, &errors)));
        }
    }
    assert!(missed.is_empty(), "{} missed\n{}", missed.len(), missed.join("\n"));
}

#[test]
fn every_key_misspelt_is_caught_at_its_place_with_the_right_suggestion() {
    caught(mistakes::misspelt_keys(RETAIL), 800);
    caught(mistakes::misspelt_keys(SAAS), 800);
}

#[test]
fn every_word_misspelt_is_caught_at_its_place_with_the_right_suggestion() {
    caught(mistakes::misspelt_words(RETAIL), 200);
    caught(mistakes::misspelt_words(SAAS), 200);
}

#[test]
fn every_value_of_a_wrong_type_is_caught_at_its_place() {
    caught(mistakes::wrong_types(RETAIL), 250);
    caught(mistakes::wrong_types(SAAS), 250);
}

#[test]
fn mistakes_that_stand_together_are_all_reported() {
    let text = RETAIL
        .replace("week_start", "weak_start")
        .replace("\"Europe/London\"", "\"London\"")
        .replace("digits        = 2", "digits = \"two\"")
        .replace("[stages.churn]", "[stages.chrn]")
        .replace("\"realised\"", "\"bgnbd\"")
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

#[test]
fn what_a_later_version_brings_is_refused_at_its_place() {
    for (lines, at) in [
        ("[customers]\npolicy = \"stripe\"", "\"stripe\""),
        (
            "[customers]\nchurn_after = { quantile = 0.95, by = \"frequency\" }",
            "{ quantile = 0.95, by = \"frequency\" }",
        ),
        ("[customers]\nlearned_until = 2024-01-01", "learned_until"),
        ("[customers]\nloyal_orders = 3", "loyal_orders"),
        ("[customers]\nchurn_dated = \"ended_at\"", "churn_dated"),
        ("[segments]\nf = { builtin = \"frequency\" }", "builtin"),
        ("[segments]\nf = \"usage.feature\"", "\"usage.feature\""),
        ("[stages.churn]\nby = [\"a\", \"b\"]", "by"),
        ("[stages.survival]", "survival"),
        ("[stages.x]\nkind = \"rfm\"", "\"rfm\""),
        ("[stages.ltv]\nmodels = [\"bgnbd\"]", "\"bgnbd\""),
        ("[stages.ltv]\nhorizon = \"3 years\"", "horizon"),
        ("[sources.usage]\npath = 1", "usage"),
        ("[sources.exchange_rates]", "exchange_rates"),
        ("[sources.customers]\npath = \"s3://bucket/x\"\ncolumns = { customer_id = \"id\" }", "\"s3://bucket/x\""),
        ("[privacy]\ncustomer_key_env = \"KEY\"", "privacy"),
        ("[output]\ndir = \"gs://bucket/out\"", "\"gs://bucket/out\""),
    ] {
        let text = with(lines);
        let faults = faults(&text);
        assert_eq!(faults.len(), 1, "{lines}: {faults:?}");
        assert_eq!(faults[0].0, at, "{lines}");
        assert!(faults[0].1.ends_with("is not offered by this version of tenure yet"), "{}", faults[0].1);
        assert!(read(&text).unwrap_err().iter().all(|e| e.help.is_some()), "{lines}");
    }
}

#[test]
fn values_out_of_range_and_settings_that_contradict_each_other_are_refused() {
    for (lines, at, what) in [
        (
            "[calendar]\nfiscal_year_start = 13",
            "13",
            "`calendar.fiscal_year_start` takes a whole number from 1 to 12, not 13",
        ),
        ("[calendar]\nas_of = 2024-01-01\nobserved_from = 2024-01-01", "2024-01-01", "is not after"),
        ("[calendar]\nas_of = \"2024-02-30\"", "\"2024-02-30\"", "takes a date such as"),
        ("[calendar]\nas_of = 2024-01-01T00:00:00", "2024-01-01T00:00:00", "not the time 2024-01-01T00:00:00"),
        ("[calendar]\nas_of = 9999-12-31", "9999-12-31", "takes a date from 1870-01-01 to 2299-12-31"),
        ("[customers]\nbasis = \"subscriptions\"", "\"subscriptions\"", "no such source is configured"),
        ("[customers]\ngap_days = 3", "3", "is for basis subscriptions"),
        ("[customers]\nchurn_after = \"2 periods\"", "\"2 periods\"", "takes \"1 period\""),
        ("[customers]\nchurn_after = \"0 days\"", "\"0 days\"", "takes \"1 period\""),
        ("[customers]\nactivity = \"\"", "\"\"", "takes an SQL expression"),
        (
            "[sources.acquisition_costs]\npath = \"c\"\ncolumns = { period_start = \"m\" }",
            "{ period_start = \"m\" }",
            "needs `amount`",
        ),
        ("[sources.customers]\npath = []\ncolumns = { customer_id = \"id\" }", "[]", "takes a path"),
        (
            "[sources.customers]\npath = \"c\"\ncolumns = { customer_id = \"id\" }\nfreshness = \"1 day\"",
            "\"1 day\"",
            "cannot be judged",
        ),
        ("[segments]\nall = \"transactions.x\"", "all", "every table has"),
        ("[segments]\nCountry = \"transactions.x\"", "Country", "does not serve as the name of a segment"),
        ("[segments]\nx = \"customers.x\"", "\"customers.x\"", "is not configured"),
        ("[segments]\nx = \"country\"", "\"country\"", "takes a source and its column"),
        ("[segments]\nx = { column = \"transactions.x\", cap = 0 }", "0", "from 1 to 10000"),
        (
            "[sources.acquisition_costs]\npath = \"c\"\ncolumns = { period_start = \"m\", amount = \"a\" }\n[segments]\nx = \"acquisition_costs.channel\"",
            "\"acquisition_costs.channel\"",
            "costs belong to no customer",
        ),
        ("[stages.churn.benchmark]\nexcellent = 0.5", "0.5", "is above `acceptable` (0.06)"),
        ("[stages.cohort]\nfrom = \"signed_up_at\"", "\"signed_up_at\"", "needs source `customers`"),
        ("[stages.revenue_churn]\nmeasure = \"mrr\"", "\"mrr\"", "does not go with basis transactions"),
        ("[stages.ledger_x]\nkind = \"churn\"", "ledger_x", "is a table of every run"),
        ("[stages.dates]\nkind = \"churn\"", "dates", "is a table of every run"),
        ("[stages.ltv]\nkind = \"churn\"", "ltv", "has the name of one kind"),
        ("[stages.\"my churn\"]\nkind = \"churn\"", "\"my churn\"", "does not serve as the name of a stage"),
        ("[stages.ltv]\nmodels = []", "[]", "takes a list of words"),
        ("[stages.ltv]\nmodels = [\"ratio\", \"ratio\"]", "\"ratio\"", "names \"ratio\" twice"),
        (
            "[stages.cohort]\nmax_age = 99999999999999999999",
            "99999999999999999999",
            "not the number 99999999999999999999",
        ),
        ("[output]\nmode = \"0044\"", "\"0044\"", "takes octal permissions"),
        ("[output]\nmode = 640", "640", "not the whole number 640"),
        ("[output]\nquarantine_limit = nan", "nan", "takes a number from 0 to 1, not NaN"),
        ("[output]\nquarantine_limit = 1e999", "1e999", "takes a number from 0 to 1"),
    ] {
        let faults = faults(&with(lines));
        assert_eq!(faults.len(), 1, "{lines}: {faults:?}");
        assert_eq!(faults[0].0, at, "{lines}: {faults:?}");
        assert!(faults[0].1.contains(what), "{lines}: {}", faults[0].1);
    }
    for (from, to, what) in [
        ("currency = \"EUR\"", "", "`money.currency` is missing"),
        ("currency = \"EUR\"", "currency = \"eur\"", "takes a currency code"),
        ("currency = \"EUR\"", "currency = \"EUR\"\ngross_margin = 0", "takes a number above 0 to 1, not 0"),
        (
            "currency = \"EUR\"",
            "currency = \"EUR\"\ndiscount_rate = 10.0",
            "takes a number from 0 to below 10, not 10.0",
        ),
        ("path = \"tx.parquet\"", "", "`sources.transactions.path` is missing"),
        ("occurred_at = \"at\", amount = \"amount\"", "x = \"y\"", "no canonical column `x`"),
        ("[sources.transactions]", "[sources.acquisition_costs]", "neither transactions nor subscriptions"),
    ] {
        let faults = faults(&SMALLEST.replace(from, to));
        assert!(faults.iter().any(|f| f.1.contains(what)), "{to}: {faults:?}");
    }
    assert!(faults("").iter().any(|f| f.1 == "`sources` is missing"));
}

#[test]
fn syntax_errors_are_all_reported_and_raise_no_phantoms() {
    let text = RETAIL
        .replace("\"monday\"", "monday")
        .replace("digits        = 2", "digits = 2 3")
        .replace("= \"retail\"", "= 7");
    let errors = read(&text).unwrap_err();
    insta::assert_snapshot!("syntax", shown(&text, &errors));
    for text in
        ["[", "a", "= 1", "[[sources]]", "[a]\n[a]", "x = \"", "\u{feff}name = 1", "a = [1,", "\0", "a.b = 1\na = 2"]
    {
        assert!(read(text).is_err(), "{text}");
    }
    // Cut anywhere, the file is an error or a smaller pipeline; nothing panics, and every error can be shown.
    for cut in (0..RETAIL.len()).step_by(7) {
        if let Err(errors) = read(&RETAIL[..cut]) {
            assert!(!shown(&RETAIL[..cut], &errors).is_empty());
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none.toml");
    let what = |path: &Path| {
        let errors = super::load(path, &[], &env).unwrap_err();
        assert_eq!(errors.exit(), Exit::Invalid);
        errors.iter().map(|e| e.what.replace(&*dir.path().to_string_lossy(), "DIR")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(what(&missing), "the pipeline file DIR/none.toml cannot be read: there is no such file");
    assert_eq!(what(dir.path()), "the pipeline file DIR cannot be read: it is a folder");
    let latin = dir.path().join("latin.toml");
    std::fs::write(&latin, b"# one\n# caf\xe9\n").unwrap();
    assert_eq!(what(&latin), "DIR/latin.toml is not UTF-8 text: line 2 holds a byte that is not");
    let right = dir.path().join("right.toml");
    std::fs::write(&right, SMALLEST).unwrap();
    assert_eq!(super::load(&right, &[], &env).unwrap().base, dir.path());
}

#[test]
fn pipelines_that_ship_are_valid_and_every_mistake_in_them_is_caught() {
    let Ok(files) = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines")) else { return };
    for file in files.map(|f| f.unwrap().path()).filter(|f| f.extension().is_some_and(|e| e == "toml")) {
        let text = std::fs::read_to_string(&file).unwrap();
        good(&text);
        caught(mistakes::misspelt_keys(&text), 1);
        caught(mistakes::misspelt_words(&text), 1);
        caught(mistakes::wrong_types(&text), 1);
    }
}
