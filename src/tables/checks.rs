//! Table `checks`: what a run found out about its own data and figures.

use std::sync::Arc;

use crate::check::Check;
use crate::table::{Table, TableSchema, Type, column};

/// The columns of table `checks`, one row a check and subject.
pub fn schema() -> TableSchema {
    TableSchema {
        name: "checks".into(),
        doc: "What the run found out about its data and its own figures".into(),
        key: 2,
        columns: vec![
            column("check", Type::Text, "what was checked"),
            column("subject", Type::Text, "the table, source, file or column that was checked"),
            column("status", Type::Text, "pass, warn, or fail; a run with a fail is not published"),
            column("expected", Type::Text, "the value that was expected; NULL where the check only counts"),
            column("actual", Type::Text, "the value that was found; NULL where there is nothing to count"),
            column("detail", Type::Text, "what it means, and what to do about it"),
        ],
    }
}

/// Table `checks`, sorted by check and subject. Equal checks become one row; different findings of one check about one
/// subject are numbered: `transactions`, `transactions (2)`.
pub fn table(checks: &[Check]) -> Table {
    let mut rows: Vec<&Check> = checks.iter().collect();
    rows.sort();
    rows.dedup();
    let mut table = Table::empty(Arc::new(schema()), false);
    let mut again = 1;
    for (i, c) in rows.iter().enumerate() {
        let repeated = i > 0 && (&rows[i - 1].check, &rows[i - 1].subject) == (&c.check, &c.subject);
        again = if repeated { again + 1 } else { 1 };
        let subject = if repeated { format!("{} ({again})", c.subject) } else { c.subject.clone() };
        table.push([
            c.check.as_str().into(),
            subject.into(),
            c.status.name().into(),
            c.expected.clone().into(),
            c.actual.clone().into(),
            c.detail.as_str().into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Status;
    use crate::table::Values;

    fn check(check: &str, subject: &str, status: Status) -> Check {
        let (check, subject) = (check.into(), subject.into());
        Check { check, subject, status, expected: None, actual: Some("3".into()), detail: String::new() }
    }

    #[test]
    fn checks_are_sorted_and_said_once() {
        let list = [
            check("freshness", "transactions", Status::Pass),
            check("adds_up", "cohort", Status::Warn),
            check("adds_up", "churn", Status::Pass),
            check("freshness", "transactions", Status::Pass),
            check("freshness", "transactions", Status::Warn),
        ];
        let t = table(&list);
        let Values::Text(subjects) = &t.columns[1] else { panic!("subject is text") };
        let subjects: Vec<_> = subjects.iter().flatten().collect();
        assert_eq!(subjects, ["churn", "cohort", "transactions", "transactions (2)"]);
    }
}
