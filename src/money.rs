//! Exact money: whole minor units (cents) as integers, from the scan to the tables.
//!
//! A customer's amounts are `i64`, sums over customers `i128`. Every division rounds half to even, once, at a place
//! that DEFINITIONS names. Floats appear only where a rate or a model begins.

/// The largest magnitude a DECIMAL(18) column can hold, in minor units.
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

/// Why an amount cannot be money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotMoney {
    NotANumber,
    Infinite,
    Overflow,
}

/// An amount in minor units, and whether digits beyond the minor unit had to be rounded away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minor {
    pub units: i64,
    pub rounded: bool,
}

/// A decimal `unscaled / 10^scale` in minor units of `digits` decimals, half to even.
///
/// # Errors
/// [`NotMoney::Overflow`] beyond DECIMAL(18).
pub fn from_decimal(unscaled: i128, scale: i32, digits: u8) -> Result<Minor, NotMoney> {
    let shift = i32::from(digits) - scale;
    let power =
        |n: i32| 10i128.checked_pow(u32::try_from(n).map_err(|_| NotMoney::Overflow)?).ok_or(NotMoney::Overflow);
    let (units, rounded) = if shift >= 0 {
        if unscaled == 0 { (0, false) } else { (unscaled.checked_mul(power(shift)?).ok_or(NotMoney::Overflow)?, false) }
    } else if -shift > 38 {
        (0, unscaled != 0)
    } else {
        let d = power(-shift)?;
        (div_half_even(unscaled, d), unscaled % d != 0)
    };
    if !(-MAX_MINOR..=MAX_MINOR).contains(&units) {
        return Err(NotMoney::Overflow);
    }
    Ok(Minor { units: units as i64, rounded })
}

/// A float read as the shortest decimal that denotes it (what a person would have typed), then rounded half to even.
///
/// 0.615 becomes 62 cents, although the nearest binary fraction lies a little below: the shortest decimal is a tie
/// and 62 is even. 1.005 becomes 100.
pub fn from_f64(value: f64, digits: u8) -> Result<Minor, NotMoney> {
    if value.is_nan() {
        return Err(NotMoney::NotANumber);
    }
    if value.is_infinite() {
        return Err(NotMoney::Infinite);
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
            return Ok(Minor { units: k as i64, rounded: false });
        }
        // Otherwise the shortest decimal has more digits than that. It lies within half an ulp of `value`, so that
        // clear of a tie both round to the same unit.
        if scaled.abs() < 1e11 && (scaled - k).abs() < 0.4999 {
            return Ok(Minor { units: k as i64, rounded: true });
        }
    }
    by_shortest_decimal(value, digits)
}

/// What [`from_f64`] means, by way of the text; `value` is finite.
fn by_shortest_decimal(value: f64, digits: u8) -> Result<Minor, NotMoney> {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').ok_or(NotMoney::NotANumber)?;
    let exponent: i32 = exponent.parse().map_err(|_| NotMoney::Overflow)?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let unscaled: i128 = format!("{whole}{fraction}").parse().map_err(|_| NotMoney::Overflow)?;
    from_decimal(unscaled, fraction.len() as i32 - exponent, digits)
}

const POWERS: [f64; 10] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// Minor units as a plain decimal number: `-1234` with 2 digits is `-12.34`.
pub fn format(units: i128, digits: u8) -> String {
    let d = usize::from(digits);
    let text = format!("{:0>width$}", units.unsigned_abs(), width = d + 1);
    let (whole, fraction) = text.split_at(text.len() - d);
    let sign = if units < 0 { "-" } else { "" };
    if d == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// Minor units in a major unit, as a float: for means and models only.
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
            assert_eq!(from_f64(x, 2), Ok(Minor { units, rounded }), "{x}");
        }
        assert_eq!(from_f64(f64::NAN, 2), Err(NotMoney::NotANumber));
        assert_eq!(from_f64(f64::INFINITY, 2), Err(NotMoney::Infinite));
        assert_eq!(from_f64(1e16, 2), Err(NotMoney::Overflow));
        assert_eq!(from_f64(1e300, 2), Err(NotMoney::Overflow));
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
    fn decimals_keep_or_round_their_digits() {
        assert_eq!(from_decimal(12345, 3, 2), Ok(Minor { units: 1234, rounded: true }));
        assert_eq!(from_decimal(12, 0, 2), Ok(Minor { units: 1200, rounded: false }));
        assert_eq!(from_decimal(5, 3, 0), Ok(Minor { units: 0, rounded: true }));
        assert_eq!(from_decimal(i128::MAX, 0, 2), Err(NotMoney::Overflow));
        for extreme in [i128::MIN, i128::MAX] {
            for scale in [-40, -1, 0, 2, 20, 37, 38, 39, 60, i32::MAX] {
                for digits in [0, 2, 6] {
                    let _ = from_decimal(extreme, scale, digits);
                }
            }
        }
        assert_eq!(from_decimal(10i128.pow(38) - 1, 38, 0), Ok(Minor { units: 1, rounded: true }));
        assert_eq!(from_decimal(1, 60, 2), Ok(Minor { units: 0, rounded: true }));
    }

    #[test]
    fn money_prints_with_its_digits() {
        assert_eq!(format(-1234, 2), "-12.34");
        assert_eq!(format(5, 2), "0.05");
        assert_eq!(format(-5, 0), "-5");
        assert_eq!(format(7, 3), "0.007");
    }
}
