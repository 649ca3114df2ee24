//! Row groups of which the filter leaves nothing, told from the footers alone.
//!
//! Such a group is not read, and its rows count as left out, as they would if they had been read. Only what is wrong with
//! it stays unseen: damage, and values on which another part of the filter would have failed.

use arrow::array::{Array, ArrayRef, AsArray};
use jiff::tz::TimeZone;
use rayon::prelude::*;

use super::InspectedSource;
use super::bind::Origin;
use crate::source::expression::{Compiled, Fact, Parsed, Type, necessary, stand_in};
use crate::source::files::constant;
use crate::source::guard::guarded;
use crate::source::statistics::Facts;

/// What has to hold of a row group for the filter to leave a row of it.
#[derive(Clone, Debug)]
pub struct Prune {
    necessary: Compiled,
    /// What it is given: indices of columns in the layout, and the facts of each.
    facts: Vec<(usize, Vec<Fact>)>,
    zone: TimeZone,
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

    /// Whether it certainly does not hold. Facts that it fails on, such as values too large for a cast, are no certainty.
    fn is_false(&self, of_column: impl Fn(usize) -> Facts) -> bool {
        let given = self.facts.iter().flat_map(|(column, facts)| {
            let known = of_column(*column);
            facts.iter().map(move |fact| known.get(*fact))
        });
        let given: Vec<ArrayRef> = given.collect();
        let Ok(Ok(holds)) = guarded(|| self.necessary.evaluate(&given, 1)) else { return false };
        holds.as_boolean_opt().is_some_and(|holds| holds.is_valid(0) && !holds.value(0))
    }
}

/// What the filter rules out of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuledOut {
    pub groups: usize,
    pub rows: u64,
}

impl InspectedSource {
    /// Every row group: index of its file, and its own there.
    pub fn groups(&self) -> impl Iterator<Item = (usize, usize)> {
        self.files.iter().enumerate().flat_map(|(file, about)| (0..about.group_count()).map(move |group| (file, group)))
    }

    /// Whether the footer proves that no row of a row group satisfies the filter.
    pub fn rules_out(&self, file: usize, group: usize) -> bool {
        let file = &self.files[file];
        let layout = &self.layouts[file.layout];
        layout.prune.as_ref().is_some_and(|prune| {
            prune.is_false(|column| match (&file.origins[column], &layout.types[column]) {
                (Origin::Folder(value), kind) => Facts::constant(&constant(value.as_deref(), kind, 1)),
                (Origin::TooDeep, kind) => Facts::unknown(kind),
                (Origin::File(root), kind) => {
                    Facts::of_group(file.footer.metadata.metadata(), group, *root, kind, &prune.zone)
                }
            })
        })
    }

    /// The row groups that a scan passes over.
    pub fn ruled_out(&self) -> RuledOut {
        let groups: Vec<(usize, usize)> = self.groups().collect();
        let ruled_out = groups.into_par_iter().filter(|(file, group)| self.rules_out(*file, *group));
        let rows: Vec<u64> = ruled_out.map(|(file, group)| self.files[file].rows_of(group)).collect();
        RuledOut { groups: rows.len(), rows: rows.into_iter().fold(0, u64::saturating_add) }
    }
}
