//! Table `ledger`: every movement of every customer, from which all churn and revenue-churn figures can be summed.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::engine::per_customer::PerCustomer;
use crate::engine::plan::Needs;
use crate::table::{ColumnSpec, Table, TableSchema, Type, column};
use crate::timeline::customer_state::CustomerState;
use crate::timeline::history::CustomerId;
use crate::timeline::lens::LiveRule;
use crate::timeline::movements::MovementRun;
use crate::timeline::view::{CustomerContext, View};

pub const DOC: &str = include_str!("definition.md");

/// The table of the calendar period, or of a stage that asked for its own.
pub fn schema(stage: Option<&str>) -> TableSchema {
    TableSchema {
        name: stage.map_or("ledger".into(), |stage| format!("ledger_{stage}")),
        doc: "Every movement of every customer: the rows of a period sum to churn and revenue_churn".into(),
        key: 2,
        columns: columns(),
    }
}

fn columns() -> Vec<ColumnSpec> {
    vec![
        column("customer_id", Type::CustomerId, "the customer"),
        column("period", Type::Date, "first day of the first period that the row stands for"),
        column("until", Type::Date, "exclusive: the row holds for every period that starts before"),
        column(
            "state",
            Type::Text,
            "new, retained, returned, churned or intra; intra_new, intra_returned: joined and left within the period where \
             that counts as both; NULL if not live or not yet known",
        ),
        column("opening", Type::Money, "money at the opening of each period of the row"),
        column("new", Type::Money, "closing money of a new customer, at the exchange rates of the period's first day"),
        column("expansion", Type::Money, "closing less opening, where a retained customer has more at those rates"),
        column("contraction", Type::Money, "closing less opening, where a retained customer has less at those rates"),
        column("churned", Type::Money, "opening money of a churned customer, negative"),
        column("reactivation", Type::Money, "closing money of a returned customer, at those rates"),
        column("currency_effect", Type::Money, "what exchange rates moved of the closing; 0 in one currency"),
        column(
            "closing",
            Type::Money,
            "money at the closing of each period of the row; NULL while the period is not over",
        ),
        column("unallocated", Type::Money, "net revenue that the closing leaves out"),
        column("orders", Type::Int, "orders in each period of the row; NULL without transactions"),
    ]
}

pub struct Ledger {
    schema: Arc<TableSchema>,
    lens: usize,
    has_transactions: bool,
}

impl Ledger {
    /// `lens`: number of the lens in the plan.
    pub fn new(stage: Option<&str>, lens: usize, has_transactions: bool) -> Ledger {
        Ledger { schema: Arc::new(schema(stage)), lens, has_transactions }
    }
}

impl PerCustomer for Ledger {
    fn schema(&self) -> Arc<TableSchema> {
        self.schema.clone()
    }

    fn lenses(&self) -> Vec<usize> {
        vec![self.lens]
    }

    fn rows(&self, person: &CustomerContext<'_>, table: &mut Table) {
        let view = person.through(self.lens, Needs::ALL);
        let orders = orders_by_period(&view);
        let mut next = view.frame().window;
        let mut orders_left = orders.as_slice();
        let mut lines =
            LedgerRows { view: &view, has_transactions: self.has_transactions, table, open: None, has_rows: false };
        for run in view.runs().iter().filter(|r| r.to > view.frame().window) {
            let from = run.from.max(view.frame().window);
            // Orders of who is not live (a shop beside subscriptions) have rows of their own.
            idle((next, from), &mut orders_left, &mut lines);
            self::run(&view, &MovementRun { from, ..*run }, &mut orders_left, &mut lines);
            next = run.to;
        }
        idle((next, view.frame().len()), &mut orders_left, &mut lines);
        lines.write();
    }
}

/// Periods with orders, in order.
fn orders_by_period(view: &View<'_>) -> SmallVec<[(usize, i64); 16]> {
    let mut orders: SmallVec<[(usize, i64); 16]> = SmallVec::new();
    for day in view.days().iter().filter(|d| d.orders > 0) {
        let period = view.frame().grid.at(day.day);
        match orders.last_mut() {
            Some(last) if last.0 == period => last.1 += view.orders(day),
            _ => orders.push((period, view.orders(day))),
        }
    }
    orders
}

/// A run, split where its orders change and where the last period is not decided.
fn run(view: &View<'_>, run: &MovementRun, orders: &mut &[(usize, i64)], lines: &mut LedgerRows<'_, '_>) {
    let frame = view.frame();
    let undecided = (*view.rule() == LiveRule::Period && frame.last_is_partial()).then(|| frame.len() - 1);
    let mut from = run.from;
    while from < run.to {
        while orders.first().is_some_and(|o| o.0 < from) {
            *orders = &orders[1..];
        }
        let (now, next) = match orders.first() {
            Some((period, n)) if *period == from => (*n, from + 1),
            Some((period, _)) => (0, *period),
            None => (0, run.to),
        };
        let mut to = next.min(run.to);
        if let Some(last) = undecided.filter(|last| (from..to).contains(last)) {
            to = if from == last { last + 1 } else { last };
        }
        lines.put(LedgerRow::new((from, to), run, now, undecided == Some(from)));
        from = to;
    }
}

fn idle((from, to): (usize, usize), orders: &mut &[(usize, i64)], lines: &mut LedgerRows<'_, '_>) {
    if from >= to {
        return;
    }
    let nothing = MovementRun {
        from,
        to,
        state: CustomerState::Idle,
        opening: 0,
        closing: 0,
        valued: 0,
        unallocated: 0,
        scheduled: 0,
        passing: 0,
    };
    *orders = &orders[orders.partition_point(|o| o.0 < from)..];
    let here = orders.partition_point(|o| o.0 < to);
    for (period, n) in &orders[..here] {
        lines.put(LedgerRow::new((*period, period + 1), &nothing, *n, false));
    }
    *orders = &orders[here..];
}

/// A row before it is written: periods `[from, to)`, and what is said of each of them.
#[derive(Clone, Copy, PartialEq, Eq)]
struct LedgerRow {
    from: usize,
    to: usize,
    state: CustomerState,
    opening: i64,
    closing: i64,
    valued: i64,
    unallocated: i64,
    passing: i64,
    orders: i64,
    undecided: bool,
}

impl LedgerRow {
    fn new((from, to): (usize, usize), run: &MovementRun, orders: i64, undecided: bool) -> LedgerRow {
        let MovementRun { state, opening, closing, valued, unallocated, passing, .. } = *run;
        LedgerRow { from, to, state, opening, closing, valued, unallocated, passing, orders, undecided }
    }
}

/// Rows of a customer on their way into the table: one for all periods that follow each other and are alike, whatever
/// it was that told them apart.
struct LedgerRows<'a, 't> {
    view: &'a View<'a>,
    has_transactions: bool,
    table: &'t mut Table,
    open: Option<LedgerRow>,
    /// The customer has rows in the table.
    has_rows: bool,
}

impl LedgerRows<'_, '_> {
    fn put(&mut self, line: LedgerRow) {
        match &mut self.open {
            Some(open)
                if open.to == line.from
                    && LedgerRow { to: line.to, ..*open } == LedgerRow { from: open.from, ..line } =>
            {
                open.to = line.to;
            }
            _ => {
                self.write();
                self.open = Some(line);
            }
        }
    }

    fn write(&mut self) {
        let Some(line) = self.open.take() else { return };
        let LedgerRow { from, to, state, opening: m0, closing, valued: m1, unallocated, passing, orders, undecided } =
            line;
        let only = |which: CustomerState, amount: i64| if state == which { amount } else { 0 };
        let decided = |amount: i64| (!undecided).then_some(amount);
        let grid = &self.view.frame().grid;
        let row = match self.view.id() {
            _ if self.has_rows => self.table.row().again(),
            CustomerId::Integer(id) => self.table.row().int(Some(id)),
            CustomerId::Text(id) => self.table.row().text(Some(id)),
        };
        self.has_rows = true;
        row.date(Some(grid.start(from)))
            .date(Some(grid.start(to)))
            .text(state.name())
            .money(Some(if state.in_opening() { m0 } else { 0 }))
            .money(Some(only(CustomerState::New, m1) + only(CustomerState::IntraNew, passing)))
            .money(Some(only(CustomerState::Retained, (m1 - m0).max(0))))
            .money(decided(only(CustomerState::Retained, (m1 - m0).min(0))))
            .money(decided(only(CustomerState::Churned, -m0) - passing))
            .money(Some(only(CustomerState::Returned, m1) + only(CustomerState::IntraReturned, passing)))
            .money(Some(closing - m1))
            .money(decided(if state.in_closing() { closing } else { 0 }))
            .money(Some(unallocated))
            .int(self.has_transactions.then_some(orders))
            .end();
    }
}
