//! Tests of whether groups leave at the same pace: the log-rank test and other weighted tests of equal hazards.

use libm::sqrt;

use crate::stats::distribution::chi_squared_tail;
use crate::stats::survival::{EventCounts, EventTable};

/// The weight of each time, n being the number at risk in all groups together. It decides which differences a test detects
/// best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// Weight 1: best for hazards in a constant ratio (Mantel 1966, Cancer Chemotherapy Reports 50:163).
    LogRank,
    /// Weight n: best for early differences (Gehan 1965, Biometrika 52:203; Breslow 1970).
    Wilcoxon,
    /// Weight √n, between the two (Tarone & Ware 1977, Biometrika 64:156).
    TaroneWare,
    /// Weight S̃ = Π (1 − d/(n + 1)) up to and including this time: best for early differences, whatever the censoring (Peto
    /// & Peto 1972, JRSS A 135:185; Andersen 1982).
    Peto,
}

const ALL: [Weights; 4] = [Weights::LogRank, Weights::Wilcoxon, Weights::TaroneWare, Weights::Peto];

/// More groups than this are not compared. The covariances grow with the square of the number (200 groups over 20,000 days
/// take half a second), and a test of whether five hundred groups differ says little.
const MOST_GROUPS: usize = 500;

/// The result of one test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightedTest {
    /// Which test.
    pub weights: Weights,
    /// ZᵀV⁻Z, which has a chi-squared distribution with `df` degrees of freedom if all groups have the same hazard; `None`
    /// if `df` is 0.
    pub statistic: Option<f64>,
    /// Degrees of freedom: the number of groups less one. A group that is never at risk at the same time as another adds
    /// none.
    pub df: u64,
    /// The probability of such a statistic, or a greater one, if all groups have the same hazard.
    pub p_value: Option<f64>,
}

/// The events of a group, and the events expected at the hazard of all groups together: E = Σ d·nⱼ/n.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GroupCounts {
    /// Events observed.
    pub observed: u64,
    /// Events expected if all groups have one hazard.
    pub expected: f64,
}

/// A comparison of groups by all four tests.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The groups in the order given, summed over the strata.
    pub groups: Vec<GroupCounts>,
    /// One result for each of [`Weights`], in their order.
    pub tests: [WeightedTest; 4],
}

impl Comparison {
    /// The result of the test with these weights.
    pub fn test(&self, weights: Weights) -> WeightedTest {
        self.tests[weights as usize]
    }
}

/// Tests whether the groups of each stratum have the same hazard.
///
/// With d events among n at risk, dⱼ among nⱼ in group j, and weight w at each time:
/// Zⱼ = Σ w·(dⱼ − d·nⱼ/n), Vᵢⱼ = Σ w²·d·(n−d)/(n−1)·(nᵢ/n)·([i=j] − nⱼ/n) (Klein & Moeschberger 2003, 7.3).
///
/// # Parameters
/// - `strata`: `strata[s][j]` is group j in stratum s; one stratum makes a plain test. Strata are not compared with each
///   other, only their Z and V are added.
///
/// # Returns
/// All four tests; `None` for more than 500 groups.
///
/// # Example
/// Remission of leukaemia in weeks with and without maintenance chemotherapy (R's data set `aml`); R's `survdiff` prints
/// χ² = 3.4 on one degree of freedom, p = 0.07.
/// ```
/// use tenure::stats::survival::compare::{Weights, compare};
/// use tenure::stats::survival::{EventTable, ObservedSpell};
///
/// let group = |relapsed: &[u32], in_remission: &[u32]| {
///     let spell = |event| move |&end: &u32| ObservedSpell { entry: 0, end, event, customers: 1 };
///     let spells = relapsed.iter().map(spell(true)).chain(in_remission.iter().map(spell(false)));
///     EventTable::from_spells(spells).unwrap()
/// };
/// let maintained = group(&[9, 13, 18, 23, 31, 34, 48], &[13, 28, 45, 161]);
/// let not = group(&[5, 5, 8, 8, 12, 23, 27, 30, 33, 43, 45], &[16]);
/// let test = compare(&[vec![maintained, not]]).unwrap().test(Weights::LogRank);
/// assert!((test.statistic.unwrap() - 3.4).abs() < 0.05 && test.df == 1);
/// assert!((test.p_value.unwrap() - 0.07).abs() < 0.005);
/// ```
pub fn compare(strata: &[Vec<EventTable>]) -> Option<Comparison> {
    let count = strata.iter().map(Vec::len).max().unwrap_or(0);
    if count > MOST_GROUPS {
        return None;
    }
    let mut sums = TestSums {
        groups: vec![GroupCounts::default(); count],
        z: vec![[0.0; 4]; count],
        links: vec![[0.0; 4]; count * count],
    };
    strata.iter().for_each(|groups| sums.add(groups));
    let tests = ALL.map(|weights| sums.test(weights));
    Some(Comparison { groups: sums.groups, tests })
}

/// Sums over times and strata, by group and by weights in the order of [`ALL`].
struct TestSums {
    groups: Vec<GroupCounts>,
    z: Vec<[f64; 4]>,
    /// −Vᵢⱼ for i < j, row by row. The diagonal of V is minus the sum of the rest of its row, so it is not stored.
    links: Vec<[f64; 4]>,
}

impl TestSums {
    fn add(&mut self, stratum: &[EventTable]) {
        let of = |(j, event_table)| EventTable::counts(event_table).iter().map(move |m| (j, *m));
        let mut counts: Vec<(usize, EventCounts)> = stratum.iter().enumerate().flat_map(of).collect();
        counts.sort_unstable_by_key(|(j, m)| (m.time, *j));
        let mut at_risk = vec![0u64; stratum.len()];
        let mut peto = 1.0;
        for now in counts.chunk_by(|a, b| a.1.time == b.1.time) {
            if now.iter().any(|(_, m)| m.events > 0) {
                self.events(&at_risk, now, &mut peto);
            }
            for (j, m) in now {
                at_risk[*j] = at_risk[*j] - m.events - m.censored + m.entered;
            }
        }
    }

    /// Adds the events of one time.
    fn events(&mut self, at_risk: &[u64], now: &[(usize, EventCounts)], peto: &mut f64) {
        let n: f64 = at_risk.iter().map(|n| *n as f64).sum();
        let d: f64 = now.iter().map(|(_, m)| m.events as f64).sum();
        let shares: Vec<(usize, f64)> =
            at_risk.iter().enumerate().filter(|(_, n)| **n > 0).map(|(j, nj)| (j, *nj as f64 / n)).collect();
        *peto *= 1.0 - d / (n + 1.0);
        for (j, m) in now {
            self.groups[*j].observed = self.groups[*j].observed.saturating_add(m.events);
        }
        for (j, share) in &shares {
            self.groups[*j].expected += d * share;
        }
        // If all at risk leave, or only one was at risk, observed equals expected.
        if d >= n {
            return;
        }
        let weights = [1.0, n, sqrt(n), *peto];
        let mut shift = |j: usize, by: f64| self.z[j].iter_mut().zip(weights).for_each(|(z, w)| *z += w * by);
        shares.iter().for_each(|(j, share)| shift(*j, -d * share));
        now.iter().for_each(|(j, m)| shift(*j, m.events as f64));
        let spread = weights.map(|w| w * w * d * ((n - d) / (n - 1.0)));
        let count = self.groups.len();
        for (k, (i, share)) in shares.iter().enumerate() {
            let by = spread.map(|s| s * share);
            let row = &mut self.links[i * count..(i + 1) * count];
            for (j, share) in &shares[k + 1..] {
                row[*j].iter_mut().zip(by).for_each(|(link, by)| *link += by * share);
            }
        }
    }

    /// The statistic ZᵀV⁻Z and the rank of V.
    ///
    /// V is the Laplacian of a graph with these links, so its rank is the number of groups less that of connected
    /// components. Groups are eliminated like the nodes of an electrical network: the links of a node become links among its
    /// neighbours, its Z goes to them in proportion, and Z²/(the sum of its links) is its part of the statistic. Nothing is
    /// subtracted, so no pivot is lost to rounding, however unequal the groups are.
    fn test(&self, weights: Weights) -> WeightedTest {
        let (w, count) = (weights as usize, self.groups.len());
        let mut z: Vec<f64> = self.z.iter().map(|z| z[w]).collect();
        let mut links: Vec<f64> = self.links.iter().map(|l| l[w]).collect();
        let (mut sum, mut df) = (0.0, 0);
        for v in 0..count {
            let all: f64 = links[v * count + v + 1..(v + 1) * count].iter().sum();
            // The last group of its component.
            if all <= 0.0 {
                continue;
            }
            sum += z[v] / all * z[v];
            df += 1;
            for i in v + 1..count {
                let share = links[v * count + i] / all;
                if share > 0.0 {
                    z[i] += z[v] * share;
                    for j in i + 1..count {
                        links[i * count + j] += links[v * count + j] * share;
                    }
                }
            }
        }
        let statistic = Some(sum).filter(|s| df > 0 && s.is_finite());
        WeightedTest { weights, statistic, df, p_value: statistic.and_then(|s| chi_squared_tail(s, df)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::survival::ObservedSpell;
    use crate::stats::survival::tests::{aml, event_table, leukaemia};

    fn plain(groups: &[EventTable]) -> Comparison {
        compare(&[groups.to_vec()]).unwrap()
    }

    #[track_caller]
    fn near(got: f64, expected: f64, tolerance: f64) {
        assert!((got - expected).abs() <= tolerance, "{got} is not {expected}");
    }

    /// Anderson's data as Kleinbaum & Klein 2012 and lifelines print them; p likewise.
    #[test]
    fn leukaemia_by_treatment() {
        let found = plain(&leukaemia());
        for (weights, statistic) in [
            (Weights::LogRank, 16.792941),
            (Weights::Wilcoxon, 13.457852),
            (Weights::TaroneWare, 15.123575),
            (Weights::Peto, 14.084139),
        ] {
            let test = found.test(weights);
            assert_eq!((test.weights, test.df), (weights, 1));
            near(test.statistic.unwrap(), statistic, 1e-6);
        }
        near(found.test(Weights::LogRank).p_value.unwrap(), 4.17e-5, 5e-8);
    }

    /// As R's survdiff prints them.
    #[test]
    fn aml_by_maintenance() {
        let found = plain(&aml());
        near(found.test(Weights::LogRank).statistic.unwrap(), 3.396389, 5e-7);
        assert_eq!(found.groups.iter().map(|g| g.observed).collect::<Vec<_>>(), [7, 11]);
        near(found.groups[0].expected, 10.69, 5e-3);
        near(found.groups[1].expected, 7.31, 5e-3);
    }

    /// Strata and late entry, some of it after the end: `Z pinv(V) Z` over the single records in numpy, which agrees
    /// with the Python packages lifelines (four weights, no strata) and statsmodels (strata).
    #[test]
    fn strata_with_late_entry() {
        let strata = STRATA.map(|groups| groups.map(event_table).to_vec());
        let found = compare(&strata).unwrap();
        for (weights, statistic) in [
            (Weights::LogRank, 0.704_113_831_557_065_1),
            (Weights::Wilcoxon, 1.264_947_788_206_872_7),
            (Weights::TaroneWare, 1.032_554_887_505_294_6),
            (Weights::Peto, 1.350_131_340_480_924_3),
        ] {
            near(found.test(weights).statistic.unwrap(), statistic, 1e-12);
            assert_eq!(found.test(weights).df, 2);
        }
        near(found.test(Weights::LogRank).p_value.unwrap(), 0.703_240_095_379_755_3, 1e-12);
        let expected = [4.930_555_555_555_555, 4.152_777_777_777_779, 4.916_666_666_666_666];
        for ((group, observed), expected) in found.groups.iter().zip([6, 3, 5]).zip(expected) {
            assert_eq!(group.observed, observed);
            near(group.expected, expected, 1e-12);
        }
        let pooled = STRATA[0].iter().zip(STRATA[1]).map(|(a, b)| event_table(&[*a, b].concat())).collect::<Vec<_>>();
        let pooled = plain(&pooled).test(Weights::LogRank).statistic.unwrap();
        assert!((pooled - 0.704).abs() > 1e-3, "strata make a difference");
    }

    /// `[stratum][group]`, each `(entry, end, event)`.
    type SeenSpells = [(u32, u32, bool)];

    const STRATA: [[&SeenSpells; 3]; 2] = [
        [
            &[(4, 5, false), (0, 7, true), (0, 9, false), (0, 2, true)],
            &[(0, 7, true), (0, 4, false), (0, 5, true), (0, 6, false)],
            &[(0, 1, false), (0, 3, true), (0, 7, true), (0, 8, true)],
        ],
        [
            &[(0, 6, true), (2, 3, true), (0, 7, true), (0, 1, true)],
            &[(4, 1, false), (2, 3, false), (0, 3, false), (0, 8, true)],
            &[(4, 4, true), (0, 3, true), (0, 1, true), (0, 9, false)],
        ],
    ];

    #[test]
    fn a_group_never_at_risk_beside_another_adds_no_degree_of_freedom() {
        let [a, b] = aml();
        let two = plain(&[a.clone(), b.clone()]);
        let over_at_once = event_table(&[(0, 0, true), (0, 0, false)]);
        let long_after = event_table(&[(500, 501, true), (500, 502, true)]);
        for idle in [EventTable::default(), over_at_once, long_after] {
            for groups in [[idle.clone(), a.clone(), b.clone()], [a.clone(), idle.clone(), b.clone()]] {
                let three = plain(&groups);
                for (more, less) in three.tests.iter().zip(&two.tests) {
                    assert_eq!(more.df, 1);
                    near(more.statistic.unwrap(), less.statistic.unwrap(), 1e-12);
                }
            }
        }
        // Two pairs that never meet: one degree each, and their statistics add up.
        let later =
            |l: &[(u32, u32, bool)]| event_table(&l.iter().map(|&(s, e, v)| (s + 100, e + 100, v)).collect::<Vec<_>>());
        let pairs: [&SeenSpells; 2] = [&[(0, 3, true), (0, 5, true)], &[(0, 4, true), (0, 9, false)]];
        let one = plain(&pairs.map(event_table));
        let both = plain(&[event_table(pairs[0]), later(pairs[1]), event_table(pairs[1]), later(pairs[0])]);
        let (one, both) = (one.test(Weights::LogRank), both.test(Weights::LogRank));
        assert_eq!((one.df, both.df), (1, 2));
        near(both.statistic.unwrap(), 2.0 * one.statistic.unwrap(), 1e-12);
        let strata = [
            vec![event_table(pairs[0]), EventTable::default(), event_table(pairs[1])],
            vec![],
            vec![EventTable::default(), event_table(pairs[0])],
        ];
        assert_eq!(compare(&strata).unwrap().test(Weights::Peto).df, 1);
    }

    #[test]
    fn nothing_to_compare_is_no_test() {
        let untested = |c: Comparison| c.tests.iter().all(|t| (t.statistic, t.df, t.p_value) == (None, 0, None));
        assert!(untested(compare(&[]).unwrap()));
        assert!(untested(plain(&[])));
        assert!(untested(plain(&aml()[..1])), "a single group");
        let running = event_table(&[(0, 5, false), (0, 7, false)]);
        assert!(untested(plain(&[running.clone(), running])), "no events");
        let at_once = event_table(&[(0, 5, true), (0, 5, true)]);
        assert!(untested(plain(&[at_once.clone(), at_once])), "all events at one time");
        assert!(
            untested(plain(&[event_table(&[(0, 3, true)]), event_table(&[(3, 4, true)])])),
            "one customer at a time"
        );
        assert!(compare(&[vec![EventTable::default(); MOST_GROUPS + 1]]).is_none());
    }

    #[test]
    fn one_customer_beside_a_great_many() {
        let crowd = |customers| {
            let spell = |end, event, customers| ObservedSpell { entry: 0, end, event, customers };
            EventTable::from_spells([spell(1, true, customers), spell(2, false, customers), spell(3, true, customers)])
                .unwrap()
        };
        let found = plain(&[event_table(&[(0, 2, true)]), crowd(1 << 60), crowd(1 << 60), crowd(1), crowd(1 << 30)]);
        for test in found.tests {
            let statistic = test.statistic.unwrap();
            assert!(statistic.is_finite() && statistic >= 0.0 && test.df == 4, "{test:?}");
            assert!((0.0..=1.0).contains(&test.p_value.unwrap()));
        }
    }
}
