//! Only columns that something asks for are decoded: the others may hold nonsense.

use std::path::Path;
use std::sync::Arc;

use arrow::array::*;

use crate::config::SourceKind::{self, *};
use crate::config::{Expression, Pipeline};
use crate::source::testing::*;
use crate::source::{Needs, inspect};

/// Columns of the one file of a source without whose pages nothing can be read.
fn decoded(p: &Pipeline, kind: SourceKind, orders: bool) -> Vec<String> {
    decoded_for(p, kind, Needs { orders, ..Needs::default() })
}

fn decoded_for(p: &Pipeline, kind: SourceKind, needs: Needs) -> Vec<String> {
    let inspected = inspect(p, needs).unwrap();
    let file = &inspected.sources[&kind].files[0];
    let whole = std::fs::read(&file.input.path).unwrap();
    let (scan, expected) = deliver(p, &inspected, 10).unwrap();
    let mut needed = vec![];
    for column in file.footer.metadata.metadata().row_group(0).columns() {
        let mut bytes = whole.clone();
        let (start, length) = column.byte_range();
        bytes[start as usize..(start + length) as usize].fill(0xFF);
        std::fs::write(&file.input.path, &bytes).unwrap();
        match deliver(p, &inspect(p, needs).unwrap(), 10) {
            Ok((_, got)) => assert_eq!(got, expected),
            Err(_) => needed.push(column.column_path().string()),
        }
    }
    std::fs::write(&file.input.path, &whole).unwrap();
    needed.sort();
    assert_eq!(scan.columns[&kind], needed, "what is said to be read is what is decoded");
    needed
}

fn texts() -> ArrayRef {
    Arc::new(StringArray::from(vec!["2011-01-01"; 3]))
}

fn numbers() -> ArrayRef {
    Arc::new(Int64Array::from(vec![1; 3]))
}

fn export(base: &Path, name: &str, columns: &[&'static str]) {
    let array = |name: &str| if ["id", "amount", "q"].contains(&name) { numbers() } else { texts() };
    write(&base.join(format!("{name}.parquet")), columns.iter().map(|c| (*c, array(c))).collect(), 10);
}

#[test]
fn of_transactions_what_stages_segments_and_filter_ask_for() {
    let dir = tempfile::tempdir().unwrap();
    export(dir.path(), "tx", &["id", "at", "amount", "order", "what", "land", "q", "unused"]);
    let mut p = pipeline(dir.path());
    let columns = [
        ("customer_id", "id"),
        ("occurred_at", "at"),
        ("amount", "amount"),
        ("order_id", "order"),
        ("product", "what"),
    ];
    add_source(&mut p, Transactions, "tx.parquet", &columns);
    assert_eq!(decoded(&p, Transactions, false), ["amount", "at", "id"]);
    assert_eq!(decoded(&p, Transactions, true), ["amount", "at", "id", "order"]);
    p.customers.activity = Some(Expression { sql: "product <> 'x'".into(), span: 0..1 });
    assert_eq!(decoded(&p, Transactions, false), ["amount", "at", "id", "what"]);
    p.customers.activity = None;
    add_segment(&mut p, Transactions, "land");
    add_filter(&mut p, Transactions, "q + 0 > 0");
    assert_eq!(decoded(&p, Transactions, false), ["amount", "at", "id", "land", "q"]);
    p.segments.clear();
    add_segment(&mut p, Transactions, "product");
    assert_eq!(decoded(&p, Transactions, false), ["amount", "at", "id", "q", "what"]);
}

#[test]
fn of_other_sources_what_every_run_looks_at() {
    let dir = tempfile::tempdir().unwrap();
    export(dir.path(), "subs", &["id", "from", "to", "amount", "plan", "why", "unused"]);
    export(dir.path(), "costs", &["month", "amount", "channel", "unused"]);
    export(dir.path(), "customers", &["id", "since", "channel", "unused"]);
    let mut p = pipeline(dir.path());
    let columns = [
        ("customer_id", "id"),
        ("started_at", "from"),
        ("ended_at", "to"),
        ("amount", "amount"),
        ("plan", "plan"),
        ("cancel_reason", "why"),
    ];
    add_source(&mut p, Subscriptions, "subs.parquet", &columns);
    let columns = [("period_start", "month"), ("amount", "amount"), ("channel", "channel")];
    add_source(&mut p, AcquisitionCosts, "costs.parquet", &columns);
    let columns = [("customer_id", "id"), ("signed_up_at", "since"), ("acquired_by", "channel")];
    add_source(&mut p, Customers, "customers.parquet", &columns);
    assert_eq!(decoded(&p, Subscriptions, false), ["amount", "from", "id", "to"]);
    assert_eq!(decoded(&p, AcquisitionCosts, false), ["amount", "month"]);
    let reasons = Needs { reasons: true, ..Needs::default() };
    assert_eq!(decoded_for(&p, Subscriptions, reasons), ["amount", "from", "id", "to", "why"]);
    let channels = Needs { channels: true, ..Needs::default() };
    assert_eq!(decoded_for(&p, AcquisitionCosts, channels), ["amount", "channel", "month"]);
    // Attributes decide which of two rows of a customer counts.
    assert_eq!(decoded(&p, Customers, false), ["channel", "id", "since"]);
}

/// Traces of customers may be long: where nobody looks at them, not a page of them is read.
#[test]
fn of_use_and_surveys_nothing_unless_somebody_asks() {
    let dir = tempfile::tempdir().unwrap();
    export(dir.path(), "usage", &["id", "at", "q", "feature", "unused"]);
    export(dir.path(), "surveys", &["id", "at", "kind", "q", "why", "unused"]);
    let mut p = pipeline(dir.path());
    let columns = [("customer_id", "id"), ("occurred_at", "at"), ("quantity", "q"), ("feature", "feature")];
    add_source(&mut p, Usage, "usage.parquet", &columns);
    let columns = [("customer_id", "id"), ("answered_at", "at"), ("kind", "kind"), ("score", "q"), ("reason", "why")];
    add_source(&mut p, Surveys, "surveys.parquet", &columns);
    let none: [&str; 0] = [];
    assert_eq!((decoded(&p, Usage, true), decoded(&p, Surveys, true)), (none.map(String::from).into(), vec![]));
    let usage = Needs { usage: true, ..Needs::default() };
    assert_eq!(decoded_for(&p, Usage, usage), ["at", "id", "q"]);
    let surveys = Needs { surveys: true, ..Needs::default() };
    assert_eq!(decoded_for(&p, Surveys, surveys), ["at", "id", "kind", "q"]);
    assert_eq!(decoded_for(&p, Surveys, Needs { reasons: true, ..surveys }), ["at", "id", "kind", "q", "why"]);
    assert_eq!(decoded_for(&p, Surveys, usage), none);
    p.sources.get_mut(&Surveys).unwrap().freshness = Some(5);
    assert_eq!(decoded_for(&p, Surveys, usage), ["at", "id", "kind"]);
    add_segment(&mut p, Usage, "feature");
    assert_eq!(decoded(&p, Usage, false), ["at", "feature", "id"]);
}
