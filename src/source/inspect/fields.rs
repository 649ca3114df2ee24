//! The canonical columns of each source and what may be mapped to them.

use crate::config::{Mapping, Pipeline, SourceKind, SourceSettings};
use crate::error::Error;
use crate::source::columns::{Class, times};
use crate::source::expression::Type;

use crate::rows::Needs;

/// What a canonical column is used as, which decides what types it accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    CustomerId,
    Time(times::Role),
    Amount,
    /// How much, in points or in whatever is counted.
    Number,
    /// One of a few words that the program knows.
    Word,
    /// An id that is compared and never printed.
    Opaque,
    Interval,
    Currency,
    /// A value that is printed: an attribute, a reason, a product.
    Label,
}

/// A canonical column that the pipeline file maps, or a column of the export that a segment names.
#[derive(Clone, Debug)]
pub struct Field {
    /// The canonical name, or the export's own where a segment names it.
    pub name: String,
    pub mapping: Mapping,
    /// Place in the pipeline file.
    pub span: std::ops::Range<usize>,
    pub role: Role,
    /// Index into `Pipeline::segments` if the field is there for a segment.
    pub segment: Option<usize>,
    /// Whether the run reads it; what is not read is checked all the same.
    pub read: bool,
    /// The export's column or the expression as the file has it, as it stands in the quarantine.
    pub label: std::sync::Arc<str>,
}

/// Traces of customers are read where a stage looks at them, a segment is of them, or their age is to be judged.
fn is_asked_for(pipeline: &Pipeline, source: &SourceSettings, needs: Needs) -> bool {
    let beside = || source.freshness.is_some() || pipeline.segments.iter().any(|s| s.column_of(source.kind).is_some());
    match source.kind {
        SourceKind::Usage => needs.usage || beside(),
        SourceKind::Surveys => needs.surveys || beside(),
        // Rates are of use where anything may need them.
        SourceKind::ExchangeRates => {
            let of_money = [SourceKind::Transactions, SourceKind::Subscriptions];
            let names_currency = |kind| pipeline.sources.get(kind).is_some_and(|s| s.columns.contains_key("currency"));
            beside() || of_money.iter().any(names_currency)
        }
        _ => true,
    }
}

/// The fields of a source: its mapped columns in order of name, then its segments.
pub fn of(pipeline: &Pipeline, source: &SourceSettings, needs: Needs, activity: &[String]) -> Vec<Field> {
    let label = |m: &Mapping| match m {
        Mapping::Column(text) | Mapping::Sql(text) => text.written().into(),
    };
    let mut fields: Vec<Field> = source
        .columns
        .iter()
        .map(|(name, mapping)| {
            let role = role(source.kind, name);
            let read = is_asked_for(pipeline, source, needs)
                && match (source.kind, name.as_str()) {
                    (SourceKind::Transactions, "order_id") => needs.orders,
                    (SourceKind::Usage, "quantity") => needs.usage,
                    (SourceKind::Surveys, "score") => needs.surveys,
                    (SourceKind::Surveys, "reason") => needs.surveys && needs.reasons,
                    (SourceKind::Subscriptions, "cancel_reason" | "cancel_kind") => needs.reasons,
                    (SourceKind::AcquisitionCosts, "channel") => needs.channels,
                    // Of two rows of a customer the attributes decide which counts; elsewhere only segments look at them.
                    (kind, _) => role != Role::Label || kind == SourceKind::Customers,
                };
            Field {
                name: name.clone(),
                mapping: mapping.value.clone(),
                span: mapping.span.clone(),
                role,
                segment: None,
                read: read || (source.kind == SourceKind::Transactions && activity.contains(name)),
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
            role: Role::Label,
            segment: Some(index),
            read: true,
        });
    }
    fields
}

fn role(kind: SourceKind, name: &str) -> Role {
    use times::Role::*;
    match (kind, name) {
        (_, "customer_id") => Role::CustomerId,
        (SourceKind::Customers, "signed_up_at") => Role::Time(Maybe),
        (SourceKind::Customers, _) => Role::Label,
        (_, "occurred_at" | "answered_at" | "started_at" | "period_start") => Role::Time(When),
        (_, "ended_at" | "cancelled_at" | "paused_from" | "paused_until") => Role::Time(EndOrNever),
        (_, "trial_ends_at" | "paid_until" | "past_due_since") => Role::Time(EndOrFar),
        (SourceKind::ExchangeRates, "date") => Role::Time(When),
        (SourceKind::ExchangeRates, "rate") => Role::Number,
        (_, "amount") => Role::Amount,
        (SourceKind::Usage, "quantity") | (SourceKind::Surveys, "score") => Role::Number,
        (SourceKind::Surveys, "kind") | (SourceKind::Subscriptions, "cancel_kind") => Role::Word,
        (_, "order_id" | "subscription_id") => Role::Opaque,
        (_, "interval") => Role::Interval,
        (_, "currency") => Role::Currency,
        _ => Role::Label,
    }
}

/// The class of what an expression gives.
pub fn class_of(kind: Type) -> Class {
    match kind {
        Type::Null => Class::Null,
        Type::Bool => Class::Bool,
        Type::Int { .. } => Class::Integer,
        Type::Decimal { .. } => Class::Decimal,
        Type::Float => Class::Float,
        Type::Text => Class::Text,
        Type::Date => Class::Date,
        Type::Timestamp => Class::Naive,
        Type::Instant => Class::Zoned,
    }
}

impl Field {
    /// Whether values of this class can be used for the field.
    ///
    /// # Errors
    /// A sentence with a remedy; its place is the caller's.
    pub fn accepts(&self, class: &Class, source: SourceKind) -> Result<(), Error> {
        use Class::*;
        let (fits, wants) = match self.role {
            Role::CustomerId | Role::Opaque => (matches!(class, Integer | Text | Null), "text or whole numbers"),
            Role::Time(_) => {
                (matches!(class, Date | Naive | Zoned | Text | Null), "dates, timestamps or ISO 8601 text")
            }
            Role::Amount | Role::Number => (matches!(class, Integer | Decimal | Float | Text | Null), "numbers"),
            Role::Interval => (matches!(class, Text | Null), "text such as `month` or `3 months`"),
            Role::Word => (matches!(class, Text | Null), "one of a few words as text"),
            Role::Currency => (matches!(class, Text | Null), "text such as `GBP`"),
            Role::Label => (matches!(class, Bool | Integer | Decimal | Float | Text | Date | Null), "a value to print"),
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
        let help = match (self.role, class) {
            (Role::CustomerId | Role::Opaque, Float | Decimal) => {
                format!(
                    "an id that became a number with decimals is turned back by {}",
                    sql(format!("CAST({column} AS BIGINT)"))
                )
            }
            (Role::Time(_), Integer | Decimal | Float) => format!(
                "seconds since 1970 are turned into times by {}, milliseconds by {}",
                sql(format!("TO_TIMESTAMP({column})")),
                sql(format!("TO_TIMESTAMP({column} / 1000)"))
            ),
            (Role::Interval, Integer) => {
                format!("a number of months is written {name} = {{ sql = \"CAST({column} AS VARCHAR) || ' months'\" }}")
            }
            (Role::Label, Naive | Zoned) => format!("the day of it is {}", sql(format!("CAST({column} AS DATE)"))),
            (_, Other) => "unpack the column in the export".to_string(),
            _ => format!("map another column to {name}, or an expression: {}", sql("…".to_string())),
        };
        Err(Error::pipeline(format!("{}.{name} wants {wants}, and {origin} holds {}", source.name(), class.name()))
            .help(help))
    }
}
