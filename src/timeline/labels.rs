//! Texts that rows carry as codes: channels, reasons, the values of segments.

use std::sync::Arc;

use crate::source::canonical::{NO_VALUE, ValueCode};

/// The texts behind a column's codes.
///
/// The scan numbers texts as it meets them; from here on a text is its *rank* among all of the column in the order of
/// their bytes, so that no figure depends on which thread saw what first.
#[derive(Clone, Debug, Default)]
pub struct LabelColumn {
    /// Sorted; a text's rank is its place here.
    values: Vec<Arc<str>>,
    /// Rank of each code that the scan gave out.
    ranks: Vec<u32>,
}

impl LabelColumn {
    /// `values[code]` is the text behind a code.
    pub fn new(values: &[impl AsRef<str>]) -> LabelColumn {
        let values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by_key(|i| values[*i]);
        let mut ranks = vec![0; values.len()];
        let mut sorted: Vec<Arc<str>> = Vec::with_capacity(values.len());
        for i in order {
            if sorted.last().is_none_or(|last| **last != *values[i]) {
                sorted.push(values[i].into());
            }
            ranks[i] = sorted.len() as u32 - 1;
        }
        LabelColumn { values: sorted, ranks }
    }

    /// [`NO_VALUE`] for NULL, and for a code that was never given out.
    pub fn rank(&self, code: ValueCode) -> u32 {
        self.ranks.get(code as usize).copied().unwrap_or(NO_VALUE)
    }

    pub fn values(&self) -> &[Arc<str>] {
        &self.values
    }
}

/// What rows say beside segments.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// Of `customers.acquired_by` and `acquisition_costs.channel`.
    pub channels: LabelColumn,
    /// Of `subscriptions.cancel_reason` and `surveys.reason`.
    pub reasons: LabelColumn,
}
