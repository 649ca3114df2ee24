//! Table `dates`: a calendar to which a BI tool joins the other tables.

use std::sync::Arc;

use jiff::civil::Weekday;

use crate::calendar::{Day, Period};
use crate::table::{Table, TableSchema, Type, column};

/// The columns of table `dates`, one row a day.
pub fn schema() -> TableSchema {
    TableSchema {
        name: "dates".into(),
        doc: "One row a day for the whole calendar years around the observed window".into(),
        key: 1,
        columns: vec![
            column("date", Type::Date, "the day"),
            column("week_start", Type::Date, "first day of its week, by `calendar.week_start`"),
            column("month_start", Type::Date, "first day of its month"),
            column("quarter_start", Type::Date, "first day of its calendar quarter"),
            column("year_start", Type::Date, "first day of its calendar year"),
            column("year", Type::Int, "calendar year"),
            column("quarter", Type::Int, "calendar quarter, 1 to 4"),
            column("month", Type::Int, "month, 1 to 12"),
            column("day", Type::Int, "day of the month, 1 to 31"),
            column("iso_year", Type::Int, "year of the ISO 8601 week, which begins on a Monday"),
            column("iso_week", Type::Int, "ISO 8601 week, 1 to 53"),
            column("weekday", Type::Int, "ISO 8601 weekday: Monday is 1, Sunday 7"),
            column("weekday_name", Type::Text, "Monday to Sunday"),
            column(
                "fiscal_year",
                Type::Int,
                "the fiscal year, named by the calendar year in which it ends; \
                 it begins on the first of `calendar.fiscal_year_start`",
            ),
            column("fiscal_quarter", Type::Int, "quarter of the fiscal year, 1 to 4"),
            column("observed", Type::Bool, "whether the day lies in the observed window"),
        ],
    }
}

/// One row a day, for the calendar years that hold the window `[observed_from, as_of)`. `fiscal_year_start` is the
/// month, 1 to 12, in which the fiscal year begins.
pub fn table(observed_from: Day, as_of: Day, week_start: Weekday, fiscal_year_start: i8) -> Table {
    let last = as_of.plus(-1).max(observed_from);
    let first = Period::Year.start(observed_from, week_start);
    let end = Period::Year.shift(Period::Year.start(last, week_start), 1);
    let mut table = Table::empty(Arc::new(schema()), false);
    for day in (first.0..end.0).map(Day) {
        let date = day.civil();
        let iso = date.iso_week_date();
        let start = |period: Period| period.start(day, week_start);
        let (year, month) = (i64::from(date.year()), i64::from(date.month()));
        // Months since the fiscal year began.
        let into = (month - i64::from(fiscal_year_start)).rem_euclid(12);
        let fiscal_year = year + i64::from(fiscal_year_start > 1 && month >= i64::from(fiscal_year_start));
        table.push([
            day.into(),
            start(Period::Week).into(),
            start(Period::Month).into(),
            start(Period::Quarter).into(),
            start(Period::Year).into(),
            year.into(),
            ((month - 1) / 3 + 1).into(),
            month.into(),
            i64::from(date.day()).into(),
            i64::from(iso.year()).into(),
            i64::from(iso.week()).into(),
            i64::from(date.weekday().to_monday_one_offset()).into(),
            name(date.weekday()).into(),
            fiscal_year.into(),
            (into / 3 + 1).into(),
            (observed_from <= day && day < as_of).into(),
        ]);
    }
    table
}

fn name(weekday: Weekday) -> &'static str {
    match weekday {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Values;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    /// The row of a date as text, NULL as nothing.
    fn row(table: &Table, date: &str) -> Vec<String> {
        let Values::Date(dates) = &table.columns[0] else { panic!("dates come first") };
        let i = dates.iter().position(|d| *d == Some(day(date))).unwrap();
        let cell = |v: &Values| match v {
            Values::Date(v) => v[i].map(|d| d.to_string()),
            Values::Int(v) => v[i].map(|n| n.to_string()),
            Values::Text(v) => v.get(i).map(ToString::to_string),
            Values::Bool(v) => v[i].map(|b| b.to_string()),
            other => panic!("{other:?}"),
        };
        table.columns.iter().map(|c| cell(c).unwrap_or_default()).collect()
    }

    #[test]
    fn whole_years_around_the_window() {
        let t = table(day("2010-12-01"), day("2011-12-10"), Weekday::Monday, 4);
        assert_eq!(t.rows(), 730);
        assert_eq!(
            row(&t, "2011-01-02").join(" "),
            "2011-01-02 2010-12-27 2011-01-01 2011-01-01 2011-01-01 2011 1 1 2 2010 52 7 Sunday 2011 4 true"
        );
        assert_eq!(
            row(&t, "2011-12-10").join(" "),
            "2011-12-10 2011-12-05 2011-12-01 2011-10-01 2011-01-01 2011 4 12 10 2011 49 6 Saturday 2012 3 false"
        );
        let sunday = table(day("2010-12-01"), day("2011-12-10"), Weekday::Sunday, 1);
        assert_eq!(row(&sunday, "2011-01-02")[1], "2011-01-02");
        assert_eq!(row(&sunday, "2011-12-10")[13..15], ["2011", "4"]);
    }

    #[test]
    fn a_window_that_ends_at_new_year_does_not_add_a_year() {
        assert_eq!(table(day("2024-01-01"), day("2025-01-01"), Weekday::Monday, 1).rows(), 366);
        assert_eq!(table(day("2024-01-01"), day("2025-01-02"), Weekday::Monday, 1).rows(), 366 + 365);
        assert_eq!(table(day("2024-06-01"), day("2024-06-01"), Weekday::Monday, 1).rows(), 366, "an empty window");
        assert_eq!(table(Day::EARLIEST, Day::LATEST, Weekday::Monday, 1).rows(), 157_054);
    }

    #[test]
    fn fiscal_years_are_named_by_their_end() {
        let t = table(day("2011-01-01"), day("2012-01-01"), Weekday::Monday, 7);
        assert_eq!(row(&t, "2011-06-30")[13..15], ["2011", "4"]);
        assert_eq!(row(&t, "2011-07-01")[13..15], ["2012", "1"]);
    }
}
