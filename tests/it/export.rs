//! Writes exports: Parquet files with columns of any type that a warehouse delivers.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::{Field, Schema};
use jiff::tz::TimeZone;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::days::{Day, civil, show};
use crate::scenario::{Cost, Customer, Subscription, Transaction};

/// How an export types what it holds.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub ids: Ids,
    pub times: Times,
    pub amounts: Amounts,
    pub files: usize,
    /// Rows a row group.
    pub row_group: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ids {
    Integer,
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Times {
    Date,
    Millis,
    Micros,
    Nanos,
    IsoText,
    /// Instants in UTC, while the calendar runs in this zone.
    Zoned(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amounts {
    /// DECIMAL(18, scale); the scale is at least 2.
    Decimal(i8),
    Float,
}

impl Default for Shape {
    fn default() -> Self {
        Shape { ids: Ids::Text, times: Times::Date, amounts: Amounts::Decimal(2), files: 1, row_group: 1 << 20 }
    }
}

impl Shape {
    /// The calendar's zone in which the rows' days are meant.
    pub fn zone(&self) -> &'static str {
        if let Times::Zoned(zone) = self.times { zone } else { "UTC" }
    }

    /// A customer's id as it stands in the tables.
    pub fn id(&self, customer: i64) -> String {
        match self.ids {
            Ids::Integer => customer.to_string(),
            Ids::Text => format!("customer {customer}"),
        }
    }

    fn ids(&self, customers: impl Iterator<Item = i64>) -> ArrayRef {
        match self.ids {
            Ids::Integer => Arc::new(Int64Array::from_iter_values(customers)),
            Ids::Text => Arc::new(StringArray::from_iter_values(customers.map(|c| self.id(c)))),
        }
    }

    fn amounts(&self, cents: impl Iterator<Item = i64>) -> ArrayRef {
        match self.amounts {
            Amounts::Decimal(scale) => {
                let factor = 10i128.pow(scale as u32 - 2);
                let array = Decimal128Array::from_iter_values(cents.map(|c| i128::from(c) * factor));
                Arc::new(array.with_precision_and_scale(18, scale).expect("cents fit DECIMAL(18)"))
            }
            Amounts::Float => Arc::new(Float64Array::from_iter_values(cents.map(|c| c as f64 / 100.0))),
        }
    }

    /// Local days and seconds of the day.
    fn times(&self, times: impl Iterator<Item = Option<(Day, i64)>>) -> ArrayRef {
        let seconds = |t: Option<(Day, i64)>| t.map(|(day, second)| day * 86_400 + second);
        match self.times {
            Times::Date => Arc::new(times.map(|t| t.map(|(day, _)| day as i32)).collect::<Date32Array>()),
            Times::Millis => {
                Arc::new(times.map(|t| seconds(t).map(|s| s * 1_000)).collect::<TimestampMillisecondArray>())
            }
            Times::Micros => {
                Arc::new(times.map(|t| seconds(t).map(|s| s * 1_000_000)).collect::<TimestampMicrosecondArray>())
            }
            Times::Nanos => {
                Arc::new(times.map(|t| seconds(t).map(|s| s * 1_000_000_000)).collect::<TimestampNanosecondArray>())
            }
            Times::IsoText => Arc::new(
                times
                    .map(|t| t.map(|(d, s)| format!("{}T{:02}:{:02}:{:02}", show(d), s / 3600, s / 60 % 60, s % 60)))
                    .collect::<StringArray>(),
            ),
            Times::Zoned(zone) => {
                let zone = TimeZone::get(zone).expect("a zone that exists");
                let instant = |(day, s): (Day, i64)| {
                    let local = civil(day).at((s / 3600) as i8, (s / 60 % 60) as i8, (s % 60) as i8, 0);
                    zone.to_timestamp(local).expect("a representable instant").as_microsecond()
                };
                Arc::new(times.map(|t| t.map(instant)).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
            }
        }
    }

    pub fn transactions(&self, rows: &[Transaction]) -> Vec<(&'static str, ArrayRef)> {
        let mut columns = vec![
            ("who", self.ids(rows.iter().map(|r| r.customer))),
            ("at", self.times(rows.iter().map(|r| Some((r.day, r.second))))),
            ("paid", self.amounts(rows.iter().map(|r| r.cents))),
            ("shade", Arc::new(rows.iter().map(|r| r.shade).collect::<StringArray>()) as ArrayRef),
        ];
        if rows.iter().any(|r| r.order.is_some()) {
            columns.push(("receipt", Arc::new(rows.iter().map(|r| r.order).collect::<Int64Array>())));
        }
        columns
    }

    pub fn subscriptions(&self, rows: &[Subscription]) -> Vec<(&'static str, ArrayRef)> {
        let mut columns = vec![
            ("who", self.ids(rows.iter().map(|r| r.customer))),
            ("price", self.amounts(rows.iter().map(|r| r.cents))),
            ("number", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.number))) as ArrayRef),
            ("plan", Arc::new(rows.iter().map(|r| r.plan).collect::<StringArray>())),
            ("start", self.times(rows.iter().map(|r| Some((r.started, 0))))),
        ];
        if rows.iter().any(|r| r.interval.is_some()) {
            columns.push(("every", Arc::new(rows.iter().map(|r| r.interval).collect::<StringArray>())));
        }
        for (name, date) in Subscription::OPTIONAL_DATES {
            if rows.iter().any(|r| date(r).is_some()) {
                columns.push((name, self.times(rows.iter().map(|r| date(r).map(|d| (d, 0))))));
            }
        }
        columns
    }

    pub fn customers(&self, rows: &[Customer]) -> Vec<(&'static str, ArrayRef)> {
        let mut columns = vec![
            ("who", self.ids(rows.iter().map(|r| r.customer))),
            ("region", Arc::new(rows.iter().map(|r| r.region).collect::<StringArray>()) as ArrayRef),
        ];
        if rows.iter().any(|r| r.signed_up.is_some()) {
            columns.push(("joined", self.times(rows.iter().map(|r| r.signed_up.map(|d| (d, 0))))));
        }
        columns
    }

    pub fn costs(&self, rows: &[Cost]) -> Vec<(&'static str, ArrayRef)> {
        vec![
            ("booked", self.times(rows.iter().map(|r| Some((r.day, 0))))),
            ("spent", self.amounts(rows.iter().map(|r| r.cents))),
        ]
    }
}

/// One Parquet file.
pub fn write(path: &Path, columns: Vec<(&str, ArrayRef)>, row_group: usize) {
    let fields: Vec<Field> = columns.iter().map(|(name, a)| Field::new(*name, a.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("columns of one length");
    std::fs::create_dir_all(path.parent().expect("exports lie in a folder")).expect("a writable temporary folder");
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(row_group))
        .set_compression(Compression::SNAPPY)
        .build();
    let file = File::create(path).expect("a writable temporary folder");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a schema Parquet can hold");
    writer.write(&batch).expect("space for an export");
    writer.close().expect("space for an export");
}
