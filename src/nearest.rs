//! Names in messages: suggests the name that was probably meant, and writes lists of names.

/// Writes a list for a message, each word between `quote`s: `a`, `b` and `c`.
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>, quote: &str) -> String {
    let words: Vec<String> = words.into_iter().map(|w| format!("{quote}{w}{quote}")).collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Bytes of a misspelt name, at most.
const LONGEST: usize = 200;

/// The candidate nearest to `word`, or `None` if none is near enough to suggest: one typing mistake for every three letters,
/// another case, `-` for `_`, or a prefix that only one candidate has.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |s: &str| s.trim().to_lowercase().replace(['-', ' '], "_");
    // Computing a distance takes time in proportion to the product of the lengths.
    if word.len() > LONGEST {
        return None;
    }
    let word = plain(word);
    let mut best: Option<(usize, f64, &str)> = None;
    let mut begins: Vec<&str> = vec![];
    for candidate in candidates.into_iter().filter(|c| c.len() <= LONGEST) {
        let other = plain(candidate);
        let distance = strsim::osa_distance(&word, &other);
        let alike = strsim::jaro_winkler(&word, &other);
        let allowed = (word.chars().count().max(other.chars().count()) / 3).max(1);
        if distance <= allowed && best.is_none_or(|(d, a, _)| distance < d || distance == d && alike > a) {
            best = Some((distance, alike, candidate));
        }
        if word.len() >= 3 && other.starts_with(&word) {
            begins.push(candidate);
        }
    }
    best.map(|(_, _, c)| c).or_else(|| (begins.len() == 1).then(|| begins[0]))
}

/// `did you mean "month"?`; empty without a suggestion.
pub(crate) fn did_you_mean(suggestion: Option<&str>, quote: &str) -> String {
    suggestion.map(|s| format!("did you mean {quote}{s}{quote}?")).unwrap_or_default()
}

/// `did you mean …?` if a valid name is near `written`, then all valid names after `what`.
pub(crate) fn suggestion(written: &str, valid: &[&str], what: &str) -> String {
    let listed = if valid.is_empty() { "none".to_owned() } else { valid.join(", ") };
    sentences([did_you_mean(nearest(written, valid.iter().copied()), "`"), format!("{what}: {listed}")])
}

/// The names as a list for a message, the most similar to `wrong` first, at most 40.
pub(crate) fn nearest_first<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 40;
    let beginning = |name: &str| name.chars().take(LONGEST).collect::<String>().to_lowercase();
    let wrong = beginning(wrong);
    let score = |name: &str| strsim::jaro_winkler(&wrong, &beginning(name));
    let mut scored: Vec<(f64, &str)> = names.map(|n| (score(n), n)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let more = scored.len().saturating_sub(MOST);
    let shown: Vec<&str> = scored.into_iter().take(MOST).map(|(_, n)| n).collect();
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// Joins sentences of help; all but the first get a capital, empty ones are left out.
pub(crate) fn sentences<const N: usize>(parts: [String; N]) -> String {
    let mut out = String::new();
    for part in parts.into_iter().filter(|p| !p.is_empty()) {
        if out.is_empty() {
            out = part;
            continue;
        }
        let mut letters = part.chars();
        let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
        out = format!("{out} {first}{}", letters.as_str());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let words = ["period", "timezone", "week_start", "as_of", "observed_from"];
        for (wrong, right) in [
            ("perod", Some("period")),
            ("Period", Some("period")),
            ("time-zone", Some("timezone")),
            ("ason", None),
            ("as_off", Some("as_of")),
            ("week", Some("week_start")),
            ("currency", None),
            ("", None),
        ] {
            assert_eq!(nearest(wrong, words), right, "{wrong}");
        }
        assert_eq!(nearest("at", ["cap", "at"]), Some("at"));
        assert_eq!(nearest("xyz", []), None);
    }

    #[test]
    fn a_tie_goes_to_the_word_that_begins_alike() {
        assert_eq!(nearest("paused_fro", ["paused_until", "paused_from"]), Some("paused_from"));
        assert_eq!(nearest("pad", ["bad", "paid"]), Some("paid"));
    }

    #[test]
    fn names_of_tables_and_columns_are_found_too() {
        let tables = ["churn", "churn_windows", "cohort", "checks"];
        assert_eq!(nearest("chrun", tables), Some("churn"));
        assert_eq!(nearest("Cohorts", tables), Some("cohort"));
        assert_eq!(nearest("revenue", tables), None);
        let columns = ["InvoiceNo", "Quantity", "CustomerID"];
        assert_eq!(nearest("CustomerId", columns), Some("CustomerID"));
        assert_eq!(nearest("zzz", columns), None);
        assert_eq!(nearest_first("quantty", columns.into_iter()).split(", ").next(), Some("Quantity"));
        assert_eq!(suggestion("x", &[], "tables"), "tables: none");
        assert_eq!(suggestion("chrun", &["churn"], "tables are"), "did you mean `churn`? Tables are: churn");
    }

    #[test]
    fn lists_read_as_english() {
        assert_eq!(listed(["a"], "`"), "`a`");
        assert_eq!(listed(["a", "b", "c"], "\""), "\"a\", \"b\" and \"c\"");
    }
}
