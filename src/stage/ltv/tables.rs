//! The tables of the stage: `ltv`, and what the fitted models say of themselves.

use std::sync::Arc;

use super::LtvOptions;
use super::renewals::{AnyFit, Fitted};
use super::{BUYING, Ltv, RENEWING};
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::stage::StageSpec;
use crate::stage::rows::{segment_cells, segment_columns};
use crate::stats::buyers::{BgNbd, BuyerModel, MbgNbd, ParetoNbd};
use crate::stats::fit::{Fit, Parameter};
use crate::table::{ColumnSpec, Table, TableSchema, Type, column};
use crate::timeline::segments::{CellId, SegmentIndex};

/// Tables that every stage of this kind adds its rows to.
pub(super) const SHARED: [&str; 3] = ["model_fits", "model_backtest", "model_calibration"];

pub(super) fn of(spec: &StageSpec<LtvOptions>) -> Vec<TableSchema> {
    let models = &spec.options.models;
    let any_of = |some: &[&str]| models.iter().any(|m| some.contains(m));
    let mut tables = vec![ltv(spec)];
    if any_of(&BUYING) || any_of(&RENEWING) {
        tables.push(fits());
    }
    if any_of(&BUYING) || any_of(&RENEWING) {
        tables.push(backtest());
    }
    if any_of(&BUYING) {
        tables.push(calibration());
    }
    tables
}

fn with_stage(columns: impl IntoIterator<Item = ColumnSpec>) -> Vec<ColumnSpec> {
    let mut all = segment_columns();
    all.push(column("stage", Type::Text, "name of the stage that fitted it"));
    all.extend(columns);
    all
}

pub(super) fn fits() -> TableSchema {
    let columns = with_stage([
        column("model", Type::Text, "bgnbd, mbgnbd, paretonbd, gammagamma; sbg or bdw with the billing interval"),
        column("window", Type::Text, "full: what scores; calibration: what the backtest used"),
        column(
            "parameter",
            Type::Text,
            "the parameter, times in the stage's time_unit; NULL where nothing could be fitted",
        ),
        column(
            "estimate",
            Type::Double,
            "maximum-likelihood estimate, or where the search ended if it did not converge",
        ),
        column("std_error", Type::Double, "from the inverted Hessian; NULL where the likelihood is flat"),
        column("ci_low", Type::Double, "lower end of the 95 % interval, symmetric in the logarithm"),
        column("ci_high", Type::Double, "upper end of the 95 % interval"),
        column("log_likelihood", Type::Double, "at the estimates, of the customers fitted"),
        column("customers", Type::Int, "customers fitted; for sbg and bdw subscriptions that were seen at a renewal"),
        column("converged", Type::Bool, "whether the estimates are a maximum; if not, nothing is computed from them"),
        column(
            "gradient_norm",
            Type::Double,
            "largest derivative of the log-likelihood by the logarithm of a parameter, per customer",
        ),
        column("note", Type::Text, "why there is no fit, what it leans on, what to mistrust"),
    ]);
    let doc = "Parameters of the fitted models, with their doubt".into();
    TableSchema { name: SHARED[0].into(), doc, key: 7, columns }
}

pub(super) fn backtest() -> TableSchema {
    let columns = with_stage([
        column(
            "model",
            Type::Text,
            "a model fitted up to the calibration cut; or a rival: ratio, last_period (of renewals: ratio with the billing interval)",
        ),
        column(
            "quantity",
            Type::Text,
            "transactions or revenue (in major units) of customers first seen by the cut; lost_renewals: of the renewals due after it, one step ahead",
        ),
        column("period", Type::Date, "first day of the period, cut to the holdout; NULL: the whole holdout"),
        column("actual", Type::Double, "what they did"),
        column("expected", Type::Double, "what was expected at the cut"),
        column("error", Type::Double, "expected − actual"),
        column("relative_error", Type::Double, "error / actual; NULL where actual is not positive"),
    ]);
    let doc = "Models fitted up to a cut, held against what came after, beside naive rivals".into();
    TableSchema { name: SHARED[1].into(), doc, key: 7, columns }
}

pub(super) fn calibration() -> TableSchema {
    let columns = with_stage([
        column("model", Type::Text, "a model fitted up to the calibration cut"),
        column("x", Type::Int, "transactions after the first, up to the cut; 50: 50 or more"),
        column("customers", Type::Int, "customers with that x"),
        column("actual", Type::Double, "their mean transactions in the holdout"),
        column("expected", Type::Double, "what was expected of them at the cut, in the mean"),
    ]);
    let doc = "Whether a model is right for frequent and for rare buyers alike".into();
    TableSchema { name: SHARED[2].into(), doc, key: 6, columns }
}

fn ltv(spec: &StageSpec<LtvOptions>) -> TableSchema {
    let mut columns = segment_columns();
    columns.extend([
        column(
            "period",
            Type::Date,
            "first day: ratio, of the period; realised, of the cohort's; fitted methods, of the last complete period",
        ),
        column("method", Type::Text, "as in `models`; sbg and bdw with the billing interval"),
        column(
            "customers",
            Type::Int,
            "ratio: customers at the closing; realised: of the cohort; fitted methods: buyers; survival: spells; sbg, bdw: subscriptions seen at a renewal",
        ),
        column("arpa", Type::Double, "money of a customer in a period at its closing, in major units; sbg, bdw: of a subscription in a billing interval; NULL for buying models and realised"),
        column(
            "gross_margin",
            Type::Double,
            "share of revenue that is margin, as configured; NULL: the value is of revenue",
        ),
        column("churn_rate", Type::Double, "trailing churn rate per period; ratio only"),
        column("expected_lifetime_periods", Type::Double, "ratio: 1 / churn_rate, NULL at 0; survival, sbg, bdw: expected periods or intervals paid within the horizon"),
        column("ltv", Type::Double, "lifetime value of a customer, in major units; fitted methods: of a new one, first payment counted, up to the horizon"),
        column("ltv_discounted", Type::Double, "the same at discount_rate a year; NULL without one"),
        column("ci_low", Type::Double, "lower end of the 95 % interval of ltv: ratio, from that of the churn rate; survival, from the curve's; else from the fit's standard errors"),
        column("ci_high", Type::Double, "upper end of the 95 % interval of ltv; NULL where it has none"),
        column(
            "cac",
            Type::Double,
            "acquisition cost of a new customer in the period, in major units; for everybody only",
        ),
        column("ltv_to_cac", Type::Double, "ltv / cac"),
        column("payback_periods", Type::Double, "periods until the margin has paid the acquisition cost; ratio, realised and survival"),
        column("holdout_error", Type::Double, "relative error of the transactions expected in the holdout; NULL for methods without a backtest"),
        column("note", Type::Text, "what the figure leans on, or why it is NULL"),
    ]);
    let doc = "Lifetime value by method: `ratio` per period, `realised` per cohort, fitted methods once".into();
    TableSchema { name: spec.name.clone(), doc, key: 5, columns }
}

impl Ltv {
    /// The stage's own table, without rows.
    pub(super) fn schema(&self) -> TableSchema {
        ltv(&self.spec)
    }

    /// Table `model_fits`, where anything was fitted.
    pub(super) fn fits(&self, known: &StepOutputs, renewals: &[Fitted]) -> Result<Option<Table>> {
        let (index, tested) = (known.get(self.common.index)?, self.held_out_from(known).is_some());
        let mut rows = FitRows { table: Table::empty(Arc::new(fits()), false), index: &index, stage: &self.spec.name };
        if let Some(buying) = &self.buying {
            let calibrated = tested.then(|| known.get(buying.calibrated)).transpose()?;
            let windows = [("full", Some(known.get(buying.full)?)), ("calibration", calibrated)];
            for (window, fits) in windows.into_iter().filter_map(|(window, fits)| Some((window, fits?))) {
                for (cell, fits) in fits.iter() {
                    if let Some(fit) = &fits.bgnbd {
                        rows.push(*cell, BgNbd::NAME, window, fit, fits.histories_note());
                    }
                    if let Some(fit) = &fits.mbgnbd {
                        rows.push(*cell, MbgNbd::NAME, window, fit, fits.histories_note());
                    }
                    if let Some(fit) = &fits.paretonbd {
                        rows.push(*cell, ParetoNbd::NAME, window, fit, fits.histories_note());
                    }
                    rows.push(*cell, "gammagamma", window, &fits.gammagamma, fits.spends_note());
                }
            }
        }
        for Fitted { cell, method, fit, calibrated, .. } in renewals {
            let calibrated = Some(("calibration", calibrated)).filter(|_| tested);
            for (window, fit) in [("full", fit)].into_iter().chain(calibrated) {
                match fit {
                    AnyFit::Sbg(fit) => rows.push(*cell, method, window, fit, None),
                    AnyFit::Bdw(fit) => rows.push(*cell, method, window, fit, None),
                }
            }
        }
        let asked = self.buying.is_some() || self.renewals.is_some();
        Ok(asked.then_some(rows.table))
    }
}

struct FitRows<'a> {
    table: Table,
    index: &'a SegmentIndex,
    stage: &'a str,
}

impl FitRows<'_> {
    /// A row for each parameter, one without if there is none.
    fn push<M>(&mut self, cell: CellId, model: &str, window: &str, fit: &Fit<M>, further: Option<String>) {
        let note: Vec<String> = fit.notes.iter().cloned().chain(further).collect();
        let note = (!note.is_empty()).then(|| note.join("; "));
        let parameters: Vec<Option<&Parameter>> =
            if fit.parameters.is_empty() { vec![None] } else { fit.parameters.iter().map(Some).collect() };
        for p in parameters {
            self.table.push(segment_cells(self.index, cell).into_iter().chain([
                self.stage.into(),
                model.into(),
                window.into(),
                p.map(|p| &p.name).into(),
                p.map(|p| p.estimate).into(),
                p.and_then(|p| p.std_error).into(),
                p.and_then(|p| p.low).into(),
                p.and_then(|p| p.high).into(),
                fit.log_likelihood.into(),
                fit.customers.into(),
                fit.converged.into(),
                fit.gradient_norm.into(),
                note.clone().into(),
            ]));
        }
    }
}
