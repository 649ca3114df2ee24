//! Signs in words that a person understands who has never seen a model.

use crate::calendar::Day;
use crate::timeline::risk_features::{DUE, Feature, FeatureSpec, FeatureValues, Level, NOT_DUE};
use crate::timeline::rows::AnswerKind;

/// A customer who buys at least once a week is not called a rare buyer, whatever their window.
const SELDOM: i32 = 8;

/// What a sign says of a customer at that level; `None` where it says nothing that would worry anybody.
pub(super) fn of(sign: Feature, level: usize, standing: &FeatureValues, watch: &FeatureSpec) -> Option<String> {
    let uses = watch.by_use && !watch.features.contains(&Feature::Purchases);
    let silence = || Some(silence(standing, uses));
    match (sign, level) {
        (Feature::Silence, 1..) | (Feature::PurchaseRhythm, 0 | 2..) => silence(),
        (Feature::Level, 1..=3) => standing.level.map(|l| less(&l, watch)),
        (Feature::Purchases, 0) => silence(),
        (Feature::Purchases, 1..=2) => standing.rhythm.map(|r| match r.gaps + 1 {
            2 => "has bought only twice".into(),
            n => format!("has bought only {n} times"),
        }),
        (Feature::Pace, 3..) if standing.rhythm.is_none_or(|r| r.gaps == 0) => silence(),
        (Feature::Lately, 0) if standing.lately == 0 => {
            Some(format!("bought nothing in the last {}", days(watch.window)))
        }
        (Feature::Lately, 0) => Some(format!("bought only once in the last {}", days(watch.window))),
        // Seldom for whom is to come daily may still be often.
        (Feature::Pace, 3..) => standing.rhythm.and_then(|r| {
            let every = (r.last.0 - r.first.0 + standing.silence + 1) / (r.gaps as i32 + 1);
            (every >= SELDOM).then(|| format!("buys only about every {}", days(every)))
        }),
        (Feature::Tenure, 0..=1) => Some(format!("customer for only {}", days(standing.tenure))),
        (Feature::Renewal, DUE) => Some(format!("term ends on {}: up for renewal", standing.renewal.1)),
        (Feature::Renewal, level) if level != NOT_DUE => {
            Some(format!("short term, next renewal on {}", standing.renewal.1))
        }
        (Feature::Notice, 1..) => standing.notice.map(|day| match standing.renewal.1 {
            Day::NEVER => format!("cancelled on {day}"),
            paid_until => format!("cancelled on {day}, paid until {paid_until}"),
        }),
        (Feature::Survey, 1..=2) => standing.answer.map(|(_, answer)| {
            let most = watch.scales[usize::from(answer.kind != AnswerKind::Nps)].1;
            format!("gave {} of {most} points in the survey of {}", points(answer.score.unwrap_or(0)), answer.day)
        }),
        _ => None,
    }
}

/// The sentence about silence: the last purchase, or the last use where usage is the sign of life.
fn silence(standing: &FeatureValues, uses: bool) -> String {
    let silent = days(standing.silence);
    match (standing.rhythm, uses) {
        (Some(r), _) if r.gaps > 0 => {
            let gaps = r.gaps as i32;
            let usual = ((2 * (r.last.0 - r.first.0) + gaps) / (2 * gaps)).max(1);
            let every = if usual == 1 { "day".into() } else { usual.to_string() };
            match uses {
                false => format!("silent for {silent}, usually buys every {every}"),
                true => format!("not used for {silent}, usually every {every}"),
            }
        }
        (Some(_), false) => format!("has bought only once, {silent} ago"),
        (Some(_), true) => format!("used only once, {silent} ago"),
        (None, false) => format!("nothing bought in {silent} as a customer"),
        (None, true) => format!("not used in {silent} as a customer"),
    }
}

/// What was done lately beside what is usual.
fn less(level: &Level, watch: &FeatureSpec) -> String {
    let Level { recent, earlier, earlier_days } = *level;
    let last = days(watch.window);
    // Of a window, as the recent one.
    let usual = earlier as f64 * f64::from(watch.window) / f64::from(earlier_days.max(1));
    if watch.by_use {
        let down = 100.0 * (1.0 - recent as f64 / usual);
        return if recent == 0 {
            format!("not used in the last {last}")
        } else {
            format!("used {down:.0} % less than usual in the last {last}")
        };
    }
    let usual = if usual < 9.95 { format!("{usual:.1}").replace(".0", "") } else { format!("{usual:.0}") };
    let usual = if usual == "1" { "once".into() } else { format!("{usual} times") };
    match recent {
        0 => format!("bought nothing in the last {last}, usually {usual}"),
        1 => format!("bought once in the last {last}, usually {usual}"),
        n => format!("bought {n} times in the last {last}, usually {usual}"),
    }
}

fn days(n: i32) -> String {
    if n == 1 { "1 day".into() } else { format!("{n} days") }
}

/// Hundredths as a person writes them.
fn points(hundredths: i32) -> String {
    format!("{:.2}", f64::from(hundredths) / 100.0).trim_end_matches('0').trim_end_matches('.').to_string()
}
