//! A column of texts, most of which repeat.

use std::cmp::Ordering;

/// Texts, one a row, possibly NULL. A text that was pushed a short time ago is not stored again.
#[derive(Clone, Debug, Default)]
pub struct TextColumn {
    /// The stored texts, one after the other.
    bytes: String,
    ends: Vec<usize>,
    /// The number of each row's text among the stored ones; [`NULL`] for none.
    codes: Vec<u32>,
    /// Numbers, plus one, of texts that were stored lately, by their length and last byte: a text is looked up here
    /// before it is stored again.
    recent: [u32; RECENT],
}

const NULL: u32 = u32::MAX;
const RECENT: usize = 16;

impl TextColumn {
    #[inline]
    pub fn push(&mut self, text: Option<&str>) {
        let code = text.map_or(NULL, |text| self.code(text));
        self.codes.push(code);
    }

    /// Repeats the row before.
    ///
    /// # Panics
    /// If there is no row before.
    #[inline]
    pub(super) fn push_again(&mut self) {
        self.codes.push(*self.codes.last().expect("there is a row before"));
    }

    fn code(&mut self, text: &str) -> u32 {
        let last = text.as_bytes().last().map_or(0, |byte| usize::from(*byte));
        let recent = (text.len() * 5 + last) % RECENT;
        let code = self.recent[recent];
        if code > 0 && self.word(code - 1) == text {
            return code - 1;
        }
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
        self.recent[recent] = self.ends.len() as u32;
        self.recent[recent] - 1
    }

    /// How many texts are stored; some of them may be equal.
    pub fn words(&self) -> usize {
        self.ends.len()
    }

    /// The stored text number `code`.
    ///
    /// # Panics
    /// If there is none.
    pub fn word(&self, code: u32) -> &str {
        let code = code as usize;
        let start = if code == 0 { 0 } else { self.ends[code - 1] };
        &self.bytes[start..self.ends[code]]
    }

    /// For each row the number of its text; for NULL a number that no text has.
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// The text of a row; `None` for NULL.
    pub fn get(&self, row: usize) -> Option<&str> {
        let code = self.codes[row];
        (code != NULL).then(|| self.word(code))
    }

    pub fn len(&self) -> usize {
        self.codes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.len()).map(|row| self.get(row))
    }

    /// Compares two rows; NULL comes last.
    pub(super) fn compare(&self, row: usize, other: &TextColumn, other_row: usize) -> Ordering {
        if std::ptr::eq(self, other) && self.codes[row] == self.codes[other_row] {
            return Ordering::Equal;
        }
        match (self.get(row), other.get(other_row)) {
            (Some(a), Some(b)) => a.cmp(b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        }
    }

    pub(super) fn append(&mut self, other: &TextColumn) {
        other.iter().for_each(|text| self.push(text));
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.codes.clear();
        self.recent = [0; RECENT];
    }
}

impl PartialEq for TextColumn {
    fn eq(&self, other: &TextColumn) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: AsRef<str>> FromIterator<Option<T>> for TextColumn {
    fn from_iter<I: IntoIterator<Item = Option<T>>>(texts: I) -> TextColumn {
        let mut all = TextColumn::default();
        texts.into_iter().for_each(|text| all.push(text.as_ref().map(AsRef::as_ref)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_and_those_that_repeat_are_kept_once() {
        let words = ["new", "retained", "", "retained", "ne\u{77}", "churned", "dentaire"];
        let rows: Vec<Option<&str>> = (0..700).map(|i| (i % 8 != 7).then(|| words[i % 8])).collect();
        let texts: TextColumn = rows.iter().copied().collect();
        assert!(texts.iter().eq(rows.iter().copied()));
        assert!(texts.words() < 300, "{}", texts.words());
        let mut again = TextColumn::default();
        again.append(&texts);
        assert_eq!(again, texts);
        for (i, a) in rows.iter().enumerate().take(20) {
            for (j, b) in rows.iter().enumerate().take(20) {
                let expected = a.is_none().cmp(&b.is_none()).then(a.cmp(b));
                assert_eq!((texts.compare(i, &texts, j), texts.compare(i, &again, j)), (expected, expected));
            }
        }
        again.clear();
        assert!(again.is_empty() && again != texts);
    }
}
