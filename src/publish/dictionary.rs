//! The different values of a column of a row group, numbered as they come.

use xxhash_rust::xxh3::xxh3_64;

/// Where equal values are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeats {
    Anywhere,
    /// In sorted columns: beside each other.
    InARow,
    /// Nowhere: hardly any value comes twice, so every one has a code of its own.
    Hardly,
}

/// Slots at the start; always a power of two.
const SLOTS: usize = 1 << 10;

/// Codes of small values lie side by side: dates, counts, and most amounts.
const SMALL: usize = 1 << 16;
const BELOW: i64 = 1 << 14;

/// Whole numbers, dates, money, and doubles by their bits.
pub(super) struct Numbers {
    pub values: Vec<i64>,
    /// The codes plus one of values from −[`BELOW`] on; 0: none yet.
    small: Vec<u32>,
    /// Of the others a value and its code plus one; 0: free. At most half of them are taken.
    slots: Vec<(i64, u32)>,
    /// How many are.
    taken: usize,
    repeats: Repeats,
}

impl Numbers {
    pub fn new(repeats: Repeats) -> Numbers {
        let anywhere = repeats == Repeats::Anywhere;
        let (small, slots) = if anywhere { (vec![0; SMALL], vec![(0, 0); SLOTS]) } else { (vec![], vec![]) };
        Numbers { values: vec![], small, slots, taken: 0, repeats }
    }

    #[inline]
    pub fn code(&mut self, value: i64) -> u32 {
        if let Some(code) = self.small.get_mut(value.wrapping_add(BELOW) as usize) {
            if *code == 0 {
                self.values.push(value);
                *code = self.values.len() as u32;
            }
            return *code - 1;
        }
        self.large(value)
    }

    fn large(&mut self, value: i64) -> u32 {
        match self.repeats {
            Repeats::Anywhere => {
                let mut at = home(value as u64, self.slots.len());
                while let (known, code @ 1..) = self.slots[at] {
                    if known == value {
                        return code - 1;
                    }
                    at = (at + 1) & (self.slots.len() - 1);
                }
                self.slots[at] = (value, self.values.len() as u32 + 1);
                self.taken += 1;
            }
            Repeats::InARow if self.values.last() == Some(&value) => return self.values.len() as u32 - 1,
            Repeats::InARow | Repeats::Hardly => {}
        }
        self.values.push(value);
        if self.taken * 2 > self.slots.len() {
            self.grow();
        }
        self.values.len() as u32 - 1
    }

    #[cold]
    fn grow(&mut self) {
        let size = self.slots.len() * 4;
        let before = std::mem::replace(&mut self.slots, vec![(0, 0); size]);
        for slot in before.into_iter().filter(|slot| slot.1 != 0) {
            let mut at = home(slot.0 as u64, size);
            while self.slots[at].1 != 0 {
                at = (at + 1) & (size - 1);
            }
            self.slots[at] = slot;
        }
    }
}

/// Where a value would like to be: the top bits of a product with 2⁶⁴ divided by the golden ratio (Knuth, The Art of
/// Computer Programming, volume 3, 6.4).
fn home(value: u64, slots: usize) -> usize {
    (value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - slots.trailing_zeros())) as usize
}

/// Texts.
pub(super) struct Words {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Part of a hash, and the code plus one; 0: free. At most half of them are taken.
    slots: Vec<(u32, u32)>,
    repeats: Repeats,
}

impl Words {
    pub fn new(repeats: Repeats) -> Words {
        let slots = if repeats == Repeats::Anywhere { vec![(0, 0); SLOTS] } else { vec![] };
        Words { bytes: vec![], ends: vec![], slots, repeats }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn get(&self, code: u32) -> &[u8] {
        let code = code as usize;
        let start = if code == 0 { 0 } else { self.ends[code - 1] };
        &self.bytes[start..self.ends[code]]
    }

    pub fn code(&mut self, word: &[u8]) -> u32 {
        match self.repeats {
            Repeats::Anywhere => {
                let hash = xxh3_64(word);
                let mut at = home(hash, self.slots.len());
                while let (part, code @ 1..) = self.slots[at] {
                    if part == hash as u32 && self.get(code - 1) == word {
                        return code - 1;
                    }
                    at = (at + 1) & (self.slots.len() - 1);
                }
                self.slots[at] = (hash as u32, self.len() as u32 + 1);
            }
            Repeats::InARow if self.len() > 0 && self.get(self.len() as u32 - 1) == word => {
                return self.len() as u32 - 1;
            }
            Repeats::InARow | Repeats::Hardly => {}
        }
        self.bytes.extend_from_slice(word);
        self.ends.push(self.bytes.len());
        if self.repeats == Repeats::Anywhere && self.len() * 2 > self.slots.len() {
            self.grow();
        }
        self.len() as u32 - 1
    }

    #[cold]
    fn grow(&mut self) {
        let size = self.slots.len() * 4;
        self.slots = vec![(0, 0); size];
        for code in 0..self.len() as u32 {
            let hash = xxh3_64(self.get(code));
            let mut at = home(hash, size);
            while self.slots[at].1 != 0 {
                at = (at + 1) & (size - 1);
            }
            self.slots[at] = (hash as u32, code + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_have_one_code_each_in_the_order_in_which_they_come(
            values in prop::collection::vec(prop_oneof![-3..3i64, any::<i64>(), (0..2000i64).prop_map(|n| n << 40)], 0..3000),
        ) {
            let (mut numbers, mut words, mut known) =
                (Numbers::new(Repeats::Anywhere), Words::new(Repeats::Anywhere), HashMap::new());
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
            let (mut numbers, mut words) = (Numbers::new(repeats), Words::new(repeats));
            assert_eq!([7, 7, 1 << 40, 7].map(|v| numbers.code(v)), codes);
            assert_eq!(["", "", "a", ""].map(|v| words.code(v.as_bytes())), codes);
            assert_eq!([codes[1], codes[2]].map(|c| words.get(c)), [&b""[..], b"a"]);
        }
    }
}
