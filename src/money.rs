//! Exact money: whole minor units (cents) as integers, from the scan to the tables.
//!
//! A customer's amounts are `i64`, sums over customers `i128`. Every division rounds half to even, once, at a place
//! that DEFINITIONS names. Floats appear only where a rate or a model begins.
//!
//! ```
//! use tenure::money::{self, AmountError, MinorUnits};
//!
//! // 12.345 is halfway between two cents: it rounds to the even one.
//! assert_eq!(money::from_f64(12.345, 2), Ok(MinorUnits { units: 1234, rounded: true }));
//! assert_eq!(money::from_decimal(12_345, 3, 2), Ok(MinorUnits { units: 1234, rounded: true }));
//! assert_eq!(money::from_f64(f64::NAN, 2), Err(AmountError::NotANumber));
//! assert_eq!(money::format(-1234, 2), "-12.34");
//! ```

/// Digits of a DECIMAL column: as many as 64 bits hold.
pub const PRECISION: u8 = 18;

/// The largest magnitude that a column DECIMAL(18) can hold, in minor units.
pub const MAX_MINOR: i128 = 999_999_999_999_999_999;

/// `numerator / denominator`, rounded half to even.
///
/// `denominator` must be positive.
pub fn div_half_even(numerator: i128, denominator: i128) -> i128 {
    debug_assert!(denominator > 0);
    let (q, r) = (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
    // Not 2·r, which would overflow for denominators beyond half the range.
    match r.cmp(&(denominator - r)) {
        std::cmp::Ordering::Less => q,
        std::cmp::Ordering::Greater => q + 1,
        std::cmp::Ordering::Equal => q + (q & 1),
    }
}

/// Why a number cannot be an amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmountError {
    NotANumber,
    Infinite,
    /// Beyond DECIMAL(18): more than [`MAX_MINOR`] minor units.
    Overflow,
}

/// An amount in minor units (cents).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinorUnits {
    pub units: i64,
    /// True if digits beyond the minor unit were rounded away.
    pub rounded: bool,
}

/// A decimal number as it was written: `unscaled / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExactDecimal {
    pub unscaled: i128,
    pub scale: i32,
}

impl ExactDecimal {
    /// The shortest decimal that reads back as the same float.
    ///
    /// # Errors
    /// [`AmountError::NotANumber`] or [`AmountError::Infinite`].
    pub fn from_f64(value: f64) -> Result<ExactDecimal, AmountError> {
        if value.is_nan() {
            return Err(AmountError::NotANumber);
        }
        if value.is_infinite() {
            return Err(AmountError::Infinite);
        }
        // As in `from_f64` below: a decimal that reads back as the same float is what was written.
        for digits in [0, 2, 4] {
            let scaled = (value * POWERS[digits]).round();
            if scaled.abs() < 1.0e15 && scaled / POWERS[digits] == value {
                return Ok(ExactDecimal { unscaled: scaled as i128, scale: digits as i32 });
            }
        }
        shortest_decimal(value)
    }
}

/// `a × b × 10^exponent`, rounded half to even once. The intermediate product may exceed 128 bits; `None` if the result
/// does.
pub fn product(a: i128, b: i128, exponent: i32) -> Option<i128> {
    if a == 0 || b == 0 {
        return Some(0);
    }
    let shift = exponent.unsigned_abs();
    if exponent >= 0 {
        return a.checked_mul(b)?.checked_mul(10i128.checked_pow(shift)?);
    }
    match (a.checked_mul(b), 10i128.checked_pow(shift)) {
        (Some(product), Some(power)) => Some(div_half_even(product, power)),
        _ => {
            let size = i128::try_from(wide_quotient(a.unsigned_abs(), b.unsigned_abs(), shift)?).ok()?;
            Some(if (a < 0) == (b < 0) { size } else { -size })
        }
    }
}

/// `a × b / 10^shift` by way of 256 bits, rounded half to even; `shift` > 0.
fn wide_quotient(a: u128, b: u128, shift: u32) -> Option<u128> {
    const LOW: u128 = u64::MAX as u128;
    // The product is less than 10^77, so the quotient rounds to 0.
    if shift > 78 {
        return Some(0);
    }
    // The product in limbs of 64 bits, the lowest first.
    let mut limbs = [0u64; 4];
    for (i, x) in [a & LOW, a >> 64].into_iter().enumerate() {
        let mut carry = 0;
        for (j, y) in [b & LOW, b >> 64].into_iter().enumerate() {
            let sum = x * y + u128::from(limbs[i + j]) + carry;
            limbs[i + j] = (sum & LOW) as u64;
            carry = sum >> 64;
        }
        limbs[i + 2] = carry as u64;
    }
    let mut divide = |by: u64| {
        let mut rest = 0u128;
        for limb in limbs.iter_mut().rev() {
            let here = rest << 64 | u128::from(*limb);
            *limb = (here / u128::from(by)) as u64;
            rest = here % u128::from(by);
        }
        rest
    };
    // All digits but the last can be dropped: rounding only asks whether one of them was not 0.
    let (mut left, mut anything) = (shift - 1, false);
    while left > 0 {
        let digits = left.min(19);
        anything |= divide(10u64.pow(digits)) != 0;
        left -= digits;
    }
    let digit = divide(10);
    if limbs[2..] != [0, 0] {
        return None;
    }
    let down = u128::from(limbs[1]) << 64 | u128::from(limbs[0]);
    let up = digit > 5 || digit == 5 && (anything || down & 1 == 1);
    down.checked_add(u128::from(up))
}

/// A decimal `unscaled / 10^scale` in minor units, of which 10^`digits` make a major unit; rounded half to even.
///
/// # Errors
/// [`AmountError::Overflow`] beyond DECIMAL(18).
pub fn from_decimal(unscaled: i128, scale: i32, digits: u8) -> Result<MinorUnits, AmountError> {
    let shift = i32::from(digits) - scale;
    let power =
        |n: i32| 10i128.checked_pow(u32::try_from(n).map_err(|_| AmountError::Overflow)?).ok_or(AmountError::Overflow);
    let (units, rounded) = if shift >= 0 {
        if unscaled == 0 {
            (0, false)
        } else {
            (unscaled.checked_mul(power(shift)?).ok_or(AmountError::Overflow)?, false)
        }
    } else if -shift > 38 {
        (0, unscaled != 0)
    } else {
        let d = power(-shift)?;
        (div_half_even(unscaled, d), unscaled % d != 0)
    };
    if !(-MAX_MINOR..=MAX_MINOR).contains(&units) {
        return Err(AmountError::Overflow);
    }
    Ok(MinorUnits { units: units as i64, rounded })
}

/// A float in minor units: read as the shortest decimal that denotes it (what a person would have typed), then rounded
/// half to even.
///
/// 0.615 becomes 62 cents, although the nearest binary fraction lies a little below: the shortest decimal is a tie
/// and 62 is even. 1.005 becomes 100.
///
/// # Errors
/// Not a number, infinite, or beyond DECIMAL(18).
pub fn from_f64(value: f64, digits: u8) -> Result<MinorUnits, AmountError> {
    if value.is_nan() {
        return Err(AmountError::NotANumber);
    }
    if value.is_infinite() {
        return Err(AmountError::Infinite);
    }
    // Whole numbers of major units need no text.
    if value == value.trunc() && value.abs() < 9.0e15 {
        return from_decimal(value as i128, 0, digits);
    }
    // Fast exact path: if value·10^digits is within half an ulp of an integer k and k/10^digits prints the same float,
    // then the shortest decimal of `value` has at most `digits` decimals and is k.
    let scaled = value * POWERS[usize::from(digits.min(9))];
    if digits <= 9 && scaled.abs() < 9.0e15 {
        let k = scaled.round();
        if k / POWERS[usize::from(digits)] == value {
            return Ok(MinorUnits { units: k as i64, rounded: false });
        }
        // Otherwise the shortest decimal has more than `digits` decimals. It lies within half an ulp of `value`, so
        // unless `value` is near a tie both round to the same unit.
        if scaled.abs() < 1e11 && (scaled - k).abs() < 0.4999 {
            return Ok(MinorUnits { units: k as i64, rounded: true });
        }
    }
    by_shortest_decimal(value, digits)
}

/// [`from_f64`] without its short cuts: by way of the text. `value` is finite.
fn by_shortest_decimal(value: f64, digits: u8) -> Result<MinorUnits, AmountError> {
    let ExactDecimal { unscaled, scale } = shortest_decimal(value)?;
    from_decimal(unscaled, scale, digits)
}

fn shortest_decimal(value: f64) -> Result<ExactDecimal, AmountError> {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').ok_or(AmountError::NotANumber)?;
    let exponent: i32 = exponent.parse().map_err(|_| AmountError::Overflow)?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let unscaled: i128 = format!("{whole}{fraction}").parse().map_err(|_| AmountError::Overflow)?;
    Ok(ExactDecimal { unscaled, scale: fraction.len() as i32 - exponent })
}

const POWERS: [f64; 10] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// Minor units as a decimal number in major units, without a currency or separators: `-1234` with 2 digits is `-12.34`.
pub fn format(units: i128, digits: u8) -> String {
    let d = usize::from(digits);
    let text = format!("{:0>width$}", units.unsigned_abs(), width = d + 1);
    let (whole, fraction) = text.split_at(text.len() - d);
    let sign = if units < 0 { "-" } else { "" };
    if d == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// Minor units in a major unit (100.0 for 2 digits) as a float, for means and models only.
pub fn minor_per_major(digits: u8) -> f64 {
    POWERS[usize::from(digits.min(9))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_to_even_on_both_sides_of_zero() {
        let got: Vec<i128> = [-25, -15, -5, 5, 15, 25, 26].map(|n| div_half_even(n, 10)).to_vec();
        assert_eq!(got, [-2, -2, 0, 0, 2, 2, 3]);
    }

    #[test]
    fn floats_are_read_as_people_wrote_them() {
        for (x, units, rounded) in [
            (2.55, 255, false),
            (0.1 + 0.2, 30, true),
            (0.615, 62, true),
            (1.005, 100, true),
            (-0.125, -12, true),
            (1e-320, 0, true),
            (0.0, 0, false),
            (123_456_789.01, 12_345_678_901, false),
            (1e15, 100_000_000_000_000_000, false),
        ] {
            assert_eq!(from_f64(x, 2), Ok(MinorUnits { units, rounded }), "{x}");
        }
        assert_eq!(from_f64(f64::NAN, 2), Err(AmountError::NotANumber));
        assert_eq!(from_f64(f64::INFINITY, 2), Err(AmountError::Infinite));
        assert_eq!(from_f64(1e16, 2), Err(AmountError::Overflow));
        assert_eq!(from_f64(1e300, 2), Err(AmountError::Overflow));
    }

    #[test]
    fn short_cuts_agree_with_the_text() {
        let mut seed = 7u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> 11
        };
        for _ in 0..40_000 {
            let (cents, quantity, sign) =
                ((next() % 10_000_000) as f64, (next() % 50) as f64, [1.0, -1.0][next() as usize % 2]);
            for value in [
                sign * cents / 100.0 * quantity,
                sign * cents / 100.0 * 0.85,
                sign * cents / 1000.0,
                sign * (cents + 0.5) / 100.0,
                f64::from_bits((sign * cents / 200.0).to_bits() ^ 1),
                sign * cents * 1e-9,
                sign * cents * 1e5 / 7.0,
            ] {
                for digits in [0, 2, 6] {
                    assert_eq!(from_f64(value, digits), by_shortest_decimal(value, digits), "{value:?} {digits}");
                }
            }
        }
    }

    #[test]
    fn products_are_rounded_once_however_large_they_are_on_the_way() {
        assert_eq!(
            [(25, 1, -1), (35, 1, -1), (-25, 1, -1), (26, -1, -1), (7, 3, 2)].map(|(a, b, e)| product(a, b, e)),
            [Some(2), Some(4), Some(-2), Some(-3), Some(2100)]
        );
        // Against a division of what fits, by way of factors that do not.
        let mut seed = 11u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i128::from((seed >> 11) % below)
        };
        for _ in 0..20_000 {
            let (a, b, digits) = (next(1 << 40) - (1 << 39), next(1 << 30), next(18) as u32 + 1);
            let expected = div_half_even(a * b, 10i128.pow(digits));
            assert_eq!(product(a, b, -(digits as i32)), Some(expected));
            let far = 10i128.pow(20);
            assert_eq!(product(a * far, b * far, -(digits as i32) - 40), Some(expected), "{a} {b} {digits}");
        }
        let most = 10i128.pow(38);
        assert_eq!(product(most, most, -76), Some(1));
        assert_eq!(product(most, -most, -38), Some(-most));
        assert_eq!(product(most, most, -37), None);
        assert_eq!(product(most, 10, 0), None);
        assert_eq!(product(5, 1, -60), Some(0));
        assert_eq!(product(most, most, i32::MIN), Some(0));
        assert_eq!(product(5, 1, 40), None);
        assert_eq!(product(i128::MAX, i128::MAX, -76), Some(3));
    }

    #[test]
    fn an_exact_number_is_the_shortest_decimal() {
        for (x, unscaled, scale) in [(0.8, 80, 2), (1.0, 1, 0), (0.123_45, 12_345, 5), (1e-9, 1, 9), (-2.5, -250, 2)] {
            assert_eq!(ExactDecimal::from_f64(x), Ok(ExactDecimal { unscaled, scale }), "{x}");
        }
        assert_eq!(ExactDecimal::from_f64(1e300), Ok(ExactDecimal { unscaled: 1, scale: -300 }));
        assert_eq!(ExactDecimal::from_f64(f64::NAN), Err(AmountError::NotANumber));
        assert_eq!(ExactDecimal::from_f64(f64::NEG_INFINITY), Err(AmountError::Infinite));
    }

    #[test]
    fn decimals_keep_or_round_their_digits() {
        assert_eq!(from_decimal(12345, 3, 2), Ok(MinorUnits { units: 1234, rounded: true }));
        assert_eq!(from_decimal(12, 0, 2), Ok(MinorUnits { units: 1200, rounded: false }));
        assert_eq!(from_decimal(5, 3, 0), Ok(MinorUnits { units: 0, rounded: true }));
        assert_eq!(from_decimal(i128::MAX, 0, 2), Err(AmountError::Overflow));
        for extreme in [i128::MIN, i128::MAX] {
            for scale in [-40, -1, 0, 2, 20, 37, 38, 39, 60, i32::MAX] {
                for digits in [0, 2, 6] {
                    let _ = from_decimal(extreme, scale, digits);
                }
            }
        }
        assert_eq!(from_decimal(10i128.pow(38) - 1, 38, 0), Ok(MinorUnits { units: 1, rounded: true }));
        assert_eq!(from_decimal(1, 60, 2), Ok(MinorUnits { units: 0, rounded: true }));
    }

    #[test]
    fn money_prints_with_its_digits() {
        assert_eq!(format(-1234, 2), "-12.34");
        assert_eq!(format(5, 2), "0.05");
        assert_eq!(format(-5, 0), "-5");
        assert_eq!(format(7, 3), "0.007");
    }
}
