//! Values as text, and the dictionaries of the values of segments, channels and reasons.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::*;

use super::widen;
use crate::calendar::Day;
use crate::error::{Error, Result};
use crate::rows::{NO_VALUE, ValueCode};
use crate::source::budget::Budget;

/// The most bytes of a text that is kept or parsed: a value of a segment, a channel, a reason, a currency, and a number or
/// time written as text. A longer text makes its row faulty. The bound of customer ids is
/// [`LONGEST_ID`](super::ids::LONGEST_ID).
pub(crate) const LONGEST: usize = 4096;

/// The values of a column as text: texts as they are, whole numbers and decimals in digits, floats as their shortest
/// decimal, booleans as `true` and `false`, dates as ISO 8601.
pub(crate) struct AsText<'a>(&'a ArrayRef);

impl<'a> AsText<'a> {
    pub(crate) fn new(array: &'a ArrayRef) -> Self {
        AsText(array)
    }

    pub(crate) fn get(&self, row: usize) -> Option<Cow<'a, str>> {
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

/// A whole number without `.0`: writers turn a column of whole numbers into floats if it has NULLs.
fn plain(x: f64) -> String {
    if x == 0.0 { "0".to_string() } else { x.to_string() }
}

/// The values of one segment, or all channels or reasons, numbered in the order in which the scan found them.
#[derive(Debug)]
pub(crate) struct ValueDictionary<'a> {
    /// What the values are, for messages.
    name: String,
    budget: &'a Budget,
    known: Mutex<Known>,
}

/// The bytes that a value takes beside its text: here, in the sorted list of all values, and in the counts of each thread.
const VALUE_BYTES: usize = 256;

#[derive(Debug, Default)]
struct Known {
    codes: HashMap<Arc<str>, ValueCode>,
    values: Vec<Arc<str>>,
}

impl<'a> ValueDictionary<'a> {
    /// `name`: what the values are, as messages say it. `budget`: what their texts may take in memory.
    pub(crate) fn new(name: String, budget: &'a Budget) -> ValueDictionary<'a> {
        ValueDictionary { name, budget, known: Mutex::default() }
    }

    /// # Errors
    /// Input: there are more values than the memory for them holds.
    fn code(&self, text: &str) -> Result<(Arc<str>, ValueCode)> {
        // A poisoned lock means that another worker panicked between two complete states.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((value, code)) = known.codes.get_key_value(text) {
            return Ok((value.clone(), *code));
        }
        let values = known.values.len();
        if !self.budget.spend(text.len() + VALUE_BYTES) || values == NO_VALUE as usize {
            return Err(self.full(values));
        }
        let value: Arc<str> = text.into();
        let code = values as ValueCode;
        known.values.push(value.clone());
        known.codes.insert(value.clone(), code);
        Ok((value, code))
    }

    fn full(&self, values: usize) -> Error {
        Error::input(format!(
            "{} too many different values: the first {values} of them do not fit the {} that texts may take in memory",
            self.name, self.budget
        ))
        .help(
            "map a column of fewer different values, or raise --memory-limit, of which a part goes to such texts; `cap` \
             bounds what tables show, after all values were read",
        )
    }

    /// The text of every code.
    pub(crate) fn into_values(self) -> Vec<Arc<str>> {
        self.known.into_inner().unwrap_or_else(PoisonError::into_inner).values
    }
}

/// One worker's copy of a dictionary, so that each worker takes the lock about once a value.
pub(crate) struct Coder<'a> {
    dictionary: &'a ValueDictionary<'a>,
    known: HashMap<Arc<str>, ValueCode>,
    /// The string views of this batch by a hash of the view. Equal views are equal texts.
    views: Vec<(u128, ValueCode)>,
}

const VIEWS: usize = 512;
/// The most values that a worker keeps. With more it clears its copy and asks the dictionary again.
const KNOWN: usize = 1 << 15;
/// Stands for an empty slot: a view with a length that no string has.
const NO_VIEW: u128 = u128::MAX;

impl<'a> Coder<'a> {
    pub(crate) fn new(dictionary: &'a ValueDictionary<'a>) -> Self {
        Coder { dictionary, known: HashMap::new(), views: vec![(NO_VIEW, 0); VIEWS] }
    }

    /// The codes of a column. Calls `too_long` for each row whose text is longer than [`LONGEST`], and gives it no value.
    ///
    /// # Errors
    /// Input: there are more values than the memory for them holds.
    pub(crate) fn codes(&mut self, array: &ArrayRef, too_long: &mut dyn FnMut(usize)) -> Result<Vec<ValueCode>> {
        if let Some(views) = array.as_string_view_opt() {
            // A view longer than twelve bytes points into this batch's buffers.
            self.views.fill((NO_VIEW, 0));
            return (0..views.len())
                .map(|row| {
                    if views.is_null(row) {
                        return Ok(NO_VALUE);
                    }
                    let view = views.views()[row];
                    let slot = ((view ^ (view >> 64)) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - 9);
                    let (seen, code) = self.views[slot as usize];
                    if seen == view {
                        return Ok(code);
                    }
                    let text = views.value(row);
                    if text.len() > LONGEST {
                        too_long(row);
                        return Ok(NO_VALUE);
                    }
                    let code = self.code(text)?;
                    self.views[slot as usize] = (view, code);
                    Ok(code)
                })
                .collect();
        }
        // Only texts are ever long.
        let texts = AsText::new(array);
        (0..array.len()).map(|row| texts.get(row).map_or(Ok(NO_VALUE), |text| self.code(&text))).collect()
    }

    fn code(&mut self, text: &str) -> Result<ValueCode> {
        if let Some(code) = self.known.get(text) {
            return Ok(*code);
        }
        let (value, code) = self.dictionary.code(text)?;
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.insert(value, code);
        Ok(code)
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
        let budget = Budget::new(usize::MAX);
        let dictionary = ValueDictionary::new("segment country has".into(), &budget);
        let (mut one, mut two) = (Coder::new(&dictionary), Coder::new(&dictionary));
        let batch = |texts: Vec<Option<&str>>| -> ArrayRef { Arc::new(StringViewArray::from(texts)) };
        let codes = |coder: &mut Coder<'_>, texts| coder.codes(&batch(texts), &mut |_| panic!("short")).unwrap();
        let a = codes(&mut one, vec![Some("DE"), None, Some("a value beyond twelve bytes, first"), Some("DE")]);
        // Same length, same first bytes and the same place in its buffer, but another text.
        let b = codes(&mut one, vec![Some("FR"), None, Some("a value beyond twelve bytes, other"), Some("")]);
        let c = codes(&mut two, vec![Some("FR"), Some("DE")]);
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

    #[test]
    fn a_text_beyond_the_longest_has_no_code() {
        let budget = Budget::new(usize::MAX);
        let dictionary = ValueDictionary::new("segment country has".into(), &budget);
        let texts = [LONGEST, LONGEST + 1, LONGEST + 1].map(|n| "x".repeat(n));
        let array: ArrayRef = Arc::new(StringViewArray::from_iter_values(texts.iter()));
        let mut long = vec![];
        let codes = Coder::new(&dictionary).codes(&array, &mut |row| long.push(row)).unwrap();
        assert_eq!((codes, long), (vec![0, NO_VALUE, NO_VALUE], vec![1, 2]));
        assert_eq!(dictionary.into_values().len(), 1);
    }

    #[test]
    fn more_values_than_fit_are_an_error_and_known_ones_are_not() {
        let budget = Budget::new(3 * (VALUE_BYTES + 2));
        let dictionary = ValueDictionary::new("segment country has".into(), &budget);
        let mut coder = Coder::new(&dictionary);
        let batch = |texts: &[&str]| -> ArrayRef { Arc::new(StringViewArray::from_iter_values(texts)) };
        for _ in 0..3 {
            assert_eq!(coder.codes(&batch(&["DE", "FR", "ES"]), &mut |_| ()).unwrap(), [0, 1, 2]);
        }
        let error = coder.codes(&batch(&["DE", "IT"]), &mut |_| ()).unwrap_err();
        assert!(error.what.starts_with("segment country has too many different values: the first 3"), "{}", error.what);
    }

    #[test]
    fn a_worker_that_forgets_asks_again() {
        let budget = Budget::new(usize::MAX);
        let dictionary = ValueDictionary::new("segment country has".into(), &budget);
        let mut coder = Coder::new(&dictionary);
        let values: Vec<String> = (0..2 * KNOWN + 5).map(|n| n.to_string()).collect();
        let array: ArrayRef = Arc::new(StringViewArray::from_iter_values(&values));
        let expected: Vec<ValueCode> = (0..values.len() as ValueCode).collect();
        for _ in 0..2 {
            assert_eq!(coder.codes(&array, &mut |_| ()).unwrap(), expected);
            assert!(coder.known.len() <= KNOWN);
        }
    }
}
