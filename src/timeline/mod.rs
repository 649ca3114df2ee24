//! One customer's history, whatever the exports looked like.
//!
//! Canonical rows are scattered by the hash of the customer id ([`identity`], [`scatter`]) into buckets ([`store`]):
//! there they are logged as they come ([`buffer`], [`directory`], [`log`]), settled into runs of [`record`]s that may
//! [`spill`], and brought together customer by customer ([`merge`], [`rows`]). A walk over a bucket reads each
//! customer's record as a [`history::CustomerHistory`], looks at it through a [`lens::Lens`] as spells and [`movements`],
//! [`renewal_events`] about renewals, [`purchases`] and [`features`] of leaving, and shows it to folds and scorers as a [`view::View`]. What a run learns
//! of all customers before it looks at them so ([`frequency_classes`], [`scores`]) lies in its [`shape`].

mod append_log;
mod bucket_buffer;
pub mod builtin;
mod directory;
mod foreign_currency;
pub mod history;
pub mod identity;
pub mod labels;
pub mod lens;
mod merge;
pub mod movements;
mod ordered;
pub mod policy;
pub mod purchase_frequency;
pub mod purchases;
pub mod record;
pub mod renewal_events;
pub mod risk_features;
pub mod rows;
pub mod scatter;
pub mod scores;
pub mod segments;
pub mod shape;
pub mod spells;
mod spill;
pub mod store;
pub mod subscription_periods;
pub mod trials;
mod usage_and_surveys;
mod varint;
pub mod view;
