//! Files and texts that are no pipeline at all, and how errors look.

use super::*;

#[test]
fn syntax_errors_are_all_reported_and_raise_no_phantoms() {
    let text = RETAIL
        .replace("\"monday\"", "monday")
        .replace("digits        = 2", "digits = 2 3")
        .replace("= \"retail\"", "= 7");
    let errors = read(&text).unwrap_err();
    insta::assert_snapshot!("syntax", shown(&text, &errors));
    for text in
        ["[", "a", "= 1", "[[sources]]", "[a]\n[a]", "x = \"", "\u{feff}name = 1", "a = [1,", "\0", "a.b = 1\na = 2"]
    {
        assert!(read(text).is_err(), "{text}");
    }
    // Cut anywhere, the file is an error or a smaller pipeline; nothing panics, and every error can be shown.
    for cut in (0..RETAIL.len()).step_by(7) {
        if let Err(errors) = read(&RETAIL[..cut]) {
            assert!(!shown(&RETAIL[..cut], &errors).is_empty());
        }
    }
}

proptest::proptest! {
    /// Whatever stands in the file, it is a pipeline or a list of errors that can be shown.
    #[test]
    fn no_text_makes_the_decoder_panic(
        edits in proptest::collection::vec((0..RETAIL.len(), "[\\x00-\\x7fé€]{0,3}", 0..6usize), 1..5),
        set in "[a-z.=\"${}0-9 ]{0,20}",
    ) {
        let mut text = RETAIL.to_string();
        for (at, insert, drop) in edits {
            let at = (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
            let end = (at..=(at + drop).min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(at);
            text.replace_range(at..end, &insert);
        }
        if let Err(errors) = read_with(&text, &[&set]) {
            let shown = render(&errors, &[Override::set(&set)], Style { colour: true, width: 80 }, &|_| Some(text.clone()));
            proptest::prop_assert!(!shown.is_empty() && errors.exit() == Exit::Invalid);
        }
    }
}

#[test]
fn what_is_shown_in_colour_says_the_same_and_the_file_cannot_write_to_the_terminal() {
    let text = SMALLEST.replace("[money]", "\"\\u001b[31mred\" = 1\n[money]\n# \u{7f}\n");
    let errors = read(&text).unwrap_err();
    let plain = shown(&text, &errors);
    assert!(!plain.contains('\u{1b}') && plain.contains("unknown key"), "{plain:?}");
    let colour = Style { colour: true, ..Style::default() };
    assert!(render(&errors, &[], colour, &|_| Some(text.clone())).contains("\u{1b}["));
    // A place that the text does not have (the file changed meanwhile), and none at all.
    assert!(render(&errors, &[], Style::default(), &|_| Some("é".into())).contains("unknown key"));
    let unplaced: Errors = crate::error::Error::output("the disk is full")
        .because(std::io::Error::other("no space"))
        .help("free some")
        .into();
    insta::assert_snapshot!(render(&unplaced, &[], Style::default(), &|_| None), @r"
    error: the disk is full
     |
     = note: caused by: no space
     = help: free some
    ");
}

#[test]
fn a_file_that_cannot_be_read_is_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none.toml");
    let what = |path: &Path| {
        let errors = crate::config::load(path, &[], &env).unwrap_err();
        assert_eq!(errors.exit(), Exit::Invalid);
        errors.iter().map(|e| e.what.replace(&*dir.path().to_string_lossy(), "DIR")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(what(&missing), "the pipeline file DIR/none.toml cannot be read: there is no such file");
    assert_eq!(what(dir.path()), "the pipeline file DIR cannot be read: it is a folder");
    let latin = dir.path().join("latin.toml");
    std::fs::write(&latin, b"# one\n# caf\xe9\n").unwrap();
    assert_eq!(what(&latin), "DIR/latin.toml is not UTF-8 text: line 2 holds a byte that is not");
    let right = dir.path().join("right.toml");
    std::fs::write(&right, SMALLEST).unwrap();
    assert_eq!(crate::config::load(&right, &[], &env).unwrap().base, dir.path());
}
