//! Result tables as plain values.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::Path;

use arrow::array::{Array, AsArray, LargeStringArray, RecordBatch, StringArray, StringViewArray};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type};
use arrow::util::display::array_value_to_string;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::days::{Day, show};

/// A cell of a result table.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Int(i64),
    Float(f64),
    Text(String),
    Date(Day),
    /// Minor units.
    Money(i128),
    Bool(bool),
}

/// As a person would write it; money with its two digits.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("NULL"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Float(x) => write!(f, "{x}"),
            Value::Text(t) => f.write_str(t),
            Value::Date(d) => f.write_str(&show(*d)),
            Value::Money(m) => {
                let sign = if *m < 0 { "-" } else { "" };
                write!(f, "{sign}{}.{:02}", m.abs() / 100, m.abs() % 100)
            }
            Value::Bool(b) => write!(f, "{b}"),
        }
    }
}

pub type Row = BTreeMap<String, Value>;

#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub rows: Vec<Row>,
}

impl Table {
    /// One file, or a folder of parts.
    pub fn read(run: &Path, name: &str) -> Table {
        let mut parts = vec![run.join(format!("{name}.parquet"))];
        if !parts[0].is_file() {
            let folder = if parts[0].is_dir() { parts[0].clone() } else { run.join(name) };
            let listed = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("no table {name} in {run:?}: {e}"));
            parts = listed.map(|f| f.expect("a readable folder").path()).collect();
            parts.sort();
        }
        let mut rows = vec![];
        for part in parts {
            read_rows(&part, &mut rows);
        }
        Table { name: name.to_string(), rows }
    }

    /// The only row with these values, as a person writes them.
    #[track_caller]
    pub fn row(&self, key: &[(&str, &str)]) -> &Row {
        let found = self.filter(key);
        match found.as_slice() {
            [row] => row,
            _ => panic!("{} rows of {} have {key:?}; the table has {} rows", found.len(), self.name, self.rows.len()),
        }
    }

    pub fn filter(&self, key: &[(&str, &str)]) -> Vec<&Row> {
        let same = |row: &&Row| key.iter().all(|(c, v)| self.cell(row, c).to_string() == *v);
        self.rows.iter().filter(same).collect()
    }

    #[track_caller]
    pub fn cell<'a>(&self, row: &'a Row, column: &str) -> &'a Value {
        row.get(column).unwrap_or_else(|| panic!("{} has no column {column}: {:?}", self.name, row.keys()))
    }
}

/// Numbers out of cells, NULL as 0: for sums only.
pub fn whole(value: &Value) -> i128 {
    match value {
        Value::Null => 0,
        Value::Int(n) => i128::from(*n),
        Value::Money(m) => *m,
        other => panic!("{other:?} is neither a count nor money"),
    }
}

pub fn read_rows(path: &Path, rows: &mut Vec<Row>) {
    let file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(ParquetRecordBatchReaderBuilder::build);
    for batch in reader.unwrap_or_else(|e| panic!("{}: {e}", path.display())) {
        let batch = batch.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        rows.extend((0..batch.num_rows()).map(|i| row_of(&batch, i)));
    }
}

fn row_of(batch: &RecordBatch, i: usize) -> Row {
    let named = batch.schema_ref().fields().iter().zip(batch.columns());
    named.map(|(field, column)| (field.name().clone(), value_of(column, i))).collect()
}

fn value_of(column: &dyn Array, i: usize) -> Value {
    if column.is_null(i) {
        return Value::Null;
    }
    let text = |t: &str| Value::Text(t.to_string());
    match column.data_type() {
        DataType::Int64 => Value::Int(column.as_primitive::<Int64Type>().value(i)),
        DataType::Int32 => Value::Int(column.as_primitive::<Int32Type>().value(i).into()),
        DataType::Float64 => Value::Float(column.as_primitive::<Float64Type>().value(i)),
        DataType::Date32 => Value::Date(column.as_primitive::<Date32Type>().value(i).into()),
        DataType::Decimal128(_, _) => Value::Money(column.as_primitive::<Decimal128Type>().value(i)),
        DataType::Boolean => Value::Bool(column.as_boolean().value(i)),
        DataType::Utf8 => text(column.as_any().downcast_ref::<StringArray>().expect("Utf8").value(i)),
        DataType::LargeUtf8 => text(column.as_any().downcast_ref::<LargeStringArray>().expect("LargeUtf8").value(i)),
        DataType::Utf8View => text(column.as_any().downcast_ref::<StringViewArray>().expect("Utf8View").value(i)),
        _ => Value::Text(array_value_to_string(column, i).expect("a value that prints")),
    }
}
