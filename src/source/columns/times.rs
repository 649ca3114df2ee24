//! Reads columns of dates and times, whatever their type, as local days and instants.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Date64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};

use super::clock::{Clock, wall_day};
use super::faults::Faults;
use super::iso::{self, MICROS_A_DAY};
use crate::calendar::Day;
use crate::source::Reason;
use crate::source_kind::TimeRole;

/// Days and, for the order within a day, instants. NULL is [`Day::NEVER`].
#[derive(Clone, Debug)]
pub(crate) struct Times {
    pub days: Vec<Day>,
    /// Microseconds since the epoch. Wall-clock times in the calendar's own zone count as if that zone were UTC.
    pub instants: Vec<i64>,
    /// Whether `instants` are such wall-clock times.
    pub wall: bool,
}

/// Reads a column that [`Class`](super::Class) found to hold times; faults are marked in order of rows.
pub(crate) fn read(
    array: &ArrayRef,
    role: TimeRole,
    clock: &mut Clock,
    label: &Arc<str>,
    faults: &mut Faults,
) -> Times {
    let mut times = match array.data_type() {
        DataType::Date32 => dates(array.as_primitive::<Date32Type>(), i64::from),
        DataType::Date64 => dates(array.as_primitive::<Date64Type>(), |ms| ms.div_euclid(86_400_000)),
        DataType::Timestamp(unit, zone) => {
            let zoned = zone.is_some();
            match unit {
                TimeUnit::Second => {
                    stamps(array.as_primitive::<TimestampSecondType>(), |t| t.saturating_mul(1_000_000), zoned, clock)
                }
                TimeUnit::Millisecond => {
                    stamps(array.as_primitive::<TimestampMillisecondType>(), |t| t.saturating_mul(1000), zoned, clock)
                }
                TimeUnit::Microsecond => stamps(array.as_primitive::<TimestampMicrosecondType>(), |t| t, zoned, clock),
                TimeUnit::Nanosecond => {
                    stamps(array.as_primitive::<TimestampNanosecondType>(), |t| t.div_euclid(1000), zoned, clock)
                }
            }
        }
        DataType::Utf8View => texts(array, clock, label, faults),
        // A column without values: the schema was checked before.
        _ => Times { days: vec![Day::NEVER; array.len()], instants: vec![0; array.len()], wall: true },
    };
    if let Some(nulls) = array.nulls() {
        for (row, day) in times.days.iter_mut().enumerate() {
            if nulls.is_null(row) {
                *day = Day::NEVER;
            }
        }
    }
    for row in 0..times.days.len() {
        let day = times.days[row];
        if day < Day::EARLIEST || day > Day::LATEST {
            times.days[row] = unusual(array, row, day, role, label, faults);
        }
    }
    times
}

fn unusual(array: &ArrayRef, row: usize, day: Day, role: TimeRole, label: &Arc<str>, faults: &mut Faults) -> Day {
    let missing = array.is_null(row) || day == Day::NEVER;
    match role {
        TimeRole::When if missing => faults.mark(row, Reason::NoTime, label),
        _ if missing => return Day::NEVER,
        TimeRole::EndOrNever if day > Day::LATEST => return Day::NEVER,
        TimeRole::EndOrFar if day > Day::LATEST => return Day::LATEST,
        _ => faults.mark_value(row, Reason::TimeOutOfRange, label, array),
    }
    Day::EARLIEST
}

fn dates<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, day: impl Fn(T::Native) -> i64) -> Times {
    let clamp = |d: i64| d.clamp(i64::from(i32::MIN), i64::from(i32::MAX) - 1);
    let days: Vec<Day> = array.values().iter().map(|v| Day(clamp(day(*v)) as i32)).collect();
    let instants = days.iter().map(|d| i64::from(d.0).saturating_mul(MICROS_A_DAY)).collect();
    Times { days, instants, wall: true }
}

fn stamps<T: ArrowPrimitiveType<Native = i64>>(
    array: &PrimitiveArray<T>,
    micros: impl Fn(i64) -> i64,
    zoned: bool,
    clock: &mut Clock,
) -> Times {
    let mut instants: Vec<i64> = array.values().iter().map(|v| micros(*v)).collect();
    let wall = !zoned && clock.same_zone();
    let days = if wall {
        instants.iter().map(|t| wall_day(*t)).collect()
    } else {
        if !zoned {
            instants.iter_mut().for_each(|t| *t = clock.instant(*t));
        }
        instants.iter().map(|t| clock.day(*t)).collect()
    };
    Times { days, instants, wall }
}

fn texts(array: &ArrayRef, clock: &mut Clock, label: &Arc<str>, faults: &mut Faults) -> Times {
    let texts = array.as_string_view();
    let (mut days, mut instants) = (Vec::with_capacity(texts.len()), Vec::with_capacity(texts.len()));
    for (row, text) in texts.iter().enumerate() {
        // An export without NULLs writes an empty text instead.
        let Some(text) = text.filter(|t| !t.is_empty()) else {
            days.push(Day::NEVER);
            instants.push(0);
            continue;
        };
        let (day, instant) = match iso::parse(text.as_bytes()) {
            Some(m) if m.date_only => (Day(m.day), clock.instant(m.wall_micros())),
            Some(m) => {
                let instant = match m.offset {
                    Some(offset) => m.wall_micros() - i64::from(offset) * 1_000_000,
                    None => clock.instant(m.wall_micros()),
                };
                (if m.offset.is_none() && clock.same_zone() { Day(m.day) } else { clock.day(instant) }, instant)
            }
            None => {
                faults.mark_value(row, Reason::TimeNotIso, label, array);
                (Day::EARLIEST, 0)
            }
        };
        days.push(day);
        instants.push(instant);
    }
    Times { days, instants, wall: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{
        Date32Array, Date64Array, StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray,
        TimestampNanosecondArray, TimestampSecondArray,
    };
    use jiff::tz::TimeZone;

    fn london() -> Clock {
        let zone = TimeZone::get("Europe/London").unwrap();
        Clock::new(&zone, &zone)
    }

    fn days(array: ArrayRef, role: TimeRole, clock: &mut Clock) -> (Vec<String>, Vec<(usize, Reason)>) {
        let mut faults = Faults::default();
        let times = read(&array, role, clock, &"at".into(), &mut faults);
        let days = times.days.iter().map(|d| if *d == Day::NEVER { "-".into() } else { d.to_string() }).collect();
        (days, faults.iter().map(|f| (f.row, f.reason)).collect())
    }

    #[test]
    fn every_type_of_the_same_moment_is_the_same_day() {
        // 2011-07-01T23:30 on a wall clock; as an instant (UTC) it is 2 July in London.
        let s = 1_309_563_000i64;
        let naive: Vec<ArrayRef> = vec![
            Arc::new(Date32Array::from(vec![15_156])),
            Arc::new(Date64Array::from(vec![15_156 * 86_400_000])),
            Arc::new(TimestampSecondArray::from(vec![s])),
            Arc::new(TimestampMillisecondArray::from(vec![s * 1000])),
            Arc::new(TimestampMicrosecondArray::from(vec![s * 1_000_000])),
            Arc::new(TimestampNanosecondArray::from(vec![s * 1_000_000_000])),
            Arc::new(StringViewArray::from(vec!["2011-07-01"])),
            Arc::new(StringViewArray::from(vec!["2011-07-01T23:30:00"])),
            Arc::new(StringViewArray::from(vec!["2011-07-02T00:30:00+02:00"])),
        ];
        for array in naive {
            assert_eq!(days(array.clone(), TimeRole::When, &mut london()).0, ["2011-07-01"], "{}", array.data_type());
        }
        let zoned: Vec<ArrayRef> = vec![
            Arc::new(TimestampSecondArray::from(vec![s]).with_timezone("UTC")),
            Arc::new(TimestampNanosecondArray::from(vec![s * 1_000_000_000]).with_timezone("+05:00")),
            Arc::new(StringViewArray::from(vec!["2011-07-01T23:30:00Z"])),
        ];
        for array in zoned {
            assert_eq!(days(array.clone(), TimeRole::When, &mut london()).0, ["2011-07-02"], "{}", array.data_type());
        }
    }

    #[test]
    fn missing_and_absurd_dates_are_faults_or_none_by_role() {
        let array = || -> ArrayRef {
            Arc::new(StringViewArray::from(vec![
                None,
                Some(""),
                Some("0001-01-01"),
                Some("9999-12-31"),
                Some("1870-01-01"),
                Some("2299-12-31T23:59:59"),
                Some("31.12.2010"),
            ]))
        };
        use Reason::*;
        let (_, faults) = days(array(), TimeRole::When, &mut london());
        assert_eq!(faults, [(0, NoTime), (1, NoTime), (2, TimeOutOfRange), (3, TimeOutOfRange), (6, TimeNotIso)]);
        let (got, faults) = days(array(), TimeRole::EndOrNever, &mut london());
        assert_eq!(got[..2], ["-", "-"]);
        assert_eq!(got[3..6], ["-", "1870-01-01", "2299-12-31"]);
        assert_eq!(faults, [(2, TimeOutOfRange), (6, TimeNotIso)]);
        assert_eq!(days(array(), TimeRole::EndOrFar, &mut london()).0[3], "2299-12-31");
        let (_, faults) = days(array(), TimeRole::Maybe, &mut london());
        assert_eq!(faults, [(2, TimeOutOfRange), (3, TimeOutOfRange), (6, TimeNotIso)]);
        let extreme: ArrayRef = Arc::new(TimestampSecondArray::from(vec![i64::MIN, i64::MAX]).with_timezone("UTC"));
        assert_eq!(days(extreme, TimeRole::When, &mut london()).1.len(), 2);
        let extreme: ArrayRef = Arc::new(Date64Array::from(vec![i64::MIN, i64::MAX]));
        assert_eq!(days(extreme, TimeRole::When, &mut london()).1.len(), 2);
        let extreme: ArrayRef = Arc::new(Date32Array::from(vec![i32::MIN, i32::MAX]));
        assert_eq!(days(extreme, TimeRole::When, &mut london()).1.len(), 2);
    }

    #[test]
    fn instants_order_rows_within_a_day_and_say_whether_they_are_wall_clock() {
        let mut faults = Faults::default();
        let naive: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![5, 3]));
        let times = read(&naive, TimeRole::When, &mut london(), &"at".into(), &mut faults);
        assert_eq!((times.instants, times.wall), (vec![5000, 3000], true));
        let mut other = Clock::new(&TimeZone::get("Asia/Tokyo").unwrap(), &TimeZone::UTC);
        let times = read(&naive, TimeRole::When, &mut other, &"at".into(), &mut faults);
        assert_eq!((times.days[0], times.wall), (Day(-1), false));
    }
}
