//! The pruning predicate of a filter: a condition over the statistics of a row group that is FALSE only if no row of the
//! group satisfies the filter.
//!
//! A row satisfies a filter only if each of its conjuncts is true. A comparison of a column with a literal is true in some
//! row only if it is true of the least or of the greatest value of the column, because values keep their order when they
//! are converted to the type in which they are compared. So each conjunct is replaced by a condition over such facts, or
//! left out if there is none. The predicate is lowered and evaluated like any expression, with one row a group, so types,
//! literals and NULLs mean the same. NULL stands for a fact that is not known.
//!
//! A group that is ruled out is not read, and a cast that would have failed there does not.
//! Source: the pruning predicates of Apache DataFusion.

use std::collections::BTreeSet;

use sqlparser::ast::{BinaryOperator as Op, Expr as Sql, Ident, UnaryOperator, Value, ValueWithSpan};

use super::parse::ParsedSql;

/// What the statistics may say of a column in a row group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// A lower bound of its values. Among floats, NaN is the greatest.
    Least,
    /// An upper bound of its values.
    Greatest,
    /// Whether some row has a value.
    Valued,
    /// Whether some row is NULL.
    Null,
}

/// A pruning predicate: where it is FALSE, no row of the group satisfies the filter.
#[derive(Clone, Debug)]
pub struct Necessary {
    /// Its columns are facts, under the names of [`stand_in`].
    pub parsed: ParsedSql,
    /// The facts that it names and the columns that they are of.
    pub facts: Vec<(String, Fact)>,
}

/// The name of a fact in a [`Necessary`].
pub fn stand_in(column: &str, fact: Fact) -> String {
    format!("{fact:?} {column}")
}

/// The pruning predicate of a filter that has been compiled; `None` if statistics cannot tell anything about it.
pub fn necessary(filter: &ParsedSql) -> Option<Necessary> {
    let mut weakening = Weakening::default();
    let parsed = filter.instead(weakening.condition(&filter.tree)?);
    let named: BTreeSet<&str> = parsed.columns().collect();
    let facts = weakening.facts.into_iter().filter(|(column, fact)| named.contains(&*stand_in(column, *fact)));
    Some(Necessary { facts: facts.collect(), parsed })
}

#[derive(Default)]
struct Weakening {
    facts: BTreeSet<(String, Fact)>,
}

impl Weakening {
    /// What has to be true of a group for `sql` to be true in one of its rows; `None` if statistics cannot tell.
    fn condition(&mut self, sql: &Sql) -> Option<Sql> {
        match sql {
            Sql::Nested(inner) | Sql::IsTrue(inner) => self.condition(inner),
            Sql::BinaryOp { op: Op::And, .. } => {
                let said = operands(&Op::And, sql).into_iter().filter_map(|part| self.condition(part)).collect();
                joined(&Op::And, said)
            }
            Sql::BinaryOp { op: Op::Or, .. } => {
                let said = operands(&Op::Or, sql).into_iter().map(|part| self.condition(part));
                joined(&Op::Or, said.collect::<Option<_>>()?)
            }
            Sql::BinaryOp { left, op, right } => {
                self.comparison(left, op, right).or_else(|| self.comparison(right, &turned(op)?, left))
            }
            Sql::Between { expr, negated: false, low, high } => {
                let ends = [self.comparison(expr, &Op::GtEq, low), self.comparison(expr, &Op::LtEq, high)];
                joined(&Op::And, ends.into_iter().flatten().collect())
            }
            Sql::InList { expr, list, negated: false } => {
                let said = list.iter().map(|item| self.comparison(expr, &Op::Eq, item));
                joined(&Op::Or, said.collect::<Option<_>>()?)
            }
            Sql::IsNull(inner) => Some(self.fact(column(inner)?, Fact::Null)),
            Sql::IsNotNull(inner) => Some(self.fact(column(inner)?, Fact::Valued)),
            Sql::Identifier(name) => {
                let parts = [Fact::Valued, Fact::Greatest].map(|fact| self.fact(&name.value, fact));
                joined(&Op::And, parts.into())
            }
            Sql::UnaryOp { op: UnaryOperator::Not, expr } => {
                let column = column(expr)?;
                let false_too = Sql::UnaryOp { op: UnaryOperator::Not, expr: self.fact(column, Fact::Least).into() };
                joined(&Op::And, vec![self.fact(column, Fact::Valued), false_too])
            }
            _ => None,
        }
    }

    /// The same for a comparison with a column on the left and a literal on the right.
    fn comparison(&mut self, left: &Sql, op: &Op, right: &Sql) -> Option<Sql> {
        let column = column(left)?;
        if !is_literal(right) {
            return None;
        }
        let ends: &[(Fact, Op)] = match op {
            Op::Lt | Op::LtEq => &[(Fact::Least, op.clone())],
            Op::Gt | Op::GtEq => &[(Fact::Greatest, op.clone())],
            Op::Eq => &[(Fact::Least, Op::LtEq), (Fact::Greatest, Op::GtEq)],
            _ => return None,
        };
        let ends = ends.iter().map(|(fact, op)| binary(self.fact(column, *fact), op, right.clone()));
        let mut parts: Vec<Sql> = ends.collect();
        // A column without any value has no least one either, and no comparison with it is true.
        parts.push(self.fact(column, Fact::Valued));
        joined(&Op::And, parts)
    }

    fn fact(&mut self, column: &str, fact: Fact) -> Sql {
        self.facts.insert((column.to_string(), fact));
        Sql::Identifier(Ident::new(stand_in(column, fact)))
    }
}

fn column(sql: &Sql) -> Option<&str> {
    match sql {
        Sql::Nested(inner) => column(inner),
        Sql::Identifier(name) => Some(&name.value),
        _ => None,
    }
}

/// A value written out, with a sign or cast to a type.
fn is_literal(sql: &Sql) -> bool {
    match sql {
        Sql::Value(ValueWithSpan { value, .. }) => !matches!(value, Value::Placeholder(_)),
        Sql::TypedString(_) => true,
        Sql::Nested(inner) | Sql::Cast { expr: inner, .. } => is_literal(inner),
        Sql::UnaryOp { op: UnaryOperator::Plus | UnaryOperator::Minus, expr } => is_literal(expr),
        _ => false,
    }
}

/// The comparison that says the same with its sides exchanged.
fn turned(op: &Op) -> Option<Op> {
    Some(match op {
        Op::Eq => Op::Eq,
        Op::Lt => Op::Gt,
        Op::LtEq => Op::GtEq,
        Op::Gt => Op::Lt,
        Op::GtEq => Op::LtEq,
        _ => return None,
    })
}

/// The operands of a chain of one connective, however long, in order.
fn operands<'a>(op: &Op, sql: &'a Sql) -> Vec<&'a Sql> {
    let (mut waiting, mut operands) = (vec![sql], vec![]);
    while let Some(next) = waiting.pop() {
        match next {
            Sql::BinaryOp { left, op: inner, right } if inner == op => waiting.extend([&**right, &**left]),
            other => operands.push(other),
        }
    }
    operands
}

/// The parts joined as a balanced tree, because trees are walked recursively.
fn joined(op: &Op, mut parts: Vec<Sql>) -> Option<Sql> {
    while parts.len() > 1 {
        let mut rest = parts.into_iter();
        parts = std::iter::from_fn(|| {
            let left = rest.next()?;
            Some(match rest.next() {
                Some(right) => binary(left, op, right),
                None => left,
            })
        })
        .collect();
    }
    parts.pop()
}

fn binary(left: Sql, op: &Op, right: Sql) -> Sql {
    Sql::BinaryOp { left: left.into(), op: op.clone(), right: right.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weakened(sql: &str) -> Option<String> {
        let found = necessary(&ParsedSql::new(sql).unwrap())?;
        Some(found.parsed.tree.to_string())
    }

    #[test]
    fn what_is_said_over_facts() {
        for (sql, says) in [
            ("i < 3", "Least i < 3 AND Valued i"),
            ("3 > i", "Least i < 3 AND Valued i"),
            ("(i) >= (-3)", "Greatest i >= (-3) AND Valued i"),
            (
                "day = CAST('2011-12-09' AS DATE)",
                "Least day <= CAST('2011-12-09' AS DATE) AND Greatest day >= CAST('2011-12-09' AS DATE) AND Valued day",
            ),
            ("i BETWEEN 1 AND j", "Greatest i >= 1 AND Valued i"),
            (
                "i IN (1, 2)",
                "Least i <= 1 AND Greatest i >= 1 AND Valued i OR Least i <= 2 AND Greatest i >= 2 AND Valued i",
            ),
            ("i IS NULL AND j IS NOT NULL", "Null i AND Valued j"),
            ("b", "Valued b AND Greatest b"),
            ("NOT b", "Valued b AND NOT Least b"),
            ("(i < 3 AND s LIKE 'x') IS TRUE", "Least i < 3 AND Valued i"),
            ("i < 3 OR j > 4", "Least i < 3 AND Valued i OR Greatest j > 4 AND Valued j"),
        ] {
            assert_eq!(weakened(sql).as_deref(), Some(says), "{sql}");
        }
    }

    #[test]
    fn what_cannot_be_said_is_left_out() {
        for sql in [
            "i <> 3",
            "i < j",
            "i + 1 < 3",
            "1 < 2",
            "i < 3 OR s LIKE 'x'",
            "NOT i < 3",
            "i NOT IN (1)",
            "i NOT BETWEEN 1 AND 2",
            "i IN (1, j)",
            "(i < 3) IS NOT TRUE",
            "i IS DISTINCT FROM 3",
            "CAST(i AS BIGINT) < 3",
            "TRUE",
        ] {
            assert_eq!(weakened(sql), None, "{sql}");
        }
    }

    #[test]
    fn facts_that_came_to_nothing_are_not_asked_for() {
        let found = necessary(&ParsedSql::new("i < 3 AND (j > 4 OR s LIKE 'x')").unwrap()).unwrap();
        assert_eq!(found.facts, [("i".to_string(), Fact::Least), ("i".to_string(), Fact::Valued)]);
    }

    #[test]
    fn long_chains_are_no_deep_trees() {
        let list = vec!["1"; 3_500].join(",");
        assert!(weakened(&format!("i IN ({list})")).is_some());
        assert!(weakened(&vec!["i<3"; 900].join(" AND ")).is_some());
    }
}
