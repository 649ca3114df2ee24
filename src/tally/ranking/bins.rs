//! Bins of values by their leading bits, and groups of customers in them.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::timeline::segments::{ALL, CellId};

/// The leading bits of an amount of money that decide its bin.
pub(super) const MONEY: u32 = 9;
/// The leading bits of a number of days, or of a count, that decide its bin.
pub const COUNTS: u32 = 11;
/// How many further bits the second round distinguishes in a bin that a rank falls into: for the cell of everybody.
pub(super) const FINE: u32 = 16;
/// The same for the cell of a segment value.
pub(super) const FINE_OF_VALUES: u32 = 12;
/// Among everybody, values of money of at most this size are distinguished exactly.
pub const EXACT: i64 = 1 << (MONEY + FINE);

/// How many bins there are, of both signs.
pub(super) fn bins(coarse: u32) -> u64 {
    2 * ((1 << coarse) + (u64::from(64 - coarse) << (coarse - 1)))
}

/// The bin of a value: its `coarse` leading bits, and how many bits follow. Bins ascend with values.
pub(super) fn bin(value: i64, coarse: u32) -> i32 {
    let size = value.unsigned_abs();
    let shift = (64 - size.leading_zeros()).saturating_sub(coarse);
    let number = (u64::from(shift) << (coarse - 1)) + (size >> shift);
    if value < 0 { -(number as i32) } else { number as i32 }
}

/// The least value of a bin, and in how many bits its values differ.
pub(super) fn lowest(bin: i32, coarse: u32) -> (i64, u32) {
    let number = u64::from(bin.unsigned_abs());
    let half = 1u64 << (coarse - 1);
    let shift = (number / half).saturating_sub(1) as u32;
    let top = number - u64::from(shift) * half;
    if bin < 0 {
        // Of negative values the one of the greatest size is the least.
        let size = ((u128::from(top) + 1) << shift) - 1;
        (i64::try_from(-(size as i128)).unwrap_or(i64::MIN), shift)
    } else {
        ((top << shift) as i64, shift)
    }
}

/// A number of customers and the sum of their values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueGroup {
    /// Customers.
    pub customers: u64,
    /// The sum of their values.
    pub sum: i128,
}

impl AddAssign for ValueGroup {
    fn add_assign(&mut self, other: ValueGroup) {
        self.customers += other.customers;
        self.sum += other.sum;
    }
}

/// What a group and its key take, in cells of 16 bytes.
pub(super) const GROUP_CELLS: u64 = 4;

/// One group for each bin, from the lowest bin with a customer to the highest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bins {
    first: i32,
    groups: Vec<ValueGroup>,
}

impl Bins {
    /// The group of a bin.
    #[inline]
    pub(super) fn at(&mut self, bin: i32) -> &mut ValueGroup {
        let place = i64::from(bin) - i64::from(self.first);
        if place < 0 || place >= self.groups.len() as i64 {
            self.widen(bin);
        }
        &mut self.groups[(bin - self.first) as usize]
    }

    #[cold]
    fn widen(&mut self, bin: i32) {
        if self.groups.is_empty() {
            self.first = bin;
        }
        let before = self.first - self.first.min(bin);
        self.groups.splice(0..0, (0..before).map(|_| ValueGroup::default()));
        self.first -= before;
        let needed = (bin - self.first) as usize + 1;
        self.groups.resize(self.groups.len().max(needed), ValueGroup::default());
    }

    /// How many groups are stored.
    pub(super) fn len(&self) -> u64 {
        self.groups.len() as u64
    }

    /// The bins with a customer in them, ascending.
    pub(super) fn each(&self) -> impl Iterator<Item = (i32, &ValueGroup)> {
        (self.first..).zip(&self.groups).filter(|(_, group)| group.customers > 0)
    }
}

/// The part of its bin that a value falls into, in the second round.
pub(super) fn part(cell: CellId, (bin, coarse): (i32, u32), value: i64) -> u32 {
    let (low, bits) = lowest(bin, coarse);
    let kept = if cell == ALL { FINE } else { FINE_OF_VALUES };
    ((i128::from(value) - i128::from(low)) >> bits.saturating_sub(kept)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_ascend_and_hold_their_values() {
        let mut values: Vec<i64> = (-3000..3000).chain([i64::MIN + 1, i64::MAX, 1 << 40, -(1 << 40)]).collect();
        values.extend((0..62).flat_map(|b| [(1i64 << b) - 1, 1 << b, -(1 << b), 1 - (1 << b)]));
        values.sort_unstable();
        for coarse in [MONEY, COUNTS] {
            for pair in values.windows(2) {
                assert!(bin(pair[0], coarse) <= bin(pair[1], coarse), "{pair:?}");
            }
            for value in &values {
                let bin = bin(*value, coarse);
                let (low, bits) = lowest(bin, coarse);
                let offset = i128::from(*value) - i128::from(low);
                assert!((0..1 << bits).contains(&offset), "{value}: from {low} in {bits} bits");
                assert!(u64::from(bin.unsigned_abs()) * 2 < bins(coarse));
                if value.abs() < EXACT {
                    assert!(bits <= FINE, "{value}");
                }
                assert_eq!(bits == 0, value.abs() < 1 << coarse, "{value}");
            }
        }
    }
}
