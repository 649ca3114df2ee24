//! Days, periods and time zones.
//!
//! An instant becomes a local [`Day`] once, when it is read; from there everything is calendar arithmetic on days.
//! A [`Period`] is the half-open range `[start, next start)`. A [`Grid`] numbers the periods of one kind over a range of
//! days, so that folds index arrays instead of computing dates.
//!
//! ```
//! use jiff::civil::Weekday;
//! use tenure::calendar::{Day, Grid, Period};
//!
//! let day = Day::parse("2011-12-09").unwrap();
//! let start = Period::Quarter.start(day, Weekday::Monday);
//! assert_eq!(start.to_string(), "2011-10-01");
//! assert_eq!(Period::Quarter.shift(start, 1).to_string(), "2012-01-01");
//!
//! let months = Grid::new(Period::Month, Weekday::Monday, start, day);
//! assert_eq!((months.len(), months.at(day)), (3, 2));
//! assert_eq!(months.end(2).to_string(), "2012-01-01");
//! ```

use std::fmt;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// A calendar date as days since 1970-01-01.
///
/// ```
/// use tenure::calendar::Day;
///
/// let day = Day::from_ymd(2024, 1, 31).unwrap();
/// assert_eq!(day, Day(19_753));
/// assert_eq!(day.plus(1).to_string(), "2024-02-01");
/// assert_eq!(day.plus_months(1).to_string(), "2024-02-29");
/// assert_eq!(Day::parse("31/01/2024"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Day(pub i32);

impl Day {
    /// Later than every date in the data: the end of a subscription that has no end. In a table it is written as NULL.
    pub const NEVER: Day = Day(i32::MAX);
    /// 1870-01-01, the earliest date that a record may have. The scan quarantines earlier ones, which are sentinels such
    /// as 0001-01-01.
    pub const EARLIEST: Day = Day(-36_524);
    /// 2299-12-31, the latest date that a record may have.
    pub const LATEST: Day = Day(120_529);

    /// `None` if there is no such date.
    pub fn from_ymd(year: i16, month: i8, day: i8) -> Option<Day> {
        Date::new(year, month, day).ok().map(Day::from_civil)
    }

    pub fn from_civil(date: Date) -> Day {
        let epoch = jiff::civil::date(1970, 1, 1);
        // Dates of jiff span years -9999 to 9999, so the days fit.
        Day(date.duration_since(epoch).as_hours() as i32 / 24)
    }

    /// The civil date; days beyond year 9999 (only [`Day::NEVER`]) show as 9999-12-31.
    pub fn civil(self) -> Date {
        jiff::civil::date(1970, 1, 1).saturating_add(Span::new().days(self.0.clamp(-4_371_587, 2_932_896)))
    }

    /// Reads ISO 8601 `YYYY-MM-DD`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Day> {
        (text.len() == 10 && text.is_ascii()).then(|| text.parse::<Date>().ok().map(Day::from_civil))?
    }

    /// `days` later; earlier if negative.
    pub fn plus(self, days: i32) -> Day {
        Day(self.0.saturating_add(days))
    }

    /// Whole months later, clamped to the end of a shorter month (31 January + 1 month = 28 February).
    pub fn plus_months(self, months: i32) -> Day {
        if self == Day::NEVER { self } else { Day::from_civil(self.civil().saturating_add(months.months())) }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.civil())
    }
}

/// A kind of calendar period, `calendar.period` in the pipeline file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Period {
    /// Every period with its name in the pipeline file.
    pub const ALL: [(&'static str, Period); 5] = [
        ("day", Period::Day),
        ("week", Period::Week),
        ("month", Period::Month),
        ("quarter", Period::Quarter),
        ("year", Period::Year),
    ];

    /// `day`, `week`, `month`, `quarter` or `year`.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    /// Periods in a year, as DEFINITIONS §3 counts them: 365, 52, 12, 4, 1.
    pub fn per_year(self) -> i32 {
        [365, 52, 12, 4, 1][self as usize]
    }

    /// The mean length in days, as numerator and denominator: a month is 365/12 days (DEFINITIONS §5).
    pub fn days(self) -> (i128, i128) {
        [(1, 1), (7, 1), (365, 12), (365, 4), (365, 1)][self as usize]
    }

    /// The mean length to the nearest day: 1, 7, 30, 91, 365.
    pub fn whole_days(self) -> i32 {
        let (days, of) = self.days();
        ((2 * days + of) / (2 * of)) as i32
    }

    /// The first day of the period that contains `day`. `week_start` matters to weeks alone.
    pub fn start(self, day: Day, week_start: Weekday) -> Day {
        let date = day.civil();
        let first = |month| Day::from_civil(jiff::civil::date(date.year(), month, 1));
        match self {
            Period::Day => day,
            Period::Week => day.plus(-i32::from(date.weekday().since(week_start))),
            Period::Month => first(date.month()),
            Period::Quarter => first((date.month() - 1) / 3 * 3 + 1),
            Period::Year => first(1),
        }
    }

    /// The first day of the period that begins `n` periods after the one that begins at `start`.
    pub fn shift(self, start: Day, n: i32) -> Day {
        match self {
            Period::Day => start.plus(n),
            Period::Week => start.plus(7 * n),
            Period::Month => start.plus_months(n),
            Period::Quarter => start.plus_months(3 * n),
            Period::Year => start.plus_months(12 * n),
        }
    }
}

/// The periods of one kind that cover a range of days, numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    pub period: Period,
    /// `starts[i]` is the first day of period `i`; the last entry is the first day after the grid.
    starts: Vec<Day>,
    /// Period number of each day from `starts[0]`.
    index: Vec<u32>,
}

impl Grid {
    /// The periods that hold the days `[first, end)`; at least one, even if the range is empty.
    pub fn new(period: Period, week_start: Weekday, first: Day, end: Day) -> Grid {
        let mut starts = vec![period.start(first, week_start)];
        let mut index = Vec::new();
        loop {
            let start = starts[starts.len() - 1];
            let next = period.shift(start, 1);
            index.resize(index.len() + (next.0 - start.0) as usize, starts.len() as u32 - 1);
            starts.push(next);
            if next >= end {
                return Grid { period, starts, index };
            }
        }
    }

    /// How many periods there are.
    #[expect(clippy::len_without_is_empty, reason = "a grid has at least one period")]
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The period that holds `day`; days outside the grid go to its first or last.
    pub fn at(&self, day: Day) -> usize {
        let offset = (i64::from(day.0) - i64::from(self.starts[0].0)).clamp(0, self.index.len() as i64 - 1);
        self.index[offset as usize] as usize
    }

    /// First day of period `i`; `start(len())` is the first day after the grid.
    ///
    /// # Panics
    /// If `i` is greater than `len()`.
    pub fn start(&self, i: usize) -> Day {
        self.starts[i]
    }

    /// First day after period `i`.
    ///
    /// # Panics
    /// If there is no period `i`.
    pub fn end(&self, i: usize) -> Day {
        self.starts[i + 1]
    }

    /// The number of the first boundary (period start) at or after `day`; `len() + 1` if `day` is after the last one.
    pub fn boundary_at_or_after(&self, day: Day) -> usize {
        if day <= self.starts[0] {
            0
        } else if day > self.starts[self.len()] {
            self.len() + 1
        } else {
            self.at(day.plus(-1)) + 1
        }
    }
}

/// Turns instants into local days of a time zone. It remembers the offset that is in force around the last instant:
/// exports are mostly in time order, so nearly every look-up is two comparisons.
#[derive(Clone, Debug)]
pub struct LocalDays {
    zone: TimeZone,
    from: i64,
    until: i64,
    offset: i64,
}

const SECONDS_A_DAY: i64 = 86_400;

impl LocalDays {
    pub fn new(zone: TimeZone) -> Self {
        LocalDays { zone, from: 0, until: 0, offset: 0 }
    }

    /// The local second (seconds since 1970-01-01T00:00 on the wall clock) of an instant in seconds since the epoch.
    pub fn local_second(&mut self, instant: i64) -> i64 {
        if !(self.from..self.until).contains(&instant) {
            self.find(instant);
        }
        instant.saturating_add(self.offset)
    }

    /// The local day of an instant given in whole seconds since the epoch.
    pub fn day(&mut self, instant: i64) -> Day {
        Day(self.local_second(instant).div_euclid(SECONDS_A_DAY).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32)
    }

    fn find(&mut self, instant: i64) {
        let clamped = instant.clamp(Timestamp::MIN.as_second() + 1, Timestamp::MAX.as_second() - 1);
        let Ok(at) = Timestamp::from_second(clamped) else { return };
        self.offset = i64::from(self.zone.to_offset(at).seconds());
        // `preceding` is strictly before its argument, so start one nanosecond later to include a transition at `at`.
        let after = at.saturating_add(1.nanoseconds()).unwrap_or(at);
        self.from = self.zone.preceding(after).next().map_or(i64::MIN, |t| t.timestamp().as_second());
        self.until = self.zone.following(at).next().map_or(i64::MAX, |t| t.timestamp().as_second());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn days_round_trip_and_bounds_are_what_they_say() {
        for text in ["1870-01-01", "1969-12-31", "1970-01-01", "2000-02-29", "2299-12-31"] {
            assert_eq!(day(text).to_string(), text);
        }
        assert_eq!((day("1870-01-01"), day("2299-12-31")), (Day::EARLIEST, Day::LATEST));
        assert_eq!(Day::NEVER.to_string(), "9999-12-31");
        assert_eq!(Day::parse("2011-1-1"), None);
        assert_eq!(Day::parse("2011-02-30"), None);
    }

    #[test]
    fn months_clamp_to_the_end_of_the_month() {
        assert_eq!(day("2024-01-31").plus_months(1), day("2024-02-29"));
        assert_eq!(day("2024-01-31").plus_months(-2), day("2023-11-30"));
    }

    #[test]
    fn periods_start_where_the_calendar_says() {
        let d = day("2011-12-09"); // a Friday
        let starts = Period::ALL.map(|(_, p)| p.start(d, Weekday::Monday).to_string());
        assert_eq!(starts, ["2011-12-09", "2011-12-05", "2011-12-01", "2011-10-01", "2011-01-01"]);
        assert_eq!(Period::Week.start(d, Weekday::Sunday), day("2011-12-04"));
    }

    #[test]
    fn a_grid_agrees_with_period_start_on_every_day() {
        for (_, period) in Period::ALL {
            let grid = Grid::new(period, Weekday::Monday, day("2019-11-17"), day("2021-03-02"));
            for d in grid.start(0).0..grid.start(grid.len()).0 {
                let (d, i) = (Day(d), grid.at(Day(d)));
                assert_eq!(grid.start(i), period.start(d, Weekday::Monday));
                assert!(d < grid.end(i));
                let b = grid.boundary_at_or_after(d);
                assert!(grid.start(b) >= d && (b == 0 || grid.start(b - 1) < d));
            }
            assert!(grid.end(grid.len() - 1) >= day("2021-03-02"));
            assert_eq!(grid.boundary_at_or_after(Day::NEVER), grid.len() + 1);
        }
    }

    #[test]
    fn local_days_follow_daylight_saving() {
        let zone = TimeZone::get("Europe/London").unwrap();
        let mut days = LocalDays::new(zone.clone());
        let mut instant = Timestamp::from_second(1_300_000_000).unwrap();
        for _ in 0..5000 {
            let expected = Day::from_civil(zone.to_datetime(instant).date());
            assert_eq!(days.day(instant.as_second()), expected, "{instant}");
            instant = instant.saturating_add(7_201.seconds()).unwrap();
        }
        // 23:30 UTC on the last day of winter time and the first of summer time.
        assert_eq!(days.day(1_301_182_200), day("2011-03-26"));
        assert_eq!(days.day(1_301_268_600), day("2011-03-28"));
    }
}
