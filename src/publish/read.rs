//! Reads a published table back, batch by batch, after comparing its files with the manifest.
//!
//! Rows are returned only if the SHA-256 of every file is that of the manifest. Small tables are read into memory once, then
//! hashed and decoded there. Files of larger tables are opened once, hashed, and decoded from the same open file; if
//! somebody overwrites one in between, the page checksums reveal it. Hashing takes about a second for every one or two
//! gigabytes.

use std::fs::File;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Component, Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;
use sha2::{Digest, Sha256};

use super::files;
use super::manifest::{FileEntry, TableEntry};
use super::writer::hexadecimal;
use crate::error::{Error, Result};

/// Bytes of a table that is read into memory as a whole, at most.
const IN_MEMORY: u64 = 64 << 20;
/// Bytes read at a time while a file is hashed.
const PIECE: usize = 1 << 18;
/// Rows decoded at a time.
const BATCH: usize = 8192;

/// The rows of a table in the order of its files.
pub struct TableReader {
    schema: SchemaRef,
    /// The files that are still to be read, the last one first.
    files: Vec<VerifiedFile>,
    current: OpenTableFile,
}

struct OpenTableFile {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
}

/// A file whose SHA-256 is that of the manifest.
struct VerifiedFile {
    path: PathBuf,
    rows: u64,
    contents: Contents,
}

enum Contents {
    Memory(Bytes),
    File(File),
}

impl TableReader {
    /// Opens a table of the run in folder `run` and compares all its files with the manifest.
    ///
    /// # Errors
    /// Input: a file is missing or was changed after the run.
    pub fn open(run: &Path, table: &TableEntry) -> Result<TableReader> {
        let mut bytes = 0u64;
        let opened = table.files.iter().map(|entry| {
            let (path, file) = open(run, entry)?;
            bytes = bytes.saturating_add(entry.bytes);
            Ok((path, file, entry))
        });
        let opened: Vec<_> = opened.collect::<Result<_>>()?;
        let verified = opened.into_iter().map(|(path, file, entry)| verified(path, file, entry, bytes <= IN_MEMORY));
        let mut files: Vec<VerifiedFile> = verified.collect::<Result<_>>()?;
        files.reverse();
        let Some(first) = files.pop() else {
            return Err(Error::input(format!("the manifest lists no files of table {}", table.name)).help(AGAIN));
        };
        let current = first.reader()?;
        let schema = arrow::array::RecordBatchReader::schema(&current.reader);
        Ok(TableReader { schema, files, current })
    }

    /// The columns in Arrow's types.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next rows; `None` after the last.
    ///
    /// # Errors
    /// Input: a file cannot be read, or was changed after the run.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let OpenTableFile { path, reader } = &mut self.current;
            let next = guarded(path, || reader.next().transpose().map_err(ParquetError::from))?;
            if next.is_some() {
                return Ok(next);
            }
            let Some(file) = self.files.pop() else { return Ok(None) };
            self.current = file.reader()?;
            if arrow::array::RecordBatchReader::schema(&self.current.reader).fields() != self.schema.fields() {
                let path = self.current.path.display();
                return Err(Error::input(format!("{path} has other columns than the parts before it")).help(AGAIN));
            }
        }
    }
}

const AGAIN: &str = "it was changed after the run; run the pipeline again, or show another run";

/// Opens a file of the run. Paths that leave the run's folder are refused, and links are not followed.
fn open(run: &Path, entry: &FileEntry) -> Result<(PathBuf, File)> {
    let relative = Path::new(&entry.path);
    if !relative.components().all(|c| matches!(c, Component::Normal(_))) {
        return Err(Error::input(format!("the manifest names {}, which lies outside its run", entry.path)).help(AGAIN));
    }
    let path = run.join(relative);
    let within_links = relative.ancestors().skip(1).any(|folder| !files::is_folder(&run.join(folder)));
    let opened = if within_links {
        Err(io::Error::other("its folder is a link or missing"))
    } else {
        files::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)))
    };
    let (found, file) = opened.map_err(|e| unreadable(&path, e))?;
    if found != entry.bytes {
        let what = format!("{} has {found} bytes, but {} according to the manifest", path.display(), entry.bytes);
        return Err(Error::input(what).help(AGAIN));
    }
    Ok((path, file))
}

fn unreadable(path: &Path, cause: io::Error) -> Error {
    Error::input(format!("cannot read {}", path.display()))
        .help("check that it is there and readable: per-customer tables are readable by their owner alone")
        .because(cause)
}

/// Compares a file with its SHA-256 in the manifest. `in_memory`: keeps its bytes.
fn verified(path: PathBuf, mut file: File, entry: &FileEntry, in_memory: bool) -> Result<VerifiedFile> {
    let mut hash = Sha256::new();
    let contents = if in_memory {
        let mut bytes = Vec::new();
        // The file may grow while it is read; one byte more than expected is enough to notice.
        let most = entry.bytes.saturating_add(1);
        file.take(most).read_to_end(&mut bytes).map_err(|e| unreadable(&path, e))?;
        hash.update(&bytes);
        Contents::Memory(bytes.into())
    } else {
        update(&mut hash, &mut file).map_err(|e| unreadable(&path, e))?;
        Contents::File(file)
    };
    if hexadecimal(&hash.finalize()) != entry.sha256 {
        return Err(Error::input(format!("{} does not have the SHA-256 of the manifest", path.display())).help(AGAIN));
    }
    Ok(VerifiedFile { path, rows: entry.rows, contents })
}

fn update(hash: &mut Sha256, file: &mut File) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => hash.update(&piece[..read]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

impl VerifiedFile {
    fn reader(self) -> Result<OpenTableFile> {
        let VerifiedFile { path, rows, contents } = self;
        let reader = match contents {
            Contents::Memory(bytes) => reader(&path, rows, bytes),
            Contents::File(file) => reader(&path, rows, file),
        }?;
        Ok(OpenTableFile { path, reader })
    }
}

fn reader(path: &Path, rows: u64, file: impl ChunkReader + 'static) -> Result<ParquetRecordBatchReader> {
    guarded(path, || {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(BATCH);
        match builder.metadata().file_metadata().num_rows() {
            found if u64::try_from(found) == Ok(rows) => builder.build(),
            found => Err(ParquetError::General(format!("{found} rows, but {rows} according to the manifest"))),
        }
    })
}

/// Runs `read` and turns a panic into an error: the `parquet` crate panics on some malformed files.
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
    use crate::publish::{TableFormat, TableWriter};
    use crate::table::{Table, TableSchema, Type, Values, column};

    const FORMAT: TableFormat = TableFormat { digits: 2, integer_ids: true };

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
            bad[at] ^= 1 << (at % 8);
            fs::write(&path, bad).unwrap();
            // Nothing is shown of the parts before it either.
            let e = TableReader::open(dir.path(), &entry).err().unwrap();
            assert!(e.what.ends_with("c.parquet does not have the SHA-256 of the manifest"), "byte {at}: {}", e.what);
            assert_eq!(e.kind, crate::error::ErrorKind::Input);
        }
        fs::write(&path, &good).unwrap();
        read(&entry).unwrap();
        let mut other_rows = entry.clone();
        other_rows.files[2].rows += 1;
        assert!(read(&other_rows).unwrap_err().source.unwrap().to_string().contains("rows, but"));
        fs::rename(&path, dir.path().join("moved")).unwrap();
        assert!(read(&entry).unwrap_err().what.contains("cannot read"));
        std::os::unix::fs::symlink("moved", &path).unwrap();
        assert!(read(&entry).unwrap_err().what.contains("cannot read"), "a link");
        let mut outside = entry.clone();
        for elsewhere in ["../a.parquet", "/etc/passwd", "./a.parquet", "x/../a.parquet"] {
            outside.files[0].path = elsewhere.into();
            assert!(read(&outside).unwrap_err().what.contains("outside its run"), "{elsewhere}");
        }
        for nowhere in ["", "a.parquet/b", "\0", "x/a.parquet"] {
            outside.files[0].path = nowhere.into();
            assert!(read(&outside).unwrap_err().what.contains("cannot read"), "{nowhere:?}");
        }
        outside.files.clear();
        assert!(read(&outside).unwrap_err().what.contains("lists no files"));
    }

    #[test]
    fn what_is_not_parquet_is_a_sentence_although_its_digest_is_right() {
        let dir = tempfile::tempdir().unwrap();
        let mut entry = written(dir.path());
        let (good, path) = (fs::read(dir.path().join("c.parquet")).unwrap(), dir.path().join("c.parquet"));
        let mut attempt = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            entry.files[2].sha256 = hexadecimal(&Sha256::digest(bytes));
            entry.files[2].bytes = bytes.len() as u64;
            let mut reader = TableReader::open(dir.path(), &entry)?;
            while reader.next_batch()?.is_some() {}
            Ok(())
        };
        let e: Error = attempt(&vec![0; good.len()]).unwrap_err();
        assert!(e.what.ends_with("c.parquet is not readable as Parquet"));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x5A;
            // Either it reads all the same or there is an error; never a panic.
            let _: Result<()> = attempt(&bad);
        }
    }

    #[test]
    fn large_tables_are_hashed_and_read_from_the_open_file() {
        let dir = tempfile::tempdir().unwrap();
        let entry = written(dir.path());
        let parts = entry.files.iter().map(|f| {
            let (path, file) = open(dir.path(), f).unwrap();
            verified(path, file, f, false).unwrap()
        });
        let rows: usize =
            parts.map(|part| part.reader().unwrap().reader.map(|b| b.unwrap().num_rows()).sum::<usize>()).sum();
        assert_eq!(rows, 10_020);
        let changed = FileEntry { sha256: "0".repeat(64), ..entry.files[0].clone() };
        let (path, file) = open(dir.path(), &changed).unwrap();
        assert!(verified(path, file, &changed, false).is_err());
    }
}
