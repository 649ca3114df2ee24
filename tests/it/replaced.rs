//! Exports that change while they are read, from outside and at any moment: the run ends with a sentence, or publishes all
//! of the old or all of the new. `TENURE_TRIES=100` tries each kind as often as that.

use std::fs::File;
use std::os::unix::fs::{FileExt, symlink};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::dice::Dice;
use crate::support::{Outcome, Table, Workspace, whole};

const GROUPS: usize = 40;
const ROWS: usize = 25_000;
const CUSTOMERS: i64 = 300;
/// Minor units of each row.
const OLD: i128 = 100;
const NEW: i128 = 300;

/// What the files are called: `x.parquet` is what the pipeline reads, `old` and `new` never change.
struct Exports {
    here: Workspace,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Exports {
    fn new() -> Exports {
        let here = Workspace::new();
        here.write(
            "pipeline.toml",
            r#"
            name = "replaced"
            [calendar]
            as_of = "2022-06-01"
            [money]
            currency = "EUR"
            [customers]
            churn_after = "1 period"
            [sources.transactions]
            path = "x.parquet"
            columns = { customer_id = "who", occurred_at = "at", amount = "paid" }
            [stages.churn]
            [output]
            dir = "out"
            "#,
        );
        let (old, new) = (export(OLD), export(NEW));
        assert_eq!(old.len(), new.len(), "only then a file can be overwritten in place");
        Exports { here, old, new }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.here.join(name)
    }

    /// The file that is read, for writing in place.
    fn x(&self) -> File {
        File::options().write(true).open(self.at("x.parquet")).expect("our own file")
    }

    /// In pieces, as programs that copy do.
    fn overwrite(&self, bytes: &[u8]) {
        let file = self.x();
        for (i, piece) in bytes.chunks(1 << 17).enumerate() {
            file.write_all_at(piece, (i << 17) as u64).expect("space for an export");
        }
    }

    /// As before the run: an old file that is not new, and what replaces it.
    fn reset(&self) {
        for name in ["x.parquet", "link"] {
            let _ = std::fs::remove_file(self.at(name));
        }
        let _ = std::fs::remove_dir_all(self.at("out"));
        for (name, bytes) in [("old", &self.old), ("new", &self.new), ("x.parquet", &self.old)] {
            std::fs::write(self.at(name), bytes).expect("space for an export");
        }
    }

    /// Checks that a published run holds the rows of one state of the file, and that its manifest is about that.
    fn is_whole(&self) -> &'static str {
        let rows = (GROUPS * ROWS) as i128;
        let (said, bytes) = match self.revenue("out") {
            r if r == rows * OLD => ("all of the old", &self.old),
            r if r == rows * NEW => ("all of the new", &self.new),
            revenue => {
                // The change came before the run looked, and then it is what a run reads now.
                self.here.tenure(&["run", "pipeline.toml", "--quiet", "--out", "again"]).exits(0);
                assert_eq!(revenue, self.revenue("again"), "a mixture was published");
                return "all as it was changed";
            }
        };
        let manifest = std::fs::read_to_string(self.at("out/latest/manifest.json")).expect("a published run");
        let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("a manifest is JSON");
        let end = bytes.len() - 8;
        let length = u32::from_le_bytes(bytes[end..end + 4].try_into().expect("four bytes")) as usize;
        let checksum = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&bytes[end - length..end]));
        assert_eq!(manifest["inputs"][0]["footer_checksum"], checksum, "the manifest is about what was read");
        said
    }

    /// Of all customers, in minor units.
    fn revenue(&self, out: &str) -> i128 {
        let customers = Table::read(&self.at(out).join("latest"), "customers");
        customers.rows.iter().map(|row| whole(&row["revenue"])).sum()
    }
}

/// Plain pages: every amount takes the same room.
fn export(amount: i128) -> Vec<u8> {
    let n = GROUPS * ROWS;
    let amounts = Decimal128Array::from(vec![amount; n]).with_precision_and_scale(18, 2).expect("a type that there is");
    let columns: [(&str, ArrayRef); 3] = [
        ("who", Arc::new(Int64Array::from_iter_values((0..n as i64).map(|i| i % CUSTOMERS)))),
        ("at", Arc::new(Date32Array::from_iter_values((0..n as i32).map(|i| 18_993 - i % 400)))),
        ("paid", Arc::new(amounts)),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let properties =
        WriterProperties::builder().set_max_row_group_row_count(Some(ROWS)).set_dictionary_enabled(false).build();
    let mut bytes = vec![];
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).expect("plain types");
    writer.write(&batch).expect("memory");
    writer.close().expect("memory");
    bytes
}

type Change = fn(&Exports);

const CHANGES: [(&str, Change); 10] = [
    ("replaced by rename", |e| std::fs::rename(e.at("new"), e.at("x.parquet")).expect("our own files")),
    ("overwritten in pieces", |e| e.overwrite(&e.new)),
    ("overwritten in one call", |e| e.x().write_all_at(&e.new, 0).expect("space")),
    ("overwritten from the end", |e| {
        for piece in (0..e.new.len()).step_by(1 << 17).rev() {
            let end = e.new.len().min(piece + (1 << 17));
            e.x().write_all_at(&e.new[piece..end], piece as u64).expect("space");
        }
    }),
    ("emptied and written again, longer", |e| {
        std::fs::write(e.at("x.parquet"), [&e.new[..], &e.new[..]].concat()).expect("space");
    }),
    ("one row group and the time set back", |e| {
        let (file, from) = (e.x(), e.new.len() / 2);
        let before = file.metadata().and_then(|m| m.modified()).expect("a time");
        file.write_all_at(&e.new[from..from + ROWS * 8], from as u64).expect("space");
        file.set_modified(before).expect("our own file");
    }),
    ("appended to", |e| e.x().write_all_at(b"more", e.old.len() as u64).expect("space")),
    ("cut", |e| e.x().set_len(e.old.len() as u64 / 2).expect("our own file")),
    ("deleted", |e| std::fs::remove_file(e.at("x.parquet")).expect("our own file")),
    ("a link that leads elsewhere", |e| {
        symlink("new", e.at("link")).expect("a new name");
        std::fs::rename(e.at("link"), e.at("x.parquet")).expect("our own files");
    }),
];

#[test]
fn an_export_that_changes_is_never_mixed() {
    let tries: u32 = std::env::var("TENURE_TRIES").map_or(4, |n| n.parse().expect("TENURE_TRIES is a number"));
    let exports = Exports::new();
    let mut dice = Dice::new(13);
    let began = Instant::now();
    exports.reset();
    exports.here.run().exits(0);
    let usual = began.elapsed();
    assert_eq!(exports.is_whole(), "all of the old");
    let mut noticed_at_all = 0;
    for (kind, change) in CHANGES {
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..tries {
            exports.reset();
            let command = exports.here.command(&["run", "pipeline.toml", "--quiet"]).stderr(Stdio::piped()).spawn();
            let child = command.expect("the program starts");
            std::thread::sleep(usual.mul_f64(dice.below(1_000) as f64 / 1_000.0));
            change(&exports);
            let outcome = Outcome::from(child.wait_with_output().expect("our own child"));
            let what = if outcome.code == Some(0) {
                exports.is_whole()
            } else {
                outcome.exits(3);
                assert!(!exports.at("out/latest").exists(), "{kind}: published and failed\n{outcome}");
                match outcome.stderr.contains("was replaced while it was read") {
                    true => "noticed",
                    // The change came before the file was opened.
                    false => "unreadable",
                }
            };
            *counts.entry(what).or_insert(0) += 1;
        }
        noticed_at_all += counts.get("noticed").unwrap_or(&0);
        eprintln!("{kind}: {counts:?}");
    }
    assert!(noticed_at_all > 0, "no change came while the file was read: the runs are too short for this test");
}

/// Every kind of file that is none, wherever it can be named.
#[test]
fn what_never_ends_is_not_read() {
    let here = Exports::new();
    here.reset();
    let pipe = here.at("in/pipe.parquet");
    std::fs::create_dir_all(here.at("in")).expect("a writable folder");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is a program").success());
    let _socket = std::os::unix::net::UnixListener::bind(here.at("in/socket.pq")).expect("a short path");
    symlink("/dev/zero", here.at("in/zero.parq")).expect("a new name");
    let text = std::fs::read_to_string(here.at("pipeline.toml")).expect("our own file");
    for (path, names) in [
        ("in/pipe.parquet", &["in/pipe.parquet"][..]),
        ("/dev/zero", &["/dev/zero"]),
        ("in/zero.parq", &["in/zero.parq"]),
        ("in", &["in/pipe.parquet", "in/socket.pq", "in/zero.parq"]),
        ("in/*", &["in/pipe.parquet", "in/socket.pq", "in/zero.parq"]),
        ("**/*.par*", &["in/pipe.parquet", "in/zero.parq"]),
    ] {
        here.here.write("p.toml", &text.replace("x.parquet", path));
        for command in [&["run", "p.toml"][..], &["run", "p.toml", "--dry-run"], &["check", "p.toml"]] {
            let outcome = within(&here, command);
            outcome.exits(3);
            for name in names {
                outcome.says(&[&format!("{name} is not a regular file")]);
            }
        }
    }
    // The pipeline file itself.
    std::fs::rename(pipe, here.at("pipe.toml")).expect("our own file");
    let large = File::create(here.at("large.toml")).expect("a writable folder");
    large.set_len(8 << 30).expect("a file with a hole");
    for (file, says) in [
        ("pipe.toml", "a pipe, a socket or a device"),
        ("/dev/zero", "a pipe, a socket or a device"),
        ("/dev/null", "a pipe, a socket or a device"),
        ("in", "it is a folder"),
        ("large.toml", "larger than 4 MiB"),
    ] {
        for command in ["run", "check", "explain"] {
            within(&here, &[command, file]).exits(2).says(&[says]);
        }
    }
}

#[test]
fn links_that_lead_back_are_a_sentence() {
    let here = Exports::new();
    here.reset();
    std::fs::create_dir_all(here.at("in/sub")).expect("a writable folder");
    std::fs::rename(here.at("x.parquet"), here.at("in/a.parquet")).expect("our own file");
    for (to, name) in [(".", "in/x"), (".", "in/y"), ("..", "in/sub/up")] {
        symlink(to, here.at(name)).expect("a new name");
    }
    for i in 0..50 {
        symlink(format!("chain{}", i + 1), here.at(&format!("chain{i}"))).expect("a new name");
    }
    let text = std::fs::read_to_string(here.at("pipeline.toml")).expect("our own file");
    let with = |path: &str| here.here.write("p.toml", &text.replace("x.parquet", path));
    for path in ["in", "in/**/*.parquet", "**/*.parquet"] {
        with(path);
        within(&here, &["check", "p.toml"]).exits(3).says(&["leads back to a folder above it", "in/"]);
    }
    with("chain0");
    within(&here, &["check", "p.toml"]).exits(3).says(&["chain0", "symbolic links"]);
    // As deep as the pattern says and no deeper; every folder once, though there are 2^20 paths.
    with(&format!("in/{}*.parquet", "*/".repeat(20)));
    within(&here, &["check", "p.toml"]).exits(0);
}

/// Runs a command that is to be over at once.
fn within(here: &Exports, args: &[&str]) -> Outcome {
    let command = here.here.command(args);
    let output = assert_cmd::Command::from_std(command).timeout(Duration::from_secs(20)).output();
    Outcome::from(output.expect("the program starts"))
}
