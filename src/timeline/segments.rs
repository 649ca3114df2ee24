//! Values by which customers are told apart, and the cells that tables have for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::labels::LabelColumn;
use crate::source::canonical::{NO_VALUE, ValueCode};

/// Which of a customer's values counts where a column changes over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The value at each period's opening: customers may move between values.
    Opening,
    First,
    Latest,
}

#[derive(Clone, Debug)]
pub struct SegmentColumn {
    pub name: Arc<str>,
    pub at: At,
    pub cap: usize,
    labels: LabelColumn,
}

/// The segments of a run with all their values.
#[derive(Clone, Debug, Default)]
pub struct Dictionary {
    pub segments: Vec<SegmentColumn>,
}

impl SegmentColumn {
    /// `values[code]` is the text behind a code.
    pub fn new(name: &str, at: At, cap: usize, values: &[impl AsRef<str>]) -> SegmentColumn {
        SegmentColumn { name: name.into(), at, cap, labels: LabelColumn::new(values) }
    }

    pub fn rank(&self, code: ValueCode) -> u32 {
        self.labels.rank(code)
    }

    pub fn values(&self) -> &[Arc<str>] {
        self.labels.values()
    }
}

/// The number of a cell of the tables: 0 is everybody, the rest one value of one segment each.
pub type CellId = u32;
pub const ALL: CellId = 0;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentCell {
    pub segment: Arc<str>,
    pub value: Arc<str>,
    /// Gathers the values beyond the segment's cap.
    pub is_other: bool,
    /// Customers who have the value at as_of; of everybody nothing is said here.
    pub customers: i64,
}

/// How many customers ever had, and have at as_of, each value: what the cap is learned from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueCounts {
    /// Per segment: rank → (ever, at as_of).
    pub values: Vec<BTreeMap<u32, (i64, i64)>>,
}

/// From values to cells: learned once per run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentIndex {
    pub cells: Vec<SegmentCell>,
    /// Per segment: the cell of each rank, then of NULL.
    of: Vec<(Vec<CellId>, CellId)>,
    /// Per segment: values that went to `other`.
    pub beyond_cap: Vec<usize>,
}

impl SegmentIndex {
    /// The `cap` values that most customers ever had get a cell, in the order of their text; the rest share `other`.
    pub fn learn(dictionary: &Dictionary, counts: &ValueCounts) -> SegmentIndex {
        let all = SegmentCell { segment: "all".into(), value: "all".into(), is_other: false, customers: 0 };
        let mut index = SegmentIndex { cells: vec![all], of: vec![], beyond_cap: vec![] };
        for (i, segment) in dictionary.segments.iter().enumerate() {
            let count = |rank: u32| counts.values.get(i).and_then(|m| m.get(&rank)).copied().unwrap_or_default();
            let mut ranks: Vec<u32> = (0..segment.values().len() as u32).filter(|r| count(*r).0 > 0).collect();
            ranks.sort_by_key(|r| (-count(*r).0, *r));
            let mut kept = ranks[..ranks.len().min(segment.cap)].to_vec();
            kept.sort_unstable();
            let beyond = &ranks[kept.len()..];
            let mut cell = |value: Arc<str>, is_other, customers| {
                index.cells.push(SegmentCell { segment: segment.name.clone(), value, is_other, customers });
                index.cells.len() as CellId - 1
            };
            let mut of = vec![ALL; segment.values().len()];
            let mut none = None;
            for rank in kept {
                let value = segment.values()[rank as usize].clone();
                let is_none = &*value == "(none)";
                let nulls = if is_none { count(NO_VALUE).1 } else { 0 };
                of[rank as usize] = cell(value, false, count(rank).1 + nulls);
                if is_none {
                    none = Some(of[rank as usize]);
                }
            }
            if !beyond.is_empty() {
                // A value that is really called so keeps its name.
                let taken =
                    ranks[..ranks.len().min(segment.cap)].iter().any(|r| &*segment.values()[*r as usize] == "other");
                let name = if taken { "(other)" } else { "other" };
                let other = cell(name.into(), true, beyond.iter().map(|r| count(*r).1).sum());
                beyond.iter().for_each(|r| of[*r as usize] = other);
            }
            let none = none.unwrap_or_else(|| cell("(none)".into(), false, count(NO_VALUE).1));
            index.beyond_cap.push(beyond.len());
            index.of.push((of, none));
        }
        index
    }

    pub fn cell(&self, segment: usize, rank: u32) -> CellId {
        let (of, none) = &self.of[segment];
        of.get(rank as usize).copied().unwrap_or(*none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_keeps_the_most_frequent_and_ties_go_by_text() {
        let values = ["d", "b", "a", "c"].map(String::from);
        let dictionary = Dictionary { segments: vec![SegmentColumn::new("plan", At::Latest, 2, &values)] };
        assert_eq!((dictionary.segments[0].rank(0), dictionary.segments[0].rank(NO_VALUE)), (3, NO_VALUE));
        let counts = [(0, (2, 1)), (1, (2, 2)), (2, (9, 3)), (3, (1, 1)), (NO_VALUE, (4, 4))].into();
        let index = SegmentIndex::learn(&dictionary, &ValueCounts { values: vec![counts] });
        let shown: Vec<_> = index.cells.iter().map(|c| (&*c.value, c.is_other, c.customers)).collect();
        assert_eq!(
            shown,
            [("all", false, 0), ("a", false, 1), ("c", false, 3), ("other", true, 3), ("(none)", false, 4)]
        );
        assert_eq!([0, 1, 2, 3, NO_VALUE].map(|r| index.cell(0, r)), [1, 3, 2, 3, 4]);
        assert_eq!(index.beyond_cap, [2]);
    }
}
