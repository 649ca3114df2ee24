//! Table `quarantine`: rows that could not be used, where they stand and why.

use std::sync::Arc;

use crate::config::SourceKind;
use crate::source::{KEPT_BYTES, KEPT_ROWS, LONGEST_VALUE, Rejections};
use crate::table::{Table, TableSchema, Type, column};

pub const NAME: &str = "quarantine";

pub fn schema() -> TableSchema {
    TableSchema {
        name: NAME.into(),
        doc: format!(
            "Rows of the exports that could not be used: of each source the first {KEPT_ROWS}, or {} MiB of values",
            KEPT_BYTES >> 20
        ),
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
                format!("the value at fault as text, cut after {LONGEST_VALUE} characters; NULL where there was none"),
            ),
        ],
    }
}

/// Table `quarantine`, sorted by source, file and row. A row that is faulty in several ways stands here once, with the
/// first of its faults.
pub fn table(rejected: &Rejections) -> Table {
    let mut sources = SourceKind::ALL;
    sources.sort_unstable_by_key(|source| source.name());
    let mut table = Table::empty(Arc::new(schema()), false);
    for r in sources.into_iter().filter_map(|source| rejected.of(source)).flat_map(|of_source| &of_source.rows) {
        table.push([
            r.source.name().into(),
            (&r.file).into(),
            r.row.into(),
            r.reason.name().into(),
            (&r.column).into(),
            r.value.as_deref().into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Reason, Rejected};
    use crate::table::Values;

    fn rejected(source: SourceKind, file: &str, row: u64, reason: Reason) -> Rejected {
        Rejected { source, file: file.into(), row, reason, column: "Amount".into(), value: Some("1,50".into()) }
    }

    #[test]
    fn rows_are_sorted_by_source_file_and_row() {
        let rows = [
            rejected(SourceKind::Transactions, "b.parquet", 2, Reason::NoTime),
            rejected(SourceKind::Subscriptions, "z.parquet", 9, Reason::NoAmount),
            rejected(SourceKind::Transactions, "b.parquet", 10, Reason::AmountNotANumber),
        ];
        let t = table(&rows.into_iter().collect());
        let Values::Int(rows) = &t.columns[2] else { panic!("rows are counts") };
        assert_eq!(*rows, [Some(9), Some(2), Some(10)]);
        let Values::Text(reasons) = &t.columns[3] else { panic!("reasons are text") };
        assert_eq!(reasons.get(1), Some("no_time"));
        let Values::Text(values) = &t.columns[5] else { panic!("values are text") };
        assert_eq!(values.get(0), Some("1,50"));
    }
}
