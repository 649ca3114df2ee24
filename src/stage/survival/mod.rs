//! Stage `survival`: how long customers stay.

mod finish;

use super::rows::segment_columns;
use super::{Common, Stage, StageKind, StageSpec};
use crate::calendar::Period;
use crate::engine::plan::Plan;
use crate::engine::step_outputs::Ref;
use crate::error::Result;
use crate::options::{Accepts, Default, names, options, word, word_option};
use crate::stats::survival::kaplan_meier::Confidence;
use crate::table::{TableSchema, Type, column};
use crate::tally::period_series::PeriodSeries;
use crate::tally::spell_durations::{self, WhichSpells};
use crate::timeline::lens::LiveRule;

const SPELLS: [(&str, WhichSpells); 2] = [("first", WhichSpells::First), ("all", WhichSpells::All)];
const SCALES: [(&str, Confidence); 3] =
    [("log-log", Confidence::LogLog), ("log", Confidence::Log), ("plain", Confidence::Plain)];

word_option!(WhichSpells, SPELLS);
word_option!(Confidence, SCALES);

options! {
    /// Options of kind `survival`.
    pub struct SurvivalOptions {
        /// unit of time. Under `1 period` a customer is live in each
        /// unit with activity
        unit: Option<Period> = word(&names(&Period::ALL)), Default::Unset("days; under `1 period` the stage's period");
        /// the first spell of each customer, or every spell as if of another customer
        spells: WhichSpells = word(&names(&SPELLS)), Default::Value("\"first\"");
        /// scale on which the 95 % intervals of the curve are symmetric
        confidence: Confidence = word(&names(&SCALES)), Default::Value("\"log-log\"");
        /// units up to which the restricted mean goes
        horizon: Option<u32> = Accepts::Int { min: 1, max: 100_000 }, Default::Unset("the last time at which anybody was seen");
    }
}

/// See `definition.md`.
pub struct SurvivalKind;

impl StageKind for SurvivalKind {
    type Options = SurvivalOptions;

    const NAME: &'static str = "survival";
    const DEFINITION: &'static str = include_str!("definition.md");

    const FURTHER_TABLES: &'static [&'static str] = &SUFFIXES;

    fn tables(spec: &StageSpec<SurvivalOptions>) -> Vec<TableSchema> {
        let unit = unit(spec).name();
        let mut curve = segment_columns();
        curve.extend([
            column(
                "time",
                Type::Int,
                format!("t: {unit}s since the spell began, where a spell ended or was last seen"),
            ),
            column("at_risk", Type::Int, "n: spells seen live just before t: entry < t ≤ length"),
            column("events", Type::Int, "d: spells that ended at t"),
            column("censored", Type::Int, "spells last seen live at t"),
            column("survival", Type::Double, "S(t), the share of spells that last beyond t (Kaplan and Meier 1958)"),
            column("std_error", Type::Double, "standard error of survival (Greenwood 1926); NULL at 0"),
            column("ci_low", Type::Double, "lower end of the 95 % interval of survival; NULL where its scale has none"),
            column("ci_high", Type::Double, "upper end of the 95 % interval of survival"),
            column("hazard", Type::Double, "d / n"),
        ]);
        let tests = vec![
            column("segment", Type::Text, "name of the segment whose values are compared"),
            column(
                "test",
                Type::Text,
                "log-rank, wilcoxon (Gehan), tarone-ware or peto: by what differences are weighted",
            ),
            column("groups", Type::Int, "values compared"),
            column("statistic", Type::Double, "chi-squared if all values leave at one pace; NULL where df is 0"),
            column("df", Type::Int, "degrees of freedom; a value never at risk beside another adds none"),
            column("p_value", Type::Double, "probability of a statistic as large if all values leave at one pace"),
            column("note", Type::Text, "why there is no statistic"),
        ];
        let mut summary = segment_columns();
        summary.extend([
            column("customers", Type::Int, "spells, those never at risk included"),
            column("events", Type::Int, "spells at risk that ended"),
            column(
                "never_at_risk",
                Type::Int,
                format!(
                    "spells not longer than their entry, such as those of less than one {unit}: in no row of the curve"
                ),
            ),
            column(
                "median",
                Type::Double,
                format!("{unit}s by which half have left; NULL where the curve stays above ½"),
            ),
            column("median_ci_low", Type::Double, "lower end of its 95 % interval (Brookmeyer and Crowley 1982)"),
            column("median_ci_high", Type::Double, "upper end of its 95 % interval; NULL where it is never reached"),
            column("restricted_mean", Type::Double, format!("mean {unit}s up to `horizon`: the area under the curve")),
            column("restricted_mean_std_error", Type::Double, "its standard error"),
            column("horizon", Type::Int, format!("{unit}s up to which the mean goes; the curve is not extrapolated")),
            column("note", Type::Text, "what the curve leans on, or why a figure is NULL"),
        ]);
        let schema = |suffix: &str, doc: &str, key: usize, columns| {
            let name = if suffix.is_empty() { spec.name.clone() } else { format!("{}_{suffix}", spec.name) };
            TableSchema { name, doc: doc.into(), key, columns }
        };
        let [of_summary, of_tests] = SUFFIXES;
        vec![
            schema("", "How many spells last how long: the Kaplan–Meier curve", 4, curve),
            schema(of_tests, "Whether the values of a segment leave at the same pace", 2, tests),
            schema(of_summary, "The curves of `survival` in a few figures", 3, summary),
        ]
    }

    fn build(spec: &StageSpec<SurvivalOptions>, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
        let unit = unit(spec);
        // Spells by days or terms are the same under every period: one lens does for all.
        let by_period = spec.setting.rule == LiveRule::Period;
        let lens = spec.setting.lens(if by_period { unit } else { spec.setting.period });
        Ok(Box::new(Survival {
            confidence: spec.options.confidence,
            horizon: spec.options.horizon,
            lives: spell_durations::plan(plan, common.index, lens, &spec.segments, unit, spec.options.spells),
            spec: spec.clone(),
            common,
        }))
    }
}

struct Survival {
    spec: StageSpec<SurvivalOptions>,
    common: Common,
    confidence: Confidence,
    horizon: Option<u32>,
    lives: Ref<PeriodSeries>,
}

fn unit(spec: &StageSpec<SurvivalOptions>) -> Period {
    let default = if spec.setting.rule == LiveRule::Period { spec.period } else { Period::Day };
    spec.options.unit.unwrap_or(default)
}

/// The further tables of a stage NAME: `NAME_summary` and `NAME_tests`.
const SUFFIXES: [&str; 2] = ["summary", "tests"];
