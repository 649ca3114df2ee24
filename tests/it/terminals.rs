//! Characters that a terminal obeys instead of showing never reach it: from data, names of files and columns, and
//! pipeline files, in every format.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, StringArray};
use tenure::terminal::steers;

use crate::export;
use crate::support::{Outcome, Workspace};

/// Moves the cursor, recolours, hides, turns the direction, in every way there is.
const EVIL: &str =
    "a\u{1b}[2J\u{7}\u{8}\r\u{7f}\u{85}\u{9b}31m\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}z";

/// Nothing but line breaks and, in CSV, the returns before them.
#[track_caller]
fn is_tame(what: &str, text: &str) {
    let text = text.replace("\r\n", "\n");
    let found: Vec<String> =
        text.lines().filter(|line| line.contains(|c| steers(c) && c != '\t')).map(|l| format!("{l:?}")).collect();
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

#[track_caller]
fn both_are_tame(what: &str, outcome: &Outcome) {
    assert!(!outcome.stderr.contains("panicked") && outcome.code.is_some(), "{what}\n{outcome}");
    is_tame(&format!("{what}, standard output"), &outcome.stdout);
    is_tame(&format!("{what}, standard error"), &outcome.stderr);
}

/// Purchases with such characters in ids, values and names.
fn shop(column: &str, file: &str) -> Workspace {
    let here = Workspace::new();
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..20).map(|n| format!("=1+{n}{EVIL}"))));
    let days: ArrayRef = Arc::new(Date32Array::from_iter_values((0..20).map(|n| 18_993 + n)));
    let amounts: ArrayRef = Arc::new(Int64Array::from_iter_values((0..20).map(|n| n - 1)));
    let values: ArrayRef = Arc::new(StringArray::from_iter_values((0..20).map(|n| match n % 4 {
        0 => EVIL.to_owned(),
        1 => "=HYPERLINK(\"http://x\",\"y\")".to_owned(),
        2 => format!("line\nbreak{EVIL}"),
        _ => "-5".to_owned(),
    })));
    let bad: ArrayRef = Arc::new(StringArray::from_iter_values((0..20).map(|n| format!("2022-01-{EVIL}{n}"))));
    let columns = vec![("id", ids), ("day", days), ("paid", amounts), (column, values), ("bad", bad)];
    export::write(&here.join(&format!("exports/{file}")), columns, 8);
    here.write("pipeline.toml", &PIPELINE.replace("COLUMN", &escaped(column)));
    here
}

/// As TOML writes it within quotes.
fn escaped(text: &str) -> String {
    serde_json::Value::from(text).to_string().trim_matches('"').replace('\u{7f}', "\\u007f")
}

const PIPELINE: &str = r#"name = "evil"
[calendar]
as_of = "2022-06-01"
[money]
currency = "EUR"
[customers]
churn_after = "1 period"
[sources.transactions]
path = "exports"
columns = { customer_id = "id", occurred_at = "day", amount = "paid" }
[segments]
value = "transactions.COLUMN"
[stages.churn]
[output]
dir = "out"
"#;

fn edited(here: &Workspace, from: &str, to: &str) {
    let text = std::fs::read_to_string(here.join("pipeline.toml")).expect("our own pipeline");
    assert!(text.contains(from), "{text}");
    here.write("pipeline.toml", &text.replacen(from, to, 1));
}

const COMMANDS: [&[&str]; 9] = [
    &["check", "pipeline.toml"],
    &["check", "pipeline.toml", "--format", "json"],
    &["explain", "pipeline.toml"],
    &["explain", "pipeline.toml", "--format", "json"],
    &["run", "pipeline.toml", "--dry-run"],
    &["run", "pipeline.toml"],
    &["run", "pipeline.toml", "--log-format", "json"],
    &["gc", "out", "--keep", "1"],
    &["check", "pipeline.toml", "--no-data"],
];

#[test]
fn values_and_names_of_exports_are_escaped_everywhere() {
    let here = shop(EVIL, &format!("part-{EVIL}\n.parquet"));
    for args in COMMANDS {
        let outcome = here.tenure(args);
        outcome.exits(0);
        both_are_tame(&args.join(" "), &outcome);
    }
    for table in ["customers", "churn", "segments", "ledger", "checks", "quarantine"] {
        for format in ["text", "json", "csv"] {
            let outcome = here.tenure(&["show", "out", table, "--format", format]);
            outcome.exits(0);
            both_are_tame(&format!("show {table} --format {format}"), &outcome);
        }
    }
    let manifest = std::fs::read_to_string(here.join("out/latest/manifest.json")).expect("a published run");
    is_tame("manifest.json", &manifest);
    assert!(manifest.contains("part-a\\u001b[2J"), "{manifest}");
    // A value that JSON has escaped is still the same value.
    let json = here.tenure(&["show", "out", "segments", "--format", "json"]).stdout;
    let values: Vec<String> = json
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .filter_map(|row| row["value"].as_str().map(str::to_owned))
        .collect();
    assert!(values.contains(&EVIL.to_owned()), "{values:?}");
}

#[test]
fn cells_that_begin_like_formulas_are_text() {
    let here = shop("value", "part.parquet");
    here.run().exits(0);
    let csv = here.tenure(&["show", "out", "segments", "--format", "csv"]).stdout;
    assert!(csv.contains("\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"") && csv.contains(",'-5,"), "{csv}");
    let customers = here.tenure(&["show", "out", "customers", "--format", "csv"]).stdout;
    assert_eq!(customers.matches("'=1+").count(), 20, "{customers}");
    // A number is no formula: one purchase is a refund.
    assert!(customers.contains(",-1.00,"), "{customers}");
    let help = here.tenure(&["show", "--help"]).stdout;
    assert!(help.contains("formula"), "{help}");
}

#[test]
fn messages_escape_what_they_quote() {
    let (column, file) = (EVIL, format!("part-{EVIL}.parquet"));
    for (from, to, code) in [
        ("amount = \"paid\"", format!("amount = \"pa{}\"", escaped(EVIL)), 2),
        ("amount = \"paid\"", "amount = \"id\"".to_owned(), 1),
        ("occurred_at = \"day\"", "occurred_at = \"bad\"".to_owned(), 1),
        ("occurred_at = \"day\"", format!("occurred_at = {{ sql = \"{}\" }}", escaped(EVIL)), 2),
        ("occurred_at = \"day\"", "occurred_at = { sql = \"CAST(bad AS DATE)\" }".to_owned(), 3),
        ("path = \"exports\"", format!("path = \"exports/{}\"", escaped(EVIL)), 2),
        ("name = \"evil\"", format!("name = \"{}\"", escaped(EVIL)), 2),
        ("name = \"evil\"", format!("\"{}\" = 1", escaped(EVIL)), 2),
        // In the picture of the line that is at fault.
        (
            "name = \"evil\"",
            format!("name = 3 # {}", EVIL.replace(['\u{1b}', '\u{7}', '\u{8}', '\r', '\u{7f}'], "")),
            2,
        ),
        // Raw control characters are no TOML, and the picture shows them.
        ("name = \"evil\"", format!("name = \"{EVIL}\""), 2),
        ("dir = \"out\"", format!("dir = \"exports/{}/x\"", escaped(&file)), 3),
    ] {
        let here = shop(column, &file);
        edited(&here, from, &to);
        for (i, args) in [&["run", "pipeline.toml"][..], &["run", "pipeline.toml", "--log-format", "json"]]
            .into_iter()
            .chain(COMMANDS.into_iter().take(4))
            .enumerate()
        {
            let outcome = here.tenure(args);
            if i == 0 {
                outcome.exits(code);
            }
            both_are_tame(&format!("{} with {to:?}", args.join(" ")), &outcome);
        }
    }
}

#[test]
fn names_that_are_not_utf_8_are_shown_somehow() {
    let here = shop("value", "part.parquet");
    let odd = here.join("exports").join(PathBuf::from(std::ffi::OsStr::from_bytes(b"b\xff\x1b[31m.parquet")));
    std::fs::copy(here.join("exports/part.parquet"), &odd).expect("a writable folder");
    for args in COMMANDS {
        let outcome = here.tenure(args);
        outcome.exits(0);
        both_are_tame(&args.join(" "), &outcome);
    }
    std::fs::write(&odd, "no Parquet").expect("a writable folder");
    for args in COMMANDS.into_iter().take(7) {
        both_are_tame(&args.join(" "), &here.tenure(args));
    }
}

#[test]
fn the_command_line_comes_back_tame() {
    let here = shop("value", "part.parquet");
    here.run().exits(0);
    for args in [
        &["run", EVIL][..],
        &["run", "pipeline.toml", "--set", EVIL],
        &["run", "pipeline.toml", "--set", &format!("name={EVIL}")],
        &["run", "pipeline.toml", "--only", EVIL],
        &["run", "pipeline.toml", "--threads", EVIL],
        &["run", "pipeline.toml", "--memory-limit", EVIL],
        &["explain", "pipeline.toml", EVIL],
        &["show", EVIL, "churn"],
        &["show", "out", EVIL],
        &["show", "out", "churn", "--where", EVIL],
        &["show", "out", "churn", "--segment", &format!("value=x{EVIL}")],
        &["show", "out", "churn", "--segment", &format!("{EVIL}=x")],
        &["tables", EVIL],
        &["gc", EVIL, "--keep", "1"],
        &[EVIL],
    ] {
        let outcome = here.tenure(args);
        outcome.exits(2);
        both_are_tame(&format!("{args:?}"), &outcome);
    }
}
