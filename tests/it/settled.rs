//! SETTLED.md: every settled question has an answer, a source, and a test that holds it.

use std::path::Path;

const LIST: &str = include_str!("SETTLED.md");

/// The cells of each line.
fn lines() -> Vec<Vec<&'static str>> {
    let rows = LIST.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| no."));
    rows.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// All sources of these tests.
fn sources() -> String {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it")];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).expect("the sources").map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|x| x == "rs") {
                text += &std::fs::read_to_string(path).expect("a source");
            }
        }
    }
    text
}

#[test]
fn every_settled_question_has_a_source_and_a_test() {
    let (lines, sources) = (lines(), sources());
    assert!(lines.len() >= 54, "{} lines", lines.len());
    for (number, cells) in (1..).zip(&lines) {
        assert_eq!((cells.len(), cells[0]), (5, number.to_string().as_str()), "{cells:?}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{cells:?}");
        let test = cells[4].trim_matches('`');
        let declared: Vec<usize> = sources.match_indices(&format!("fn {test}()")).map(|(at, _)| at).collect();
        // Its attributes stand right before it.
        let is_test = |at: &usize| {
            let from = (at.saturating_sub(120)..).find(|i| sources.is_char_boundary(*i)).unwrap_or(*at);
            sources[from..*at].contains("#[test]")
        };
        assert!(declared.iter().any(is_test), "line {number}: there is no test {test}");
    }
}

/// `naive.rs` and its parts name numbers that the list has.
#[test]
fn numbers_that_the_naive_model_names_are_settled() {
    let sources = sources();
    let named = sources.match_indices("SETTLED.md, no. ").map(|(at, found)| {
        let digits: String = sources[at + found.len()..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>()
    });
    for number in named.flatten() {
        assert!((1..=lines().len()).contains(&number), "SETTLED.md has no line {number}");
    }
}
