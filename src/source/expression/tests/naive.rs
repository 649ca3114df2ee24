//! A second model of the language: one row at a time, each part evaluated only where SQL evaluates it.

use std::cmp::Ordering;

/// 10^38: a decimal has at most 38 digits.
const DECIMAL_END: i128 = 10i128.pow(38);

/// The value of a part in one row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Text(&'static str),
    /// Days since 1970.
    Date(i32),
    Float(f64),
    /// Digits, and how many of them are after the point.
    Decimal(i128, u32),
}

/// The row cannot be computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fails;

pub(super) type Row = [Value; 6];
/// The columns of a row, in order.
pub(super) const COLUMNS: [&str; 6] = ["b", "day", "f", "i", "m", "q"];

/// A part of an expression.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Column(usize),
    Literal(&'static str, Value),
    Not(Box<Part>),
    All(Vec<Part>),
    Any(Vec<Part>),
    Compare(&'static str, Box<Part>, Box<Part>),
    Arithmetic(char, Box<Part>, Box<Part>),
    IsNull(Box<Part>),
    IsTrue(Box<Part>),
    Case(Vec<(Part, Part)>, Option<Box<Part>>),
    CaseOf(Box<Part>, Vec<(Part, Part)>, Option<Box<Part>>),
    Coalesce(Vec<Part>),
    NullIf(Box<Part>, Box<Part>),
    Greatest(Vec<Part>),
    In(Box<Part>, Vec<Part>, bool),
    Between(Box<Part>, Box<Part>, Box<Part>, bool),
    /// Of a text or a decimal to BIGINT.
    ToInt(Box<Part>, bool),
    ToDate(Box<Part>, bool),
    /// `STRPTIME(text, '%Y-%m-%d') >= '2020-01-01'`.
    ParsedAfter2020(Box<Part>),
    /// `CAST(integer AS DECIMAL(38, 24))`.
    ToLongDecimal(Box<Part>),
}

impl Part {
    pub(super) fn sql(&self) -> String {
        let list = |parts: &[Part], between: &str| parts.iter().map(Part::sql).collect::<Vec<_>>().join(between);
        let not = |negated: bool| if negated { "NOT " } else { "" };
        let cast = |strict: bool| if strict { "CAST" } else { "TRY_CAST" };
        let branches = |branches: &[(Part, Part)], otherwise: &Option<Box<Part>>| {
            let branches: String =
                branches.iter().map(|(test, result)| format!(" WHEN {} THEN {}", test.sql(), result.sql())).collect();
            let otherwise = otherwise.as_ref().map_or(String::new(), |part| format!(" ELSE {}", part.sql()));
            format!("{branches}{otherwise} END")
        };
        match self {
            Part::Column(index) => COLUMNS[*index].into(),
            Part::Literal(text, _) => (*text).into(),
            Part::Not(part) => format!("(NOT {})", part.sql()),
            Part::All(parts) => format!("({})", list(parts, " AND ")),
            Part::Any(parts) => format!("({})", list(parts, " OR ")),
            Part::Compare(op, a, b) => format!("({} {op} {})", a.sql(), b.sql()),
            Part::Arithmetic(op, a, b) => format!("({} {op} {})", a.sql(), b.sql()),
            Part::IsNull(part) => format!("({} IS NULL)", part.sql()),
            Part::IsTrue(part) => format!("({} IS TRUE)", part.sql()),
            Part::Case(all, otherwise) => format!("CASE{}", branches(all, otherwise)),
            Part::CaseOf(of, all, otherwise) => format!("CASE {}{}", of.sql(), branches(all, otherwise)),
            Part::Coalesce(parts) => format!("COALESCE({})", list(parts, ", ")),
            Part::NullIf(a, b) => format!("NULLIF({}, {})", a.sql(), b.sql()),
            Part::Greatest(parts) => format!("GREATEST({})", list(parts, ", ")),
            Part::In(of, parts, negated) => format!("({} {}IN ({}))", of.sql(), not(*negated), list(parts, ", ")),
            Part::Between(of, low, high, negated) => {
                format!("({} {}BETWEEN {} AND {})", of.sql(), not(*negated), low.sql(), high.sql())
            }
            Part::ToInt(part, strict) => format!("{}({} AS BIGINT)", cast(*strict), part.sql()),
            Part::ToDate(part, strict) => format!("{}({} AS DATE)", cast(*strict), part.sql()),
            Part::ParsedAfter2020(part) => format!("(STRPTIME({}, '%Y-%m-%d') >= '2020-01-01')", part.sql()),
            Part::ToLongDecimal(part) => format!("CAST({} AS DECIMAL(38, 24))", part.sql()),
        }
    }

    /// Digits after the point, of a part that is a decimal.
    fn scale(&self) -> u32 {
        match self {
            Part::Column(_) => 0,
            Part::Literal(_, Value::Decimal(_, scale)) => *scale,
            Part::ToLongDecimal(_) => 24,
            Part::Arithmetic(_, a, b) => a.scale().max(b.scale()),
            Part::Case(all, otherwise) | Part::CaseOf(_, all, otherwise) => {
                let results = all.iter().map(|(_, result)| result.scale());
                results.chain(otherwise.iter().map(|part| part.scale())).max().unwrap_or(0)
            }
            Part::Coalesce(parts) | Part::Greatest(parts) => parts.iter().map(Part::scale).max().unwrap_or(0),
            Part::NullIf(a, _) => a.scale(),
            _ => 0,
        }
    }

    pub(super) fn value(&self, row: &Row) -> Result<Value, Fails> {
        let result = |part: &Part| scaled(part.value(row)?, self.scale());
        Ok(match self {
            Part::Column(index) => row[*index].clone(),
            Part::Literal(_, value) => value.clone(),
            Part::Not(part) => negated(part.truth(row)?, true),
            Part::All(parts) => connected(parts, row, false)?,
            Part::Any(parts) => connected(parts, row, true)?,
            Part::Compare(op, a, b) => {
                let order = compared(a.value(row)?, b.value(row)?, a.scale().max(b.scale()))?;
                truth(order.map(|order| holds(op, order)))
            }
            Part::Arithmetic(op, a, b) => arithmetic(*op, a.value(row)?, b.value(row)?, a.scale().max(b.scale()))?,
            Part::IsNull(part) => Value::Bool(part.value(row)? == Value::Null),
            Part::IsTrue(part) => Value::Bool(part.truth(row)? == Some(true)),
            Part::Case(all, otherwise) => {
                for (test, then) in all {
                    if test.truth(row)? == Some(true) {
                        return result(then);
                    }
                }
                otherwise.as_ref().map_or(Ok(Value::Null), |part| result(part))?
            }
            Part::CaseOf(of, all, otherwise) => {
                let value = of.value(row)?;
                for (test, then) in all {
                    let order = compared(value.clone(), test.value(row)?, of.scale().max(test.scale()))?;
                    if order == Some(Ordering::Equal) {
                        return result(then);
                    }
                }
                otherwise.as_ref().map_or(Ok(Value::Null), |part| result(part))?
            }
            Part::Coalesce(parts) => {
                for part in parts {
                    let value = result(part)?;
                    if value != Value::Null {
                        return Ok(value);
                    }
                }
                Value::Null
            }
            Part::NullIf(a, b) => {
                let value = a.value(row)?;
                let order = compared(value.clone(), b.value(row)?, a.scale().max(b.scale()))?;
                if order == Some(Ordering::Equal) { Value::Null } else { value }
            }
            Part::Greatest(parts) => {
                let mut greatest = Value::Null;
                for value in parts.iter().map(result).collect::<Result<Vec<_>, _>>()? {
                    let order = compared(value.clone(), greatest.clone(), self.scale())?;
                    if greatest == Value::Null || order == Some(Ordering::Greater) {
                        greatest = value;
                    }
                }
                greatest
            }
            Part::In(of, parts, is_negated) => {
                let value = of.value(row)?;
                let mut found = Some(false);
                for part in parts {
                    let order = compared(value.clone(), part.value(row)?, of.scale().max(part.scale()))?;
                    match order.map(|order| order == Ordering::Equal) {
                        Some(true) => return Ok(negated(Some(true), *is_negated)),
                        Some(false) => {}
                        None => found = None,
                    }
                }
                negated(found, *is_negated)
            }
            Part::Between(of, low, high, is_negated) => {
                let value = of.value(row)?;
                let above = compared(value.clone(), low.value(row)?, of.scale().max(low.scale()))?.map(Ordering::is_ge);
                if above == Some(false) {
                    return Ok(negated(above, *is_negated));
                }
                let below = compared(value, high.value(row)?, of.scale().max(high.scale()))?.map(Ordering::is_le);
                let within = if below == Some(false) { below } else { above.and(below) };
                negated(within, *is_negated)
            }
            Part::ToInt(part, strict) => match part.value(row)? {
                Value::Text(text) => converted(text.parse().ok().map(Value::Int), *strict)?,
                Value::Decimal(value, _) => converted(i64::try_from(value).ok().map(Value::Int), *strict)?,
                _ => Value::Null,
            },
            Part::ToDate(part, strict) => match part.value(row)? {
                Value::Text(text) => converted(days(text).map(Value::Date), *strict)?,
                _ => Value::Null,
            },
            Part::ParsedAfter2020(part) => match part.value(row)? {
                Value::Text(text) => Value::Bool(days(text).ok_or(Fails)? >= 18_262),
                _ => Value::Null,
            },
            Part::ToLongDecimal(part) => match part.value(row)? {
                Value::Int(value) => scaled(Value::Decimal(value.into(), 0), 24)?,
                _ => Value::Null,
            },
        })
    }

    fn truth(&self, row: &Row) -> Result<Option<bool>, Fails> {
        Ok(match self.value(row)? {
            Value::Bool(value) => Some(value),
            _ => None,
        })
    }
}

fn truth(value: Option<bool>) -> Value {
    value.map_or(Value::Null, Value::Bool)
}

fn negated(value: Option<bool>, negated: bool) -> Value {
    truth(value.map(|value| value != negated))
}

fn holds(op: &str, order: Ordering) -> bool {
    match op {
        "=" => order.is_eq(),
        "<>" => order.is_ne(),
        "<" => order.is_lt(),
        _ => order.is_ge(),
    }
}

/// Left to right, until one operand is `decisive`.
fn connected(parts: &[Part], row: &Row, decisive: bool) -> Result<Value, Fails> {
    let mut all = Some(!decisive);
    for part in parts {
        match part.truth(row)? {
            Some(value) if value == decisive => return Ok(Value::Bool(decisive)),
            Some(_) => {}
            None => all = None,
        }
    }
    Ok(truth(all))
}

fn converted(value: Option<Value>, strict: bool) -> Result<Value, Fails> {
    match value {
        None if strict => Err(Fails),
        value => Ok(value.unwrap_or(Value::Null)),
    }
}

/// A decimal with more digits after the point; everything else as it is.
fn scaled(value: Value, scale: u32) -> Result<Value, Fails> {
    match value {
        Value::Decimal(digits, from) if from < scale => decimal(digits.checked_mul(10i128.pow(scale - from)), scale),
        value => Ok(value),
    }
}

fn decimal(digits: Option<i128>, scale: u32) -> Result<Value, Fails> {
    digits.filter(|d| (-DECIMAL_END + 1..DECIMAL_END).contains(d)).map(|d| Value::Decimal(d, scale)).ok_or(Fails)
}

/// `None` if a side is NULL.
fn compared(a: Value, b: Value, scale: u32) -> Result<Option<Ordering>, Fails> {
    Ok(Some(match (scaled(a, scale)?, scaled(b, scale)?) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(&b),
        (Value::Int(a), Value::Int(b)) => a.cmp(&b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(&b),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(&b).expect("no NaN is made"),
        (Value::Decimal(a, _), Value::Decimal(b, _)) => a.cmp(&b),
        _ => return Ok(None),
    }))
}

fn arithmetic(op: char, a: Value, b: Value, scale: u32) -> Result<Value, Fails> {
    let float = |a: f64, b: f64| match op {
        '+' => Value::Float(a + b),
        '-' => Value::Float(a - b),
        '*' => Value::Float(a * b),
        _ if b == 0.0 => Value::Null,
        _ => Value::Float(a / b),
    };
    Ok(match (scaled(a, scale)?, scaled(b, scale)?) {
        (Value::Int(a), Value::Int(b)) => match op {
            '+' => a.checked_add(b).map_or(Value::Null, Value::Int),
            '-' => a.checked_sub(b).map_or(Value::Null, Value::Int),
            '*' => a.checked_mul(b).map_or(Value::Null, Value::Int),
            _ => float(a as f64, b as f64),
        },
        (Value::Float(a), Value::Float(b)) => float(a, b),
        (Value::Int(a), Value::Float(b)) => float(a as f64, b),
        (Value::Float(a), Value::Int(b)) => float(a, b as f64),
        (Value::Decimal(a, _), Value::Decimal(b, _)) => match op {
            '+' => decimal(a.checked_add(b), scale)?,
            '-' => decimal(a.checked_sub(b), scale)?,
            _ => decimal(a.checked_mul(b), scale)?,
        },
        (Value::Date(day), Value::Int(n)) => {
            let days = if op == '+' { i128::from(day) + i128::from(n) } else { i128::from(day) - i128::from(n) };
            Value::Date(i32::try_from(days).map_err(|_| Fails)?)
        }
        _ => Value::Null,
    })
}

/// Of the texts that the tests use.
fn days(text: &str) -> Option<i32> {
    match text {
        "2020-02-29" => Some(18_321),
        "2019-01-31" => Some(17_927),
        _ => None,
    }
}
