//! Dictionaries: the distinct values of a column of a row group, numbered in the order of their first row.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use xxhash_rust::xxh3::xxh3_64;

/// Where equal values of a column are expected, and thus looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeats {
    Anywhere,
    /// In neighbouring rows: the column is sorted.
    InARow,
    /// Nowhere: hardly any value occurs twice, so every row has a code of its own.
    Hardly,
}

/// Values from −[`BELOW`] on, as many as this, find their code in an array instead of a hash table: dates, counts and
/// most amounts are among them.
const SMALL: usize = 1 << 16;
const BELOW: i64 = 1 << 14;

/// Whole numbers, dates, money, and doubles by their bits.
pub(super) struct NumberDictionary {
    pub values: Vec<i64>,
    /// The codes plus one of values from −[`BELOW`] on; 0: none yet.
    small: Vec<u32>,
    /// The codes of the others.
    large: HashTable<u32>,
    repeats: Repeats,
}

impl NumberDictionary {
    pub(super) fn new(repeats: Repeats) -> NumberDictionary {
        let small = if repeats == Repeats::Anywhere { vec![0; SMALL] } else { vec![] };
        NumberDictionary { values: vec![], small, large: HashTable::new(), repeats }
    }

    #[inline]
    pub(super) fn code(&mut self, value: i64) -> u32 {
        let place = usize::try_from(value.wrapping_add(BELOW)).unwrap_or(usize::MAX);
        if let Some(code) = self.small.get_mut(place) {
            if *code == 0 {
                self.values.push(value);
                *code = self.values.len() as u32;
            }
            return *code - 1;
        }
        self.large(value)
    }

    fn large(&mut self, value: i64) -> u32 {
        let NumberDictionary { values, large, repeats, .. } = self;
        let next = values.len() as u32;
        let known = match repeats {
            Repeats::Anywhere => {
                let hash = |value: i64| xxh3_64(&value.to_le_bytes());
                let of = |code: &u32| values[*code as usize];
                known(large.entry(hash(value), |code| of(code) == value, |code| hash(of(code))), next)
            }
            Repeats::InARow if values.last() == Some(&value) => Some(next - 1),
            Repeats::InARow | Repeats::Hardly => None,
        };
        known.unwrap_or_else(|| {
            values.push(value);
            next
        })
    }
}

/// The code of an entry; a new entry gets the code `next` and `None` is returned.
fn known(entry: Entry<'_, u32>, next: u32) -> Option<u32> {
    match entry {
        Entry::Occupied(code) => Some(*code.get()),
        Entry::Vacant(place) => {
            place.insert(next);
            None
        }
    }
}

/// Texts.
pub(super) struct TextDictionary {
    list: TextList,
    codes: HashTable<u32>,
    repeats: Repeats,
}

/// Texts, stored one after the other.
#[derive(Default)]
struct TextList {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl TextList {
    fn get(&self, code: u32) -> &[u8] {
        let code = code as usize;
        let start = if code == 0 { 0 } else { self.ends[code - 1] };
        &self.bytes[start..self.ends[code]]
    }
}

impl TextDictionary {
    pub(super) fn new(repeats: Repeats) -> TextDictionary {
        TextDictionary { list: TextList::default(), codes: HashTable::new(), repeats }
    }

    pub(super) fn len(&self) -> usize {
        self.list.ends.len()
    }

    /// Bytes of all texts.
    pub(super) fn bytes(&self) -> usize {
        self.list.bytes.len()
    }

    pub(super) fn get(&self, code: u32) -> &[u8] {
        self.list.get(code)
    }

    pub(super) fn code(&mut self, word: &[u8]) -> u32 {
        let TextDictionary { list, codes, repeats } = self;
        let next = list.ends.len() as u32;
        let known = match repeats {
            Repeats::Anywhere => {
                let is = |code: &u32| list.get(*code) == word;
                known(codes.entry(xxh3_64(word), is, |code| xxh3_64(list.get(*code))), next)
            }
            Repeats::InARow if next > 0 && list.get(next - 1) == word => Some(next - 1),
            Repeats::InARow | Repeats::Hardly => None,
        };
        known.unwrap_or_else(|| {
            list.bytes.extend_from_slice(word);
            list.ends.push(list.bytes.len());
            next
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(crate::properties::cases(256))]

        #[test]
        fn values_have_one_code_each_in_the_order_in_which_they_come(
            values in prop::collection::vec(prop_oneof![-3..3i64, any::<i64>(), (0..2000i64).prop_map(|n| n << 40)], 0..3000),
        ) {
            let (mut numbers, mut words, mut known) =
                (NumberDictionary::new(Repeats::Anywhere), TextDictionary::new(Repeats::Anywhere), HashMap::new());
            for value in &values {
                let next = known.len() as u32;
                let code = *known.entry(*value).or_insert(next);
                prop_assert_eq!(numbers.code(*value), code);
                let text = value.to_string();
                prop_assert_eq!(words.code(text.as_bytes()), code);
                prop_assert_eq!(numbers.values[code as usize], *value);
                prop_assert_eq!(words.get(code), text.as_bytes());
            }
            prop_assert_eq!((numbers.values.len(), words.len()), (known.len(), known.len()));
        }
    }

    #[test]
    fn repetitions_are_found_where_they_are_looked_for() {
        for (repeats, codes) in [(Repeats::Hardly, [0, 1, 2, 3]), (Repeats::InARow, [0, 0, 1, 2])] {
            let (mut numbers, mut words) = (NumberDictionary::new(repeats), TextDictionary::new(repeats));
            assert_eq!([7, 7, 1 << 40, 7].map(|v| numbers.code(v)), codes);
            assert_eq!(["", "", "a", ""].map(|v| words.code(v.as_bytes())), codes);
            assert_eq!([codes[1], codes[2]].map(|c| words.get(c)), [&b""[..], b"a"]);
        }
    }
}
