//! Customer ids.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::*;

use super::faults::Faults;
use crate::source::Reason;
use crate::source::canonical::{Ids, Texts};

/// What customer ids are throughout a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    /// BIGINT: every source has whole numbers that fit it.
    Integer,
    /// VARCHAR; whole numbers of a source that has them stand in decimal.
    Text,
}

/// Longer ids are no ids, and a batch of them would not fit its buffers.
pub const LONGEST: usize = 64 * 1024;

/// Reads a column of texts or whole numbers; NULL and the empty text are no customer.
///
/// # Errors
/// The row, and a sentence, for an id that no table can hold.
pub fn read(array: &dyn Array, kind: IdKind, label: &Arc<str>, faults: &mut Faults) -> Result<Ids, (usize, String)> {
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
        DataType::Utf8View => return text(array, label, faults),
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
                faults.mark(row, Reason::NoCustomer, label, None);
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
    let mut texts = Texts::default();
    let mut text = String::new();
    for value in values {
        text.clear();
        let _ = write!(text, "{value}");
        texts.push(&text);
    }
    Ids::Text(texts)
}

fn text(array: &dyn Array, label: &Arc<str>, faults: &mut Faults) -> Result<Ids, (usize, String)> {
    // Most ids are short, and all of a column are about as long.
    let mut texts = Texts::with_capacity(array.len(), 16 * array.len());
    for (row, id) in array.as_string_view().iter().enumerate() {
        let id = id.unwrap_or("");
        if id.is_empty() {
            faults.mark_value(row, Reason::NoCustomer, label, array);
        } else if id.len() > LONGEST {
            return Err((row, format!("a customer id is {} bytes long", id.len())));
        }
        texts.push(id);
    }
    Ok(Ids::Text(texts))
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
    fn ids_that_no_table_holds_are_errors() {
        let mut faults = Faults::default();
        let long = StringViewArray::from(vec!["x".repeat(LONGEST + 1)]);
        assert!(read(&long, IdKind::Text, &"id".into(), &mut faults).is_err());
        let big = UInt64Array::from(vec![u64::MAX]);
        assert_eq!(read(&big, IdKind::Integer, &"id".into(), &mut faults).unwrap_err().0, 0);
        assert_eq!(ids(Arc::new(big), IdKind::Text).0, [u64::MAX.to_string()]);
    }
}
