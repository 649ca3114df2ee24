//! Rows that differ in nothing but a reason, in an order that nobody's numbering decides.
//!
//! A reason is a code, numbered by the thread that met it first. Where only reasons tell rows apart, the order in which
//! they were kept is chance; here it becomes that of the texts.

use super::history::History;
use super::labels::Labels;
use super::rows::AnswerRow;
use crate::rows::{NO_VALUE, Subscription};

/// The rows of one customer that had to be put in order; empty where the record's own order stands.
#[derive(Default)]
pub struct Ordered {
    terms: Vec<Subscription>,
    answers: Vec<AnswerRow>,
}

impl Ordered {
    pub fn read(&mut self, history: &History<'_>, labels: &Labels) {
        let rank = |code| labels.reasons.rank(code);
        let bare = |term: &Subscription| Subscription { reason: NO_VALUE, ..*term };
        put(&mut self.terms, history.terms, bare, |term| rank(term.reason));
        let bare = |answer: &AnswerRow| AnswerRow { reason: NO_VALUE, ..*answer };
        put(&mut self.answers, history.answers, bare, |answer| rank(answer.reason));
    }

    pub fn terms<'a>(&'a self, history: &History<'a>) -> &'a [Subscription] {
        if self.terms.is_empty() { history.terms } else { &self.terms }
    }

    pub fn answers<'a>(&'a self, history: &History<'a>) -> &'a [AnswerRow] {
        if self.answers.is_empty() { history.answers } else { &self.answers }
    }
}

/// `bare`: the row without its reason. Rows are sorted, so those alike but for it lie side by side.
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
            let mut terms =
                ["price", "bugs"].map(|r| Subscription { reason: code(r), ..Subscription::running(Day(0), 5) });
            terms.sort_unstable();
            let id = CustomerId::Integer(1);
            let history = History { id, days: &[], terms: &terms, member: None, values: &[], uses: &[], answers: &[] };
            let mut ordered = Ordered::default();
            ordered.read(&history, &labels);
            ordered.terms(&history).iter().map(|t| texts[t.reason as usize].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(seen(["price", "bugs"]), ["bugs", "price"]);
        assert_eq!(seen(["bugs", "price"]), ["bugs", "price"]);
    }
}
