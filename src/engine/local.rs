//! Runs a plan on this machine: walk after walk over the buckets, in the rayon pool of the caller.

use std::sync::Arc;

use super::estimate::{self, CELL_BYTES, TABLE_BYTES};
use super::plan::{AnyFold, AnyTally, FoldSpec, Needs, NodeWork, Plan};
use super::step_outputs::{NodeId, StepOutputs};
use super::workers;
use crate::error::{Error, Result};
use crate::exchange::ConversionError;
use crate::memory;
use crate::progress::Progress;
use crate::timeline::history::{HistoryReader, UnknownCustomers};
use crate::timeline::identity::BUCKETS;
use crate::timeline::lens::Lens;
use crate::timeline::lens_evaluator::LensEvaluator;
use crate::timeline::shape::Shape;
use crate::timeline::store::Store;
use crate::timeline::view::CustomerContext;

/// A fold that takes part in a walk.
struct ActiveFold<'a> {
    node: NodeId,
    spec: &'a FoldSpec,
    /// The number of its lens.
    lens: usize,
    needs: Needs,
    fold: Box<dyn AnyFold>,
}

/// Runs all nodes of a plan and returns their results.
///
/// A fold takes part in the first walk before which all its dependencies are there: that of its round in the plan, or
/// an earlier one where the folds of a round were no-ops.
///
/// # Errors
/// Input: a customer's money overflows, or an exchange rate is missing. Output: a temporary file cannot be
/// read. Pipeline: the tallies do not fit the memory limit. Also the errors of the plan's own functions and of the
/// observer.
pub fn run(plan: &Plan, shape: Arc<Shape>, store: &Store, observer: &dyn Progress) -> Result<StepOutputs> {
    let mut outputs = StepOutputs::new(shape, plan.nodes.len());
    let lenses: Arc<[Lens]> = plan.lenses().into();
    loop {
        let mut folds = vec![];
        for (i, node) in plan.nodes.iter().enumerate() {
            let id = NodeId(i);
            if outputs.has(id) || !node.after.iter().all(|before| outputs.has(*before)) {
                continue;
            }
            match &node.work {
                NodeWork::Derive(make) => {
                    let value = make(&outputs)?;
                    plan.store_output(&mut outputs, id, value)?;
                }
                NodeWork::Fold { spec, lens, make } => {
                    let fold = make(&outputs)?;
                    if fold.is_noop() {
                        plan.store_output(&mut outputs, id, fold.finish(fold.start())?)?;
                    } else {
                        folds.push(ActiveFold { node: id, lens: *lens, spec, needs: spec.needs, fold });
                    }
                }
            }
        }
        if folds.is_empty() {
            return Ok(outputs);
        }
        let through: Vec<usize> = folds.iter().filter(|w| w.fold.spells()).map(|w| w.lens).collect();
        let evaluator = || LensEvaluator::new(outputs.shape.clone(), lenses.clone(), &through);
        let (tallies, unknown_customers, missing) = walk(&folds, &evaluator, store, observer)?;
        if let Some(missing) = missing {
            return Err(outputs.shape.rates.error(missing));
        }
        outputs.unknown_customers = unknown_customers;
        expect_room_for_tables(&folds, &tallies)?;
        for (active, tally) in folds.iter().zip(tallies) {
            plan.store_output(&mut outputs, active.node, active.fold.finish(tally)?)?;
        }
    }
}

/// Refuses tables that cannot fit into memory before they are made: tables are made of whole tallies, and all of them
/// before the first is written.
fn expect_room_for_tables(folds: &[ActiveFold<'_>], tallies: &[AnyTally]) -> Result<()> {
    let tables = folds.iter().zip(tallies).filter(|(active, _)| active.fold.is_tabled());
    let sizes: Vec<(u64, &ActiveFold<'_>)> =
        tables.map(|(active, tally)| (active.fold.size(&**tally).saturating_mul(TABLE_BYTES), active)).collect();
    let needed = sizes.iter().map(|(bytes, _)| bytes).sum::<u64>();
    let Some((bytes, largest)) = sizes.into_iter().max_by_key(|(bytes, _)| *bytes) else { return Ok(()) };
    // The estimate may be up to 1.5 times the size of the tables.
    if needed / 3 * 2 <= memory::room() {
        return Ok(());
    }
    Err(Error::pipeline(format!(
        "the run needs more memory than --memory-limit allows: its tables would take about {} MiB, {} MiB of them for \
         {} by {}, and {} MiB are left",
        needed >> 20,
        bytes >> 20,
        largest.spec.kind,
        largest.spec.lens.period.name(),
        memory::room() >> 20,
    ))
    .help(estimate::remedy(largest.fold.key_to_lower())))
}

/// One pass over all customers. Returns the tallies, the customers that no figure counts, and the earliest exchange
/// rate that was missing.
fn walk(
    folds: &[ActiveFold<'_>],
    evaluator: &(dyn Fn() -> LensEvaluator + Sync),
    store: &Store,
    observer: &dyn Progress,
) -> Result<(Vec<AnyTally>, UnknownCustomers, Option<ConversionError>)> {
    let customers = store.customers();
    let shape = evaluator().shape().clone();
    let cells = folds.iter().map(|w| estimate::cells(&*w.fold, &shape, Some(customers)));
    let bytes = cells.fold(0, u64::saturating_add).saturating_mul(CELL_BYTES);
    let walking = FoldWalk { folds, evaluator, store, observer };
    let (tallies, walk) = workers::run(&walking, BUCKETS, bytes)?;
    let missing = walk.evaluator.missing().into_iter().chain(walk.missing).min();
    Ok((tallies, walk.unknown_customers, missing))
}

/// A walk over the buckets; a piece of work is a bucket.
struct FoldWalk<'a> {
    folds: &'a [ActiveFold<'a>],
    evaluator: &'a (dyn Fn() -> LensEvaluator + Sync),
    store: &'a Store,
    observer: &'a dyn Progress,
}

impl workers::ParallelWork for FoldWalk<'_> {
    type WorkerState = (Vec<AnyTally>, WalkState);

    fn start(&self) -> Self::WorkerState {
        (self.folds.iter().map(|w| w.fold.start()).collect(), WalkState::new((self.evaluator)()))
    }

    fn piece(&self, (tallies, walk): &mut Self::WorkerState, bucket: usize) -> Result<()> {
        self.observer.stopped()?;
        walk.visit(bucket, self.store, self.observer, &mut |customer| {
            for (active, tally) in self.folds.iter().zip(&mut *tallies) {
                active.fold.observe(&mut **tally, &customer.through(active.lens, active.needs));
            }
            Ok(())
        })
    }

    fn merge(&self, (into, walk): &mut Self::WorkerState, (from, other): Self::WorkerState) {
        for ((active, into), from) in self.folds.iter().zip(into).zip(from) {
            active.fold.merge(&mut **into, from);
        }
        walk.unknown_customers.merge(other.unknown_customers);
        walk.missing = walk.missing.into_iter().chain(other.evaluator.missing()).chain(other.missing).min();
    }

    fn too_large(&self, (tallies, _): &Self::WorkerState) -> Error {
        let bytes =
            |(active, tally): (&ActiveFold<'_>, &AnyTally)| active.fold.size(&**tally).saturating_mul(CELL_BYTES);
        let sizes = self.folds.iter().zip(tallies).map(|(active, tally)| (bytes((active, tally)), active));
        let Some((bytes, largest)) = sizes.max_by_key(|(bytes, _)| *bytes) else {
            return Error::pipeline("the run needs more memory than --memory-limit allows")
                .help("raise --memory-limit");
        };
        Error::pipeline(format!(
            "the run needs more memory than --memory-limit allows: most of it is for the tallies of {} by {}, which \
             have grown to {} MiB",
            largest.spec.kind,
            largest.spec.lens.period.name(),
            bytes.div_ceil(1 << 20),
        ))
        .help(estimate::remedy(largest.fold.key_to_lower()))
    }

    fn fewer_workers(&self, workers: usize, threads: usize) {
        self.observer.few_workers(workers, threads);
    }
}

/// The buffers and counts of one worker, kept from bucket to bucket.
struct WalkState {
    evaluator: LensEvaluator,
    histories: HistoryReader,
    unknown_customers: UnknownCustomers,
    /// The earliest exchange rate missing in what was merged from other workers.
    missing: Option<ConversionError>,
}

impl WalkState {
    fn new(evaluator: LensEvaluator) -> WalkState {
        WalkState {
            evaluator,
            histories: HistoryReader::default(),
            unknown_customers: UnknownCustomers::default(),
            missing: None,
        }
    }

    /// Calls `show` with every customer of a bucket.
    fn visit(
        &mut self,
        bucket: usize,
        store: &Store,
        observer: &dyn Progress,
        show: &mut dyn FnMut(&CustomerContext<'_>) -> Result<()>,
    ) -> Result<()> {
        let WalkState { evaluator, histories, unknown_customers, .. } = self;
        let (integer_ids, as_of) = (evaluator.shape().integer_ids, evaluator.shape().as_of);
        let mut customers = 0;
        histories.each(&store.read(bucket)?, integer_ids, &mut |history| {
            let Some(customer) = evaluator.evaluate(history)? else {
                unknown_customers.count(history, as_of);
                return Ok(());
            };
            customers += 1;
            show(&customer)
        })?;
        observer.advance(customers);
        Ok(())
    }
}

/// A fold with its tally of some buckets: the laws over folds compare and merge these.
#[cfg(test)]
pub(crate) struct FoldPart {
    /// Kind and parameters.
    pub what: String,
    pub fold: Box<dyn AnyFold>,
    pub tally: AnyTally,
}

/// Runs a plan without an observer.
#[cfg(test)]
pub(crate) fn outputs_of(plan: &Plan, shape: Arc<Shape>, store: &Store) -> StepOutputs {
    run(plan, shape, store, &crate::progress::NoProgress).unwrap()
}

/// Every fold of a round with its tally of these buckets, given the outputs of the rounds before.
#[cfg(test)]
pub(crate) fn tallies_of(
    plan: &Plan,
    outputs: &StepOutputs,
    store: &Store,
    buckets: &[usize],
    round: usize,
) -> Vec<FoldPart> {
    let all: Vec<usize> = (0..plan.lenses().len()).collect();
    let mut walk = WalkState::new(LensEvaluator::new(outputs.shape.clone(), plan.lenses().into(), &all));
    let folds = plan.nodes.iter().filter(|n| n.round == round).filter_map(|node| match &node.work {
        NodeWork::Fold { spec, lens, make } => Some((spec, *lens, make(outputs).unwrap())),
        NodeWork::Derive(_) => None,
    });
    let mut parts: Vec<(usize, Needs, FoldPart)> = folds
        .map(|(spec, lens, fold)| {
            let what = format!("{}: {} {:?}", spec.kind, spec.params, spec.lens);
            (lens, spec.needs, FoldPart { what, tally: fold.start(), fold })
        })
        .collect();
    for bucket in buckets {
        walk.visit(*bucket, store, &crate::progress::NoProgress, &mut |customer| {
            for (lens, needs, part) in &mut parts {
                part.fold.observe(&mut *part.tally, &customer.through(*lens, *needs));
            }
            Ok(())
        })
        .unwrap();
    }
    parts.into_iter().map(|(_, _, part)| part).collect()
}
