//! Stage `survival`: how long customers stay.

mod finish;

use super::rows::segment_columns;
use super::{Common, Kind, OptionSpec, OptionType, Spec, Stage, no_scores};
use crate::calendar::Period;
use crate::engine::plan::Plan;
use crate::engine::step_outputs::Ref;
use crate::error::Result;
use crate::stats::survival::kaplan_meier::Confidence;
use crate::table::{TableSchema, Type, column};
use crate::tally::period_series::PeriodSeries;
use crate::tally::spell_durations::{self, Spells};
use crate::timeline::lens::LiveRule;

pub const KIND: Kind =
    Kind { name: "survival", doc: include_str!("definition.md"), options: OPTIONS, tables, scores: no_scores, build };

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "unit",
        doc: "of time; not set: days, and under `1 period` the stage's period. Under `1 period` a customer is live in \
              each unit with activity",
        accepts: OptionType::Word(&["day", "week", "month", "quarter", "year"]),
        later: &[],
        default: "",
    },
    OptionSpec {
        name: "spells",
        doc: "the first spell of each customer, or every spell as if of another customer",
        accepts: OptionType::Word(&["first", "all"]),
        later: &[],
        default: "\"first\"",
    },
    OptionSpec {
        name: "confidence",
        doc: "scale on which the 95 % intervals of the curve are symmetric",
        accepts: OptionType::Word(&["log-log", "log", "plain"]),
        later: &[],
        default: "\"log-log\"",
    },
    OptionSpec {
        name: "horizon",
        doc: "units up to which the restricted mean goes; not set: the last time at which anybody was seen",
        accepts: OptionType::Int { min: 1, max: 100_000 },
        later: &[],
        default: "",
    },
];

struct Survival {
    spec: Spec,
    common: Common,
    confidence: Confidence,
    horizon: Option<u32>,
    lives: Ref<PeriodSeries>,
}

fn unit(spec: &Spec) -> Period {
    let word = spec.options.word("unit");
    let by_word = |word: &str| Period::ALL.iter().find(|(name, _)| *name == word).map(|(_, period)| *period);
    let default = if spec.setting.rule == LiveRule::Period { spec.period } else { Period::Day };
    word.and_then(by_word).unwrap_or(default)
}

fn build(spec: &Spec, common: Common, plan: &mut Plan) -> Result<Box<dyn Stage>> {
    let unit = unit(spec);
    // Spells by days or terms are the same under every period: one lens does for all.
    let by_period = spec.setting.rule == LiveRule::Period;
    let lens = spec.setting.lens(if by_period { unit } else { spec.setting.period });
    let spells = if spec.options.word("spells") == Some("all") { Spells::All } else { Spells::First };
    Ok(Box::new(Survival {
        confidence: match spec.options.word("confidence") {
            Some("log") => Confidence::Log,
            Some("plain") => Confidence::Plain,
            _ => Confidence::LogLog,
        },
        horizon: spec.options.int("horizon").and_then(|h| u32::try_from(h).ok()),
        lives: spell_durations::plan(plan, common.index, lens, &spec.segments, unit, spells),
        spec: spec.clone(),
        common,
    }))
}

/// Of a stage of this kind: `survival_tests`, or `NAME_tests` of one called NAME.
pub(crate) const FURTHER_TABLES: [&str; 2] = ["summary", "tests"];

fn tables(spec: &Spec) -> Vec<TableSchema> {
    let unit = unit(spec).name();
    let mut curve = segment_columns();
    curve.extend([
        column("time", Type::Int, format!("t: {unit}s since the spell began, where a spell ended or was last seen")),
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
        column("test", Type::Text, "log-rank, wilcoxon (Gehan), tarone-ware or peto: by what differences are weighted"),
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
        column("median", Type::Double, format!("{unit}s by which half have left; NULL where the curve stays above ½")),
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
    let [of_summary, of_tests] = FURTHER_TABLES;
    vec![
        schema("", "How many spells last how long: the Kaplan–Meier curve", 4, curve),
        schema(of_tests, "Whether the values of a segment leave at the same pace", 2, tests),
        schema(of_summary, "The curves of `survival` in a few figures", 3, summary),
    ]
}
