//! A folder to run the program in, and its result tables read back as plain values.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

pub use crate::cells::{Row, Table, Value, read_rows, whole};
use crate::export::{self, Shape};
use crate::scenario::{Customer, Scenario, Subscription, Transaction};

/// A temporary folder with a pipeline, its exports and what running it wrote.
pub struct Workspace {
    dir: TempDir,
}

impl Workspace {
    pub fn new() -> Workspace {
        Workspace { dir: tempfile::tempdir().expect("a temporary folder") }
    }

    /// `pipeline.toml` and `exports/` of a scenario.
    pub fn of(scenario: &Scenario) -> Workspace {
        let here = Workspace::new();
        here.write("pipeline.toml", &scenario.toml());
        here.write_transactions(&scenario.shape, &scenario.transactions);
        here.write_subscriptions(&scenario.shape, &scenario.subscriptions);
        here.write_customers(&scenario.shape, &scenario.customers);
        here.parts("acquisition_costs", &scenario.shape, &scenario.costs, |rows| scenario.shape.costs(rows));
        here
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.join(name);
        std::fs::create_dir_all(path.parent().expect("a name below the folder")).expect("a writable folder");
        std::fs::write(path, text).expect("a writable folder");
    }

    /// The rows, spread over as many files as the shape says. No rows, no files.
    pub fn write_transactions(&self, shape: &Shape, rows: &[Transaction]) {
        self.parts("transactions", shape, rows, |rows| shape.transactions(rows));
    }

    pub fn write_subscriptions(&self, shape: &Shape, rows: &[Subscription]) {
        self.parts("subscriptions", shape, rows, |rows| shape.subscriptions(rows));
    }

    pub fn write_customers(&self, shape: &Shape, rows: &[Customer]) {
        self.parts("customers", shape, rows, |rows| shape.customers(rows));
    }

    fn parts<T>(
        &self,
        source: &str,
        shape: &Shape,
        rows: &[T],
        columns: impl Fn(&[T]) -> Vec<(&'static str, arrow::array::ArrayRef)>,
    ) {
        // Which columns there are is decided by all rows: files of one source share a schema.
        let all = columns(rows);
        let per_file = rows.len().div_ceil(shape.files).max(1);
        for (i, from) in (0..rows.len()).step_by(per_file).enumerate() {
            let slice = |a: &arrow::array::ArrayRef| a.slice(from, per_file.min(rows.len() - from));
            let part = all.iter().map(|(name, array)| (*name, slice(array))).collect();
            export::write(&self.join(&format!("exports/{source}/part-{i}.parquet")), part, shape.row_group);
        }
    }

    /// `tenure ARGS…`, with temporary files below this folder so that a test sees what is left behind.
    pub fn tenure(&self, args: &[&str]) -> Outcome {
        let mut command = assert_cmd::Command::from_std(self.command(args));
        let output = command.timeout(Duration::from_secs(300)).output().expect("the program starts");
        Outcome::from(output)
    }

    /// The same, not yet started.
    pub fn command(&self, args: &[&str]) -> std::process::Command {
        let temporary = self.join("tmp");
        std::fs::create_dir_all(&temporary).expect("a writable folder");
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("tenure"));
        command.current_dir(self.path()).env("TMPDIR", temporary).env("NO_COLOR", "1").args(args);
        command
    }

    /// `tenure run pipeline.toml --quiet`
    pub fn run(&self) -> Outcome {
        self.tenure(&["run", "pipeline.toml", "--quiet"])
    }

    /// A table of the last good run.
    pub fn table(&self, name: &str) -> Table {
        Table::read(&self.join("out/latest"), name)
    }

    /// Everything that lies in the output and the temporary folder, except locks: what an outsider could trip over.
    pub fn left_behind(&self) -> Vec<String> {
        fn walk(at: &Path, top: &Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(at).into_iter().flatten().flatten() {
                let path = entry.path();
                let name = path.strip_prefix(top).expect("below the top").display().to_string();
                match path.symlink_metadata() {
                    Ok(m) if m.is_dir() => {
                        if name != "out/runs" {
                            found.push(name + "/");
                        }
                        walk(&path, top, found);
                    }
                    Ok(m) if m.is_symlink() => {
                        let to = std::fs::read_link(&path).unwrap_or_default();
                        found.push(format!("{name} -> {}", to.display()));
                    }
                    _ if name.contains("lock") => {}
                    _ => found.push(name),
                }
            }
        }
        let mut found = vec![];
        for top in ["out", "tmp"] {
            walk(&self.join(top), self.path(), &mut found);
        }
        found.sort();
        found
    }

    /// Leaves the folder for a look after a failure, and says where it is.
    pub fn keep(self) -> PathBuf {
        self.dir.keep()
    }
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Outcome {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<std::process::Output> for Outcome {
    fn from(output: std::process::Output) -> Outcome {
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Outcome {
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Outcome {
        assert!(!self.stderr.contains("panicked"), "a panic reached the user:\n{self}");
        assert_eq!(self.code, Some(code), "the exit status\n{self}");
        self
    }

    /// The message names all of these, whatever their case.
    #[track_caller]
    pub fn says(&self, words: &[&str]) -> &Outcome {
        let text = self.stderr.to_lowercase();
        for word in words {
            assert!(text.contains(&word.to_lowercase()), "standard error does not mention {word:?}:\n{self}");
        }
        self
    }

    #[track_caller]
    pub fn says_one_of(&self, words: &[&str]) -> &Outcome {
        let text = self.stderr.to_lowercase();
        assert!(
            words.iter().any(|w| text.contains(&w.to_lowercase())),
            "standard error has none of {words:?}:\n{self}"
        );
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

#[test]
fn what_is_written_is_read_back() {
    use crate::days::day;
    let here = Workspace::new();
    let shape = Shape { files: 2, row_group: 1, ..Shape::default() };
    let rows = [1, 2, 3].map(|n| Transaction::new(n, day("2020-02-28") + n, -n * 101));
    here.write_transactions(&shape, &rows);
    let mut read = vec![];
    read_rows(&here.join("exports/transactions/part-0.parquet"), &mut read);
    read_rows(&here.join("exports/transactions/part-1.parquet"), &mut read);
    let table = Table { name: "transactions".to_string(), rows: read };
    let row = table.row(&[("at", "2020-03-02"), ("shade", "NULL")]);
    assert_eq!(table.cell(row, "who"), &Value::Text("customer 3".to_string()));
    assert_eq!(table.cell(row, "paid").to_string(), "-3.03");
    assert_eq!(table.rows.iter().map(|r| whole(&r["paid"])).sum::<i128>(), -606);
}

#[test]
fn every_shape_of_a_time_denotes_the_same_local_second() {
    use arrow::array::AsArray;
    use arrow::datatypes::TimestampMicrosecondType;
    use arrow::util::display::array_value_to_string;

    use crate::export::Times;
    let rows = [Transaction { second: 86_399, ..Transaction::new(1, crate::days::day("2020-06-30"), 100) }];
    let said = |times| {
        let shape = Shape { times, ..Shape::default() };
        let (_, mut column) = shape.transactions(&rows).swap_remove(1);
        if let Times::Zoned(_) = times {
            // The printer of these tests knows no zones by name; the instant is what counts.
            column = std::sync::Arc::new(
                column.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt::<&str>(None),
            );
        }
        array_value_to_string(&column, 0).expect("a value that prints")
    };
    assert_eq!(said(Times::Date), "2020-06-30");
    for times in [Times::Millis, Times::Micros, Times::Nanos, Times::IsoText] {
        assert_eq!(said(times), "2020-06-30T23:59:59");
    }
    assert_eq!(said(Times::Zoned("America/New_York")), "2020-07-01T03:59:59");
}
