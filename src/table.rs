//! Result tables: typed columns with their documentation, free of any file format.
//!
//! A [`TableSchema`] is the only definition of a table: `tenure tables`, `explain`, the Parquet column comments and the
//! writer all read it.

use std::ops::Range;
use std::sync::Arc;

use crate::calendar::Day;

/// What a column holds. Every column may be NULL: a figure that cannot be known is NULL, never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// VARCHAR.
    Text,
    /// BIGINT if every source's customer ids are integers, else VARCHAR.
    CustomerId,
    /// BIGINT: a count.
    Int,
    /// DOUBLE: a rate, a mean or a model's figure.
    Double,
    /// DATE.
    Date,
    /// BOOLEAN.
    Bool,
    /// DECIMAL(18, digits) of `money.currency`, from exact minor units.
    Money,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    pub name: String,
    pub kind: Type,
    /// One sentence: what it is, its unit, when it is NULL.
    pub doc: String,
}

/// `column("opening", Type::Int, "customers live just before the period's start")`
pub fn column(name: impl Into<String>, kind: Type, doc: impl Into<String>) -> ColumnSpec {
    ColumnSpec { name: name.into(), kind, doc: doc.into() }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSchema {
    pub name: String,
    pub doc: String,
    /// How many of the first columns are the key, by which rows are sorted and unique.
    pub key: usize,
    pub columns: Vec<ColumnSpec>,
}

impl TableSchema {
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }
}

/// The values of one column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Text(Vec<Option<Arc<str>>>),
    /// A few words repeated: codes into the words.
    Word(Vec<Option<u32>>, Arc<[Arc<str>]>),
    /// BIGINT, and integer customer ids.
    Int(Vec<Option<i64>>),
    Double(Vec<Option<f64>>),
    Date(Vec<Option<Day>>),
    Bool(Vec<Option<bool>>),
    /// Minor units.
    Money(Vec<Option<i128>>),
}

impl Values {
    pub fn len(&self) -> usize {
        match self {
            Values::Text(v) => v.len(),
            Values::Word(v, _) => v.len(),
            Values::Int(v) => v.len(),
            Values::Double(v) => v.len(),
            Values::Date(v) => v.len(),
            Values::Bool(v) => v.len(),
            Values::Money(v) => v.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An empty column of the same type.
    fn empty_like(&self) -> Values {
        match self {
            Values::Text(_) => Values::Text(vec![]),
            Values::Word(_, words) => Values::Word(vec![], words.clone()),
            Values::Int(_) => Values::Int(vec![]),
            Values::Double(_) => Values::Double(vec![]),
            Values::Date(_) => Values::Date(vec![]),
            Values::Bool(_) => Values::Bool(vec![]),
            Values::Money(_) => Values::Money(vec![]),
        }
    }

    /// Appends rows of a column of the same type.
    fn extend_from(&mut self, from: &Values, rows: Range<usize>) {
        match (self, from) {
            (Values::Text(into), Values::Text(from)) => into.extend_from_slice(&from[rows]),
            (Values::Word(into, words), Values::Word(from, others)) if words == others => {
                into.extend_from_slice(&from[rows]);
            }
            (Values::Int(into), Values::Int(from)) => into.extend_from_slice(&from[rows]),
            (Values::Double(into), Values::Double(from)) => into.extend_from_slice(&from[rows]),
            (Values::Date(into), Values::Date(from)) => into.extend_from_slice(&from[rows]),
            (Values::Bool(into), Values::Bool(from)) => into.extend_from_slice(&from[rows]),
            (Values::Money(into), Values::Money(from)) => into.extend_from_slice(&from[rows]),
            (into, from) => panic!("a column of {from:?} cannot be appended to one of {into:?}"),
        }
    }
}

/// A finished table: columns in the schema's order, rows sorted by the key.
#[derive(Clone, Debug)]
pub struct Table {
    pub schema: Arc<TableSchema>,
    pub columns: Vec<Values>,
}

impl Table {
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, Values::len)
    }

    /// The pieces of tables of one schema, one behind the other.
    pub fn gather<'a>(like: &Table, pieces: impl Iterator<Item = (&'a Table, Range<usize>)>) -> Table {
        let mut columns: Vec<Values> = like.columns.iter().map(Values::empty_like).collect();
        for (table, rows) in pieces {
            columns.iter_mut().zip(&table.columns).for_each(|(into, from)| into.extend_from(from, rows.clone()));
        }
        Table { schema: like.schema.clone(), columns }
    }
}

/// One cell on its way into a [`TableBuilder`].
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Null,
    Text(Arc<str>),
    Int(i64),
    Double(f64),
    Date(Day),
    Bool(bool),
    Money(i128),
}

macro_rules! cell_from {
    ($($t:ty => $v:ident($e:expr)),* $(,)?) => {$(
        impl From<$t> for Cell { fn from(x: $t) -> Cell { let f: fn($t) -> _ = $e; Cell::$v(f(x)) } }
        impl From<Option<$t>> for Cell { fn from(x: Option<$t>) -> Cell { x.map_or(Cell::Null, Cell::from) } }
    )*};
}
cell_from!(
    i64 => Int(|x| x), u64 => Int(|x| x as i64), usize => Int(|x| x as i64), f64 => Double(|x| x), Day => Date(|x| x),
    bool => Bool(|x| x), i128 => Money(|x| x), &str => Text(|x| x.into()), String => Text(|x| x.into()), Arc<str> => Text(|x| x),
);

/// Collects rows cell by cell, in the schema's order; a cell of the wrong type is a defect of the stage that wrote it.
#[derive(Debug)]
pub struct TableBuilder {
    schema: Arc<TableSchema>,
    columns: Vec<Values>,
}

impl TableBuilder {
    /// `integer_ids`: customer ids are BIGINT.
    pub fn new(schema: Arc<TableSchema>, integer_ids: bool) -> Self {
        let columns = schema
            .columns
            .iter()
            .map(|c| match c.kind {
                Type::CustomerId if integer_ids => Values::Int(vec![]),
                Type::Text | Type::CustomerId => Values::Text(vec![]),
                Type::Int => Values::Int(vec![]),
                Type::Double => Values::Double(vec![]),
                Type::Date => Values::Date(vec![]),
                Type::Bool => Values::Bool(vec![]),
                Type::Money => Values::Money(vec![]),
            })
            .collect();
        TableBuilder { schema, columns }
    }

    /// Appends a row.
    ///
    /// # Panics
    /// If the row's cells are not those of the schema.
    pub fn push<const N: usize>(&mut self, row: [Cell; N]) {
        self.push_all(row);
    }

    pub fn push_all(&mut self, row: impl IntoIterator<Item = Cell>) {
        let mut filled = 0;
        for (i, cell) in row.into_iter().enumerate() {
            match (&mut self.columns[i], cell) {
                (Values::Text(v), Cell::Text(x)) => v.push(Some(x)),
                (Values::Text(v), Cell::Null) => v.push(None),
                (Values::Int(v), Cell::Int(x)) => v.push(Some(x)),
                (Values::Int(v), Cell::Null) => v.push(None),
                (Values::Double(v), Cell::Double(x)) => v.push(Some(x)),
                (Values::Double(v), Cell::Null) => v.push(None),
                (Values::Date(v), Cell::Date(x)) => v.push(Some(x)),
                (Values::Date(v), Cell::Null) => v.push(None),
                (Values::Bool(v), Cell::Bool(x)) => v.push(Some(x)),
                (Values::Bool(v), Cell::Null) => v.push(None),
                (Values::Money(v), Cell::Money(x)) => v.push(Some(x)),
                (Values::Money(v), Cell::Null) => v.push(None),
                (_, cell) => panic!("{}.{} cannot hold {cell:?}", self.schema.name, self.schema.columns[i].name),
            }
            filled += 1;
        }
        assert_eq!(filled, self.columns.len(), "a row of {} has the wrong number of cells", self.schema.name);
    }

    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, Values::len)
    }

    pub fn finish(self) -> Table {
        Table { schema: self.schema, columns: self.columns }
    }
}
