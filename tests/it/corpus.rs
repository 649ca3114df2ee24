//! The corpus that fuzzing has kept, replayed: each target on each of its files, as an ordinary test.
//!
//! `fuzz/run` makes the corpus; see fuzz/README.md.

use std::path::Path;
use std::time::Instant;

use crate::targets;

/// Runs the target on every file of its corpus.
fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let listed = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = listed.map(|entry| entry.expect("a readable folder").path()).collect();
    files.sort();
    assert!(files.len() >= 5, "{}: {} files", folder.display(), files.len());
    let began = Instant::now();
    for file in &files {
        // Printed with a failure alone.
        eprintln!("{}", file.display());
        target(&std::fs::read(file).expect("a readable file"));
    }
    eprintln!("{} files of {name} in {:.1?}", files.len(), began.elapsed());
}

#[test]
fn pipeline_files() {
    replay("pipeline", targets::pipeline::run);
}

#[test]
fn expressions() {
    replay("expression", targets::expression::run);
}

#[test]
fn records_of_customers() {
    replay("record", targets::record::run);
}

#[test]
fn tallies() {
    replay("tally", targets::tally::run);
}

#[test]
fn parquet_files() {
    replay("pages", targets::pages::run);
}

#[test]
fn histories_against_the_definitions() {
    replay("kernel", targets::kernel::run);
}
