//! The graph of a run: folds (one walk over customers), derivations (pure), and the rounds that follow from their
//! dependencies.

use std::any::Any;
use std::sync::Arc;

use super::step_outputs::{Artifact, NodeId, Ref, StepOutputs};
use crate::error::{Error, Result};
use crate::timeline::lens::Lens;
use crate::timeline::shape::Shape;
pub use crate::timeline::view::Needs;
use crate::timeline::view::View;

/// What is folded: equal specs are folded once, whichever stages ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldSpec {
    pub kind: &'static str,
    pub params: String,
    pub lens: Lens,
    /// What it reads beside days, amounts and spells; the union decides which columns the scan decodes.
    pub needs: Needs,
    pub after: Vec<NodeId>,
    /// How far it goes, as in ages: of specs that are equal but for this the farthest is folded, and its tally says
    /// all that the others' would.
    pub reach: usize,
}

impl FoldSpec {
    /// Equal but for the reach.
    fn is_like(&self, other: &FoldSpec) -> bool {
        FoldSpec { reach: other.reach, ..self.clone() } == *other
    }
}

/// A mergeable, exact, serialisable summary of customers.
///
/// `merge` is associative and commutative, and tallies hold integers only, so that the result depends on nothing but
/// the set of customers.
pub trait Fold: Send + Sync + 'static {
    type Tally: Artifact;

    /// Whether it looks at spells, movements, terms: a walk computes them under the lenses of folds that do.
    fn spells(&self) -> bool {
        true
    }
    /// An upper bound of the tally's cells, from periods and segment values.
    fn cells(&self, shape: &Shape) -> u64;
    /// An upper bound of the cells that a tally of one customer has: of few customers no tally has more than their sum.
    fn cells_of_one(&self, shape: &Shape) -> u64 {
        self.cells(shape)
    }
    /// Whether about every cell becomes cells of a result table, which is in memory as a whole before it is written.
    fn is_tabled(&self) -> bool {
        false
    }
    /// The key of the stage, if there is one, that makes the tally smaller, beside its period and its segments.
    fn key_to_lower(&self) -> Option<&'static str> {
        None
    }
    fn start(&self) -> Self::Tally;
    /// What later rounds have to reckon with before any customer was seen: a tally in which everything occurred that
    /// can. Only folds that others wait for have something to say here.
    fn max_tally(&self, _shape: &Shape) -> Self::Tally {
        self.start()
    }
    /// Whether its tally is what it starts as, whoever is looked at: then nobody has to be.
    fn is_noop(&self) -> bool {
        false
    }
    /// Cannot fail: the scan quarantined what could.
    fn observe(&self, tally: &mut Self::Tally, customer: &View<'_>);
    fn merge(&self, into: &mut Self::Tally, from: Self::Tally);
    /// How many cells a tally holds: at most [`cells`](Fold::cells).
    fn size(&self, tally: &Self::Tally) -> u64;
}

pub(super) type AnyTally = Box<dyn Any + Send + Sync>;
type Make = Box<dyn Fn(&StepOutputs) -> Result<Box<dyn AnyFold>> + Send + Sync>;
type Derive = Box<dyn Fn(&StepOutputs) -> Result<Arc<dyn Any + Send + Sync>> + Send + Sync>;

/// A fold whose tally's type is not known to who runs it.
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

const WRONG_TALLY: &str = "a fold is only ever given tallies that it started";

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

pub(super) enum Work {
    Fold { spec: FoldSpec, lens: usize, make: Make },
    Derive(Derive),
}

pub(super) struct Node {
    pub work: Work,
    /// What has to be known first. All of it stands before the node in the plan.
    pub after: Vec<NodeId>,
    /// A fold runs in the walk of its round, a derivation right before it: at the latest.
    pub round: usize,
}

type ShapeUpdate = Box<dyn Fn(&StepOutputs, Shape) -> Result<Shape> + Send + Sync>;

#[derive(Default)]
pub struct Plan {
    pub(super) nodes: Vec<Node>,
    lenses: Vec<Lens>,
    needs: Needs,
    /// What becomes part of the shape, by the node that gives it.
    shape_updates: Vec<(NodeId, ShapeUpdate)>,
}

impl Plan {
    /// Registers a fold, or finds the equal one that is already there.
    ///
    /// `make` is called once, when everything named in `spec.after` is known.
    pub fn fold<F: Fold>(
        &mut self,
        spec: FoldSpec,
        make: impl Fn(&StepOutputs) -> Result<F> + Send + Sync + 'static,
    ) -> Ref<F::Tally> {
        let make: Make = Box::new(move |known| Ok(Box::new(make(known)?)));
        let known = self.nodes.iter_mut().enumerate().find_map(|(i, node)| match &mut node.work {
            Work::Fold { spec: other, make, .. } if other.is_like(&spec) => Some((i, other, make)),
            _ => None,
        });
        if let Some((same, other, made)) = known {
            if spec.reach > other.reach {
                (*other, *made) = (spec, make);
            }
            return Ref::new(NodeId(same));
        }
        let lens = self.lens(spec.lens);
        let (after, round) = (spec.after.clone(), self.round_after(&spec.after));
        self.require(spec.needs);
        self.push(Node { work: Work::Fold { spec, lens, make }, after, round })
    }

    /// Registers a pure function of what is known.
    pub fn derive<T: Artifact>(
        &mut self,
        after: &[NodeId],
        make: impl Fn(&StepOutputs) -> Result<T> + Send + Sync + 'static,
    ) -> Ref<T> {
        let round = self.round_after(after);
        let make: Derive = Box::new(move |known| Ok(Arc::new(make(known)?)));
        self.push(Node { work: Work::Derive(make), after: after.to_vec(), round })
    }

    /// Says that a result is something that customers are looked at with from then on: it becomes part of the shape.
    pub fn publish_to_shape<T: Artifact>(
        &mut self,
        of: Ref<T>,
        into: impl Fn(Shape, Arc<T>) -> Shape + Send + Sync + 'static,
    ) {
        let publish_to_shape: ShapeUpdate = Box::new(move |known, shape| Ok(into(shape, known.get(of)?)));
        self.shape_updates.push((of.id(), publish_to_shape));
    }

    /// Puts a node's result where it belongs, and into the shape if it is meant for it.
    pub(super) fn store_output(
        &self,
        known: &mut StepOutputs,
        node: NodeId,
        value: Arc<dyn Any + Send + Sync>,
    ) -> Result<()> {
        known.put(node, value);
        for (_, publish_to_shape) in self.shape_updates.iter().filter(|(of, _)| *of == node) {
            known.shape = Arc::new(publish_to_shape(known, Shape::clone(&known.shape))?);
        }
        Ok(())
    }

    fn push<T>(&mut self, node: Node) -> Ref<T> {
        self.nodes.push(node);
        Ref::new(NodeId(self.nodes.len() - 1))
    }

    /// One more than the highest round of the folds depended on; derivations cost no walk.
    fn round_after(&self, after: &[NodeId]) -> usize {
        let done = |id: &NodeId| match &self.nodes[id.0] {
            Node { work: Work::Fold { .. }, round, .. } => round + 1,
            Node { work: Work::Derive(_), round, .. } => *round,
        };
        after.iter().map(done).max().unwrap_or(0)
    }

    /// The number of a lens; equal lenses are computed once per customer. Scorers ask too.
    pub fn lens(&mut self, lens: Lens) -> usize {
        self.lenses.iter().position(|l| *l == lens).unwrap_or_else(|| {
            self.lenses.push(lens);
            self.lenses.len() - 1
        })
    }

    /// Declares a need of something that is not a fold.
    pub fn require(&mut self, needs: Needs) {
        self.needs = self.needs.and(needs);
    }

    pub fn needs(&self) -> Needs {
        self.needs
    }

    pub fn lenses(&self) -> &[Lens] {
        &self.lenses
    }

    /// Walks over the customers before the last derivations can run.
    pub fn rounds(&self) -> usize {
        let walk = |node: &Node| matches!(node.work, Work::Fold { .. }).then_some(node.round + 1);
        self.nodes.iter().filter_map(walk).max().unwrap_or(0)
    }

    /// For `explain`: the folds of each round by kind and parameters, with their lens.
    pub fn folds(&self) -> impl Iterator<Item = (usize, &FoldSpec)> {
        self.nodes.iter().filter_map(|node| match &node.work {
            Work::Fold { spec, .. } => Some((node.round, spec)),
            Work::Derive(_) => None,
        })
    }

    /// Shows every fold what `needs` says, whatever it declared: for the law that a declaration says all.
    #[cfg(test)]
    pub(crate) fn show_all(&mut self, needs: Needs) {
        for node in &mut self.nodes {
            if let Work::Fold { spec, .. } = &mut node.work {
                spec.needs = needs;
            }
        }
    }
}
