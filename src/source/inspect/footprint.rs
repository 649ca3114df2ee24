//! Estimates the memory that a thread takes while it reads a row group.

use super::inspected::{Inspected, InspectedSource};
use super::layout::ColumnOrigin;

/// Bytes of a page of a column, compressed and decompressed, and of its dictionary. Writers keep each at about a mebibyte.
const PAGES: u64 = 4 << 20;
/// Bytes of a decoded value, and of the canonical value that it becomes.
const VALUE: u64 = 24;
/// Bytes that a thread keeps beside columns: hashes of ids, places of rows.
const BESIDE: u64 = 2 << 20;

impl Inspected {
    /// Bytes that a thread takes while it reads any row group of the run, by the footers.
    pub fn bytes_a_thread(&self, batch_rows: usize) -> u64 {
        let sources = self.sources.values().filter(|source| source.is_read());
        sources.map(|source| source.bytes_a_thread(batch_rows as u64)).max().unwrap_or(0) + BESIDE
    }
}

impl InspectedSource {
    fn bytes_a_thread(&self, batch_rows: u64) -> u64 {
        let mut most = 0;
        for file in &self.files {
            let metadata = file.footer.metadata.metadata();
            let schema = metadata.file_metadata().schema_descr();
            let is_read = |leaf: usize| {
                let root = schema.get_column_root_idx(leaf);
                file.origins.iter().any(|origin| matches!(origin, ColumnOrigin::File(read) if *read == root))
            };
            let leaves: Vec<usize> = (0..schema.num_columns()).filter(|leaf| is_read(*leaf)).collect();
            // Neighbouring row groups are read together until they fill a batch.
            let rows = batch_rows.min(file.input.rows);
            for group in metadata.row_groups() {
                let bytes = leaves.iter().map(|leaf| {
                    let uncompressed = u64::try_from(group.column(*leaf).uncompressed_size()).unwrap_or(0);
                    uncompressed.saturating_mul(2).min(PAGES) + rows * VALUE
                });
                most = most.max(bytes.fold(0, u64::saturating_add));
            }
        }
        most
    }
}
