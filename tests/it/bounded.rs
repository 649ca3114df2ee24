//! Small files of millions of rows, and of very long texts: a run stays within its memory, and loses no count.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::support::{Outcome, Table, Value, Workspace};

/// Writes `times` times the same rows, a row group each. Equal values are runs, so that millions of rows take a few
/// kilobytes.
fn write(path: &Path, times: usize, columns: Vec<(&str, ArrayRef)>) {
    write_each(path, (0..times).map(|_| columns.clone()));
}

fn write_each<'a>(path: &Path, mut groups: impl Iterator<Item = Vec<(&'a str, ArrayRef)>>) {
    std::fs::create_dir_all(path.parent().expect("a name below the folder")).expect("a writable folder");
    let batch = |columns| RecordBatch::try_from_iter(columns).expect("columns of one length");
    let first = batch(groups.next().expect("at least one group"));
    // Long values once in the file, in the dictionary.
    let properties = WriterProperties::builder()
        .set_dictionary_page_size_limit(1 << 30)
        .set_max_row_group_row_count(Some(1 << 30))
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
        .build();
    let file = File::create(path).expect("a writable folder");
    let mut writer = ArrowWriter::try_new(file, first.schema(), Some(properties)).expect("a schema");
    for batch in std::iter::once(first).chain(groups.map(batch)) {
        writer.write(&batch).expect("a writable folder");
        writer.flush().expect("a writable folder");
    }
    writer.close().expect("a writable folder");
}

fn texts(text: &str, n: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, n)))
}

fn whole(value: i64, n: usize) -> ArrayRef {
    Arc::new(Int64Array::from(vec![value; n]))
}

/// 2022-01-01.
fn days(n: usize) -> ArrayRef {
    Arc::new(Date32Array::from(vec![18_993; n]))
}

const SOURCES: &str = r#"
[sources.transactions]
path = "exports/transactions/*.parquet"
columns = { customer_id = "who", occurred_at = "at", amount = "paid" }
"#;

/// `sources`: the tables of sources, segments and stages beside churn.
fn workspace(sources: &str) -> Workspace {
    let here = Workspace::new();
    let text = format!(
        r#"
        name = "bounded"
        [calendar]
        as_of = "2022-06-01"
        [money]
        currency = "EUR"
        [customers]
        churn_after = "1 period"
        {sources}
        [stages.churn]
        [output]
        dir = "out"
        "#
    );
    here.write("pipeline.toml", &text);
    here
}

/// A few rows that can be used.
fn some_purchases(here: &Workspace) {
    let rows = vec![("who", whole(7, 3)), ("at", days(3)), ("paid", whole(5, 3))];
    write(&here.join("exports/transactions/good.parquet"), 1, rows);
}

/// Runs under a limit and asserts that the peak stays within a quarter above. A run that goes astray cannot take the
/// machine with it: its address space is bounded, too.
#[track_caller]
fn run_within(here: &Workspace, mebibytes: u64, threads: &str, more: &[&str]) -> Outcome {
    let limit = format!("{mebibytes}MiB");
    let args = [&["run", "pipeline.toml", "--threads", threads, "--memory-limit", &limit][..], more].concat();
    let program = here.command(&args);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -v 6000000; exec \"$0\" \"$@\""]).arg(program.get_program()).args(program.get_args());
    command.current_dir(here.path());
    program.get_envs().for_each(|(name, value)| {
        command.env(name, value.expect("variables are set, none removed"));
    });
    let piped = std::process::Stdio::piped;
    let mut child = command.stdout(piped()).stderr(piped()).spawn().expect("the program starts");
    let (mut peak, status) = (0, format!("/proc/{}/status", child.id()));
    while child.try_wait().expect("our own child").is_none() {
        peak = peak.max(high_water(&status));
        std::thread::sleep(Duration::from_millis(2));
    }
    let outcome = Outcome::from(child.wait_with_output().expect("our own child"));
    assert!(peak < (mebibytes << 10) * 5 / 4, "{} MiB under a limit of {limit}\n{outcome}", peak >> 10);
    assert!(peak > 8 << 10, "the peak was not seen: {peak} KiB");
    outcome
}

/// The most memory that a process has had so far, in KiB.
fn high_water(status: &str) -> u64 {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

fn digests(run: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(run.join("manifest.json")).expect("a published run");
    let manifest: serde_json::Value = serde_json::from_str(&text).expect("a manifest is JSON");
    let word = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let tables = manifest["tables"].as_array().expect("tables").iter();
    let files = tables.flat_map(|t| t["files"].as_array().expect("files"));
    files.map(|f| (word(&f["path"]), word(&f["sha256"]))).collect()
}

fn detail(checks: &Table, check: &str, subject: &str) -> String {
    checks.row(&[("check", check), ("subject", subject)])["detail"].to_string()
}

#[test]
fn millions_of_rows_without_a_number_are_counted_and_named() {
    let here = workspace(SOURCES);
    let n = 1 << 20;
    let bad = vec![("who", whole(7, n)), ("at", days(n)), ("paid", texts("n/a", n))];
    write(&here.join("exports/transactions/bad.parquet"), 6, bad);
    let outcome = run_within(&here, 256, "2", &["--quiet"]);
    outcome.exits(1).says(&["amount_not_numeric 6,291,456", "row 1 of", "row 5 of", "\"n/a\""]);
}

#[test]
fn the_first_rejected_rows_are_kept_and_the_rest_counted_whatever_the_threads() {
    let here = workspace(SOURCES);
    let n = 130_000;
    // Of the first file all rows are kept, of the second some and of the third none; the last has rows that can be used.
    for (file, rows, paid) in [("a", 30_000, "nothing"), ("b", n, "n/a"), ("c", n, "free"), ("d", 1, "5")] {
        let columns = vec![("who", whole(7, rows)), ("at", days(rows)), ("paid", texts(paid, rows))];
        write(&here.join(&format!("exports/transactions/{file}.parquet")), 3, columns);
    }
    let mut seen = vec![];
    for threads in ["1", "2", "5"] {
        run_within(&here, 512, threads, &["--quiet", "--set", "output.quarantine_limit=1"]).exits(0);
        seen.push(digests(&here.join("out/latest")));
    }
    assert!(seen.iter().all(|digests| *digests == seen[0]), "tables depend on the threads");
    let quarantine = here.table("quarantine");
    assert_eq!(quarantine.rows.len(), 100_000);
    let of = |file: &str| quarantine.filter(&[("file", file)]).len();
    assert_eq!((of("exports/transactions/a.parquet"), of("exports/transactions/b.parquet")), (90_000, 10_000));
    let last = &quarantine.rows[99_999];
    assert_eq!((&last["row"], &last["value"]), (&Value::Int(10_000), &Value::Text("n/a".into())));
    let said = detail(&here.table("checks"), "quarantine", "transactions");
    let (all, bad) = (3 * (30_000 + 2 * n + 1), 3 * (30_000 + 2 * n));
    let (all, bad) = (grouped(all), grouped(bad));
    assert!(said.contains(&format!("({bad} of {all}: amount_not_numeric {bad})")), "{said}");
    assert!(
        said.contains("has the first 100,000 of these rows; all of them by column: amount_not_numeric in paid"),
        "{said}"
    );
}

/// A count of at least a thousand and less than a thousand millions, as people read it.
fn grouped(n: impl std::fmt::Display) -> String {
    let digits = n.to_string();
    let (rest, last) = digits.split_at(digits.len() - 3);
    let (millions, thousands) = rest.split_at(rest.len().saturating_sub(3));
    if millions.is_empty() { format!("{thousands},{last}") } else { format!("{millions},{thousands},{last}") }
}

#[test]
fn a_rejected_value_of_megabytes_is_shown_by_its_beginning() {
    let here = workspace(SOURCES);
    let n = 5_000;
    let long = format!("n/a{}", "é".repeat(1 << 16));
    let bad = vec![("who", whole(7, n)), ("at", days(n)), ("paid", texts_once(&long, n))];
    write(&here.join("exports/transactions/bad.parquet"), 2, bad);
    let good = vec![("who", whole(7, 3)), ("at", days(3)), ("paid", texts("5", 3))];
    write(&here.join("exports/transactions/good.parquet"), 1, good);
    run_within(&here, 256, "2", &["--quiet", "--set", "output.quarantine_limit=1"]).exits(0);
    let quarantine = here.table("quarantine");
    // The values of a source take at most 8 MiB, each of them 3 + 997 characters of two bytes and one of three.
    assert_eq!(quarantine.rows.len(), (8 << 20) / (3 + 2 * 997 + 3));
    let Value::Text(shown) = &quarantine.rows[0]["value"] else { panic!("a text") };
    assert!(shown.chars().count() == 1001 && shown.starts_with("n/aé") && shown.ends_with("é…"), "{shown}");
}

/// A column of one text, which the test itself holds only once.
fn texts_once(text: &str, n: usize) -> ArrayRef {
    let values = StringArray::from(vec![text]);
    let keys = arrow::array::Int32Array::from(vec![0; n]);
    Arc::new(arrow::array::DictionaryArray::new(keys, Arc::new(values)))
}

#[test]
fn ids_that_are_too_long_are_rejected_and_long_ones_take_no_more_memory_than_there_is() {
    let here = workspace(SOURCES);
    let longest = "x".repeat(512);
    let n = 100_000;
    let columns = |id: &str, n: usize| vec![("who", texts_once(id, n)), ("at", days(n)), ("paid", whole(5, n))];
    write(&here.join("exports/transactions/a.parquet"), 3, columns(&longest, n));
    write(&here.join("exports/transactions/b.parquet"), 2, columns(&format!("{longest}y"), n));
    write(&here.join("exports/transactions/c.parquet"), 1, columns(&"z".repeat(1 << 20), 1_000));
    let distinct: Vec<String> = (0..30_000).map(|i| format!("{i:0>500}")).collect();
    let rows = distinct.len();
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(&distinct));
    write(
        &here.join("exports/transactions/d.parquet"),
        1,
        vec![("who", ids), ("at", days(rows)), ("paid", whole(5, rows))],
    );
    run_within(&here, 256, "2", &["--quiet", "--set", "output.quarantine_limit=1"]).exits(0);
    let customers = here.table("customers");
    assert_eq!(customers.rows.len(), rows + 1);
    assert_eq!(customers.row(&[("customer_id", &longest)])["revenue"].to_string(), "1500000.00");
    let said = detail(&here.table("checks"), "quarantine", "transactions");
    assert!(said.contains("text_too_long 201,000"), "{said}");
    let first = &here.table("quarantine").rows[0];
    assert_eq!(
        (&first["file"], &first["row"]),
        (&Value::Text("exports/transactions/b.parquet".into()), &Value::Int(1))
    );
}

#[test]
fn a_segment_of_millions_of_values_ends_with_a_sentence() {
    let segment = "[segments]\narticle = { column = \"transactions.article\", at = \"latest\" }";
    let here = workspace(&format!("{SOURCES}\n{segment}"));
    let groups = (0..6).map(|group| {
        let n = 500_000;
        let values = (0..n).map(|i| format!("article number {:09}", group * n + i));
        let articles: ArrayRef = Arc::new(StringArray::from_iter_values(values));
        vec![("who", whole(7, n)), ("at", days(n)), ("paid", whole(5, n)), ("article", articles)]
    });
    write_each(&here.join("exports/transactions/a.parquet"), groups);
    let outcome = run_within(&here, 256, "2", &["--quiet"]);
    outcome.exits(3).says(&["segment article has too many different values", "--memory-limit", "cap"]);
    assert!(!here.join("out/latest").exists());
}

#[test]
fn values_of_a_segment_of_any_length_are_rejected_where_they_are_too_long() {
    let segment = "[segments]\narticle = { column = \"transactions.article\", at = \"latest\" }";
    let here = workspace(&format!("{SOURCES}\n{segment}"));
    let n = 1_000;
    let rows = |article: &str, n| {
        vec![("who", whole(7, n)), ("at", days(n)), ("paid", whole(5, n)), ("article", texts_once(article, n))]
    };
    write(&here.join("exports/transactions/a.parquet"), 1, rows(&"a".repeat(4096), 3));
    write(&here.join("exports/transactions/b.parquet"), 2, rows(&"b".repeat(1 << 20), n));
    run_within(&here, 256, "2", &["--quiet", "--set", "output.quarantine_limit=1"]).exits(0);
    let segments = here.table("segments");
    assert!(segments.rows.iter().any(|row| row["value"] == Value::Text("a".repeat(4096))), "{:?}", segments.rows.len());
    let said = detail(&here.table("checks"), "quarantine", "transactions");
    assert!(said.contains("text_too_long 2,000"), "{said}");
}

#[test]
fn attributes_of_megabytes_are_compared_and_not_kept() {
    let customers = "[sources.customers]\npath = \"exports/customers/*.parquet\"\ncolumns = { customer_id = \"who\", note = \"note\" }";
    let here = workspace(&format!("{SOURCES}\n{customers}"));
    some_purchases(&here);
    let n = 1_000;
    let rows = |note: &str, n| vec![("who", whole(7, n)), ("note", texts_once(note, n))];
    write(&here.join("exports/customers/a.parquet"), 2, rows(&"n".repeat(1 << 20), n));
    // The same beginning and length, another end.
    write(&here.join("exports/customers/b.parquet"), 1, rows(&format!("{}m", "n".repeat((1 << 20) - 1)), 5));
    run_within(&here, 256, "2", &["--quiet"]).exits(0);
    let checks = here.table("checks");
    let conflicts = checks.row(&[("check", "conflicting_rows"), ("subject", "customers")]);
    let lost = conflicts["actual"].to_string();
    assert!(lost == "5" || lost == "2000", "one of both texts wins with all of its rows: {lost}");
}

#[test]
fn millions_of_costs_and_rates_are_small_tables() {
    let sources = r#"
        [sources.acquisition_costs]
        path = "exports/costs.parquet"
        columns = { period_start = "on", amount = "spent", channel = "channel" }
        [sources.exchange_rates]
        path = "exports/rates.parquet"
        columns = { currency = "currency", date = "on", rate = "rate" }
        [sources.customers]
        path = "exports/customers.parquet"
        columns = { customer_id = "who", acquired_by = "channel" }
        [stages.acquisition]
    "#;
    let here = workspace(&format!("{}{sources}", SOURCES.replace("paid\" }", "paid\", currency = \"currency\" }")));
    let purchases = [("who", whole(7, 3)), ("at", days(3)), ("paid", whole(5, 3)), ("currency", texts("USD", 3))];
    write(&here.join("exports/transactions/a.parquet"), 1, purchases.to_vec());
    write(&here.join("exports/customers.parquet"), 1, vec![("who", whole(7, 1)), ("channel", texts("ads", 1))]);
    let n = 1 << 20;
    let costs = vec![("on", days(n)), ("spent", whole(1, n)), ("channel", texts("ads", n))];
    write(&here.join("exports/costs.parquet"), 12, costs);
    let rates = vec![("currency", texts("USD", n)), ("on", days(n)), ("rate", whole(2, n))];
    write(&here.join("exports/rates.parquet"), 8, rates);
    run_within(&here, 256, "2", &["--quiet"]).exits(0);
    let acquisition = here.table("acquisition");
    let spent: Vec<_> = acquisition.filter(&[("channel", "ads"), ("period", "2022-01-01")]);
    assert_eq!(spent.len(), 1, "{:?}", acquisition.rows);
    assert_eq!(spent[0]["spend"].to_string(), "12582912.00");
    assert_eq!(here.table("customers").rows[0]["revenue"].to_string(), "30.00");
}
