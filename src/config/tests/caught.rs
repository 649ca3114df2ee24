//! Every mistake that a generator can make in a pipeline file is caught.

use super::*;

/// Every mistake is caught at its place, with the suggestion, and raises no message elsewhere.
fn caught(mistakes: Vec<mutations::Mistake>, least: usize) {
    assert!(mistakes.len() >= least, "only {} mistakes were made", mistakes.len());
    let mut missed = vec![];
    for m in mistakes {
        let Err(errors) = read(&m.text) else {
            missed.push(format!("{}: accepted", m.done));
            continue;
        };
        let inside = |e: &&crate::error::Error| {
            let span = e.place.as_ref().and_then(|p| p.span.clone());
            span.is_some_and(|s| s.start >= m.at.start && s.end <= m.at.end && s.start < s.end)
        };
        let right = |e: &&crate::error::Error| {
            m.right.as_ref().is_none_or(|r| {
                e.help.as_ref().is_some_and(|h| {
                    h.contains(&format!("did you mean `{r}`?")) || h.contains(&format!("did you mean \"{r}\"?"))
                })
            })
        };
        if !errors.iter().any(|e| inside(&e) && right(&e)) || !errors.iter().all(|e| inside(&e)) {
            missed.push(format!("{}:\n{}", m.done, shown(&m.text, &errors)));
        }
    }
    assert!(missed.is_empty(), "{} missed\n{}", missed.len(), missed.join("\n"));
}

#[test]
fn every_key_misspelt_is_caught_at_its_place_with_the_right_suggestion() {
    caught(mutations::misspelt_keys(RETAIL), 800);
    caught(mutations::misspelt_keys(SAAS), 800);
}

#[test]
fn every_word_misspelt_is_caught_at_its_place_with_the_right_suggestion() {
    caught(mutations::misspelt_words(RETAIL), 200);
    caught(mutations::misspelt_words(SAAS), 200);
}

#[test]
fn every_value_of_a_wrong_type_is_caught_at_its_place() {
    caught(mutations::wrong_types(RETAIL), 250);
    caught(mutations::wrong_types(SAAS), 250);
}

#[test]
fn pipelines_that_ship_are_valid_and_every_mistake_in_them_is_caught() {
    let Ok(files) = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines")) else { return };
    for file in files.map(|f| f.unwrap().path()).filter(|f| f.extension().is_some_and(|e| e == "toml")) {
        let text = std::fs::read_to_string(&file).unwrap();
        good(&text);
        caught(mutations::misspelt_keys(&text), 1);
        caught(mutations::misspelt_words(&text), 1);
        caught(mutations::wrong_types(&text), 1);
    }
}
