//! A typed part of an expression, and how parts come to one type.

use polars_plan::prelude::{Expr, typed_lit};

use super::lower::Lowering;
use super::types::Type;
use super::{Refusal, literal};

/// A lowered part of an expression.
#[derive(Clone, Debug)]
pub struct Node {
    pub expr: Expr,
    pub kind: Type,
    pub literal: Option<Literal>,
}

/// A value written in the text, which takes its type from what stands beside it.
#[derive(Clone, Debug)]
pub enum Literal {
    Number(String),
    Text(String),
}

impl Node {
    pub fn new(expr: Expr, kind: Type) -> Node {
        Node { expr, kind, literal: None }
    }
    pub fn text(&self) -> Option<&str> {
        match &self.literal {
            Some(Literal::Text(text)) => Some(text),
            _ => None,
        }
    }
    /// A whole number written out.
    pub fn whole(&self) -> Option<i64> {
        match &self.literal {
            Some(Literal::Number(text)) => text.parse().ok(),
            _ => None,
        }
    }
}

/// The node as `to`, where that loses nothing. A decimal that has no room for the digits of `to` ends the run.
pub fn coerce(lowering: &mut Lowering, node: Node, to: Type) -> Result<Expr, Refusal> {
    Ok(match (node.kind, to, &node.literal) {
        (Type::Null, _, _) => literal::null(to),
        (from, Type::Float, Some(Literal::Number(text))) if from != Type::Float => literal::float(text)?,
        (Type::Text, Type::Date, Some(Literal::Text(text))) => literal::date(text)?,
        (Type::Text, Type::Timestamp, Some(Literal::Text(text))) => literal::timestamp(text)?,
        (Type::Int { .. }, Type::Int { .. }, _) => node.expr,
        (from, to, _) if from == to => node.expr,
        (Type::Decimal { .. }, Type::Float, _) => nearest_float(node.expr),
        (_, Type::Decimal { .. }, _) => lowering.guarded(node).expr.strict_cast(to.polars()),
        (_, to, _) => node.expr.strict_cast(to.polars()),
    })
}

/// The double nearest to a decimal. Polars multiplies by a negative power of ten, which is off by a bit or two; by way
/// of text it is exact.
pub fn nearest_float(decimal: Expr) -> Expr {
    decimal.strict_cast(Type::Text.polars()).strict_cast(Type::Float.polars())
}

/// Brings nodes to their common type.
pub fn alike(lowering: &mut Lowering, of: &str, nodes: Vec<Node>) -> Result<(Type, Vec<Expr>), Refusal> {
    let kind = common_type(of, &nodes.iter().collect::<Vec<_>>())?;
    let exprs = nodes.into_iter().map(|n| coerce(lowering, n, kind)).collect::<Result<_, _>>()?;
    Ok((kind, exprs))
}

/// The type that all of the nodes can have without loss. `of`: what puts them together, for the message.
pub fn common_type(of: &str, nodes: &[&Node]) -> Result<Type, Refusal> {
    let mut kind = Type::Null;
    // Literals of text take their type from the others, so they come last.
    let (texts, others): (Vec<&Node>, Vec<&Node>) = nodes.iter().copied().partition(|n| n.text().is_some());
    for node in others.into_iter().chain(texts) {
        kind = match (kind, node.kind) {
            (Type::Null, k) | (k, Type::Null) => k,
            (Type::Int { bits: a }, Type::Int { bits: b }) => Type::Int { bits: a.max(b) },
            (Type::Decimal { scale: a }, Type::Decimal { scale: b }) => Type::Decimal { scale: a.max(b) },
            (k @ Type::Decimal { .. }, Type::Int { .. }) | (Type::Int { .. }, k @ Type::Decimal { .. }) => k,
            (a, b) if a.is_number() && b.is_number() => Type::Float,
            (Type::Date, Type::Timestamp) | (Type::Timestamp, Type::Date) => Type::Timestamp,
            (k @ (Type::Date | Type::Timestamp), Type::Text) if node.text().is_some() => k,
            (a, b) if a == b => a,
            (a, b) => {
                return Err(Refusal::new(format!("{of} cannot put {} and {} together", a.name(), b.name()))
                    .help("bring both to one type with CAST(… AS …)"));
            }
        };
    }
    Ok(kind)
}

/// A number written out.
pub fn number(text: &str) -> Result<Node, Refusal> {
    let (unsigned, negative) = text.strip_prefix('-').map_or((text, false), |t| (t, true));
    let (expr, kind) = literal::number(unsigned)?;
    let expr = match (negative, kind) {
        (false, _) => expr,
        (true, Type::Int { .. }) => typed_lit(-unsigned.parse::<i64>().unwrap_or_default()),
        (true, Type::Float) => literal::float(text)?,
        (true, kind) => literal::negated(expr, kind),
    };
    Ok(Node { expr, kind, literal: Some(Literal::Number(text.to_string())) })
}
