//! Table `quarantine`: rows of the exports that could not be used, where they are and why.

use std::sync::Arc;

use crate::table::{Table, TableSchema, Type, column};

/// The table's name.
pub const NAME: &str = "quarantine";

/// One row of an export that could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuarantineRow<'a> {
    /// The source in the pipeline file: `transactions`, …
    pub source: &'a str,
    /// The file, relative to the pipeline file.
    pub file: &'a str,
    /// Row in the file, from 1.
    pub row: u64,
    /// `no_customer`, `time_not_iso`, …
    pub reason: &'a str,
    /// The column or expression at fault.
    pub column: &'a str,
    /// The value at fault; `None` if there was none.
    pub value: Option<&'a str>,
}

/// The columns of table `quarantine`, one row a rejected row of an export.
pub fn schema() -> TableSchema {
    TableSchema {
        name: NAME.into(),
        doc: "Rows of the exports that could not be used: of each source the first 100000, or 8 MiB of values".into(),
        key: 3,
        columns: vec![
            column("source", Type::Text, "the source in the pipeline file: transactions, subscriptions, …"),
            column("file", Type::Text, "the file, relative to the pipeline file"),
            column("row", Type::Int, "row in the file, from 1"),
            column(
                "reason",
                Type::Text,
                "why it could not be used: no_customer, time_not_iso, amount_nan, …; check `quarantine` counts all rows by it",
            ),
            column("column", Type::Text, "the column or expression at fault"),
            column(
                "value",
                Type::Text,
                "the value at fault as text, cut after 1000 characters; NULL where there was none",
            ),
        ],
    }
}

/// Table `quarantine`, sorted by source, file and row, whatever the order of `rejected`. A row with several faults has
/// one row here, with the first of them.
pub fn table<'a>(rejected: impl IntoIterator<Item = QuarantineRow<'a>>) -> Table {
    let mut rows: Vec<QuarantineRow<'_>> = rejected.into_iter().collect();
    rows.sort_unstable();
    let mut table = Table::empty(Arc::new(schema()), false);
    for r in rows {
        table.push([r.source.into(), r.file.into(), r.row.into(), r.reason.into(), r.column.into(), r.value.into()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{KEPT_BYTES, KEPT_ROWS, LONGEST_VALUE};
    use crate::table::Values;

    fn rejected<'a>(source: &'a str, file: &'a str, row: u64, reason: &'a str) -> QuarantineRow<'a> {
        QuarantineRow { source, file, row, reason, column: "Amount", value: Some("1,50") }
    }

    #[test]
    fn rows_are_sorted_by_source_file_and_row() {
        let t = table([
            rejected("transactions", "b.parquet", 10, "amount_nan"),
            rejected("subscriptions", "z.parquet", 9, "no_amount"),
            rejected("transactions", "b.parquet", 2, "no_time"),
        ]);
        let Values::Int(rows) = &t.columns[2] else { panic!("rows are counts") };
        assert_eq!(*rows, [Some(9), Some(2), Some(10)]);
        let Values::Text(reasons) = &t.columns[3] else { panic!("reasons are text") };
        assert_eq!(reasons.get(1), Some("no_time"));
        let Values::Text(values) = &t.columns[5] else { panic!("values are text") };
        assert_eq!(values.get(0), Some("1,50"));
    }

    /// The scan keeps no more than these; this module does not name it.
    #[test]
    fn the_limits_in_the_documentation_are_those_of_the_scan() {
        let schema = schema();
        assert!(schema.doc.contains(&format!("the first {KEPT_ROWS}, or {} MiB", KEPT_BYTES >> 20)), "{}", schema.doc);
        assert!(schema.columns[5].doc.contains(&format!("after {LONGEST_VALUE} characters")));
    }
}
