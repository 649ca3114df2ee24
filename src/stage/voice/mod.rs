//! Stage `voice`: what customers answer when asked.

mod finish;

use super::rows::segment_columns;
use super::{Common, Inputs, Refusal, Stage, StageCheck, StageKind, StageSpec};
use crate::engine::plan::Plan;
use crate::engine::step_outputs::Ref;
use crate::error::Result;
use crate::options::NoOptions;
use crate::source_kind::SourceKind;
use crate::table::{TableSchema, Type, column};
use crate::tally::period_series::PeriodSeries;
use crate::tally::voice::{self, AnswerScales, Answers};

/// See `definition.md`.
pub struct VoiceKind;

impl StageKind for VoiceKind {
    type Options = NoOptions;

    const NAME: &'static str = "voice";
    const DEFINITION: &'static str = include_str!("definition.md");

    fn check(stage: &StageCheck<'_, NoOptions>) -> Vec<Refusal> {
        needs_scores(stage.inputs)
    }

    fn tables(spec: &StageSpec<NoOptions>) -> Vec<TableSchema> {
        let mut columns = segment_columns();
        let score = if scales(spec).ces_high_is_ease {
            "NPS from −100 to 100; CSAT, share of the two highest points; CES, mean, of which high is ease"
        } else {
            "NPS from −100 to 100; CSAT, share of the two highest points; CES, mean, of which high is effort"
        };
        columns.extend([
            column("period", Type::Date, "first day of the period"),
            column("kind", Type::Text, "nps, csat or ces"),
            column("answers", Type::Int, "customers who answered; of each the last answer in the period counts"),
            column("promoters", Type::Int, "of nps and csat those who gave one of the two highest points; of ces the easy side"),
            column("passives", Type::Int, "those between"),
            column("detractors", Type::Int, "of nps at least four below the highest, of csat the two lowest; of ces the hard side"),
            column("score", Type::Double, score),
            column("ci_low", Type::Double, "95 % interval of the score: NPS normal, CSAT Wilson, CES Student's t"),
            column("ci_high", Type::Double, "95 % interval of the score"),
            column(
                "response_rate",
                Type::Double,
                "answers / (answers + customers asked in vain); NULL where the export has no unanswered invitation of the kind",
            ),
            column("maturity", Type::Text, "complete, or partial: answers so far"),
        ]);
        let doc = "NPS, CSAT and CES by period, with how many answered".into();
        vec![TableSchema { name: spec.name.clone(), doc, key: 5, columns }]
    }

    fn build(spec: &StageSpec<NoOptions>, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
        let lens = spec.setting.lens(spec.period);
        let answers = voice::plan::<Answers>(plan, common.index, lens, &spec.segments, scales(spec));
        Ok(Box::new(Voiced { answers, spec: spec.clone(), common }))
    }
}

/// Refuses a stage where no survey has a score.
pub(super) fn needs_scores(inputs: &Inputs<'_>) -> Vec<Refusal> {
    let refusal = Refusal::of_stage("needs survey scores", "map score of source `surveys`, or remove the stage");
    Refusal::unless(inputs.maps(SourceKind::Surveys, "score"), refusal)
}

struct Voiced {
    spec: StageSpec<NoOptions>,
    common: Common,
    answers: Ref<PeriodSeries>,
}

/// Where the groups of a stage's surveys begin and end.
pub(super) fn scales(spec: &StageSpec<NoOptions>) -> AnswerScales {
    AnswerScales { ends: spec.setting.scales, ces_high_is_ease: spec.setting.ces_high_is_ease }
}
