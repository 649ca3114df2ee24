//! The program from outside: exports and a pipeline file in, tables out.
//!
//! - [`published`], [`worked`]: figures that others have printed, and every worked example of the definitions.
//! - [`oracle`]: random histories against [`naive`], the definitions written down a second time.
//! - [`laws`]: the same input, however it is cut up, gives the same bytes.
//! - [`commands`]: what the commands say that look without computing, and how options act.
//! - [`memory`]: within a limit, what does not fit goes to temporary files, and threads are those asked for.
//! - [`mistakes`], [`signals`]: what goes wrong is said, and leaves nothing behind.

#![expect(clippy::inconsistent_digit_grouping, reason = "12_34 is twelve pounds thirty-four")]

mod commands;
mod compare;
mod days;
mod dice;
mod edges;
mod export;
mod generate;
mod laws;
mod ledger;
mod memory;
mod mistakes;
mod naive;
mod oracle;
mod published;
mod scenario;
mod signals;
mod support;
mod worked;
