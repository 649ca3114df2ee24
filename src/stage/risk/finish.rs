//! The past, predicted: table `risk_backtest`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::outlook::{LEAST_CUTS, RiskModel, TAUGHT, fit, known_before, levels_of, pooled};
use super::{CHANCE, RiskKind, RiskStage, SCORE, score};
use crate::check::{Check, Status};
use crate::engine::step_outputs::StepOutputs;
use crate::error::Result;
use crate::stage::{Finished, MetricValue, Scorer, Stage, StageKind, SummaryMetric};
use crate::stats::logistic::Logistic;
use crate::stats::ranking_quality::{RankingQuality, ScoreGroup, squared_errors};
use crate::table::{Cell, Table};
use crate::tally::risk::{ChurnOutcome, RiskTally};
use crate::timeline::risk_features::{Cutoff, Feature, FeatureSpec};

/// What a signal came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Judged {
    pub ranked: RankingQuality,
    /// The Brier score of its probabilities; `None` where it gave none.
    pub squared: Option<f64>,
}

/// By signal; `None`: no prediction.
pub(super) type Backtested = BTreeMap<&'static str, Option<Judged>>;

/// Judges every signal at a cut, with what was known by then.
pub(super) fn verdict(watch: &FeatureSpec, cuts: &[Cutoff], tally: &RiskTally, number: usize) -> Backtested {
    let known = pooled(tally, &known_before(cuts, cuts[number].day));
    let here = pooled(tally, &[number]);
    let judged = |features: &[usize]| -> Option<Judged> {
        let model = fit(watch, &known, features)?;
        let groups = groups(watch, &here, &model, features);
        Some(Judged { ranked: RankingQuality::of(&groups), squared: Some(squared_errors(&groups)) })
    };
    let all: Vec<usize> = (0..watch.features.len()).collect();
    let mut verdict = Backtested::new();
    verdict.insert(SCORE, judged(&all));
    for (i, sign) in watch.features.iter().enumerate().filter(|(_, sign)| **sign != Feature::Silence) {
        verdict.insert(sign.name(), judged(&[i]));
    }
    // Silence and chance rank without a model; only their probabilities are learned.
    let sum = |of: &BTreeMap<u32, ChurnOutcome>| {
        of.values().fold(ChurnOutcome::default(), |mut sum, o| {
            sum += *o;
            sum
        })
    };
    let (everybody, before) = (sum(&here), sum(&known));
    let rate = before.left as f64 / before.customers as f64;
    let one = [ScoreGroup { score: rate, customers: everybody.customers, events: everybody.left }];
    let squared = (before.customers > 0).then(|| squared_errors(&one));
    verdict
        .insert(CHANCE, Some(Judged { ranked: RankingQuality::of(&[ScoreGroup { score: 0.0, ..one[0] }]), squared }));
    let silence = watch.features.iter().position(|sign| *sign == Feature::Silence).map(|sign| {
        let at = number as u8;
        let shares = tally.silence.range((at, 0)..=(at, u16::MAX));
        let group = |(key, o): (&(u8, u16), &ChurnOutcome)| ScoreGroup {
            score: f64::from(key.1),
            customers: o.customers,
            events: o.left,
        };
        let ranked = RankingQuality::of(&shares.map(group).collect::<Vec<_>>());
        Judged { ranked, squared: judged(&[sign]).and_then(|j| j.squared) }
    });
    verdict.insert(Feature::Silence.name(), silence);
    verdict
}

fn groups(
    watch: &FeatureSpec,
    here: &BTreeMap<u32, ChurnOutcome>,
    model: &Logistic,
    features: &[usize],
) -> Vec<ScoreGroup> {
    let group = |(kind, o): (&u32, &ChurnOutcome)| ScoreGroup {
        score: model.probability(levels_of(watch, *kind, features)),
        customers: o.customers,
        events: o.left,
    };
    here.iter().map(group).collect()
}

/// All dates together, where there was a score: `None` if there was none.
pub(super) fn together(verdicts: &[Backtested]) -> Option<Backtested> {
    let scored = verdicts.iter().filter(|v| v.get(SCORE).is_some_and(Option::is_some));
    let and = |a: &Option<Judged>, b: &Option<Judged>| {
        let (a, b) = ((*a)?, (*b)?);
        let squared = a.squared.zip(b.squared).map(|(a, b)| a + b);
        Some(Judged { ranked: a.ranked.and(b.ranked), squared })
    };
    scored.cloned().reduce(|sum, next| sum.iter().map(|(name, a)| (*name, and(a, &next[name]))).collect())
}

impl Stage for RiskStage {
    fn finish(&self, known: &StepOutputs) -> Result<Finished> {
        let (cuts, tally) = (known.get(self.past.cuts)?, known.get(self.past.tally)?);
        let backtested = cuts.len().saturating_sub(TAUGHT)..cuts.len();
        let verdicts: Vec<Backtested> =
            backtested.clone().map(|number| verdict(&self.watch, &cuts, &tally, number)).collect();
        let whole = together(&verdicts);
        let mut table = Table::empty(Arc::new(RiskKind::tables(&self.spec).swap_remove(0)), false);
        let dates = backtested.map(|number| Some(cuts[number].day)).chain([None]);
        for (cut, verdict) in dates.zip(verdicts.iter().chain(&whole)) {
            // Who there was, and who left, does not hang on the signal.
            let people = verdict[CHANCE].map(|j| j.ranked).unwrap_or_default();
            for (signal, judged) in verdict {
                let known = |figure: fn(&Judged) -> Option<f64>| Cell::from(judged.as_ref().and_then(figure));
                table.push([
                    (&self.spec.name).into(),
                    cut.into(),
                    (*signal).into(),
                    people.customers.into(),
                    people.events.into(),
                    known(|j| Some(j.ranked.events_in_top)),
                    known(|j| j.ranked.lift()),
                    known(|j| j.ranked.auc()),
                    known(|j| j.squared.filter(|_| j.ranked.customers > 0).map(|s| s / j.ranked.customers as f64)),
                ]);
            }
        }
        let outlook = known.get(self.outlook)?;
        let checks = vec![self.taught(&cuts, outlook.as_ref().as_ref()), self.beats(whole.as_ref(), verdicts.len())];
        let figures = [(
            "share of churned customers in the top risk decile",
            share(whole.as_ref(), SCORE).map(MetricValue::Rate),
        )];
        let last = cuts.last().map_or(known.shape.as_of, |cut| cut.day);
        Ok(Finished { tables: vec![table], checks, headlines: SummaryMetric::of_stage(&self.spec.name, last, figures) })
    }

    fn scorer(&self, known: &StepOutputs) -> Result<Option<Box<dyn Scorer>>> {
        let outlook = Option::clone(&*known.get(self.outlook)?);
        Ok(Some(Box::new(score::RiskScorer::new(&self.spec, &self.watch, self.lens, &known.shape, outlook))))
    }
}

/// The share of those who left that stood in the top tenth.
fn share(verdict: Option<&Backtested>, signal: &str) -> Option<f64> {
    let ranked = verdict?.get(signal)?.as_ref()?.ranked;
    ranked.lift().map(|lift| lift / 10.0)
}

impl RiskStage {
    fn check(&self, check: &str, passes: bool, expected: String, actual: String, detail: String) -> Check {
        let status = if passes { Status::Pass } else { Status::Warn };
        let (expected, actual) = (Some(expected), Some(actual));
        Check { check: check.into(), subject: self.spec.name.clone(), status, expected, actual, detail }
    }

    /// Check: enough past dates to learn a score from.
    fn taught(&self, cuts: &[Cutoff], outlook: Option<&RiskModel>) -> Check {
        let detail = match outlook {
            Some(o) => format!(
                "past dates of which it is known who left; risk_score is learned from the last {} of them, at which {} left \
                 of those then live",
                cuts.len().min(TAUGHT),
                percent(o.rate)
            ),
            None if cuts.len() < LEAST_CUTS => {
                "too few past dates of which it is known who left: risk_score is NULL. It wants a longer window, or a \
                 shorter churn window, horizon or period of the stage"
                    .into()
            }
            None => {
                "at the past dates all customers left, or none did: there is nothing to learn, and risk_score is NULL"
                    .into()
            }
        };
        let expected = format!("at least {LEAST_CUTS}");
        self.check("risk_dates", outlook.is_some(), expected, cuts.len().to_string(), detail)
    }

    /// Check: the score ranks customers better than silence alone.
    fn beats(&self, whole: Option<&Backtested>, dates: usize) -> Check {
        let name = "risk_beats_silence";
        let has_silence = self.watch.features.contains(&Feature::Silence);
        let (rival, called) = match has_silence {
            true => (Feature::Silence.name(), "the longest silence for their churn window"),
            false => (CHANCE, "chance, as nothing shows when customers are silent"),
        };
        let of = |signal: &str| {
            let ranked = whole?.get(signal)?.as_ref()?.ranked;
            Some((ranked.lift()? / 10.0, ranked.auc()?))
        };
        let (Some(score), Some(rival)) = (of(SCORE), of(rival)) else {
            let detail = format!(
                "of {dates} past dates none has {LEAST_CUTS} before it whose outcome was known by then: nobody can say yet what the \
                 score is worth"
            );
            return self.check(name, false, "a date predicted".into(), "none".into(), detail);
        };
        let passes = score.1 > rival.1 && score.0 >= rival.0;
        let verdict = if passes { "" } else { "; it does not tell more than that does: go by that instead" };
        let detail = format!(
            "the share of those who left that stood in the tenth with the highest risk_score, against {called} (expected), and \
             how often one who left ranked above one who stayed, at past dates predicted from earlier ones alone{verdict}"
        );
        let shown = |(top, auc): (f64, f64)| format!("{} in the top tenth, auc {auc:.3}", percent(top));
        self.check(name, passes, format!("above {}", shown(rival)), shown(score), detail)
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
