//! The customers of a bucket buffer: each id once, with a number.
//!
//! It is a hash table of our own because looking customers up is the most expensive part of a scan: with millions of
//! customers each look-up waits for memory. Here a look-up waits once (a slot of half a cache line holds a usual id
//! whole), and for many rows at the same time ([`Directory::prefetch`]).

use super::append_log::CustomerNumber;
use super::identity::prefix;

/// Ids of up to so many bytes are stored in their slot.
const SHORT: usize = 16;

#[derive(Clone, Copy, Default)]
#[repr(align(32))]
struct Slot {
    hash: u64,
    number: CustomerNumber,
    /// The length of the id plus one; 0: the slot is free.
    length: u32,
    /// The id, or its position in [`Directory::long`].
    id: [u8; SHORT],
}

impl Slot {
    fn id<'a>(&'a self, long: &'a [u8]) -> &'a [u8] {
        let length = self.length as usize - 1;
        if length <= SHORT {
            return &self.id[..length];
        }
        let start = u64::from_le_bytes(*self.id.first_chunk().expect("a slot has room for a place")) as usize;
        &long[start..start + length]
    }
}

/// A short id as its slot stores it; `None` if the id is long.
fn padded(id: &[u8]) -> Option<[u8; SHORT]> {
    if let Ok(whole) = id.try_into() {
        return Some(whole);
    }
    let mut padded = [0; SHORT];
    padded.get_mut(..id.len())?.copy_from_slice(id);
    Some(padded)
}

/// A map from customer ids to numbers, by open addressing with linear probing.
#[derive(Default)]
pub(super) struct Directory {
    /// Their number is a power of two; at most seven eighths are taken.
    slots: Vec<Slot>,
    customers: usize,
    /// Ids longer than [`SHORT`], one after the other.
    long: Vec<u8>,
    /// The slot of the last look-up: exports often have several rows of a customer next to each other.
    last: usize,
}

impl Directory {
    /// The number of customers.
    pub(super) fn len(&self) -> usize {
        self.customers
    }

    /// The bytes that it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>() + self.long.capacity()
    }

    /// The first slot to try for a hash. Its top bits chose the bucket already, so the low bits are used.
    fn home(&self, hash: u64) -> usize {
        (hash as usize) & (self.slots.len() - 1)
    }

    /// Makes room for customers with these hashes, and loads their slots into the cache. These loads overlap, while
    /// each of the look-ups would wait for its own.
    pub(super) fn prefetch(&mut self, hashes: impl ExactSizeIterator<Item = u64>) {
        let most = self.customers + hashes.len();
        if most * 8 > self.slots.len() * 7 {
            self.grow((most * 8 / 7 + 1).next_power_of_two().max(16));
        }
        let mut seen = 0;
        for hash in hashes {
            seen ^= self.slots[self.home(hash)].length;
        }
        std::hint::black_box(seen);
    }

    /// The number of the customer with this id; a new one if the id is not known yet. Ids are compared by their bytes,
    /// so that equal hashes do no harm. [`prefetch`](Directory::prefetch) must have made room.
    pub(super) fn number(&mut self, hash: u64, id: &[u8]) -> CustomerNumber {
        let length = id.len() as u32 + 1;
        let short = padded(id);
        let is = |slot: &Slot| {
            let alike = slot.hash == hash && slot.length == length;
            alike && short.map_or_else(|| slot.id(&self.long) == id, |short| slot.id == short)
        };
        if is(&self.slots[self.last]) {
            return self.slots[self.last].number;
        }
        let mut at = self.home(hash);
        while self.slots[at].length != 0 {
            if is(&self.slots[at]) {
                self.last = at;
                return self.slots[at].number;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        let id_or_place = short.unwrap_or_default();
        let mut slot = Slot { hash, number: self.customers as CustomerNumber, length, id: id_or_place };
        if short.is_none() {
            slot.id[..8].copy_from_slice(&(self.long.len() as u64).to_le_bytes());
            self.long.extend_from_slice(id);
        }
        self.slots[at] = slot;
        self.customers += 1;
        self.last = at;
        slot.number
    }

    fn grow(&mut self, slots: usize) {
        let before = std::mem::replace(&mut self.slots, vec![Slot::default(); slots]);
        for slot in before.into_iter().filter(|slot| slot.length != 0) {
            let mut at = self.home(slot.hash);
            while self.slots[at].length != 0 {
                at = (at + 1) & (slots - 1);
            }
            self.slots[at] = slot;
        }
        self.last = 0;
    }

    /// All customers with their ids, in the order of the ids.
    pub(super) fn sorted(&self) -> Vec<(CustomerNumber, &[u8])> {
        let mut all: Vec<(u64, CustomerNumber, &[u8])> = Vec::with_capacity(self.customers);
        for slot in self.slots.iter().filter(|slot| slot.length != 0) {
            let id = slot.id(&self.long);
            all.push((prefix(id), slot.number, id));
        }
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| a.2.cmp(b.2)));
        all.into_iter().map(|(_, number, id)| (number, id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(crate::properties::cases(256))]

        /// However few hashes there are, and however long ids are.
        #[test]
        fn every_id_has_one_number(
            ids in prop::collection::vec(("[ab]{0,4}|[a-c]{14,19}", 0..4u64), 0..400),
            batch in 1..50usize,
        ) {
            let (mut directory, mut expected) = (Directory::default(), BTreeMap::new());
            for ids in ids.chunks(batch) {
                // An id has one hash.
                let hash = |id: &str| id.len() as u64 % 3;
                directory.prefetch(ids.iter().map(|(id, _)| hash(id)));
                for (id, _) in ids {
                    let next = expected.len() as CustomerNumber;
                    let number = *expected.entry(id.clone()).or_insert(next);
                    prop_assert_eq!(directory.number(hash(id), id.as_bytes()), number);
                }
            }
            let sorted: Vec<_> = expected.iter().map(|(id, number)| (*number, id.as_bytes())).collect();
            prop_assert_eq!(directory.sorted(), sorted);
            prop_assert_eq!(directory.len(), expected.len());
        }
    }
}
