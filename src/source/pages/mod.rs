//! The boundary to the `parquet` crate: pages are read, checked and decompressed here, and only then handed over.
//!
//! A page header may claim anything. The crate believes it, and allocates what it claims before it looks at the bytes.
//! So a row group is read in two steps. First the headers of all pages that are about to be read are walked
//! ([`Chunk::survey`]): a page that claims more than its bytes can hold is refused, and what is left says how much memory
//! the row group takes and how many rows fit into a batch. Then the crate decodes, from pages that this module gives it.
//!
//! Columns are flat here: nested ones cannot be mapped, so each value of a page is one row.

mod chunk;
mod column;
mod decompress;
mod delta;
mod header;
mod survey;

pub use chunk::Chunk;
pub use column::{ColumnReader, FileColumn};
pub use survey::{Survey, batch_rows};

/// Why a column chunk cannot be read. Where it is (file, row group, column) is the caller's to say.
#[derive(Debug)]
pub enum Fault {
    /// What is wrong, as the end of a sentence.
    Broken(String),
    /// A page does not match its checksum.
    Damaged,
    /// The operating system's answer.
    Unreadable(std::io::Error),
    /// Reading it would take so many bytes, and they are more than there are.
    TooLarge(u64),
}

impl Fault {
    pub fn broken(what: impl Into<String>) -> Fault {
        Fault::Broken(what.into())
    }
}

/// An error of the crate without the kinds that it puts in front of its words.
pub fn in_words(error: &str) -> &str {
    let kinds = ["Parquet argument error: ", "Parquet error: ", "External: ", "Arrow: "];
    let mut text = error;
    while let Some(rest) = kinds.iter().find_map(|kind| text.strip_prefix(kind)) {
        text = rest;
    }
    text
}

/// Bytes as people read them.
pub fn size(bytes: u64) -> String {
    let units = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} bytes"),
    }
}
