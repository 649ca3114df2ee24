//! Customer ids.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::*;

use super::faults::Faults;
use crate::rows::{Ids, TextBuffer};
use crate::source::Reason;

/// The type of customer ids in a run, the same for all sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    /// BIGINT: every source has whole numbers that fit it.
    Integer,
    /// VARCHAR. A source with whole numbers has them written in decimal.
    Text,
}

/// The most bytes of a customer id. The id of every customer is kept in memory, and is written to tables with one row a
/// customer and period.
pub(crate) const LONGEST_ID: usize = 512;

/// Reads a column of texts or whole numbers. A row is marked faulty if its id is NULL, empty or longer than [`LONGEST_ID`].
///
/// # Errors
/// The row and a sentence, if an id fits no table: a whole number beyond 64 bits with a sign.
pub(crate) fn read(
    array: &ArrayRef,
    kind: IdKind,
    label: &Arc<str>,
    faults: &mut Faults,
) -> Result<Ids, (usize, String)> {
    macro_rules! integers {
        ($type:ty) => {{
            let values = array.as_primitive::<$type>().values();
            match kind {
                IdKind::Integer => integer(values.iter().map(|v| i64::try_from(*v).ok())),
                IdKind::Text => Ok(decimal(values.iter())),
            }
        }};
    }
    let ids = match array.data_type() {
        DataType::Utf8View => return Ok(text(array, label, faults)),
        DataType::Int64 if kind == IdKind::Integer => {
            Ok(Ids::Integer(array.as_primitive::<Int64Type>().values().to_vec()))
        }
        DataType::Int64 => integers!(Int64Type),
        DataType::Int8 => integers!(Int8Type),
        DataType::Int16 => integers!(Int16Type),
        DataType::Int32 => integers!(Int32Type),
        DataType::UInt8 => integers!(UInt8Type),
        DataType::UInt16 => integers!(UInt16Type),
        DataType::UInt32 => integers!(UInt32Type),
        DataType::UInt64 => integers!(UInt64Type),
        // A column without values: the schema was checked before.
        _ => match kind {
            IdKind::Integer => Ok(Ids::Integer(vec![0; array.len()])),
            IdKind::Text => Ok(decimal(std::iter::repeat_n(0, array.len()))),
        },
    }?;
    if let Some(nulls) = array.logical_nulls() {
        for row in 0..array.len() {
            if nulls.is_null(row) {
                faults.mark(row, Reason::NoCustomer, label);
            }
        }
    }
    Ok(ids)
}

fn integer(values: impl Iterator<Item = Option<i64>>) -> Result<Ids, (usize, String)> {
    let ids = values.enumerate().map(|(row, v)| v.ok_or(row)).collect::<Result<Vec<_>, _>>();
    ids.map(Ids::Integer).map_err(|row| {
        (row, "a customer id is larger than 9223372036854775807, which the file's own statistics rule out".to_string())
    })
}

fn decimal(values: impl Iterator<Item = impl std::fmt::Display>) -> Ids {
    let mut texts = TextBuffer::default();
    let mut text = String::new();
    for value in values {
        text.clear();
        let _ = write!(text, "{value}");
        texts.push(&text);
    }
    Ids::Text(texts)
}

fn text(array: &ArrayRef, label: &Arc<str>, faults: &mut Faults) -> Ids {
    // Most ids are short, and all of a column are about as long.
    let mut texts = TextBuffer::with_capacity(array.len(), 16 * array.len());
    for (row, id) in array.as_string_view().iter().enumerate() {
        let mut id = id.unwrap_or("");
        if id.is_empty() {
            faults.mark_value(row, Reason::NoCustomer, label, array);
        } else if id.len() > LONGEST_ID {
            faults.mark_value(row, Reason::TextTooLong, label, array);
            id = "";
        }
        texts.push(id);
    }
    Ids::Text(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::*;

    fn ids(array: ArrayRef, kind: IdKind) -> (Vec<String>, Vec<usize>) {
        let mut faults = Faults::default();
        let ids = match read(&array, kind, &"id".into(), &mut faults).unwrap() {
            Ids::Integer(v) => v.iter().map(i64::to_string).collect(),
            Ids::Text(t) => (0..t.len()).map(|i| t.get(i).to_string()).collect(),
        };
        (ids, faults.rows().collect())
    }

    #[test]
    fn integers_of_every_width_are_the_same_ids_in_both_kinds() {
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(Int8Array::from(vec![7, 100])),
            Arc::new(Int16Array::from(vec![7, 100])),
            Arc::new(Int32Array::from(vec![7, 100])),
            Arc::new(Int64Array::from(vec![7, 100])),
            Arc::new(UInt8Array::from(vec![7, 100])),
            Arc::new(UInt16Array::from(vec![7, 100])),
            Arc::new(UInt32Array::from(vec![7, 100])),
            Arc::new(UInt64Array::from(vec![7, 100])),
        ];
        for array in arrays {
            for kind in [IdKind::Integer, IdKind::Text] {
                assert_eq!(ids(array.clone(), kind), (vec!["7".to_string(), "100".to_string()], vec![]));
            }
        }
    }

    #[test]
    fn no_customer_is_null_or_empty_and_nothing_else() {
        let texts = StringViewArray::from(vec![Some("a"), None, Some(""), Some(" "), Some("0")]);
        assert_eq!(ids(Arc::new(texts), IdKind::Text).1, [1, 2]);
        assert_eq!(ids(Arc::new(Int64Array::from(vec![Some(0), None, Some(-1)])), IdKind::Integer).1, [1]);
        assert_eq!(ids(Arc::new(NullArray::new(2)), IdKind::Text).1, [0, 1]);
    }

    #[test]
    fn ids_beyond_the_longest_are_faulty() {
        let texts: ArrayRef = Arc::new(StringViewArray::from(vec!["x".repeat(LONGEST_ID), "x".repeat(LONGEST_ID + 1)]));
        let mut faults = Faults::default();
        let Ids::Text(ids) = read(&texts, IdKind::Text, &"id".into(), &mut faults).unwrap() else { panic!("texts") };
        assert_eq!((ids.get(0).len(), ids.get(1).len()), (LONGEST_ID, 0));
        assert_eq!(faults.iter().map(|f| (f.row, f.reason)).collect::<Vec<_>>(), [(1, Reason::TextTooLong)]);
    }

    #[test]
    fn ids_that_no_table_holds_are_errors() {
        let mut faults = Faults::default();
        let big: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        assert_eq!(read(&big, IdKind::Integer, &"id".into(), &mut faults).unwrap_err().0, 0);
        assert_eq!(ids(big, IdKind::Text).0, [u64::MAX.to_string()]);
    }
}
