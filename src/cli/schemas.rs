//! The documentation of tables as text and JSON, from the schemas that the writers use.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::Serialize;

use crate::publish::TableFormat;
use crate::table::{TableSchema, Type};

/// Characters in a line of text.
pub(super) const WIDTH: u16 = 110;

#[derive(Clone, Debug, Serialize)]
pub(super) struct TableDoc {
    pub name: String,
    pub doc: String,
    /// Rows are sorted by these columns, and unique.
    pub key: Vec<String>,
    pub columns: Vec<ColumnDoc>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ColumnDoc {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub doc: String,
}

impl TableDoc {
    /// `digits`: decimals of money, if a pipeline is given.
    pub(super) fn new(schema: &TableSchema, digits: Option<u8>) -> TableDoc {
        let column = |c: &crate::table::ColumnSpec| ColumnDoc {
            name: c.name.clone(),
            kind: type_name(c.kind, digits),
            doc: c.doc.clone(),
        };
        TableDoc {
            name: schema.name.clone(),
            doc: schema.doc.clone(),
            key: schema.columns[..schema.key].iter().map(|c| c.name.clone()).collect(),
            columns: schema.columns.iter().map(column).collect(),
        }
    }

    pub(super) fn text(&self) -> String {
        let rows = self.columns.iter().map(|c| [c.name.clone(), c.kind.clone(), c.doc.clone()]);
        format!("{}: {}\n  key: {}\n\n{}", self.name, self.doc, self.key.join(", "), columns(rows, 2))
    }
}

/// The SQL type of a column, as far as it is known without the data.
fn type_name(kind: Type, digits: Option<u8>) -> String {
    match (kind, digits) {
        (Type::CustomerId, _) => "BIGINT or VARCHAR".into(),
        (Type::Money, None) => "DECIMAL(18,digits)".into(),
        (kind, digits) => TableFormat { digits: digits.unwrap_or_default(), integer_ids: false }.sql_type(kind),
    }
}

/// Rows as aligned, indented columns of text; the last column is wrapped.
pub(super) fn columns<const N: usize>(rows: impl IntoIterator<Item = [String; N]>, indent: usize) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(WIDTH - indent as u16);
    for row in rows {
        table.add_row(row);
    }
    if table.is_empty() {
        return String::new();
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if i + 1 < N {
            column.set_constraint(ColumnConstraint::UpperBoundary(Width::Percentage(45)));
        }
    }
    indented(&table.to_string(), indent)
}

/// The text with every line indented and trailing blanks removed.
pub(super) fn indented(text: &str, indent: usize) -> String {
    text.lines().map(|line| format!("{:indent$}{line}", "").trim_end().to_owned() + "\n").collect()
}
