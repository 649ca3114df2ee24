//! Billing intervals as people write them.

use super::texts::LONGEST;

/// Whole months, or days where `months` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlanInterval {
    pub months: i32,
    pub days: i32,
}

pub(crate) const MONTH: PlanInterval = PlanInterval { months: 1, days: 0 };

const UNITS: &[(&[&str], i32, i32)] = &[
    (&["day", "days", "daily", "d"], 0, 1),
    (&["week", "weeks", "weekly", "w"], 0, 7),
    (&["fortnight", "fortnightly", "biweekly"], 0, 14),
    (&["month", "months", "monthly", "mo", "mon"], 1, 0),
    (&["quarter", "quarters", "quarterly", "q"], 3, 0),
    (&["half-year", "half year", "semiannual", "semi-annual", "semiannually", "biannual"], 6, 0),
    (&["year", "years", "yearly", "annual", "annually", "annum", "y", "yr"], 12, 0),
];

/// A longer interval is taken for an error: a century.
const LONGEST_MONTHS: i64 = 1200;

/// `month`, `Yearly`, `3 months`, `2weeks`, `every 6 months`, `P1Y`; `None` for anything else.
pub(crate) fn parse(text: &str) -> Option<PlanInterval> {
    if text.len() > LONGEST {
        return None;
    }
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_prefix("every ").or_else(|| text.strip_prefix("per ")).unwrap_or(&text).trim();
    if let Some(iso) = text.strip_prefix('p') {
        let unit = iso.chars().last()?;
        return scaled(
            iso.strip_suffix(unit)?,
            match unit {
                'd' => "day",
                'w' => "week",
                'm' => "month",
                'y' => "year",
                _ => return None,
            },
        );
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    scaled(if count.is_empty() { "1" } else { count }, unit.trim_start_matches([' ', '-', '_']))
}

fn scaled(count: &str, unit: &str) -> Option<PlanInterval> {
    let count: i64 = count.parse().ok().filter(|n| *n > 0)?;
    let (_, months, days) = UNITS.iter().find(|(names, ..)| names.contains(&unit))?;
    let (months, days) = (count.checked_mul(i64::from(*months))?, count.checked_mul(i64::from(*days))?);
    if months > LONGEST_MONTHS || days > LONGEST_MONTHS * 31 {
        return None;
    }
    Some(PlanInterval { months: months as i32, days: days as i32 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_as_people_write_them() {
        for (text, months, days) in [
            ("month", 1, 0),
            ("Monthly", 1, 0),
            ("3 months", 3, 0),
            ("3months", 3, 0),
            ("quarter", 3, 0),
            (" YEAR ", 12, 0),
            ("annual", 12, 0),
            ("2 years", 24, 0),
            ("week", 0, 7),
            ("4 weeks", 0, 28),
            ("day", 0, 1),
            ("90 days", 0, 90),
            ("every 6 months", 6, 0),
            ("P1Y", 12, 0),
            ("P30D", 0, 30),
        ] {
            assert_eq!(parse(text), Some(PlanInterval { months, days }), "{text}");
        }
        for text in [
            "",
            "0 months",
            "-1 month",
            "1.5 months",
            "lifetime",
            "once",
            "999999999999999999999 days",
            "2000 years",
            "p",
            "pé",
            "12",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
