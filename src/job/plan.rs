//! From the pipeline file to the plan: the one place where configuration becomes stages.

use std::sync::Arc;

use crate::calendar::Period;
use crate::config::{self, ChurnAfter, Pipeline, SourceKind};
use crate::engine::plan::{Needs, Plan};
use crate::engine::step_outputs::Ref;
use crate::error::{Error, Result};
use crate::nearest::suggestion;
use crate::run_settings::{CustomerMeasures, RunSettings};
use crate::stage::{AnySpec, Common, KINDS, Kind, Policy, Stage};
use crate::table::TableSchema;
use crate::tables;
use crate::tally::interpurchase_gaps::{self, Learning};
use crate::tally::{data_quality_counts, rfm, segment_values};
use crate::timeline::builtin::Builtin;
use crate::timeline::lens::{LiveRule, SubscriptionRule};
use crate::timeline::purchase_frequency::FrequencyClasses;
use crate::timeline::shape::{Basis, Shape};

/// Everything that a run will compute, known before any data is read.
pub struct RunPlan {
    pub setting: Arc<RunSettings>,
    pub plan: Plan,
    pub common: Common,
    /// What was learned of the gaps between purchases, where the pipeline asks for it.
    pub habits: Option<Ref<FrequencyClasses>>,
    pub stages: Vec<Box<dyn Stage>>,
    /// The stages with their kinds, in the order of `stages`.
    pub specs: Vec<(&'static Kind, AnySpec)>,
    /// The lens of the calendar period: customers and ledger look through it.
    pub lens: usize,
    /// All stages run, and with them the per-customer tables; not so with `--only`.
    pub whole: bool,
}

/// Plans the stages of a pipeline, or only those named.
///
/// # Errors
/// When a name in `only` is no stage of the pipeline.
pub fn run_plan(pipeline: &Pipeline, only: Option<&[String]>) -> Result<RunPlan> {
    let setting = Arc::new(setting(pipeline));
    for name in only.unwrap_or_default() {
        if !pipeline.stages.iter().any(|s| s.name == *name) {
            let names: Vec<_> = pipeline.stages.iter().map(|s| s.name.as_str()).collect();
            return Err(Error::pipeline(format!("--only names `{name}`, which is no stage of this pipeline"))
                .help(suggestion(name, &names, "its stages are")));
        }
    }
    let mut plan = Plan::default();
    let calendar = setting.lens(setting.period);
    let habits = setting.learning.map(|learning| interpurchase_gaps::plan(&mut plan, calendar, learning));
    if let Some(habits) = habits {
        plan.publish_to_shape(habits, Shape::with_frequency_classes);
    }
    let scores = setting.builtin(Builtin::Rfm).then(|| rfm::cuts(&mut plan, calendar, rfm::QUINTILES).scores);
    if let Some(scores) = scores {
        plan.publish_to_shape(scores, Shape::with_scores);
    }
    let learned: Vec<_> = habits.iter().map(Ref::id).chain(scores.iter().map(Ref::id)).collect();
    let index = segment_values::plan(&mut plan, calendar, setting.segments.len() + setting.crossed.len(), &learned);
    let common = Common { index, census: data_quality_counts::plan(&mut plan, index, calendar) };
    let lens = plan.lens(calendar);
    let whole = only.is_none();
    if whole {
        plan.require(Needs { orders: true, ..Needs::default() });
    }
    let (mut stages, mut specs) = (vec![], vec![]);
    for configured in pipeline.stages.iter().filter(|s| only.is_none_or(|only| only.contains(&s.name))) {
        let kind = configured.kind;
        let spec = AnySpec {
            name: configured.name.clone(),
            period: configured.period,
            segments: setting.with_crossed(&configured.segments, configured.by),
            options: Arc::new(configured.options.clone()),
            setting: setting.clone(),
        };
        stages.push(kind.build(&spec, common, &mut plan)?);
        specs.push((kind, spec));
    }
    Ok(RunPlan { setting, plan, common, habits, stages, specs, lens, whole })
}

impl RunPlan {
    /// Schemas of every table that the run will write, in order of name.
    pub fn tables(&self) -> Vec<TableSchema> {
        let mut tables: Vec<_> = self.specs.iter().flat_map(|(kind, spec)| kind.tables(spec)).collect();
        if self.whole {
            let scored = self.specs.iter().flat_map(|(kind, spec)| kind.customer_columns(spec)).collect();
            tables.push(tables::customers::schema(&self.setting, scored));
            tables.push(tables::ledger::schema(None));
        }
        if self.habits.is_some() {
            tables.push(tables::churn_windows::schema());
        }
        tables.extend(tables::schemas());
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        // Several stages may write rows of one table.
        tables.dedup_by(|a, b| a.name == b.name);
        tables
    }

    /// Walks over the customers, that of the per-customer tables included.
    pub fn walks(&self) -> usize {
        let writes_customers =
            self.whole || self.specs.iter().any(|(kind, spec)| kind.writes_per_customer(&spec.options));
        self.plan.rounds() + usize::from(writes_customers)
    }
}

/// Schemas of every table that this version can write, each stage under the name of its kind, with its defaults and
/// every method that it has, in order of name. Table `customers` has the column of a segment called `NAME`.
pub fn every_table() -> Vec<TableSchema> {
    let setting = Arc::new(RunSettings {
        basis: Basis::Transactions,
        rule: LiveRule::Period,
        policy: Policy::STANDARD,
        period: Period::Month,
        digits: 2,
        gross_margin: None,
        discount_rate: None,
        segments: vec!["NAME".into()],
        builtins: vec![],
        crossed: vec![],
        learning: Some(Learning { quantile_millionths: 950_000, until: None }),
        has_transactions: true,
        loyal_orders: 3,
        has_costs: true,
        has_channels: true,
        has_referrals: true,
        has_trials: true,
        has_usage: true,
        has_surveys: true,
        scales: [(0, 10), (1, 5), (1, 7)],
        ces_high_is_ease: true,
        measures: default_measures(),
    });
    let spec = |kind: &Kind| AnySpec {
        name: kind.name.into(),
        period: setting.period,
        segments: vec![0],
        options: Arc::new(config::widest_options(kind).expect("the defaults of every kind are sound")),
        setting: setting.clone(),
    };
    let mut tables: Vec<_> = KINDS.iter().flat_map(|kind| kind.tables(&spec(kind))).collect();
    let scored = KINDS.iter().flat_map(|kind| kind.customer_columns(&spec(kind))).collect();
    tables.push(tables::customers::schema(&setting, scored));
    tables.push(tables::ledger::schema(None));
    tables.push(tables::churn_windows::schema());
    tables.extend(tables::schemas());
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    tables
}

/// How table `customers` counts time and transactions: as the stage says that decides it. Of several the one that has its
/// kind's name, else the first.
fn measures(pipeline: &Pipeline) -> CustomerMeasures {
    let mut fitting: Vec<_> = pipeline
        .stages
        .iter()
        .filter_map(|s| Some((s.name != s.kind.name, s.kind.customer_measures(&s.options)?)))
        .collect();
    fitting.sort_by_key(|(other_name, _)| *other_name);
    fitting.first().map_or_else(default_measures, |(_, measures)| *measures)
}

/// The measures of a stage with default options.
fn default_measures() -> CustomerMeasures {
    let measures = |kind: &Kind| kind.customer_measures(&config::default_options(kind)?);
    KINDS.iter().find_map(measures).expect("a kind of stage says how customers are counted")
}

fn setting(pipeline: &Pipeline) -> RunSettings {
    let customers = &pipeline.customers;
    let has_column = |kind, name: &str| pipeline.sources.get(&kind).is_some_and(|s| s.columns.contains_key(name));
    let builtins: Vec<Builtin> = pipeline.segments.iter().filter_map(|s| s.from.builtin()).collect();
    let (basis, rule) = match customers.basis {
        Basis::Transactions => match customers.churn_after {
            ChurnAfter::OnePeriod => (Basis::Transactions, LiveRule::Period),
            ChurnAfter::Days(days) => (Basis::Transactions, LiveRule::Window(days)),
            ChurnAfter::Learned { .. } => (Basis::Transactions, LiveRule::Learned),
        },
        Basis::Subscriptions => {
            let rule = SubscriptionRule {
                ended_at_inclusive: customers.ended_at_inclusive,
                gap_days: customers.gap_days,
                free_is_live: customers.free_is_live,
                paused_is_live: customers.paused_is_live,
                past_due_is_live: customers.past_due_is_live,
                ..SubscriptionRule::default()
            };
            (Basis::Subscriptions, LiveRule::Subscriptions(customers.policy.rule(rule)))
        }
    };
    RunSettings {
        basis,
        rule,
        policy: customers.policy,
        period: pipeline.calendar.period,
        digits: pipeline.money.digits,
        gross_margin: pipeline.money.gross_margin,
        discount_rate: pipeline.money.discount_rate,
        segments: pipeline.segments.iter().map(|s| s.name.clone()).collect(),
        crossed: pipeline.crossed(),
        learning: learning(pipeline, &builtins),
        builtins,
        has_transactions: pipeline.sources.contains_key(&SourceKind::Transactions),
        loyal_orders: customers.loyal_orders,
        has_costs: pipeline.sources.contains_key(&SourceKind::AcquisitionCosts),
        has_channels: has_column(SourceKind::Customers, "acquired_by"),
        has_referrals: ["acquired_by", "referred_by"].iter().any(|c| has_column(SourceKind::Customers, c)),
        has_trials: basis == Basis::Subscriptions && has_column(SourceKind::Subscriptions, "trial_ends_at"),
        has_usage: pipeline.sources.contains_key(&SourceKind::Usage),
        has_surveys: pipeline.sources.contains_key(&SourceKind::Surveys),
        scales: scales(pipeline),
        ces_high_is_ease: pipeline
            .sources
            .get(&SourceKind::Surveys)
            .and_then(|s| s.scales)
            .is_none_or(|s| s.ces_high_is_ease),
        measures: measures(pipeline),
    }
}

/// The points of the surveys that ask for a score; nobody gives any where there are no surveys.
fn scales(pipeline: &Pipeline) -> [(i32, i32); 3] {
    let scales = pipeline.sources.get(&SourceKind::Surveys).and_then(|s| s.scales);
    scales.map_or([(0, 10), (1, 5), (1, 7)], |s| [s.nps, s.csat, s.ces].map(|scale| (scale.lowest, scale.highest)))
}

/// The quantile of windows that nobody's churn depends on: published beside the segment `frequency`.
const USUAL_QUANTILE: u32 = 950_000;

/// Habits are learned where churn depends on them, and where a segment does.
fn learning(pipeline: &Pipeline, builtins: &[Builtin]) -> Option<Learning> {
    let until = pipeline.customers.learned_until.as_ref().map(|day| day.value);
    match pipeline.customers.churn_after {
        ChurnAfter::Learned { quantile_millionths } => Some(Learning { quantile_millionths, until }),
        _ => builtins.contains(&Builtin::Frequency).then_some(Learning { quantile_millionths: USUAL_QUANTILE, until }),
    }
}
