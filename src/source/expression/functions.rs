//! The functions that expressions may call.

use polars::prelude::RoundMode;
use polars_plan::prelude::{Expr, StrptimeOptions, typed_lit, when};
use sqlparser::ast::{BinaryOperator, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments};

use super::lower::{Lowered, Lowering, not_allowed};
use super::node::{TypedExpr, alike, coerce, number};
use super::operators::{self, date_part};
use super::types::{INT, SqlType};
use super::{SqlRefusal, conditional, literal};
use crate::nearest::nearest;

type Rule = fn(&mut Lowering, &str, Vec<TypedExpr>) -> Lowered;

/// Name, how it is called, fewest and most arguments, rule.
const FUNCTIONS: &[(&str, &str, usize, usize, Rule)] = &[
    ("ABS", "ABS(number)", 1, 1, |l, f, a| {
        // The least integer has no positive counterpart.
        if let Some(TypedExpr { kind: SqlType::Int { bits: 63.. }, expr, .. }) = a.first() {
            let x = l.steps.once(expr.clone(), INT);
            let least = x.clone().eq(typed_lit(i64::MIN));
            return Ok(TypedExpr::new(when(least).then(literal::null(INT)).otherwise(x.abs()), INT));
        }
        numeric(f, a, Expr::abs)
    }),
    ("CEIL", "CEIL(number)", 1, 1, |_, f, a| numeric(f, a, Expr::ceil)),
    ("CEILING", "CEILING(number)", 1, 1, |_, f, a| numeric(f, a, Expr::ceil)),
    // COALESCE and IFNULL evaluate their arguments one after the other: `lower` knows them.
    ("COALESCE", "COALESCE(a, b, …)", 1, usize::MAX, |_, f, _| Err(not_allowed(&format!("this form of {f}")))),
    ("CONCAT", "CONCAT(a, b, …), NULLs as nothing", 1, usize::MAX, |l, _, a| {
        let texts = a
            .into_iter()
            .map(|n| Ok(l.as_text(n)?.fill_null(typed_lit(""))))
            .collect::<Result<Vec<_>, SqlRefusal>>()?;
        Ok(TypedExpr::new(texts.into_iter().reduce(|x, y| x + y).unwrap_or_else(|| typed_lit("")), SqlType::Text))
    }),
    ("CONTAINS", "CONTAINS(text, part)", 2, 2, |l, f, a| {
        pair(l, f, a, |x, y| x.str().contains_literal(y), SqlType::Bool)
    }),
    ("DATE_PART", "DATE_PART('month', date)", 2, 2, |l, _, mut a| {
        let (Some(date), Some(part)) = (a.pop(), a.pop()) else {
            return Err(SqlRefusal::new("DATE_PART needs two values"));
        };
        let Some(part) = part.text() else {
            return Err(SqlRefusal::new("the first value of DATE_PART has to be a part's name in 'single quotes'"));
        };
        date_part(l, &part.to_ascii_lowercase(), date)
    }),
    ("ENDS_WITH", "ENDS_WITH(text, end)", 2, 2, |l, f, a| pair(l, f, a, |x, y| x.str().ends_with(y), SqlType::Bool)),
    ("FLOOR", "FLOOR(number)", 1, 1, |_, f, a| numeric(f, a, Expr::floor)),
    ("GREATEST", "GREATEST(a, b, …), NULLs left out", 1, usize::MAX, |l, f, a| extreme(l, f, a, |x, y| y.gt(x))),
    ("IFNULL", "IFNULL(a, b)", 2, 2, |_, f, _| Err(not_allowed(&format!("this form of {f}")))),
    ("LEAST", "LEAST(a, b, …), NULLs left out", 1, usize::MAX, |l, f, a| extreme(l, f, a, |x, y| y.lt(x))),
    ("LEFT", "LEFT(text, 3)", 2, 2, |l, f, a| {
        let n = whole(f, a.get(1))?;
        Ok(TypedExpr::new(first_text(l, f, a)?.str().slice(typed_lit(0i64), typed_lit(n as u64)), SqlType::Text))
    }),
    ("LENGTH", "LENGTH(text), in characters", 1, 1, |l, f, a| {
        Ok(TypedExpr::new(
            first_text(l, f, a)?.str().len_chars().cast(SqlType::Int { bits: 32 }.polars()),
            SqlType::Int { bits: 32 },
        ))
    }),
    ("LOWER", "LOWER(text)", 1, 1, |l, f, a| {
        Ok(TypedExpr::new(first_text(l, f, a)?.str().to_lowercase(), SqlType::Text))
    }),
    ("LTRIM", "LTRIM(text)", 1, 2, |l, f, a| trim(l, f, a, |x, y| x.str().strip_chars_start(y))),
    ("NULLIF", "NULLIF(a, b)", 2, 2, |l, f, a| {
        let a: Vec<TypedExpr> = a.into_iter().map(|node| l.steps.once_node(node)).collect();
        let first = a.first().cloned();
        let (_, mut both) = alike(l, f, a)?;
        let (Some(y), Some(x), Some(first)) = (both.pop(), both.pop(), first) else {
            return Err(SqlRefusal::new("NULLIF needs two values"));
        };
        let kind = first.kind;
        Ok(TypedExpr::new(when(x.eq(y)).then(literal::null(kind)).otherwise(first.expr), kind))
    }),
    ("REPLACE", "REPLACE(text, old, new)", 3, 3, |l, f, a| {
        let mut texts = a.into_iter().map(|n| l.text(n, f)).collect::<Result<Vec<_>, _>>()?;
        let (Some(new), Some(old), Some(x)) = (texts.pop(), texts.pop(), texts.pop()) else {
            return Err(SqlRefusal::new("REPLACE needs three values"));
        };
        Ok(TypedExpr::new(x.str().replace_all(old, new, true), SqlType::Text))
    }),
    ("RIGHT", "RIGHT(text, 3)", 2, 2, |l, f, a| {
        let n = whole(f, a.get(1))?;
        Ok(TypedExpr::new(first_text(l, f, a)?.str().tail(typed_lit(n)), SqlType::Text))
    }),
    ("ROUND", "ROUND(number) or ROUND(number, 2)", 1, 2, |_, f, a| {
        let places = if a.len() == 2 { whole(f, a.get(1))? } else { 0 };
        numeric(f, a, move |e| e.round(places.min(18) as u32, RoundMode::HalfAwayFromZero))
    }),
    ("RTRIM", "RTRIM(text)", 1, 2, |l, f, a| trim(l, f, a, |x, y| x.str().strip_chars_end(y))),
    ("STARTS_WITH", "STARTS_WITH(text, beginning)", 2, 2, |l, f, a| {
        pair(l, f, a, |x, y| x.str().starts_with(y), SqlType::Bool)
    }),
    ("STRPTIME", "STRPTIME(text, '%d/%m/%Y %H:%M')", 2, 2, |l, f, a| {
        let Some(format) = a.get(1).and_then(TypedExpr::text).map(str::to_string) else {
            return Err(SqlRefusal::new("the format of STRPTIME has to be a text in 'single quotes'"));
        };
        let a = a.into_iter().map(|node| l.guarded(node)).collect();
        strptime(first_text(l, f, a)?, &format)
    }),
    ("SUBSTR", "SUBSTR(text, 1, 4), counted from 1", 2, 3, |l, f, a| {
        let start = whole(f, a.get(1))?;
        let length = if a.len() == 3 { Some(whole(f, a.get(2))?) } else { None };
        let from = start.max(1);
        let rest = literal::null(SqlType::Int { bits: 63 }).cast(polars::prelude::DataType::UInt64);
        let take = length.map_or(rest, |n| typed_lit(n.saturating_add(start).saturating_sub(from).max(0) as u64));
        Ok(TypedExpr::new(first_text(l, f, a)?.str().slice(typed_lit(from - 1), take), SqlType::Text))
    }),
    ("SUBSTRING", "SUBSTRING(text, 1, 4), counted from 1", 2, 3, |l, _, a| call(l, "SUBSTR", a)),
    ("TO_TIMESTAMP", "TO_TIMESTAMP(seconds since 1970)", 1, 1, |l, f, mut a| {
        let Some(seconds) = a.pop().filter(|n| n.kind.is_number()) else {
            return Err(SqlRefusal::new(format!("{f} works on a number of seconds since 1970-01-01T00:00Z"))
                .help("milliseconds are divided by 1000, as in TO_TIMESTAMP(\"ts\" / 1000)"));
        };
        let micros = match seconds.kind {
            SqlType::Int { .. } => {
                operators::arithmetic(l, seconds, &BinaryOperator::Multiply, number("1000000")?)?.expr
            }
            _ => {
                let micros = coerce(l, seconds, SqlType::Float)? * typed_lit(1e6);
                let micros = l.steps.guarded(micros.round(0, RoundMode::HalfToEven), SqlType::Float);
                micros.strict_cast(INT.polars())
            }
        };
        Ok(TypedExpr::new(micros.cast(SqlType::Instant.polars()), SqlType::Instant))
    }),
    ("TRIM", "TRIM(text)", 1, 2, |l, f, a| trim(l, f, a, |x, y| x.str().strip_chars(y))),
    ("UPPER", "UPPER(text)", 1, 1, |l, f, a| {
        Ok(TypedExpr::new(first_text(l, f, a)?.str().to_uppercase(), SqlType::Text))
    }),
];

/// Names that a reader of SQL expects and that cannot work on one row.
const OF_MANY_ROWS: &[&str] = &[
    "ARRAY_AGG",
    "AVG",
    "COUNT",
    "DENSE_RANK",
    "FIRST",
    "FIRST_VALUE",
    "LAG",
    "LAST",
    "LAST_VALUE",
    "LEAD",
    "MAX",
    "MEDIAN",
    "MIN",
    "RANK",
    "ROW_NUMBER",
    "STDDEV",
    "STRING_AGG",
    "SUM",
    "UNNEST",
    "VAR",
    "VARIANCE",
];

/// How each allowed function is called, in order of name.
pub fn allowed_functions() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|f| f.1)
}

/// A call as the syntax tree has it.
pub(super) fn lower(lowering: &mut Lowering, function: &Function) -> Lowered {
    let name = function.name.to_string().to_ascii_uppercase();
    if function.over.is_some() || OF_MANY_ROWS.contains(&name.as_str()) {
        return Err(SqlRefusal::new(format!("{name} needs several rows, and an expression has only one"))
            .help("compute it in the export, or leave it to a stage"));
    }
    if !FUNCTIONS.iter().any(|f| f.0 == name) {
        let meant =
            nearest(&name, FUNCTIONS.iter().map(|f| f.0)).map_or(String::new(), |n| format!("; did you mean {n}?"));
        let names: Vec<_> = FUNCTIONS.iter().map(|f| f.0).collect();
        return Err(SqlRefusal::new(format!("the function {name} is not allowed in an expression{meant}"))
            .help(format!("allowed are {}, CASE, CAST and EXTRACT", names.join(", "))));
    }
    let plain = function.filter.is_none()
        && function.null_treatment.is_none()
        && function.within_group.is_empty()
        && matches!(function.parameters, FunctionArguments::None);
    let FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses }) = &function.args
    else {
        return Err(not_allowed(&format!("this form of {name}")));
    };
    if !plain || !clauses.is_empty() {
        return Err(not_allowed(&format!("this form of {name}")));
    }
    let mut arguments = vec![];
    for argument in args {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => arguments.push(e),
            other => return Err(not_allowed(&format!("`{other}` in {name}"))),
        }
    }
    if matches!(&*name, "COALESCE" | "IFNULL") {
        check_count(&name, arguments.len())?;
        return conditional::first_value(lowering, &name, &arguments);
    }
    let nodes = arguments.into_iter().map(|e| lowering.lower(e)).collect::<Result<_, _>>()?;
    call(lowering, &name, nodes)
}

/// A call of an allowed function.
pub(super) fn call(lowering: &mut Lowering, name: &str, arguments: Vec<TypedExpr>) -> Lowered {
    check_count(name, arguments.len())?;
    let rule = FUNCTIONS.iter().find(|f| f.0 == name).map(|f| f.4);
    rule.ok_or_else(|| not_allowed(&format!("the function {name}")))?(lowering, name, arguments)
}

fn check_count(name: &str, count: usize) -> Result<(), SqlRefusal> {
    let called = FUNCTIONS.iter().find(|f| f.0 == name);
    match called.filter(|(_, _, fewest, most, _)| count < *fewest || count > *most) {
        None => Ok(()),
        Some((_, usage, ..)) => {
            Err(SqlRefusal::new(format!("{name} is called with {count} values")).help(format!("it is written {usage}")))
        }
    }
}

/// A function of one number that keeps its type (further arguments are already read).
fn numeric(name: &str, arguments: Vec<TypedExpr>, f: impl Fn(Expr) -> Expr) -> Lowered {
    let Some(node) = arguments.into_iter().next() else {
        return Err(SqlRefusal::new(format!("{name} needs a number")));
    };
    match node.kind {
        SqlType::Null => Ok(node),
        SqlType::Int { .. } if name != "ABS" => Ok(node),
        kind if kind.is_number() => Ok(TypedExpr::new(f(node.expr), kind)),
        other => Err(SqlRefusal::new(format!("{name} works on a number, not on {}", other.name()))),
    }
}

fn first_text(lowering: &Lowering, name: &str, arguments: Vec<TypedExpr>) -> Result<Expr, SqlRefusal> {
    let first = arguments.into_iter().next().ok_or_else(|| SqlRefusal::new(format!("{name} needs a text")))?;
    lowering.text(first, name)
}

fn pair(l: &mut Lowering, name: &str, arguments: Vec<TypedExpr>, f: fn(Expr, Expr) -> Expr, kind: SqlType) -> Lowered {
    let mut texts = arguments.into_iter().map(|n| l.text(n, name)).collect::<Result<Vec<_>, _>>()?;
    match (texts.pop(), texts.pop()) {
        (Some(y), Some(x)) => Ok(TypedExpr::new(f(x, y), kind)),
        _ => Err(SqlRefusal::new(format!("{name} needs two values"))),
    }
}

fn trim(l: &mut Lowering, name: &str, arguments: Vec<TypedExpr>, f: fn(Expr, Expr) -> Expr) -> Lowered {
    let letters = match arguments.get(1) {
        None => typed_lit(" \t\r\n"),
        Some(node) => match node.text() {
            Some(text) => typed_lit(text.to_string()),
            None => return Err(SqlRefusal::new(format!("what {name} removes has to be a text in 'single quotes'"))),
        },
    };
    Ok(TypedExpr::new(f(first_text(l, name, arguments)?, letters), SqlType::Text))
}

/// `wins(x, y)`: y replaces x. NULLs never win.
fn extreme(l: &mut Lowering, name: &str, arguments: Vec<TypedExpr>, wins: fn(Expr, Expr) -> Expr) -> Lowered {
    let (kind, mut exprs) = alike(l, name, arguments)?;
    let mut best = |x: Expr, y: Expr| {
        let (x, y) = (l.steps.once(x, kind), l.steps.once(y, kind));
        when(wins(x.clone(), y.clone()).or(x.clone().is_null())).then(y).otherwise(x)
    };
    // Pair by pair: trees are walked recursively.
    while exprs.len() > 1 {
        exprs = exprs.chunks(2).filter_map(|pair| pair.iter().cloned().reduce(&mut best)).collect();
    }
    exprs.pop().map(|e| TypedExpr::new(e, kind)).ok_or_else(|| SqlRefusal::new(format!("{name} needs values")))
}

/// A whole number from 0 written out in the text.
fn whole(name: &str, argument: Option<&TypedExpr>) -> Result<i64, SqlRefusal> {
    argument.and_then(TypedExpr::whole).filter(|n| *n >= 0).ok_or_else(|| {
        SqlRefusal::new(format!(
            "the positions, lengths and places of {name} have to be whole numbers from 0, written out"
        ))
    })
}

fn strptime(text: Expr, format: &str) -> Lowered {
    if format.contains("%z") || format.contains("%Z") || format.contains("%+") || format.contains("%s") {
        return Err(SqlRefusal::new("STRPTIME reads times without a zone")
            .help("ISO 8601 texts with an offset are read as they are: map the column itself"));
    }
    let with_time = ["%H", "%I", "%T", "%R", "%r", "%X", "%c"].iter().any(|f| format.contains(f));
    let options = StrptimeOptions { format: Some(format.into()), strict: true, exact: true, cache: false };
    Ok(if with_time {
        let kind = SqlType::Timestamp;
        TypedExpr::new(text.str().strptime(kind.polars(), options, typed_lit("raise")), kind)
    } else {
        TypedExpr::new(text.str().to_date(options).cast(SqlType::Timestamp.polars()), SqlType::Timestamp)
    })
}
