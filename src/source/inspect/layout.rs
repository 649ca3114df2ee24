//! The columns that files have, matched with the fields of their source.

use arrow::datatypes::DataType;

use super::prune::Prune;
use crate::source::expression::Compiled;

/// Where one file has a column of the layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnOrigin {
    /// Index among the file's top-level columns.
    File(usize),
    /// The value in the name of a folder around the file, the same in every row.
    Folder(Option<String>),
    /// A column that nests too deep to be read. No mapping accepts it.
    TooDeep,
}

/// The types of the columns that are read, and the expressions compiled for these types. Files whose columns have the same
/// types share a layout.
#[derive(Clone, Debug)]
pub struct FileLayout {
    /// In the order of [`InspectedSource::columns`](super::InspectedSource::columns).
    pub types: Vec<DataType>,
    pub filter: Option<SqlInput>,
    /// Finds row groups of which the filter leaves nothing; `None` where statistics cannot tell.
    pub prune: Option<Prune>,
    /// One for each field.
    pub inputs: Vec<FieldInput>,
}

/// Where the values of a field come from.
#[derive(Clone, Debug)]
pub enum FieldInput {
    /// Not needed by this run.
    Unread,
    /// Index into [`FileLayout::types`].
    Column(usize),
    Sql(SqlInput),
}

/// An expression and the columns of the layout that it is given, in order.
#[derive(Clone, Debug)]
pub struct SqlInput {
    pub compiled: Compiled,
    pub columns: Vec<usize>,
}
