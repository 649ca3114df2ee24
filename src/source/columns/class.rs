//! The classes of columns that mappings tell apart.

use arrow::datatypes::DataType;

/// The class of a column. The files of one source have to agree in it. All numbers agree with one another, because a writer
/// may choose the width of whole numbers file by file, and writes floats where a file has NULLs.
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

    /// Whether one file of a source may have a column of this class where another has one of the other.
    pub fn agrees(&self, other: &Class) -> bool {
        let number = |c: &Class| matches!(c, Class::Integer | Class::Float | Class::Decimal);
        let local = |c: &Class| matches!(c, Class::Date | Class::Naive);
        self == other
            || matches!((self, other), (Class::Null, _) | (_, Class::Null))
            || number(self) && number(other)
            || local(self) && local(other)
    }

    /// The class as a message names it in the middle of a sentence.
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
