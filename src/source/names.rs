//! Names that a person may have meant.

/// The name most like `wrong`, if one is like it at all.
pub fn near<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let score = |name: &str| strsim::jaro_winkler(&wrong.to_lowercase(), &name.to_lowercase());
    names.map(|n| (score(n), n)).filter(|(s, _)| *s > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, n)| n)
}

/// All names, those most like `wrong` first, as a list for a message.
pub fn nearest_first<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 40;
    let score = |name: &str| strsim::jaro_winkler(&wrong.to_lowercase(), &name.to_lowercase());
    let mut scored: Vec<(f64, &str)> = names.map(|n| (score(n), n)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let more = scored.len().saturating_sub(MOST);
    let shown: Vec<&str> = scored.into_iter().take(MOST).map(|(_, n)| n).collect();
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_name_is_found_and_comes_first() {
        let names = ["InvoiceNo", "Quantity", "CustomerID"];
        assert_eq!(near("CustomerId", names.into_iter()), Some("CustomerID"));
        assert_eq!(near("zzz", names.into_iter()), None);
        assert_eq!(nearest_first("quantty", names.into_iter()).split(", ").next(), Some("Quantity"));
    }
}
