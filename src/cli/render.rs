//! Rows of a published table as text, JSON or CSV.

use std::io::{self, Write};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, SchemaRef};
use comfy_table::{CellAlignment, Table, TableComponent, presets};

use crate::calendar::Day;
use crate::error::{Error, Result};
use crate::money;
use crate::terminal::{escaped, escaped_but, escaped_json};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns for people; figures are rounded, – is NULL, "" is empty text
    Text,
    /// One object a line; money is an exact decimal number, dates are ISO 8601
    Json,
    /// RFC 4180, exact values; nothing between the commas is NULL, "" is empty text; text that a spreadsheet would
    /// take for a formula stands behind a '
    Csv,
}

/// One cell, as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value<'a> {
    Null,
    Text(&'a str),
    Int(i64),
    Double(f64),
    Date(Day),
    Bool(bool),
    /// Unscaled value and digits.
    Decimal(i128, u8),
}

fn value(column: &ArrayRef, row: usize) -> Value<'_> {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Utf8 => Value::Text(column.as_string::<i32>().value(row)),
        DataType::Int64 => Value::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::Double(column.as_primitive::<Float64Type>().value(row)),
        DataType::Date32 => Value::Date(Day(column.as_primitive::<Date32Type>().value(row))),
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Decimal128(_, digits) => {
            Value::Decimal(column.as_primitive::<Decimal128Type>().value(row), digits.unsigned_abs())
        }
        _ => Value::Null,
    }
}

/// Refuses a file with types that tenure does not write.
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

/// How many rows were shown, found and there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    pub shown: u64,
    /// Rows that satisfy `--where` and `--segment`; `None` where neither was asked for.
    pub matching: Option<u64>,
    pub all: u64,
}

/// Takes batches as they come and writes them out.
pub(super) struct Renderer<'a> {
    format: Format,
    schema: SchemaRef,
    out: &'a mut dyn Write,
    /// Text needs all rows before it knows the widths.
    kept: Vec<RecordBatch>,
    /// Where it goes is a terminal, which reorders text from right to left.
    terminal: bool,
}

impl<'a> Renderer<'a> {
    /// `terminal`: whether `out` is one.
    pub fn begin(format: Format, schema: SchemaRef, terminal: bool, out: &'a mut dyn Write) -> io::Result<Self> {
        if format == Format::Csv {
            let names: Vec<String> = schema.fields().iter().map(|f| csv(Value::Text(f.name()))).collect();
            write!(out, "{}\r\n", names.join(","))?;
        }
        Ok(Renderer { format, schema, out, kept: Vec::new(), terminal })
    }

    pub fn rows(&mut self, batch: RecordBatch) -> io::Result<()> {
        match self.format {
            Format::Text => self.kept.push(batch),
            Format::Json => {
                let names: Vec<String> = self.schema.fields().iter().map(|f| json_text(f.name())).collect();
                for row in 0..batch.num_rows() {
                    let pair = |(name, column)| format!("{name}:{}", json(value(column, row)));
                    let pairs: Vec<String> = names.iter().zip(batch.columns()).map(pair).collect();
                    writeln!(self.out, "{{{}}}", pairs.join(","))?;
                }
            }
            Format::Csv => {
                for row in 0..batch.num_rows() {
                    let cells: Vec<String> = batch.columns().iter().map(|c| csv(value(c, row))).collect();
                    write!(self.out, "{}\r\n", cells.join(","))?;
                }
            }
        }
        Ok(())
    }

    pub fn finish(self, count: Count) -> io::Result<()> {
        if self.format == Format::Text {
            for line in table(&self.schema, &self.kept, self.terminal).lines() {
                writeln!(self.out, "{}", line.trim_end())?;
            }
            writeln!(self.out, "{}", count_line(count))?;
        }
        self.out.flush()
    }
}

fn count_line(Count { shown, matching, all }: Count) -> String {
    let rows = |n: u64, what: &str| if n == 1 { format!("1 {what}row") } else { format!("{n} {what}rows") };
    let more = |n: u64| if n > shown { " (--head N shows more)" } else { "" };
    match matching {
        Some(m) => format!("{shown} of {}, of {all}{}", rows(m, "matching "), more(m)),
        None => format!("{shown} of {}{}", rows(all, ""), more(all)),
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

/// A text as it stands in a cell, for messages that name it.
pub(super) fn label(value: &str) -> String {
    text(Value::Text(value), 0)
}

fn text(value: Value<'_>, decimals: usize) -> String {
    match value {
        Value::Null => NULL.into(),
        Value::Text("") => "\"\"".into(),
        // The word itself, quoted, so that it is not taken for NULL.
        Value::Text(NULL) => format!("\"{NULL}\""),
        Value::Text(t) => escaped(t).into_owned(),
        Value::Int(n) => n.to_string(),
        Value::Double(x) => rounded(x, decimals),
        Value::Date(d) => d.to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Decimal(units, digits) => money::format(units, digits),
    }
}

/// A float for people: so many decimals, four where rates stand in one column with money, and powers of ten where those
/// would hide it.
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

/// Text from right to left between isolates, so that a terminal does not reorder the columns beside it.
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

fn json(value: Value<'_>) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Text(t) => json_text(t),
        Value::Int(n) => n.to_string(),
        Value::Double(x) => exact(x).unwrap_or_else(|| "null".into()),
        Value::Date(d) => format!("\"{d}\""),
        Value::Bool(b) => b.to_string(),
        Value::Decimal(units, digits) => money::format(units, digits),
    }
}

fn csv(value: Value<'_>) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(t) => csv_text(t),
        Value::Double(x) => exact(x).unwrap_or_default(),
        Value::Date(d) => d.to_string(),
        other => json(other),
    }
}

/// What a spreadsheet takes for the beginning of a formula; the wide forms too, which some of them make narrow.
fn begins_a_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}

/// A text as a cell of CSV. Line breaks stay as RFC 4180 has them; other characters that steer a terminal are escaped.
fn csv_text(text: &str) -> String {
    // A return that ends no line would hide what stands before it.
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
        let values = [Value::Null, Value::Text(""), Value::Text("–"), Value::Text("null")];
        assert_eq!(values.map(|v| text(v, 4)), ["–", "\"\"", "\"–\"", "null"]);
        assert_eq!(values.map(json), ["null", "\"\"", "\"–\"", "\"null\""]);
        assert_eq!(values.map(csv), ["", "\"\"", "–", "null"]);
        assert_eq!(csv(Value::Text("a \"b\", c\r\nd")), "\"a \"\"b\"\", c\r\nd\"");
        assert_eq!(csv(Value::Text(" padded")), "\" padded\"");
        assert_eq!(json(Value::Double(f64::NAN)), "null");
        assert_eq!(csv(Value::Double(0.1)), "0.1");
        assert_eq!(json(Value::Decimal(999_999_999_999_999_999, 2)), "9999999999999999.99");
        assert_eq!(csv(Value::Bool(true)), "true");
    }

    #[test]
    fn text_cannot_leave_its_cell() {
        assert_eq!(text(Value::Text("a\u{1b}[31mb\nc\u{202e}d"), 0), "a\\u{1b}[31mb\\nc\\u{202e}d");
        assert_eq!(json(Value::Text("a\u{9b}b\u{202e}\u{7f}")), "\"a\\u009bb\\u202e\\u007f\"");
        assert_eq!(csv(Value::Text("a\u{1b}[31mb\rc\u{202e}d")), "a\\u{1b}[31mb\\rc\\u{202e}d");
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
            assert_eq!(csv(Value::Text(value)), cell, "{value:?}");
        }
        assert_eq!(csv(Value::Int(-5)), "-5");
        assert_eq!(csv(Value::Double(-0.5)), "-0.5");
        assert_eq!(csv(Value::Decimal(-1234, 2)), "-12.34");
    }

    #[test]
    fn counts_read_well() {
        let line = |shown, matching, all| count_line(Count { shown, matching, all });
        assert_eq!(line(20, None, 1234), "20 of 1234 rows (--head N shows more)");
        assert_eq!(line(1, None, 1), "1 of 1 row");
        assert_eq!(line(3, Some(3), 9), "3 of 3 matching rows, of 9");
        assert_eq!(line(0, Some(1), 9), "0 of 1 matching row, of 9 (--head N shows more)");
    }
}
