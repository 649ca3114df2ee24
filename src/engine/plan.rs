//! The plan of a run: its folds, its derivations, and the rounds that follow from their dependencies.
//!
//! # The life of a fold
//!
//! A *fold* computes a mergeable summary of all customers, its *tally*, as an accumulator of a query engine does. A
//! *derivation* is a pure function of earlier results. Stages register both in a [`Plan`];
//! [`local::run`](super::local::run) executes it:
//!
//! ```text
//! register  Plan::fold(spec, make) -> Ref<Tally>    Equal specs are folded once. The round of a fold is one more
//!    |                                              than the highest round of the folds in `spec.after`.
//!    v
//! make      make(&StepOutputs) -> impl Fold         Called once, when all results in `spec.after` are there.
//!    |
//!    |      is_noop()?  -- yes: the tally of start() is the result, and the fold takes part in no walk
//!    v
//! walk      All folds of a round share one pass over the customers; each worker has tallies of its own:
//!    |
//!    |        worker 1                worker 2
//!    |        start()                 start()
//!    |        observe(customer) ...   observe(customer) ...     customers as seen through `spec.lens`
//!    |            `------ merge() ------'
//!    v
//! finish    The merged tally is stored in StepOutputs, where StepOutputs::get(ref) finds it: later folds,
//!           derivations and, in the end, the stage that makes tables of it.
//! ```
//!
//! A tally holds integers only and `merge` is associative and commutative. The result therefore does not depend on the
//! number of threads, on which worker met which customer, or on the memory limit.
//!
//! # Example
//!
//! Counts the customers and their days of activity in two transactions of one customer:
//!
//! ```
//! use jiff::civil::Weekday;
//! use tenure::calendar::{Day, Period};
//! use tenure::engine::local;
//! use tenure::engine::plan::{Fold, FoldSpec, Needs, Plan};
//! use tenure::error::Result;
//! use tenure::progress::NoProgress;
//! use tenure::rows::{Batch, Ids, Sink, TransactionBatch};
//! use tenure::timeline::identity::CustomerHasher;
//! use tenure::timeline::lens::{Lens, LiveRule};
//! use tenure::timeline::scatter::Scatter;
//! use tenure::timeline::segments::SegmentDictionary;
//! use tenure::timeline::shape::{Basis, Shape};
//! use tenure::timeline::store::Store;
//! use tenure::timeline::view::View;
//!
//! struct ActiveDays;
//!
//! impl Fold for ActiveDays {
//!     /// Customers, and their days of activity.
//!     type Tally = (u64, u64);
//!
//!     fn cells(&self, _: &Shape) -> u64 {
//!         2
//!     }
//!     fn start(&self) -> (u64, u64) {
//!         (0, 0)
//!     }
//!     fn observe(&self, tally: &mut (u64, u64), customer: &View<'_>) {
//!         tally.0 += 1;
//!         tally.1 += customer.days().iter().filter(|day| day.active > 0).count() as u64;
//!     }
//!     fn merge(&self, into: &mut (u64, u64), from: (u64, u64)) {
//!         into.0 += from.0;
//!         into.1 += from.1;
//!     }
//!     fn size(&self, _: &(u64, u64)) -> u64 {
//!         2
//!     }
//! }
//!
//! # fn main() -> Result<()> {
//! let store = Store::unlimited();
//! let scatter = Scatter::new(CustomerHasher::default(), &store);
//! scatter.accept(Batch::Transactions(TransactionBatch {
//!     ids: Ids::Integer(vec![17, 17]),
//!     days: vec![Day(3), Day(9)],
//!     instants: vec![0, 0],
//!     amounts: vec![500, 700],
//!     active: vec![true, true],
//!     orders: None,
//!     segments: vec![],
//! }))?;
//! scatter.finish()?;
//!
//! let window = (Day(0), Day(31));
//! let dictionary = SegmentDictionary::default();
//! let shape = Shape::new(Basis::Transactions, window, window.0, Weekday::Monday, true, true, false, dictionary);
//!
//! let mut plan = Plan::default();
//! let days = plan.fold(
//!     FoldSpec {
//!         kind: "active days",
//!         params: String::new(),
//!         lens: Lens { period: Period::Month, rule: LiveRule::Period, until: None },
//!         needs: Needs::default(),
//!         after: vec![],
//!         reach: 0,
//!     },
//!     |_| Ok(ActiveDays),
//! );
//! let outputs = local::run(&plan, shape.into(), &store, &NoProgress)?;
//! assert_eq!(*outputs.get(days)?, (1, 2));
//! # Ok(())
//! # }
//! ```

use std::any::Any;
use std::sync::Arc;

use super::step_outputs::{Artifact, NodeId, Ref, StepOutputs};
use crate::error::{Error, Result};
use crate::timeline::lens::Lens;
use crate::timeline::shape::Shape;
pub use crate::timeline::view::Needs;
use crate::timeline::view::View;

/// Identifies a fold: equal specs are folded once, however many stages register them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldSpec {
    /// The kind of fold, as `explain` prints it.
    pub kind: &'static str,
    /// The parameters beside the lens, as `explain` prints them.
    pub params: String,
    pub lens: Lens,
    /// What it reads beside days, amounts and spells. The union over a plan decides which columns the scan decodes.
    pub needs: Needs,
    /// The results that `make` and the fold depend on.
    pub after: Vec<NodeId>,
    /// The highest age (in periods) or other index up to which the fold counts; 0 if it has none. Of specs that differ
    /// in this alone only the one with the greatest reach is folded: its tally contains those of the others.
    pub reach: usize,
}

impl FoldSpec {
    /// True if the specs differ in their reach at most.
    fn is_like(&self, other: &FoldSpec) -> bool {
        FoldSpec { reach: other.reach, ..self.clone() } == *other
    }
}

/// A mergeable, exact, serialisable summary of customers. See the [module](self) for its life and an example.
///
/// `merge` must be associative and commutative, and tallies hold integers only, so that the result depends on nothing
/// but the set of customers. The laws in `src/laws` check this for every fold of every stage.
pub trait Fold: Send + Sync + 'static {
    /// The state of a worker, and merged the result.
    type Tally: Artifact;

    /// True if [`observe`](Fold::observe) reads spells, movements or subscription periods. A walk computes these only
    /// for the lenses of folds that read them.
    fn spells(&self) -> bool {
        true
    }
    /// An upper bound of the number of cells (16 bytes each) of a tally, from the numbers of periods and segment
    /// values.
    fn cells(&self, shape: &Shape) -> u64;
    /// An upper bound of the number of cells of a tally of one customer. A tally of n customers has at most n times as
    /// many, which bounds small runs more tightly than [`cells`](Fold::cells).
    fn cells_of_one(&self, shape: &Shape) -> u64 {
        self.cells(shape)
    }
    /// True if about every cell becomes a row of a result table. Such tables are in memory as a whole before they are
    /// written, so their size is checked before they are made.
    fn is_tabled(&self) -> bool {
        false
    }
    /// The option of the stage, beside its period and segments, that makes the tally smaller when it is lowered: an
    /// error about memory names it.
    fn key_to_lower(&self) -> Option<&'static str> {
        None
    }
    /// The tally of no customers.
    fn start(&self) -> Self::Tally;
    /// The largest tally that customers can lead to. [`estimate`](super::estimate) gives it to the nodes that depend on
    /// this fold, to bound their size before any customer was read. Folds that no other depends on keep the default.
    fn max_tally(&self, _shape: &Shape) -> Self::Tally {
        self.start()
    }
    /// True if no customer can change the tally; the walk is then skipped.
    fn is_noop(&self) -> bool {
        false
    }
    /// Adds a customer to the tally. It cannot fail: rows that could make it fail were quarantined by the scan.
    fn observe(&self, tally: &mut Self::Tally, customer: &View<'_>);
    /// Adds a tally of other customers.
    fn merge(&self, into: &mut Self::Tally, from: Self::Tally);
    /// The number of cells that a tally holds, at most [`cells`](Fold::cells).
    fn size(&self, tally: &Self::Tally) -> u64;
}

pub(super) type AnyTally = Box<dyn Any + Send + Sync>;
type Make = Box<dyn Fn(&StepOutputs) -> Result<Box<dyn AnyFold>> + Send + Sync>;
type Derive = Box<dyn Fn(&StepOutputs) -> Result<Arc<dyn Any + Send + Sync>> + Send + Sync>;

/// A [`Fold`] with its tally's type erased, so that a walk can hold folds of all types in one list.
pub(crate) trait AnyFold: Send + Sync {
    fn spells(&self) -> bool;
    fn cells(&self, shape: &Shape) -> u64;
    fn cells_of_one(&self, shape: &Shape) -> u64;
    fn is_tabled(&self) -> bool;
    fn key_to_lower(&self) -> Option<&'static str>;
    fn start(&self) -> AnyTally;
    fn is_noop(&self) -> bool;
    fn max_tally(&self, shape: &Shape) -> AnyTally;
    fn observe(&self, tally: &mut (dyn Any + Send + Sync), customer: &View<'_>);
    fn merge(&self, into: &mut (dyn Any + Send + Sync), from: AnyTally);
    fn finish(&self, tally: AnyTally) -> Result<Arc<dyn Any + Send + Sync>>;
    fn size(&self, tally: &(dyn Any + Send + Sync)) -> u64;
    #[cfg(test)]
    fn encode(&self, tally: &(dyn Any + Send + Sync)) -> Result<Vec<u8>>;
    #[cfg(test)]
    fn decode(&self, bytes: &[u8]) -> Result<AnyTally>;
}

const WRONG_TALLY: &str = "a fold is only given tallies that it started";

impl<F: Fold> AnyFold for F {
    fn spells(&self) -> bool {
        Fold::spells(self)
    }

    fn cells(&self, shape: &Shape) -> u64 {
        Fold::cells(self, shape)
    }

    fn cells_of_one(&self, shape: &Shape) -> u64 {
        Fold::cells_of_one(self, shape)
    }

    fn is_tabled(&self) -> bool {
        Fold::is_tabled(self)
    }

    fn key_to_lower(&self) -> Option<&'static str> {
        Fold::key_to_lower(self)
    }

    fn start(&self) -> AnyTally {
        Box::new(Fold::start(self))
    }

    fn is_noop(&self) -> bool {
        Fold::is_noop(self)
    }

    fn max_tally(&self, shape: &Shape) -> AnyTally {
        Box::new(Fold::max_tally(self, shape))
    }

    fn observe(&self, tally: &mut (dyn Any + Send + Sync), customer: &View<'_>) {
        Fold::observe(self, tally.downcast_mut().expect(WRONG_TALLY), customer);
    }

    fn merge(&self, into: &mut (dyn Any + Send + Sync), from: AnyTally) {
        Fold::merge(self, into.downcast_mut().expect(WRONG_TALLY), *from.downcast().expect(WRONG_TALLY));
    }

    fn finish(&self, tally: AnyTally) -> Result<Arc<dyn Any + Send + Sync>> {
        let tally: Box<F::Tally> = tally.downcast().map_err(|_| Error::internal(WRONG_TALLY))?;
        Ok(Arc::new(*tally))
    }

    fn size(&self, tally: &(dyn Any + Send + Sync)) -> u64 {
        Fold::size(self, tally.downcast_ref().expect(WRONG_TALLY))
    }

    #[cfg(test)]
    fn encode(&self, tally: &(dyn Any + Send + Sync)) -> Result<Vec<u8>> {
        super::encoding::encode::<F::Tally>(tally.downcast_ref().expect(WRONG_TALLY))
    }

    #[cfg(test)]
    fn decode(&self, bytes: &[u8]) -> Result<AnyTally> {
        Ok(Box::new(super::encoding::decode::<F::Tally>(bytes)?))
    }
}

/// What a node of the plan does.
pub(super) enum NodeWork {
    Fold { spec: FoldSpec, lens: usize, make: Make },
    Derive(Derive),
}

pub(super) struct PlanNode {
    pub work: NodeWork,
    /// The nodes whose results it needs. They come before it in the plan.
    pub after: Vec<NodeId>,
    /// The walk that a fold takes part in, or before which a derivation runs, at the latest; from 0.
    pub round: usize,
}

type ShapeUpdate = Box<dyn Fn(&StepOutputs, Shape) -> Result<Shape> + Send + Sync>;

/// The folds and derivations of a run, in an order in which each depends on earlier ones only.
#[derive(Default)]
pub struct Plan {
    pub(super) nodes: Vec<PlanNode>,
    lenses: Vec<Lens>,
    needs: Needs,
    /// How the result of a node becomes part of the [`Shape`].
    shape_updates: Vec<(NodeId, ShapeUpdate)>,
}

impl Plan {
    /// Registers a fold and returns a handle on its tally. If an equal fold is registered already, it is shared.
    ///
    /// `make` is called once, when all results named in `spec.after` are there.
    pub fn fold<F: Fold>(
        &mut self,
        spec: FoldSpec,
        make: impl Fn(&StepOutputs) -> Result<F> + Send + Sync + 'static,
    ) -> Ref<F::Tally> {
        let make: Make = Box::new(move |outputs| Ok(Box::new(make(outputs)?)));
        let registered = self.nodes.iter_mut().enumerate().find_map(|(i, node)| match &mut node.work {
            NodeWork::Fold { spec: other, make, .. } if other.is_like(&spec) => Some((i, other, make)),
            _ => None,
        });
        if let Some((same, other, made)) = registered {
            if spec.reach > other.reach {
                (*other, *made) = (spec, make);
            }
            return Ref::new(NodeId(same));
        }
        let lens = self.lens(spec.lens);
        let (after, round) = (spec.after.clone(), self.round_after(&spec.after));
        self.require(spec.needs);
        self.push(PlanNode { work: NodeWork::Fold { spec, lens, make }, after, round })
    }

    /// Registers a pure function of the results named in `after`, and returns a handle on what it computes.
    pub fn derive<T: Artifact>(
        &mut self,
        after: &[NodeId],
        make: impl Fn(&StepOutputs) -> Result<T> + Send + Sync + 'static,
    ) -> Ref<T> {
        let round = self.round_after(after);
        let make: Derive = Box::new(move |outputs| Ok(Arc::new(make(outputs)?)));
        self.push(PlanNode { work: NodeWork::Derive(make), after: after.to_vec(), round })
    }

    /// Makes a result part of the [`Shape`] as soon as it is there. Later walks evaluate customers with it: churn
    /// windows learned by class are used so.
    pub fn publish_to_shape<T: Artifact>(
        &mut self,
        of: Ref<T>,
        into: impl Fn(Shape, Arc<T>) -> Shape + Send + Sync + 'static,
    ) {
        let publish_to_shape: ShapeUpdate = Box::new(move |outputs, shape| Ok(into(shape, outputs.get(of)?)));
        self.shape_updates.push((of.id(), publish_to_shape));
    }

    /// Stores the result of a node, and applies it to the shape if [`publish_to_shape`](Plan::publish_to_shape) says
    /// so.
    pub(super) fn store_output(
        &self,
        outputs: &mut StepOutputs,
        node: NodeId,
        value: Arc<dyn Any + Send + Sync>,
    ) -> Result<()> {
        outputs.put(node, value);
        for (_, publish_to_shape) in self.shape_updates.iter().filter(|(of, _)| *of == node) {
            outputs.shape = Arc::new(publish_to_shape(outputs, Shape::clone(&outputs.shape))?);
        }
        Ok(())
    }

    fn push<T>(&mut self, node: PlanNode) -> Ref<T> {
        self.nodes.push(node);
        Ref::new(NodeId(self.nodes.len() - 1))
    }

    /// The earliest round of a node with these dependencies: one more than the highest round of the folds among them.
    /// Derivations cost no walk.
    fn round_after(&self, after: &[NodeId]) -> usize {
        let done = |id: &NodeId| match &self.nodes[id.0] {
            PlanNode { work: NodeWork::Fold { .. }, round, .. } => round + 1,
            PlanNode { work: NodeWork::Derive(_), round, .. } => *round,
        };
        after.iter().map(done).max().unwrap_or(0)
    }

    /// The number of a lens, for [`CustomerContext::through`](crate::timeline::view::CustomerContext::through). Equal
    /// lenses have one number and are evaluated once per customer.
    pub fn lens(&mut self, lens: Lens) -> usize {
        self.lenses.iter().position(|l| *l == lens).unwrap_or_else(|| {
            self.lenses.push(lens);
            self.lenses.len() - 1
        })
    }

    /// Declares what something that is not a fold (a scorer, a per-customer table) reads of customers.
    pub fn require(&mut self, needs: Needs) {
        self.needs = self.needs.and(needs);
    }

    /// Everything that folds and others read of customers.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// All lenses, by their number.
    pub fn lenses(&self) -> &[Lens] {
        &self.lenses
    }

    /// The number of walks over the customers, at most.
    pub fn rounds(&self) -> usize {
        let walk = |node: &PlanNode| matches!(node.work, NodeWork::Fold { .. }).then_some(node.round + 1);
        self.nodes.iter().filter_map(walk).max().unwrap_or(0)
    }

    /// The folds with their round, from 0: `explain` prints them.
    pub fn folds(&self) -> impl Iterator<Item = (usize, &FoldSpec)> {
        self.nodes.iter().filter_map(|node| match &node.work {
            NodeWork::Fold { spec, .. } => Some((node.round, spec)),
            NodeWork::Derive(_) => None,
        })
    }

    /// Shows every fold what `needs` says instead of what it declared. A law uses it to find folds that read more than
    /// they declared.
    #[cfg(test)]
    pub(crate) fn show_all(&mut self, needs: Needs) {
        for node in &mut self.nodes {
            if let NodeWork::Fold { spec, .. } = &mut node.work {
                spec.needs = needs;
            }
        }
    }
}
