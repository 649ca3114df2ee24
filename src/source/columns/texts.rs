//! Values as text, for segments and attributes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::*;

use super::widen;
use crate::calendar::Day;
use crate::source::canonical::{NO_VALUE, ValueCode};

/// A column whose values can be had as text: texts as they are, whole numbers and decimals plain, floats as their
/// shortest decimal, booleans as `true` and `false`, dates as ISO 8601.
pub struct AsText<'a>(&'a ArrayRef);

impl<'a> AsText<'a> {
    pub fn new(array: &'a ArrayRef) -> Self {
        AsText(array)
    }

    pub fn get(&self, row: usize) -> Option<Cow<'a, str>> {
        let array = self.0;
        if array.is_null(row) {
            return None;
        }
        Some(match array.data_type() {
            DataType::Utf8View => Cow::Borrowed(array.as_string_view().value(row)),
            DataType::Boolean => Cow::Borrowed(if array.as_boolean().value(row) { "true" } else { "false" }),
            DataType::Float64 => Cow::Owned(plain(array.as_primitive::<Float64Type>().value(row))),
            DataType::Float32 => Cow::Owned(plain(widen(array.as_primitive::<Float32Type>().value(row)))),
            DataType::Date32 => Cow::Owned(Day(array.as_primitive::<Date32Type>().value(row)).to_string()),
            DataType::Null => return None,
            _ => Cow::Owned(arrow::util::display::array_value_to_string(array, row).unwrap_or_default()),
        })
    }
}

/// A whole float as a whole number, which it is in a column that became floating-point for its NULLs.
fn plain(x: f64) -> String {
    if x == 0.0 { "0".to_string() } else { x.to_string() }
}

/// The values of one segment, numbered in the order in which the scan met them.
#[derive(Debug, Default)]
pub struct Dictionary(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    codes: HashMap<Arc<str>, ValueCode>,
    values: Vec<Arc<str>>,
}

impl Dictionary {
    fn code(&self, text: &str) -> (Arc<str>, ValueCode) {
        // A poisoned lock means that another worker panicked between two complete states.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((value, code)) = known.codes.get_key_value(text) {
            return (value.clone(), *code);
        }
        let value: Arc<str> = text.into();
        let code = known.values.len() as ValueCode;
        known.values.push(value.clone());
        known.codes.insert(value.clone(), code);
        (value, code)
    }

    /// The text of every code.
    pub fn into_values(self) -> Vec<Arc<str>> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner).values
    }
}

/// What one worker knows of a dictionary, so that the lock is taken once per worker and value.
pub struct Coder<'a> {
    dictionary: &'a Dictionary,
    known: HashMap<Arc<str>, ValueCode>,
    /// String views seen in this batch, by a hash of the view: equal views are equal texts.
    views: Vec<(u128, ValueCode)>,
}

const VIEWS: usize = 512;
/// No view: a length beyond every string's.
const NO_VIEW: u128 = u128::MAX;

impl<'a> Coder<'a> {
    pub fn new(dictionary: &'a Dictionary) -> Self {
        Coder { dictionary, known: HashMap::new(), views: vec![(NO_VIEW, 0); VIEWS] }
    }

    pub fn codes(&mut self, array: &ArrayRef) -> Vec<ValueCode> {
        if let Some(views) = array.as_string_view_opt() {
            // A view longer than twelve bytes points into this batch's buffers.
            self.views.fill((NO_VIEW, 0));
            return (0..views.len())
                .map(|row| {
                    if views.is_null(row) {
                        return NO_VALUE;
                    }
                    let view = views.views()[row];
                    let slot = ((view ^ (view >> 64)) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - 9);
                    let (seen, code) = self.views[slot as usize];
                    if seen == view {
                        return code;
                    }
                    let code = self.code(views.value(row));
                    self.views[slot as usize] = (view, code);
                    code
                })
                .collect();
        }
        let texts = AsText::new(array);
        (0..array.len()).map(|row| texts.get(row).map_or(NO_VALUE, |text| self.code(&text))).collect()
    }

    fn code(&mut self, text: &str) -> ValueCode {
        if let Some(code) = self.known.get(text) {
            return *code;
        }
        let (value, code) = self.dictionary.code(text);
        self.known.insert(value, code);
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::*;

    #[test]
    fn values_of_every_type_read_as_a_person_would_write_them() {
        let arrays: Vec<(ArrayRef, &str)> = vec![
            (Arc::new(StringViewArray::from(vec!["x"])), "x"),
            (Arc::new(BooleanArray::from(vec![true])), "true"),
            (Arc::new(Int32Array::from(vec![-5])), "-5"),
            (Arc::new(Float64Array::from(vec![5.0])), "5"),
            (Arc::new(Float64Array::from(vec![-0.0])), "0"),
            (Arc::new(Float32Array::from(vec![0.1])), "0.1"),
            (Arc::new(Date32Array::from(vec![15_156])), "2011-07-01"),
            (Arc::new(Decimal128Array::from(vec![1250]).with_precision_and_scale(9, 2).unwrap()), "12.50"),
        ];
        for (array, text) in arrays {
            assert_eq!(AsText::new(&array).get(0).as_deref(), Some(text), "{}", array.data_type());
        }
        let nulls: ArrayRef = Arc::new(NullArray::new(1));
        assert_eq!(AsText::new(&nulls).get(0), None);
    }

    #[test]
    fn workers_share_codes_and_long_values_do_not_collide_across_batches() {
        let dictionary = Dictionary::default();
        let (mut one, mut two) = (Coder::new(&dictionary), Coder::new(&dictionary));
        let batch = |texts: Vec<Option<&str>>| -> ArrayRef { Arc::new(StringViewArray::from(texts)) };
        let a = one.codes(&batch(vec![Some("DE"), None, Some("a value beyond twelve bytes, first"), Some("DE")]));
        // Same length, same first bytes and the same place in its buffer, but another text.
        let b = one.codes(&batch(vec![Some("FR"), None, Some("a value beyond twelve bytes, other"), Some("")]));
        let c = two.codes(&batch(vec![Some("FR"), Some("DE")]));
        let values = {
            drop((one, two));
            dictionary.into_values()
        };
        let text = |code: &ValueCode| (*code != NO_VALUE).then(|| values[*code as usize].to_string());
        let texts = |codes: &[ValueCode]| codes.iter().map(text).collect::<Vec<_>>();
        assert_eq!(texts(&a)[2].as_deref(), Some("a value beyond twelve bytes, first"));
        assert_eq!(texts(&b)[2].as_deref(), Some("a value beyond twelve bytes, other"));
        assert_eq!((a[0], a[1], b[0]), (a[3], NO_VALUE, c[0]));
        assert_eq!(a[0], c[1]);
        assert_eq!(texts(&b)[3].as_deref(), Some(""));
    }
}
