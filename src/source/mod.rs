//! Reading exports: files become typed, exact, canonical rows; rows that cannot be used go to the quarantine.
//!
//! No other module reads exports. [`pages`] checks the pages, with their checksums where the file has them, and
//! decompresses them; the `parquet` crate decodes them; only columns that an `sql` or `filter` expression names go through
//! Polars.
//!
//! ```text
//! paths ─files─► footers ─inspect─► Inspected: every mapping bound, typed, compiled   (`check` and `--dry-run` end here)
//!                                       │
//!                                     scan, in tasks of row groups that the filter does not rule out
//!                                       │  batch ─filter─► columns ─typed loops─► canonical rows ─► Sink
//!                                       └────────────────────────────► Scan: reports, quarantine, dictionaries, costs
//! ```
//!
//! [`inspect`] decodes no data. [`scan`] delivers the same rows whatever the number of threads, the batch size and the
//! order of files. Only the numbering of segment values differs, and [`Scan`] says what each number stands for.

mod bridge;
mod budget;
mod columns;
mod condition;
pub mod expression;
mod files;
mod footer;
mod guard;
mod handle;
mod inspect;
mod pages;
mod rejected;
mod rejections;
mod report;
mod scan;
mod statistics;
#[cfg(test)]
mod testing;
mod thrift;
mod unreadable;
mod walk;

pub use crate::source_kind::Needs;
pub use columns::faults::LONGEST_VALUE;
pub use columns::ids::IdKind;
pub use condition::Condition;
pub use inspect::{
    FOOTER_MEMORY, Inspected, InspectedFile, InspectedSource, RuledOut, inspect, inspect_within, mapped,
};
pub use rejected::{Reason, Rejected};
pub use rejections::{KEPT_BYTES, KEPT_ROWS, RejectedRows, Rejections};
pub use report::{InputFile, SourceReport};
pub use scan::{BATCH_ROWS, ReadLimits, Scan, scan};
