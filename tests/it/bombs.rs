//! Files of a few bytes that claim gigabytes, and files whose parts contradict each other: each ends as exit status 3 with
//! a sentence that names file, row group and column, and is refused before memory is taken for what it claims.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::handmade::*;
use crate::reference::malformed_files;
use crate::support::{Outcome, Workspace};

const PIPELINE: &str = r#"name = "bombs"
[calendar]
as_of = "2022-06-01"
[money]
currency = "EUR"
[customers]
churn_after = "1 period"
[sources.transactions]
path = "x.parquet"
columns = { customer_id = "customer_id", occurred_at = "occurred_at", amount = "amount" }
[stages.churn]
[output]
dir = "out"
"#;

const RUN: &[&str] = &["run", "pipeline.toml", "--quiet", "--memory-limit", "512MiB"];

/// More than any of these files needs, and far less than they claim.
const MODEST: u64 = 128 << 20;

struct Attempt {
    outcome: Outcome,
    /// Greatest resident memory in bytes.
    peak: u64,
    took: Duration,
}

fn attempt(pipeline: &str, bytes: &[u8], command: &[&str]) -> Attempt {
    let here = Workspace::new();
    here.write("pipeline.toml", pipeline);
    std::fs::write(here.join("x.parquet"), bytes).expect("a writable folder");
    let began = Instant::now();
    let mut child = here.command(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    // What is left of the process is only its greatest value, as long as it can be read.
    while child.try_wait().expect("a child").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok());
        peak = peak.max(line.unwrap_or(0u64) << 10);
        assert!(began.elapsed() < Duration::from_secs(60), "{command:?} hangs");
        std::thread::sleep(Duration::from_millis(1));
    }
    let outcome = Outcome::from(child.wait_with_output().expect("its output"));
    Attempt { outcome, peak, took: began.elapsed() }
}

/// The file is refused by `run` with these words, and quickly; `check`, which reads no pages, at least survives it.
#[track_caller]
fn refused(bytes: &[u8], words: &[&str]) {
    let check = attempt(PIPELINE, bytes, &["check", "pipeline.toml"]);
    assert!(matches!(check.outcome.code, Some(0 | 3)), "{}", check.outcome);
    let run = attempt(PIPELINE, bytes, RUN);
    run.outcome.exits(3).says(words).says(&["x.parquet"]);
    for (what, attempt) in [("check", check), ("run", run)] {
        assert!(attempt.peak < MODEST, "{what} took {} MiB", attempt.peak >> 20);
        assert!(attempt.took < Duration::from_secs(10), "{what} took {:?}", attempt.took);
    }
}

#[track_caller]
fn accepted(bytes: &[u8]) {
    attempt(PIPELINE, bytes, &["check", "pipeline.toml"]).outcome.exits(0);
    let run = attempt(PIPELINE, bytes, RUN);
    run.outcome.exits(0);
    assert!(run.peak > 1 << 20 && run.peak < MODEST, "{} MiB", run.peak >> 20);
}

#[test]
fn handmade_files_are_read_if_they_tell_the_truth() {
    accepted(&File::good(1000).bytes());
    for codec in CODECS {
        let body: Vec<u8> = (0..1000i64).flat_map(i64::to_le_bytes).collect();
        let mut column = Column::ids([]);
        column.codec = codec;
        column.pages = vec![
            Page::data(body[..4000].to_vec(), 500, PLAIN).compressed(codec),
            Page::data_v2(body[4000..].to_vec(), 500, 0, (0, 0), PLAIN).compressed(codec),
        ];
        accepted(&File::with(1000, column).bytes());
    }
    let lengths = delta(&[2, 3, 1]);
    let texts = [DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY].map(|encoding| {
        let prefixes = if encoding == DELTA_BYTE_ARRAY { delta(&[0, 2, 1]) } else { vec![] };
        Column::texts(
            "customer_id",
            vec![Page::data([prefixes, lengths.clone(), b"abcdef".to_vec()].concat(), 3, encoding)],
        )
    });
    texts.into_iter().for_each(|column| accepted(&File::with(3, column).bytes()));
}

/// A DELTA_BINARY_PACKED sequence of one block: 128 values in one mini block, 8 bits a value.
fn delta(values: &[i64]) -> Vec<u8> {
    let least = values.windows(2).map(|w| w[1] - w[0]).min().unwrap_or(0);
    let deltas = values.windows(2).map(|w| (w[1] - w[0] - least) as u8);
    let mut packed: Vec<u8> = deltas.collect();
    packed.resize(128, 0);
    [varint(128), varint(1), varint(values.len() as u64), zigzag(values[0]), zigzag(least), vec![8], packed].concat()
}

#[test]
fn dictionaries_hold_what_their_bytes_can_hold() {
    let words = ["row group 1", "dictionary claims 2147483647 entries"];
    for (kind, length) in [(INT32, None), (INT64, None), (DOUBLE, None), (BYTE_ARRAY, None), (FIXED, Some(9))] {
        let pages = vec![Page::dictionary(vec![0; 16], 2_147_483_647), same(10)];
        let mut column = Column::new("amount", kind, pages);
        column.length = length;
        if kind == FIXED {
            column.schema = vec![(6, Int(5)), (7, Int(2)), (8, Int(18))];
        }
        if kind == BYTE_ARRAY {
            column.schema = vec![(6, Int(0))];
        }
        refused(&File::with(10, column).bytes(), &[&words[..], &["column amount"]].concat());
    }
    let twice = vec![Page::dictionary(vec![0; 8], 1), Page::dictionary(vec![0; 8], 1), same(10)];
    refused(
        &File::with(10, Column::new("customer_id", INT64, twice)).bytes(),
        &["column customer_id", "two dictionaries"],
    );
}

#[test]
fn pages_hold_what_their_codec_can_pack() {
    let body: Vec<u8> = (0..10i64).flat_map(i64::to_le_bytes).collect();
    for codec in CODECS.into_iter().filter(|c| !matches!(c, Codec::None | Codec::Brotli | Codec::Zstd)) {
        for page in [
            Page::data(body.clone(), 10, PLAIN).compressed(codec).claiming(2_147_483_647),
            Page::data_v2(body.clone(), 10, 0, (0, 0), PLAIN).compressed(codec).claiming(2_147_483_647),
            Page::dictionary(body.clone(), 10).compressed(codec).claiming(2_147_483_647),
        ] {
            let mut column = Column::new("customer_id", INT64, vec![page, same(10)]);
            column.codec = codec;
            let words = ["row group 1, column customer_id", "2.0 gib", "cannot pack"];
            refused(&File::with(10, column).bytes(), &words);
        }
    }
}

#[test]
fn a_page_that_fits_its_codec_but_not_the_memory_is_refused() {
    for codec in [Codec::Zstd, Codec::Brotli] {
        // Incompressible, so that there are bytes enough for the claim.
        let body: Vec<u8> =
            (0..10_000u64).flat_map(|i| (i * i).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()).collect();
        let page = Page::data(body, 10_000, PLAIN).compressed(codec).claiming(2_147_483_647);
        let mut column = Column::new("customer_id", INT64, vec![page]);
        column.codec = codec;
        refused(&File::with(10_000, column).bytes(), &["row group 1, column customer_id", "2.0 gib", "--memory-limit"]);
    }
}

#[test]
fn pages_that_go_on_behind_their_announced_size_are_cut_off() {
    for codec in CODECS.into_iter().filter(|c| *c != Codec::None) {
        let page = Page::data(vec![0; 256 << 20], 10, PLAIN).compressed(codec).claiming(80);
        let mut column = Column::new("customer_id", INT64, vec![page]);
        column.codec = codec;
        refused(&File::with(10, column).bytes(), &["row group 1, column customer_id"]);
    }
}

#[test]
fn sizes_and_counts_are_not_negative() {
    let body = vec![0; 80];
    let page = || Page::data(body.clone(), 10, PLAIN);
    for page in [
        page().claiming(-1),
        page().claiming_compressed(-80),
        page().claiming(1 << 40),
        Page::data(body.clone(), -10, PLAIN),
        Page::dictionary(body.clone(), -1),
        Page::data_v2(body.clone(), 10, -1, (0, 0), PLAIN),
        Page::data_v2(body.clone(), 10, 0, (-4, 0), PLAIN),
        Page::data_v2(body.clone(), 10, 0, (0, -4), PLAIN),
    ] {
        let column = Column::new("customer_id", INT64, vec![page]);
        refused(&File::with(10, column).bytes(), &["row group 1, column customer_id", "negative"]);
    }
}

#[test]
fn levels_and_nulls_fit_the_page() {
    let body = vec![0; 80];
    for (page, words) in [
        (Page::data_v2(body.clone(), 10, 0, (81, 0), PLAIN), "more levels than it has bytes"),
        (Page::data_v2(body.clone(), 10, 0, (2_147_483_647, 2_147_483_647), PLAIN), "more levels than it has bytes"),
        (Page::data_v2(body.clone(), 10, 11, (0, 0), PLAIN), "11 nulls among 10 values"),
        (Page::data(body.clone(), 2_147_483_647, PLAIN), "more rows than its footer says"),
        (Page::data(body.clone(), 9, PLAIN), "fewer rows than its footer says"),
        (Page::data(body.clone(), 10, PLAIN).claiming_compressed(2_147_483_647), "are left of the column"),
    ] {
        let column = Column::new("customer_id", INT64, vec![page]);
        refused(&File::with(10, column).bytes(), &["row group 1, column customer_id", words]);
    }
}

#[test]
fn lengths_of_texts_are_as_many_as_the_page_has_rows() {
    let claim = |count: u64| [varint(128), varint(1), varint(count), zigzag(0)].concat();
    // Blocks of 2^30 values of no bits.
    let cheap = [varint(1 << 30), varint(1), varint((1 << 30) + 1), zigzag(0), zigzag(0), vec![0]].concat();
    for (encoding, body) in [
        (DELTA_LENGTH_BYTE_ARRAY, claim(1 << 62)),
        (DELTA_LENGTH_BYTE_ARRAY, claim(2_000_000_000)),
        (DELTA_LENGTH_BYTE_ARRAY, cheap.clone()),
        (DELTA_BYTE_ARRAY, claim(1 << 62)),
        (DELTA_BYTE_ARRAY, [cheap.clone(), cheap].concat()),
        (DELTA_BYTE_ARRAY, vec![]),
    ] {
        let column = Column::texts("customer_id", vec![Page::data(body, 10, encoding)]);
        refused(&File::with(10, column).bytes(), &["row group 1, column customer_id", "lengths"]);
    }
}

#[test]
fn texts_that_repeat_each_other_are_reckoned_as_they_are_written_out() {
    // One text of 8 MiB, and 128 more that repeat it and add nothing: a gigabyte and more in a page of 8 MiB.
    let long = 8 << 20;
    let mut prefixes = [varint(128), varint(1), varint(129), zigzag(0), zigzag(0)].concat();
    prefixes.push(32);
    prefixes.extend((long as u32).to_le_bytes());
    prefixes.resize(prefixes.len() + 127 * 4, 0);
    let mut suffixes = [varint(128), varint(1), varint(129), zigzag(long), zigzag(-long)].concat();
    suffixes.push(32);
    suffixes.extend([0; 4]);
    suffixes.extend((long as u32).to_le_bytes().repeat(127));
    let body = [prefixes, suffixes, vec![b'x'; long as usize]].concat();
    let mut column =
        Column::texts("customer_id", vec![Page::data(body, 129, DELTA_BYTE_ARRAY).compressed(Codec::Zstd)]);
    column.pages[0].header[1] = (2, Int(2 * (6 + 128 * 4) + 100 + long));
    column.codec = Codec::Zstd;
    let size = column.pages[0].body.len();
    assert!(size < 20_000, "{size} bytes");
    let bytes = File::with(129, column).bytes();
    let run = attempt(PIPELINE, &bytes, RUN);
    run.outcome.exits(3);
    assert!(run.peak < MODEST, "{} MiB", run.peak >> 20);
}

#[test]
fn a_column_lies_within_its_file() {
    for (start, size, words) in [
        (Some(1 << 40), None, "beyond the end of the file"),
        (None, Some(1 << 40), "beyond the end of the file"),
        (Some(-4), None, "negative"),
        (None, Some(-4), "negative"),
        (Some(i64::MAX), Some(i64::MAX), "beyond the end of the file"),
        (Some(0), None, "cannot be understood"),
    ] {
        let mut column = Column::ids(0..10);
        (column.start, column.size) = (start, size);
        refused(&File::with(10, column).bytes(), &["row group 1, column customer_id", words]);
    }
}

#[test]
fn rows_that_a_footer_claims_are_found_or_refused() {
    let mut file = File::good(10);
    for rows in [11, 1 << 31, 1 << 62] {
        file.rows = rows;
        refused(&file.bytes(), &["row group 1, column customer_id", "fewer rows"]);
    }
    // Where no column is read, one of them is asked all the same.
    let columns = "{ customer_id = \"customer_id\", occurred_at = \"occurred_at\", amount = \"amount\" }";
    let said = PIPELINE.replace(
        columns,
        "{ customer_id = { sql = \"1\" }, occurred_at = { sql = \"DATE '2022-01-03'\" }, amount = { sql = \"1\" } }",
    );
    let run = attempt(&said, &file.bytes(), RUN);
    run.outcome.exits(3).says(&["row group 1: it holds fewer rows than its footer says"]);
    file.rows = i64::MIN;
    refused(&file.bytes(), &["impossible number of rows"]);
    // The number of values in the column's metadata is not needed, and believed by nobody.
    let mut column = Column::ids(0..10);
    column.values = Some(1 << 62);
    accepted(&File::with(10, column).bytes());
}

/// The footer of a good file, altered.
fn footer(alter: impl FnOnce(&mut Fields)) -> Vec<u8> {
    let (pages, mut fields) = File::good(10).fields();
    alter(&mut fields);
    finish(pages, &encode(&fields))
}

#[test]
fn a_footer_claims_no_more_than_its_bytes_hold() {
    for claimed in [1 << 20, i64::from(i32::MAX), 1 << 40] {
        let count = claimed as u64;
        for which in [1, 3] {
            let lying = footer(|fields| {
                let List(element, _, bytes) = fields[which].1.clone() else { unreachable!() };
                fields[which].1 = List(element, count, bytes);
            });
            refused(&lying, &["not a readable parquet file"]);
        }
        // Key-value metadata, and a list that no version of the format has.
        for id in [5, 99] {
            refused(&footer(|fields| fields.push((id, List(12, count, vec![])))), &["not a readable parquet file"]);
        }
        let children = footer(|fields| {
            let group = vec![(4, text("g")), (5, Int(claimed)), (3, Int(0))];
            let top = vec![(4, text("schema")), (5, Int(4))];
            let rest: Vec<Fields> = ["customer_id", "occurred_at", "amount"]
                .map(|name| vec![(1, Int(2)), (3, Int(0)), (4, text(name))])
                .into();
            fields[1].1 = structs(&[vec![top], rest, vec![group]].concat());
        });
        refused(&children, &["not a readable parquet file"]);
    }
}

#[test]
fn names_that_every_path_repeats_are_counted() {
    // A group with a name of 200 kB and 20,000 columns: 4 GB of paths.
    let mut file = File::good(10);
    let columns = 20_000;
    file.more_schema = vec![vec![(3, Int(0)), (4, text(&"g".repeat(200_000))), (5, Int(columns))]];
    file.more_schema.extend((0..columns).map(|_| vec![(1, Int(INT32)), (3, Int(0)), (4, text("c"))]));
    file.more_columns = 1;
    let (pages, mut fields) = file.fields();
    fields[3].1 = structs(&[]);
    fields[2].1 = Long(0);
    refused(&finish(pages, &encode(&fields)), &["the footers of the exports take more than"]);
}

/// A column of groups in groups, with one value in each row.
fn nested(depth: usize) -> File {
    let mut file = File::good(1);
    file.more_schema = vec![vec![(3, Int(0)), (4, text("deep")), (5, Int(1))]];
    file.more_schema.extend((1..depth).map(|_| vec![(3, Int(0)), (4, text("g")), (5, Int(1))]));
    file.more_schema.push(vec![(1, Int(INT32)), (3, Int(0)), (4, text("leaf"))]);
    file.more_columns = 1;
    let metadata = vec![
        (1, Int(INT32)),
        (2, ints(&[PLAIN])),
        (3, List(8, 1, vec![1, b'x'])),
        (4, Int(0)),
        (5, Long(1)),
        (6, Long(30)),
        (7, Long(30)),
        (9, Long(4)),
    ];
    file.more_chunks = vec![vec![(2, Long(4)), (3, Struct(metadata))]];
    file
}

#[test]
fn a_column_that_nests_deep_is_left_alone_if_nobody_maps_it() {
    for depth in [1, 30, 62, 63, 64, 65, 100, 400, 10_000, 200_000] {
        let mut file = nested(depth);
        if depth % 2 == 0 {
            // An order for each column.
            file.footer = vec![(7, structs(&vec![vec![(1, Struct(vec![]))]; 4]))];
        }
        let bytes = file.bytes();
        accepted(&bytes);
        // A mapped one is a mistake in the pipeline, which says what the column holds.
        let mapped = PIPELINE.replace("amount = \"amount\"", "amount = \"deep\"");
        for command in [&["check", "pipeline.toml"][..], RUN] {
            attempt(&mapped, &bytes, command).outcome.exits(2).says(&["column `deep` holds nested"]);
        }
    }
}

#[test]
fn fields_that_nobody_knows_nest_as_deep_as_they_like() {
    for depth in [63, 1000, 1_000_000] {
        let deep = [vec![0x1C; depth], vec![0; depth + 1]].concat();
        // As a list of one struct, so that its bytes stand as they are.
        let field = || List(12, 1, deep.clone());
        let page = Page::data(vec![0; 80], 10, PLAIN).with((100, field()));
        let in_page = File::with(10, Column::new("customer_id", INT64, vec![page])).bytes();
        let in_footer = footer(|fields| fields.push((100, field())));
        for bytes in [in_page, in_footer] {
            refused(&bytes, &["cannot be understood"]);
        }
    }
}

#[test]
fn indexes_and_filters_are_not_read_wherever_they_are_said_to_be() {
    let mut column = Column::ids(0..10);
    let lies = [i64::MAX, 1 << 31, -1];
    column.chunk = vec![(4, Long(lies[0])), (5, Int(lies[1] - 1)), (6, Long(lies[2])), (7, Int(-1))];
    accepted(&File::with(10, column).bytes());
}

#[test]
fn a_text_in_a_dictionary_may_be_longer_than_a_batch_could_be() {
    // Written out, 100,000 times a megabyte.
    let long = vec![b'x'; 1 << 20];
    let dictionary = Page::dictionary(plain(&[&long]), 1).compressed(Codec::Zstd);
    let mut pages = vec![dictionary, same(1000).compressed(Codec::Zstd)];
    pages[1].header[1] = (2, Int(4));
    let mut column = Column::texts("note", pages);
    column.codec = Codec::Zstd;
    let bytes = File::with(1000, column).bytes();
    assert!(bytes.len() < 20_000, "{} bytes", bytes.len());
    let longer = PIPELINE.replace("[stages.churn]", "filter = \"UPPER(note) <> 'x'\"\n[stages.churn]");
    let run = attempt(&longer, &bytes, RUN);
    run.outcome.exits(0);
    assert!(run.peak < 640 << 20, "{} MiB", run.peak >> 20);
}

#[test]
#[cfg_attr(not(reference_data), ignore = "needs TENURE_REFERENCE_DATA")]
fn every_malformed_file_ends_with_a_sentence() {
    let files = malformed_files();
    assert!(files.len() >= 162, "{} files", files.len());
    let mut sound = 0;
    for file in files {
        let bytes = std::fs::read(&file).expect("a file");
        // Every column that the file has, if it says so, else any name.
        let columns = columns_of(&bytes);
        for column in columns.iter().take(3) {
            let mapping = ["customer_id", "occurred_at", "amount"].map(|name| format!("{name} = {column:?}"));
            let pipeline = PIPELINE.replace(
                "{ customer_id = \"customer_id\", occurred_at = \"occurred_at\", amount = \"amount\" }",
                &format!("{{ {} }}", mapping.join(", ")),
            );
            for command in [&["check", "pipeline.toml"][..], RUN] {
                let Attempt { outcome, peak, took } = attempt(&pipeline, &bytes, command);
                let shown = file.display();
                assert!(matches!(outcome.code, Some(0..=3)), "{shown} as {column}: {outcome}");
                assert!(!outcome.stderr.contains("panicked"), "{shown}: {outcome}");
                assert!(peak < 2 * MODEST, "{shown}: {} MiB", peak >> 20);
                assert!(took < Duration::from_secs(5), "{shown}: {took:?}");
                sound += u32::from(outcome.code == Some(0));
            }
        }
    }
    assert!(sound > 0);
}

/// Names of columns, as the program lists them for a mistake.
fn columns_of(bytes: &[u8]) -> Vec<String> {
    let wrong = PIPELINE.replace("\"amount\"", "\"no such column\"");
    let outcome = attempt(&wrong, bytes, &["check", "pipeline.toml"]).outcome;
    let list = outcome.stderr.split_once("the columns are ").map(|(_, rest)| rest.lines().next().unwrap_or_default());
    let names = list.unwrap_or("x").split(", ").map(|name| name.trim().trim_matches('`').to_owned());
    names.filter(|name| !name.is_empty()).collect()
}
