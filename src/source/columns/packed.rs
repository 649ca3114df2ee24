//! Opaque ids in 16 bytes (see [`PackedId`]).

use arrow::array::{Array, AsArray, StringViewArray};
use arrow::datatypes::*;
use xxhash_rust::xxh3::xxh3_128;

use crate::rows::PackedId;

/// Packs a text; the empty one is NULL.
pub(crate) fn pack(text: &[u8]) -> PackedId {
    if text.len() > 15 {
        return (0xFFu128 << 120) | (xxh3_128(text) & ((1 << 120) - 1));
    }
    let mut bytes = [0; 16];
    bytes[0] = text.len() as u8;
    bytes[16 - text.len()..].copy_from_slice(text);
    u128::from_be_bytes(bytes)
}

/// Packs a column of texts or whole numbers. A whole number is its eight bytes; one column never holds both.
pub(crate) fn read(array: &dyn Array) -> Vec<PackedId> {
    macro_rules! integers {
        ($type:ty) => {
            array
                .as_primitive::<$type>()
                .iter()
                .map(|v| v.map_or(0, |v| pack(&i128::from(v).to_be_bytes()[8..])))
                .collect()
        };
    }
    match array.data_type() {
        DataType::Utf8View => texts(array.as_string_view()),
        DataType::Int8 => integers!(Int8Type),
        DataType::Int16 => integers!(Int16Type),
        DataType::Int32 => integers!(Int32Type),
        DataType::Int64 => integers!(Int64Type),
        DataType::UInt8 => integers!(UInt8Type),
        DataType::UInt16 => integers!(UInt16Type),
        DataType::UInt32 => integers!(UInt32Type),
        DataType::UInt64 => integers!(UInt64Type),
        // A column without values: the schema was checked before.
        _ => vec![0; array.len()],
    }
}

/// A row with the same view as the row before has the same text, which is then not read again: it may be long.
fn texts(texts: &StringViewArray) -> Vec<PackedId> {
    let (mut before, mut packed) = (0, pack(b""));
    (0..texts.len())
        .map(|row| {
            let view = texts.views()[row];
            if texts.is_null(row) {
                return 0;
            }
            if view != before {
                (before, packed) = (view, pack(texts.value(row).as_bytes()));
            }
            packed
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringViewArray, UInt64Array};

    #[test]
    fn equal_packs_mean_equal_ids() {
        let ids =
            ["", "a", "a\0", "ab", "536365", "C536379", "123456789012345", "1234567890123456", "1234567890123457"];
        let packed: Vec<_> = ids.iter().map(|t| pack(t.as_bytes())).collect();
        let mut unique = packed.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), ids.len());
        assert_eq!(packed[0], 0);
        assert_eq!(packed[1], 1 << 120 | 0x61);
        assert_eq!(packed[7] >> 120, 0xFF);
    }

    #[test]
    fn columns_pack_with_their_nulls() {
        let texts = StringViewArray::from(vec![Some("a"), None, Some("")]);
        assert_eq!(read(&texts), [pack(b"a"), 0, 0]);
        let zero_is_an_id = read(&Int64Array::from(vec![Some(0), None, Some(-1)]));
        assert_ne!(zero_is_an_id[0], 0);
        assert_eq!(zero_is_an_id[1], 0);
        assert_ne!(zero_is_an_id[2], zero_is_an_id[0]);
        assert_ne!(read(&UInt64Array::from(vec![u64::MAX]))[0], 0);
    }
}
