//! The commands that look without computing, and the options of those that compute.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

use serde_json::Value as Json;

use crate::days::day;
use crate::scenario::{Attribute, Customer, Scenario, Segment, Stage, Transaction};
use crate::support::Workspace;

/// Two hundred purchases of forty customers over half a year, by region.
fn shop() -> Workspace {
    let purchase = |n: i64| Transaction::new(n % 40, day("2020-01-03") + n % 180, 10_00 + n);
    let mut scenario = Scenario::purchases((0..200).map(purchase).collect()).known_until("2020-07-01");
    scenario.customers =
        (0..40).map(|customer| Customer { customer, region: Some("north"), signed_up: None }).collect();
    scenario.segments = vec![Segment { name: "region", attribute: Attribute::Region, at: crate::scenario::At::Latest }];
    scenario.stages.push(Stage { name: "weekly", period: Some(crate::days::Period::Week), ..Stage::plain("churn") });
    scenario.shape.files = 2;
    Workspace::of(&scenario)
}

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("no JSON ({e}):\n{text}"))
}

fn edit(here: &Workspace, from: &str, to: &str) {
    let text = std::fs::read_to_string(here.join("pipeline.toml")).expect("our own pipeline");
    assert!(text.contains(from), "the pipeline has no {from:?}:\n{text}");
    here.write("pipeline.toml", &text.replacen(from, to, 1));
}

#[test]
fn check_says_what_is_fine_and_writes_nothing() {
    let here = shop();
    let checked = here.tenure(&["check", "pipeline.toml"]);
    checked.exits(0);
    let lines: Vec<&str> = checked.stdout.lines().collect();
    let fine = "pipeline.toml is fine: customers (40 rows in 2 files), transactions (200 rows in 2 files)";
    assert_eq!(lines, [fine, "4 stages, 10 tables into out"], "{checked}");
    assert_eq!(checked.stderr, "");
    assert!(!here.join("out").exists());
    let told = json(&here.tenure(&["check", "pipeline.toml", "--format", "json"]).stdout);
    assert_eq!((&told["fine"], &told["sources"][1]["rows"]), (&Json::Bool(true), &200.into()));
    // The program alone takes a few milliseconds; a slow machine may take ten times as long.
    let started = Instant::now();
    here.tenure(&["check", "pipeline.toml"]).exits(0);
    assert!(started.elapsed().as_millis() < 500, "{:?}", started.elapsed());
}

#[test]
fn check_tells_of_the_file_and_of_the_exports_at_once() {
    let here = shop();
    edit(&here, "week_start = \"monday\"", "week_start = \"mnday\"");
    edit(&here, "amount = \"paid\"", "amount = \"payd\"");
    edit(&here, "customers.region", "customers.regoin");
    let checked = here.tenure(&["check", "pipeline.toml"]);
    checked.exits(2).says(&["mnday", "did you mean", "payd", "paid", "regoin"]);
    checked.says(&["pipeline.toml:6:", "no column `payd`"]);
    let alone = here.tenure(&["check", "pipeline.toml", "--no-data"]);
    alone.exits(2).says(&["mnday"]);
    assert!(!alone.stderr.contains("payd"), "--no-data looked at the exports\n{alone}");
    let told = here.tenure(&["check", "pipeline.toml", "--format", "json"]);
    told.exits(2);
    let told = json(&told.stdout);
    let problems = told["problems"].as_array().expect("a list of problems");
    assert_eq!(problems.len(), 3, "{told:#}");
    assert!(problems.iter().all(|p| p["at"]["line"].is_u64() && p["help"].is_string()), "{told:#}");
}

#[test]
fn explain_and_dry_run_name_the_tables_that_the_run_then_writes() {
    let here = shop();
    edit(&here, "name = \"scenario\"", "name = \"${SHOP:-scenario}\"");
    let explained = here.tenure(&["explain", "pipeline.toml", "--format", "json"]);
    explained.exits(0);
    let explained = json(&explained.stdout);
    let dry = here.tenure(&["run", "pipeline.toml", "--dry-run"]);
    dry.exits(0);
    assert!(!here.join("out").exists(), "a dry run writes nothing");
    here.run().exits(0);
    let manifest = std::fs::read_to_string(here.join("out/latest/manifest.json")).expect("a manifest");
    let written = json(&manifest);
    let parts = explained["parts"].as_array().expect("stages").iter().filter_map(|p| p["tables"].as_array());
    let mut told: Vec<&Json> = parts.flatten().chain(explained["tables"].as_array().expect("tables")).collect();
    told.sort_by_key(|t| t["name"].as_str());
    let written = written["tables"].as_array().expect("tables");
    assert_eq!(told.len(), written.len());
    for (told, written) in told.into_iter().zip(written) {
        let name = &written["name"];
        assert_eq!((&told["name"], &told["doc"], &told["key"]), (name, &written["comment"], &written["key"]));
        let columns = written["columns"].as_array().expect("columns");
        assert_eq!(told["columns"].as_array().map(Vec::len), Some(columns.len()), "{name}");
        for (told, written) in told["columns"].as_array().expect("columns").iter().zip(columns) {
            assert_eq!((&told["name"], &told["doc"]), (&written["name"], &written["comment"]), "{name}");
            let (told, written) = (told["type"].as_str().unwrap_or(""), written["type"].as_str().unwrap_or(""));
            assert!(told == written || told.split(" or ").any(|t| t == written), "{name}: {told}, written {written}");
        }
        let line = format!("  {} ", name.as_str().unwrap_or(""));
        assert!(dry.stdout.contains(&line), "the dry run does not tell of {name}:\n{dry}");
    }
}

#[test]
fn explain_shows_formulas_settings_and_one_stage_alone() {
    let here = shop();
    let whole = here.tenure(&["explain", "pipeline.toml"]);
    whole.exits(0);
    for word in
        ["INPUTS", "SETTINGS", "PLAN", "churn_rate = churned / opening", "calendar.week_start", "lens 2", "quarantine:"]
    {
        assert!(whole.stdout.contains(word), "{word} is missing\n{whole}");
    }
    let one = here.tenure(&["explain", "pipeline.toml", "weekly"]);
    one.exits(0);
    assert!(one.stdout.starts_with("weekly: stage of kind churn, by week, for all customers and by region\n"), "{one}");
    assert!(!one.stdout.contains("cohort_size"), "{one}");
    here.tenure(&["explain", "pipeline.toml", "wekly"]).exits(2).says(&["wekly", "did you mean `weekly`"]);
    // The exports may be late: explaining does not need them.
    std::fs::remove_dir_all(here.join("exports")).expect("our own exports");
    here.tenure(&["explain", "pipeline.toml"]).exits(0);
    here.tenure(&["check", "pipeline.toml"]).exits(3);
    here.tenure(&["check", "pipeline.toml", "--no-data"]).exits(0);
}

#[test]
fn a_dry_run_tells_files_rows_columns_and_needs() {
    let here = shop();
    let dry = here.tenure(&["run", "pipeline.toml", "--dry-run", "--only", "churn", "--out", "elsewhere"]);
    dry.exits(0);
    for word in [
        "transactions: 200 rows in 2 files",
        "exports/transactions/part-1.parquet",
        "columns at, paid, who",
        "up to 2020-06-30 (as_of 2020-07-01)",
        "memory",
        "elsewhere/runs",
        "--only",
    ] {
        assert!(dry.stdout.contains(word), "{word:?} is missing\n{dry}");
    }
    assert!(!dry.stdout.contains("revenue_churn"), "{dry}");
    assert!(!here.join("elsewhere").exists());
}

#[test]
fn a_filter_and_the_stages_decide_what_is_read() {
    let purchase =
        |n: i64| Transaction { order: Some(n), ..Transaction::new(n % 40, day("2020-01-03") + n % 180, 10_00) };
    let mut scenario = Scenario::purchases((0..200).map(purchase).collect()).known_until("2020-07-01");
    scenario.shape.files = 2;
    scenario.shape.row_group = 20;
    let here = Workspace::of(&scenario);
    let whole = here.tenure(&["run", "pipeline.toml", "--dry-run"]);
    assert!(
        whole.stdout.contains("columns at, paid, receipt, who\n") && !whole.stdout.contains("row group"),
        "{whole}"
    );
    edit(&here, "[sources.transactions]\n", "[sources.transactions]\nfilter = \"at >= '2020-06-01'\"\n");
    let dry = here.tenure(&["run", "pipeline.toml", "--dry-run", "--only", "churn"]);
    for line in [
        "  transactions: 200 rows in 2 files",
        "    columns at, paid, who\n",
        "    the filter rules out 8 of 10 row groups by their footers: 160 rows are not read\n",
    ] {
        assert!(dry.stdout.contains(line), "{line:?} is missing\n{dry}");
    }
    let run = here.tenure(&["run", "pipeline.toml", "--only", "churn"]);
    run.exits(0);
    let read: Vec<&str> = run.stdout.lines().find(|l| l.contains("transactions")).unwrap_or("").split(' ').collect();
    let read: Vec<&str> = read.into_iter().filter(|word| !word.is_empty()).collect();
    assert_eq!(read, ["transactions", "200", "170", "0", "2020-06-30"], "{run}");
}

#[test]
fn a_wrong_option_is_spoken_of_as_it_was_typed() {
    let here = shop();
    let late = here.tenure(&["run", "pipeline.toml", "--as-of", "2020-13-01"]);
    late.exits(2).says(&["--as-of 2020-13-01"]);
    here.tenure(&["check", "pipeline.toml", "--as-of", "soon\" ; x = \""]).exits(2).says(&["--as-of soon"]);
    here.tenure(&["run", "pipeline.toml", "--set", "calendar.perod=week"])
        .exits(2)
        .says(&["--set calendar.perod=week", "period"]);
    here.tenure(&["run", "pipeline.toml", "--only", "chrun"]).exits(2).says(&[
        "--only",
        "chrun",
        "did you mean `churn`",
    ]);
    here.tenure(&["run", "pipeline.toml", "--threads", "0"]).exits(2).says(&["--threads"]);
    here.tenure(&["run", "pipeline.toml", "--frobnicate"]).exits(2).says(&["--frobnicate"]);
    here.tenure(&["chekc", "pipeline.toml"]).exits(2).says(&["similar", "check"]);
    assert!(!here.join("out").exists());
    // An earlier as_of wins over the file's, and over --set.
    here.tenure(&["run", "pipeline.toml", "--quiet", "--set", "calendar.as_of=2020-05-01", "--as-of", "2020-04-01"])
        .exits(0);
    let manifest = std::fs::read_to_string(here.join("out/latest/manifest.json")).expect("a manifest");
    assert_eq!(json(&manifest)["as_of"], "2020-04-01");
}

#[test]
fn json_logs_are_one_object_a_line_and_quiet_is_quiet() {
    let here = shop();
    let run = here.tenure(&["run", "pipeline.toml", "--log-format", "json"]);
    run.exits(0);
    let events: Vec<Json> = run.stderr.lines().map(json).collect();
    let named = |name: &str| events.iter().filter(|e| e["event"] == name).count();
    assert_eq!((named("run_started"), named("published"), named("table")), (1, 1, 10), "{run}");
    assert!(events.iter().all(|e| e["at"].is_string()), "{run}");
    let quiet = here.tenure(&["run", "pipeline.toml", "--quiet"]);
    quiet.exits(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    let both = here.tenure(&["run", "pipeline.toml", "--quiet", "--log-format", "json"]);
    both.exits(0);
    let names: Vec<Json> = both.stderr.lines().map(|line| json(line)["event"].clone()).collect();
    assert_eq!(names, ["run_started", "published"], "{both}");
    let said = here.tenure(&["run", "pipeline.toml", "--threads", "1"]);
    said.exits(0);
    assert!(said.stdout.contains("published out/runs/") && said.stdout.contains("churn rate"), "{said}");
}

#[test]
fn json_logs_count_customers_and_cover_dry_runs_and_wrong_command_lines() {
    let here = shop();
    let run = here.tenure(&["run", "pipeline.toml", "--log-format", "json"]);
    let fold = run.stderr.lines().map(json).find(|e| e["event"] == "phase_started" && e["phase"] == "fold");
    assert_eq!(fold.expect("a fold")["total"], 40, "customers, not customers times walks\n{run}");
    let folded = run.stderr.lines().map(json).find(|e| e["event"] == "phase_finished" && e["phase"] == "fold");
    assert!(folded.expect("its end")["rows"].as_u64().is_some_and(|n| (1..=40).contains(&n)), "{run}");
    let dry = here.tenure(&["run", "pipeline.toml", "--dry-run", "--log-format", "json"]);
    dry.exits(0);
    let events: Vec<Json> = dry.stderr.lines().map(json).collect();
    assert_eq!((dry.stdout.as_str(), events.len()), ("", 1), "{dry}");
    assert_eq!((&events[0]["event"], &events[0]["sources"][1]["rows"]), (&"dry_run".into(), &200.into()), "{dry}");
    for wrong in [&["--frobnicate"][..], &["--threads", "0"], &["--memory-limit", "4 gigs"]] {
        let arguments = [&["run", "pipeline.toml", "--log-format", "json"][..], wrong].concat();
        let refused = here.tenure(&arguments);
        refused.exits(2);
        let events: Vec<Json> = refused.stderr.lines().map(json).collect();
        assert_eq!((events.len(), &events[0]["event"], &events[0]["status"]), (1, &"error".into(), &2.into()));
        assert!(events[0]["what"].as_str().is_some_and(|what| what.contains(wrong[0])), "{refused}");
        assert!(events[0]["help"].is_string(), "{refused}");
    }
    assert!(here.tenure(&["run", "--help", "--log-format", "json"]).stdout.contains("Usage"));
}

#[test]
fn the_reference_of_tables_needs_no_pipeline() {
    let here = Workspace::new();
    let all = here.tenure(&["tables"]);
    all.exits(0);
    for table in
        ["churn", "cohort", "revenue_churn", "ltv", "customers", "ledger", "segments", "dates", "checks", "quarantine"]
    {
        assert!(all.stdout.contains(&format!("{table}: ")), "{table} is missing\n{all}");
    }
    let one = here.tenure(&["tables", "ledger"]);
    one.exits(0);
    assert!(one.stdout.contains("key: customer_id, period"), "{one}");
    here.tenure(&["tables", "legder"]).exits(2).says(&["did you mean `ledger`"]);
    here.tenure(&["completions", "bash"]).exits(0);
    here.tenure(&["completions", "tcsh"]).exits(2).says(&["bash", "fish", "zsh"]);
}

#[test]
fn without_a_command_there_is_help_and_a_version() {
    let here = Workspace::new();
    let help = here.tenure(&[]);
    help.exits(2).says(&["Usage: tenure", "check", "explain", "Exit status"]);
    let version = here.tenure(&["--version"]);
    version.exits(0);
    assert_eq!(version.stdout.trim(), concat!("tenure ", env!("CARGO_PKG_VERSION")));
    for command in ["run", "check", "explain", "show", "tables", "gc", "completions"] {
        let help = here.tenure(&[command, "--help"]);
        help.exits(0);
        assert!(help.stdout.contains(&format!("Usage: tenure {command}")), "{help}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let here = shop();
    here.run().exits(0);
    for args in [
        &["tables", "--format", "json"][..],
        &["explain", "pipeline.toml"],
        &["completions", "zsh"],
        &["check", "pipeline.toml"],
        &["show", "out", "churn"],
        &["run", "pipeline.toml"],
    ] {
        let mut child = here.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let said: Vec<String> = stderr.lines().map_while(Result::ok).collect();
        let status = child.wait().expect("our own child");
        assert_eq!((status.code(), said.len()), (Some(0), 0), "{args:?}: {said:?}");
    }
}
