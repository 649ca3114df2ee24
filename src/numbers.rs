//! Numbers formatted for people.

use crate::money;

/// With thousands separators: 1234567 as `1,234,567`.
pub fn grouped(n: impl Into<i128>) -> String {
    let n: i128 = n.into();
    let digits = n.unsigned_abs().to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if n < 0 { format!("-{text}") } else { text }
}

/// `1 file`, `1,234 files`.
pub fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{} {what}s", grouped(n)) }
}

/// An amount in minor units: `-1,234.50 EUR`.
pub fn amount(units: i128, digits: u8, currency: &str) -> String {
    let text = money::format(units.abs(), digits);
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    let whole = whole.parse::<i128>().map_or_else(|_| whole.to_owned(), grouped);
    let sign = if units < 0 { "-" } else { "" };
    let fraction = fraction.map(|f| format!(".{f}")).unwrap_or_default();
    format!("{sign}{whole}{fraction} {currency}")
}

/// Bytes in a binary unit: `1.4 KiB`.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, -1_234_567].map(grouped), ["0", "999", "1,000", "-1,234,567"]);
        assert_eq!(grouped(i128::MIN), "-170,141,183,460,469,231,731,687,303,715,884,105,728");
        assert_eq!([0, 1, 1000].map(|n| count(n, "row")), ["0 rows", "1 row", "1,000 rows"]);
        assert_eq!([-123_456, -5, 0].map(|n| amount(n, 2, "EUR")), ["-1,234.56 EUR", "-0.05 EUR", "0.00 EUR"]);
        assert_eq!(amount(1_234_567, 0, "JPY"), "1,234,567 JPY");
        assert_eq!(
            [0, 1023, 1024, 5 << 30, u64::MAX].map(size),
            ["0 B", "1023 B", "1.0 KiB", "5.0 GiB", "16777216.0 TiB"]
        );
    }
}
