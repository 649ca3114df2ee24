//! Result tables: typed columns with their documentation, independent of any file format.
//!
//! A [`TableSchema`] is the only definition of a table: `tenure tables`, `explain`, the Parquet column comments and the
//! writer all read it. [`Table::to_polars`] gives a table as a Polars data frame.
//!
//! ```
//! use std::sync::Arc;
//! use tenure::calendar::Day;
//! use tenure::table::{Cell, Table, TableSchema, Type, Values, column};
//!
//! let schema = TableSchema {
//!     name: "churn".into(),
//!     doc: "One row a month".into(),
//!     key: 1, // rows are sorted and unique by the first column
//!     columns: vec![
//!         column("month", Type::Date, "first day of the month"),
//!         column("lost", Type::Int, "customers who left in it"),
//!         column("mrr_lost", Type::Money, "their monthly recurring revenue; NULL without subscriptions"),
//!     ],
//! };
//! let mut table = Table::empty(Arc::new(schema), false);
//! table.push([Day::parse("2024-02-01").unwrap().into(), 3i64.into(), Cell::Money(12_900)]);
//! table.push([Day::parse("2024-01-01").unwrap().into(), 5i64.into(), Cell::Null]);
//!
//! assert_eq!(table.rows(), 2);
//! assert_eq!(table.sorted().columns[1], Values::Int(vec![Some(5), Some(3)]));
//! ```

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

mod data_frame;
mod texts;

pub use texts::TextColumn;

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

/// The name, type and documentation of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    pub name: String,
    pub kind: Type,
    /// One sentence: what it is, its unit, when it is NULL.
    pub doc: String,
    /// Hardly any value occurs twice: a file is written faster without a dictionary of this column.
    pub distinct: bool,
}

impl ColumnSpec {
    /// Sets [`ColumnSpec::distinct`].
    pub fn distinct(self) -> ColumnSpec {
        ColumnSpec { distinct: true, ..self }
    }
}

/// A column's specification, as in `column("opening", Type::Int, "customers live just before the period's start")`.
pub fn column(name: impl Into<String>, kind: Type, doc: impl Into<String>) -> ColumnSpec {
    ColumnSpec { name: name.into(), kind, doc: doc.into(), distinct: false }
}

/// The name, key, columns and documentation of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSchema {
    pub name: String,
    /// One sentence: what a row is.
    pub doc: String,
    /// How many of the first columns are the key, by which rows are sorted and unique.
    pub key: usize,
    pub columns: Vec<ColumnSpec>,
}

impl TableSchema {
    /// The number of the column called `name`, from 0.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }
}

/// The values of one column, one a row; `None` is NULL.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Text(TextColumn),
    /// BIGINT, and integer customer ids.
    Int(Vec<Option<i64>>),
    Double(Vec<Option<f64>>),
    Date(Vec<Option<Day>>),
    Bool(Vec<Option<bool>>),
    /// Minor units (cents). A sum that does not fit is `i64::MIN` or `i64::MAX`, beyond DECIMAL(18): publishing refuses it.
    Money(Vec<Option<i64>>),
}

impl Values {
    pub fn len(&self) -> usize {
        match self {
            Values::Text(v) => v.len(),
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

    /// Appends values of the same type.
    ///
    /// # Panics
    /// If they are of another type, which tables of one schema never have.
    fn append(&mut self, other: Values) {
        match (self, other) {
            (Values::Text(v), Values::Text(w)) => v.append(&w),
            (Values::Int(v), Values::Int(mut w)) => v.append(&mut w),
            (Values::Double(v), Values::Double(mut w)) => v.append(&mut w),
            (Values::Date(v), Values::Date(mut w)) => v.append(&mut w),
            (Values::Bool(v), Values::Bool(mut w)) => v.append(&mut w),
            (Values::Money(v), Values::Money(mut w)) => v.append(&mut w),
            (into, from) => panic!("{from:?} cannot follow {into:?}"),
        }
    }

    /// The cells of the given rows, in that order.
    pub fn pick(&self, rows: &[usize]) -> Values {
        fn picked<T: Copy>(cells: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|row| cells[*row]).collect()
        }
        match self {
            Values::Text(v) => Values::Text(rows.iter().map(|row| v.get(*row)).collect()),
            Values::Int(v) => Values::Int(picked(v, rows)),
            Values::Double(v) => Values::Double(picked(v, rows)),
            Values::Date(v) => Values::Date(picked(v, rows)),
            Values::Bool(v) => Values::Bool(picked(v, rows)),
            Values::Money(v) => Values::Money(picked(v, rows)),
        }
    }

    /// Compares a cell with one of another column of the same type; NULL comes last.
    fn compare(&self, row: usize, other: &Values, other_row: usize) -> Ordering {
        fn nulls_last<T: Copy>(a: Option<T>, b: Option<T>, compare: impl Fn(&T, &T) -> Ordering) -> Ordering {
            match (a, b) {
                (Some(a), Some(b)) => compare(&a, &b),
                _ => a.is_none().cmp(&b.is_none()),
            }
        }
        // Tallies write a missing date as `NEVER`; in a table it is NULL.
        let known = |day: Option<Day>| day.filter(|day| *day != Day::NEVER);
        match (self, other) {
            (Values::Text(v), Values::Text(w)) => v.compare(row, w, other_row),
            (Values::Int(v), Values::Int(w)) => nulls_last(v[row], w[other_row], Ord::cmp),
            (Values::Double(v), Values::Double(w)) => nulls_last(v[row], w[other_row], f64::total_cmp),
            (Values::Date(v), Values::Date(w)) => nulls_last(known(v[row]), known(w[other_row]), Ord::cmp),
            (Values::Bool(v), Values::Bool(w)) => nulls_last(v[row], w[other_row], Ord::cmp),
            (Values::Money(v), Values::Money(w)) => nulls_last(v[row], w[other_row], Ord::cmp),
            (a, b) => panic!("{a:?} cannot be compared with {b:?}"),
        }
    }

    /// Compares a row of `columns` with a row of `others`, column by column; both have the same types.
    pub fn compare_rows(columns: &[Values], row: usize, others: &[Values], other_row: usize) -> Ordering {
        let mut order = columns.iter().zip(others).map(|(a, b)| a.compare(row, b, other_row));
        order.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// The name of the cells' type, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Values::Text(_) => "Text",
            Values::Int(_) => "Int",
            Values::Double(_) => "Double",
            Values::Date(_) => "Date",
            Values::Bool(_) => "Bool",
            Values::Money(_) => "Money",
        }
    }

    fn clear(&mut self) {
        match self {
            Values::Text(v) => v.clear(),
            Values::Int(v) => v.clear(),
            Values::Double(v) => v.clear(),
            Values::Date(v) => v.clear(),
            Values::Bool(v) => v.clear(),
            Values::Money(v) => v.clear(),
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
    /// A table without rows. `integer_ids`: customer ids are BIGINT, else VARCHAR.
    pub fn empty(schema: Arc<TableSchema>, integer_ids: bool) -> Table {
        let columns = schema.columns.iter().map(|c| match c.kind {
            Type::CustomerId if integer_ids => Values::Int(vec![]),
            Type::Text | Type::CustomerId => Values::Text(TextColumn::default()),
            Type::Int => Values::Int(vec![]),
            Type::Double => Values::Double(vec![]),
            Type::Date => Values::Date(vec![]),
            Type::Bool => Values::Bool(vec![]),
            Type::Money => Values::Money(vec![]),
        });
        Table { columns: columns.collect(), schema }
    }

    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, Values::len)
    }

    /// The rows in the order of the key, NULL last.
    pub fn sorted(&self) -> Cow<'_, Table> {
        let key = &self.columns[..self.schema.key];
        let compare = |a: usize, b: usize| Values::compare_rows(key, a, key, b);
        if key.is_empty() || (1..self.rows()).all(|row| compare(row - 1, row).is_le()) {
            return Cow::Borrowed(self);
        }
        let mut order: Vec<usize> = (0..self.rows()).collect();
        order.sort_by(|a, b| compare(*a, *b));
        let columns = self.columns.iter().map(|c| c.pick(&order)).collect();
        Cow::Owned(Table { schema: self.schema.clone(), columns })
    }

    /// Removes all rows and keeps the allocated memory.
    pub fn clear(&mut self) {
        self.columns.iter_mut().for_each(Values::clear);
    }

    /// Appends the rows of a table of the same schema.
    ///
    /// # Panics
    /// If a column is of another type.
    pub fn append(&mut self, other: Table) {
        for (into, from) in self.columns.iter_mut().zip(other.columns) {
            into.append(from);
        }
    }

    /// Appends a row, cell by cell in the schema's order.
    ///
    /// # Panics
    /// If the row's cells are not those of the schema: a defect of the stage that wrote it.
    #[inline]
    pub fn push<'a>(&mut self, row: impl IntoIterator<Item = Cell<'a>>) {
        let mut left = self.row();
        row.into_iter().for_each(|cell| left.push(cell));
        left.end();
    }
}

impl Table {
    /// Begins a row that is filled column by column. Faster than [`push`](Table::push), for tables of millions of rows.
    #[inline]
    pub fn row(&mut self) -> RowBuilder<'_> {
        RowBuilder { left: self.columns.iter_mut() }
    }
}

/// A row under way: one method call a column, in the schema's order, then [`end`](RowBuilder::end).
///
/// # Panics
/// Every method, if the next column is of another type: a defect of the stage that writes the row.
#[must_use = "a row ends with `end`"]
pub struct RowBuilder<'t> {
    left: std::slice::IterMut<'t, Values>,
}

macro_rules! row_of {
    ($($name:ident($t:ty) => $v:ident),* $(,)?) => {$(
        #[inline]
        pub fn $name(mut self, x: Option<$t>) -> Self {
            match self.left.next() {
                Some(Values::$v(values)) => values.push(x),
                other => panic!("a column of {:?} cannot hold {x:?}", other.map(|values| values.name())),
            }
            self
        }
    )*};
}

impl RowBuilder<'_> {
    row_of!(
        text(&str) => Text, int(i64) => Int, double(f64) => Double, date(Day) => Date, money(i64) => Money,
        bool(bool) => Bool,
    );

    /// Repeats the cell of the row before.
    ///
    /// # Panics
    /// If there is no column left, or no row before.
    #[inline]
    pub fn again(mut self) -> Self {
        const BEFORE: &str = "there is a row before";
        match self.left.next().expect("a column is left") {
            Values::Text(v) => v.push_again(),
            Values::Int(v) => v.push(*v.last().expect(BEFORE)),
            Values::Double(v) => v.push(*v.last().expect(BEFORE)),
            Values::Date(v) => v.push(*v.last().expect(BEFORE)),
            Values::Bool(v) => v.push(*v.last().expect(BEFORE)),
            Values::Money(v) => v.push(*v.last().expect(BEFORE)),
        }
        self
    }

    /// Sets the next cell.
    ///
    /// # Panics
    /// If it is not of the column's type, or there is no column left.
    #[inline]
    pub fn push(&mut self, cell: Cell<'_>) {
        match (self.left.next(), cell) {
            (Some(Values::Text(v)), Cell::Text(x)) => v.push(Some(&x)),
            (Some(Values::Text(v)), Cell::Null) => v.push(None),
            (Some(Values::Int(v)), Cell::Int(x)) => v.push(Some(x)),
            (Some(Values::Int(v)), Cell::Null) => v.push(None),
            (Some(Values::Double(v)), Cell::Double(x)) => v.push(Some(x)),
            (Some(Values::Double(v)), Cell::Null) => v.push(None),
            (Some(Values::Date(v)), Cell::Date(x)) => v.push(Some(x)),
            (Some(Values::Date(v)), Cell::Null) => v.push(None),
            (Some(Values::Bool(v)), Cell::Bool(x)) => v.push(Some(x)),
            (Some(Values::Bool(v)), Cell::Null) => v.push(None),
            (Some(Values::Money(v)), Cell::Money(x)) => v.push(Some(x)),
            (Some(Values::Money(v)), Cell::Null) => v.push(None),
            (column, cell) => panic!("a column of {:?} cannot hold {cell:?}", column.map(|values| values.name())),
        }
    }

    /// Ends the row.
    ///
    /// # Panics
    /// If a column has no cell yet.
    #[inline]
    pub fn end(mut self) {
        assert!(self.left.next().is_none(), "a row has too few cells");
    }
}

/// One cell of a row, see [`Table::push`]. Numbers, texts, dates and options of them become cells by `into`.
///
/// ```
/// use tenure::table::Cell;
///
/// assert_eq!(Cell::from(Some(3i64)), Cell::Int(3));
/// assert_eq!(Cell::from(None::<f64>), Cell::Null);
/// assert_eq!(Cell::from("new"), Cell::Text("new".into()));
/// // A sum of minor units is money; one that does not fit is refused when the table is published.
/// assert_eq!(Cell::from(12_900i128), Cell::Money(12_900));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    Null,
    Text(Cow<'a, str>),
    Int(i64),
    Double(f64),
    Date(Day),
    Bool(bool),
    /// Minor units; a sum (`i128`) becomes one by `into`.
    Money(i64),
}

macro_rules! cell_from {
    ($($t:ty => $v:ident($e:expr)),* $(,)?) => {$(
        impl<'a> From<$t> for Cell<'a> { fn from(x: $t) -> Cell<'a> { let f: fn($t) -> _ = $e; Cell::$v(f(x)) } }
        impl<'a> From<Option<$t>> for Cell<'a> { fn from(x: Option<$t>) -> Cell<'a> { x.map_or(Cell::Null, Cell::from) } }
    )*};
}
cell_from!(
    i64 => Int(|x| x), u64 => Int(|x| x as i64), usize => Int(|x| x as i64), f64 => Double(|x| x), Day => Date(|x| x),
    bool => Bool(|x| x), i128 => Money(|x| x.clamp(i64::MIN.into(), i64::MAX.into()) as i64), &'a str => Text(|x| x.into()), &'a String => Text(|x| x.into()),
    String => Text(|x| x.into()), &'a Arc<str> => Text(|x| (&**x).into()),
);
