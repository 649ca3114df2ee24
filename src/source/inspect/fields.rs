//! The fields of a source: the columns that the pipeline file maps, and the types that may be mapped to them.

use crate::config::{Mapping, Pipeline, SourceKind, SourceSettings};
use crate::error::Error;
use crate::source::columns::Class;
use crate::source::expression::SqlType;
use crate::source_kind::{self, ColumnKind, Needs};

/// A canonical column that the pipeline file maps, or a column of the export that a segment names.
#[derive(Clone, Debug)]
pub struct Field {
    /// The canonical name, or the export's own where a segment names it.
    pub name: String,
    pub mapping: Mapping,
    /// Place in the pipeline file.
    pub span: std::ops::Range<usize>,
    pub kind: ColumnKind,
    /// Index into `Pipeline::segments` if the field holds the values of a segment.
    pub segment: Option<usize>,
    /// True if the run reads it. A field that is not read is checked all the same.
    pub read: bool,
    /// The export's column or the expression as the pipeline file has it: the quarantine shows it.
    pub label: std::sync::Arc<str>,
}

/// True if the run reads the source: usage and surveys where a stage needs them, a segment is on them or their freshness is
/// checked; rates where an amount may have to be converted; every other source always.
fn is_source_read(pipeline: &Pipeline, source: &SourceSettings, needs: Needs) -> bool {
    let beside = || source.freshness.is_some() || pipeline.segments.iter().any(|s| s.column_of(source.kind).is_some());
    match source.kind {
        SourceKind::Usage => needs.usage || beside(),
        SourceKind::Surveys => needs.surveys || beside(),
        SourceKind::ExchangeRates => {
            let of_money = [SourceKind::Transactions, SourceKind::Subscriptions];
            let names_currency = |kind| pipeline.sources.get(kind).is_some_and(|s| s.columns.contains_key("currency"));
            beside() || of_money.iter().any(names_currency)
        }
        _ => true,
    }
}

/// The fields of a source: its mapped columns in order of name, then its segments.
pub(super) fn of(pipeline: &Pipeline, source: &SourceSettings, needs: Needs, activity: &[String]) -> Vec<Field> {
    let label = |m: &Mapping| match m {
        Mapping::Column(text) | Mapping::Sql(text) => text.written().into(),
    };
    let is_source_read = is_source_read(pipeline, source, needs);
    let mut fields: Vec<Field> = source
        .columns
        .iter()
        .map(|(name, mapping)| {
            // A name that is not canonical is an attribute of customers, and is read like their other columns.
            let column = source_kind::column(source.kind, name);
            let is_needed = is_source_read && column.is_none_or(|column| column.is_read_for(needs));
            Field {
                name: name.clone(),
                mapping: mapping.value.clone(),
                span: mapping.span.clone(),
                kind: column.map_or(ColumnKind::Label, |column| column.kind),
                segment: None,
                read: is_needed || (source.kind == SourceKind::Transactions && activity.contains(name)),
                label: label(&mapping.value),
            }
        })
        .collect();
    for (index, segment) in pipeline.segments.iter().enumerate() {
        let Some(column) = segment.column_of(source.kind) else { continue };
        let mapped = source.columns.get(column.value());
        let mapping = mapped.map_or_else(|| Mapping::Column(column.into()), |m| m.value.clone());
        fields.push(Field {
            name: column.to_string(),
            label: label(&mapping),
            mapping,
            span: segment.span.clone(),
            kind: ColumnKind::Label,
            segment: Some(index),
            read: true,
        });
    }
    fields
}

/// The class of what an expression gives.
pub(super) fn class_of(kind: SqlType) -> Class {
    match kind {
        SqlType::Null => Class::Null,
        SqlType::Bool => Class::Bool,
        SqlType::Int { .. } => Class::Integer,
        SqlType::Decimal { .. } => Class::Decimal,
        SqlType::Float => Class::Float,
        SqlType::Text => Class::Text,
        SqlType::Date => Class::Date,
        SqlType::Timestamp => Class::Naive,
        SqlType::Instant => Class::Zoned,
    }
}

impl Field {
    /// Makes sure that values of this class can be used for the field.
    ///
    /// # Errors
    /// Pipeline: they cannot; with a remedy and without a place, which the caller adds.
    pub fn accepts(&self, class: &Class, source: SourceKind) -> Result<(), Error> {
        use Class::*;
        let fits = match self.kind {
            ColumnKind::CustomerId | ColumnKind::Opaque => matches!(class, Integer | Text | Null),
            ColumnKind::Time(_) => matches!(class, Date | Naive | Zoned | Text | Null),
            ColumnKind::Amount | ColumnKind::Number => matches!(class, Integer | Decimal | Float | Text | Null),
            ColumnKind::Interval | ColumnKind::Word | ColumnKind::Currency => matches!(class, Text | Null),
            ColumnKind::Label => matches!(class, Bool | Integer | Decimal | Float | Text | Date | Null),
        };
        if fits {
            return Ok(());
        }
        let (origin, column) = match &self.mapping {
            Mapping::Column(name) => (format!("column `{name}`"), format!("\"{name}\"")),
            Mapping::Sql(sql) => (format!("`{sql}`"), format!("({sql})")),
        };
        let name = &self.name;
        let sql = |sql: String| format!("{name} = {{ sql = '{sql}' }}");
        let help = match (self.kind, class) {
            (ColumnKind::CustomerId | ColumnKind::Opaque, Float | Decimal) => {
                format!(
                    "an id that became a number with decimals is turned back by {}",
                    sql(format!("CAST({column} AS BIGINT)"))
                )
            }
            (ColumnKind::Time(_), Integer | Decimal | Float) => format!(
                "seconds since 1970 are turned into times by {}, milliseconds by {}",
                sql(format!("TO_TIMESTAMP({column})")),
                sql(format!("TO_TIMESTAMP({column} / 1000)"))
            ),
            (ColumnKind::Interval, Integer) => {
                format!("a number of months is written {name} = {{ sql = \"CAST({column} AS VARCHAR) || ' months'\" }}")
            }
            (ColumnKind::Label, Naive | Zoned) => {
                format!("the day of it is {}", sql(format!("CAST({column} AS DATE)")))
            }
            (_, Other) => "unpack the column in the export".to_string(),
            _ => format!("map another column to {name}, or an expression: {}", sql("…".to_string())),
        };
        let takes = self.kind.takes();
        Err(Error::pipeline(format!("{}.{name} takes {takes}, and {origin} holds {}", source.name(), class.name()))
            .help(help))
    }
}
