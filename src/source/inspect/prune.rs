//! Finds the row groups of which the filter leaves nothing, from the statistics in the footers.
//!
//! Such a group is not read, and its rows count as left out, as they would if they had been read. Its faults go unnoticed:
//! damage, and values on which another part of the filter would have failed.

use std::ops::Range;

use crate::source::expression::{Compiled, Fact, ParsedSql, SqlType, necessary, stand_in};
use crate::source::guard::guarded;
use crate::source::statistics::Facts;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::concat;
use jiff::tz::TimeZone;

/// A condition on the statistics of a row group that holds if the filter leaves a row of it.
#[derive(Clone, Debug)]
pub struct Prune {
    necessary: Compiled,
    /// The inputs of the condition: indices of columns in the layout, and the facts that are used of each.
    facts: Vec<(usize, Vec<Fact>)>,
    pub zone: TimeZone,
}

impl Prune {
    /// `filter` was compiled against `available`; `columns` are those of the layout. `None` where statistics cannot tell.
    pub(super) fn new(
        filter: &ParsedSql,
        available: &[(String, Option<SqlType>)],
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
                Fact::Valued | Fact::Null => (stand_in(name, *fact), Some(SqlType::Bool)),
            }));
            facts.push((columns.iter().position(|c| c == name)?, of_one.iter().map(|(_, fact)| *fact).collect()));
        }
        let necessary = Compiled::new(&necessary.parsed, &given, zone).ok()?;
        Some(Prune { necessary, facts, zone: zone.clone() })
    }

    /// For each of `count` row groups, true if the condition certainly does not hold. If it fails on a group, for example
    /// because a value is too large for a cast, nothing is certain. `of_column`: the facts of a column in a row group.
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
            // The condition fails on one group; the others are judged one by one.
            None => (0..count).map(|i| all(i..i + 1).is_some_and(|holds| is_false(&holds, 0))).collect(),
        }
    }
}
