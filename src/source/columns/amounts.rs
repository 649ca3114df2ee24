//! Reads columns of amounts, whatever their type, as exact minor units (cents).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::*;

use super::faults::Faults;
use super::texts::LONGEST;
use super::widen;
use crate::money::{self, AmountError, ExactDecimal, MAX_MINOR, MinorUnits};
use crate::source::Reason;

/// Amounts in minor units, and for each whether it was rounded to one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Amounts {
    pub units: Vec<i64>,
    pub rounded: Vec<bool>,
}

/// Reads a column that [`Class`](super::Class) found to hold numbers or texts.
pub(crate) fn read(array: &ArrayRef, digits: u8, label: &Arc<str>, faults: &mut Faults) -> Amounts {
    macro_rules! integers {
        ($type:ty) => {{
            let power = 10i128.pow(u32::from(digits));
            let convert = |v: <$type as ArrowPrimitiveType>::Native| {
                let units = i128::from(v) * power;
                if units.abs() <= MAX_MINOR {
                    Ok(MinorUnits { units: units as i64, rounded: false })
                } else {
                    Err(AmountError::Overflow)
                }
            };
            fill(array, array.as_primitive::<$type>().values().iter().map(|v| convert(*v)), label, faults)
        }};
    }
    macro_rules! decimals {
        ($type:ty, $scale:expr) => {{
            let values = array.as_primitive::<$type>().values();
            fill(array, values.iter().map(|v| decimal(i128::from(*v), i32::from(*$scale), digits)), label, faults)
        }};
    }
    match array.data_type() {
        DataType::Int8 => integers!(Int8Type),
        DataType::Int16 => integers!(Int16Type),
        DataType::Int32 => integers!(Int32Type),
        DataType::Int64 => integers!(Int64Type),
        DataType::UInt8 => integers!(UInt8Type),
        DataType::UInt16 => integers!(UInt16Type),
        DataType::UInt32 => integers!(UInt32Type),
        DataType::UInt64 => integers!(UInt64Type),
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().values();
            fill(array, values.iter().map(|v| money::from_f64(*v, digits)), label, faults)
        }
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>().values();
            fill(array, values.iter().map(|v| money::from_f64(widen(*v), digits)), label, faults)
        }
        DataType::Decimal32(_, scale) => decimals!(Decimal32Type, scale),
        DataType::Decimal64(_, scale) => decimals!(Decimal64Type, scale),
        DataType::Decimal128(_, scale) => decimals!(Decimal128Type, scale),
        DataType::Decimal256(_, scale) => {
            let values = array.as_primitive::<Decimal256Type>().values();
            let convert = |v: &i256| match v.to_i128() {
                Some(v) => decimal(v, i32::from(*scale), digits),
                None => Err(AmountError::Overflow),
            };
            fill(array, values.iter().map(convert), label, faults)
        }
        DataType::Utf8View => texts(array, digits, label, faults),
        // A column without values: the schema was checked before.
        _ => fill(array, (0..array.len()).map(|_| Ok(MinorUnits { units: 0, rounded: false })), label, faults),
    }
}

fn fill(
    array: &ArrayRef,
    values: impl Iterator<Item = Result<MinorUnits, AmountError>>,
    label: &Arc<str>,
    faults: &mut Faults,
) -> Amounts {
    let mut amounts = Amounts { units: Vec::with_capacity(array.len()), rounded: Vec::with_capacity(array.len()) };
    let nulls = array.logical_nulls();
    for (row, value) in values.enumerate() {
        // The value under a NULL is arbitrary and is not checked.
        let null = nulls.as_ref().is_some_and(|n| n.is_null(row));
        let minor = match value {
            Ok(minor) if !null => minor,
            _ => {
                let reason = match value {
                    _ if null => Reason::NoAmount,
                    Err(AmountError::NotANumber) => Reason::AmountNotANumber,
                    Err(AmountError::Infinite) => Reason::AmountInfinite,
                    Ok(_) | Err(AmountError::Overflow) => Reason::AmountOverflow,
                };
                faults.mark_value(row, reason, label, array);
                MinorUnits { units: 0, rounded: false }
            }
        };
        amounts.units.push(minor.units);
        amounts.rounded.push(minor.rounded);
    }
    amounts
}

/// [`money::from_decimal`] with a short cut for what nearly every value is.
fn decimal(unscaled: i128, scale: i32, digits: u8) -> Result<MinorUnits, AmountError> {
    if scale == i32::from(digits) && (-MAX_MINOR..=MAX_MINOR).contains(&unscaled) {
        return Ok(MinorUnits { units: unscaled as i64, rounded: false });
    }
    money::from_decimal(unscaled, scale, digits)
}

/// The number in a row of such a column, to its last digit; `None` for NULL, and for a text that is none.
pub(crate) fn exact(array: &dyn Array, row: usize) -> Option<Result<ExactDecimal, AmountError>> {
    macro_rules! integer {
        ($type:ty) => {
            Ok(ExactDecimal { unscaled: array.as_primitive::<$type>().value(row).into(), scale: 0 })
        };
    }
    macro_rules! decimal {
        ($type:ty, $scale:expr) => {
            Ok(ExactDecimal { unscaled: array.as_primitive::<$type>().value(row).into(), scale: i32::from(*$scale) })
        };
    }
    if array.logical_nulls().is_some_and(|n| n.is_null(row)) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Int8 => integer!(Int8Type),
        DataType::Int16 => integer!(Int16Type),
        DataType::Int32 => integer!(Int32Type),
        DataType::Int64 => integer!(Int64Type),
        DataType::UInt8 => integer!(UInt8Type),
        DataType::UInt16 => integer!(UInt16Type),
        DataType::UInt32 => integer!(UInt32Type),
        DataType::UInt64 => integer!(UInt64Type),
        DataType::Float64 => ExactDecimal::from_f64(array.as_primitive::<Float64Type>().value(row)),
        DataType::Float32 => ExactDecimal::from_f64(widen(array.as_primitive::<Float32Type>().value(row))),
        DataType::Decimal32(_, scale) => decimal!(Decimal32Type, scale),
        DataType::Decimal64(_, scale) => decimal!(Decimal64Type, scale),
        DataType::Decimal128(_, scale) => decimal!(Decimal128Type, scale),
        DataType::Decimal256(_, scale) => match array.as_primitive::<Decimal256Type>().value(row).to_i128() {
            Some(unscaled) => Ok(ExactDecimal { unscaled, scale: i32::from(*scale) }),
            None => Err(AmountError::Overflow),
        },
        DataType::Utf8View => return number(array.as_string_view().value(row)),
        _ => return None,
    })
}

/// Whether a row has no value: NULL or an empty text.
pub(crate) fn is_blank(array: &dyn Array, row: usize) -> bool {
    array.logical_nulls().is_some_and(|n| n.is_null(row))
        || array.as_string_view_opt().is_some_and(|texts| texts.value(row).is_empty())
}

fn texts(array: &ArrayRef, digits: u8, label: &Arc<str>, faults: &mut Faults) -> Amounts {
    let mut amounts = Amounts::default();
    for (row, text) in array.as_string_view().iter().enumerate() {
        let minor = match text.filter(|t| !t.is_empty()).map(|t| parse(t, digits)) {
            Some(Some(Ok(minor))) => minor,
            other => {
                let reason = match other {
                    None => Reason::NoAmount,
                    Some(None) => Reason::AmountNotNumeric,
                    Some(Some(_)) => Reason::AmountOverflow,
                };
                faults.mark_value(row, reason, label, array);
                MinorUnits { units: 0, rounded: false }
            }
        };
        amounts.units.push(minor.units);
        amounts.rounded.push(minor.rounded);
    }
    amounts
}

/// Digits kept after the point: more than money and rates have, and one more for whether other digits than 0 follow.
const FRACTION: usize = 19;

fn parse(text: &str, digits: u8) -> Option<Result<MinorUnits, AmountError>> {
    let minor = |ExactDecimal { unscaled, scale }| match scale {
        i32::MAX => Ok(MinorUnits { units: 0, rounded: true }),
        scale if scale > -64 => money::from_decimal(unscaled, scale, digits),
        _ => Err(AmountError::Overflow),
    };
    number(text).map(|exact| exact.and_then(minor))
}

/// A plain decimal number, `-12.34` or `1.5e3`; `None` if the text is anything else, or longer than [`LONGEST`].
fn number(text: &str) -> Option<Result<ExactDecimal, AmountError>> {
    if text.len() > LONGEST {
        return None;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, unsigned) = match mantissa.strip_prefix(['-', '+']) {
        Some(rest) => (mantissa.starts_with('-'), rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let numeric = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !numeric(whole) || !numeric(fraction) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let mut kept = fraction.to_string();
    if exponent <= 0 && fraction.len() > FRACTION {
        let rest = fraction[FRACTION..].bytes().any(|b| b != b'0');
        kept = format!("{}{}", &fraction[..FRACTION], if rest { "1" } else { "" });
    }
    let all = format!("{whole}{kept}");
    let significant = all.trim_start_matches('0');
    if significant.is_empty() {
        return Some(Ok(ExactDecimal { unscaled: 0, scale: 0 }));
    }
    let Ok(unscaled) = significant.parse::<i128>() else { return Some(Err(AmountError::Overflow)) };
    let unscaled = if negative { -unscaled } else { unscaled };
    // A scale beyond 32 bits: the number is too small to be seen.
    let scale = i32::try_from(kept.len()).ok().and_then(|n| n.checked_sub(exponent)).unwrap_or(i32::MAX);
    Some(Ok(ExactDecimal { unscaled, scale }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::*;

    fn units(array: ArrayRef, digits: u8) -> (Vec<i64>, Vec<(usize, Reason)>) {
        let mut faults = Faults::default();
        let amounts = read(&array, digits, &"amount".into(), &mut faults);
        assert_eq!(amounts.units.len(), array.len());
        (amounts.units, faults.iter().map(|f| (f.row, f.reason)).collect())
    }

    #[test]
    fn every_type_gives_the_same_cents() {
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(Int8Array::from(vec![Some(12), None, Some(-7)])),
            Arc::new(Int16Array::from(vec![Some(12), None, Some(-7)])),
            Arc::new(Int32Array::from(vec![Some(12), None, Some(-7)])),
            Arc::new(Int64Array::from(vec![Some(12), None, Some(-7)])),
            Arc::new(Float32Array::from(vec![Some(12.0), None, Some(-7.0)])),
            Arc::new(Float64Array::from(vec![Some(12.0), None, Some(-7.0)])),
            Arc::new(StringViewArray::from(vec![Some("12"), None, Some("-7.00")])),
            Arc::new(Decimal32Array::from(vec![Some(120), None, Some(-70)]).with_precision_and_scale(9, 1).unwrap()),
            Arc::new(Decimal64Array::from(vec![Some(1200), None, Some(-700)]).with_precision_and_scale(18, 2).unwrap()),
            Arc::new(
                Decimal128Array::from(vec![Some(12000), None, Some(-7000)]).with_precision_and_scale(38, 3).unwrap(),
            ),
            Arc::new(
                Decimal256Array::from(vec![Some(i256::from(12)), None, Some(i256::from(-7))])
                    .with_precision_and_scale(76, 0)
                    .unwrap(),
            ),
        ];
        for array in arrays {
            let kind = array.data_type().clone();
            assert_eq!(units(array, 2), (vec![1200, 0, -700], vec![(1, Reason::NoAmount)]), "{kind}");
        }
        let unsigned: Vec<ArrayRef> = vec![
            Arc::new(UInt8Array::from(vec![12])),
            Arc::new(UInt16Array::from(vec![12])),
            Arc::new(UInt32Array::from(vec![12])),
            Arc::new(UInt64Array::from(vec![12])),
        ];
        for array in unsigned {
            assert_eq!(units(array, 0).0, [12]);
        }
        assert_eq!(units(Arc::new(Float32Array::from(vec![2.55, 0.1, 19.99])), 2).0, [255, 10, 1999]);
    }

    #[test]
    fn hostile_numbers_are_faults() {
        use Reason::*;
        let floats = Float64Array::from(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -0.0]);
        let expected = [(0, AmountNotANumber), (1, AmountInfinite), (2, AmountInfinite), (3, AmountOverflow)];
        assert_eq!(units(Arc::new(floats), 2).1, expected);
        assert_eq!(units(Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX])), 2).1.len(), 2);
        assert_eq!(units(Arc::new(UInt64Array::from(vec![u64::MAX])), 0).1, [(0, AmountOverflow)]);
        let wide = Decimal256Array::from(vec![i256::MAX]).with_precision_and_scale(76, 0).unwrap();
        assert_eq!(units(Arc::new(wide), 2).1, [(0, AmountOverflow)]);
        let beyond = Decimal128Array::from(vec![i128::MIN, i128::MAX]).with_precision_and_scale(38, 2).unwrap();
        assert_eq!(units(Arc::new(beyond), 2).1, [(0, AmountOverflow), (1, AmountOverflow)]);
        let negative_scale = Decimal128Array::from(vec![5]).with_precision_and_scale(38, -3).unwrap();
        assert_eq!(units(Arc::new(negative_scale), 2).0, [500_000]);
    }

    #[test]
    fn texts_are_exact_decimals_or_nothing() {
        let cents = |t: &str| parse(t, 2).map(|r| r.map(|m| (m.units, m.rounded)));
        for (text, expected) in [
            ("12.34", (1234, false)),
            ("-0.005", (0, true)),
            ("0.015", (2, true)),
            ("0.0250000000000000000000001", (3, true)),
            ("0.025", (2, true)),
            ("+.5", (50, false)),
            ("5.", (500, false)),
            ("00012", (1200, false)),
            ("1.5e3", (150_000, false)),
            ("15E-1", (150, false)),
            ("0.000", (0, false)),
            ("1e-400", (0, true)),
        ] {
            assert_eq!(cents(text), Some(Ok(expected)), "{text}");
        }
        for text in ["", ".", "-", "1,234.50", "12 ", " 12", "£5", "NaN", "inf", "0x10", "1e", "1e5.5", "--1", "١٢"]
        {
            assert_eq!(cents(text), None, "{text}");
        }
        for text in ["1e20", "99999999999999999999999999999999999999999", "1e2147483647"] {
            assert_eq!(cents(text), Some(Err(AmountError::Overflow)), "{text}");
        }
        assert_eq!(parse("99999999999999999999999999999999999999e-38", 0).map(|r| r.map(|m| m.units)), Some(Ok(1)));
        assert_eq!(cents("1e-2147483648"), Some(Ok((0, true))));
    }
}
