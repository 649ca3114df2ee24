//! Segments: groups of customers by a value, and the cells that tables have for these values.
//!
//! A segment is a column of a source, a computed one ([`Builtin`]), or the combination of two segments (crossed).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::builtin::Builtin;
use super::labels::LabelColumn;
use crate::error::{Error, Result};
use crate::rows::{NO_VALUE, ValueCode};

/// Which of a customer's values counts where a column changes over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentAt {
    /// The value at each period's opening: customers may move between values.
    Opening,
    /// The value of the customer's earliest row.
    First,
    /// The value at as_of.
    Latest,
}

/// Where a segment's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentOrigin {
    /// A column of a source.
    Column,
    /// Computed by the program.
    Builtin(Builtin),
    /// Two other segments of the dictionary, by their numbers.
    Crossed(usize, usize),
}

/// A segment with its values.
#[derive(Clone, Debug)]
pub struct SegmentColumn {
    pub name: Arc<str>,
    pub at: SegmentAt,
    /// The most values that have a cell of their own.
    pub cap: usize,
    pub origin: SegmentOrigin,
    /// Empty for crossed segments: see [`SegmentDictionary::cross`].
    labels: LabelColumn,
}

/// The segments of a run with all their values.
#[derive(Clone, Debug, Default)]
pub struct SegmentDictionary {
    pub segments: Vec<SegmentColumn>,
}

impl SegmentColumn {
    /// A segment of a source's column. `values[code]`: the text of a code.
    pub fn new(name: &str, at: SegmentAt, cap: usize, values: &[Arc<str>]) -> SegmentColumn {
        SegmentColumn { name: name.into(), at, cap, origin: SegmentOrigin::Column, labels: LabelColumn::new(values) }
    }

    /// A computed segment, with all values that customers may have.
    pub fn builtin(name: &str, cap: usize, builtin: Builtin, values: &[Arc<str>]) -> SegmentColumn {
        SegmentColumn {
            origin: SegmentOrigin::Builtin(builtin),
            ..SegmentColumn::new(name, SegmentAt::Latest, cap, values)
        }
    }

    /// For estimates before the scan: the segment with one value more than its cap if its values come from a source,
    /// since more values do not lead to more cells.
    pub fn fullest_column(&self) -> SegmentColumn {
        if self.origin != SegmentOrigin::Column {
            return self.clone();
        }
        let values: Vec<Arc<str>> = (0..=self.cap).map(|i| i.to_string().into()).collect();
        SegmentColumn::new(&self.name, self.at, self.cap, &values)
    }

    /// The rank of a code, as [`LabelColumn::rank`].
    pub fn rank(&self, code: ValueCode) -> u32 {
        self.labels.rank(code)
    }

    /// The values, by rank.
    pub fn values(&self) -> &[Arc<str>] {
        self.labels.values()
    }
}

/// Separates the names of crossed segments, and their values.
const CROSS: &str = " × ";

impl SegmentDictionary {
    /// Adds the segment that crosses segments `a` and `b`. The rank of a pair is `rank_a·(B + 1) + rank_b`, where B is
    /// the number of values of `b`, and a missing value has the rank after the last.
    ///
    /// # Errors
    /// Pipeline: there are more pairs of values than 32-bit ranks.
    pub fn cross(&mut self, a: usize, b: usize) -> Result<()> {
        let [first, second] = [a, b].map(|i| &self.segments[i]);
        let name = format!("{}{CROSS}{}", first.name, second.name);
        let pairs = (first.values().len() as u64 + 1) * (second.values().len() as u64 + 1);
        if pairs >= u64::from(NO_VALUE) {
            return Err(Error::pipeline(format!(
                "segments {} and {} have {pairs} pairs of values",
                first.name, second.name
            ))
            .help("cross segments of fewer values, such as the region instead of the town"));
        }
        let at = match (first.at, second.at) {
            (SegmentAt::Opening, _) | (_, SegmentAt::Opening) => SegmentAt::Opening,
            (SegmentAt::Latest, _) | (_, SegmentAt::Latest) => SegmentAt::Latest,
            (SegmentAt::First, SegmentAt::First) => SegmentAt::First,
        };
        let cap = first.cap.max(second.cap);
        let origin = SegmentOrigin::Crossed(a, b);
        self.segments.push(SegmentColumn { name: name.into(), at, cap, origin, labels: LabelColumn::default() });
        Ok(())
    }

    /// The number of ranks of a segment.
    pub fn ranks(&self, segment: usize) -> usize {
        match self.segments[segment].origin {
            SegmentOrigin::Crossed(a, b) => {
                (self.segments[a].values().len() + 1) * (self.segments[b].values().len() + 1)
            }
            SegmentOrigin::Column | SegmentOrigin::Builtin(_) => self.segments[segment].values().len(),
        }
    }

    /// The rank of a pair of values in the segment that crosses `a` and `b`.
    pub fn pair(&self, (a, b): (usize, usize), (of_a, of_b): (u32, u32)) -> u32 {
        let none = |segment: usize| self.segments[segment].values().len() as u32;
        of_a.min(none(a)) * (none(b) + 1) + of_b.min(none(b))
    }

    /// The names of two crossed segments and their values in a pair; `None` for other segments.
    fn parts(&self, segment: usize, rank: u32) -> Option<[(Arc<str>, Arc<str>); 2]> {
        let SegmentOrigin::Crossed(a, b) = self.segments[segment].origin else { return None };
        let width = self.segments[b].values().len() as u32 + 1;
        let part = |of: usize, rank: u32| {
            let column = &self.segments[of];
            (column.name.clone(), column.values().get(rank as usize).cloned().unwrap_or_else(|| NONE.into()))
        };
        Some([part(a, rank / width), part(b, rank % width)])
    }
}

/// The value of customers without one.
const NONE: &str = "(none)";

/// The number of a cell of the tables. [`ALL`] has all customers, each other cell those with one value of one segment.
pub type CellId = u32;
/// The cell of all customers.
pub const ALL: CellId = 0;

/// A cell of the tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentCell {
    pub segment: Arc<str>,
    pub value: Arc<str>,
    /// For crossed segments, the name and value of each.
    pub parts: Option<[(Arc<str>, Arc<str>); 2]>,
    /// The cell of all values beyond the segment's cap.
    pub is_other: bool,
    /// The number of customers who have the value at as_of; 0 for the cell of all customers.
    pub customers: i64,
}

/// The numbers of customers who ever had, and who have at as_of, each value. They decide which values have a cell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueCounts {
    /// For each segment, by rank: (ever, at as_of).
    pub values: Vec<BTreeMap<u32, (i64, i64)>>,
}

/// The cell of each rank of a segment. A rank that no customer ever had has none, which is [`ALL`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum CellsByRank {
    /// Indexed by rank.
    Dense(Vec<CellId>),
    /// For crossed segments, which have many possible pairs: those that occur.
    Sparse(BTreeMap<u32, CellId>),
}

impl CellsByRank {
    fn put(&mut self, rank: u32, cell: CellId) {
        match self {
            CellsByRank::Dense(cells) => cells[rank as usize] = cell,
            CellsByRank::Sparse(cells) => {
                cells.insert(rank, cell);
            }
        }
    }
}

/// Maps values to cells. It is learned once a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentIndex {
    pub cells: Vec<SegmentCell>,
    /// For each segment, the cells of its ranks, and that of NULL.
    of: Vec<(CellsByRank, CellId)>,
    /// For each segment, the number of its cells.
    widths: Vec<usize>,
    /// For each segment, the number of values in `other`.
    pub beyond_cap: Vec<usize>,
}

impl SegmentIndex {
    /// Gives a cell to each of the `cap` values that most customers ever had, in the order of their text. The other
    /// values share the cell `other`.
    pub fn learn(dictionary: &SegmentDictionary, counts: &ValueCounts) -> SegmentIndex {
        let (name, value): (Arc<str>, Arc<str>) = ("all".into(), "all".into());
        let all = SegmentCell { segment: name, value, parts: None, is_other: false, customers: 0 };
        let mut index = SegmentIndex { cells: vec![all], of: vec![], widths: vec![], beyond_cap: vec![] };
        let none_yet = BTreeMap::new();
        for (i, segment) in dictionary.segments.iter().enumerate() {
            let before = index.cells.len();
            let counts = counts.values.get(i).unwrap_or(&none_yet);
            let count = |rank: u32| counts.get(&rank).copied().unwrap_or_default();
            let occurs = |(rank, (ever, _)): (&u32, &(i64, i64))| (*rank != NO_VALUE && *ever > 0).then_some(*rank);
            let mut ranks: Vec<u32> = counts.iter().filter_map(occurs).collect();
            ranks.sort_by_key(|r| (-count(*r).0, *r));
            let mut kept = ranks[..ranks.len().min(segment.cap)].to_vec();
            kept.sort_unstable();
            let beyond = &ranks[kept.len()..];
            let mut cell = |value: Arc<str>, parts, is_other, customers| {
                index.cells.push(SegmentCell { segment: segment.name.clone(), value, parts, is_other, customers });
                index.cells.len() as CellId - 1
            };
            let mut of = match segment.origin {
                SegmentOrigin::Crossed(..) => CellsByRank::Sparse(BTreeMap::new()),
                SegmentOrigin::Column | SegmentOrigin::Builtin(_) => {
                    CellsByRank::Dense(vec![ALL; segment.values().len()])
                }
            };
            let (mut none, mut other_is_taken) = (None, false);
            for rank in kept {
                let parts = dictionary.parts(i, rank);
                let value = match &parts {
                    Some([(_, a), (_, b)]) => format!("{a}{CROSS}{b}").into(),
                    None => segment.values()[rank as usize].clone(),
                };
                other_is_taken |= &*value == OTHER;
                let is_none = &*value == NONE;
                let nulls = if is_none { count(NO_VALUE).1 } else { 0 };
                let cell = cell(value, parts, false, count(rank).1 + nulls);
                of.put(rank, cell);
                if is_none {
                    none = Some(cell);
                }
            }
            if !beyond.is_empty() {
                // A value of the data that is called `other` keeps its name.
                let name = if other_is_taken { "(other)" } else { OTHER };
                let other = cell(name.into(), None, true, beyond.iter().map(|r| count(*r).1).sum());
                beyond.iter().for_each(|r| of.put(*r, other));
            }
            // Crossed segments have no NULL: a pair has `(none)` as one or both of its values.
            let none = match segment.origin {
                SegmentOrigin::Crossed(..) => ALL,
                _ => none.unwrap_or_else(|| cell(NONE.into(), None, false, count(NO_VALUE).1)),
            };
            index.widths.push(index.cells.len() - before);
            index.beyond_cap.push(beyond.len());
            index.of.push((of, none));
        }
        index
    }

    /// The number of cells of a segment.
    pub fn width(&self, segment: usize) -> usize {
        self.widths.get(segment).copied().unwrap_or(0)
    }

    /// The cell of a value; [`NO_VALUE`] is NULL.
    pub fn cell(&self, segment: usize, rank: u32) -> CellId {
        let (of, none) = &self.of[segment];
        match of {
            CellsByRank::Dense(cells) => cells.get(rank as usize).copied().unwrap_or(*none),
            CellsByRank::Sparse(cells) => cells.get(&rank).copied().unwrap_or(*none),
        }
    }
}

/// The value of the cell for values beyond the cap.
const OTHER: &str = "other";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_keeps_the_most_frequent_and_ties_go_by_text() {
        let values = ["d", "b", "a", "c"].map(Arc::from);
        let dictionary =
            SegmentDictionary { segments: vec![SegmentColumn::new("plan", SegmentAt::Latest, 2, &values)] };
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

    #[test]
    fn pairs_have_cells_only_where_they_occur() {
        let texts = |all: &[&str]| all.iter().map(|t| Arc::from(*t)).collect::<Vec<_>>();
        let column = |name, at, values: &[&str]| SegmentColumn::new(name, at, 2, &texts(values));
        let segments =
            vec![column("land", SegmentAt::Latest, &["de", "fr"]), column("plan", SegmentAt::Opening, &["pro"])];
        let mut dictionary = SegmentDictionary { segments };
        dictionary.cross(0, 1).unwrap();
        assert_eq!((&*dictionary.segments[2].name, dictionary.segments[2].at), ("land × plan", SegmentAt::Opening));
        assert_eq!(dictionary.ranks(2), 6);
        let rank = |a, b| dictionary.pair((0, 1), (a, b));
        let counts = [(rank(1, 0), (5, 4)), (rank(NO_VALUE, 0), (9, 9)), (rank(0, NO_VALUE), (1, 1))].into();
        let counts = ValueCounts { values: vec![BTreeMap::new(), BTreeMap::new(), counts] };
        let index = SegmentIndex::learn(&dictionary, &counts);
        let shown: Vec<_> = index.cells.iter().map(|c| (&*c.value, c.customers)).skip(3).collect();
        assert_eq!(shown, [("fr × pro", 4), ("(none) × pro", 9), ("other", 1)]);
        let [(land, fr), (plan, pro)] = index.cells[3].parts.clone().unwrap();
        assert_eq!([&*land, &*fr, &*plan, &*pro], ["land", "fr", "plan", "pro"]);
        assert_eq!([rank(1, 0), rank(NO_VALUE, 0), rank(0, NO_VALUE)].map(|r| index.cell(2, r)), [3, 4, 5]);
    }
}
