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
    #![proptest_config(crate::properties::cases(256))]

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
            proptest::prop_assert!(!shown.is_empty() && errors.exit() == ExitStatus::Invalid);
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
fn of_very_many_problems_the_first_fifty_are_shown() {
    let keys = |n: usize| (0..n).map(|i| format!("key_{i} = {i}\n")).collect::<String>();
    let shown_of = |n: usize| {
        let text = format!("{}{SMALLEST}", keys(n));
        shown(&text, &read(&text).unwrap_err())
    };
    let many = shown_of(63);
    assert_eq!(many.matches("error: ").count(), 50);
    let end: Vec<&str> = many.lines().rev().take(9).collect();
    insta::assert_snapshot!(end.into_iter().rev().collect::<Vec<_>>().join("\n"));
    assert!(shown_of(51).ends_with("1 more problem is not shown\n"));
    assert!(!shown_of(50).contains("more problem"));
    // The time is that of reading the file, not that of comparing each problem with each other.
    let started = std::time::Instant::now();
    assert!(shown_of(60_000).ends_with("59950 more problems are not shown\n"));
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

#[test]
fn there_are_at_most_a_thousand_stages_and_segments() {
    let text = |stages: usize, segments: usize| {
        let mut text = format!("{SMALLEST}[segments]\n");
        (0..segments).for_each(|i| text += &format!("s{i} = \"transactions.c{i}\"\n"));
        (0..stages).for_each(|i| text += &format!("[stages.c{i}]\nkind = \"churn\"\nsegments = []\n"));
        text
    };
    assert_eq!(good(&text(1_000, 1_000)).stages.len(), 1_000);
    for (text, at, what) in [
        (text(1_001, 0), "c1000", "the pipeline has 1001 stages, and at most 1000 are allowed"),
        (text(1, 1_001), "s1000", "the pipeline has 1001 segments, and at most 1000 are allowed"),
        (text(40_000, 0), "c1000", "the pipeline has 40000 stages, and at most 1000 are allowed"),
    ] {
        let errors: Vec<_> = Vec::from(read(&text).unwrap_err());
        let [error] = &errors[..] else { panic!("{} problems", errors.len()) };
        assert_eq!(error.what, what);
        assert_eq!(&text[error.place.clone().unwrap().span.unwrap()], at);
    }
}

#[test]
fn texts_that_nest_or_go_on_are_answered_at_once() {
    let long = "x".repeat(1 << 20);
    for text in [
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("a = {}1{}", "{ a = ".repeat(100_000), " }".repeat(100_000)),
        format!("{}a = 1", "a.".repeat(100_000)),
        format!("[{}a]", "a.".repeat(100_000)),
        "[[a]]\n".repeat(100_000),
        "[a.b.c.d]\n".repeat(100_000),
        format!("a = [{}]", "1,".repeat(500_000)),
        format!("a = \"{}", "${".repeat(500_000)),
        format!("a = \"{}\"", "${A}".repeat(300_000)),
        format!("{long} = 1"),
        format!("{SMALLEST}[calendar]\ntimezone = \"{long}\""),
        format!("{SMALLEST}[calendar]\nperiod = \"{long}\""),
        format!("{SMALLEST}[stages.{long}]"),
        format!("{SMALLEST}[stages.churn]\nkind = \"{long}\""),
        format!("{SMALLEST}[stages.churn]\nsegments = [{}]", "\"x\",".repeat(100_000)),
        SMALLEST.replace("\"tx.parquet\"", &format!("[{}]", "\"s3://x\",".repeat(100_000))),
        SMALLEST.replace("columns = {", &format!("{}\ncolumns = {{", "filter = 1\n".repeat(50_000))),
    ] {
        let started = std::time::Instant::now();
        let errors = read(&text).unwrap_err();
        let shown = shown(&text, &errors);
        assert!(started.elapsed().as_secs() < 20, "{:?} for {}…", started.elapsed(), &text[..text.len().min(60)]);
        assert!(shown.len() < 200_000, "{} bytes of messages for {}…", shown.len(), &text[..60]);
    }
    let equals = format!("a{}", "=".repeat(100_000));
    for set in [format!("{}a=1", "a.".repeat(50_000)), equals, format!("a={}", "[".repeat(50_000)), long] {
        let started = std::time::Instant::now();
        let _ = read_with(SMALLEST, &[&set]);
        assert!(started.elapsed().as_secs() < 20, "{:?} for {}…", started.elapsed(), &set[..60]);
    }
}

#[test]
fn what_is_no_file_is_not_read() {
    for device in ["/dev/zero", "/dev/null", "/dev/tty"].into_iter().filter(|path| Path::new(path).exists()) {
        let errors = crate::config::load(Path::new(device), &[], &env, crate::stage::KINDS).unwrap_err();
        assert!(errors.iter().all(|e| e.what.contains("a pipe, a socket or a device")), "{errors:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    let large = dir.path().join("large.toml");
    std::fs::write(&large, " ".repeat((4 << 20) + 1)).unwrap();
    let errors = crate::config::load(&large, &[], &env, crate::stage::KINDS).unwrap_err();
    assert!(errors.iter().all(|e| e.what.contains("larger than 4 MiB")), "{errors:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none.toml");
    let what = |path: &Path| {
        let errors = crate::config::load(path, &[], &env, crate::stage::KINDS).unwrap_err();
        assert_eq!(errors.exit(), ExitStatus::Invalid);
        errors.iter().map(|e| e.what.replace(&*dir.path().to_string_lossy(), "DIR")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(what(&missing), "the pipeline file DIR/none.toml cannot be read: there is no such file");
    assert_eq!(what(dir.path()), "the pipeline file DIR cannot be read: it is a folder");
    let latin = dir.path().join("latin.toml");
    std::fs::write(&latin, b"# one\n# caf\xe9\n").unwrap();
    assert_eq!(what(&latin), "DIR/latin.toml is not UTF-8 text: line 2 holds a byte that is not");
    let right = dir.path().join("right.toml");
    std::fs::write(&right, SMALLEST).unwrap();
    assert_eq!(crate::config::load(&right, &[], &env, crate::stage::KINDS).unwrap().base, dir.path());
}
