//! The interface between the last walk and the tables that have rows of single customers.

use std::sync::Arc;

use crate::table::{Cell, ColumnSpec, Table, TableSchema};
use crate::timeline::view::CustomerContext;

/// Columns of table `customers` that a stage adds.
pub trait Scorer: Send + Sync {
    /// The columns, in order.
    fn columns(&self) -> Vec<ColumnSpec>;
    /// The numbers of the lenses that [`score`](Scorer::score) uses.
    fn lenses(&self) -> Vec<usize>;
    /// Pushes a cell for each of its columns, in their order.
    fn score<'a>(&'a self, customer: &CustomerContext<'_>, push: &mut dyn FnMut(Cell<'a>));
}

/// A table with rows of each customer, sorted by customer_id.
pub trait PerCustomer: Send + Sync {
    /// Name, columns and key of the table.
    fn schema(&self) -> Arc<TableSchema>;
    /// The numbers of the lenses that [`rows`](PerCustomer::rows) uses.
    fn lenses(&self) -> Vec<usize>;
    /// Appends the rows of a customer, in the order of the key's other columns.
    fn rows(&self, customer: &CustomerContext<'_>, table: &mut Table);
}
