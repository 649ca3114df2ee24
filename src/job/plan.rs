//! From the pipeline file to the plan: the one place where configuration becomes stages.

use std::sync::Arc;

use crate::config::{self, ChurnAfter, Pipeline, SourceKind};
use crate::engine::plan::{Needs, Plan};
use crate::error::{Error, Result};
use crate::stage::{self, Common, Setting, Spec, Stage};
use crate::table::TableSchema;
use crate::tally::{census, values};
use crate::timeline::lens::{LiveRule, TermRule};
use crate::timeline::shape::Basis;

/// Everything that a run will compute, known before any data is read.
pub struct Blueprint {
    pub setting: Arc<Setting>,
    pub plan: Plan,
    pub common: Common,
    pub stages: Vec<Box<dyn Stage>>,
    /// The stages with their kinds, in the order of `stages`.
    pub specs: Vec<(&'static stage::Kind, Spec)>,
    /// The lens of the calendar period: customers and ledger look through it.
    pub lens: usize,
    /// All stages run, and with them the per-customer tables; not so with `--only`.
    pub whole: bool,
}

/// Plans the stages of a pipeline, or only those named.
///
/// # Errors
/// When a name in `only` is no stage of the pipeline.
pub fn blueprint(pipeline: &Pipeline, only: Option<&[String]>) -> Result<Blueprint> {
    let setting = Arc::new(setting(pipeline));
    for name in only.unwrap_or_default() {
        if !pipeline.stages.iter().any(|s| s.name == *name) {
            let names: Vec<_> = pipeline.stages.iter().map(|s| s.name.as_str()).collect();
            return Err(Error::pipeline(format!("--only names {name:?}, which is no stage of this pipeline"))
                .help(format!("its stages are: {}", names.join(", "))));
        }
    }
    let mut plan = Plan::default();
    let calendar = setting.lens(setting.period);
    let common = Common { index: values::plan(&mut plan, calendar), census: census::plan(&mut plan, calendar) };
    let lens = plan.lens(calendar);
    let whole = only.is_none();
    if whole {
        plan.require(Needs { orders: true });
    }
    let (mut stages, mut specs) = (vec![], vec![]);
    for configured in pipeline.stages.iter().filter(|s| only.is_none_or(|only| only.contains(&s.name))) {
        let kind = stage::kind(configured.kind)
            .ok_or_else(|| Error::internal(format!("the registry has no stage kind {}", configured.kind)))?;
        let spec = Spec {
            name: configured.name.clone(),
            period: configured.period,
            segments: configured.segments.clone(),
            options: configured.options.clone(),
            setting: setting.clone(),
        };
        stages.push((kind.build)(&spec, common, &mut plan)?);
        specs.push((kind, spec));
    }
    Ok(Blueprint { setting, plan, common, stages, specs, lens, whole })
}

impl Blueprint {
    /// Schemas of the tables that stages and the per-customer writers will fill.
    pub fn tables(&self) -> Vec<TableSchema> {
        let mut tables: Vec<_> = self.specs.iter().flat_map(|(kind, spec)| (kind.tables)(spec)).collect();
        if self.whole {
            tables.push(stage::customers::schema(&self.setting, vec![]));
            tables.push(stage::ledger::schema(None));
        }
        tables
    }
}

fn setting(pipeline: &Pipeline) -> Setting {
    let customers = &pipeline.customers;
    let (basis, rule) = match customers.basis {
        config::Basis::Transactions => match customers.churn_after {
            ChurnAfter::OnePeriod => (Basis::Transactions, LiveRule::Period),
            ChurnAfter::Days(days) => (Basis::Transactions, LiveRule::Window(days)),
        },
        config::Basis::Subscriptions => {
            let rule = TermRule {
                ended_at_inclusive: customers.ended_at_inclusive,
                gap_days: customers.gap_days,
                free_is_live: customers.free_is_live,
                paused_is_live: customers.paused_is_live,
                past_due_is_live: customers.past_due_is_live,
            };
            (Basis::Subscriptions, LiveRule::Terms(rule))
        }
    };
    Setting {
        basis,
        rule,
        period: pipeline.calendar.period,
        digits: pipeline.money.digits,
        gross_margin: pipeline.money.gross_margin,
        discount_rate: pipeline.money.discount_rate,
        segments: pipeline.segments.iter().map(|s| s.name.clone()).collect(),
        has_transactions: pipeline.sources.contains_key(&SourceKind::Transactions),
        has_costs: pipeline.sources.contains_key(&SourceKind::AcquisitionCosts),
    }
}
