//! Stage `concentration`: which share of the customers brings which share of the money.

mod finish;

use std::collections::BTreeMap;

use super::rows::segment_columns;
use super::{Common, Stage, StageKind, StageSpec};
use crate::engine::plan::{Needs, Plan};
use crate::engine::step_outputs::Ref;
use crate::error::Result;
use crate::options::{Accepts, Default, options};
use crate::table::{TableSchema, Type, column};
use crate::tables::customers::revenue_to_date;
use crate::tally::ranking::{self, Distribution, RankedMeasure, Ranking};
use crate::timeline::segments::CellId;
use crate::timeline::shape::Basis;
use crate::timeline::view::View;

options! {
    /// Options of kind `concentration`.
    pub struct ConcentrationOptions {
        /// share of the customers, those who bring most, whose share of the money is top_share
        top: f64 = Accepts::share(), Default::Value("0.2");
    }
}

/// See `definition.md`.
pub struct ConcentrationKind;

impl StageKind for ConcentrationKind {
    type Options = ConcentrationOptions;

    const NAME: &'static str = "concentration";
    const DEFINITION: &'static str = include_str!("definition.md");

    fn tables(spec: &StageSpec<ConcentrationOptions>) -> Vec<TableSchema> {
        let mut columns = segment_columns();
        columns.extend([
            column("decile", Type::Int, "from 1, the tenth of the customers that brings most, to 10"),
            column("customers", Type::Int, "customers of the decile"),
            column("revenue", Type::Money, "their net revenue to date"),
            column("revenue_share", Type::Double, "revenue / revenue of all; NULL where that is not positive"),
            column(
                "cumulative_share",
                Type::Double,
                "share of this decile and those before; passes 1 where some are negative",
            ),
            column("top", Type::Double, "share of the customers that top_share is of"),
            column("top_share", Type::Double, "share of the revenue that the top customers bring"),
        ]);
        let doc = "Customers by decile of what they brought to date, and the share of the top ones".into();
        vec![TableSchema { name: spec.name.clone(), doc, key: 4, columns }]
    }

    fn build(spec: &StageSpec<ConcentrationOptions>, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
        let top = (spec.options.top * 1e6).round() as u32;
        let lens = spec.setting.lens(spec.setting.period);
        let by = Some((common.index, spec.segments.as_slice()));
        let ranking =
            ranking::plan::<RevenueToDate>(plan, &Ranking { by, lens, ranks, parameter: top, most: DECILES + 1 });
        Ok(Box::new(Concentration { spec: spec.clone(), common, top, ranking }))
    }
}

const DECILES: u64 = 10;

struct Concentration {
    spec: StageSpec<ConcentrationOptions>,
    common: Common,
    /// In millionths.
    top: u32,
    ranking: Ref<BTreeMap<CellId, Distribution>>,
}

/// Net revenue to date of those in the transactions, or of subscribers who were ever live.
struct RevenueToDate;

impl RankedMeasure for RevenueToDate {
    const KIND: &'static str = "revenue";
    const NEEDS: Needs = Needs::NONE;

    fn spells(basis: Basis) -> bool {
        basis == Basis::Subscriptions
    }

    fn of(view: &View<'_>) -> Option<i64> {
        let revenue = revenue_to_date(view);
        let counts = match view.shape().basis {
            Basis::Transactions => view.in_basis(),
            Basis::Subscriptions => revenue != 0 || !view.spells().is_empty(),
        };
        counts.then_some(revenue)
    }
}

/// How many of n customers are the first `d` tenths, and the top `millionths`.
fn first(n: u64, d: u64) -> u64 {
    (u128::from(n) * u128::from(d)).div_ceil(u128::from(DECILES)) as u64
}

fn top(n: u64, millionths: u32) -> u64 {
    (u128::from(n) * u128::from(millionths)).div_ceil(1_000_000) as u64
}

/// Ranks from below that part a decile, or the top, from what follows.
fn ranks(n: u64, millionths: u32) -> Vec<u64> {
    let parted = (1..DECILES).map(|d| first(n, d)).chain([top(n, millionths)]);
    parted.map(|from_above| n - from_above).collect()
}
