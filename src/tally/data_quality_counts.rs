//! Counts of customers and of irregularities in their data, which table `checks` reports.

use serde::{Deserialize, Serialize};

use crate::engine::plan::{Fold, FoldSpec, Needs, Plan};
use crate::engine::step_outputs::Ref;
use crate::timeline::lens::Lens;
use crate::timeline::segments::SegmentIndex;
use crate::timeline::shape::Shape;
use crate::timeline::subscription_spans::SubscriptionCounts;
use crate::timeline::view::View;

/// Counts over all customers of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataQualityCounts {
    /// Customers that exist: those in the basis source or in `customers`.
    pub customers: i64,
    /// Of these, those in `customers` only.
    pub never_in_basis: i64,
    /// Of these, those in the basis source who are missing from `customers`, if that is mapped.
    pub not_in_customers: i64,
    /// Of these, those in the basis source who were never live: they have only refunds, free plans or trials.
    pub never_live: i64,
    /// Rows of `customers` that a conflicting row of the same customer replaced.
    pub conflicting_rows: i64,
    /// Customer-days with transactions at or after as_of.
    pub days_after_as_of: i64,
    /// Customer-days of use at or after as_of.
    pub uses_after_as_of: i64,
    /// Answers at or after as_of.
    pub answers_after_as_of: i64,
    /// Counts of subscription rows.
    pub terms: SubscriptionCounts,
    /// Net revenue of all days, in minor units.
    pub revenue: i128,
}

struct DataQualityFold;

/// Registers the count. It waits for the index of segments only to share a walk with the folds that need it.
pub fn plan(plan: &mut Plan, index: Ref<SegmentIndex>, lens: Lens) -> Ref<DataQualityCounts> {
    let after = vec![index.id()];
    let spec = FoldSpec { kind: "data quality", params: String::new(), lens, needs: Needs::default(), after, reach: 0 };
    plan.fold(spec, |_| Ok(DataQualityFold))
}

impl Fold for DataQualityFold {
    type Tally = DataQualityCounts;

    fn cells(&self, _: &Shape) -> u64 {
        1
    }

    fn start(&self) -> DataQualityCounts {
        DataQualityCounts::default()
    }

    fn observe(&self, tally: &mut DataQualityCounts, view: &View<'_>) {
        tally.customers += 1;
        tally.never_in_basis += i64::from(!view.in_basis());
        tally.not_in_customers += i64::from(view.in_basis() && !view.is_member());
        tally.never_live += i64::from(view.in_basis() && view.spells().is_empty());
        tally.conflicting_rows += i64::from(view.conflicts());
        tally.days_after_as_of += view.days_after() as i64;
        let (uses, answers) = view.usage_and_surveys_after();
        tally.uses_after_as_of += uses as i64;
        tally.answers_after_as_of += answers as i64;
        tally.revenue += view.days().iter().map(|d| i128::from(d.net)).sum::<i128>();
        add(&mut tally.terms, view.subscription_counts());
    }

    fn merge(&self, into: &mut DataQualityCounts, from: DataQualityCounts) {
        into.customers += from.customers;
        into.never_in_basis += from.never_in_basis;
        into.not_in_customers += from.not_in_customers;
        into.never_live += from.never_live;
        into.conflicting_rows += from.conflicting_rows;
        into.days_after_as_of += from.days_after_as_of;
        into.uses_after_as_of += from.uses_after_as_of;
        into.answers_after_as_of += from.answers_after_as_of;
        into.revenue += from.revenue;
        add(&mut into.terms, &from.terms);
    }

    fn size(&self, _: &DataQualityCounts) -> u64 {
        1
    }
}

fn add(into: &mut SubscriptionCounts, from: &SubscriptionCounts) {
    into.rows += from.rows;
    into.after_as_of += from.after_as_of;
    into.never_live += from.never_live;
    into.trial_outlives += from.trial_outlives;
    into.free += from.free;
    into.end_derived += from.end_derived;
    into.ended += from.ended;
    into.resumed_within_3_days += from.resumed_within_3_days;
}
