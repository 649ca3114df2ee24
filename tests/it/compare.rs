//! What a table should hold, and how it differs from what it does hold.

use std::collections::BTreeMap;
use std::fmt;

use crate::cells::{Table, Value};
use crate::days::{Day, half_even, show};

/// An expected cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Want {
    Null,
    Int(i64),
    Text(String),
    Date(Day),
    Bool(bool),
    /// Minor units, exactly.
    Money(i128),
    /// A DOUBLE, to nine digits.
    Rate(f64),
    /// A DOUBLE, to twelve digits.
    Figure(f64),
    /// Money divided by a count: to the minor unit, half-even, in a DECIMAL column; to nine digits in a DOUBLE one.
    PerHead {
        cents: i128,
        heads: i128,
    },
    /// A published figure: within the tolerance.
    About(f64, f64),
}

impl Want {
    pub fn matches(&self, value: &Value) -> bool {
        let near = |x: f64, y: f64| (x - y).abs() <= 1e-9 * x.abs().max(y.abs()).max(1e-3);
        match (self, value) {
            (Want::Null, Value::Null) => true,
            (Want::Int(a), Value::Int(b)) => a == b,
            (Want::Text(a), Value::Text(b)) => a == b,
            (Want::Date(a), Value::Date(b)) => a == b,
            (Want::Bool(a), Value::Bool(b)) => a == b,
            (Want::Money(a), Value::Money(b)) => a == b,
            (Want::Rate(a), Value::Float(b)) => near(*a, *b),
            (Want::Figure(a), Value::Float(b)) => (a - b).abs() <= 1e-12 * a.abs().max(b.abs()),
            (Want::PerHead { cents, heads }, Value::Money(b)) => half_even(*cents, *heads) == *b,
            (Want::PerHead { cents, heads }, Value::Float(b)) => near(*cents as f64 / *heads as f64 / 100.0, *b),
            (Want::About(a, tolerance), Value::Float(b)) => (a - b).abs() <= *tolerance,
            (Want::About(a, tolerance), Value::Money(b)) => (a - *b as f64 / 100.0).abs() <= *tolerance,
            _ => false,
        }
    }

    /// The cell that would satisfy it best.
    pub fn value(&self) -> Value {
        match self {
            Want::Null => Value::Null,
            Want::Int(n) => Value::Int(*n),
            Want::Text(t) => Value::Text(t.clone()),
            Want::Date(d) => Value::Date(*d),
            Want::Bool(b) => Value::Bool(*b),
            Want::Money(m) => Value::Money(*m),
            Want::Rate(x) | Want::Figure(x) | Want::About(x, _) => Value::Float(*x),
            Want::PerHead { cents, heads } => Value::Money(half_even(*cents, *heads)),
        }
    }

    /// Says nothing: no count, no money.
    fn is_nothing(&self) -> bool {
        matches!(self, Want::Null | Want::Int(0) | Want::Money(0) | Want::Text(_) | Want::Bool(_) | Want::Date(_))
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Want::Null => f.write_str("NULL"),
            Want::Int(n) => write!(f, "{n}"),
            Want::Text(t) => f.write_str(t),
            Want::Date(d) => f.write_str(&show(*d)),
            Want::Bool(b) => write!(f, "{b}"),
            Want::Money(m) => write!(f, "{}", Value::Money(*m)),
            Want::Rate(x) | Want::Figure(x) => write!(f, "{x}"),
            Want::PerHead { cents, heads } => write!(f, "{} / {heads}", Value::Money(*cents)),
            Want::About(x, tolerance) => write!(f, "{x} ± {tolerance}"),
        }
    }
}

/// A rate; NULL over nothing.
pub fn rate(numerator: i128, denominator: i128) -> Want {
    if denominator == 0 { Want::Null } else { Want::Rate(numerator as f64 / denominator as f64) }
}

/// `"12.34"` as money.
pub fn money(text: &str) -> Want {
    let digits: String = text.chars().filter(|c| *c != '.').collect();
    Want::Money(digits.parse().expect("an amount with two decimals"))
}

/// An expected row: the columns of the key, then the others.
#[derive(Clone, Debug)]
pub struct WantRow {
    pub key: Vec<(&'static str, Want)>,
    pub cells: Vec<(&'static str, Want)>,
    /// A table may leave it out: a cell in the future, or a segment's row in which nothing happens.
    pub optional: bool,
}

impl WantRow {
    pub fn new(key: Vec<(&'static str, Want)>, cells: Vec<(&'static str, Want)>) -> WantRow {
        WantRow { key, cells, optional: false }
    }

    pub fn is_nothing(&self) -> bool {
        self.cells.iter().all(|(_, want)| want.is_nothing())
    }

    pub fn get(&self, column: &str) -> Option<&Want> {
        self.key.iter().chain(&self.cells).find(|(c, _)| *c == column).map(|(_, want)| want)
    }
}

/// Every difference between a table and its expectation, one line each.
pub fn differences(want: &[WantRow], got: &Table) -> Vec<String> {
    let mut found = vec![];
    let Some(first) = want.first() else { return found };
    let mut rows = BTreeMap::new();
    for row in &got.rows {
        let key: Vec<String> = first.key.iter().map(|(c, _)| got.cell(row, c).to_string()).collect();
        if rows.insert(key.clone(), row).is_some() {
            found.push(format!("{}: two rows {key:?}", got.name));
        }
    }
    for expected in want {
        let key: Vec<String> = expected.key.iter().map(|(_, want)| want.to_string()).collect();
        let Some(row) = rows.remove(&key) else {
            if !expected.optional {
                found.push(format!("{}: no row {key:?}", got.name));
            }
            continue;
        };
        for (column, want) in &expected.cells {
            match row.get(*column) {
                None => found.push(format!("{}: no column {column}", got.name)),
                Some(value) if !want.matches(value) => {
                    found.push(format!("{} {key:?} {column}: expected {want}, found {value} ({value:?})", got.name));
                }
                Some(_) => {}
            }
        }
    }
    // A row that nobody asked for may only be one that says nothing.
    for (key, row) in rows {
        let silent = row.get("maturity") == Some(&Value::Text("not_observable".to_string()))
            || row.get("cohort_size") == Some(&Value::Int(0));
        if !silent {
            found.push(format!("{}: row {key:?} should not be there", got.name));
        }
    }
    found
}

#[test]
fn a_comparison_sees_what_is_wrong_missing_and_too_much() {
    let row = |name: &str, n: i64| {
        BTreeMap::from([("name".to_string(), Value::Text(name.into())), ("n".to_string(), Value::Int(n))])
    };
    let got = Table { name: "t".into(), rows: vec![row("a", 1), row("b", 2), row("d", 0)] };
    let want = |name: &str, n: i64| WantRow::new(vec![("name", Want::Text(name.into()))], vec![("n", Want::Int(n))]);
    assert_eq!(differences(&[want("a", 1), want("b", 2), want("d", 0)], &got), Vec::<String>::new());
    let found = differences(&[want("a", 1), want("b", 3), want("c", 4)], &got).join("\n");
    assert!(found.contains("[\"b\"] n: expected 3, found 2"), "{found}");
    assert!(found.contains("no row [\"c\"]") && found.contains("row [\"d\"] should not be there"), "{found}");
    assert!(Want::PerHead { cents: 5, heads: 2 }.matches(&Value::Money(2)));
    assert!(
        !Want::Figure(0.1).matches(&Value::Float(0.100_000_000_001)) && Want::Figure(0.0).matches(&Value::Float(0.0))
    );
    assert!(!Want::Rate(0.1).matches(&Value::Float(0.100_000_01)) && !Want::Null.matches(&Value::Int(0)));
}
