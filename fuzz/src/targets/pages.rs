//! The boundary at which the program reads Parquet that others wrote.
//!
//! Any bytes become canonical rows, or an error with a sentence. The first byte chooses among ways to map the columns `a`,
//! `b`, `c` and `t`; the rest is the file.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use tenure::config::{self, Pipeline};
use tenure::error::Result;
use tenure::rows::{Batch, Sink};
use tenure::source::{Needs, ReadLimits, inspect_within, scan};

const MAPPINGS: [&str; 3] = [
    r#"columns = { customer_id = "a", occurred_at = "b", amount = "c" }"#,
    r#"columns = { customer_id = "t", occurred_at = "b", amount = { sql = "c * 2" } }
filter = "c > 0 OR t IS NULL""#,
    r#"columns = { customer_id = { sql = "CAST(a AS VARCHAR)" }, occurred_at = { sql = "TRY_CAST(b AS DATE)" }, amount = { sql = "TRY_CAST(c AS DOUBLE)" } }"#,
];
/// A row of a file that is read takes part of a byte at least: files of more are bombs, which limits of their own answer.
const ROWS: usize = 1 << 20;

/// What reading may take; `fuzz/run` stops a process that takes much more.
const MEMORY: u64 = 64 << 20;

struct Counted(AtomicUsize);

impl Sink for Counted {
    fn accept(&self, batch: Batch) -> Result<()> {
        if let Batch::Transactions(rows) = batch {
            let n = rows.days.len();
            assert!(n == rows.ids.len() && n == rows.amounts.len(), "columns of unequal length");
            if self.0.fetch_add(n, Ordering::Relaxed) > ROWS {
                return Err(tenure::error::Error::input("more rows than this target reads"));
            }
        }
        Ok(())
    }
}

thread_local! {
    static PLACE: TempDir = tempfile::tempdir().expect("a temporary folder");
}

pub fn run(bytes: &[u8]) {
    let Some((kind, file)) = bytes.split_first() else { return };
    PLACE.with(|place| {
        std::fs::write(place.path().join("x.parquet"), file).expect("a writable folder");
        read(&pipeline(place.path(), MAPPINGS[usize::from(*kind) % MAPPINGS.len()]));
    });
}

fn read(pipeline: &Pipeline) {
    let sink = Counted(AtomicUsize::new(0));
    let limits = ReadLimits { batch_rows: 1024, memory: MEMORY, kept: 1 << 20 };
    match inspect_within(pipeline, Needs::ALL, MEMORY) {
        Ok(inspected) => match scan(&inspected, pipeline, &sink, &tenure::progress::NoProgress, limits) {
            Ok(scan) => {
                let read: u64 = scan.reports.values().map(|r| r.rows - r.filtered - r.rejected - r.after_as_of).sum();
                assert_eq!(read, sink.0.into_inner() as u64, "rows were counted that were not delivered");
            }
            Err(e) => assert!(!e.what.is_empty()),
        },
        Err(errors) => assert!(errors.iter().all(|e| !e.what.is_empty())),
    }
}

fn pipeline(folder: &Path, mapping: &str) -> Pipeline {
    let text = format!(
        "name = \"pages\"\n[calendar]\nas_of = \"2022-06-01\"\n[money]\ncurrency = \"EUR\"\n[customers]\n\
         churn_after = \"1 period\"\n[sources.transactions]\npath = \"x.parquet\"\n{mapping}\n[stages.churn]\n\
         [output]\ndir = \"out\"\n"
    );
    let parsed = config::parse(&folder.join("p.toml"), &text, &[], &|_| None, tenure::stage::KINDS);
    parsed.unwrap_or_else(|e| panic!("the target's own pipeline: {:?}", e.iter().collect::<Vec<_>>()))
}
