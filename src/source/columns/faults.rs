//! The faulty rows of a batch, each with the first fault found.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::Array;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;

use crate::source::Reason;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub reason: Reason,
    /// The export's column, or the expression.
    pub column: Arc<str>,
    pub value: Option<String>,
}

/// Rows of the current batch that cannot be used. Columns are looked at in a fixed order, and the first fault stays.
#[derive(Debug, Default)]
pub struct Faults(BTreeMap<usize, Fault>);

/// Longer values are cut in the quarantine.
const LONGEST_VALUE: usize = 200;

impl Faults {
    pub fn mark(&mut self, row: usize, reason: Reason, column: &Arc<str>, value: Option<String>) {
        self.0.entry(row).or_insert_with(|| Fault { reason, column: column.clone(), value });
    }

    /// Marks the row with the value that stands in `array`, NULL for none.
    pub fn mark_value(&mut self, row: usize, reason: Reason, column: &Arc<str>, array: &dyn Array) {
        if !self.0.contains_key(&row) {
            self.mark(row, reason, column, shown(array, row));
        }
    }

    pub fn contains(&self, row: usize) -> bool {
        !self.0.is_empty() && self.0.contains_key(&row)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// In order of row.
    pub fn into_rows(self) -> impl Iterator<Item = (usize, Fault)> {
        self.0.into_iter()
    }

    pub fn rows(&self) -> impl Iterator<Item = usize> {
        self.0.keys().copied()
    }
}

/// A value as text, `None` for NULL.
pub fn shown(array: &dyn Array, row: usize) -> Option<String> {
    if array.logical_nulls().is_some_and(|n| n.is_null(row)) {
        return None;
    }
    let text = match array.data_type() {
        // Instants are printed by their offset, as names of zones need a database.
        DataType::Timestamp(unit, Some(_)) => {
            cast(&array.slice(row, 1), &DataType::Timestamp(*unit, Some("+00:00".into())))
                .and_then(|one| array_value_to_string(&one, 0))
        }
        _ => array_value_to_string(array, row),
    }
    .unwrap_or_default();
    Some(match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{StringViewArray, TimestampSecondArray};

    #[test]
    fn the_first_fault_of_a_row_stays_and_values_are_readable() {
        let mut faults = Faults::default();
        let at = TimestampSecondArray::from(vec![Some(0), None]).with_timezone("Europe/London");
        faults.mark_value(0, Reason::TimeOutOfRange, &"at".into(), &at);
        faults.mark(0, Reason::NoAmount, &"amount".into(), None);
        faults.mark_value(1, Reason::NoTime, &"at".into(), &at);
        let rows: Vec<_> = faults.into_rows().map(|(row, f)| (row, f.reason, f.value)).collect();
        assert_eq!(rows[0], (0, Reason::TimeOutOfRange, Some("1970-01-01T00:00:00Z".into())));
        assert_eq!(rows[1], (1, Reason::NoTime, None));
        let long = StringViewArray::from(vec!["é".repeat(5000)]);
        assert_eq!(shown(&long, 0).unwrap().chars().count(), LONGEST_VALUE + 1);
    }
}
