//! Table `quarantine`: every row that could not be used, where it stands and why.

use std::sync::Arc;

use crate::source::Rejected;
use crate::table::{Table, TableSchema, Type, column};

/// A longer value is cut here, counted in characters, and ends in `…`.
const LONGEST_VALUE: usize = 1000;

pub const NAME: &str = "quarantine";

pub fn schema() -> TableSchema {
    TableSchema {
        name: NAME.into(),
        doc: "Rows of the exports that could not be used".into(),
        key: 3,
        columns: vec![
            column("source", Type::Text, "the source in the pipeline file: transactions, subscriptions, …"),
            column("file", Type::Text, "the file, relative to the pipeline file"),
            column("row", Type::Int, "row in the file, from 1"),
            column("reason", Type::Text, "why it could not be used: no_customer, time_not_iso, amount_nan, …"),
            column("column", Type::Text, "the column or expression at fault"),
            column(
                "value",
                Type::Text,
                "the value at fault as text, cut after 1000 characters; NULL where there was none",
            ),
        ],
    }
}

/// Table `quarantine`, sorted by source, file and row. A row rejected for several reasons stands here once, with the
/// first of them.
pub fn table(rejected: &[Rejected]) -> Table {
    let mut rows: Vec<&Rejected> = rejected.iter().collect();
    rows.sort_by(|a, b| (a.source.name(), *a).cmp(&(b.source.name(), *b)));
    rows.dedup_by(|b, a| (a.source, &a.file, a.row) == (b.source, &b.file, b.row));
    let mut table = Table::empty(Arc::new(schema()), false);
    for r in rows {
        table.push([
            r.source.name().into(),
            r.file.as_str().into(),
            r.row.into(),
            r.reason.name().into(),
            r.column.as_str().into(),
            r.value.as_deref().map(cut).into(),
        ]);
    }
    table
}

fn cut(value: &str) -> String {
    match value.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SourceKind;
    use crate::source::Reason;
    use crate::table::Values;

    fn rejected(source: SourceKind, file: &str, row: u64, reason: Reason) -> Rejected {
        Rejected { source, file: file.into(), row, reason, column: "Amount".into(), value: Some("é".repeat(1001)) }
    }

    #[test]
    fn rows_are_sorted_once_each_and_long_values_cut() {
        let t = table(&[
            rejected(SourceKind::Transactions, "b.parquet", 2, Reason::NoTime),
            rejected(SourceKind::Subscriptions, "z.parquet", 9, Reason::NoAmount),
            rejected(SourceKind::Transactions, "b.parquet", 10, Reason::AmountNotANumber),
            rejected(SourceKind::Transactions, "b.parquet", 2, Reason::NoCustomer),
        ]);
        let Values::Int(rows) = &t.columns[2] else { panic!("rows are counts") };
        assert_eq!(*rows, [Some(9), Some(2), Some(10)]);
        let Values::Text(reasons) = &t.columns[3] else { panic!("reasons are text") };
        assert_eq!(reasons.get(1), Some("no_customer"), "the first reason counts");
        let Values::Text(values) = &t.columns[5] else { panic!("values are text") };
        assert_eq!(values.get(0).map(|v| v.chars().count()), Some(1001));
        assert!(values.get(0).is_some_and(|v| v.ends_with("é…")));
    }
}
