//! The history of single customers: where their rows are kept, and what a customer is under a lens.
//!
//! 1. [`scatter`] sends canonical rows to buckets by the hash of the customer id ([`identity`]).
//! 2. The [`store`] holds the buckets. While rows arrive, a bucket has a `bucket_buffer`: a `directory` of its
//!    customers and an `append_log` for each kind of row. Buffers become runs of [`record`]s, which may `spill` to a
//!    temporary file, and after the last row `merge` brings the runs of a bucket together.
//! 3. A walk reads each customer's record as a [`history::CustomerHistory`], and a [`lens_evaluator::LensEvaluator`]
//!    evaluates it under each [`lens::Lens`]: live ranges of subscriptions ([`subscription_periods`]), [`spells`],
//!    [`movements`], ends of paid terms ([`renewals_due`]).
//! 4. Folds and scorers see the result as a [`view::View`]. From it they derive [`renewal_events`], [`purchases`],
//!    [`trials`] and [`risk_features`].
//!
//! What a run learns about all customers before it evaluates them ([`purchase_frequency`], [`scores`]) is part of its
//! [`shape`].

mod append_log;
mod boundary_states;
mod bucket_buffer;
pub mod builtin;
pub mod customer_state;
pub mod day_totals;
mod directory;
pub mod feature_reader;
mod foreign_currency;
pub mod history;
pub mod identity;
pub mod labels;
pub mod lens;
pub mod lens_evaluator;
mod merge;
pub mod movements;
mod ordered;
pub mod policy;
pub mod purchase_frequency;
pub mod purchases;
pub mod record;
pub mod renewal_events;
pub mod renewals_due;
pub mod risk_features;
pub mod rows;
pub mod scatter;
pub mod scores;
pub mod segment_timeline;
pub mod segments;
pub mod shape;
pub mod spells;
mod spill;
pub mod store;
pub mod subscription_periods;
pub mod subscription_spans;
pub mod trials;
mod usage_and_surveys;
mod varint;
pub mod view;
