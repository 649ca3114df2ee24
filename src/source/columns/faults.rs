//! The faulty rows of a batch, each with the first fault that was found in it.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::source::Reason;

/// The rows of a batch that cannot be used. Columns are read in a fixed order, and a row keeps its first fault.
///
/// A row takes a few bytes here however long its value is: a value stays in its array until it is asked for.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Row → index into `causes`.
    rows: BTreeMap<usize, usize>,
    causes: Vec<FaultCause>,
}

/// The reason, the column and the array of values that several faulty rows share.
#[derive(Debug)]
struct FaultCause {
    reason: Reason,
    column: Arc<str>,
    /// The array with the values; `None` if these rows have no value.
    values: Option<ArrayRef>,
    rows: u64,
}

/// A faulty row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowFault<'a> {
    pub row: usize,
    pub reason: Reason,
    /// The export's column, or the expression.
    pub column: &'a Arc<str>,
    values: Option<&'a ArrayRef>,
}

impl RowFault<'_> {
    /// The value at fault as text, cut after [`LONGEST_VALUE`] characters; `None` where there is none.
    pub(crate) fn value(&self) -> Option<String> {
        shown(self.values?, self.row)
    }
}

/// The most characters of a value that the quarantine shows. A longer value is cut and ends in `…`.
pub const LONGEST_VALUE: usize = 1000;

impl Faults {
    /// Marks a row as faulty that has no value to show.
    pub(crate) fn mark(&mut self, row: usize, reason: Reason, column: &Arc<str>) {
        self.put(row, reason, column, None);
    }

    /// Marks a row as faulty. Its value is read from `values` if it is asked for; NULL there means that it has none.
    pub(crate) fn mark_value(&mut self, row: usize, reason: Reason, column: &Arc<str>, values: &ArrayRef) {
        self.put(row, reason, column, Some(values));
    }

    fn put(&mut self, row: usize, reason: Reason, column: &Arc<str>, values: Option<&ArrayRef>) {
        if self.contains(row) {
            return;
        }
        let same = |cause: &FaultCause| {
            let same_values = match (&cause.values, values) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                (a, b) => a.is_none() && b.is_none(),
            };
            cause.reason == reason && same_values && cause.column == *column
        };
        let cause = self.causes.iter().position(same).unwrap_or_else(|| {
            self.causes.push(FaultCause { reason, column: column.clone(), values: values.cloned(), rows: 0 });
            self.causes.len() - 1
        });
        self.causes[cause].rows += 1;
        self.rows.insert(row, cause);
    }

    pub(crate) fn contains(&self, row: usize) -> bool {
        !self.rows.is_empty() && self.rows.contains_key(&row)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// In order of row.
    pub(crate) fn iter(&self) -> impl Iterator<Item = RowFault<'_>> {
        self.rows.iter().map(|(row, cause)| {
            let FaultCause { reason, column, values, .. } = &self.causes[*cause];
            RowFault { row: *row, reason: *reason, column, values: values.as_ref() }
        })
    }

    /// How many rows have each reason and column; a pair may come several times.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (Reason, &Arc<str>, u64)> {
        self.causes.iter().map(|cause| (cause.reason, &cause.column, cause.rows))
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = usize> {
        self.rows.keys().copied()
    }
}

/// A value as text, `None` for NULL.
pub(crate) fn shown(array: &dyn Array, row: usize) -> Option<String> {
    if array.logical_nulls().is_some_and(|n| n.is_null(row)) {
        return None;
    }
    let mut text = Truncated::default();
    let written = match array.data_type() {
        // Instants are printed by their offset, as names of zones need a database.
        DataType::Timestamp(unit, Some(_)) => {
            cast(&array.slice(row, 1), &DataType::Timestamp(*unit, Some("+00:00".into())))
                .and_then(|one| write_value(&one, 0, &mut text))
        }
        _ => write_value(array, row, &mut text),
    };
    // A value that cannot be printed is shown as far as it could be.
    debug_assert!(written.is_ok(), "{written:?}");
    Some(text.0)
}

fn write_value(array: &dyn Array, row: usize, into: &mut Truncated) -> Result<(), ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options)?;
    // The only error of `Truncated` says that it is full.
    let _ = write!(into, "{}", formatter.value(row));
    Ok(())
}

/// Takes the first characters of what is written and refuses the rest, so that a long value is never copied whole.
#[derive(Default)]
struct Truncated(String, usize);

impl Write for Truncated {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let Truncated(kept, length) = self;
        let room = LONGEST_VALUE.saturating_sub(*length);
        match text.char_indices().nth(room) {
            None => {
                kept.push_str(text);
                *length += text.chars().count();
                Ok(())
            }
            Some((end, _)) => {
                kept.push_str(&text[..end]);
                kept.push('…');
                *length = LONGEST_VALUE;
                Err(fmt::Error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{StringViewArray, TimestampSecondArray};

    #[test]
    fn the_first_fault_of_a_row_stays_and_values_are_readable() {
        let mut faults = Faults::default();
        let at: ArrayRef = Arc::new(TimestampSecondArray::from(vec![Some(0), None]).with_timezone("Europe/London"));
        faults.mark_value(0, Reason::TimeOutOfRange, &"at".into(), &at);
        faults.mark(0, Reason::NoAmount, &"amount".into());
        faults.mark_value(1, Reason::NoTime, &"at".into(), &at);
        faults.mark(2, Reason::NoTime, &"at".into());
        let rows: Vec<_> = faults.iter().map(|f| (f.row, f.reason, f.value())).collect();
        assert_eq!(rows[0], (0, Reason::TimeOutOfRange, Some("1970-01-01T00:00:00Z".into())));
        assert_eq!(rows[1..], [(1, Reason::NoTime, None), (2, Reason::NoTime, None)]);
        let counted: Vec<_> = faults.counts().map(|(reason, column, n)| (reason, &**column, n)).collect();
        let no_time = (Reason::NoTime, "at", 1);
        assert_eq!(counted, [(Reason::TimeOutOfRange, "at", 1), no_time, no_time]);
    }

    #[test]
    fn a_long_value_is_cut_by_characters_and_a_value_of_just_that_length_is_not() {
        for (length, expected) in [(LONGEST_VALUE - 1, "é"), (LONGEST_VALUE, "é"), (LONGEST_VALUE + 1, "…")] {
            let value = StringViewArray::from(vec!["é".repeat(length)]);
            let text = shown(&value, 0).unwrap();
            assert_eq!(text.chars().count(), length);
            assert!(text.ends_with(expected), "{length}");
        }
        let long = StringViewArray::from(vec!["é".repeat(5 * LONGEST_VALUE)]);
        assert_eq!(shown(&long, 0).unwrap().chars().count(), LONGEST_VALUE + 1);
    }
}
