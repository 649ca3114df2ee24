//! The forms of SQL that evaluate some of their parts only in some rows: AND, OR, CASE, COALESCE, BETWEEN and IN, all in
//! the order in which they are written.

use polars_plan::prelude::{Expr, coalesce, when};
use sqlparser::ast::{BinaryOperator as Op, CaseWhen, Expr as Sql};

use super::lower::{Lowered, Lowering, boolean};
use super::node::{TypedExpr, coerce, common_type};
use super::steps::{GuardId, Passes};
use super::types::SqlType;
use super::{SqlRefusal, literal};

/// Flattens a chain of AND or OR, however long, and joins it as a balanced tree.
pub(super) fn chain(l: &mut Lowering, op: &Op, sql: &Sql) -> Lowered {
    let passes = if *op == Op::And { Passes::NotFalse } else { Passes::NotTrue };
    let outer = l.steps.current();
    let mut waiting = vec![sql];
    let mut operands = vec![];
    while let Some(next) = waiting.pop() {
        match next {
            Sql::BinaryOp { left, op: inner, right } if inner == op => waiting.extend([&**right, &**left]),
            other => {
                let node = l.lower(other)?;
                let operand = l.condition(node)?;
                let operand = l.steps.decides(operand, SqlType::Bool);
                l.steps.narrow(operand, passes);
                operands.push(operand);
            }
        }
    }
    l.steps.enter(outer);
    let operands = operands.into_iter().map(|operand| l.steps.value(operand)).collect();
    joined(op, operands).map(|e| TypedExpr::new(e, SqlType::Bool)).ok_or_else(|| SqlRefusal::new("an empty condition"))
}

/// `CASE`, with an operand that each branch is compared with, or without.
pub(super) fn case(l: &mut Lowering, operand: Option<&Sql>, branches: &[CaseWhen], otherwise: Option<&Sql>) -> Lowered {
    let operand = operand.map(|o| l.lower(o)).transpose()?;
    let operand = operand.map(|node| l.steps.once_node(node));
    let outer = l.steps.current();
    let (mut tests, mut results) = (vec![], vec![]);
    for branch in branches {
        let condition = l.lower(&branch.condition)?;
        let test = match &operand {
            Some(operand) => l.binary(operand.clone(), &Op::Eq, condition)?.expr,
            None => l.condition(condition)?,
        };
        let test = l.steps.decides(test, SqlType::Bool);
        tests.push(test);
        let unless = l.steps.current();
        l.steps.narrow(test, Passes::True);
        results.push((l.lower(&branch.result)?, l.steps.current()));
        l.steps.enter(unless);
        l.steps.narrow(test, Passes::NotTrue);
    }
    let last = match otherwise {
        Some(e) => l.lower(e)?,
        None => TypedExpr::new(literal::null(SqlType::Null), SqlType::Null),
    };
    results.push((last, l.steps.current()));
    l.steps.enter(outer);
    let (kind, mut results) = alike_in_turn(l, "CASE", results)?;
    let last = results.pop().unwrap_or_else(|| literal::null(kind));
    let tests: Vec<Expr> = tests.into_iter().map(|test| l.steps.value(test)).collect();
    let pairs = tests.into_iter().zip(results).rev();
    let expr = pairs.fold(last, |rest, (test, result)| when(test).then(result).otherwise(rest));
    Ok(TypedExpr::new(expr, kind))
}

/// `COALESCE`: an argument is evaluated where all before it are NULL.
pub(super) fn first_value(l: &mut Lowering, name: &str, arguments: &[&Sql]) -> Lowered {
    let outer = l.steps.current();
    let mut nodes = vec![];
    for argument in arguments {
        let (node, guard) = (l.lower(argument)?, l.steps.current());
        let decider = l.steps.decides(node.expr.clone(), node.kind);
        l.steps.narrow(decider, Passes::Null);
        nodes.push((node, decider, guard));
    }
    l.steps.enter(outer);
    let nodes = nodes.into_iter().map(|(node, decider, guard)| {
        let expr = l.steps.value(decider);
        (TypedExpr { expr, ..node }, guard)
    });
    let nodes = nodes.collect();
    let (kind, exprs) = alike_in_turn(l, name, nodes)?;
    Ok(TypedExpr::new(coalesce(&exprs), kind))
}

/// `value BETWEEN low AND high`, which is `value >= low AND value <= high`.
pub(super) fn between(l: &mut Lowering, value: &Sql, low: &Sql, high: &Sql, negated: bool) -> Lowered {
    let value = l.lower(value)?;
    let value = l.steps.once_node(value);
    let low = l.lower(low)?;
    let from = l.binary(value.clone(), &Op::GtEq, low)?.expr;
    let from = l.steps.decides(from, SqlType::Bool);
    let outer = l.steps.current();
    l.steps.narrow(from, Passes::NotFalse);
    let high = l.lower(high)?;
    let to = l.binary(value, &Op::LtEq, high)?;
    l.steps.enter(outer);
    Ok(boolean(l.steps.value(from).and(to.expr), negated))
}

/// `value IN (a, b, …)`, which is `value = a OR value = b OR …`.
pub(super) fn in_list(l: &mut Lowering, value: &Sql, list: &[Sql], negated: bool) -> Lowered {
    let value = l.lower(value)?;
    let value = l.steps.once_node(value);
    let outer = l.steps.current();
    let mut tests = vec![];
    for item in list {
        let item = l.lower(item)?;
        let test = l.binary(value.clone(), &Op::Eq, item)?.expr;
        let test = l.steps.decides(test, SqlType::Bool);
        l.steps.narrow(test, Passes::NotTrue);
        tests.push(test);
    }
    l.steps.enter(outer);
    let tests = tests.into_iter().map(|test| l.steps.value(test)).collect();
    let any = joined(&Op::Or, tests).ok_or_else(|| SqlRefusal::new("the list after IN is empty"))?;
    Ok(boolean(any, negated))
}

/// Brings nodes to their common type, each under the guard that it was lowered under.
fn alike_in_turn(
    l: &mut Lowering,
    of: &str,
    nodes: Vec<(TypedExpr, Option<GuardId>)>,
) -> Result<(SqlType, Vec<Expr>), SqlRefusal> {
    let kind = common_type(of, &nodes.iter().map(|(node, _)| node).collect::<Vec<_>>())?;
    let outer = l.steps.current();
    let mut exprs = vec![];
    for (node, guard) in nodes {
        l.steps.enter(guard);
        exprs.push(coerce(l, node, kind)?);
    }
    l.steps.enter(outer);
    Ok((kind, exprs))
}

/// The parts joined by a connective as a balanced tree, because trees are walked recursively.
fn joined(op: &Op, mut parts: Vec<Expr>) -> Option<Expr> {
    while parts.len() > 1 {
        let mut pairs = parts.into_iter();
        parts = std::iter::from_fn(|| {
            let left = pairs.next()?;
            Some(match pairs.next() {
                Some(right) if *op == Op::And => left.and(right),
                Some(right) => left.or(right),
                None => left,
            })
        })
        .collect();
    }
    parts.pop()
}
