//! Runs a plan without knowing which: walks over buckets, rounds, learned values.

pub mod encoding;
pub mod known;
pub mod local;
pub mod plan;
pub mod estimate;
pub mod score;
mod workers;
