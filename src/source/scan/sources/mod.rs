//! How the columns of each source become its canonical rows: one file a source.

mod acquisition_costs;
mod customers;
mod exchange_rates;
mod subscriptions;
mod surveys;
mod transactions;
mod usage;

pub(super) use acquisition_costs::CostRows;
pub(super) use exchange_rates::RateRows;
