//! Reading a published table back, batch by batch.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Component, Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;

use super::manifest::{FileEntry, TableEntry};
use crate::error::{Error, Result};

/// The rows of a table in the order of its files.
pub struct TableReader {
    schema: SchemaRef,
    /// What is still to be opened, last first.
    files: Vec<(PathBuf, u64)>,
    current: Option<(PathBuf, ParquetRecordBatchReader)>,
}

impl TableReader {
    /// Opens a table of the run in folder `run`.
    ///
    /// # Errors
    /// Input: a file is missing or was changed after the run.
    pub fn open(run: &Path, table: &TableEntry) -> Result<TableReader> {
        let files: Result<Vec<_>> = table.files.iter().map(|f| Ok((path(run, f)?, f.bytes))).collect();
        let mut files = files?;
        files.reverse();
        let Some((first, bytes)) = files.pop() else {
            return Err(Error::input(format!("the manifest lists no files of table {}", table.name)).help(AGAIN));
        };
        let reader = open(&first, bytes)?;
        let schema = arrow::array::RecordBatchReader::schema(&reader);
        Ok(TableReader { schema, files, current: Some((first, reader)) })
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next rows; `None` after the last.
    ///
    /// # Errors
    /// Input: a file cannot be read, or was changed after the run.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some((path, reader)) = &mut self.current {
                let next = guarded(path, || reader.next().transpose().map_err(ParquetError::from))?;
                if next.is_some() {
                    return Ok(next);
                }
            }
            let Some((path, bytes)) = self.files.pop() else { return Ok(None) };
            let reader = open(&path, bytes)?;
            self.current = Some((path, reader));
        }
    }
}

const AGAIN: &str = "it was changed after the run; run the pipeline again, or show another run";

/// A manifest's paths stay within its run.
fn path(run: &Path, file: &FileEntry) -> Result<PathBuf> {
    let relative = Path::new(&file.path);
    if relative.components().all(|c| matches!(c, Component::Normal(_))) {
        Ok(run.join(relative))
    } else {
        Err(Error::input(format!("the manifest names {}, which lies outside its run", file.path)).help(AGAIN))
    }
}

fn open(path: &Path, bytes: u64) -> Result<ParquetRecordBatchReader> {
    let cannot = |e| {
        Error::input(format!("cannot read {}", path.display()))
            .help("check that it is there and readable: per-customer tables are readable by their owner alone")
            .because(e)
    };
    let file = File::open(path).map_err(cannot)?;
    let found = file.metadata().map_err(cannot)?.len();
    if found != bytes {
        let what = format!("{} has {found} bytes, but {bytes} according to the manifest", path.display());
        return Err(Error::input(what).help(AGAIN));
    }
    guarded(path, || ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(8192).build())
}

/// The `parquet` crate answers some malformed files with a panic.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T> {
    let broken = || Error::input(format!("{} is not readable as Parquet", path.display())).help(AGAIN);
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(outcome) => outcome.map_err(|e| broken().because(e)),
        Err(_) => Err(broken()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::*;
    use crate::publish::{Format, TableWriter};
    use crate::table::{Table, TableSchema, Type, Values, column};

    const FORMAT: Format = Format { digits: 2, integer_ids: true };

    fn table(from: i64, until: i64) -> Table {
        let columns = vec![column("customer_id", Type::CustomerId, "who")];
        let schema = Arc::new(TableSchema { name: "customers".into(), doc: String::new(), key: 1, columns });
        Table { schema, columns: vec![Values::Int((from..until).map(Some).collect())] }
    }

    fn written(dir: &Path) -> TableEntry {
        let part = |name: &str, from, until| {
            let t = table(from, until);
            let mut w = TableWriter::create(dir, name, t.schema.clone(), FORMAT, None).unwrap();
            w.write(&t).unwrap();
            w.finish().unwrap()
        };
        // The ids of a part are sorted, not those of the table: parts go by hash.
        let files = [part("a.parquet", 50_000, 60_000), part("b.parquet", 7, 7), part("c.parquet", 0, 20)];
        TableEntry::new(&table(0, 0).schema, FORMAT, &files)
    }

    #[test]
    fn parts_are_read_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let entry = written(dir.path());
        assert_eq!((entry.rows, entry.files.len()), (10_020, 3));
        let mut reader = TableReader::open(dir.path(), &entry).unwrap();
        let mut ids = Vec::new();
        while let Some(batch) = reader.next_batch().unwrap() {
            let column = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(batch.column(0)).clone();
            ids.extend(column.values().to_vec());
        }
        assert_eq!(ids, (50_000..60_000).chain(0..20).collect::<Vec<i64>>());
    }

    #[test]
    fn changed_files_are_sentences() {
        let dir = tempfile::tempdir().unwrap();
        let entry = written(dir.path());
        let read = |entry: &TableEntry| {
            let mut reader = TableReader::open(dir.path(), entry)?;
            while reader.next_batch()?.is_some() {}
            Ok(())
        };
        let path = dir.path().join("c.parquet");
        let good = fs::read(&path).unwrap();
        fs::write(&path, &good[..good.len() - 1]).unwrap();
        let e: Error = read(&entry).unwrap_err();
        assert!(
            e.what.contains("bytes according to the manifest") || e.what.contains("according to the manifest"),
            "{}",
            e.what
        );
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x5A;
            fs::write(&path, bad).unwrap();
            // Either it reads all the same or there is an error; never a panic.
            let _: Result<()> = read(&entry);
        }
        fs::write(&path, vec![0; good.len()]).unwrap();
        assert!(read(&entry).unwrap_err().what.ends_with("c.parquet is not readable as Parquet"));
        fs::remove_file(&path).unwrap();
        assert!(read(&entry).unwrap_err().what.contains("cannot read"));
        let mut outside = entry.clone();
        outside.files[0].path = "../a.parquet".into();
        assert!(read(&outside).unwrap_err().what.contains("outside its run"));
        outside.files.clear();
        assert!(read(&outside).unwrap_err().what.contains("lists no files"));
    }
}
