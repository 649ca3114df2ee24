//! The tables that every run writes, whatever its stages, and those that no single stage owns.
//!
//! `checks`, `dates`, `quarantine` and `segments` take plain values: whoever has read the exports, or computed the figures,
//! hands them in.

pub mod checks;
pub mod churn_windows;
pub mod customers;
pub mod dates;
pub mod ledger;
pub mod quarantine;
pub mod segments;

use crate::table::TableSchema;

/// The schemas of the tables that every run writes beside `customers` and `ledger`, in the order of their names.
pub fn schemas() -> [TableSchema; 4] {
    [checks::schema(), dates::schema(), quarantine::schema(), segments::schema()]
}
