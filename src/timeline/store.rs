//! Where the rows of a bucket live between the scan and the walks.

use std::sync::RwLock;

use super::identity::BUCKETS;
use super::rows::{Rows, SharedKey};
use crate::error::{Error, Result};

/// Keeps rows per bucket. Appending happens from several threads; after [`seal`](BucketStore::seal) buckets are only
/// read, any number of times.
pub trait BucketStore: Send + Sync {
    fn append(&self, bucket: usize, rows: Rows) -> Result<()>;

    /// Combines what a bucket holds, once its last row is in.
    fn seal(&self, bucket: usize) -> Result<std::result::Result<(), SharedKey>>;

    /// Shows the combined rows of a sealed bucket.
    fn read(&self, bucket: usize, visit: &mut dyn FnMut(&Rows) -> Result<()>) -> Result<()>;
}

/// Everything in memory; a bucket is combined whenever it has doubled.
pub struct MemoryStore {
    buckets: Vec<RwLock<Kept>>,
}

#[derive(Default)]
struct Kept {
    rows: Rows,
    /// Rows after the last combine.
    combined: usize,
}

/// Below this many rows combining early saves nothing worth its time.
const COMBINE_FROM: usize = 1 << 20;

impl Default for MemoryStore {
    fn default() -> Self {
        MemoryStore { buckets: (0..BUCKETS).map(|_| RwLock::default()).collect() }
    }
}

fn poisoned<T>(_: T) -> Error {
    Error::internal("a thread failed while it held a bucket of rows")
}

impl BucketStore for MemoryStore {
    fn append(&self, bucket: usize, rows: Rows) -> Result<()> {
        let mut kept = self.buckets[bucket].write().map_err(poisoned)?;
        kept.rows.append(rows);
        if kept.rows.len() > COMBINE_FROM.max(2 * kept.combined) {
            // A shared key found here is found again when the bucket is sealed.
            let _ = kept.rows.combine()?;
            kept.combined = kept.rows.len();
        }
        Ok(())
    }

    fn seal(&self, bucket: usize) -> Result<std::result::Result<(), SharedKey>> {
        self.buckets[bucket].write().map_err(poisoned)?.rows.seal()
    }

    fn read(&self, bucket: usize, visit: &mut dyn FnMut(&Rows) -> Result<()>) -> Result<()> {
        visit(&self.buckets[bucket].read().map_err(poisoned)?.rows)
    }
}

/// A test double: every append goes to a file of its own at once, and every read comes from files, so that nothing can
/// lean on rows being in memory or whole.
#[cfg(test)]
pub struct SpillEverything {
    dir: tempfile::TempDir,
    files: Vec<RwLock<Vec<std::path::PathBuf>>>,
}

#[cfg(test)]
impl Default for SpillEverything {
    fn default() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        SpillEverything { dir, files: (0..BUCKETS).map(|_| RwLock::default()).collect() }
    }
}

#[cfg(test)]
impl SpillEverything {
    fn put(&self, files: &mut Vec<std::path::PathBuf>, bucket: usize, rows: &Rows) {
        let path = self.dir.path().join(format!("{bucket}-{}", files.len()));
        std::fs::write(&path, postcard::to_stdvec(rows).expect("rows encode")).expect("a file");
        files.push(path);
    }

    fn load(files: &[std::path::PathBuf]) -> Rows {
        let mut all = Rows::default();
        for path in files {
            all.append(postcard::from_bytes(&std::fs::read(path).expect("a file")).expect("rows decode"));
        }
        all
    }
}

#[cfg(test)]
impl BucketStore for SpillEverything {
    fn append(&self, bucket: usize, mut rows: Rows) -> Result<()> {
        let _ = rows.combine()?;
        let mut files = self.files[bucket].write().map_err(poisoned)?;
        self.put(&mut files, bucket, &rows);
        Ok(())
    }

    fn seal(&self, bucket: usize) -> Result<std::result::Result<(), SharedKey>> {
        let mut files = self.files[bucket].write().map_err(poisoned)?;
        let mut rows = Self::load(&files);
        let outcome = rows.seal()?;
        files.clear();
        self.put(&mut files, bucket, &rows);
        Ok(outcome)
    }

    fn read(&self, bucket: usize, visit: &mut dyn FnMut(&Rows) -> Result<()>) -> Result<()> {
        visit(&Self::load(&self.files[bucket].read().map_err(poisoned)?))
    }
}
