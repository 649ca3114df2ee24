//! Days and periods for the tests, written again on purpose: the tests do not borrow the calendar they test.

use std::cmp::Ordering;

use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan};

/// Days since 1970-01-01.
pub type Day = i64;

/// The end of what is still running.
pub const NEVER: Day = 4_000_000;

/// `day("2020-02-29")`
pub fn day(text: &str) -> Day {
    from_civil(text.parse().unwrap_or_else(|e| panic!("{text:?} is not a date: {e}")))
}

pub fn show(day: Day) -> String {
    civil(day).to_string()
}

pub fn civil(day: Day) -> Date {
    jiff::civil::date(1970, 1, 1).checked_add(Span::new().days(day)).expect("a day of this millennium")
}

pub fn from_civil(date: Date) -> Day {
    i64::from(jiff::civil::date(1970, 1, 1).until(date).expect("a day of this millennium").get_days())
}

/// Whole months later, the end of a shorter month where the day does not exist.
pub fn plus_months(day: Day, months: i64) -> Day {
    from_civil(civil(day).checked_add(months.months()).expect("a day of this millennium"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Period {
    pub const ALL: [Period; 5] = [Period::Day, Period::Week, Period::Month, Period::Quarter, Period::Year];

    pub fn name(self) -> &'static str {
        ["day", "week", "month", "quarter", "year"][self as usize]
    }

    /// DEFINITIONS §3: periods in a year.
    pub fn per_year(self) -> i32 {
        [365, 52, 12, 4, 1][self as usize]
    }

    /// DEFINITIONS §5: a month is 365/12 days; (numerator, denominator).
    pub fn days(self) -> (i128, i128) {
        [(1, 1), (7, 1), (365, 12), (365, 4), (365, 1)][self as usize]
    }

    /// Months in a period: (numerator, denominator).
    pub fn months(self) -> (i128, i128) {
        [(12, 365), (12, 52), (1, 1), (3, 1), (12, 1)][self as usize]
    }

    pub fn start(self, day: Day, week_start: Weekday) -> Day {
        let date = civil(day);
        let first_of = |month| from_civil(jiff::civil::date(date.year(), month, 1));
        match self {
            Period::Day => day,
            Period::Week => {
                (day - 6..=day).find(|d| civil(*d).weekday() == week_start).expect("a week has each weekday")
            }
            Period::Month => first_of(date.month()),
            Period::Quarter => first_of([1, 1, 1, 4, 4, 4, 7, 7, 7, 10, 10, 10][date.month() as usize - 1]),
            Period::Year => first_of(1),
        }
    }

    /// `n` periods after any day (not only after a period's start).
    pub fn after(self, day: Day, n: i64) -> Day {
        match self {
            Period::Day => day + n,
            Period::Week => day + 7 * n,
            Period::Month => plus_months(day, n),
            Period::Quarter => plus_months(day, 3 * n),
            Period::Year => plus_months(day, 12 * n),
        }
    }
}

/// `numerator / denominator` in whole units, halves to even.
pub fn half_even(numerator: i128, denominator: i128) -> i128 {
    let floor = numerator.div_euclid(denominator);
    let rest = numerator.rem_euclid(denominator);
    match (2 * rest).cmp(&denominator) {
        Ordering::Less => floor,
        Ordering::Greater => floor + 1,
        Ordering::Equal => floor + floor.rem_euclid(2),
    }
}

#[test]
fn the_calendar_of_the_tests_is_right_where_it_is_easy_to_be_wrong() {
    assert_eq!(show(day("1969-12-31")), "1969-12-31");
    assert_eq!(show(plus_months(day("2020-01-31"), 1)), "2020-02-29");
    let starts = |p: Period| show(p.start(day("2020-08-02"), Weekday::Monday)); // a Sunday
    assert_eq!(Period::ALL.map(starts), ["2020-08-02", "2020-07-27", "2020-08-01", "2020-07-01", "2020-01-01"]);
    assert_eq!(show(Period::Week.start(day("2020-08-02"), Weekday::Sunday)), "2020-08-02");
    assert_eq!([-25, -15, 15, 25, 26].map(|n| half_even(n, 10)), [-2, -2, 2, 2, 3]);
}
