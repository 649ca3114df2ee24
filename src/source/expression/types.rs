//! The types of expressions, and the conversion of an export's columns to them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType as ArrowType, Float32Type, TimeUnit, TimestampMicrosecondType};
use jiff::tz::TimeZone;
use polars::prelude::{DataType, TimeUnit as PolarsUnit};

use crate::calendar::LocalDays;

/// The type of an expression. Every column is brought to one of these before it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlType {
    /// The type of a bare NULL, which fits everywhere.
    Null,
    Bool,
    /// 64-bit; `bits` bounds the magnitude (at most 2^bits), to know where overflow is possible.
    Int {
        bits: u8,
    },
    /// 38 digits, this many of them after the point.
    Decimal {
        scale: u8,
    },
    Float,
    Text,
    Date,
    /// Wall-clock time in microseconds.
    Timestamp,
    /// An instant in microseconds since the epoch.
    Instant,
}

pub(super) const INT: SqlType = SqlType::Int { bits: 63 };

impl SqlType {
    /// Its name in messages.
    pub fn name(self) -> String {
        match self {
            SqlType::Null => "NULL".into(),
            SqlType::Bool => "BOOLEAN".into(),
            SqlType::Int { .. } => "BIGINT".into(),
            SqlType::Decimal { scale } => format!("DECIMAL(38, {scale})"),
            SqlType::Float => "DOUBLE".into(),
            SqlType::Text => "VARCHAR".into(),
            SqlType::Date => "DATE".into(),
            SqlType::Timestamp => "TIMESTAMP".into(),
            SqlType::Instant => "TIMESTAMP WITH TIME ZONE".into(),
        }
    }

    pub fn is_number(self) -> bool {
        matches!(self, SqlType::Int { .. } | SqlType::Decimal { .. } | SqlType::Float)
    }

    pub(super) fn polars(self) -> DataType {
        match self {
            // Of a column without values only its NULLs are ever asked for.
            SqlType::Null => DataType::Boolean,
            SqlType::Bool => DataType::Boolean,
            SqlType::Int { .. } => DataType::Int64,
            SqlType::Decimal { scale } => DataType::Decimal(38, usize::from(scale)),
            SqlType::Float => DataType::Float64,
            SqlType::Text => DataType::String,
            SqlType::Date => DataType::Date,
            SqlType::Timestamp => DataType::Datetime(PolarsUnit::Microseconds, None),
            // Built without its time zones, Polars carries instants as plain microseconds; `evaluate` gives the zone back.
            SqlType::Instant => DataType::Datetime(PolarsUnit::Microseconds, None),
        }
    }

    /// An array without values, of this type.
    pub(super) fn empty(self) -> ArrayRef {
        arrow::array::new_empty_array(&match self {
            SqlType::Null => ArrowType::Boolean,
            SqlType::Bool => ArrowType::Boolean,
            SqlType::Int { .. } => ArrowType::Int64,
            SqlType::Decimal { scale } => ArrowType::Decimal128(38, scale as i8),
            SqlType::Float => ArrowType::Float64,
            SqlType::Text => ArrowType::Utf8View,
            SqlType::Date => ArrowType::Date32,
            SqlType::Timestamp => ArrowType::Timestamp(TimeUnit::Microsecond, None),
            SqlType::Instant => ArrowType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        })
    }

    /// The type that a column of an export has in expressions; `None` for those that cannot be used in them.
    pub fn of_column(arrow: &ArrowType) -> Option<SqlType> {
        Some(match arrow {
            ArrowType::Null => SqlType::Null,
            ArrowType::Boolean => SqlType::Bool,
            ArrowType::Int8 => SqlType::Int { bits: 7 },
            ArrowType::UInt8 => SqlType::Int { bits: 8 },
            ArrowType::Int16 => SqlType::Int { bits: 15 },
            ArrowType::UInt16 => SqlType::Int { bits: 16 },
            ArrowType::Int32 => SqlType::Int { bits: 31 },
            ArrowType::UInt32 => SqlType::Int { bits: 32 },
            ArrowType::Int64 => INT,
            ArrowType::UInt64 => SqlType::Decimal { scale: 0 },
            ArrowType::Decimal32(_, s)
            | ArrowType::Decimal64(_, s)
            | ArrowType::Decimal128(_, s)
            | ArrowType::Decimal256(_, s) => SqlType::Decimal { scale: u8::try_from(*s).ok().filter(|s| *s <= 38)? },
            ArrowType::Float32 | ArrowType::Float64 => SqlType::Float,
            ArrowType::Utf8 | ArrowType::LargeUtf8 | ArrowType::Utf8View => SqlType::Text,
            ArrowType::Date32 | ArrowType::Date64 => SqlType::Date,
            ArrowType::Timestamp(_, _) => SqlType::Timestamp,
            _ => return None,
        })
    }

    /// The column's values in the layout that [`SqlType::of_column`] promises.
    ///
    /// Timestamps with a zone become wall-clock times in `zone`; single-precision floats the double nearest to their
    /// shortest decimal, so that 0.1 stays 0.1.
    pub(super) fn bring(self, array: &ArrayRef, zone: &TimeZone) -> Result<ArrayRef, String> {
        let options = CastOptions { safe: false, ..Default::default() };
        let cast = |to: &ArrowType| cast_with_options(array, to, &options).map_err(|e| e.to_string());
        match (self, array.data_type()) {
            (SqlType::Null, _) => Ok(arrow::array::new_null_array(&ArrowType::Boolean, array.len())),
            (SqlType::Bool, _) => cast(&ArrowType::Boolean),
            (SqlType::Int { .. }, _) => cast(&ArrowType::Int64),
            (SqlType::Decimal { scale }, _) => cast(&ArrowType::Decimal128(38, scale as i8)),
            (SqlType::Float, ArrowType::Float32) => {
                let widen = |x: f32| super::super::columns::widen(x);
                Ok(Arc::new(array.as_primitive::<Float32Type>().unary::<_, arrow::datatypes::Float64Type>(widen)))
            }
            (SqlType::Float, _) => cast(&ArrowType::Float64),
            (SqlType::Text, _) => cast(&ArrowType::Utf8View),
            (SqlType::Date, ArrowType::Date32) => Ok(array.clone()),
            (SqlType::Date, _) => cast(&ArrowType::Date32),
            (SqlType::Timestamp, ArrowType::Timestamp(_, zoned)) => {
                let micros = cast(&ArrowType::Timestamp(TimeUnit::Microsecond, zoned.clone()))?;
                let micros = micros.as_primitive::<TimestampMicrosecondType>();
                if zoned.is_none() {
                    return Ok(Arc::new(micros.clone()));
                }
                let mut local = LocalDays::new(zone.clone());
                let wall = micros.values().iter().map(|t| {
                    let (seconds, rest) = (t.div_euclid(1_000_000), t.rem_euclid(1_000_000));
                    local.local_second(seconds).saturating_mul(1_000_000).saturating_add(rest)
                });
                Ok(Arc::new(TimestampMicrosecondArray::new(wall.collect(), micros.nulls().cloned())))
            }
            (to, from) => Err(format!("a column of type {from} cannot be read as {}", to.name())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float32Array, TimestampSecondArray, UInt64Array};

    #[test]
    fn columns_come_in_the_promised_layout() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let floats: ArrayRef = Arc::new(Float32Array::from(vec![0.1, 16_777_216.0]));
        let got = SqlType::Float.bring(&floats, &zone).unwrap();
        assert_eq!(got.as_primitive::<arrow::datatypes::Float64Type>().values(), &[0.1, 16_777_216.0]);

        let big: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        let got = SqlType::of_column(big.data_type()).unwrap().bring(&big, &zone).unwrap();
        assert_eq!(got.as_primitive::<arrow::datatypes::Decimal128Type>().value(0), i128::from(u64::MAX));

        // 2011-07-01T23:30Z is half past one on 2 July in Berlin.
        let zoned: ArrayRef = Arc::new(TimestampSecondArray::from(vec![1_309_563_000]).with_timezone("UTC"));
        let got = SqlType::Timestamp.bring(&zoned, &zone).unwrap();
        assert_eq!(got.as_primitive::<TimestampMicrosecondType>().value(0), 1_309_570_200_000_000);
        assert_eq!(got.data_type(), &ArrowType::Timestamp(TimeUnit::Microsecond, None));
    }
}
