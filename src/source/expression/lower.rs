//! The walk over the syntax tree: it gives each part a type, lowers it to Polars, and refuses what it does not know.

use polars::prelude::PlSmallStr;
use polars_plan::prelude::{Expr, col, lit, typed_lit};
use sqlparser::ast::{
    BinaryOperator as Op, CastKind, CeilFloorKind, DataType as AstType, DateTimeField, ExactNumberInfo, Expr as Sql,
    TimezoneInfo, TrimWhereField, TypedString, UnaryOperator, Value, ValueWithSpan,
};

use super::node::{Literal, TypedExpr, alike, number};
use super::parse::shorten;
use super::steps::LoweredSteps;
use super::types::{INT, SqlType};
use super::{SqlRefusal, conditional, functions, literal, nesting, operators};
use crate::nearest::nearest;

/// How deep an expression may nest; chains of AND and OR do not count.
const DEEPEST: usize = 64;

pub(super) type Lowered = Result<TypedExpr, SqlRefusal>;

/// The state of the walk.
pub(super) struct Lowering<'a> {
    /// Name and type of the columns that may be named; `None`: there, but of a type that expressions cannot use.
    pub columns: &'a [(String, Option<SqlType>)],
    pub steps: LoweredSteps,
    depth: usize,
}

/// The name of a column inside Polars, which could read the user's name as a pattern.
pub(super) fn internal_name(index: usize) -> PlSmallStr {
    format!("c{index}").into()
}

impl<'a> Lowering<'a> {
    pub(super) fn new(columns: &'a [(String, Option<SqlType>)]) -> Self {
        Lowering { columns, steps: LoweredSteps::default(), depth: 0 }
    }

    /// The part with NULL in the rows in which SQL does not evaluate it, so that a cast of it cannot fail there. A literal
    /// stays as it is: it fails when the expression is compiled, or never.
    pub(super) fn guarded(&mut self, node: TypedExpr) -> TypedExpr {
        if node.literal.is_some() { node } else { TypedExpr::new(self.steps.guarded(node.expr, node.kind), node.kind) }
    }

    pub(super) fn lower(&mut self, sql: &Sql) -> Lowered {
        if self.depth == DEEPEST {
            return Err(SqlRefusal::new(format!("the expression nests deeper than {DEEPEST} levels"))
                .help("compute part of it in the export"));
        }
        self.depth += 1;
        let node = self.lower_inner(sql);
        self.depth -= 1;
        node
    }

    fn lower_inner(&mut self, sql: &Sql) -> Lowered {
        match sql {
            Sql::Nested(inner) => self.lower(inner),
            Sql::Identifier(name) => self.column(&name.value),
            Sql::CompoundIdentifier(parts) => {
                let last = parts.last().map_or("", |p| p.value.as_str());
                Err(SqlRefusal::new(format!("`{sql}` names a table, and an expression sees one row of one source"))
                    .help(format!("write \"{last}\" alone; a name with a point in it stands in double quotes")))
            }
            Sql::Value(value) => value_of(value),
            Sql::TypedString(TypedString { data_type, value, .. }) => {
                let ValueWithSpan { value: Value::SingleQuotedString(text), .. } = value else {
                    return Err(not_allowed("this literal"));
                };
                match data_type {
                    AstType::Date => Ok(TypedExpr::new(literal::date(text)?, SqlType::Date)),
                    AstType::Timestamp(None, TimezoneInfo::None) | AstType::Datetime(None) => {
                        Ok(TypedExpr::new(literal::timestamp(text)?, SqlType::Timestamp))
                    }
                    other => Err(not_allowed(&format!("a literal of type {other}"))),
                }
            }
            Sql::UnaryOp { op, expr } => self.unary(op, expr),
            Sql::BinaryOp { op: op @ (Op::And | Op::Or), .. } => conditional::chain(self, op, sql),
            Sql::BinaryOp { left, op, right } => {
                let (left, right) = (self.lower(left)?, self.lower(right)?);
                self.binary(left, op, right)
            }
            Sql::IsNull(e) => Ok(TypedExpr::new(self.lower(e)?.expr.is_null(), SqlType::Bool)),
            Sql::IsNotNull(e) => Ok(TypedExpr::new(self.lower(e)?.expr.is_not_null(), SqlType::Bool)),
            Sql::IsTrue(e) => self.is(e, true, false),
            Sql::IsNotTrue(e) => self.is(e, true, true),
            Sql::IsFalse(e) => self.is(e, false, false),
            Sql::IsNotFalse(e) => self.is(e, false, true),
            Sql::IsDistinctFrom(a, b) => self.distinct(a, b, true),
            Sql::IsNotDistinctFrom(a, b) => self.distinct(a, b, false),
            Sql::Between { expr, negated, low, high } => conditional::between(self, expr, low, high, *negated),
            Sql::InList { expr, list, negated } => conditional::in_list(self, expr, list, *negated),
            Sql::Like { negated, any: false, expr, pattern, escape_char: None } => {
                self.like(expr, pattern, *negated, "(?s)")
            }
            Sql::ILike { negated, any: false, expr, pattern, escape_char: None } => {
                self.like(expr, pattern, *negated, "(?is)")
            }
            Sql::Case { operand, conditions, else_result, .. } => {
                conditional::case(self, operand.as_deref(), conditions, else_result.as_deref())
            }
            Sql::Cast { kind, expr, data_type, format: None, array: false } => {
                let node = self.lower(expr)?;
                self.cast(node, data_type, matches!(kind, CastKind::Cast | CastKind::DoubleColon))
            }
            Sql::Extract { field, expr, .. } => {
                let name = field_name(field);
                let node = self.lower(expr)?;
                operators::date_part(self, &name, node)
            }
            Sql::Ceil { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                let node = self.lower(expr)?;
                functions::call(self, "CEIL", vec![node])
            }
            Sql::Floor { expr, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                let node = self.lower(expr)?;
                functions::call(self, "FLOOR", vec![node])
            }
            Sql::Substring { expr, substring_from, substring_for, .. } => {
                let mut arguments = vec![self.lower(expr)?];
                for part in [substring_from, substring_for].into_iter().flatten() {
                    arguments.push(self.lower(part)?);
                }
                functions::call(self, "SUBSTR", arguments)
            }
            Sql::Trim { expr, trim_where, trim_what, trim_characters } => {
                let mut arguments = vec![self.lower(expr)?];
                if let Some(what) = trim_what {
                    arguments.push(self.lower(what)?);
                }
                if let Some([what]) = trim_characters.as_deref() {
                    arguments.push(self.lower(what)?);
                }
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "LTRIM",
                    Some(TrimWhereField::Trailing) => "RTRIM",
                    Some(TrimWhereField::Both) | None => "TRIM",
                };
                functions::call(self, name, arguments)
            }
            Sql::Function(call) => functions::lower(self, call),
            Sql::Subquery(_) | Sql::Exists { .. } | Sql::InSubquery { .. } => Err(nesting::subquery()),
            Sql::Wildcard(_) | Sql::QualifiedWildcard(..) => Err(not_allowed("`*`")),
            Sql::Interval(_) => Err(SqlRefusal::new("INTERVAL is not allowed in an expression")
                .help("add whole days to a DATE instead: CAST(\"end\" AS DATE) + 1")),
            _ => Err(not_allowed(&format!("`{}`", shorten(&sql.to_string())))),
        }
    }

    fn column(&self, name: &str) -> Lowered {
        match self.columns.iter().position(|(n, _)| n == name) {
            Some(i) => match self.columns[i].1 {
                Some(kind) => Ok(TypedExpr::new(col(internal_name(i)), kind)),
                None => Err(SqlRefusal::new(format!("the type of column `{name}` cannot be used in an expression"))
                    .help("nested and binary columns have to be unpacked in the export")),
            },
            None => {
                let names = || self.columns.iter().map(|(n, _)| n.as_str());
                let meant = nearest(name, names()).map_or(String::new(), |n| format!("; did you mean \"{n}\"?"));
                Err(SqlRefusal::new(format!("there is no column `{name}`{meant}"))
                    .help(format!("the columns are {}; text stands in single quotes: '{name}'", list(names()))))
            }
        }
    }

    fn unary(&mut self, op: &UnaryOperator, sql: &Sql) -> Lowered {
        let node = self.lower(sql)?;
        match op {
            UnaryOperator::Not => Ok(TypedExpr::new(self.condition(node)?.not(), SqlType::Bool)),
            UnaryOperator::Plus if node.kind.is_number() => Ok(node),
            UnaryOperator::Minus if node.kind.is_number() => {
                if let Some(Literal::Number(text)) = &node.literal {
                    let text = text.strip_prefix('-').map_or_else(|| format!("-{text}"), str::to_string);
                    return number(&text);
                }
                let zero = TypedExpr::new(typed_lit(0i64), SqlType::Int { bits: 0 });
                self.binary(zero, &Op::Minus, node)
            }
            UnaryOperator::Plus | UnaryOperator::Minus => {
                Err(SqlRefusal::new(format!("a sign stands before {}, which is no number", node.kind.name())))
            }
            other => Err(not_allowed(&format!("the operator {other}"))),
        }
    }

    pub(super) fn binary(&mut self, left: TypedExpr, op: &Op, right: TypedExpr) -> Lowered {
        match op {
            Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq => {
                let (kind, mut both) = alike(self, &format!("`{op}`"), vec![left, right])?;
                if kind == SqlType::Null {
                    return Ok(TypedExpr::new(literal::null(SqlType::Bool), SqlType::Bool));
                }
                let (Some(r), Some(l)) = (both.pop(), both.pop()) else {
                    return Err(SqlRefusal::new("an operand is missing"));
                };
                let expr = match op {
                    Op::Eq => l.eq(r),
                    Op::NotEq => l.neq(r),
                    Op::Lt => l.lt(r),
                    Op::LtEq => l.lt_eq(r),
                    Op::Gt => l.gt(r),
                    _ => l.gt_eq(r),
                };
                Ok(TypedExpr::new(expr, SqlType::Bool))
            }
            Op::Plus | Op::Minus | Op::Multiply | Op::Divide => operators::arithmetic(self, left, op, right),
            Op::StringConcat => {
                let (left, right) = (self.as_text(left)?, self.as_text(right)?);
                Ok(TypedExpr::new(left + right, SqlType::Text))
            }
            other => Err(not_allowed(&format!("the operator {other}"))
                .help("allowed are + - * / || = <> < <= > >= AND OR NOT, BETWEEN, IN, LIKE, ILIKE and IS NULL")),
        }
    }

    fn is(&mut self, sql: &Sql, value: bool, negated: bool) -> Lowered {
        let node = self.lower(sql)?;
        let is = self.condition(node)?.eq(lit(value)).fill_null(lit(false));
        Ok(boolean(is, negated))
    }

    fn distinct(&mut self, a: &Sql, b: &Sql, distinct: bool) -> Lowered {
        let both = vec![self.lower(a)?, self.lower(b)?];
        let (_, mut both) = alike(self, "IS DISTINCT FROM", both)?;
        let (Some(b), Some(a)) = (both.pop(), both.pop()) else { return Err(SqlRefusal::new("an operand is missing")) };
        Ok(TypedExpr::new(if distinct { a.neq_missing(b) } else { a.eq_missing(b) }, SqlType::Bool))
    }

    fn like(&mut self, sql: &Sql, pattern: &Sql, negated: bool, flags: &str) -> Lowered {
        let value = self.lower(sql)?;
        let pattern = self.lower(pattern)?;
        let Some(pattern) = pattern.text() else {
            return Err(SqlRefusal::new("the pattern after LIKE has to be a text in 'single quotes'"));
        };
        let value = self.text(value, "LIKE")?;
        let mut regex = format!("^{flags}");
        let mut letters = pattern.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '%' => regex.push_str(".*"),
                '_' => regex.push('.'),
                // A backslash takes the next letter as it is, as in PostgreSQL.
                '\\' => regex.push_str(&escape(letters.next().unwrap_or('\\'))),
                other => regex.push_str(&escape(other)),
            }
        }
        regex.push('$');
        Ok(boolean(value.str().contains(typed_lit(regex), true), negated))
    }

    fn cast(&mut self, node: TypedExpr, to: &AstType, strict: bool) -> Lowered {
        let kind = match to {
            AstType::BigInt(_) | AstType::Integer(_) | AstType::Int(_) | AstType::SmallInt(_) | AstType::Int64 => INT,
            AstType::Double(_)
            | AstType::DoublePrecision
            | AstType::Float(ExactNumberInfo::None)
            | AstType::Float64 => SqlType::Float,
            AstType::Decimal(ExactNumberInfo::PrecisionAndScale(p, s))
            | AstType::Numeric(ExactNumberInfo::PrecisionAndScale(p, s))
                if *p <= 38 && *s >= 0 && *s as u64 <= *p =>
            {
                SqlType::Decimal { scale: *s as u8 }
            }
            AstType::Decimal(_) | AstType::Numeric(_) => {
                return Err(SqlRefusal::new(format!("CAST to {to} needs a precision of at most 38 and a scale"))
                    .help("write, for instance, DECIMAL(18, 2)"));
            }
            AstType::Varchar(None) | AstType::Text | AstType::String(None) => SqlType::Text,
            AstType::Date => SqlType::Date,
            AstType::Timestamp(None, TimezoneInfo::None) | AstType::Datetime(None) => SqlType::Timestamp,
            AstType::Boolean | AstType::Bool => SqlType::Bool,
            other => {
                return Err(SqlRefusal::new(format!("CAST to {other} is not allowed in an expression"))
                    .help("the types are BIGINT, DOUBLE, DECIMAL(p, s), VARCHAR, DATE, TIMESTAMP and BOOLEAN"));
            }
        };
        operators::cast(self, node, kind, strict)
    }

    /// The node as a condition.
    pub(super) fn condition(&self, node: TypedExpr) -> Result<Expr, SqlRefusal> {
        match node.kind {
            SqlType::Bool => Ok(node.expr),
            SqlType::Null => Ok(literal::null(SqlType::Bool)),
            other => Err(SqlRefusal::new(format!("a condition is expected where a {} stands", other.name()))
                .help("compare it with something, as in `\"Quantity\" <> 0`")),
        }
    }

    /// The node as text, for the functions of texts.
    pub(super) fn text(&self, node: TypedExpr, of: &str) -> Result<Expr, SqlRefusal> {
        match node.kind {
            SqlType::Text => Ok(node.expr),
            SqlType::Null => Ok(literal::null(SqlType::Text)),
            other => Err(SqlRefusal::new(format!("{of} works on text, not on {}", other.name()))
                .help("CAST(… AS VARCHAR) makes a text of it")),
        }
    }

    /// The node written as text, for concatenation.
    pub(super) fn as_text(&mut self, node: TypedExpr) -> Result<Expr, SqlRefusal> {
        Ok(operators::cast(self, node, SqlType::Text, true)?.expr)
    }
}

fn value_of(value: &ValueWithSpan) -> Lowered {
    match &value.value {
        Value::Number(text, _) => number(text),
        Value::SingleQuotedString(text) => Ok(TypedExpr {
            expr: typed_lit(text.clone()),
            kind: SqlType::Text,
            literal: Some(Literal::Text(text.clone())),
        }),
        Value::Boolean(b) => Ok(TypedExpr::new(lit(*b), SqlType::Bool)),
        Value::Null => Ok(TypedExpr::new(literal::null(SqlType::Null), SqlType::Null)),
        other => Err(not_allowed(&format!("the literal {other}"))),
    }
}

fn field_name(field: &DateTimeField) -> String {
    field.to_string().trim_matches('"').to_ascii_lowercase()
}

/// A condition, or its opposite.
pub(super) fn boolean(expr: Expr, negated: bool) -> TypedExpr {
    TypedExpr::new(if negated { expr.not() } else { expr }, SqlType::Bool)
}

fn escape(letter: char) -> String {
    if letter.is_alphanumeric() || letter.is_whitespace() || !letter.is_ascii() {
        letter.to_string()
    } else {
        format!("\\{letter}")
    }
}

pub(super) fn not_allowed(what: &str) -> SqlRefusal {
    SqlRefusal::new(format!("{what} is not allowed in an expression"))
        .help("an expression makes one value from the columns of one row")
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
