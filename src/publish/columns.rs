//! Columns of a result table as Arrow arrays.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal64Array, Float64Array, Int64Array, LargeStringBuilder, RecordBatch,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::calendar::Day;
use crate::error::{Error, Result};
use crate::money::{self, MAX_MINOR};
use crate::table::{Table, TableSchema, Type, Values};

/// What a run's tables have in common and a [`TableSchema`] leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Minor-unit digits of money: DECIMAL(18, digits).
    pub digits: u8,
    /// Customer ids are BIGINT, else VARCHAR.
    pub integer_ids: bool,
}

/// Digits of a DECIMAL column.
const PRECISION: u8 = 18;

impl Format {
    /// The SQL name of a column's type, for people and the manifest.
    pub fn sql_type(&self, kind: Type) -> String {
        match kind {
            Type::Money => format!("DECIMAL({PRECISION},{})", self.digits),
            Type::CustomerId if self.integer_ids => "BIGINT".into(),
            Type::Text | Type::CustomerId => "VARCHAR".into(),
            Type::Int => "BIGINT".into(),
            Type::Double => "DOUBLE".into(),
            Type::Date => "DATE".into(),
            Type::Bool => "BOOLEAN".into(),
        }
    }

    /// Text has 64-bit offsets: a column of a batch may exceed 2 GiB. In the file it is plain UTF-8 all the same.
    fn data_type(&self, kind: Type) -> DataType {
        match kind {
            Type::CustomerId if self.integer_ids => DataType::Int64,
            Type::Text | Type::CustomerId => DataType::LargeUtf8,
            Type::Int => DataType::Int64,
            Type::Double => DataType::Float64,
            Type::Date => DataType::Date32,
            Type::Bool => DataType::Boolean,
            Type::Money => DataType::Decimal64(PRECISION, self.digits as i8),
        }
    }

    pub(super) fn arrow_schema(&self, schema: &TableSchema) -> SchemaRef {
        let field = |c: &crate::table::ColumnSpec| Field::new(&c.name, self.data_type(c.kind), true);
        Arc::new(Schema::new(schema.columns.iter().map(field).collect::<Vec<_>>()))
    }
}

/// The given rows of a table as a record batch.
///
/// # Errors
/// Input: money beyond DECIMAL(18). Internal: values that are not what the schema says, a DOUBLE that is no number.
pub(super) fn batch(table: &Table, rows: Range<usize>, format: Format, arrow: &SchemaRef) -> Result<RecordBatch> {
    let schema = &table.schema;
    if table.columns.len() != schema.columns.len() || table.columns.iter().any(|c| c.len() != table.rows()) {
        return Err(Error::internal(format!("table {} has columns missing or of unequal length", schema.name)));
    }
    let arrays: Result<Vec<ArrayRef>> = (0..table.columns.len())
        .map(|i| {
            let spec = &schema.columns[i];
            let place = Place { table: &schema.name, column: &spec.name };
            let array = array(&table.columns[i], rows.clone(), format.digits, place)?;
            let expected = arrow.field(i).data_type();
            if array.data_type() != expected {
                return Err(place.defect(format!("holds {} instead of {expected}", array.data_type())));
            }
            Ok(array)
        })
        .collect();
    RecordBatch::try_new(arrow.clone(), arrays?)
        .map_err(|e| Error::internal(format!("table {} does not fit its schema", schema.name)).because(e))
}

#[derive(Clone, Copy)]
struct Place<'a> {
    table: &'a str,
    column: &'a str,
}

impl Place<'_> {
    fn defect(self, what: String) -> Error {
        Error::internal(format!("column {}.{} {what}", self.table, self.column))
    }
}

fn array(values: &Values, rows: Range<usize>, digits: u8, place: Place<'_>) -> Result<ArrayRef> {
    Ok(match values {
        Values::Text(v) => {
            let mut texts = LargeStringBuilder::with_capacity(rows.len(), v.bytes(&rows));
            rows.for_each(|row| texts.append_option(v.get(row)));
            Arc::new(texts.finish())
        }
        Values::Int(v) => Arc::new(v[rows].iter().copied().collect::<Int64Array>()),
        Values::Double(v) => {
            if v[rows.clone()].iter().flatten().any(|x| !x.is_finite()) {
                return Err(place.defect("holds NaN or infinity; what cannot be known is NULL".into()));
            }
            Arc::new(v[rows].iter().copied().collect::<Float64Array>())
        }
        // `NEVER` is how memory spells the absence of a date.
        Values::Date(v) => {
            Arc::new(v[rows].iter().map(|d| d.filter(|&d| d != Day::NEVER).map(|d| d.0)).collect::<Date32Array>())
        }
        Values::Bool(v) => Arc::new(v[rows].iter().copied().collect::<BooleanArray>()),
        Values::Money(v) => {
            if v[rows.clone()].iter().flatten().any(|m| m.unsigned_abs() > MAX_MINOR as u64) {
                let most = money::format(MAX_MINOR, digits);
                return Err(Error::input(format!(
                    "column {}.{} cannot hold an amount that is greater than {most}: it is DECIMAL({PRECISION},{digits})",
                    place.table, place.column
                ))
                .help("look for outliers among the amounts of the exports, or lower `digits` in [money]"));
            }
            // DECIMAL(18) is 64 bits in memory as in the file.
            let decimals = v[rows].iter().copied().collect::<Decimal64Array>();
            Arc::new(
                decimals
                    .with_precision_and_scale(PRECISION, digits as i8)
                    .map_err(|e| place.defect(format!("cannot be DECIMAL({PRECISION},{digits})")).because(e))?,
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::table::{Values, column};

    fn one(kind: Type, values: Values) -> Result<RecordBatch> {
        let columns = vec![column("c", kind, "a column")];
        let schema = Arc::new(TableSchema { name: "t".into(), doc: String::new(), key: 0, columns });
        let format = Format { digits: 2, integer_ids: false };
        let table = Table { schema: schema.clone(), columns: vec![values] };
        batch(&table, 0..table.rows(), format, &format.arrow_schema(&schema))
    }

    #[test]
    fn money_beyond_decimal_18_names_table_column_and_amount() {
        let table = |units: i128| {
            let columns = vec![column("c", Type::Money, "a column")];
            let schema = Arc::new(TableSchema { name: "t".into(), doc: String::new(), key: 0, columns });
            let mut table = Table::empty(schema, false);
            table.push([None::<i128>.into()]);
            table.push([units.into()]);
            table.columns.remove(0)
        };
        for units in [MAX_MINOR + 1, -MAX_MINOR - 1, i128::MAX, i128::MIN] {
            let e = one(Type::Money, table(units)).unwrap_err();
            assert_eq!(e.kind, Kind::Input);
            assert!(e.what.contains("t.c") && e.what.contains("DECIMAL(18,2)"), "{}", e.what);
        }
        assert!([MAX_MINOR, -MAX_MINOR, 0].into_iter().all(|units| one(Type::Money, table(units)).is_ok()));
    }

    #[test]
    fn what_cannot_be_a_figure_is_a_defect() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let e = one(Type::Double, Values::Double(vec![Some(bad)])).unwrap_err();
            assert_eq!(e.kind, Kind::Internal);
        }
        let e = one(Type::Int, Values::Bool(vec![Some(true)])).unwrap_err();
        assert!(e.what.contains("t.c holds Boolean instead of Int64"), "{}", e.what);
    }
}
