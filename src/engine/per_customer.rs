//! What writes rows of single customers: the interface between the last walk and whoever defines such a table.

use std::sync::Arc;

use crate::table::{Cell, ColumnSpec, Table, TableSchema};
use crate::timeline::view::CustomerContext;

/// Columns of table `customers` that a stage adds.
pub trait Scorer: Send + Sync {
    fn columns(&self) -> Vec<ColumnSpec>;
    /// Numbers of the lenses that it looks through.
    fn lenses(&self) -> Vec<usize>;
    /// A cell for each of its columns.
    fn score<'a>(&'a self, person: &CustomerContext<'_>, push: &mut dyn FnMut(Cell<'a>));
}

/// A table with rows of each customer, sorted by customer_id.
pub trait PerCustomer: Send + Sync {
    fn schema(&self) -> Arc<TableSchema>;
    /// Numbers of the lenses that it looks through.
    fn lenses(&self) -> Vec<usize>;
    /// Appends the rows of a customer, in the order of the key's other columns.
    fn rows(&self, person: &CustomerContext<'_>, table: &mut Table);
}
