//! What each customer gets: `risk_score`, `risk_reason`.

use super::RiskOptions;
use super::outlook::RiskModel;
use super::{RiskKind, words};
use crate::stage::{Scorer, StageKind, StageSpec};
use crate::table::{Cell, ColumnSpec, Type, column};
use crate::tally::risk::needs;
use crate::timeline::feature_reader::{FeatureReader, Windows};
use crate::timeline::lens::LiveRule;
use crate::timeline::risk_features::Horizon;
use crate::timeline::risk_features::{Cutoff, FeatureSpec, FeatureValues};
use crate::timeline::shape::{Basis, Shape};
use crate::timeline::view::CustomerContext;

/// A sign that moves the odds by less than a tenth is no reason.
const LEAST_REASON: f64 = 0.1;

/// The columns of `customers`; a stage of another name puts that before them.
pub(super) fn columns(spec: &StageSpec<RiskOptions>) -> Vec<ColumnSpec> {
    let name = |name: &str| if spec.name == RiskKind::NAME { name.to_owned() } else { format!("{}_{name}", spec.name) };
    let what = match (spec.setting.basis, spec.options.horizon) {
        (Basis::Transactions, _) => match spec.setting.rule {
            LiveRule::Period => {
                format!("the customer buys nothing in the {} from as_of on", spec.setting.period.name())
            }
            _ => "the customer buys nothing within the own churn window from as_of on".into(),
        },
        (_, Horizon::Days(n)) => format!("the customer's last subscription ends within {n} days"),
        (_, Horizon::Periods(1)) => format!("the customer's last subscription ends within a {}", spec.period.name()),
        (_, Horizon::Periods(n)) => format!("the customer's last subscription ends within {n} {}s", spec.period.name()),
    };
    let score = format!(
        "probability that {what}, as right as table {} says; NULL for who is not live, and with fewer than three past dates",
        super::TABLE
    );
    let reason = "what speaks most for that, beside the average customer; NULL where nothing does";
    vec![column(name("risk_score"), Type::Double, score), column(name("risk_reason"), Type::Text, reason)]
}

pub(super) struct RiskScorer {
    columns: Vec<ColumnSpec>,
    lens: usize,
    watch: FeatureSpec,
    now: Cutoff,
    offsets: Vec<usize>,
    outlook: Option<RiskModel>,
}

impl RiskScorer {
    pub(super) fn new(
        spec: &StageSpec<RiskOptions>,
        watch: &FeatureSpec,
        lens: usize,
        shape: &Shape,
        outlook: Option<RiskModel>,
    ) -> RiskScorer {
        let now = watch.cut(shape, &spec.setting.rule, shape.as_of, 1);
        RiskScorer { columns: columns(spec), lens, watch: watch.clone(), now, offsets: watch.offsets(), outlook }
    }

    fn score_of(&self, outlook: &RiskModel, standing: &FeatureValues) -> (f64, Option<String>) {
        let levels: Vec<usize> = self.watch.features.iter().map(|sign| standing.level(*sign, &self.watch)).collect();
        let placed = || self.offsets.iter().zip(&levels).map(|(offset, level)| offset + level);
        let mut reasons: Vec<(f64, usize)> = placed()
            .zip(&outlook.usual)
            .enumerate()
            .map(|(sign, (level, usual))| (outlook.model.weights[level] - usual, sign))
            .filter(|(raises, _)| *raises > LEAST_REASON)
            .collect();
        // The strongest first; of two alike the one that is told first.
        reasons.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let said = |(_, sign): (f64, usize)| words::of(self.watch.features[sign], levels[sign], standing, &self.watch);
        (outlook.model.probability(placed()), reasons.into_iter().find_map(said))
    }
}

impl Scorer for RiskScorer {
    fn columns(&self) -> Vec<ColumnSpec> {
        self.columns.clone()
    }

    fn lenses(&self) -> Vec<usize> {
        vec![self.lens]
    }

    fn score<'a>(&'a self, person: &CustomerContext<'_>, push: &mut dyn FnMut(Cell<'a>)) {
        let scored = self.outlook.as_ref().and_then(|outlook| {
            let view = person.through(self.lens, needs(&self.watch));
            let standing = FeatureReader::new(view, &self.watch, Windows::Now).at(&self.now)?;
            Some(self.score_of(outlook, &standing))
        });
        let (score, reason) = scored.map_or((None, None), |(score, reason)| (Some(score), reason));
        push(score.into());
        push(reason.into());
    }
}
