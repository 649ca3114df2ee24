//! Converts instants and wall-clock times to local days, in the time zones of the source and of the calendar.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::iso::MICROS_A_DAY;
use crate::calendar::{Day, LocalDays};

/// The two time zones of a scan. It remembers the last offset, because exports are mostly in the order of time.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    local: LocalDays,
    wall: WallClock,
    /// The source's zone is the calendar's: a wall-clock time is local as it stands.
    same_zone: bool,
}

impl Clock {
    pub(crate) fn new(source: &TimeZone, calendar: &TimeZone) -> Self {
        Clock {
            local: LocalDays::new(calendar.clone()),
            wall: WallClock::new(source.clone()),
            same_zone: source == calendar,
        }
    }

    pub(crate) fn same_zone(&self) -> bool {
        self.same_zone
    }

    /// Local wall-clock microseconds of an instant.
    pub(crate) fn local_micros(&mut self, instant: i64) -> i64 {
        let (seconds, rest) = (instant.div_euclid(1_000_000), instant.rem_euclid(1_000_000));
        self.local.local_second(seconds).saturating_mul(1_000_000).saturating_add(rest)
    }

    /// Local day of an instant in microseconds.
    pub(crate) fn day(&mut self, instant: i64) -> Day {
        self.local.day(instant.div_euclid(1_000_000))
    }

    /// The instant at which a clock in the source's zone showed `wall`, both in microseconds. Where the clock showed a time
    /// twice, the first is taken. A time that it skipped is moved forward by the length of the gap.
    pub(crate) fn instant(&mut self, wall: i64) -> i64 {
        let (seconds, rest) = (wall.div_euclid(1_000_000), wall.rem_euclid(1_000_000));
        self.wall.instant(seconds).saturating_mul(1_000_000).saturating_add(rest)
    }
}

/// The day of a wall-clock time in microseconds.
pub(crate) fn wall_day(micros: i64) -> Day {
    // |i64::MAX| / 86.4e9 < 2^27
    Day(micros.div_euclid(MICROS_A_DAY) as i32)
}

/// Wall-clock seconds to instants, remembering the offset in force around the last one.
#[derive(Clone, Debug)]
struct WallClock {
    zone: TimeZone,
    from: i64,
    until: i64,
    offset: i64,
}

const SECONDS_A_DAY: i64 = 86_400;

impl WallClock {
    fn new(zone: TimeZone) -> Self {
        WallClock { zone, from: 0, until: 0, offset: 0 }
    }

    fn instant(&mut self, wall: i64) -> i64 {
        if (self.from..self.until).contains(&wall) {
            return wall - self.offset;
        }
        // Years beyond the range of civil dates are clamped: they are out of range in any case.
        let known = wall.clamp(-377_000_000_000, 253_000_000_000);
        let civil = DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(known.seconds());
        let Ok(at) = civil.and_then(|c| self.zone.to_ambiguous_timestamp(c).compatible()) else { return wall };
        let instant = at.as_second();
        let offset = i64::from(self.zone.to_offset(at).seconds());
        let after = at.saturating_add(1.nanoseconds()).unwrap_or(at);
        let begin = self.zone.preceding(after).next().map_or(Timestamp::MIN, |t| t.timestamp());
        let end = self.zone.following(at).next().map_or(Timestamp::MAX, |t| t.timestamp());
        // The range ends a day before each transition, which keeps out the times that are shown twice or never.
        self.from = begin.as_second() + offset + SECONDS_A_DAY;
        self.until = end.as_second() + offset - SECONDS_A_DAY;
        self.offset = offset;
        instant
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(source: &str, calendar: &str) -> Clock {
        Clock::new(&TimeZone::get(source).unwrap(), &TimeZone::get(calendar).unwrap())
    }

    #[test]
    fn wall_clock_times_agree_with_the_zone_database() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let mut clock = clock("America/New_York", "UTC");
        let mut civil = jiff::civil::datetime(2009, 1, 1, 0, 30, 0, 0);
        for _ in 0..40_000 {
            let micros = civil.to_zoned(TimeZone::UTC).unwrap().timestamp().as_microsecond();
            let expected = zone.to_ambiguous_timestamp(civil).compatible().unwrap().as_microsecond();
            assert_eq!(clock.instant(micros), expected, "{civil}");
            civil = civil.checked_add(37.minutes()).unwrap();
        }
        for absurd in [i64::MIN, i64::MAX] {
            let instant = clock.instant(absurd);
            let day = clock.day(instant);
            assert!(day < Day::EARLIEST || day > Day::LATEST);
        }
    }

    #[test]
    fn a_naive_time_in_another_zone_may_fall_on_another_day() {
        // 20:30 in New York on 1 July is 01:30 on 2 July in London, both in summer time.
        let mut clock = clock("America/New_York", "Europe/London");
        let wall = jiff::civil::datetime(2011, 7, 1, 20, 30, 0, 0).to_zoned(TimeZone::UTC).unwrap();
        let instant = clock.instant(wall.timestamp().as_microsecond());
        assert_eq!(clock.day(instant).to_string(), "2011-07-02");
        assert!(!clock.same_zone());
        assert_eq!(wall_day(-1), Day(-1));
    }
}
