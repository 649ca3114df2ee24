//! The name that was probably meant.

/// The valid name nearest to a misspelt one, if one is near enough: a third of its letters may be wrong.
pub(super) fn nearest<'a>(written: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (written.chars().count() / 3).max(1);
    let distance = |name: &'a str| (strsim::osa_distance(&written.to_lowercase(), &name.to_lowercase()), name);
    valid.into_iter().map(distance).filter(|(d, _)| *d <= allowed).min().map(|(_, name)| name)
}

/// `did you mean …?` where a name is near, then all of them.
pub(super) fn suggestion(written: &str, valid: &[&str], what: &str) -> String {
    let listed = if valid.is_empty() { "none".to_owned() } else { valid.join(", ") };
    match nearest(written, valid.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {what}: {listed}"),
        None => format!("{what}: {listed}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_suggested() {
        let tables = ["churn", "churn_windows", "cohort", "checks"];
        assert_eq!(nearest("chrun", tables), Some("churn"));
        assert_eq!(nearest("Cohorts", tables), Some("cohort"));
        assert_eq!(nearest("revenue", tables), None);
        assert_eq!(nearest("", tables), None);
        assert_eq!(suggestion("x", &[], "tables"), "tables: none");
    }
}
