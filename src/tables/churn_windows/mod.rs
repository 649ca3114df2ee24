//! Table `churn_windows`: what was learned of the gaps between purchases, by frequency class.

use std::sync::Arc;

use crate::check::{Check, Status};
use crate::table::{Table, TableSchema, Type, column};
use crate::timeline::purchase_frequency::{CLASSES, FrequencyClasses};
use crate::timeline::shape::Shape;

pub const DOC: &str = include_str!("definition.md");

pub fn schema() -> TableSchema {
    TableSchema {
        name: "churn_windows".into(),
        doc: "The silence that is churn, learned from the gaps between purchases of customers who buy equally often"
            .into(),
        key: 1,
        columns: vec![
            column("frequency_class", Type::Text, "by quintile of the mean gap; `all` for everybody"),
            column("customers", Type::Int, "customers of the class with activity before the learning ended"),
            column("intervals", Type::Int, "gaps that ended in a purchase"),
            column("censored", Type::Int, "last gaps, which had not ended: one of each customer"),
            column(
                "share_returning",
                Type::Double,
                "share of gaps that end in a purchase, as far as was seen; NULL without one",
            ),
            column("quantile", Type::Double, "share of those that is to have ended within the window"),
            column("window_days", Type::Int, "days of silence after which a customer of the class has churned"),
        ],
    }
}

pub fn table(habits: &FrequencyClasses) -> Table {
    let mut table = Table::empty(Arc::new(schema()), false);
    // In the order of the names: `all` comes between the numbers and the words.
    let mut rows: Vec<_> = CLASSES.into_iter().zip(&habits.classes).chain([("all", &habits.everybody)]).collect();
    rows.sort_by_key(|(name, _)| *name);
    for (name, habit) in rows {
        table.push([
            name.into(),
            habit.customers.into(),
            habit.intervals.into(),
            habit.censored.into(),
            habit.share_returning.into(),
            habits.quantile.into(),
            i64::from(habit.window).into(),
        ]);
    }
    table
}

/// Windows that are long beside what was observed.
pub fn check(habits: &FrequencyClasses, shape: &Shape) -> Check {
    let span = habits.until.0 - shape.observed_from.0;
    let longest = habits.longest();
    let is_long = longest > span / 3;
    let detail = if is_long {
        "the longest learned window is more than a third of what was learned from: longer gaps can hardly be seen, so the \
         window may be too short still; learn from more history, or set customers.churn_after to a number of days"
    } else {
        "the longest learned window, beside a third of what was learned from"
    };
    Check {
        check: "churn_window_long".into(),
        subject: "churn_windows".into(),
        status: if is_long { Status::Warn } else { Status::Pass },
        expected: Some(format!("at most {} days", span / 3)),
        actual: Some(format!("{longest} days")),
        detail: detail.into(),
    }
}
