//! Runs a plan on this machine: walks over the buckets, in whatever rayon pool it is called in.

use std::sync::Arc;

use super::estimate::{self, CELL_BYTES, TABLE_BYTES};
use super::plan::{AnyFold, AnyTally, FoldSpec, Needs, Plan, Work};
use super::step_outputs::{NodeId, StepOutputs};
use super::workers;
use crate::error::{Error, Result};
use crate::exchange::ConversionError;
use crate::memory;
use crate::progress::Progress;
use crate::timeline::history::{Histories, UnknownCustomers};
use crate::timeline::identity::BUCKETS;
use crate::timeline::lens::Lens;
use crate::timeline::shape::Shape;
use crate::timeline::store::Store;
use crate::timeline::view::{CustomerContext, LensEvaluator};

/// One fold of a walk, with its lens.
struct Walker<'a> {
    node: NodeId,
    spec: &'a FoldSpec,
    lens: usize,
    needs: Needs,
    fold: Box<dyn AnyFold>,
}

/// Runs walk after walk until everything is known.
///
/// A fold runs in the first walk before which all is known that it waits for: that of its round in the plan, or an earlier
/// one where folds had nothing to look for.
///
/// # Errors
/// When a customer's money overflows, a store fails, or the observer stops the run.
pub fn run(plan: &Plan, shape: Arc<Shape>, store: &Store, observer: &dyn Progress) -> Result<StepOutputs> {
    let mut known = StepOutputs::new(shape, plan.nodes.len());
    let lenses: Arc<[Lens]> = plan.lenses().into();
    loop {
        let mut walkers = vec![];
        for (i, node) in plan.nodes.iter().enumerate() {
            let id = NodeId(i);
            if known.has(id) || !node.after.iter().all(|before| known.has(*before)) {
                continue;
            }
            match &node.work {
                Work::Derive(make) => {
                    let value = make(&known)?;
                    plan.store_output(&mut known, id, value)?;
                }
                Work::Fold { spec, lens, make } => {
                    let fold = make(&known)?;
                    if fold.is_noop() {
                        plan.store_output(&mut known, id, fold.finish(fold.start())?)?;
                    } else {
                        walkers.push(Walker { node: id, lens: *lens, spec, needs: spec.needs, fold });
                    }
                }
            }
        }
        if walkers.is_empty() {
            return Ok(known);
        }
        let through: Vec<usize> = walkers.iter().filter(|w| w.fold.spells()).map(|w| w.lens).collect();
        let evaluator = || LensEvaluator::new(known.shape.clone(), lenses.clone(), &through);
        let (tallies, unknown_customers, missing) = walk(&walkers, &evaluator, store, observer)?;
        if let Some(missing) = missing {
            return Err(known.shape.rates.error(missing));
        }
        known.unknown_customers = unknown_customers;
        expect_room_for_tables(&walkers, &tallies)?;
        for (walker, tally) in walkers.iter().zip(tallies) {
            plan.store_output(&mut known, walker.node, walker.fold.finish(tally)?)?;
        }
    }
}

/// Tables are made of tallies as a whole, before the first is written. Those that cannot fit are refused before the work
/// on them begins.
fn expect_room_for_tables(walkers: &[Walker<'_>], tallies: &[AnyTally]) -> Result<()> {
    let tables = walkers.iter().zip(tallies).filter(|(walker, _)| walker.fold.is_tabled());
    let sizes: Vec<(u64, &Walker<'_>)> =
        tables.map(|(walker, tally)| (walker.fold.size(&**tally).saturating_mul(TABLE_BYTES), walker)).collect();
    let needed = sizes.iter().map(|(bytes, _)| bytes).sum::<u64>();
    let Some((bytes, largest)) = sizes.into_iter().max_by_key(|(bytes, _)| *bytes) else { return Ok(()) };
    // The estimate may be half as much again as the tables will be.
    if needed / 3 * 2 <= memory::room() {
        return Ok(());
    }
    Err(Error::pipeline(format!(
        "the run needs more memory than --memory-limit allows: its tables would take about {} MiB, {} MiB of them for {} \
         by {}, and {} MiB are left",
        needed >> 20,
        bytes >> 20,
        largest.spec.kind,
        largest.spec.lens.period.name(),
        memory::room() >> 20,
    ))
    .help(estimate::remedy(largest.fold.key_to_lower())))
}

fn walk(
    walkers: &[Walker<'_>],
    evaluator: &(dyn Fn() -> LensEvaluator + Sync),
    store: &Store,
    observer: &dyn Progress,
) -> Result<(Vec<AnyTally>, UnknownCustomers, Option<ConversionError>)> {
    let customers = store.customers();
    let shape = evaluator().shape().clone();
    let cells = walkers.iter().map(|w| estimate::cells(&*w.fold, &shape, Some(customers)));
    let bytes = cells.fold(0, u64::saturating_add).saturating_mul(CELL_BYTES);
    let walking = Walking { walkers, evaluator, store, observer };
    let (tallies, walk) = workers::run(&walking, BUCKETS, bytes)?;
    let missing = walk.evaluator.missing().into_iter().chain(walk.missing).min();
    Ok((tallies, walk.unknown_customers, missing))
}

/// A walk over the buckets, for several workers.
struct Walking<'a> {
    walkers: &'a [Walker<'a>],
    evaluator: &'a (dyn Fn() -> LensEvaluator + Sync),
    store: &'a Store,
    observer: &'a dyn Progress,
}

impl workers::Work for Walking<'_> {
    type State = (Vec<AnyTally>, Walk);

    fn start(&self) -> Self::State {
        (self.walkers.iter().map(|w| w.fold.start()).collect(), Walk::new((self.evaluator)()))
    }

    fn piece(&self, (tallies, walk): &mut Self::State, bucket: usize) -> Result<()> {
        self.observer.stopped()?;
        walk.visit(bucket, self.store, self.observer, &mut |person| {
            for (walker, tally) in self.walkers.iter().zip(&mut *tallies) {
                walker.fold.observe(&mut **tally, &person.through(walker.lens, walker.needs));
            }
            Ok(())
        })
    }

    fn merge(&self, (into, walk): &mut Self::State, (from, other): Self::State) {
        for ((walker, into), from) in self.walkers.iter().zip(into).zip(from) {
            walker.fold.merge(&mut **into, from);
        }
        walk.unknown_customers.merge(other.unknown_customers);
        walk.missing = walk.missing.into_iter().chain(other.evaluator.missing()).chain(other.missing).min();
    }

    fn too_large(&self, (tallies, _): &Self::State) -> Error {
        let bytes = |(walker, tally): (&Walker<'_>, &AnyTally)| walker.fold.size(&**tally).saturating_mul(CELL_BYTES);
        let sizes = self.walkers.iter().zip(tallies).map(|(walker, tally)| (bytes((walker, tally)), walker));
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

    fn few(&self, workers: usize, threads: usize) {
        self.observer.few_workers(workers, threads);
    }
}

/// What a worker reads and looks with, from bucket to bucket.
struct Walk {
    evaluator: LensEvaluator,
    histories: Histories,
    unknown_customers: UnknownCustomers,
    /// The first exchange rate that other workers missed.
    missing: Option<ConversionError>,
}

impl Walk {
    fn new(evaluator: LensEvaluator) -> Walk {
        Walk {
            evaluator,
            histories: Histories::default(),
            unknown_customers: UnknownCustomers::default(),
            missing: None,
        }
    }

    /// Shows every customer of a bucket.
    fn visit(
        &mut self,
        bucket: usize,
        store: &Store,
        observer: &dyn Progress,
        show: &mut dyn FnMut(&CustomerContext<'_>) -> Result<()>,
    ) -> Result<()> {
        let Walk { evaluator, histories, unknown_customers, .. } = self;
        let (integer_ids, as_of) = (evaluator.shape().integer_ids, evaluator.shape().as_of);
        let mut customers = 0;
        histories.each(&store.read(bucket)?, integer_ids, &mut |history| {
            let Some(person) = evaluator.look(history)? else {
                unknown_customers.see(history, as_of);
                return Ok(());
            };
            customers += 1;
            show(&person)
        })?;
        observer.advance(customers);
        Ok(())
    }
}

/// A fold with its tally of some buckets: for laws over folds.
#[cfg(test)]
pub(crate) struct Part {
    /// Kind and parameters.
    pub what: String,
    pub fold: Box<dyn AnyFold>,
    pub tally: AnyTally,
}

/// All that a plan learns, unobserved.
#[cfg(test)]
pub(crate) fn outputs_of(plan: &Plan, shape: Arc<Shape>, store: &Store) -> StepOutputs {
    run(plan, shape, store, &crate::progress::NoProgress).unwrap()
}

/// Every fold of a round with its tally of these buckets, once everything before is known.
#[cfg(test)]
pub(crate) fn tallies_of(
    plan: &Plan,
    known: &StepOutputs,
    store: &Store,
    buckets: &[usize],
    round: usize,
) -> Vec<Part> {
    let all: Vec<usize> = (0..plan.lenses().len()).collect();
    let mut walk = Walk::new(LensEvaluator::new(known.shape.clone(), plan.lenses().into(), &all));
    let folds = plan.nodes.iter().filter(|n| n.round == round).filter_map(|node| match &node.work {
        Work::Fold { spec, lens, make } => Some((spec, *lens, make(known).unwrap())),
        Work::Derive(_) => None,
    });
    let mut parts: Vec<(usize, Needs, Part)> = folds
        .map(|(spec, lens, fold)| {
            let what = format!("{}: {} {:?}", spec.kind, spec.params, spec.lens);
            (lens, spec.needs, Part { what, tally: fold.start(), fold })
        })
        .collect();
    for bucket in buckets {
        walk.visit(*bucket, store, &crate::progress::NoProgress, &mut |person| {
            for (lens, needs, part) in &mut parts {
                part.fold.observe(&mut *part.tally, &person.through(*lens, *needs));
            }
            Ok(())
        })
        .unwrap();
    }
    parts.into_iter().map(|(_, _, part)| part).collect()
}
