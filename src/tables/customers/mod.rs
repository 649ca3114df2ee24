//! Table `customers`: one row per customer, as of as_of.

use std::sync::Arc;

use crate::calendar::Day;
use crate::engine::per_customer::{PerCustomer, Scorer};
use crate::money::minor_per_major;
use crate::run_settings::RunSettings;
use crate::table::{ColumnSpec, Table, TableSchema, Type, column};
use crate::tally::cohorts::revenue_of;
use crate::timeline::history::CustomerId;
use crate::timeline::lens::LiveRule;
use crate::timeline::purchases::Purchases;
use crate::timeline::segments::{SegmentAt, SegmentIndex};
use crate::timeline::shape::Basis;
use crate::timeline::view::{CustomerContext, Needs, View};

pub const DOC: &str = include_str!("definition.md");

pub fn schema(setting: &RunSettings, scored: Vec<ColumnSpec>) -> TableSchema {
    let unit = setting.measures.time_unit.name();
    let mut columns = vec![
        column("customer_id", Type::CustomerId, "the customer"),
        column("first_at", Type::Date, "day of the first activity, or on which the first subscription became live"),
        column("last_at", Type::Date, "day of the last activity, or the last day with a live subscription"),
        column("cohort", Type::Date, "first day of the calendar period of first_at"),
        column("state", Type::Text, "live or churned at as_of; never: no activity, or no live subscription, ever"),
        column("orders", Type::Int, "orders to date; NULL without transactions"),
        column(
            "revenue",
            Type::Money,
            "net revenue to date; without transactions, of the MRR at the calendar periods' closings",
        )
        .distinct(),
        column(
            "loyal",
            Type::Bool,
            format!("live, and at least {} orders to date; NULL without transactions", setting.loyal_orders),
        ),
        column("days_since_last", Type::Int, "days from last_at to the last observed day"),
        column(
            "frequency",
            Type::Int,
            "x: transactions after the first, those of a day being one unless `transactions_by` says otherwise; NULL without transactions",
        ),
        column("recency", Type::Double, format!("t_x: {unit}s from the first transaction to the last")),
        column("age", Type::Double, format!("T: {unit}s from the first transaction to the last observed day")),
        column(
            "monetary",
            Type::Double,
            "mean net amount of the transactions after the first, in major units; NULL at x = 0",
        )
        .distinct(),
    ];
    for name in &setting.segments {
        columns.push(column(
            format!("seg_{name}"),
            Type::Text,
            format!("value of segment {name} at as_of (`first` segments: the first)"),
        ));
    }
    if setting.learning.is_some() {
        let doc =
            "days of silence after which customers of this frequency class have churned, as table `churn_windows` says";
        columns.push(column("churn_window_days", Type::Int, doc));
    }
    columns.extend(scored);
    let doc = "One row per customer: first and last activity, state, revenue, segments and what the stages score";
    TableSchema { name: "customers".into(), doc: doc.into(), key: 1, columns }
}

pub struct CustomersTable {
    schema: Arc<TableSchema>,
    setting: Arc<RunSettings>,
    lens: usize,
    index: Arc<SegmentIndex>,
    scorers: Vec<Box<dyn Scorer>>,
}

impl CustomersTable {
    /// `lens`: number of the lens of the calendar period in the plan.
    pub fn new(
        setting: Arc<RunSettings>,
        lens: usize,
        index: Arc<SegmentIndex>,
        scorers: Vec<Box<dyn Scorer>>,
    ) -> CustomersTable {
        let scored = scorers.iter().flat_map(|s| s.columns()).collect();
        CustomersTable { schema: Arc::new(schema(&setting, scored)), setting, lens, index, scorers }
    }
}

impl PerCustomer for CustomersTable {
    fn schema(&self) -> Arc<TableSchema> {
        self.schema.clone()
    }

    fn lenses(&self) -> Vec<usize> {
        std::iter::once(self.lens).chain(self.scorers.iter().flat_map(|s| s.lenses())).collect()
    }

    fn rows(&self, person: &CustomerContext<'_>, table: &mut Table) {
        let view = person.through(self.lens, Needs::ALL);
        let last_observed = view.shape().as_of.plus(-1);
        let (first, last) = (view.first_day(), last_day(&view));
        let buys = self.setting.has_transactions;
        let orders: i64 = view.days().iter().map(|d| view.orders(d)).sum();
        let state = state(&view);
        let loyal = state == LIVE && orders >= self.setting.loyal_orders;
        let row = match view.id() {
            CustomerId::Integer(id) => table.row().int(Some(id)),
            CustomerId::Text(id) => table.row().text(Some(id)),
        };
        // x, t_x, T and the mean value of repeat transactions (Fader, Hardie and Lee 2005).
        let bought = self.setting.measures.transactions_by.before(&view, view.shape().as_of);
        let mut row = row
            .date(first)
            .date(last)
            .date(first.map(|day| view.frame().grid.start(view.frame().grid.at(day))))
            .text(Some(state))
            .int(buys.then_some(orders))
            .money(Some(revenue_to_date(&view)))
            .bool(buys.then_some(loyal))
            .int(last.map(|day| i64::from(last_observed.0 - day.0)))
            .int(bought.map(|b| b.frequency.into()))
            .double(bought.map(|b| self.units(b.recency)))
            .double(bought.map(|b| self.units(b.age)))
            .double(bought.filter(|b| b.frequency > 0).map(|b| self.monetary(b)));
        for segment in 0..self.setting.segments.len() {
            let steps = view.segment(segment);
            let rank = match view.shape().dictionary.segments[segment].at {
                SegmentAt::First => steps.first(),
                SegmentAt::Opening | SegmentAt::Latest => steps.latest(),
            };
            row = row.text(Some(&self.index.cells[self.index.cell(segment, rank) as usize].value));
        }
        if self.setting.learning.is_some() {
            let habits = view.shape().learned.frequency_classes.as_ref();
            row = row.int(habits.filter(|_| first.is_some()).map(|h| i64::from(h.window(view.days()))));
        }
        self.scorers.iter().for_each(|s| s.score(person, &mut |cell| row.push(cell)));
        row.end();
    }
}

/// Net revenue to date through the lens of the calendar period; without transactions the MRR at the closing of each
/// period, as table `cohort` counts it.
///
/// What does not fit is at the edge of i64, beyond every DECIMAL(18), so that publishing refuses it.
pub fn revenue_to_date(view: &View<'_>) -> i64 {
    let period = |money: i64| revenue_of(money.into(), view.frame().grid.period, None);
    let closings = || view.runs().iter().filter(|r| r.state.in_closing());
    let sum: i128 = if view.shape().has_transactions {
        view.days().iter().map(|d| i128::from(d.net)).sum()
    } else {
        closings().map(|r| period(r.closing) * (r.to - r.from) as i128).sum()
    };
    sum.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

impl CustomersTable {
    fn units(&self, days: u32) -> f64 {
        f64::from(days) / self.setting.measures.time_unit.days()
    }

    fn monetary(&self, bought: Purchases) -> f64 {
        bought.spend as f64 / f64::from(bought.frequency) / minor_per_major(self.setting.digits)
    }
}

/// The last day of activity, or with a live subscription, before as_of.
fn last_day(view: &View<'_>) -> Option<Day> {
    match view.shape().basis {
        Basis::Transactions => view.days().iter().rev().find(|d| d.active > 0).map(|d| d.day),
        Basis::Subscriptions => view.spells().last().map(|s| s.end.min(view.shape().as_of).plus(-1)),
    }
}

const LIVE: &str = "live";

/// Live just before as_of. Under `1 period`, who was active in the last whole period is live until the next is over.
fn state(view: &View<'_>) -> &'static str {
    let frame = view.frame();
    let grace = match view.rule() {
        LiveRule::Period if frame.last_is_partial() => frame.grid.start(frame.len() - 1),
        _ => view.shape().as_of,
    };
    match view.spells().last() {
        None => "never",
        Some(spell) if spell.end >= grace => LIVE,
        Some(_) => "churned",
    }
}
