//! Row groups of which the filter leaves nothing, told from the footers alone.
//!
//! Such a group is not read, and its rows count as left out, as they would if they had been read. Only what is wrong with
//! it stays unseen: damage, and values on which another part of the filter would have failed.

use std::ops::Range;

use crate::source::expression::{Compiled, Fact, Parsed, Type, necessary, stand_in};
use crate::source::guard::guarded;
use crate::source::statistics::Facts;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::concat;
use jiff::tz::TimeZone;

/// What has to hold of a row group for the filter to leave a row of it.
#[derive(Clone, Debug)]
pub struct Prune {
    necessary: Compiled,
    /// What it is given: indices of columns in the layout, and the facts of each.
    facts: Vec<(usize, Vec<Fact>)>,
    pub zone: TimeZone,
}

impl Prune {
    /// `filter` has been compiled against `available`; `columns`: those of the layout. `None` where nothing can be told.
    pub(super) fn new(
        filter: &Parsed,
        available: &[(String, Option<Type>)],
        columns: &[String],
        zone: &TimeZone,
    ) -> Option<Prune> {
        let necessary = necessary(filter)?;
        let (mut facts, mut given) = (vec![], vec![]);
        for of_one in necessary.facts.chunk_by(|a, b| a.0 == b.0) {
            let name = &of_one.first()?.0;
            let kind = available.iter().find(|(column, _)| column == name)?.1;
            given.extend(of_one.iter().map(|(_, fact)| match fact {
                Fact::Least | Fact::Greatest => (stand_in(name, *fact), kind),
                Fact::Valued | Fact::Null => (stand_in(name, *fact), Some(Type::Bool)),
            }));
            facts.push((columns.iter().position(|c| c == name)?, of_one.iter().map(|(_, fact)| *fact).collect()));
        }
        let necessary = Compiled::new(&necessary.parsed, &given, zone).ok()?;
        Some(Prune { necessary, facts, zone: zone.clone() })
    }

    /// Of each of `count` row groups, whether it certainly does not hold. Facts that it fails on, such as values too large
    /// for a cast, are no certainty. `of_column`: the facts of a column in a row group.
    pub fn are_false(&self, count: usize, of_column: impl Fn(usize, usize) -> Facts) -> Vec<bool> {
        let known: Vec<Vec<Facts>> =
            self.facts.iter().map(|(column, _)| (0..count).map(|group| of_column(*column, group)).collect()).collect();
        let all = |groups: Range<usize>| -> Option<BooleanArray> {
            let mut given: Vec<ArrayRef> = vec![];
            for ((_, facts), known) in self.facts.iter().zip(&known) {
                for fact in facts {
                    let of_groups: Vec<ArrayRef> = known[groups.clone()].iter().map(|k| k.get(*fact)).collect();
                    let of_groups: Vec<&dyn Array> = of_groups.iter().map(|a| &**a).collect();
                    given.push(concat(&of_groups).ok()?);
                }
            }
            let holds = guarded(|| self.necessary.evaluate(&given, groups.len())).ok()?.ok()?;
            holds.as_boolean_opt().filter(|holds| holds.len() == groups.len()).cloned()
        };
        let is_false = |holds: &BooleanArray, i: usize| holds.is_valid(i) && !holds.value(i);
        match all(0..count) {
            Some(holds) => (0..count).map(|i| is_false(&holds, i)).collect(),
            // One group's facts fail; the others are judged without it.
            None => (0..count).map(|i| all(i..i + 1).is_some_and(|holds| is_false(&holds, 0))).collect(),
        }
    }
}
