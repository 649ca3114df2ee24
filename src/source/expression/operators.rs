//! Arithmetic, casts and the parts of dates.

use polars::prelude::{DataType, RoundMode};
use polars_plan::prelude::{Expr, StrptimeOptions, typed_lit, when};
use sqlparser::ast::BinaryOperator as Op;

use super::lower::{Lowered, Lowering};
use super::node::{Literal, TypedExpr, coerce, nearest_float};
use super::steps::is_constant;
use super::types::{INT, SqlType};
use super::{SqlRefusal, literal};

/// `EXTRACT(part FROM date)`, a whole number.
pub(super) fn date_part(lowering: &mut Lowering, part: &str, node: TypedExpr) -> Lowered {
    let with_time = match node.kind {
        SqlType::Date => false,
        SqlType::Timestamp => true,
        SqlType::Null => return Ok(TypedExpr::new(literal::null(INT), INT)),
        other => {
            return Err(SqlRefusal::new(format!("a date part of {} cannot be taken", other.name()))
                .help("CAST(… AS DATE) makes a date of an ISO text"));
        }
    };
    let dt = node.expr.dt();
    let expr = match part {
        "year" => dt.year(),
        "quarter" => dt.quarter(),
        "month" => dt.month(),
        "day" => dt.day(),
        "isoyear" => dt.iso_year(),
        "week" | "isoweek" => dt.week(),
        "doy" | "dayofyear" => dt.ordinal_day(),
        "isodow" => dt.weekday(),
        // Sunday is 0, as in PostgreSQL.
        "dow" | "dayofweek" => {
            let day = lowering.steps.once(dt.weekday().cast(INT.polars()), INT);
            return Ok(TypedExpr::new(
                when(day.clone().eq(typed_lit(7i64))).then(typed_lit(0i64)).otherwise(day),
                SqlType::Int { bits: 3 },
            ));
        }
        "hour" if with_time => dt.hour(),
        "minute" if with_time => dt.minute(),
        "second" if with_time => dt.second(),
        _ => {
            return Err(SqlRefusal::new(format!("the date part `{part}` is not allowed here")).help(
                "the parts are year, quarter, month, day, isoyear, week, doy, dow, isodow, hour, minute, second",
            ));
        }
    };
    Ok(TypedExpr::new(expr.cast(INT.polars()), SqlType::Int { bits: 15 }))
}

/// `CAST(node AS kind)`; a value that cannot be cast stops the run, under TRY_CAST (not `strict`) it is NULL.
pub(super) fn cast(lowering: &mut Lowering, node: TypedExpr, kind: SqlType, strict: bool) -> Lowered {
    // Polars panics on the text of a date beyond the year 262,142, whether the cast is strict or not.
    let is_guarded = strict || (node.kind == SqlType::Date && kind == SqlType::Text);
    let node = if is_guarded && node.kind != kind { lowering.guarded(node) } else { node };
    let done = |expr: Expr| {
        let to = kind.polars();
        Ok(TypedExpr::new(if strict { expr.strict_cast(to) } else { expr.cast(to) }, kind))
    };
    match (node.kind, kind) {
        (SqlType::Null, _) => Ok(TypedExpr::new(literal::null(kind), kind)),
        (SqlType::Int { .. }, SqlType::Int { .. }) => Ok(node),
        (from, to) if from == to => Ok(node),
        (SqlType::Decimal { .. }, SqlType::Int { .. }) | (SqlType::Float, SqlType::Int { .. }) => {
            done(node.expr.round(0, RoundMode::HalfToEven))
        }
        (SqlType::Decimal { .. }, SqlType::Float) => Ok(TypedExpr::new(nearest_float(node.expr), kind)),
        (from, to) if from.is_number() && to.is_number() => done(node.expr),
        (SqlType::Text, to) if to.is_number() => done(node.expr),
        (from, SqlType::Text) if from.is_number() || matches!(from, SqlType::Bool | SqlType::Date) => done(node.expr),
        (SqlType::Timestamp, SqlType::Date) | (SqlType::Date, SqlType::Timestamp) => done(node.expr),
        (SqlType::Text, SqlType::Date) => {
            let options = StrptimeOptions { format: Some("%Y-%m-%d".into()), strict, exact: true, cache: false };
            Ok(TypedExpr::new(node.expr.str().to_date(options), SqlType::Date))
        }
        (SqlType::Text, SqlType::Timestamp) => Err(SqlRefusal::new("CAST from text to TIMESTAMP is not allowed").help(
            "map the column itself, as ISO 8601 texts are read as times; other formats: STRPTIME(text, '%d/%m/%Y')",
        )),
        (SqlType::Int { .. }, SqlType::Bool) => Ok(TypedExpr::new(node.expr.neq(typed_lit(0i64)), SqlType::Bool)),
        (SqlType::Bool, SqlType::Int { .. }) => done(node.expr),
        (from, to) => Err(SqlRefusal::new(format!("CAST from {} to {} is not allowed", from.name(), to.name()))),
    }
}

/// `+ - * /`, exact where whole numbers and decimals allow it.
pub(super) fn arithmetic(lowering: &mut Lowering, left: TypedExpr, op: &Op, right: TypedExpr) -> Lowered {
    match (left.kind, op, right.kind) {
        (SqlType::Null, _, k) | (k, _, SqlType::Null) => {
            let kind = if *op == Op::Divide && k.is_number() { SqlType::Float } else { k };
            return Ok(TypedExpr::new(literal::null(kind), kind));
        }
        (SqlType::Date, Op::Plus | Op::Minus, SqlType::Int { .. }) => {
            let days = left.expr.cast(DataType::Int32).cast(INT.polars());
            let days = if *op == Op::Plus { days + right.expr } else { days - right.expr };
            let days = lowering.steps.guarded(days, INT).strict_cast(DataType::Int32);
            return Ok(TypedExpr::new(days.cast(SqlType::Date.polars()), SqlType::Date));
        }
        (SqlType::Date, Op::Minus, SqlType::Date) => {
            let days = |e: Expr| e.cast(DataType::Int32).cast(INT.polars());
            return Ok(TypedExpr::new(days(left.expr) - days(right.expr), SqlType::Int { bits: 33 }));
        }
        (a, _, b) if a.is_number() && b.is_number() => {}
        (a, _, b) => {
            return Err(SqlRefusal::new(format!("`{op}` cannot combine {} and {}", a.name(), b.name()))
                .help("CAST(… AS DECIMAL(18, 2)) or CAST(… AS DOUBLE) makes a number of a text"));
        }
    }
    match (left.kind, right.kind) {
        _ if *op == Op::Divide => divide(lowering, left, right),
        (SqlType::Int { bits: a }, SqlType::Int { bits: b }) => {
            let bits = if *op == Op::Multiply { a.saturating_add(b) } else { a.max(b) + 1 };
            // The least integer, -2^63, is the only one as large as its bits say.
            let expr = if bits > 62 { checked(lowering, op, left, right) } else { apply(op, left.expr, right.expr) };
            Ok(TypedExpr::new(expr, SqlType::Int { bits: bits.min(63) }))
        }
        (SqlType::Float, _) | (_, SqlType::Float) => {
            let (zeros, l, r) = (
                [&left, &right].map(may_be_zero),
                coerce(lowering, left, SqlType::Float)?,
                coerce(lowering, right, SqlType::Float)?,
            );
            // Polars takes x + 0 and x - 0 for x, and 0 - x for -x, where the zero is a constant and there are several
            // rows. Of zeros with a sign neither is true.
            let shortcut = *op != Op::Multiply;
            let l = if shortcut && zeros[0] { valued_in_each_row(lowering, l, &r) } else { l };
            let r = if shortcut && zeros[1] { valued_in_each_row(lowering, r, &l) } else { r };
            Ok(TypedExpr::new(apply(op, l, r), SqlType::Float))
        }
        (a, b) => {
            let scale = |k| if let SqlType::Decimal { scale } = k { scale } else { 0 };
            // Polars keeps the larger scale of the two, so a product gets the scale that it needs beforehand.
            let scale = if *op == Op::Multiply { scale(a) + scale(b) } else { scale(a).max(scale(b)) };
            if scale > 24 {
                return Err(SqlRefusal::new(format!("the product would have {scale} digits after the point"))
                    .help("CAST a factor to a DECIMAL with fewer digits, or to DOUBLE"));
            }
            let kind = SqlType::Decimal { scale };
            // Beyond 38 digits Polars fails, unless one side is NULL.
            let (l, r) = (coerce(lowering, left, kind)?, coerce(lowering, right, kind)?);
            let l = lowering.steps.guarded(l, kind);
            Ok(TypedExpr::new(apply(op, l, r), kind))
        }
    }
}

/// The quotient of two numbers as a double, NULL where the divisor is zero.
fn divide(lowering: &mut Lowering, left: TypedExpr, right: TypedExpr) -> Lowered {
    let (l, r) = (coerce(lowering, left, SqlType::Float)?, coerce(lowering, right, SqlType::Float)?);
    // Polars multiplies by the reciprocal of a constant where there are several rows, which is off by a bit.
    let r = valued_in_each_row(lowering, r, &l);
    let r = lowering.steps.once(r, SqlType::Float);
    let divisor = when(r.clone().eq(typed_lit(0.0))).then(literal::null(SqlType::Float)).otherwise(r);
    Ok(TypedExpr::new(l / divisor, SqlType::Float))
}

/// A constant as a column, if what stands beside it is none: Polars has shortcuts for constants, which give other values
/// in batches of several rows than in a batch of one.
fn valued_in_each_row(lowering: &mut Lowering, expr: Expr, beside: &Expr) -> Expr {
    if is_constant(&expr) && !is_constant(beside) { lowering.steps.column(expr, SqlType::Float) } else { expr }
}

fn may_be_zero(node: &TypedExpr) -> bool {
    match &node.literal {
        Some(Literal::Number(text)) => text.parse::<f64>().is_ok_and(|value| value == 0.0),
        _ => true,
    }
}

/// A result that may be beyond 64 bits, and is NULL there. Polars' own result wraps around.
fn checked(lowering: &mut Lowering, op: &Op, left: TypedExpr, right: TypedExpr) -> Expr {
    if *op == Op::Multiply {
        // A product of two such numbers has at most 38 digits.
        let wide = |e: Expr| e.strict_cast(SqlType::Decimal { scale: 0 }.polars());
        return (wide(left.expr) * wide(right.expr)).cast(INT.polars());
    }
    let [l, r] = [left, right].map(|node| lowering.steps.once_node(node).expr);
    let result = lowering.steps.once(apply(op, l.clone(), r.clone()), INT);
    let negative = |e: &Expr| e.clone().lt(typed_lit(0i64));
    // A sum of two numbers of one sign has that sign, and so has a difference of two of different signs.
    let signs = if *op == Op::Plus { negative(&l).eq(negative(&r)) } else { negative(&l).neq(negative(&r)) };
    let overflows = signs.and(negative(&result).neq(negative(&l)));
    when(overflows).then(literal::null(INT)).otherwise(result)
}

fn apply(op: &Op, l: Expr, r: Expr) -> Expr {
    match op {
        Op::Plus => l + r,
        Op::Minus => l - r,
        _ => l * r,
    }
}
