//! Result tables: typed columns with their documentation, free of any file format.
//!
//! A [`TableSchema`] is the only definition of a table: `tenure tables`, `explain`, the Parquet column comments and the
//! writer all read it.

use std::borrow::Cow;
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
    /// Hardly any value comes twice, so that a file had better not look for repetitions.
    pub distinct: bool,
}

impl ColumnSpec {
    /// Says that hardly any value comes twice.
    pub fn distinct(self) -> ColumnSpec {
        ColumnSpec { distinct: true, ..self }
    }
}

/// `column("opening", Type::Int, "customers live just before the period's start")`
pub fn column(name: impl Into<String>, kind: Type, doc: impl Into<String>) -> ColumnSpec {
    ColumnSpec { name: name.into(), kind, doc: doc.into(), distinct: false }
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

/// Texts one behind the other, each of them possibly NULL.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Texts {
    bytes: String,
    ends: Vec<usize>,
    known: Vec<bool>,
}

impl Texts {
    pub fn push(&mut self, text: Option<&str>) {
        self.bytes.push_str(text.unwrap_or_default());
        self.ends.push(self.bytes.len());
        self.known.push(text.is_some());
    }

    pub fn get(&self, row: usize) -> Option<&str> {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        self.known[row].then(|| &self.bytes[start..self.ends[row]])
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of the texts of some rows.
    pub fn bytes(&self, rows: &Range<usize>) -> usize {
        let end = |row: usize| if row == 0 { 0 } else { self.ends[row - 1] };
        end(rows.end) - end(rows.start)
    }

    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.len()).map(|row| self.get(row))
    }

    fn append(&mut self, other: &mut Texts) {
        other.iter().for_each(|text| self.push(text));
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.known.clear();
    }
}

impl<T: AsRef<str>> FromIterator<Option<T>> for Texts {
    fn from_iter<I: IntoIterator<Item = Option<T>>>(texts: I) -> Texts {
        let mut all = Texts::default();
        texts.into_iter().for_each(|text| all.push(text.as_ref().map(AsRef::as_ref)));
        all
    }
}

/// The values of one column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Text(Texts),
    /// BIGINT, and integer customer ids.
    Int(Vec<Option<i64>>),
    Double(Vec<Option<f64>>),
    Date(Vec<Option<Day>>),
    Bool(Vec<Option<bool>>),
    /// Minor units; what does not fit is at the edge of i64, beyond every DECIMAL(18), so that publishing refuses it.
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

    /// Appends values of the same type; of another there are none in tables of one schema.
    fn append(&mut self, other: Values) {
        match (self, other) {
            (Values::Text(v), Values::Text(mut w)) => v.append(&mut w),
            (Values::Int(v), Values::Int(mut w)) => v.append(&mut w),
            (Values::Double(v), Values::Double(mut w)) => v.append(&mut w),
            (Values::Date(v), Values::Date(mut w)) => v.append(&mut w),
            (Values::Bool(v), Values::Bool(mut w)) => v.append(&mut w),
            (Values::Money(v), Values::Money(mut w)) => v.append(&mut w),
            (into, from) => panic!("{from:?} cannot follow {into:?}"),
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
    /// Without rows. `integer_ids`: customer ids are BIGINT.
    pub fn empty(schema: Arc<TableSchema>, integer_ids: bool) -> Table {
        let columns = schema.columns.iter().map(|c| match c.kind {
            Type::CustomerId if integer_ids => Values::Int(vec![]),
            Type::Text | Type::CustomerId => Values::Text(Texts::default()),
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

    /// Forgets the rows and keeps their room.
    pub fn clear(&mut self) {
        self.columns.iter_mut().for_each(Values::clear);
    }

    /// Appends the rows of a table of the same schema.
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
        let mut filled = 0;
        for (i, cell) in row.into_iter().enumerate() {
            match (&mut self.columns[i], cell) {
                (Values::Text(v), Cell::Text(x)) => v.push(Some(&x)),
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
}

impl Table {
    /// A row to be filled column by column: what [`push`](Table::push) does, for who writes millions of them.
    #[inline]
    pub fn row(&mut self) -> Row<'_> {
        Row { left: self.columns.iter_mut() }
    }
}

/// A row on its way into a table, one method call a column, in the schema's order.
///
/// # Panics
/// Every method, if the next column is of another type: a defect of the stage that writes.
#[must_use = "a row ends with `end`"]
pub struct Row<'t> {
    left: std::slice::IterMut<'t, Values>,
}

macro_rules! row_of {
    ($($name:ident($t:ty) => $v:ident),* $(,)?) => {$(
        #[inline]
        pub fn $name(mut self, x: Option<$t>) -> Self {
            match self.left.next() {
                Some(Values::$v(values)) => values.push(x),
                other => panic!("a column of {other:?} cannot hold {x:?}"),
            }
            self
        }
    )*};
}

impl Row<'_> {
    row_of!(text(&str) => Text, int(i64) => Int, double(f64) => Double, date(Day) => Date, money(i64) => Money);

    /// # Panics
    /// If there are further columns.
    #[inline]
    pub fn end(mut self) {
        assert!(self.left.next().is_none(), "a row has too few cells");
    }
}

/// One cell on its way into a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    Null,
    Text(Cow<'a, str>),
    Int(i64),
    Double(f64),
    Date(Day),
    Bool(bool),
    /// Minor units; a sum becomes one by `into`.
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
