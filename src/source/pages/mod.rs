//! The boundary to the `parquet` crate: pages are read, checked and decompressed here before the crate decodes them.
//!
//! A page header may claim anything. The crate believes it, and allocates what it claims before it looks at the bytes.
//! So a row group is read in two steps. First the headers of all pages that are about to be read are walked
//! ([`ColumnChunk::survey`]): a page that claims more than its bytes can hold is refused, and what is left says how much memory
//! the row group takes and how many rows fit into a batch. Then the crate decodes, from pages that this module gives it.
//!
//! Columns are flat here: nested ones cannot be mapped, so each value of a page is one row.

mod chunk;
mod column;
mod decompress;
mod delta;
mod header;
mod survey;

pub(super) use chunk::ColumnChunk;
pub(super) use column::{ColumnReader, FileColumn};
pub(super) use survey::{Survey, batch_rows};

/// Why a column chunk cannot be read. The caller adds the place: file, row group and column.
#[derive(Debug)]
pub(super) enum ChunkFault {
    /// What is wrong, as the end of a sentence.
    Broken(String),
    /// A page does not match its checksum.
    Damaged,
    /// The operating system could not read the file.
    Unreadable(std::io::Error),
    /// Reading it takes this many bytes, which is more than the run has for it.
    TooLarge(u64),
}

impl ChunkFault {
    pub(super) fn broken(what: impl Into<String>) -> ChunkFault {
        ChunkFault::Broken(what.into())
    }
}

/// The message of an error of the crate, without the kinds of error that it puts in front.
pub(super) fn in_words(error: &str) -> &str {
    let kinds = ["Parquet argument error: ", "Parquet error: ", "External: ", "Arrow: "];
    let mut text = error;
    while let Some(rest) = kinds.iter().find_map(|kind| text.strip_prefix(kind)) {
        text = rest;
    }
    text
}

/// A number of bytes as people read it, such as `1.5 MiB`.
pub(super) fn size(bytes: u64) -> String {
    let units = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} bytes"),
    }
}
