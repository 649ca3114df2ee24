//! How well a score separates customers who had an event from those who had not: area under the ROC curve, lift, Brier
//! score.

/// Customers with one score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreGroup {
    /// The score; a higher one means that the event is more likely.
    pub score: f64,
    /// Customers.
    pub customers: u64,
    /// Of these, those who had the event.
    pub events: u64,
}

/// The counts behind the quality of a ranking. Those of several rankings can be added up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RankingQuality {
    /// Customers ranked.
    pub customers: u64,
    /// Of these, those who had the event.
    pub events: u64,
    /// The number of pairs of a customer with the event and one without.
    pub pairs: u128,
    /// Twice the number of pairs in which the one with the event has the higher score; ties count once.
    pub twice_won: u128,
    /// Events among the tenth of the customers with the highest scores. If only some of the customers with one score belong
    /// to that tenth, the same share of their events counts.
    pub events_in_top: f64,
}

impl RankingQuality {
    /// Ranks customers. The groups may be in any order, and several may have one score.
    pub fn of(groups: &[ScoreGroup]) -> RankingQuality {
        let mut groups = groups.to_vec();
        groups.sort_by(|a, b| b.score.total_cmp(&a.score));
        let customers: u64 = groups.iter().map(|g| g.customers).sum();
        let events: u64 = groups.iter().map(|g| g.events).sum();
        let pairs = u128::from(events) * u128::from(customers - events);
        let mut ranked = RankingQuality { customers, events, pairs, ..RankingQuality::default() };
        // Counted in tenths of a customer: the top has as many of these as there are customers.
        let (mut left, mut events_above) = (u128::from(customers), 0u128);
        for tied in groups.chunk_by(|a, b| a.score == b.score) {
            let (n, events) = tied.iter().fold((0, 0), |(n, e), g| (n + g.customers, e + g.events));
            let without = u128::from(n - events);
            ranked.twice_won += without * (2 * events_above + u128::from(events));
            let taken = left.min(10 * u128::from(n));
            if n > 0 {
                ranked.events_in_top += (u128::from(events) * taken) as f64 / (10 * u128::from(n)) as f64;
            }
            left -= taken;
            events_above += u128::from(events);
        }
        ranked
    }

    /// The counts of two rankings together.
    #[must_use]
    pub fn and(self, other: RankingQuality) -> RankingQuality {
        RankingQuality {
            customers: self.customers + other.customers,
            events: self.events + other.events,
            pairs: self.pairs + other.pairs,
            twice_won: self.twice_won + other.twice_won,
            events_in_top: self.events_in_top + other.events_in_top,
        }
    }

    /// The area under the ROC curve: the probability that a customer with the event has a higher score than one without,
    /// ties counting one half (Hanley and McNeil 1982, Radiology 143:29–36). Of several rankings only pairs within one
    /// ranking count. `None` without pairs.
    pub fn auc(&self) -> Option<f64> {
        (self.pairs > 0).then(|| self.twice_won as f64 / (2.0 * self.pairs as f64))
    }

    /// The lift of the top tenth: its share of all events divided by a tenth. `None` without events.
    pub fn lift(&self) -> Option<f64> {
        (self.events > 0).then(|| 10.0 * self.events_in_top / self.events as f64)
    }
}

/// Σ (outcome − probability)² over customers whose `score` is a probability. Divided by their number it is the Brier score
/// (1950, Monthly Weather Review 78:1–3).
pub fn squared_errors(groups: &[ScoreGroup]) -> f64 {
    let of = |g: &ScoreGroup| {
        let (with, without) = (g.events as f64, (g.customers - g.events) as f64);
        with * (1.0 - g.score) * (1.0 - g.score) + without * g.score * g.score
    };
    groups.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(score: f64, customers: u64, events: u64) -> ScoreGroup {
        ScoreGroup { score, customers, events }
    }

    /// Ten customers, one a score but for two at 0.5; those at 0.9, 0.7 and one of the two at 0.5 had the event.
    ///
    /// Of 3·7 pairs: 0.9 beats all seven; 0.7 beats all but 0.8; the one at 0.5 beats the four below, is tied with one, and
    /// loses against 0.8 and 0.6. Won 7 + 6 + 4 + ½ = 17.5.
    #[test]
    fn a_ranking_that_can_be_followed() {
        let one = |score, events| group(score, 1, events);
        let low = [0.4, 0.3, 0.2, 0.1].map(|score| one(score, 0));
        let high = [one(0.7, 1), one(0.9, 1), one(0.8, 0), one(0.6, 0), group(0.5, 2, 1)];
        let ranked = RankingQuality::of(&[low.as_slice(), high.as_slice()].concat());
        assert_eq!((ranked.pairs, ranked.twice_won), (21, 35));
        assert_eq!(ranked.auc(), Some(17.5 / 21.0));
        // The top tenth is the one at 0.9: one event of three, where chance has 0.3.
        assert_eq!((ranked.events_in_top, ranked.lift()), (1.0, Some(10.0 / 3.0)));
    }

    /// Fifteen customers, so that the top tenth is one and a half: the one at the top, and half a customer of the four behind.
    #[test]
    fn the_last_of_the_top_tenth_is_shared_among_equals() {
        let ranked = RankingQuality::of(&[group(0.1, 10, 1), group(0.9, 1, 1), group(0.5, 4, 2)]);
        assert_eq!(ranked.events_in_top, 1.0 + 2.0 * 0.5 / 4.0);
        let split = RankingQuality::of(&[group(0.5, 1, 0), group(0.1, 10, 1), group(0.5, 3, 2), group(0.9, 1, 1)]);
        assert_eq!(split, ranked);
    }

    #[test]
    fn without_difference_there_is_no_area() {
        assert_eq!(RankingQuality::of(&[group(0.5, 3, 3)]).auc(), None);
        assert_eq!(RankingQuality::of(&[group(0.5, 3, 0)]).lift(), None);
        assert_eq!(RankingQuality::of(&[]), RankingQuality::default());
        assert_eq!(RankingQuality::of(&[group(0.5, 30, 3)]).auc(), Some(0.5));
        assert_eq!(RankingQuality::of(&[group(0.5, 30, 3)]).lift(), Some(1.0));
    }

    /// (1 − 0.8)² + 0.8² + 0.3²: Brier's figure for a hit at 80 %, a miss at 80 % and a dry day at 30 %.
    #[test]
    fn errors_are_squared() {
        let errors = squared_errors(&[group(0.8, 2, 1), group(0.3, 1, 0)]);
        assert!((errors - (0.04 + 0.64 + 0.09)).abs() < 1e-15);
    }
}
