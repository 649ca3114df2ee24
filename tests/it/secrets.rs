//! What the environment holds is never shown: `${NAME}` stands as it was written in everything that the program prints
//! or publishes, but for the folder of the published run on standard output.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, StringArray};
use tenure::config::reference::GROUPS;
use tenure::stage::KINDS;

use crate::export;
use crate::support::{Outcome, Workspace};

/// Stands in every value of the environment; in no message and no table.
const CANARY: &str = "s3cr3tCANARY";

/// A folder with exports whose places and columns are named by the environment.
fn workspace() -> Workspace {
    let here = Workspace::new();
    let rows = 40;
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let days: ArrayRef = Arc::new(Date32Array::from_iter_values((0..rows).map(|n| 18_993 + n as i32)));
    let amounts: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(|n| 10 + n)));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|n| format!("text {}", n % 3))));
    let column = |name: &'static str| name;
    let columns = vec![
        (column("id-s3cr3tCANARY"), ids),
        (column("day-s3cr3tCANARY"), days),
        (column("paid-s3cr3tCANARY"), amounts),
        (column("text-s3cr3tCANARY"), texts),
    ];
    for file in ["part-0", "part-s3cr3tCANARY"] {
        export::write(&here.join(&format!("in-{CANARY}/{file}.parquet")), columns.clone(), 16);
    }
    std::fs::create_dir(here.join(&format!("tmp-{CANARY}"))).expect("a writable folder");
    here.write("pipeline.toml", PIPELINE);
    here
}

/// Every string that may be anything comes from the environment.
const PIPELINE: &str = r#"name = "${NAME}"
[calendar]
as_of = "2022-06-01"
[money]
currency = "${CURRENCY}"
[customers]
churn_after = "1 period"
activity = "amount > 0 AND order_id <> '${WORD}'"
[sources.transactions]
path = ["${IN}", "${IN}/*${WORD}.parquet"]
filter = "\"text-${WORD}\" <> '${WORD}'"
[sources.transactions.columns]
customer_id = "id-${WORD}"
occurred_at = "${DAY}"
amount = { sql = "\"paid-${WORD}\" + LENGTH('${WORD}')" }
order_id = "${TEXT}"
[segments]
text = "${SEGMENT}"
[stages.churn]
[stages.revenue_churn]
[output]
dir = "${OUT}"
temp_dir = "tmp-${WORD}"
"#;

fn environment(here: &Workspace) -> Vec<(&'static str, String)> {
    let inside = |name: &str| here.join(&format!("{name}-{CANARY}")).display().to_string();
    vec![
        ("NAME", format!("name-{CANARY}")),
        ("CURRENCY", "QXZ".into()),
        ("WORD", CANARY.into()),
        ("IN", inside("in")),
        ("OUT", inside("out")),
        ("DAY", format!("day-{CANARY}")),
        ("TEXT", format!("text-{CANARY}")),
        ("SEGMENT", format!("transactions.text-{CANARY}")),
    ]
}

fn tenure(here: &Workspace, args: &[&str]) -> Outcome {
    let output = here.command(args).envs(environment(here)).env("CANARY", CANARY).output();
    Outcome::from(output.expect("the program starts"))
}

/// Lines with something of the environment in them.
fn leaks(what: &str, text: &str) -> Vec<String> {
    let leaks = |line: &&str| line.to_lowercase().contains(&CANARY.to_lowercase()) || line.contains("QXZ");
    text.lines().filter(leaks).map(|line| format!("{what}: {line}")).collect()
}

/// The same of all that a command prints; the folder of the published run is to be shown as it is.
fn leaks_of(what: &str, outcome: &Outcome) -> Vec<String> {
    assert!(!outcome.stderr.contains("panicked") && outcome.code.is_some(), "{what}\n{outcome}");
    let stdout: String =
        outcome.stdout.lines().filter(|line| !line.starts_with("published ")).map(|line| format!("{line}\n")).collect();
    let mut found = leaks(&format!("{what}, standard output"), &stdout);
    found.extend(leaks(&format!("{what}, standard error"), &outcome.stderr));
    found
}

#[test]
fn a_pipeline_made_of_the_environment_runs_and_shows_none_of_it() {
    let here = workspace();
    let mut found = vec![];
    for args in [
        &["check", "pipeline.toml"][..],
        &["check", "pipeline.toml", "--format", "json"],
        &["check", "pipeline.toml", "--no-data"],
        &["explain", "pipeline.toml"],
        &["explain", "pipeline.toml", "--format", "json"],
        &["explain", "pipeline.toml", "churn"],
        &["run", "pipeline.toml", "--dry-run"],
        &["run", "pipeline.toml"],
        &["run", "pipeline.toml", "--log-format", "json"],
        &["run", "pipeline.toml", "--only", "churn"],
    ] {
        let outcome = tenure(&here, args);
        outcome.exits(0);
        found.extend(leaks_of(&args.join(" "), &outcome));
    }
    assert!(tenure(&here, &["run", "pipeline.toml"]).stdout.contains(&format!("out-{CANARY}/runs/")));
    let run = here.join(&format!("out-{CANARY}/latest"));
    let manifest = std::fs::read_to_string(run.join("manifest.json")).expect("a published run");
    found.extend(leaks("manifest.json", &manifest));
    assert!(manifest.contains("${IN}/part-0.parquet") && manifest.contains("${IN}/part-${WORD}.parquet"), "{manifest}");
    let lock = std::fs::read(here.join(&format!("out-{CANARY}/.lock"))).unwrap_or_default();
    found.extend(leaks(".lock", &String::from_utf8_lossy(&lock)));
    for table in tables(&run) {
        let shown = tenure(&here, &["show", run.to_str().expect("UTF-8"), &table, "--format", "json"]);
        found.extend(leaks(&format!("table {table}"), &shown.exits(0).stdout));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn tables(run: &Path) -> Vec<String> {
    let manifest = std::fs::read_to_string(run.join("manifest.json")).expect("a published run");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    let names: Vec<String> = manifest["tables"]
        .as_array()
        .expect("tables")
        .iter()
        .map(|table| table["name"].as_str().expect("a name").to_owned())
        .collect();
    assert!(names.len() > 5, "{names:?}");
    names
}

/// Every key that the reference knows, as a path of this pipeline.
fn keys() -> Vec<String> {
    let mut keys = vec![];
    for group in GROUPS {
        let path = group.path.replace("SOURCE", "transactions").replace("COLUMN", "amount");
        let path = path.replace("segments.NAME", "segments.text").replace("stages.NAME", "stages.churn");
        let dot = if path.is_empty() { "" } else { "." };
        keys.extend(group.keys.iter().map(|key| format!("{path}{dot}{}", key.name)));
    }
    for kind in KINDS {
        keys.extend(kind.keys.iter().map(|option| format!("stages.{}.{}", kind.name, option.name)));
    }
    assert!(keys.len() > 90, "{keys:?}");
    keys
}

#[test]
fn no_key_shows_a_value_that_it_refuses() {
    let here = workspace();
    let mut found = vec![];
    let (mut refused, mut tried) = (0, 0);
    for key in keys() {
        let (check, run) = (&["check", "pipeline.toml", "--format", "json"][..], &["run", "pipeline.toml"][..]);
        for (value, commands) in [("${CANARY}", &[check, run][..]), ("[\"x${CANARY}\"]", &[check])] {
            let set = format!("{key}={value}");
            for command in commands {
                let outcome = tenure(&here, &[*command, &["--set", &set]].concat());
                refused += usize::from(outcome.code != Some(0));
                tried += 1;
                found.extend(leaks_of(&format!("{} --set {set}", command[0]), &outcome));
            }
        }
    }
    assert!(refused * 10 > tried * 8, "most values are wrong: {refused} of {tried} were refused");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Faults that come to light behind the pipeline file: what is changed in it, and how the run ends.
const FAULTS: [(&str, &str, i32); 30] = [
    // files
    ("path = [\"${IN}\",", "path = [\"${IN}/missing.parquet\",", 3),
    ("path = [\"${IN}\",", "path = [\"${IN}-missing/**/*.parquet\",", 3),
    ("path = [\"${IN}\",", "path = [\"${IN}/empty\",", 3),
    ("path = [\"${IN}\",", "path = [\"${IN}/[\",", 2),
    ("path = [\"${IN}\",", "path = [\"${IN}/no-parquet.txt\",", 3),
    ("path = [\"${IN}\",", "path = [\"${IN}/part-0.parquet/x\",", 3),
    ("path = [\"${IN}\",", "path = [\"s3://${WORD}/x\",", 2),
    ("path = [\"${IN}\",", "path = [\"${IN}\", \"${IN}/other/x.parquet\",", 3),
    // columns
    ("\"${DAY}\"", "\"${DAY}s\"", 2),
    ("\"${DAY}\"", "\"${TEXT}\"", 1),
    ("\"id-${WORD}\"", "\"paid\"", 2),
    ("\"${SEGMENT}\"", "\"${SEGMENT}s\"", 2),
    ("\"${SEGMENT}\"", "\"${WORD}.x\"", 2),
    // SQL
    ("<> '${WORD}'\"", "<> '${WORD}' AND\"", 2),
    ("<> '${WORD}'\"", "<> '${WORD}\"", 2),
    ("<> '${WORD}'\"", "<> ${WORD}\"", 2),
    ("<> '${WORD}'\"", "<> ${WORD}(1)\"", 2),
    ("<> '${WORD}'\"", "<> x.${WORD}\"", 2),
    ("<> '${WORD}'\"", "<> DATE '${WORD}'\"", 2),
    ("<> '${WORD}'\"", "|| '${WORD}'\"", 2),
    ("<> '${WORD}'\"", "< CAST(UPPER('${WORD}') AS VARCHAR) AND CAST('${WORD}' AS INTEGER) > 1\"", 2),
    ("<> '${WORD}'\"", "<> STRPTIME('${WORD}', '%Y')\"", 2),
    ("LENGTH('${WORD}')", "CAST('${WORD}' AS INTEGER)", 2),
    ("LENGTH('${WORD}')", "CAST('${WORD}' AS ${WORD})", 2),
    ("{ sql = \"\\\"paid-${WORD}\\\" + LENGTH('${WORD}')\" }", "{ sql = \"'${WORD}'\" }", 1),
    ("order_id <> '${WORD}'", "order_id <> ${WORD}", 2),
    ("order_id <> '${WORD}'", "CAST('${WORD}' AS INTEGER) > 1", 2),
    // where things go
    ("dir = \"${OUT}\"", "dir = \"${IN}/no-parquet.txt/${WORD}\"", 3),
    ("\"tmp-${WORD}\"", "\"tmp-${WORD}/missing\"", 3),
    ("name = \"${NAME}\"", "name = \"${NAME}/${NAME}\"", 2),
];

#[test]
fn no_failure_shows_what_the_environment_holds() {
    let here = workspace();
    let inside = |name: &str| format!("in-{CANARY}/{name}");
    here.write(&inside("no-parquet.txt"), "not Parquet");
    std::fs::create_dir(here.join(&inside("empty"))).expect("a writable folder");
    let other: Vec<(&str, ArrayRef)> = vec![("id-s3cr3tCANARY", Arc::new(StringArray::from(vec!["x"])))];
    export::write(&here.join(&format!("{CANARY}/x.parquet")), other.clone(), 1);
    std::fs::create_dir(here.join(&inside("_other"))).expect("a writable folder");
    export::write(&here.join(&inside("_other/x.parquet")), other, 1);
    let mut found = vec![];
    for (from, to, code) in FAULTS {
        assert!(PIPELINE.contains(from), "{from}");
        // A folder that begins with an underscore is not looked into unless it is named.
        let text = PIPELINE.replacen(from, &to.replace("/other/", "/_other/"), 1);
        here.write("pipeline.toml", &text);
        for (i, args) in [
            &["run", "pipeline.toml"][..],
            &["run", "pipeline.toml", "--log-format", "json"],
            &["check", "pipeline.toml"],
            &["check", "pipeline.toml", "--format", "json"],
            &["run", "pipeline.toml", "--dry-run"],
        ]
        .into_iter()
        .enumerate()
        {
            let outcome = tenure(&here, args);
            let what = format!("{} with {to}", args.join(" "));
            found.extend(leaks_of(&what, &outcome));
            if i == 0 && outcome.code != Some(code) {
                found.push(format!("{what} ended otherwise than with {code}:\n{outcome}"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_run_that_keeps_rejected_rows_does_not_say_what_the_environment_made_of_them() {
    let here = workspace();
    let text = PIPELINE
        .replace("occurred_at = \"${DAY}\"", "occurred_at = { sql = \"CASE WHEN \\\"paid-${WORD}\\\" > 11 THEN CAST(\\\"${DAY}\\\" AS VARCHAR) ELSE 'at ${WORD}' END\" }")
        .replace("[output]", "[output]\nquarantine_limit = 0.5");
    here.write("pipeline.toml", &text);
    let outcome = tenure(&here, &["run", "pipeline.toml"]);
    outcome.exits(0);
    let run = here.join(&format!("out-{CANARY}/latest"));
    let shown = tenure(&here, &["show", run.to_str().expect("UTF-8"), "quarantine", "--format", "json"]);
    assert!(shown.stdout.lines().count() >= 4, "{shown}");
    assert!(shown.stdout.contains("at ${WORD}") && shown.stdout.contains("${IN}/part-"), "{shown}");
    let found = [leaks_of("run", &outcome), leaks("quarantine", &shown.stdout)].concat();
    assert!(found.is_empty(), "{}", found.join("\n"));
}
