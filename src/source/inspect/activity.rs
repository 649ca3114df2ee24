//! `customers.activity`: the condition, over canonical columns, under which a transaction makes a customer live.

use jiff::tz::TimeZone;

use super::fields::Field;
use crate::config::Pipeline;
use crate::error::Error;
use crate::source::columns::Class;
use crate::source::columns::ids::IdKind;
use crate::source::expression::{Compiled, ParsedSql, SqlType};
use crate::source_kind::ColumnKind;

/// Which transactions make a customer live.
#[derive(Clone, Debug)]
pub enum Activity {
    /// `amount > 0`, the default.
    Positive,
    /// `TRUE`: every row.
    Every,
    /// Any other condition, with the canonical columns that it names in order.
    Sql(Box<Compiled>, Vec<ActivityInput>),
}

/// A canonical column as the condition is given it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityInput {
    /// A decimal number of major units.
    Amount,
    /// The local date, where the export has dates.
    Date,
    /// The local wall-clock time, where the export has times.
    Timestamp,
    /// As read from the export: index into the fields.
    Field(usize),
}

/// The canonical columns that the condition names; none if it cannot be parsed, which [`compile`] reports.
pub(super) fn names(pipeline: &Pipeline) -> Vec<String> {
    let parsed = pipeline.customers.activity.as_ref().and_then(|a| ParsedSql::new(&a.sql).ok());
    parsed.map_or(vec![], |p| p.columns().map(str::to_string).collect())
}

/// Compiles the condition. `classes`: what each field holds; `ids`: the type of customer ids.
///
/// # Errors
/// Pipeline: it cannot be parsed, names an unknown column, or is no condition.
pub(super) fn compile(
    pipeline: &Pipeline,
    fields: &[Field],
    classes: &[Option<Class>],
    ids: Option<IdKind>,
) -> Result<Activity, Error> {
    let Some(activity) = &pipeline.customers.activity else { return Ok(Activity::Positive) };
    match activity.sql.value().to_ascii_lowercase().split_whitespace().collect::<String>().as_str() {
        "amount>0" => return Ok(Activity::Positive),
        "true" => return Ok(Activity::Every),
        _ => {}
    }
    let place = |e: Error| e.at(&pipeline.file, Some(activity.span.clone()));
    let refused = |r: crate::source::expression::SqlRefusal| {
        let e = Error::pipeline(format!("customers.activity: {}", r.what));
        place(if let Some(help) = r.help { e.help(help) } else { e })
    };
    let parsed = ParsedSql::new(&activity.sql).map_err(refused)?;
    let mut available = vec![];
    let mut columns = vec![];
    for (index, field) in fields.iter().enumerate().filter(|(_, f)| f.segment.is_none()) {
        let class = classes.get(index).cloned().flatten().unwrap_or(Class::Null);
        let (kind, canonical) = match field.kind {
            ColumnKind::Amount => (SqlType::Decimal { scale: pipeline.money.digits }, ActivityInput::Amount),
            ColumnKind::Time(_) if class == Class::Date => (SqlType::Date, ActivityInput::Date),
            ColumnKind::Time(_) => (SqlType::Timestamp, ActivityInput::Timestamp),
            ColumnKind::CustomerId if ids == Some(IdKind::Integer) => (whole(), ActivityInput::Field(index)),
            ColumnKind::Opaque | ColumnKind::Label => match class {
                Class::Integer => (whole(), ActivityInput::Field(index)),
                Class::Bool => (SqlType::Bool, ActivityInput::Field(index)),
                Class::Float => (SqlType::Float, ActivityInput::Field(index)),
                Class::Date => (SqlType::Date, ActivityInput::Field(index)),
                Class::Text | Class::Null => (SqlType::Text, ActivityInput::Field(index)),
                _ => continue,
            },
            _ => (SqlType::Text, ActivityInput::Field(index)),
        };
        available.push((field.name.clone(), Some(kind)));
        columns.push(canonical);
    }
    let compiled = Compiled::new(&parsed, &available, &TimeZone::UTC).map_err(refused)?;
    if !matches!(compiled.kind(), SqlType::Bool | SqlType::Null) {
        let what = format!("customers.activity is a {}, not a condition", compiled.kind().name());
        return Err(place(Error::pipeline(what).help("write a comparison, such as `amount > 0`")));
    }
    let named = available.iter().zip(columns).filter(|((name, _), _)| parsed.columns().any(|c| c == name));
    let inputs = named.map(|(_, canonical)| canonical).collect();
    Ok(Activity::Sql(Box::new(compiled), inputs))
}

fn whole() -> SqlType {
    SqlType::Int { bits: 63 }
}
