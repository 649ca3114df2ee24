//! Texts that rows have as codes: channels, reasons, values of segments.

use std::sync::Arc;

pub use crate::rows::NO_VALUE;
use crate::rows::ValueCode;

/// The texts of a column.
///
/// The scan numbers texts in the order in which its threads meet them (*codes*). Everything later uses a text's *rank*,
/// its position among all texts of the column in the order of their bytes, so that no figure depends on the order of
/// threads.
#[derive(Clone, Debug, Default)]
pub struct LabelColumn {
    /// Sorted; a text's rank is its index.
    values: Vec<Arc<str>>,
    /// The rank of each code.
    ranks: Vec<u32>,
}

impl LabelColumn {
    /// `values[code]`: the text of a code.
    pub fn new(values: &[Arc<str>]) -> LabelColumn {
        let mut order: Vec<u32> = (0..values.len() as u32).collect();
        order.sort_unstable_by_key(|code| &*values[*code as usize]);
        let mut ranks = vec![0; values.len()];
        let mut sorted: Vec<Arc<str>> = Vec::with_capacity(values.len());
        for code in order {
            let value = &values[code as usize];
            if sorted.last() != Some(value) {
                sorted.push(value.clone());
            }
            ranks[code as usize] = sorted.len() as u32 - 1;
        }
        LabelColumn { values: sorted, ranks }
    }

    /// As [`new`](LabelColumn::new), with texts of nothing but blanks as [`NO_VALUE`].
    pub fn without_blanks(values: &[Arc<str>]) -> LabelColumn {
        let mut labels = LabelColumn::new(values);
        labels.values.retain(|v| !v.trim().is_empty());
        let sorted = &labels.values;
        let rank = |text: &str| sorted.binary_search_by(|v| (**v).cmp(text)).map_or(NO_VALUE, |rank| rank as u32);
        labels.ranks = values.iter().map(|value| rank(value)).collect();
        labels
    }

    /// The rank of a code; [`NO_VALUE`] for NULL and for an unknown code.
    pub fn rank(&self, code: ValueCode) -> u32 {
        self.ranks.get(code as usize).copied().unwrap_or(NO_VALUE)
    }

    /// All texts, by rank.
    pub fn values(&self) -> &[Arc<str>] {
        &self.values
    }
}

/// The texts of a run that are no segments.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// Of `customers.acquired_by` and `acquisition_costs.channel`.
    pub channels: LabelColumn,
    /// Of `subscriptions.cancel_reason` and `surveys.reason`.
    pub reasons: LabelColumn,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_go_by_text_and_blanks_say_nothing() {
        let labels = LabelColumn::without_blanks(&["price", "", "bugs", " \u{a0}", "price"].map(Arc::from));
        assert_eq!(labels.values().iter().map(|v| &**v).collect::<Vec<_>>(), ["bugs", "price"]);
        assert_eq!(
            [0, 1, 2, 3, 4, 5, NO_VALUE].map(|code| labels.rank(code)),
            [1, NO_VALUE, 0, NO_VALUE, 1, NO_VALUE, NO_VALUE]
        );
    }
}
