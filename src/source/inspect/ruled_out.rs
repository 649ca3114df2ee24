//! The row groups of a source that the filter rules out.

use std::ops::Range;

use rayon::prelude::*;

use super::inspected::{InspectedFile, InspectedSource};
use super::layout::ColumnOrigin;
use crate::source::files::constant;
use crate::source::statistics::Facts;

/// How much of a source the filter rules out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuledOut {
    pub groups: usize,
    pub rows: u64,
}

impl InspectedSource {
    /// For each of these row groups of a file, true if the footer proves that no row of it satisfies the filter.
    pub fn rules_out(&self, file: usize, groups: Range<usize>) -> Vec<bool> {
        let file = &self.files[file];
        let layout = &self.layouts[file.layout];
        let Some(prune) = &layout.prune else { return vec![false; groups.len()] };
        let first = groups.start;
        prune.are_false(groups.len(), |column, group| match (&file.origins[column], &layout.types[column]) {
            (ColumnOrigin::Folder(value), kind) => Facts::constant(&constant(value.as_deref(), kind, 1)),
            (ColumnOrigin::TooDeep, kind) => Facts::unknown(kind),
            (ColumnOrigin::File(root), kind) => {
                Facts::of_group(file.footer.metadata.metadata(), first + group, *root, kind, &prune.zone)
            }
        })
    }

    /// How many row groups and rows a scan does not read.
    pub fn ruled_out(&self) -> RuledOut {
        let of_file = |(index, file): (usize, &InspectedFile)| {
            let groups = (0..file.group_count()).zip(self.rules_out(index, 0..file.group_count()));
            groups.filter(|(_, out)| *out).map(|(group, _)| file.rows_of(group)).collect::<Vec<u64>>()
        };
        let rows: Vec<u64> = self.files.par_iter().enumerate().flat_map_iter(of_file).collect();
        RuledOut { groups: rows.len(), rows: rows.into_iter().fold(0, u64::saturating_add) }
    }
}
