//! A typed part of an expression, and the conversion of parts to a common type.

use polars_plan::prelude::{Expr, typed_lit};

use super::lower::Lowering;
use super::types::SqlType;
use super::{SqlRefusal, literal};

/// A lowered part of an expression.
#[derive(Clone, Debug)]
pub(super) struct TypedExpr {
    pub expr: Expr,
    pub kind: SqlType,
    pub literal: Option<Literal>,
}

/// A literal, which takes its type from the part beside it.
#[derive(Clone, Debug)]
pub(super) enum Literal {
    Number(String),
    Text(String),
}

impl TypedExpr {
    pub(super) fn new(expr: Expr, kind: SqlType) -> TypedExpr {
        TypedExpr { expr, kind, literal: None }
    }
    pub(super) fn text(&self) -> Option<&str> {
        match &self.literal {
            Some(Literal::Text(text)) => Some(text),
            _ => None,
        }
    }
    /// A whole number written out.
    pub(super) fn whole(&self) -> Option<i64> {
        match &self.literal {
            Some(Literal::Number(text)) => text.parse().ok(),
            _ => None,
        }
    }
}

/// The node as `to`, where that loses nothing. A decimal that has no room for the digits of `to` ends the run.
pub(super) fn coerce(lowering: &mut Lowering, node: TypedExpr, to: SqlType) -> Result<Expr, SqlRefusal> {
    Ok(match (node.kind, to, &node.literal) {
        (SqlType::Null, _, _) => literal::null(to),
        (from, SqlType::Float, Some(Literal::Number(text))) if from != SqlType::Float => literal::float(text)?,
        (SqlType::Text, SqlType::Date, Some(Literal::Text(text))) => literal::date(text)?,
        (SqlType::Text, SqlType::Timestamp, Some(Literal::Text(text))) => literal::timestamp(text)?,
        (SqlType::Int { .. }, SqlType::Int { .. }, _) => node.expr,
        (from, to, _) if from == to => node.expr,
        (SqlType::Decimal { .. }, SqlType::Float, _) => nearest_float(node.expr),
        (_, SqlType::Decimal { .. }, _) => lowering.guarded(node).expr.strict_cast(to.polars()),
        (_, to, _) => node.expr.strict_cast(to.polars()),
    })
}

/// The double nearest to a decimal. Polars multiplies by a negative power of ten, which is off by a bit or two; by way
/// of text it is exact.
pub(super) fn nearest_float(decimal: Expr) -> Expr {
    decimal.strict_cast(SqlType::Text.polars()).strict_cast(SqlType::Float.polars())
}

/// Brings nodes to their common type.
pub(super) fn alike(
    lowering: &mut Lowering,
    of: &str,
    nodes: Vec<TypedExpr>,
) -> Result<(SqlType, Vec<Expr>), SqlRefusal> {
    let kind = common_type(of, &nodes.iter().collect::<Vec<_>>())?;
    let exprs = nodes.into_iter().map(|n| coerce(lowering, n, kind)).collect::<Result<_, _>>()?;
    Ok((kind, exprs))
}

/// The type that all of the nodes can have without loss. `of`: what puts them together, for the message.
pub(super) fn common_type(of: &str, nodes: &[&TypedExpr]) -> Result<SqlType, SqlRefusal> {
    let mut kind = SqlType::Null;
    // Literals of text take their type from the others, so they come last.
    let (texts, others): (Vec<&TypedExpr>, Vec<&TypedExpr>) = nodes.iter().copied().partition(|n| n.text().is_some());
    for node in others.into_iter().chain(texts) {
        kind = match (kind, node.kind) {
            (SqlType::Null, k) | (k, SqlType::Null) => k,
            (SqlType::Int { bits: a }, SqlType::Int { bits: b }) => SqlType::Int { bits: a.max(b) },
            (SqlType::Decimal { scale: a }, SqlType::Decimal { scale: b }) => SqlType::Decimal { scale: a.max(b) },
            (k @ SqlType::Decimal { .. }, SqlType::Int { .. }) | (SqlType::Int { .. }, k @ SqlType::Decimal { .. }) => {
                k
            }
            (a, b) if a.is_number() && b.is_number() => SqlType::Float,
            (SqlType::Date, SqlType::Timestamp) | (SqlType::Timestamp, SqlType::Date) => SqlType::Timestamp,
            (k @ (SqlType::Date | SqlType::Timestamp), SqlType::Text) if node.text().is_some() => k,
            (a, b) if a == b => a,
            (a, b) => {
                return Err(SqlRefusal::new(format!("{of} cannot put {} and {} together", a.name(), b.name()))
                    .help("bring both to one type with CAST(… AS …)"));
            }
        };
    }
    Ok(kind)
}

/// A number written out.
pub(super) fn number(text: &str) -> Result<TypedExpr, SqlRefusal> {
    let (unsigned, negative) = text.strip_prefix('-').map_or((text, false), |t| (t, true));
    let (expr, kind) = literal::number(unsigned)?;
    let expr = match (negative, kind) {
        (false, _) => expr,
        (true, SqlType::Int { .. }) => typed_lit(-unsigned.parse::<i64>().unwrap_or_default()),
        (true, SqlType::Float) => literal::float(text)?,
        (true, kind) => literal::negated(expr, kind),
    };
    Ok(TypedExpr { expr, kind, literal: Some(Literal::Number(text.to_string())) })
}
