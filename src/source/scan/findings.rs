//! What all tasks of a scan add to beside the rows that they deliver.

use crate::config::Pipeline;
use crate::source::budget::Budget;
use crate::source::columns::texts::ValueDictionary;
use crate::source::rejections::Collector;

use super::side_tables::{Costs, RatesRead};

/// Shared by all tasks. Each part has its own bound, so that nothing here grows with the rows that are read.
#[derive(Debug)]
pub(super) struct Findings<'a> {
    pub dictionaries: Dictionaries<'a>,
    pub rejected: Collector,
    pub costs: Costs<'a>,
    pub rates: RatesRead<'a>,
}

/// Texts, numbered in the order in which the scan meets them.
#[derive(Debug)]
pub(super) struct Dictionaries<'a> {
    /// One for each of `Pipeline::segments`.
    pub segments: Vec<ValueDictionary<'a>>,
    /// `customers.acquired_by` and `acquisition_costs.channel`.
    pub channels: ValueDictionary<'a>,
    /// `subscriptions.cancel_reason` and `surveys.reason`.
    pub reasons: ValueDictionary<'a>,
}

impl<'a> Findings<'a> {
    /// `budget`: the memory that dictionaries, costs and rates take together.
    pub(super) fn new(pipeline: &Pipeline, budget: &'a Budget) -> Findings<'a> {
        let segment = |name: &String| ValueDictionary::new(format!("segment {name} has"), budget);
        let columns = |a: &str, b: &str| ValueDictionary::new(format!("{a} and {b} together have"), budget);
        Findings {
            dictionaries: Dictionaries {
                segments: pipeline.segments.iter().map(|s| segment(&s.name)).collect(),
                channels: columns("customers.acquired_by", "acquisition_costs.channel"),
                reasons: columns("subscriptions.cancel_reason", "surveys.reason"),
            },
            rejected: Collector::default(),
            costs: Costs::new(budget),
            rates: RatesRead::new(budget),
        }
    }
}
