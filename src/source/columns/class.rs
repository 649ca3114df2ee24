//! What kind of column an export offers, as far as a mapping cares.

use arrow::datatypes::DataType;

/// The kinds of columns. Files of one source have to agree in them; all numbers are alike, because a writer may choose
/// the width of whole numbers by file, and turns them into floats where a file has NULLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// A column without any value.
    Null,
    Bool,
    Integer,
    Float,
    Decimal,
    Text,
    Date,
    /// Timestamps without a zone.
    Naive,
    /// Timestamps that are instants.
    Zoned,
    /// Nested, binary and other columns that no mapping can use.
    Other,
}

impl Class {
    pub fn of(kind: &DataType) -> Class {
        match kind {
            DataType::Null => Class::Null,
            DataType::Boolean => Class::Bool,
            k if k.is_integer() => Class::Integer,
            DataType::Float32 | DataType::Float64 => Class::Float,
            DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
                Class::Decimal
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Class::Text,
            DataType::Date32 | DataType::Date64 => Class::Date,
            DataType::Timestamp(_, None) => Class::Naive,
            DataType::Timestamp(_, Some(_)) => Class::Zoned,
            _ => Class::Other,
        }
    }

    /// Whether two files may differ in this way.
    pub fn agrees(&self, other: &Class) -> bool {
        let number = |c: &Class| matches!(c, Class::Integer | Class::Float | Class::Decimal);
        let local = |c: &Class| matches!(c, Class::Date | Class::Naive);
        self == other
            || matches!((self, other), (Class::Null, _) | (_, Class::Null))
            || number(self) && number(other)
            || local(self) && local(other)
    }

    /// In the middle of a sentence.
    pub fn name(&self) -> &'static str {
        match self {
            Class::Null => "without values",
            Class::Bool => "boolean",
            Class::Integer => "whole numbers",
            Class::Float => "floating-point numbers",
            Class::Decimal => "decimal numbers",
            Class::Text => "text",
            Class::Date => "dates",
            Class::Naive => "timestamps without a zone",
            Class::Zoned => "timestamps with a zone",
            Class::Other => "nested or binary values",
        }
    }
}
