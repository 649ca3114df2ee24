//! A file that changes while it is read ends the scan, whatever changes and whenever.

use std::fs::File;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array};

use crate::config::SourceKind::*;
use crate::config::{Pipeline, Text};
use crate::error::{Error, Result};
use crate::progress::NoProgress;
use crate::rows::{Batch, Sink};
use crate::source::scan;
use crate::source::testing::*;
use crate::source::{Inspected, ReadLimits};

const GROUPS: i64 = 6;
const ROWS: i64 = 4;

fn export(path: &Path, amount: f64) {
    let n = GROUPS * ROWS;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..n))),
        ("at", Arc::new(Date32Array::from(vec![15_000; n as usize]))),
        ("amount", Arc::new(Float64Array::from(vec![amount; n as usize]))),
    ];
    write(path, columns, ROWS as usize);
}

/// `old` is read, through a link; `new` has the same layout and size.
struct Exports {
    dir: tempfile::TempDir,
}

impl Exports {
    fn new() -> Exports {
        let dir = tempfile::tempdir().unwrap();
        let exports = Exports { dir };
        export(&exports.at("old"), 1.0);
        export(&exports.at("new"), 3.0);
        assert_eq!(exports.bytes("old").len(), exports.bytes("new").len());
        symlink("old", exports.at("link.parquet")).unwrap();
        exports
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.at(name)).unwrap()
    }

    fn pipeline(&self) -> Pipeline {
        let mut p = pipeline(self.dir.path());
        let mapped = [("customer_id", "id"), ("occurred_at", "at"), ("amount", "amount")];
        add_source(&mut p, Transactions, "link.parquet", &mapped);
        p
    }

    fn patch(&self, at: u64, bytes: &[u8]) {
        File::options().write(true).open(self.at("old")).unwrap().write_all_at(bytes, at).unwrap();
    }
}

type Change = fn(&Exports);

const CHANGES: [(&str, Change); 9] = [
    ("replaced by rename", |e| std::fs::rename(e.at("new"), e.at("old")).unwrap()),
    ("overwritten by as many bytes", |e| e.patch(0, &e.bytes("new"))),
    ("overwritten by others", |e| std::fs::write(e.at("old"), [e.bytes("new"), e.bytes("new")].concat()).unwrap()),
    ("one byte of the first row group", |e| e.patch(10, &[e.bytes("old")[10] ^ 1])),
    ("one byte before the footer", |e| {
        let bytes = e.bytes("old");
        let end = bytes.len() - 8;
        let footer = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
        e.patch((end - footer - 1) as u64, b"x");
    }),
    ("appended to", |e| e.patch(e.bytes("old").len() as u64, b"more")),
    ("cut", |e| File::options().write(true).open(e.at("old")).unwrap().set_len(100).unwrap()),
    ("deleted", |e| std::fs::remove_file(e.at("old")).unwrap()),
    ("a link that leads elsewhere", |e| {
        symlink("new", e.at("other")).unwrap();
        std::fs::rename(e.at("other"), e.at("link.parquet")).unwrap();
    }),
];

/// Changes the file when so many batches have come.
struct Disturb<'a> {
    exports: &'a Exports,
    change: Change,
    after: usize,
    batches: AtomicUsize,
}

impl Sink for Disturb<'_> {
    fn accept(&self, _: Batch) -> Result<()> {
        if self.batches.fetch_add(1, Ordering::Relaxed) + 1 == self.after {
            (self.change)(self.exports);
        }
        Ok(())
    }
}

fn scan_disturbed(exports: &Exports, inspected: &Inspected, p: &Pipeline, change: Change, after: usize) -> Error {
    let sink = Disturb { exports, change, after, batches: AtomicUsize::new(0) };
    let limits = ReadLimits { batch_rows: ROWS as usize, ..ReadLimits::default() };
    scan(inspected, p, &sink, &NoProgress, limits).map(|_| ()).unwrap_err()
}

#[test]
fn every_change_is_noticed_after_every_row_group() {
    for (name, change) in CHANGES {
        // Before the first row group, which nobody holds open then, after each, and after the last.
        for after in 0..=GROUPS as usize {
            for kept in [true, false] {
                let exports = Exports::new();
                let p = exports.pipeline();
                let mut inspected = look(&p).unwrap();
                let files = inspected.sources.values_mut().flat_map(|source| &mut source.files);
                files.filter(|_| !kept).for_each(|file| file.kept = None);
                if after == 0 {
                    change(&exports);
                }
                let said = scan_disturbed(&exports, &inspected, &p, change, after).what;
                assert!(
                    said.starts_with("link.parquet was replaced while it was read: "),
                    "{name} after {after} row groups: {said}"
                );
            }
        }
    }
}

#[test]
fn a_change_is_noticed_where_the_filter_leaves_nothing_to_read() {
    for (name, change) in CHANGES {
        let exports = Exports::new();
        let mut p = exports.pipeline();
        add_filter(&mut p, Transactions, "id < 0");
        let inspected = look(&p).unwrap();
        assert_eq!(inspected.sources[&Transactions].ruled_out().groups, GROUPS as usize);
        change(&exports);
        let said = deliver(&p, &inspected, 10).unwrap_err().what;
        assert!(said.contains("was replaced while it was read"), "{name}: {said}");
    }
}

#[test]
fn a_change_of_another_file_of_the_source_is_noticed() {
    let exports = Exports::new();
    let mut p = exports.pipeline();
    p.sources.get_mut(&Transactions).unwrap().paths[0].value = Text::plain("[on]*");
    let inspected = look(&p).unwrap();
    let said = scan_disturbed(&exports, &inspected, &p, |e| std::fs::remove_file(e.at("new")).unwrap(), 1).what;
    assert!(said.starts_with("new was replaced while it was read: "), "{said}");
}

#[test]
fn a_file_that_arrives_or_is_read_elsewhere_changes_nothing() {
    let exports = Exports::new();
    let p = exports.pipeline();
    let inspected = look(&p).unwrap();
    std::fs::copy(exports.at("new"), exports.at("another.parquet")).unwrap();
    let (_, delivered) = deliver(&p, &inspected, 10).unwrap();
    assert_eq!(delivered.rows.len() as i64, GROUPS * ROWS);
}
