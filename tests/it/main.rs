//! The program from outside: exports and a pipeline file in, tables out.
//!
//! - [`models`], [`survival_published`]: the statistics alone, against figures that others have printed.
//! - [`published`], [`published_fits`], [`worked`]: figures that others have printed, and every worked example of the definitions.
//! - [`oracle`]: random histories against [`naive`], the definitions written down a second time; [`settled`]: what was meant
//!   where they leave room, and who says so.
//! - [`fitted`]: models of buying against the same definitions, and against sums over all customers there could be
//!   ([`integrals`]).
//! - [`maxima`]: fitted parameters against naive likelihoods: the greatest, and of the right counts.
//! - [`lifetimes`]: what customers are worth, by the methods without a fit, against the same definitions.
//! - [`forecast`]: what is expected, and how past expectations fared: cases by hand, and naive smoothing.
//! - [`habits`]: learned windows, scores and shares, recomputed with every customer in memory.
//! - [`answers`]: what customers answered and did afterwards, recomputed the same way on random histories.
//! - [`currencies`]: amounts in several currencies, converted by hand and recomputed on random histories.
//! - [`policies`], [`contracts`]: every switch and every shape of a contract in a few lines, figures by hand.
//! - [`reconcile`]: what policies differ by, against runs with each of them and with each switch flipped in turn.
//! - [`risk`]: early warning, with every customer in memory.
//! - [`hostile`]: histories that no model was made for.
//! - [`guards`]: what a condition excludes cannot fail.
//! - [`laws`]: the same input, however it is cut up, gives the same bytes.
//! - [`commands`]: what the commands say that look without computing, and how options act.
//! - [`bounded`]: files that claim millions of rows, and texts of any length, within the memory limit.
//! - [`memory`]: within a limit, what does not fit goes to temporary files, and threads are those asked for.
//! - [`corpus`]: what fuzzing has kept, once more.
//! - [`fallback`]: where a model has no answer.
//! - [`odd_rows`]: rows that no figure can use are said.
//! - [`bombs`]: files that claim more than they hold, written byte by byte ([`handmade`]).
//! - [`secrets`]: what the environment holds is shown nowhere.
//! - [`terminals`]: what a terminal would obey is escaped everywhere.
//! - [`mistakes`], [`signals`]: what goes wrong is said, and leaves nothing behind.
//! - [`remedies`]: what messages tell to do, done as printed.
//! - [`samples`]: the pipeline files that README and docs show.
//! - [`links`]: planted links are not followed, and permissions are bounded; [`truth`]: messages and exit status say what
//!   has happened.
//! - [`replaced`]: exports that change while they are read, and files that are none.

#![expect(unreachable_pub, reason = "a test crate offers nothing to others")]
#![expect(clippy::inconsistent_digit_grouping, reason = "12_34 is twelve pounds thirty-four")]

mod acquisition;
mod answers;
mod bombs;
mod bounded;
mod cells;
mod commands;
mod compare;
mod contracts;
mod corpus;
mod currencies;
mod days;
mod dice;
mod edges;
mod exit_reasons;
mod export;
mod fallback;
mod fitted;
mod forecast;
mod generate;
mod guards;
mod habits;
mod handmade;
mod hostile;
mod integrals;
mod laws;
mod ledger;
mod lifetimes;
mod links;
mod looked_at;
mod loyal;
mod maxima;
mod memory;
mod mistakes;
mod models;
mod naive;
mod odd_rows;
mod oracle;
mod policies;
mod published;
mod published_fits;
mod reconcile;
mod reference;
mod remedies;
mod replaced;
mod risk;
mod samples;
mod scenario;
mod secrets;
mod settled;
mod signals;
mod small;
mod support;
mod survival_published;
mod terminals;
mod truth;
mod voice;
mod worked;

/// What is fuzzed: functions of bytes, see fuzz/README.md.
#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;
