//! What a new user gets wrong, and what exports and machines get wrong: each a sentence with a remedy and the right
//! exit status, and the last good run as it was.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};

use crate::days::day;
use crate::export;
use crate::reference::malformed_files;
use crate::scenario::{Attribute, Customer, Scenario, Segment, Transaction};
use crate::support::{Outcome, Workspace};

/// A pipeline that works: forty customers, a purchase each in most of six months.
fn good() -> Scenario {
    let bought = |n: i64| (n * 7) % 5 != 0;
    let purchase = |n: i64| Transaction::new(n % 40, day("2020-01-03") + n % 180, 10_00 + n);
    let mut scenario = Scenario::purchases((0..400).filter(|n| bought(*n)).map(purchase).collect());
    scenario.customers =
        (0..40).map(|customer| Customer { customer, region: Some("north"), signed_up: None }).collect();
    scenario.segments = vec![Segment { name: "region", attribute: Attribute::Region, at: crate::scenario::At::Latest }];
    scenario
}

/// A folder with a good run in it, and its pipeline's text.
struct AfterAGoodRun {
    here: Workspace,
    pipeline: String,
    before: Vec<String>,
}

impl AfterAGoodRun {
    fn new() -> AfterAGoodRun {
        let scenario = good();
        let here = Workspace::of(&scenario);
        here.run().exits(0);
        let before = here.left_behind();
        assert!(before.iter().any(|f| f.starts_with("out/latest ->")), "a good run is the latest: {before:?}");
        AfterAGoodRun { here, pipeline: scenario.toml(), before }
    }

    /// Replaces text of the pipeline that must be there.
    fn with(self, from: &str, to: &str) -> AfterAGoodRun {
        assert!(self.pipeline.contains(from), "the pipeline has no {from:?}:\n{}", self.pipeline);
        let pipeline = self.pipeline.replacen(from, to, 1);
        self.here.write("pipeline.toml", &pipeline);
        AfterAGoodRun { pipeline, ..self }
    }

    /// Line of the pipeline file on which this text first stands, from 1.
    fn line_of(&self, text: &str) -> usize {
        self.pipeline.lines().position(|l| l.contains(text)).expect("the text is there") + 1
    }

    /// The run fails like this, and nothing has changed.
    #[track_caller]
    fn fails(&self, code: i32) -> Outcome {
        let outcome = self.here.run();
        outcome.exits(code);
        self.nothing_changed(&outcome);
        outcome
    }

    /// Where two statuses can be argued for.
    #[track_caller]
    fn fails_with_2_or_3(&self) -> Outcome {
        let outcome = self.here.run();
        outcome.exits(if outcome.code == Some(2) { 2 } else { 3 });
        self.nothing_changed(&outcome);
        outcome
    }

    #[track_caller]
    fn nothing_changed(&self, outcome: &Outcome) {
        assert!(!outcome.stderr.trim().is_empty(), "a failure says something");
        assert_eq!(self.here.left_behind(), self.before, "a failed run leaves the folder as it was\n{outcome}");
    }

    /// The same for `tenure check`, which writes nothing either way.
    #[track_caller]
    fn check_says(&self, words: &[&str]) {
        let outcome = self.here.tenure(&["check", "pipeline.toml"]);
        outcome.exits(2).says(words);
        self.nothing_changed(&outcome);
    }
}

#[test]
fn a_misspelt_key_is_shown_with_its_place_and_the_right_name() {
    for (right, wrong) in [
        ("churn_after", "churn_aftr"),
        ("timezone", "timezon"),
        ("week_start", "week_strat"),
        ("currency", "currancy"),
        ("basis", "bassis"),
        ("[output]", "[outptu]"),
        ("occurred_at", "ocurred_at"),
        ("[stages.revenue_churn]\nkind = \"revenue_churn\"", "[stages.revenue_churn]\nkind = \"revenu_churn\""),
    ] {
        let trial = AfterAGoodRun::new().with(right, wrong);
        let word =
            |text: &str| text.rsplit('=').next().unwrap_or(text).trim().trim_matches(['[', ']', '"']).to_string();
        let place = format!("pipeline.toml:{}", trial.line_of(wrong.lines().last().unwrap_or(wrong)));
        trial.fails(2).says(&[&word(wrong), &word(right), &place]);
        trial.check_says(&[&word(wrong), &word(right), &place]);
    }
}

#[test]
fn a_wrong_value_is_shown_with_what_would_be_right() {
    for (right, wrong, says) in [
        ("\"UTC\"", "\"Europe/Lodnon\"", &["Europe/Lodnon", "Europe/London"][..]),
        ("period = \"month\"", "period = \"mnth\"", &["mnth", "month"]),
        ("period = \"month\"", "period = 3", &["period", "month"]),
        ("basis = \"transactions\"", "basis = \"transaction\"", &["transactions"]),
        ("churn_after = \"1 period\"", "churn_after = \"-5 days\"", &["churn_after", "days"]),
        ("digits = 2", "digits = 99", &["digits"]),
        ("week_start = \"monday\"", "week_start = \"monday\"\nas_of = \"2020-02-30\"", &["2020-02-30"]),
        ("\"customers.region\"", "\"customer.region\"", &["customer", "customers"]),
        ("digits = 2", "digits = 2\ngross_margin = \"much\"", &["gross_margin", "number"]),
    ] {
        let trial = AfterAGoodRun::new().with(right, wrong);
        let place = format!("pipeline.toml:{}", trial.line_of(wrong.lines().last().unwrap_or(wrong)));
        trial.fails(2).says(says).says(&[&place]);
    }
}

#[test]
fn several_mistakes_are_all_shown_at_once() {
    let trial = AfterAGoodRun::new()
        .with("churn_after", "churn_aftr")
        .with("\"UTC\"", "\"Europe/Lodnon\"")
        .with("period = \"month\"", "period = \"mnth\"")
        .with("dir = \"out\"", "dir = \"out\"\nquarantine_limit = 7");
    trial.fails(2).says(&["churn_aftr", "Europe/Lodnon", "mnth", "quarantine_limit"]);
    trial.check_says(&["churn_aftr", "Europe/Lodnon", "mnth", "quarantine_limit"]);
}

#[test]
fn a_file_that_is_not_toml_and_a_file_that_is_not_there() {
    let trial = AfterAGoodRun::new().with("basis = \"transactions\"", "basis = = \"transactions\"");
    let place = format!("pipeline.toml:{}", trial.line_of("basis = ="));
    trial.fails(2).says(&[&place]);
    let here = Workspace::new();
    here.tenure(&["run", "nowhere.toml"]).exits(2).says(&["nowhere.toml"]);
    here.tenure(&["run"]).exits(2);
    here.tenure(&["rnu", "nowhere.toml"]).exits(2).says(&["run"]);
    assert_eq!(here.left_behind(), ["tmp/"; 0]);
}

#[test]
fn a_missing_column_names_those_that_the_file_has() {
    let trial = AfterAGoodRun::new().with("occurred_at = \"at\"", "occurred_at = \"InvoiceDate\"");
    trial.fails_with_2_or_3().says(&["InvoiceDate", "who", "paid", "shade"]);
    let trial = AfterAGoodRun::new().with("\"paid\"", "{ sql = \"paid * quantity\" }");
    trial.fails_with_2_or_3().says(&["quantity", "paid", "shade"]);
    let trial = AfterAGoodRun::new().with("\"customers.region\"", "\"customers.reigon\"");
    trial.fails_with_2_or_3().says(&["reigon", "region"]);
    // A column of the wrong type: a name is no time.
    let trial = AfterAGoodRun::new().with("amount = \"paid\"", "amount = \"at\"");
    trial.fails_with_2_or_3().says(&["amount", "at"]);
}

#[test]
fn expressions_that_are_not_row_by_row_are_refused() {
    for sql in ["SUM(paid)", "paid OVER ()", "(SELECT 1)", "read_csv('/etc/passwd')", "random()", "paid +"] {
        let trial = AfterAGoodRun::new().with("\"paid\"", &format!("{{ sql = \"{sql}\" }}"));
        trial.fails(2);
    }
}

#[test]
fn what_later_versions_bring_is_refused_not_ignored() {
    for (from, to, names) in [
        ("dir = \"out\"", "dir = \"out\"\n[privacy]\ncustomer_key_env = \"TENURE_KEY\"", "privacy"),
        ("dir = \"out\"", "dir = \"gs://bucket/out\"", "gs://bucket/out"),
    ] {
        let trial = AfterAGoodRun::new().with(from, to);
        trial.fails(2).says(&[names]).says_one_of(&["later", "not yet", "this version"]);
    }
}

#[test]
fn a_file_that_is_broken_is_named() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 6] = [
        ("cut in half", |b| b.truncate(b.len() / 2)),
        ("without its end", |b| b.truncate(b.len() - 5)),
        ("empty", |b| b.clear()),
        ("text", |b| *b = b"customer;date;amount\n1;2020-01-01;5\n".to_vec()),
        ("a footer of no length", |b| {
            let at = b.len() - 8;
            b[at..at + 4].copy_from_slice(&[0xFF; 4]);
        }),
        ("pages of noise", |b| {
            let end = b.len() / 3;
            b[4..end].fill(0xA5);
        }),
    ];
    for (what, damage) in damages {
        let trial = AfterAGoodRun::new();
        let path = trial.here.join("exports/transactions/part-0.parquet");
        let mut bytes = std::fs::read(&path).expect("our own export");
        damage(&mut bytes);
        std::fs::write(&path, bytes).expect("a writable folder");
        let outcome = trial.here.run();
        assert_eq!(outcome.code, Some(3), "{what}\n{outcome}");
        outcome.exits(3).says(&["part-0.parquet"]);
        trial.nothing_changed(&outcome);
    }
}

/// 163 files that have broken other readers: an answer or an error, never a panic, an abort or half a result.
#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn files_that_broke_other_readers() {
    let mut files = malformed_files();
    files.retain(|f| f.extension().is_none_or(|e| e != "md"));
    assert!(files.len() > 100, "only {} malformed files", files.len());
    let (most, mut refused) = (files.len() * 3 / 4, 0);
    let here = Workspace::of(&good());
    let pipeline = good().toml();
    for file in files {
        let bytes = std::fs::read(&file).expect("a readable file");
        std::fs::write(here.join("exports/transactions/part-0.parquet"), bytes).expect("a writable folder");
        // Names that are there, where the footer can be read at all, so that the reader gets as far as the pages.
        let names = column_names(&file);
        let name = |i: usize| {
            let name = names.get(i).or(names.first()).map_or("none", String::as_str);
            format!("{name:?}")
        };
        let mapped = pipeline
            .replace("customer_id = \"who\", occurred_at", &format!("customer_id = {}, occurred_at", name(0)))
            .replace("\"at\"", &name(1))
            .replace("\"paid\"", &name(2));
        here.write("pipeline.toml", &mapped);
        let outcome = here.run();
        let said = format!("{}\n{outcome}", file.display());
        assert!(outcome.code.is_some_and(|c| (0..=3).contains(&c)), "{said}");
        assert!(!outcome.stderr.contains("panicked"), "{said}");
        if outcome.code != Some(0) {
            refused += 1;
            assert!(!outcome.stderr.trim().is_empty(), "{said}");
        }
    }
    assert!(refused > most, "only {refused} malformed files were refused");
    assert!(!here.left_behind().iter().any(|f| f.starts_with("tmp/")), "{:?}", here.left_behind());
}

/// As far as the footer can be read; these files may panic in the reader of the test as well.
fn column_names(file: &Path) -> Vec<String> {
    let read = || -> Option<Vec<String>> {
        let file = std::fs::File::open(file).ok()?;
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).ok()?;
        Some(reader.schema().fields().iter().map(|f| f.name().clone()).collect())
    };
    std::panic::catch_unwind(read).ok().flatten().unwrap_or_default()
}

#[test]
fn no_files_and_files_of_two_kinds() {
    let trial = AfterAGoodRun::new();
    std::fs::remove_file(trial.here.join("exports/transactions/part-0.parquet")).expect("our own export");
    trial.fails(3).says(&["exports/transactions"]);

    let trial = AfterAGoodRun::new().with("exports/transactions/*.parquet", "exports/nowhere");
    trial.fails(3).says(&["exports/nowhere"]);

    let trial = AfterAGoodRun::new();
    let other: Vec<(&str, ArrayRef)> = vec![
        ("who", Arc::new(StringArray::from(vec!["customer 1"]))),
        ("at", Arc::new(StringArray::from(vec!["2020-01-05"]))),
        ("price", Arc::new(Float64Array::from(vec![1.0]))),
    ];
    export::write(&trial.here.join("exports/transactions/part-1.parquet"), other, 10);
    trial.fails_with_2_or_3().says(&["part-1.parquet", "paid"]);
}

#[test]
fn rows_that_cannot_be_used_beyond_the_limit_stop_the_run() {
    let trial = AfterAGoodRun::new();
    let bad: Vec<(&str, ArrayRef)> = vec![
        ("who", Arc::new(StringArray::from(vec![None, Some("a"), Some("b"), Some("c"), Some("d")]))),
        (
            "at",
            Arc::new(StringArray::from(vec![
                Some("2020-01-05"),
                None,
                Some("5.1.2020"),
                Some("2020-01-05"),
                Some("2020-01-06"),
            ])),
        ),
        ("paid", Arc::new(Float64Array::from(vec![1.0, 1.0, 1.0, f64::NAN, 1e300]))),
        ("shade", Arc::new(StringArray::from(vec!["red"; 5]))),
    ];
    std::fs::remove_file(trial.here.join("exports/transactions/part-0.parquet")).expect("our own export");
    let rows = good().transactions;
    let many: Vec<(&str, ArrayRef)> = vec![
        ("who", Arc::new(rows.iter().map(|r| Some(format!("customer {}", r.customer))).collect::<StringArray>())),
        ("at", Arc::new(rows.iter().map(|r| Some(crate::days::show(r.day))).collect::<StringArray>())),
        ("paid", Arc::new(rows.iter().map(|r| Some(r.cents as f64 / 100.0)).collect::<Float64Array>())),
        ("shade", Arc::new(rows.iter().map(|r| r.shade).collect::<StringArray>())),
    ];
    export::write(&trial.here.join("exports/transactions/good.parquet"), many, 100);
    export::write(&trial.here.join("exports/transactions/bad.parquet"), bad, 2);
    trial.fails(1).says(&["quarantine_limit"]);

    // With a limit that allows them, the same rows stand in `quarantine`, each with its place and reason.
    let trial = trial.with("dir = \"out\"", "dir = \"out\"\nquarantine_limit = 0.05");
    trial.here.run().exits(0);
    let quarantine = trial.here.table("quarantine");
    let told: Vec<String> =
        quarantine.rows.iter().map(|r| format!("{} {} {} {}", r["file"], r["row"], r["column"], r["value"])).collect();
    assert_eq!(told.len(), 5, "{told:?}");
    for (i, (column, value)) in
        [("who", "NULL"), ("at", "NULL"), ("at", "5.1.2020"), ("paid", "NaN")].iter().enumerate()
    {
        let file_and_row = format!("bad.parquet {} {column} {value}", i + 1);
        assert!(told.iter().any(|t| t.ends_with(&file_and_row)), "{file_and_row} is not in {told:?}");
    }
    let reasons: std::collections::BTreeSet<String> = quarantine.rows.iter().map(|r| r["reason"].to_string()).collect();
    assert_eq!(reasons.len(), 5, "five different reasons: {reasons:?}");
    // The good rows are all that counts.
    assert_eq!(trial.here.table("customers").rows.len(), 40);
}

#[test]
fn a_sum_that_no_column_can_hold() {
    let huge = 5_000_000_000_000_000_00;
    let rows = (0..6).map(|n| Transaction::new(n % 2, day("2020-01-05") + n, huge)).collect();
    let here = Workspace::of(&Scenario::purchases(rows).known_until("2020-03-01"));
    here.run().exits(3);
    assert_eq!(here.left_behind(), Vec::<String>::new());
}

/// Run as somebody who may not read the export: root may read everything, so root becomes nobody for it.
#[test]
fn a_path_without_permission() {
    const NOBODY: u32 = 65_534;
    let trial = AfterAGoodRun::new();
    let allow = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("our own files");
    };
    let export = trial.here.join("exports/transactions/part-0.parquet");
    allow(&export, 0o000);
    let outcome = if std::fs::File::open(&export).is_err() {
        trial.here.run()
    } else {
        // The program may lie where nobody gets to.
        let program = trial.here.join("tenure");
        std::fs::copy(assert_cmd::cargo::cargo_bin!("tenure"), &program).expect("a copy of the program");
        allow(&program, 0o755);
        allow(trial.here.path(), 0o777);
        allow(&trial.here.join("tmp"), 0o777);
        allow(&trial.here.join("out"), 0o777);
        allow(&trial.here.join("out/runs"), 0o777);
        // A lock of the good run belongs to root.
        for entry in std::fs::read_dir(trial.here.join("out")).expect("our own folder").flatten() {
            if entry.path().is_file() {
                allow(&entry.path(), 0o666);
            }
        }
        let mut command = std::process::Command::new(program);
        command.current_dir(trial.here.path()).args(["run", "pipeline.toml", "--quiet"]);
        command.env("TMPDIR", trial.here.join("tmp")).uid(NOBODY).gid(NOBODY);
        // A test beside this one that starts a program at just this moment holds the copy open for writing until then.
        let busy = |e: &std::io::Error| e.kind() == std::io::ErrorKind::ExecutableFileBusy;
        let mut output = command.output();
        while output.as_ref().is_err_and(busy) {
            std::thread::sleep(std::time::Duration::from_millis(10));
            output = command.output();
        }
        Outcome::from(output.expect("the program starts"))
    };
    outcome.exits(3).says(&["part-0.parquet"]).says_one_of(&["permission", "not allowed", "may not"]);
    trial.nothing_changed(&outcome);
}

/// An output folder on a file system of 16 KiB, in a mount namespace of its own that vanishes with the run.
#[test]
fn a_full_disk() {
    let here = Workspace::of(&good());
    std::fs::create_dir_all(here.join("out")).expect("a writable folder");
    std::fs::create_dir_all(here.join("tmp")).expect("a writable folder");
    let script = "mount -t tmpfs -o size=16k none out || exit 99
        \"$0\" run pipeline.toml --quiet; status=$?
        find out -mindepth 1 -not -name '*lock*' -not -path out/runs
        exit $status";
    let program = assert_cmd::cargo::cargo_bin!("tenure");
    let run = |flags: &str| {
        let mut command = std::process::Command::new("unshare");
        command.args([flags, "sh", "-c", script]).arg(program).current_dir(here.path());
        command.env("TMPDIR", here.join("tmp")).output().map(Outcome::from)
    };
    let mounted = |o: &Outcome| o.code != Some(99) && !o.stderr.contains("unshare:");
    match ["-m", "-rm"].into_iter().filter_map(|flags| run(flags).ok()).find(mounted) {
        Some(outcome) => {
            outcome.exits(3).says_one_of(&["space", "full"]);
            assert_eq!(outcome.stdout, "", "left on the full disk");
            assert_eq!(here.left_behind(), Vec::<String>::new());
        }
        None => eprintln!("skipped: this machine lets nobody mount a file system"),
    }
}

#[test]
fn an_output_folder_that_is_a_file() {
    let here = Workspace::of(&good());
    here.write("out", "in the way");
    here.run().exits(3).says(&["out"]);
    assert_eq!(std::fs::read_to_string(here.join("out")).expect("still there"), "in the way");
}

#[test]
fn an_export_without_rows_and_one_without_customers() {
    let trial = AfterAGoodRun::new();
    let none: Vec<(&str, ArrayRef)> = vec![
        ("who", Arc::new(StringArray::from(Vec::<&str>::new()))),
        ("at", Arc::new(StringArray::from(Vec::<&str>::new()))),
        ("paid", Arc::new(Int64Array::from(Vec::<i64>::new()))),
        ("shade", Arc::new(StringArray::from(Vec::<&str>::new()))),
    ];
    export::write(&trial.here.join("exports/transactions/part-0.parquet"), none, 10);
    let outcome = trial.here.run();
    assert!(matches!(outcome.code, Some(1 | 3)), "an empty export is no success: {outcome}");
    assert!(!outcome.stderr.contains("panicked"), "{outcome}");
    trial.nothing_changed(&outcome);
}
