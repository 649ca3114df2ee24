//! Typed values in the text of an expression.

use polars::prelude::{AnyValue, DataType, Scalar, TimeUnit};
use polars_plan::prelude::{Expr, LiteralValue, typed_lit};

use super::SqlRefusal;
use super::types::SqlType;
use crate::source::columns::iso;

/// The NULL of a type.
pub(super) fn null(kind: SqlType) -> Expr {
    scalar(kind.polars(), AnyValue::Null)
}

fn scalar(dtype: DataType, value: AnyValue<'static>) -> Expr {
    Expr::Literal(LiteralValue::Scalar(Scalar::new(dtype, value)))
}

/// A number as written: whole numbers are BIGINT, others exact decimals, those with an exponent DOUBLE.
pub(super) fn number(text: &str) -> Result<(Expr, SqlType), SqlRefusal> {
    let unusable = || {
        SqlRefusal::new(format!("the number {text} is too large for an expression"))
            .help("write it with an exponent (1e30) to make it a DOUBLE")
    };
    if text.contains(['e', 'E']) {
        return Ok((float(text)?, SqlType::Float));
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !text.contains('.') {
        let value: i64 = whole.parse().map_err(|_| unusable())?;
        let bits = (64 - value.unsigned_abs().leading_zeros()).min(63) as u8;
        return Ok((typed_lit(value), SqlType::Int { bits }));
    }
    let scale = u8::try_from(fraction.len()).ok().filter(|s| *s <= 18).ok_or_else(unusable)?;
    let digits = format!("{whole}{fraction}");
    if digits.len() > 30 {
        return Err(unusable());
    }
    let unscaled: i128 = digits.parse().map_err(|_| unusable())?;
    let kind = SqlType::Decimal { scale };
    Ok((scalar(kind.polars(), AnyValue::Decimal(unscaled, 38, usize::from(scale))), kind))
}

/// A number as the nearest double.
pub(super) fn float(text: &str) -> Result<Expr, SqlRefusal> {
    let value: f64 = text.parse().map_err(|_| SqlRefusal::new(format!("`{text}` is not a number")))?;
    if value.is_finite() {
        Ok(typed_lit(value))
    } else {
        Err(SqlRefusal::new(format!("the number {text} is too large")))
    }
}

/// `DATE '2011-12-09'`, or a text beside a date.
pub(super) fn date(text: &str) -> Result<Expr, SqlRefusal> {
    match iso::parse(text.as_bytes()) {
        Some(moment) if moment.date_only => Ok(scalar(DataType::Date, AnyValue::Date(moment.day))),
        _ => Err(SqlRefusal::new(format!("'{text}' is not a date")).help("write dates as '2011-12-09'")),
    }
}

/// `TIMESTAMP '2011-12-09 12:50:00'`, or a text beside a timestamp.
pub(super) fn timestamp(text: &str) -> Result<Expr, SqlRefusal> {
    match iso::parse(text.as_bytes()) {
        Some(moment) if moment.offset.is_none() => {
            let value = AnyValue::Datetime(moment.wall_micros(), TimeUnit::Microseconds, None);
            Ok(scalar(SqlType::Timestamp.polars(), value))
        }
        _ => Err(SqlRefusal::new(format!("'{text}' is not a timestamp without zone"))
            .help("write timestamps as '2011-12-09 12:50:00'")),
    }
}

/// The decimal with its sign turned.
pub(super) fn negated(expr: Expr, kind: SqlType) -> Expr {
    match &expr {
        Expr::Literal(LiteralValue::Scalar(value)) => match value.value() {
            AnyValue::Decimal(unscaled, p, s) => scalar(kind.polars(), AnyValue::Decimal(-unscaled, *p, *s)),
            _ => typed_lit(0) - expr,
        },
        _ => typed_lit(0) - expr,
    }
}
