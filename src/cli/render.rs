//! Rows of a published table as text, JSON or CSV.

use std::io::{self, Write};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, SchemaRef};
use comfy_table::{CellAlignment, Table, TableComponent, presets};

use crate::calendar::Day;
use crate::error::{Error, Result};
use crate::money;
use crate::numbers::{count, grouped};
use crate::terminal::{escaped, escaped_but, escaped_json};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RowFormat {
    /// Aligned columns; figures are rounded, NULL is –, empty text is ""
    Text,
    /// One object a line; money as exact decimal numbers, dates as ISO 8601
    Json,
    /// RFC 4180 with exact values; NULL is an empty field, empty text is ""; text that a spreadsheet would read as a
    /// formula gets a ' in front
    Csv,
}

/// One cell, as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum CellValue<'a> {
    Null,
    Text(&'a str),
    Int(i64),
    Double(f64),
    Date(Day),
    Bool(bool),
    /// Unscaled value and digits.
    Decimal(i128, u8),
}

fn value(column: &ArrayRef, row: usize) -> CellValue<'_> {
    if column.is_null(row) {
        return CellValue::Null;
    }
    match column.data_type() {
        DataType::Utf8 => CellValue::Text(column.as_string::<i32>().value(row)),
        DataType::Int64 => CellValue::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => CellValue::Double(column.as_primitive::<Float64Type>().value(row)),
        DataType::Date32 => CellValue::Date(Day(column.as_primitive::<Date32Type>().value(row))),
        DataType::Boolean => CellValue::Bool(column.as_boolean().value(row)),
        DataType::Decimal128(_, digits) => {
            CellValue::Decimal(column.as_primitive::<Decimal128Type>().value(row), digits.unsigned_abs())
        }
        _ => CellValue::Null,
    }
}

/// # Errors
/// Input: a column has a type that tenure does not write.
pub(super) fn expect_known_types(schema: &SchemaRef) -> Result<()> {
    use DataType::{Boolean, Date32, Decimal128, Float64, Int64, Utf8};
    let known = |t: &DataType| matches!(t, Utf8 | Int64 | Float64 | Date32 | Boolean | Decimal128(_, 0..));
    match schema.fields().iter().find(|f| !known(f.data_type())) {
        None => Ok(()),
        Some(odd) => {
            Err(Error::input(format!("column {} has type {}, which no run writes", odd.name(), odd.data_type()))
                .help("the table was changed after the run; run the pipeline again"))
        }
    }
}

/// How many rows were printed, how many match, and how many the table has.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowCounts {
    pub shown: u64,
    /// Rows that satisfy `--where` and `--segment`; `None` if neither was given.
    pub matching: Option<u64>,
    pub all: u64,
}

/// Prints batches in order.
pub(super) struct Renderer<'a> {
    format: RowFormat,
    schema: SchemaRef,
    out: &'a mut dyn Write,
    /// Rows kept until the end: text needs all of them to know the widths of its columns.
    kept: Vec<RecordBatch>,
    /// True for a terminal, which reorders text that is written from right to left.
    terminal: bool,
}

impl<'a> Renderer<'a> {
    /// `terminal`: whether `out` is one.
    pub(super) fn begin(
        format: RowFormat,
        schema: SchemaRef,
        terminal: bool,
        out: &'a mut dyn Write,
    ) -> io::Result<Self> {
        if format == RowFormat::Csv {
            let names: Vec<String> = schema.fields().iter().map(|f| csv(CellValue::Text(f.name()))).collect();
            write!(out, "{}\r\n", names.join(","))?;
        }
        Ok(Renderer { format, schema, out, kept: Vec::new(), terminal })
    }

    pub(super) fn rows(&mut self, batch: RecordBatch) -> io::Result<()> {
        match self.format {
            RowFormat::Text => self.kept.push(batch),
            RowFormat::Json => {
                let names: Vec<String> = self.schema.fields().iter().map(|f| json_text(f.name())).collect();
                for row in 0..batch.num_rows() {
                    let pair = |(name, column)| format!("{name}:{}", json(value(column, row)));
                    let pairs: Vec<String> = names.iter().zip(batch.columns()).map(pair).collect();
                    writeln!(self.out, "{{{}}}", pairs.join(","))?;
                }
            }
            RowFormat::Csv => {
                for row in 0..batch.num_rows() {
                    let cells: Vec<String> = batch.columns().iter().map(|c| csv(value(c, row))).collect();
                    write!(self.out, "{}\r\n", cells.join(","))?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(self, count: RowCounts) -> io::Result<()> {
        if self.format == RowFormat::Text {
            for line in table(&self.schema, &self.kept, self.terminal).lines() {
                writeln!(self.out, "{}", line.trim_end())?;
            }
            writeln!(self.out, "{}", count_line(count))?;
        }
        self.out.flush()
    }
}

fn count_line(RowCounts { shown, matching, all }: RowCounts) -> String {
    let rows = |n: u64, what: &str| count(n, &format!("{what}row"));
    let (few, all_rows) = (grouped(shown), grouped(all));
    let more = |n: u64| if n > shown { " (--head N shows more)" } else { "" };
    match matching {
        Some(m) => format!("{few} of {}, of {all_rows}{}", rows(m, "matching "), more(m)),
        None => format!("{few} of {}{}", rows(all, ""), more(all)),
    }
}

fn table(schema: &SchemaRef, batches: &[RecordBatch], terminal: bool) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_style(TableComponent::HeaderLines, '─')
        .set_style(TableComponent::MiddleHeaderIntersections, '─');
    table.set_header(schema.fields().iter().map(|f| escaped(f.name()).into_owned()));
    let largest = |i: usize| batches.iter().map(|b| largest_double(b.column(i))).fold(0.0, f64::max);
    let decimals: Vec<usize> = (0..schema.fields().len()).map(|i| if largest(i) < 1000.0 { 4 } else { 2 }).collect();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let cell = |(column, &decimals): (&ArrayRef, &usize)| {
                let text = text(value(column, row), decimals);
                if terminal { isolated(text) } else { text }
            };
            table.add_row(batch.columns().iter().zip(&decimals).map(cell));
        }
    }
    for (i, field) in schema.fields().iter().enumerate() {
        let number = matches!(field.data_type(), DataType::Int64 | DataType::Float64 | DataType::Decimal128(..));
        if let (true, Some(column)) = (number, table.column_mut(i)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

fn largest_double(column: &ArrayRef) -> f64 {
    let doubles = column.as_primitive_opt::<Float64Type>();
    doubles.map_or(0.0, |v| v.iter().flatten().map(f64::abs).filter(|x| x.is_finite()).fold(0.0, f64::max))
}

const NULL: &str = "–";

/// A text as it is printed in a cell, for messages that quote it.
pub(super) fn label(value: &str) -> String {
    text(CellValue::Text(value), 0)
}

fn text(value: CellValue<'_>, decimals: usize) -> String {
    match value {
        CellValue::Null => NULL.into(),
        CellValue::Text("") => "\"\"".into(),
        // Quoted, so that it does not read as NULL.
        CellValue::Text(NULL) => format!("\"{NULL}\""),
        CellValue::Text(t) => escaped(t).into_owned(),
        CellValue::Int(n) => n.to_string(),
        CellValue::Double(x) => rounded(x, decimals),
        CellValue::Date(d) => d.to_string(),
        CellValue::Bool(b) => b.to_string(),
        CellValue::Decimal(units, digits) => money::format(units, digits),
    }
}

/// A float for people: with `decimals` digits, four for a rate in a column of larger numbers, and a power of ten if it
/// would otherwise read as zero.
fn rounded(x: f64, decimals: usize) -> String {
    let decimals = if x != 0.0 && x.abs() < 1.0 { 4 } else { decimals };
    let smallest = 0.5 / 10f64.powi(decimals as i32);
    if x == 0.0 {
        format!("{:.decimals$}", 0.0)
    } else if x.abs() < smallest {
        format!("{x:.1e}")
    } else if x.abs() < 1e15 {
        format!("{x:.decimals$}")
    } else {
        format!("{x:.4e}")
    }
}

/// Puts text that is written from right to left between isolates, so that a terminal does not reorder other columns.
fn isolated(text: String) -> String {
    if text.chars().any(is_right_to_left) { format!("\u{2068}{text}\u{2069}") } else { text }
}

/// Hebrew, Arabic, Syriac, Thaana, N'Ko and their presentation forms, and the right-to-left supplementary planes.
fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{0590}'..='\u{08FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFF}'
        | '\u{10800}'..='\u{10FFF}' | '\u{1E800}'..='\u{1EFFF}')
}

fn json_text(text: &str) -> String {
    escaped_json(&serde_json::Value::from(text).to_string()).into_owned()
}

/// The shortest decimal that reads back as the same float.
fn exact(x: f64) -> Option<String> {
    serde_json::Number::from_f64(x).map(|n| n.to_string())
}

fn json(value: CellValue<'_>) -> String {
    match value {
        CellValue::Null => "null".into(),
        CellValue::Text(t) => json_text(t),
        CellValue::Int(n) => n.to_string(),
        CellValue::Double(x) => exact(x).unwrap_or_else(|| "null".into()),
        CellValue::Date(d) => format!("\"{d}\""),
        CellValue::Bool(b) => b.to_string(),
        CellValue::Decimal(units, digits) => money::format(units, digits),
    }
}

fn csv(value: CellValue<'_>) -> String {
    match value {
        CellValue::Null => String::new(),
        CellValue::Text(t) => csv_text(t),
        CellValue::Double(x) => exact(x).unwrap_or_default(),
        CellValue::Date(d) => d.to_string(),
        other => json(other),
    }
}

/// True if a spreadsheet reads the text as a formula. The full-width signs count too: some programs narrow them.
fn begins_a_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}

/// A text as a CSV field. Line breaks stay, as in RFC 4180; other control characters are escaped.
fn csv_text(text: &str) -> String {
    // A lone carriage return is escaped: on a terminal it would hide the text before it.
    let lines: Vec<_> = text.split("\r\n").map(|line| escaped_but(line, |c| c == '\n')).collect();
    let mut cell = lines.join("\r\n");
    if begins_a_formula(text) {
        cell.insert(0, '\'');
    }
    let plain = !cell.is_empty() && cell.trim() == cell && !cell.contains([',', '"', '\n']);
    if plain { cell } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_what_matters() {
        let shown = [0.0523, 1.0, 0.0, -0.0, 1.3e-7, -0.00004, 2.0e20, 12.34567].map(|x| rounded(x, 4));
        assert_eq!(shown, ["0.0523", "1.0000", "0.0000", "0.0000", "1.3e-7", "-4.0e-5", "2.0000e20", "12.3457"]);
        assert_eq!(rounded(123_456.789, 2), "123456.79");
        assert_eq!(rounded(0.0789, 2), "0.0789");
    }

    #[test]
    fn null_empty_and_odd_text_differ_in_every_format() {
        let values = [CellValue::Null, CellValue::Text(""), CellValue::Text("–"), CellValue::Text("null")];
        assert_eq!(values.map(|v| text(v, 4)), ["–", "\"\"", "\"–\"", "null"]);
        assert_eq!(values.map(json), ["null", "\"\"", "\"–\"", "\"null\""]);
        assert_eq!(values.map(csv), ["", "\"\"", "–", "null"]);
        assert_eq!(csv(CellValue::Text("a \"b\", c\r\nd")), "\"a \"\"b\"\", c\r\nd\"");
        assert_eq!(csv(CellValue::Text(" padded")), "\" padded\"");
        assert_eq!(json(CellValue::Double(f64::NAN)), "null");
        assert_eq!(csv(CellValue::Double(0.1)), "0.1");
        assert_eq!(json(CellValue::Decimal(999_999_999_999_999_999, 2)), "9999999999999999.99");
        assert_eq!(csv(CellValue::Bool(true)), "true");
    }

    #[test]
    fn text_cannot_leave_its_cell() {
        assert_eq!(text(CellValue::Text("a\u{1b}[31mb\nc\u{202e}d"), 0), "a\\u{1b}[31mb\\nc\\u{202e}d");
        assert_eq!(json(CellValue::Text("a\u{9b}b\u{202e}\u{7f}")), "\"a\\u009bb\\u202e\\u007f\"");
        assert_eq!(csv(CellValue::Text("a\u{1b}[31mb\rc\u{202e}d")), "a\\u{1b}[31mb\\rc\\u{202e}d");
        assert_eq!(isolated("مرحبا".into()), "\u{2068}مرحبا\u{2069}");
        assert_eq!(isolated("Zoë 日本".into()), "Zoë 日本");
    }

    #[test]
    fn text_in_csv_is_no_formula() {
        for (value, cell) in [
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-5", "'-5"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\\t=1"),
            ("\r=1", "'\\r=1"),
            ("\n=1", "\"'\n=1\""),
            ("＝1", "'＝1"),
            ("=HYPERLINK(\"x\",1)", "\"'=HYPERLINK(\"\"x\"\",1)\""),
            ("a=1", "a=1"),
        ] {
            assert_eq!(csv(CellValue::Text(value)), cell, "{value:?}");
        }
        assert_eq!(csv(CellValue::Int(-5)), "-5");
        assert_eq!(csv(CellValue::Double(-0.5)), "-0.5");
        assert_eq!(csv(CellValue::Decimal(-1234, 2)), "-12.34");
    }

    #[test]
    fn counts_read_well() {
        let line = |shown, matching, all| count_line(RowCounts { shown, matching, all });
        assert_eq!(line(20, None, 1234), "20 of 1,234 rows (--head N shows more)");
        assert_eq!(line(1, None, 1), "1 of 1 row");
        assert_eq!(line(3, Some(3), 9), "3 of 3 matching rows, of 9");
        assert_eq!(line(0, Some(1), 9), "0 of 1 matching row, of 9 (--head N shows more)");
    }
}
