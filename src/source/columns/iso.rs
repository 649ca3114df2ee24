//! Parses ISO 8601 dates and times. Nothing is guessed: a text of another form is refused.

use super::texts::LONGEST;

/// A date, or a date and time, as the text gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IsoTime {
    /// Days since 1970-01-01.
    pub day: i32,
    /// Microseconds since midnight; further digits are cut.
    pub micros: i64,
    /// Seconds east of UTC, where the text says so.
    pub offset: Option<i32>,
    pub date_only: bool,
}

pub(crate) const MICROS_A_DAY: i64 = 86_400_000_000;

impl IsoTime {
    /// Wall-clock microseconds since 1970-01-01T00:00.
    pub(crate) fn wall_micros(&self) -> i64 {
        i64::from(self.day) * MICROS_A_DAY + self.micros
    }
}

/// `2011-12-09`, `2011-12-09T12:50`, `2011-12-09 12:50:00.123`, with `Z`, `+01`, `+0100` or `+01:00` behind a time.
/// Nothing else: no other order, no other separators, no surrounding blanks, no more bytes than [`LONGEST`].
pub(crate) fn parse(text: &[u8]) -> Option<IsoTime> {
    if !(10..=LONGEST).contains(&text.len()) || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let (year, month, date) = (number(&text[0..4])?, number(&text[5..7])?, number(&text[8..10])?);
    let day = day_of(year, month, date)?;
    let mut rest = &text[10..];
    if rest.is_empty() {
        return Some(IsoTime { day, micros: 0, offset: None, date_only: true });
    }
    if !matches!(rest[0], b'T' | b't' | b' ') || rest.len() < 6 || rest[3] != b':' {
        return None;
    }
    let (hour, minute) = (number(&rest[1..3])?, number(&rest[4..6])?);
    rest = &rest[6..];
    let mut second = 0;
    let mut micros = 0i64;
    if let [b':', a, b, tail @ ..] = rest {
        second = number(&[*a, *b])?;
        rest = tail;
        if let [b'.' | b',', tail @ ..] = rest {
            let digits = tail.iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            let fraction = tail[..digits].iter().map(|b| i64::from(b - b'0')).chain(std::iter::repeat(0));
            micros = fraction.take(6).fold(0, |n, digit| n * 10 + digit);
            rest = &tail[digits..];
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    micros += i64::from(hour * 3600 + minute * 60 + second) * 1_000_000;
    let offset = match rest {
        [] => None,
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, tail @ ..] => {
            let minutes = match tail {
                [] => 0,
                [b':', m1, m2] | [m1, m2] => number(&[*m1, *m2])?,
                _ => return None,
            };
            let hours = number(&[*h1, *h2])?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            Some((hours * 3600 + minutes * 60) * if *sign == b'-' { -1 } else { 1 })
        }
        _ => return None,
    };
    Some(IsoTime { day, micros, offset, date_only: false })
}

fn number(digits: &[u8]) -> Option<i32> {
    digits.iter().try_fold(0, |n, d| d.is_ascii_digit().then(|| n * 10 + i32::from(d - b'0')))
}

/// Days since 1970-01-01 of a date of the Gregorian calendar.
fn day_of(year: i32, month: i32, date: i32) -> Option<i32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=length).contains(&date) {
        return None;
    }
    // Years that begin in March, so that the leap day is the last; 719,468 days from 0000-03-01 to the epoch.
    let y = if month <= 2 { year - 1 } else { year };
    let days_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + date - 1;
    Some(365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + days_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Day;

    #[test]
    fn every_day_agrees_with_the_calendar() {
        let mut day = Day::from_ymd(1, 1, 1).unwrap();
        while day < Day::from_ymd(2400, 1, 1).unwrap() {
            let text = day.to_string();
            assert_eq!(parse(text.as_bytes()).map(|m| m.day), Some(day.0), "{text}");
            day = day.plus(13);
        }
    }

    #[test]
    fn times_fractions_and_offsets() {
        let read = |t: &str| parse(t.as_bytes()).map(|m| (m.micros, m.offset));
        assert_eq!(read("2011-12-09T12:50"), Some((46_200_000_000, None)));
        assert_eq!(read("2011-12-09 12:50:01.5"), Some((46_201_500_000, None)));
        assert_eq!(read("2011-12-09T00:00:00.123456789Z"), Some((123_456, Some(0))));
        assert_eq!(read("2011-12-09T00:00:00+01:00"), Some((0, Some(3600))));
        assert_eq!(read("2011-12-09T00:00:00-0530"), Some((0, Some(-19_800))));
        assert_eq!(read("2011-12-09T00:00+01"), Some((0, Some(3600))));
        assert_eq!(read("2011-12-09"), Some((0, None)));
    }

    #[test]
    fn nothing_is_guessed() {
        for text in [
            "",
            "2011",
            "2011-12",
            "09/12/2011",
            "12/09/2011",
            "2011/12/09",
            "20111209",
            "2011-1-1",
            "2011-13-01",
            "2011-02-29",
            "2011-00-10",
            "2011-01-00",
            "1900-02-29",
            " 2011-12-09",
            "2011-12-09 ",
            "2011-12-09T",
            "2011-12-09T12",
            "2011-12-09T24:00",
            "2011-12-09T12:60",
            "2011-12-09T12:00:60",
            "2011-12-09T12:00:00.",
            "2011-12-09T12:00:00+1",
            "2011-12-09T12:00:00+01:0",
            "2011-12-09T12:00:00 UTC",
            "2011-12-09Z",
            "-011-12-09",
            "２０１１-12-09",
            "2011-12-0a",
            "now",
            "infinity",
            "1323432000",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
