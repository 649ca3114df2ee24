//! tenure: who stays, who leaves, what that costs and what a customer is worth.
//!
//! Every retention figure is a fold over customers. So the exports are read once, each customer's rows brought together
//! once, and every metric looks at each customer's history:
//!
//! ```text
//! exports ─scan─► canonical rows ─scatter by hash(customer_id)─► buckets ─► one history per customer
//!                                                                               │ every fold of the round: observe(view, &mut tally)
//! step outputs ◄─ derive (pure: cuts, windows, fits) ◄─merge─ tallies ◄─────────┘
//!           │  └────────► next round, if something learned is needed
//!           ├─ finish ──► tables, checks
//!           └─ score(bucket) ──► customers, ledger ──► publish
//! ```
//!
//! The program `tenure` is [`cli::main`]. A Rust program calls [`run`], which gives the tables as Polars data frames and may
//! take its sources as such. CONTRIBUTING.md follows one purchase through the folders, file by file.

#[cfg(not(unix))]
compile_error!("tenure does not build on Windows: it publishes results by Unix permissions, links and file locks");

pub mod calendar;
pub mod check;
pub mod cli;
pub mod config;
pub mod engine;
pub mod error;
pub mod exchange;
pub mod job;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod layers;
mod leb128;
mod library;
pub mod memory;
pub mod money;
mod nearest;
pub mod numbers;
pub mod options;
pub mod progress;
#[cfg(test)]
mod properties;
pub mod publish;
mod regular_file;
pub mod rows;
pub mod run_settings;
pub mod source;
pub mod source_kind;
pub mod stage;
pub mod stats;
pub mod table;
pub mod tables;
pub mod tally;
pub mod terminal;
pub mod text;
pub mod timeline;

pub use config::Pipeline;
pub use library::{RunFrames, RunOptions, run};
/// The version whose data frames [`run`] gives and [`Pipeline::with_frame`] takes.
pub use polars;

/// Tests count what they allocate, as the program does.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: memory::CountingAllocator = memory::CountingAllocator;
