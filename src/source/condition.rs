//! A SQL condition over the rows of a table: `tenure show --where`.

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::Schema;
use jiff::tz::TimeZone;

use super::expression::{Compiled, ParsedSql, SqlType};
use crate::error::{Error, Result};

/// A condition over the columns of a table.
#[derive(Clone, Debug)]
pub struct Condition {
    compiled: Compiled,
    columns: Vec<usize>,
}

impl Condition {
    /// # Errors
    /// What is not allowed, or not there, and what is.
    pub fn new(sql: &str, schema: &Schema) -> Result<Condition> {
        let refused = |r: super::expression::SqlRefusal| {
            let e = Error::pipeline(r.what);
            if let Some(help) = r.help { e.help(help) } else { e }
        };
        let parsed = ParsedSql::new(sql).map_err(refused)?;
        let fields = schema.fields().iter();
        let available: Vec<_> = fields.map(|f| (f.name().clone(), SqlType::of_column(f.data_type()))).collect();
        let compiled = Compiled::new(&parsed, &available, &TimeZone::UTC).map_err(refused)?;
        if !matches!(compiled.kind(), SqlType::Bool | SqlType::Null) {
            return Err(Error::pipeline(format!("`{sql}` is a {}, not a condition", compiled.kind().name()))
                .help("write a comparison, such as churned > 0"));
        }
        let named = available.iter().enumerate().filter(|(_, (name, _))| parsed.columns().any(|c| c == name));
        Ok(Condition { compiled, columns: named.map(|(i, _)| i).collect() })
    }

    /// For each row, whether the condition is true; false where it is NULL.
    ///
    /// # Errors
    /// A value that cannot be cast.
    pub fn holds(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let arrays: Vec<ArrayRef> = self.columns.iter().map(|i| batch.column(*i).clone()).collect();
        self.compiled.holds(&arrays, batch.num_rows()).map_err(|e| {
            Error::pipeline(format!("`{}` fails on a value: {e}", self.compiled.sql()))
                .help("TRY_CAST gives NULL where CAST fails")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Date32Array, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field};
    use std::sync::Arc;

    #[test]
    fn rows_of_a_table_are_picked_by_sql() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("period", DataType::Date32, true),
            Field::new("value", DataType::Utf8, true),
            Field::new("churned", DataType::Int64, true),
        ]));
        let batch = RecordBatch::try_new(
            schema.clone(),
            vec![
                Arc::new(Date32Array::from(vec![Some(15_309), Some(15_340), None])),
                Arc::new(StringArray::from(vec!["all", "DE", "DE"])),
                Arc::new(Int64Array::from(vec![3, 4, 5])),
            ],
        )
        .unwrap();
        let picked = |sql: &str| Condition::new(sql, &schema).unwrap().holds(&batch).unwrap();
        assert_eq!(picked("churned > 3 AND value = 'DE'"), BooleanArray::from(vec![false, true, true]));
        assert_eq!(picked("period >= '2012-01-01'"), BooleanArray::from(vec![false, true, false]));
        assert_eq!(picked("TRUE"), BooleanArray::from(vec![true; 3]));
        assert!(Condition::new("churnd > 3", &schema).unwrap_err().what.contains("did you mean \"churned\""));
        assert!(Condition::new("churned", &schema).unwrap_err().what.contains("not a condition"));
    }
}
