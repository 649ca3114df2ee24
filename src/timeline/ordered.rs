//! A deterministic order for rows that differ in their reason alone.
//!
//! A reason is a code, and codes are numbered in the order in which threads met the texts. Records are sorted by code,
//! so that the order of such rows would depend on threads. Here they are sorted by the reasons' texts.

use super::history::CustomerHistory;
use super::labels::Labels;
use super::rows::AnswerRow;
use crate::rows::{NO_VALUE, Subscription};

/// The rows of one customer that had to be sorted again; empty where the order of the record is right.
#[derive(Default)]
pub(super) struct Ordered {
    subscriptions: Vec<Subscription>,
    answers: Vec<AnswerRow>,
}

impl Ordered {
    pub(super) fn read(&mut self, history: &CustomerHistory<'_>, labels: &Labels) {
        let rank = |code| labels.reasons.rank(code);
        let bare = |subscription: &Subscription| Subscription { reason: NO_VALUE, ..*subscription };
        put(&mut self.subscriptions, history.subscriptions, bare, |subscription| rank(subscription.reason));
        let bare = |answer: &AnswerRow| AnswerRow { reason: NO_VALUE, ..*answer };
        put(&mut self.answers, history.answers, bare, |answer| rank(answer.reason));
    }

    pub(super) fn subscriptions<'a>(&'a self, history: &CustomerHistory<'a>) -> &'a [Subscription] {
        if self.subscriptions.is_empty() { history.subscriptions } else { &self.subscriptions }
    }

    pub(super) fn answers<'a>(&'a self, history: &CustomerHistory<'a>) -> &'a [AnswerRow] {
        if self.answers.is_empty() { history.answers } else { &self.answers }
    }
}

/// `bare`: the row without its reason. Rows are sorted by code, so rows that differ in the reason alone are adjacent.
fn put<T: Copy + Ord>(into: &mut Vec<T>, rows: &[T], bare: impl Fn(&T) -> T, rank: impl Fn(&T) -> u32) {
    into.clear();
    if rows.windows(2).any(|pair| pair[0] != pair[1] && bare(&pair[0]) == bare(&pair[1])) {
        into.extend_from_slice(rows);
        into.sort_by_key(|row| (bare(row), rank(row)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::calendar::Day;
    use crate::timeline::history::CustomerId;
    use crate::timeline::labels::LabelColumn;

    #[test]
    fn the_numbering_of_reasons_decides_nothing() {
        let seen = |texts: [&str; 2]| {
            let labels = Labels { reasons: LabelColumn::new(&texts.map(Arc::from)), ..Labels::default() };
            let code = |text: &str| texts.iter().position(|t| *t == text).unwrap() as u32;
            let mut subscriptions =
                ["price", "bugs"].map(|r| Subscription { reason: code(r), ..Subscription::running(Day(0), 5) });
            subscriptions.sort_unstable();
            let id = CustomerId::Integer(1);
            let history = CustomerHistory {
                id,
                days: &[],
                subscriptions: &subscriptions,
                member: None,
                values: &[],
                usage: &[],
                answers: &[],
            };
            let mut ordered = Ordered::default();
            ordered.read(&history, &labels);
            ordered.subscriptions(&history).iter().map(|t| texts[t.reason as usize].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(seen(["price", "bugs"]), ["bugs", "price"]);
        assert_eq!(seen(["bugs", "price"]), ["bugs", "price"]);
    }
}
