//! The estimators against a second, naive implementation over single customers, and properties that hold for any data.

use proptest::prelude::*;

use super::compare::{Comparison, Weights, compare};
use super::kaplan_meier::{Confidence, Curve};
use super::{EventTable, ObservedSpell};

/// Small times, so that ties, lengths of 0 and gaps are common.
fn spells(most: usize) -> impl Strategy<Value = Vec<ObservedSpell>> {
    let entry = prop_oneof![3 => Just(0u32), 1 => 0u32..12];
    let spell = (entry, 0u32..15, any::<bool>(), 1u64..4);
    let spell = spell.prop_map(|(entry, end, event, customers)| ObservedSpell { entry, end, event, customers });
    proptest::collection::vec(spell, 0..most)
}

fn event_table(spells: &[ObservedSpell]) -> EventTable {
    EventTable::from_spells(spells.iter().copied()).unwrap()
}

fn at_risk(spells: &[ObservedSpell], t: u32) -> f64 {
    spells.iter().filter(|s| s.entry < t && t <= s.end).map(|s| s.customers as f64).sum()
}

fn events(spells: &[ObservedSpell], t: u32) -> f64 {
    spells.iter().filter(|s| s.entry < t && t == s.end && s.event).map(|s| s.customers as f64).sum()
}

/// S and σ²; σ² is infinite once S is 0.
fn naive_curve(spells: &[ObservedSpell], until: u32) -> (f64, f64) {
    (1..=until)
        .map(|t| (at_risk(spells, t), events(spells, t)))
        .filter(|(n, _)| *n > 0.0)
        .fold((1.0, 0.0), |(s, v), (n, d)| (s * (1.0 - d / n), v + if d > 0.0 { d / (n * (n - d)) } else { 0.0 }))
}

/// Z and V in full, and ZᵀV⁻Z by Gaussian elimination with full pivoting; a pivot of 0 reduces the rank.
fn naive_test(strata: &[Vec<Vec<ObservedSpell>>], weights: Weights) -> (f64, u64) {
    let k = strata[0].len();
    let (mut z, mut v) = (vec![0.0; k], vec![vec![0.0; k]; k]);
    for groups in strata {
        let mut peto = 1.0;
        for t in 1..=15 {
            let n: Vec<f64> = groups.iter().map(|g| at_risk(g, t)).collect();
            let d: Vec<f64> = groups.iter().map(|g| events(g, t)).collect();
            let (all, gone): (f64, f64) = (n.iter().sum(), d.iter().sum());
            if gone == 0.0 {
                continue;
            }
            peto *= 1.0 - gone / (all + 1.0);
            let w = match weights {
                Weights::LogRank => 1.0,
                Weights::Wilcoxon => all,
                Weights::TaroneWare => all.sqrt(),
                Weights::Peto => peto,
            };
            for i in 0..k {
                z[i] += w * (d[i] - gone * n[i] / all);
                for j in (0..k).filter(|_| all > 1.0) {
                    let same = if i == j { n[i] / all } else { 0.0 };
                    let share = same - n[i] * n[j] / all / all;
                    v[i][j] += w * w * gone * (all - gone) / (all - 1.0) * share;
                }
            }
        }
    }
    let (mut statistic, mut rank, mut left) = (0.0, 0, (0..k).collect::<Vec<_>>());
    while let Some(at) = (0..left.len()).max_by(|a, b| v[left[*a]][left[*a]].total_cmp(&v[left[*b]][left[*b]])) {
        let p = left.swap_remove(at);
        if v[p][p] < 1e-9 {
            break;
        }
        statistic += z[p] * z[p] / v[p][p];
        rank += 1;
        for &i in &left {
            let factor = v[i][p] / v[p][p];
            z[i] -= factor * z[p];
            let pivot = v[p].clone();
            v[i].iter_mut().zip(pivot).for_each(|(v, p)| *v -= factor * p);
        }
    }
    (statistic, rank)
}

const KINDS: [Confidence; 3] = [Confidence::LogLog, Confidence::Log, Confidence::Plain];
const TESTS: [Weights; 4] = [Weights::LogRank, Weights::Wilcoxon, Weights::TaroneWare, Weights::Peto];

fn groups_of(comparison: &Comparison, weights: Weights) -> (f64, u64, f64) {
    let test = comparison.test(weights);
    (test.statistic.unwrap_or(0.0), test.df, test.p_value.unwrap_or(1.0))
}

proptest! {
    #![proptest_config(crate::properties::cases(256))]

    #[test]
    fn curves_are_those_of_the_definition(spells in spells(12)) {
        let curve = Curve::new(&event_table(&spells), Confidence::Log);
        let over = spells.iter().filter(|s| s.end > s.entry);
        let mut ends: Vec<u32> = over.clone().map(|s| s.end).collect();
        ends.sort_unstable();
        ends.dedup();
        prop_assert_eq!(curve.rows.iter().map(|r| r.time).collect::<Vec<_>>(), ends);
        let all: u64 = spells.iter().map(|s| s.customers).sum();
        prop_assert_eq!(curve.customers, all);
        prop_assert_eq!(curve.never_at_risk, all - over.map(|s| s.customers).sum::<u64>());
        for row in &curve.rows {
            let (s, variance) = naive_curve(&spells, row.time);
            prop_assert_eq!((row.at_risk as f64, row.events as f64), (at_risk(&spells, row.time), events(&spells, row.time)));
            prop_assert!((row.survival - s).abs() < 1e-12);
            prop_assert!((row.hazard - row.events as f64 / row.at_risk as f64).abs() < 1e-15);
            prop_assert_eq!(row.std_error.is_some(), s > 0.0);
            if let Some(error) = row.std_error {
                prop_assert!((error - s * variance.sqrt()).abs() < 1e-12);
            }
        }
        // Unit by unit: the area is the sum of S over whole times.
        for horizon in [None, Some(5), Some(40)] {
            let Some(mean) = curve.restricted_mean(horizon) else { continue };
            let area = |from: u32| (from..mean.to).map(|t| curve.survival(t).unwrap()).sum::<f64>();
            let variance: f64 = curve.rows.iter().filter(|r| r.time < mean.to && r.events < r.at_risk).map(|r| {
                area(r.time).powi(2) * r.events as f64 / (r.at_risk * (r.at_risk - r.events)) as f64
            }).sum();
            prop_assert!((mean.mean - area(0)).abs() < 1e-11);
            prop_assert!((mean.std_error - variance.sqrt()).abs() < 1e-10);
            prop_assert!((0.0..=f64::from(mean.to)).contains(&mean.mean));
        }
    }

    #[test]
    fn curves_fall_within_their_intervals(spells in spells(30)) {
        for kind in KINDS {
            let curve = Curve::new(&event_table(&spells), kind);
            let mut before = 1.0;
            for row in &curve.rows {
                prop_assert!((0.0..=before).contains(&row.survival));
                before = row.survival;
                prop_assert_eq!(row.ci_low.is_some(), row.ci_high.is_some());
                if let (Some(low), Some(high)) = (row.ci_low, row.ci_high) {
                    prop_assert!(0.0 <= low && low <= row.survival + 1e-15 && row.survival <= high + 1e-15 && high <= 1.0);
                    prop_assert!(high > low || row.std_error == Some(0.0));
                }
            }
            let median = curve.median();
            prop_assert!(median.ci_low.is_none_or(|low| median.time.is_none_or(|m| low <= m)));
            prop_assert!(median.ci_high.is_none_or(|high| median.time.is_some_and(|m| m <= high)));
            if let Some(window) = curve.window(0.9) {
                let gone = |t| 1.0 - curve.survival(t).unwrap();
                let wanted = 0.9 * (1.0 - curve.rows.last().unwrap().survival);
                prop_assert!(gone(window) >= wanted - 1e-9 && (window == 0 || gone(window - 1) < wanted));
            }
        }
    }

    #[test]
    fn counts_of_all_alike_change_no_curve_but_its_error(spells in spells(12), times in 2u64..50) {
        let more: Vec<ObservedSpell> = spells.iter().map(|s| ObservedSpell { customers: s.customers * times, ..*s }).collect();
        let [one, many] = [&spells, &more].map(|s| Curve::new(&event_table(s), Confidence::Plain));
        for (a, b) in one.rows.iter().zip(&many.rows) {
            prop_assert!((a.survival - b.survival).abs() < 1e-13 && (a.hazard - b.hazard).abs() < 1e-15);
            if let (Some(a), Some(b)) = (a.std_error, b.std_error) {
                prop_assert!((a * a - b * b * times as f64).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn tests_are_those_of_the_definition(a in spells(8), b in spells(8), c in spells(8), d in spells(5), e in spells(5), f in spells(5)) {
        for strata in [vec![vec![a.clone(), b.clone(), c.clone()]], vec![vec![a, b, c], vec![d, e, f]]] {
            let event_tables: Vec<Vec<EventTable>> = strata.iter().map(|g| g.iter().map(|s| event_table(s)).collect()).collect();
            let found = compare(&event_tables).unwrap();
            for weights in TESTS {
                let (statistic, df, p) = groups_of(&found, weights);
                let (expected, rank) = naive_test(&strata, weights);
                prop_assert_eq!(df, rank);
                prop_assert!((statistic - expected).abs() < 1e-8 * (1.0 + expected), "{} {}", statistic, expected);
                prop_assert!((0.0..=1.0).contains(&p));
            }
            let observed: u64 = found.groups.iter().map(|g| g.observed).sum();
            let expected: f64 = found.groups.iter().map(|g| g.expected).sum();
            prop_assert!((observed as f64 - expected).abs() < 1e-9, "as many are expected as observed");
        }
    }

    #[test]
    fn the_order_of_groups_and_the_unit_of_time_do_not_matter(a in spells(8), b in spells(8), c in spells(8), d in spells(8)) {
        let slow = |s: &Vec<ObservedSpell>| s.iter().map(|s| ObservedSpell { entry: 30 * s.entry, end: 30 * s.end, ..*s }).collect::<Vec<_>>();
        let groups = [a, b, c, d];
        let event_tables = groups.each_ref().map(|s| event_table(s)).to_vec();
        let turned: Vec<EventTable> = [2, 0, 3, 1].map(|i: usize| event_tables[i].clone()).to_vec();
        let slowed = groups.each_ref().map(|s| event_table(&slow(s))).to_vec();
        let [found, turned, slowed] = [event_tables, turned, slowed].map(|l| compare(&[l]).unwrap());
        prop_assert_eq!(&found, &slowed);
        for weights in TESTS {
            let (x, y) = (groups_of(&found, weights), groups_of(&turned, weights));
            prop_assert_eq!(x.1, y.1);
            prop_assert!((x.0 - y.0).abs() < 1e-10 * (1.0 + x.0) && (x.2 - y.2).abs() < 1e-10);
        }
    }
}
