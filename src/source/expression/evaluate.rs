//! Compiles an expression against the columns of a file, and computes its values for batches of rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, NullArray};
use arrow::datatypes::TimestampMicrosecondType;
use jiff::tz::TimeZone;
use polars::polars_utils::arena::Arena;
use polars::prelude::{Column, DataFrame, DataType, Expr, Field, IntoColumn, PlSmallStr, Schema, Series};
use polars_expr::prelude::{ExecutionState, PhysicalExpr};
use polars_expr::{ExpressionConversionState, create_physical_expr};
use polars_plan::plans::{ExprToIRContext, to_expr_ir};

use super::SqlRefusal;
use super::lower::{Lowering, internal_name};
use super::parse::{ParsedSql, shorten};
use super::steps::Step;
use super::types::SqlType;
use crate::config::Text;
use crate::source::bridge;
use crate::source::guard::guarded;

/// An expression whose parts are all allowed and fit the types of the columns that they name.
#[derive(Clone)]
pub struct Compiled {
    sql: Text,
    columns: Vec<NamedColumn>,
    kind: SqlType,
    /// Columns computed before the value, each from the columns before it.
    steps: Vec<CompiledStep>,
    value: Arc<dyn PhysicalExpr>,
    zone: TimeZone,
}

/// A column that the expression names.
#[derive(Clone, Debug)]
struct NamedColumn {
    name: String,
    internal: PlSmallStr,
    kind: SqlType,
}

#[derive(Clone)]
struct CompiledStep {
    name: PlSmallStr,
    dtype: DataType,
    /// The only column that it is computed from, for messages.
    origin: Option<PlSmallStr>,
    value: Arc<dyn PhysicalExpr>,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled").field("sql", &self.sql).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Compiled {
    /// `available`: the columns that may be named; `None`: there, but of a type that expressions cannot use.
    /// `zone`: where timestamps that carry a zone become wall-clock times.
    pub fn new(
        parsed: &ParsedSql,
        available: &[(String, Option<SqlType>)],
        zone: &TimeZone,
    ) -> Result<Compiled, SqlRefusal> {
        Self::compile(parsed, available, zone).map_err(|refusal| refusal.hiding(parsed.sql()))
    }

    fn compile(
        parsed: &ParsedSql,
        available: &[(String, Option<SqlType>)],
        zone: &TimeZone,
    ) -> Result<Compiled, SqlRefusal> {
        let mut lowering = Lowering::new(available);
        let node = lowering.lower(&parsed.tree)?;
        let steps = lowering.steps.into_steps();
        let named = available.iter().enumerate().filter(|(_, (name, _))| parsed.columns().any(|c| c == name));
        let columns: Vec<NamedColumn> = named
            .filter_map(|(i, (name, kind))| {
                Some(NamedColumn { name: name.clone(), internal: internal_name(i), kind: (*kind)? })
            })
            .collect();
        let inputs = columns.iter().map(|c| Field::new(c.internal.clone(), c.kind.polars()));
        let computed = steps.iter().map(|s| Field::new(s.name.clone(), s.kind.polars()));
        let schema: Schema = inputs.chain(computed).collect();
        let schema = Arc::new(schema);
        let physical = |expr: Expr| {
            let mut arena = Arena::with_capacity(16);
            let ir = to_expr_ir(expr, &mut ExprToIRContext::new(&mut arena, &schema))?;
            // Never in parallel inside: the rows around it are already spread over the workers.
            create_physical_expr(&ir, &mut arena, &schema, &mut ExpressionConversionState::new(false))
        };
        let build = |expr: Expr| match guarded(|| physical(expr)) {
            Ok(Ok(built)) => Ok(built),
            Ok(Err(e)) => Err(e.to_string()),
            Err(panic) => Err(panic),
        };
        let failed =
            |e: String| SqlRefusal::new(format!("`{}` cannot be computed: {e}", shorten(parsed.sql().written())));
        let kind = node.kind;
        let mut compiled_steps: Vec<CompiledStep> = vec![];
        for Step { name, expr, kind, origin } in steps {
            let value = build(expr).map_err(failed)?;
            compiled_steps.push(CompiledStep { name, dtype: kind.polars(), origin, value });
        }
        let compiled = Compiled {
            sql: parsed.sql().clone(),
            kind,
            steps: compiled_steps,
            value: build(node.expr).map_err(failed)?,
            columns,
            zone: zone.clone(),
        };
        // A first evaluation, of no rows, so that what Polars cannot compute is known before anything is read.
        let empty: Vec<ArrayRef> = compiled.columns.iter().map(|c| c.kind.empty()).collect();
        compiled.evaluate(&empty, 0).map_err(failed)?;
        Ok(compiled)
    }

    pub fn kind(&self) -> SqlType {
        self.kind
    }

    pub fn sql(&self) -> &Text {
        &self.sql
    }

    /// One value per row. `inputs`: the arrays of the columns that the expression names, in the order in which they
    /// were available.
    ///
    /// # Errors
    /// A sentence, if a value could not be cast or a decimal overflowed.
    pub fn evaluate(&self, inputs: &[ArrayRef], rows: usize) -> Result<ArrayRef, String> {
        if self.kind == SqlType::Null {
            return Ok(Arc::new(NullArray::new(rows)));
        }
        let mut columns: Vec<Column> = Vec::with_capacity(inputs.len());
        for (given, array) in self.columns.iter().zip(inputs) {
            let array = given.kind.bring(array, &self.zone)?;
            columns.push(bridge::to_polars(&given.internal, &array).map_err(|e| e.to_string())?.into_column());
        }
        let mut frame = DataFrame::new(rows, columns).map_err(|e| e.to_string())?;
        for CompiledStep { name, dtype, value, .. } in &self.steps {
            let series = run(&**value, &frame, rows).map_err(|e| self.in_the_users_words(&e))?;
            if series.dtype() != dtype {
                return Err(format!("a part of it is of type {} instead of {dtype}", series.dtype()));
            }
            frame.with_column(series.with_name(name.clone()).into_column()).map_err(|e| e.to_string())?;
        }
        let value = run(&*self.value, &frame, rows).map_err(|e| self.in_the_users_words(&e))?;
        let value = bridge::from_polars(&value).map_err(|e| e.to_string())?;
        Ok(match value.as_primitive_opt::<TimestampMicrosecondType>() {
            Some(micros) if self.kind == SqlType::Instant => Arc::new(micros.clone().with_timezone("UTC")),
            _ => value,
        })
    }

    /// The first line of Polars' message, which is without its advice on Polars, with the names of the export's columns.
    fn in_the_users_words(&self, message: &str) -> String {
        if self.sql.is_filled_in() {
            return "the environment is filled in, so that the value is not shown".into();
        }
        let mut line = message.lines().next().unwrap_or_default().replace(" in column 'literal'", "");
        for step in &self.steps {
            line = match &step.origin {
                Some(origin) => line.replace(&format!("'{}'", step.name), &format!("'{origin}'")),
                // What is computed from several columns has no name.
                None => line.replace(&format!(" in column '{}'", step.name), ""),
            };
        }
        self.columns
            .iter()
            .fold(line, |text, given| text.replace(&format!("'{}'", given.internal), &format!("`{}`", given.name)))
    }

    /// The rows for which the expression, a condition, is true; NULL is not.
    pub fn holds(&self, inputs: &[ArrayRef], rows: usize) -> Result<BooleanArray, String> {
        let value = self.evaluate(inputs, rows)?;
        let Some(value) = value.as_boolean_opt() else {
            return Ok(BooleanArray::from(vec![false; rows]));
        };
        Ok(match value.nulls() {
            None => value.clone(),
            Some(nulls) => BooleanArray::new(value.values() & nulls.inner(), None),
        })
    }
}

/// The value of the expression in each row of the frame.
fn run(expr: &dyn PhysicalExpr, frame: &DataFrame, rows: usize) -> Result<Series, String> {
    let outcome = guarded(|| {
        let column = expr.evaluate(frame, &ExecutionState::new())?;
        let column = if column.len() != rows && column.len() == 1 { column.new_from_index(0, rows) } else { column };
        Ok::<_, polars::prelude::PolarsError>(column.take_materialized_series())
    });
    match outcome {
        Ok(Ok(series)) if series.len() == rows => Ok(series),
        Ok(Ok(series)) => Err(format!("it gave {} values for {rows} rows", series.len())),
        Ok(Err(e)) => Err(e.to_string()),
        Err(panic) => Err(panic),
    }
}
