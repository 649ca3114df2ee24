//! Publishing: writes tables as Parquet files into one folder, which appears whole or not at all.
//!
//! ```text
//! out/retail/
//!   .lock                     held while a run writes or `gc` removes; says who
//!   latest -> runs/<run id>   switched last
//!   runs/<run id>/            manifest.json, churn.parquet, ledger/part-00000.parquet, …
//!   runs/.tmp-<run id>/       a run under way; the next run removes what a killed one left
//! ```
//!
//! Files are written into a temporary folder, synced, then renamed: at whatever moment the process is killed or the power
//! fails, `latest` names a complete run. The bytes of a table depend on its rows alone, not on how they were cut into pieces,
//! on the clock or on the machine.

mod arrow_writer;
mod chunk;
mod column;
pub mod crash;
mod dictionary;
pub mod failure;
mod files;
mod format;
pub mod gc;
mod hybrid;
pub mod lock;
pub mod manifest;
mod page_header;
pub mod publication;
pub mod read;
mod row_group;
mod run_id;
pub mod runs;
mod writer;

pub use format::TableFormat;
pub use manifest::Manifest;
pub use publication::{Publication, PublishOptions, Published, Reservation};
pub use row_group::RowGroupWriter;
pub use run_id::RunId;
pub use writer::{RowGroupWriters, TableWriter, WrittenFile};

/// Version of the shape of the tables and the manifest. It is raised when a reader would have to change.
pub const SCHEMA_VERSION: u32 = 1;
