//! One customer's history, whatever the exports looked like.
//!
//! Canonical rows are scattered by the hash of the customer id ([`identity`], [`scatter`]) into buckets
//! ([`store`], [`rows`]); a walk over a bucket brings each customer's rows together as a [`history::History`], through
//! a [`lens::Lens`] as spells and [`movements`], and shows them to folds and scorers as a [`view::View`].

pub mod history;
pub mod identity;
pub mod lens;
pub mod movements;
pub mod rows;
pub mod scatter;
pub mod segments;
pub mod shape;
pub mod spells;
pub mod store;
pub mod terms;
pub mod view;
