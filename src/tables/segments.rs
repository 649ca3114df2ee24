//! Table `segments`: the meaning of each segment_id in the other tables.

use std::sync::Arc;

use crate::table::{Table, TableSchema, Type, column};

/// One value of a segment, or one pair of values where two segments are crossed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentRow {
    /// The number by which other tables name this row; 0 is all customers.
    pub segment_id: i64,
    /// Name of the segment; `all` (with value `all`) for all customers.
    pub segment: Arc<str>,
    /// `(none)` where customers have no value.
    pub value: Arc<str>,
    /// The second of two crossed segments, and its value.
    pub second: Option<(Arc<str>, Arc<str>)>,
    /// True for the row that combines the values beyond the segment's cap.
    pub is_other: bool,
    /// Customers who have the value at as_of.
    pub customers: u64,
}

/// The columns of table `segments`, one row a segment value.
pub fn schema() -> TableSchema {
    TableSchema {
        name: "segments".into(),
        doc: "What each segment_id of the other tables stands for; never add up rows of different segments".into(),
        key: 1,
        columns: vec![
            column("segment_id", Type::Int, "the number by which the other tables name this row; 0 is the whole"),
            column("segment", Type::Text, "name of the segment in the pipeline file; `all` for the whole"),
            column("value", Type::Text, "its value; `all` for the whole, `(none)` where customers have none"),
            column("segment_2", Type::Text, "the second of two crossed segments; NULL where there is one"),
            column("value_2", Type::Text, "the value of the second segment; NULL where there is one"),
            column("is_other", Type::Bool, "whether the row holds the values beyond the segment's cap"),
            column(
                "customers",
                Type::Int,
                "customers who have the value at as_of; with `at = \"first\"`, whose first value it was",
            ),
        ],
    }
}

/// Table `segments` with the given rows, in their order.
pub fn table(rows: &[SegmentRow]) -> Table {
    let mut table = Table::empty(Arc::new(schema()), false);
    for r in rows {
        let (segment_2, value_2) = r.second.clone().unzip();
        table.push([
            r.segment_id.into(),
            (&r.segment).into(),
            (&r.value).into(),
            segment_2.as_ref().into(),
            value_2.as_ref().into(),
            r.is_other.into(),
            r.customers.into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Values;

    #[test]
    fn crossed_segments_have_both_values() {
        let row = |segment_id, second| SegmentRow {
            segment_id,
            segment: "country".into(),
            value: "France".into(),
            second,
            is_other: false,
            customers: 3,
        };
        let t = table(&[row(1, None), row(2, Some(("plan".into(), "pro".into())))]);
        assert_eq!(t.columns[3], Values::Text([None, Some("plan")].into_iter().collect()));
        assert_eq!(t.columns[4], Values::Text([None, Some("pro")].into_iter().collect()));
    }
}
