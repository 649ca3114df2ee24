//! Runs a plan on this machine: walks over the buckets, in whatever rayon pool it is called in.

use std::sync::Arc;

use rayon::prelude::*;

use super::known::{Known, NodeId};
use super::plan::{AnyFold, AnyTally, Needs, Plan, Work};
use crate::error::Result;
use crate::exchange::Fault;
use crate::timeline::history::{Histories, Strangers};
use crate::timeline::identity::BUCKETS;
use crate::timeline::lens::Lens;
use crate::timeline::shape::Shape;
use crate::timeline::store::Store;
use crate::timeline::view::{Eyes, Person};

/// Hears of progress and may stop a walk.
pub trait Observer: Sync {
    /// Customers seen since the last call.
    fn walked(&self, customers: u64);
    /// An error if the run is to stop.
    fn stopped(&self) -> Result<()>;
}

/// One fold of a walk, with its lens.
struct Walker {
    node: NodeId,
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
pub fn run(plan: &Plan, shape: Arc<Shape>, store: &Store, observer: &dyn Observer) -> Result<Known> {
    let mut known = Known::new(shape, plan.nodes.len());
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
                    plan.learn(&mut known, id, value)?;
                }
                Work::Fold { spec, lens, make } => {
                    let fold = make(&known)?;
                    if fold.is_idle() {
                        plan.learn(&mut known, id, fold.finish(fold.start())?)?;
                    } else {
                        walkers.push(Walker { node: id, lens: *lens, needs: spec.needs, fold });
                    }
                }
            }
        }
        if walkers.is_empty() {
            return Ok(known);
        }
        let through: Vec<usize> = walkers.iter().filter(|w| w.fold.spells()).map(|w| w.lens).collect();
        let eyes = || Eyes::new(known.shape.clone(), lenses.clone(), &through);
        let (tallies, strangers, missing) = walk(&walkers, &eyes, store, observer)?;
        if let Some(missing) = missing {
            return Err(known.shape.rates.error(missing));
        }
        known.strangers = strangers;
        for (walker, tally) in walkers.iter().zip(tallies) {
            plan.learn(&mut known, walker.node, walker.fold.finish(tally)?)?;
        }
    }
}

fn walk(
    walkers: &[Walker],
    eyes: &(dyn Fn() -> Eyes + Sync),
    store: &Store,
    observer: &dyn Observer,
) -> Result<(Vec<AnyTally>, Strangers, Option<Fault>)> {
    let start = || -> Vec<AnyTally> { walkers.iter().map(|w| w.fold.start()).collect() };
    let state = (0..BUCKETS)
        .into_par_iter()
        .fold(
            || Ok((start(), Walk::new(eyes()))),
            |state: Result<(Vec<AnyTally>, Walk)>, bucket| {
                let (mut tallies, mut walk) = state?;
                observer.stopped()?;
                walk.visit(bucket, store, observer, &mut |person| {
                    for (walker, tally) in walkers.iter().zip(&mut tallies) {
                        walker.fold.observe(&mut **tally, &person.through(walker.lens, walker.needs));
                    }
                    Ok(())
                })?;
                Ok((tallies, walk))
            },
        )
        .map(|state| state.map(|(tallies, walk)| (tallies, walk.strangers, walk.eyes.missing())))
        .try_reduce_with(|(mut tallies, mut strangers, missing), (others, more, too)| {
            for ((walker, into), from) in walkers.iter().zip(&mut tallies).zip(others) {
                walker.fold.merge(&mut **into, from);
            }
            strangers.merge(more);
            Ok((tallies, strangers, missing.into_iter().chain(too).min()))
        });
    state.unwrap_or_else(|| Ok((start(), Strangers::default(), None)))
}

/// What a worker reads and looks with, from bucket to bucket.
struct Walk {
    eyes: Eyes,
    histories: Histories,
    strangers: Strangers,
}

impl Walk {
    fn new(eyes: Eyes) -> Walk {
        Walk { eyes, histories: Histories::default(), strangers: Strangers::default() }
    }

    /// Shows every customer of a bucket.
    fn visit(
        &mut self,
        bucket: usize,
        store: &Store,
        observer: &dyn Observer,
        show: &mut dyn FnMut(&Person<'_>) -> Result<()>,
    ) -> Result<()> {
        let Walk { eyes, histories, strangers } = self;
        let (integer_ids, as_of) = (eyes.shape().integer_ids, eyes.shape().as_of);
        let mut customers = 0;
        histories.each(&store.read(bucket)?, integer_ids, &mut |history| {
            let Some(person) = eyes.look(history)? else {
                strangers.see(history, as_of);
                return Ok(());
            };
            customers += 1;
            show(&person)
        })?;
        observer.walked(customers);
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

#[cfg(test)]
struct Silent;

#[cfg(test)]
impl Observer for Silent {
    fn walked(&self, _: u64) {}
    fn stopped(&self) -> Result<()> {
        Ok(())
    }
}

/// All that a plan learns, unobserved.
#[cfg(test)]
pub(crate) fn known_of(plan: &Plan, shape: Arc<Shape>, store: &Store) -> Known {
    run(plan, shape, store, &Silent).unwrap()
}

/// Every fold of a round with its tally of these buckets, once everything before is known.
#[cfg(test)]
pub(crate) fn tallies_of(plan: &Plan, known: &Known, store: &Store, buckets: &[usize], round: usize) -> Vec<Part> {
    let all: Vec<usize> = (0..plan.lenses().len()).collect();
    let mut walk = Walk::new(Eyes::new(known.shape.clone(), plan.lenses().into(), &all));
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
        walk.visit(*bucket, store, &Silent, &mut |person| {
            for (lens, needs, part) in &mut parts {
                part.fold.observe(&mut *part.tally, &person.through(*lens, *needs));
            }
            Ok(())
        })
        .unwrap();
    }
    parts.into_iter().map(|(_, _, part)| part).collect()
}
