//! Parts of an expression that are computed once, and the conditions that guard other parts.
//!
//! Polars evaluates both branches of CASE, and both sides of AND and OR, in every row. SQL evaluates a branch only where
//! it is taken. So whatever can fail in a row (a strict CAST, a date, a decimal beyond 38 digits) is given NULL where its
//! guard is not true, and NULL never fails.
//!
//! A guard is a condition that the expression computes anyway. It becomes a column of its own beside those of the export,
//! computed once for each batch, and only if something that can fail asks for it. Without such columns, an expression of
//! n guarded casts would repeat its first condition 2^n times.

use polars::prelude::PlSmallStr;
use polars_plan::prelude::{Expr, col, lit, when};

use super::literal;
use super::node::TypedExpr;
use super::types::SqlType;

/// A column that is computed from those before it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub name: PlSmallStr,
    pub expr: Expr,
    pub kind: SqlType,
    /// The only column of the export that it is computed from, if it is one.
    pub origin: Option<PlSmallStr>,
}

/// What a condition has to be for SQL to evaluate the part behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passes {
    /// The result of a branch of CASE.
    True,
    /// The branches of CASE, operands of OR and items of IN behind it.
    NotTrue,
    /// The operands of AND behind it.
    NotFalse,
    /// The arguments of COALESCE behind it.
    Null,
}

/// A value that decides whether other parts are evaluated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decider(usize);

/// A place in the tree of guards; a part is evaluated where this guard and all around it pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct GuardId(usize);

#[derive(Debug)]
struct Guard {
    around: Option<GuardId>,
    decider: Decider,
    passes: Passes,
    /// The column that is true where this guard and all around it pass, once something asked for it.
    column: Option<Expr>,
}

/// The steps of one expression, in the order of their computation.
#[derive(Debug, Default)]
pub(super) struct LoweredSteps {
    steps: Vec<Step>,
    deciders: Vec<(Expr, SqlType)>,
    guards: Vec<Guard>,
    /// The guard of the part that is being lowered.
    current: Option<GuardId>,
}

impl LoweredSteps {
    pub(super) fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    /// The value as a column, so that naming it twice does not compute it twice. Columns and literals stay as they are.
    pub(super) fn once(&mut self, expr: Expr, kind: SqlType) -> Expr {
        if matches!(expr, Expr::Column(_) | Expr::Literal(_)) { expr } else { self.column(expr, kind) }
    }

    /// The same of a node.
    pub(super) fn once_node(&mut self, node: TypedExpr) -> TypedExpr {
        TypedExpr { expr: self.once(node.expr, node.kind), ..node }
    }

    /// The value as a column that has a value a row even if it is a constant.
    pub(super) fn column(&mut self, expr: Expr, kind: SqlType) -> Expr {
        // Names of columns of the export begin with another letter.
        let name: PlSmallStr = format!("s{}", self.steps.len()).into();
        let origin = self.origin(&expr);
        self.steps.push(Step { name: name.clone(), expr, kind, origin });
        col(name)
    }

    /// Notes a value that decides whether parts behind it are evaluated.
    pub(super) fn decides(&mut self, expr: Expr, kind: SqlType) -> Decider {
        self.deciders.push((expr, kind));
        Decider(self.deciders.len() - 1)
    }

    /// The value of a decider: its column, if it has become one.
    pub(super) fn value(&self, decider: Decider) -> Expr {
        self.deciders[decider.0].0.clone()
    }

    /// The guard of what is lowered now.
    pub(super) fn current(&self) -> Option<GuardId> {
        self.current
    }

    /// Goes on below another guard; returns the one before.
    pub(super) fn enter(&mut self, guard: Option<GuardId>) -> Option<GuardId> {
        std::mem::replace(&mut self.current, guard)
    }

    /// What is lowered from here on is evaluated only where `decider` passes, within the present guard.
    pub(super) fn narrow(&mut self, decider: Decider, passes: Passes) {
        self.guards.push(Guard { around: self.current, decider, passes, column: None });
        self.current = Some(GuardId(self.guards.len() - 1));
    }

    /// A value that what follows can fail on: NULL in rows in which the present part is not evaluated.
    pub(super) fn guarded(&mut self, expr: Expr, kind: SqlType) -> Expr {
        // Polars' message names a column, and calls many a computed value 'literal'.
        let expr = if is_constant(&expr) { expr } else { self.once(expr, kind) };
        match self.guard() {
            Some(guard) => when(guard).then(expr).otherwise(literal::null(kind)),
            None => expr,
        }
    }

    /// The only column of the export that goes into the value, if it is one.
    fn origin(&self, expr: &Expr) -> Option<PlSmallStr> {
        let named = expr.into_iter().filter_map(|part| if let Expr::Column(name) = part { Some(name) } else { None });
        let mut origins = named.map(|name| match self.steps.iter().find(|step| step.name == *name) {
            Some(step) => step.origin.clone(),
            None => Some(name.clone()),
        });
        let first = origins.next()??;
        origins.all(|other| other.as_ref() == Some(&first)).then_some(first)
    }

    /// The column of the present guard; `None` if the part is evaluated in every row.
    fn guard(&mut self) -> Option<Expr> {
        let (mut pending, mut at) = (vec![], self.current);
        let mut around = loop {
            let Some(id) = at else { break None };
            match &self.guards[id.0].column {
                Some(column) => break Some(column.clone()),
                None => pending.push(id),
            }
            at = self.guards[id.0].around;
        };
        while let Some(id) = pending.pop() {
            let Guard { decider, passes, .. } = self.guards[id.0];
            let (expr, kind) = self.deciders[decider.0].clone();
            let value = self.once(expr, kind);
            self.deciders[decider.0].0 = value.clone();
            let here = match passes {
                Passes::True => value.fill_null(lit(false)),
                Passes::NotTrue => value.fill_null(lit(false)).not(),
                Passes::NotFalse => value.fill_null(lit(true)),
                Passes::Null => value.is_null(),
            };
            let all = match around {
                Some(around) => around.and(here),
                None => here,
            };
            let column = self.column(all, SqlType::Bool);
            self.guards[id.0].column = Some(column.clone());
            around = Some(column);
        }
        around
    }
}

/// Whether the value is the same in every row, because it names no column.
pub(super) fn is_constant(expr: &Expr) -> bool {
    !expr.into_iter().any(|part| matches!(part, Expr::Column(_)))
}
