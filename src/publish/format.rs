//! The column types of result tables in Parquet and in SQL.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::errors::Result;
use parquet::schema::types::{Type as Node, TypePtr};

use crate::money::PRECISION;
use crate::table::{TableSchema, Type};

/// What all tables of a run have in common and a [`TableSchema`] leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFormat {
    /// Minor-unit digits of money: DECIMAL(18, digits).
    pub digits: u8,
    /// Customer ids are BIGINT, else VARCHAR.
    pub integer_ids: bool,
}

impl TableFormat {
    /// The SQL name of a column's type, for people and the manifest.
    pub fn sql_type(&self, kind: Type) -> String {
        match kind {
            Type::Money => format!("DECIMAL({PRECISION},{})", self.digits),
            Type::CustomerId if self.integer_ids => "BIGINT".into(),
            Type::Text | Type::CustomerId => "VARCHAR".into(),
            Type::Int => "BIGINT".into(),
            Type::Double => "DOUBLE".into(),
            Type::Date => "DATE".into(),
            Type::Bool => "BOOLEAN".into(),
        }
    }

    /// The type itself; for customer ids [`Type::Int`] or [`Type::Text`].
    pub(super) fn resolve(&self, kind: Type) -> Type {
        match kind {
            Type::CustomerId if self.integer_ids => Type::Int,
            Type::CustomerId => Type::Text,
            other => other,
        }
    }

    pub(super) fn parquet_schema(&self, schema: &TableSchema) -> Result<TypePtr> {
        let fields = schema.columns.iter().map(|c| self.field(&c.name, c.kind).map(Arc::new));
        Ok(Arc::new(Node::group_type_builder("schema").with_fields(fields.collect::<Result<_>>()?).build()?))
    }

    fn field(&self, name: &str, kind: Type) -> Result<Node> {
        let (scale, precision) = (i32::from(self.digits), i32::from(PRECISION));
        let (physical, logical) = match self.resolve(kind) {
            Type::Text | Type::CustomerId => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Type::Int => (Physical::INT64, None),
            Type::Double => (Physical::DOUBLE, None),
            Type::Date => (Physical::INT32, Some(LogicalType::Date)),
            Type::Bool => (Physical::BOOLEAN, None),
            // DECIMAL(18) is 64 bits in memory as in the file.
            Type::Money => (Physical::INT64, Some(LogicalType::decimal(scale, precision))),
        };
        let field = Node::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical);
        if kind == Type::Money {
            return field.with_precision(precision).with_scale(scale).build();
        }
        field.build()
    }
}
