//! Executes a [`plan::Plan`] of folds and derivations without knowing which stages registered them.
//!
//! [`plan`] describes the life of a fold, [`local`] runs a plan on this machine, [`score`] writes the tables that have
//! rows of single customers, and [`estimate`] bounds the memory of a plan before it runs.

pub mod encoding;
pub mod estimate;
pub mod local;
pub mod memory_sink;
pub mod per_customer;
pub mod plan;
pub mod score;
pub mod step_outputs;
mod workers;
