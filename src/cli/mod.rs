//! The command line: one file per command, each with its own options.

pub mod gc;
mod nearest;
mod render;
pub mod run_dir;
pub mod show;
mod stdout;
