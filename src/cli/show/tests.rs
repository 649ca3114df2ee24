use std::io;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::Float64Array;
use jiff::Timestamp;

use super::*;
use crate::calendar::Day;
use crate::error::ErrorKind;
use crate::publish::manifest::tests::example;
use crate::publish::{Publication, PublishOptions, RunId, TableFormat};
use crate::table::{Cell, Table, TableSchema, Type, column};

const FORMAT: TableFormat = TableFormat { digits: 2, integer_ids: false };

fn churn() -> Table {
    let columns = vec![
        column("segment_id", Type::Int, ""),
        column("segment", Type::Text, ""),
        column("value", Type::Text, ""),
        column("period", Type::Date, ""),
        column("opening", Type::Int, ""),
        column("churn_rate", Type::Double, ""),
        column("lost", Type::Money, ""),
        column("left_truncated", Type::Bool, ""),
    ];
    let schema = TableSchema { name: "churn".into(), doc: String::new(), key: 4, columns };
    let mut t = Table::empty(Arc::new(schema), false);
    let values = [("all", "all"), ("country", "日本"), ("country", "مصر"), ("country", ""), ("country", "a \"b\",\nc")];
    for (id, (segment, value)) in values.into_iter().enumerate() {
        for month in 0..2i64 {
            let rate = (month > 0).then_some(0.05 / (id as f64 + 1.0));
            t.push([
                id.into(),
                segment.into(),
                value.into(),
                Day(14_944 + 31 * month as i32).into(),
                (1000i64 >> id).into(),
                rate.into(),
                Cell::Money(-123_456_789_012_345_678 / 100i64.pow(id as u32 * 2)),
                (month == 0).into(),
            ]);
        }
    }
    t
}

fn customers(from: i64, until: i64) -> Table {
    let columns = vec![column("customer_id", Type::CustomerId, ""), column("seg_country", Type::Text, "")];
    let schema = TableSchema { name: "customers".into(), doc: String::new(), key: 1, columns };
    let mut t = Table::empty(Arc::new(schema), false);
    (from..until).for_each(|i| t.push([format!("c{i:06}").into(), Cell::Null]));
    t
}

/// An output folder with one run of tables churn and customers, the latter in two parts.
fn published() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let started: Timestamp = "2026-11-21T20:45:01Z".parse().unwrap();
    let options = PublishOptions { started, wait: Duration::ZERO, switch_latest: true, mode: None };
    let p = Publication::begin(dir.path(), RunId::new(started, "1a2b3c4d"), options).unwrap();
    let churn = churn();
    let one = p.write(&churn, FORMAT).unwrap();
    let parts = [(0, 10_000, 30_000), (1, 0, 5)].map(|(i, from, until)| {
        let t = customers(from, until);
        let mut w = p.part(t.schema.clone(), FORMAT, i).unwrap();
        w.write(&t).unwrap();
        w.finish().unwrap()
    });
    let tables =
        vec![TableEntry::new(&churn.schema, FORMAT, &[one]), TableEntry::new(&customers(0, 0).schema, FORMAT, &parts)];
    let manifest = example(&p.run_id().to_string(), tables);
    p.commit(&manifest).unwrap();
    dir
}

/// Stands for the expression engine: only knows `churn_rate > NUMBER`.
fn compile(sql: &str, schema: &SchemaRef) -> Result<RowFilter> {
    let limit = sql.strip_prefix("churn_rate > ").and_then(|n| n.parse::<f64>().ok());
    let (Some(limit), Ok(i)) = (limit, schema.index_of("churn_rate")) else {
        return Err(Error::pipeline(format!("cannot understand `{sql}`")));
    };
    Ok(Box::new(move |batch| {
        let rates: &Float64Array = batch.column(i).as_primitive();
        Ok(rates.iter().map(|r| r.map(|r| r > limit)).collect())
    }))
}

fn args(dir: &Path, words: &[&str]) -> ShowArgs {
    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: ShowArgs,
    }
    let words = ["show", dir.to_str().unwrap()].into_iter().chain(words.iter().copied());
    <Cli as clap::Parser>::try_parse_from(words).unwrap_or_else(|e| panic!("{e}")).args
}

fn shown(dir: &Path, words: &[&str]) -> String {
    let mut out = Vec::new();
    assert_eq!(run(&args(dir, words), &compile, &mut out).unwrap(), ExitStatus::Done);
    String::from_utf8(out).unwrap()
}

fn problem(dir: &Path, words: &[&str]) -> String {
    let errors = run(&args(dir, words), &compile, &mut Vec::new()).unwrap_err();
    assert_eq!(errors.exit(), ExitStatus::Invalid);
    let text = |e: &Error| format!("{}\n{}", e.what, e.help.as_deref().unwrap_or_default());
    let folder = dir.canonicalize().unwrap().display().to_string();
    errors.iter().map(text).collect::<String>().replace(&folder, "out").replace(['\u{2068}', '\u{2069}'], "")
}

#[test]
fn text_is_aligned_whatever_the_script() {
    let dir = published();
    // The isolates around مصر have no width and may not stand in a literal.
    let text = shown(dir.path(), &["churn"]).replace(['\u{2068}', '\u{2069}'], "");
    insta::assert_snapshot!(text, @r#"
 segment_id   segment   value       period       opening   churn_rate                   lost   left_truncated
──────────────────────────────────────────────────────────────────────────────────────────────────────────────
          0   all       all         2010-12-01      1000            –   -1234567890123456.78   true
          0   all       all         2011-01-01      1000       0.0500   -1234567890123456.78   false
          1   country   日本        2010-12-01       500            –       -123456789012.34   true
          1   country   日本        2011-01-01       500       0.0250       -123456789012.34   false
          2   country   مصر         2010-12-01       250            –           -12345678.90   true
          2   country   مصر         2011-01-01       250       0.0167           -12345678.90   false
          3   country   ""          2010-12-01       125            –               -1234.56   true
          3   country   ""          2011-01-01       125       0.0125               -1234.56   false
          4   country   a "b",\nc   2010-12-01        62            –                  -0.12   true
          4   country   a "b",\nc   2011-01-01        62       0.0100                  -0.12   false
10 of 10 rows
"#);
    insta::assert_snapshot!(shown(dir.path(), &["churn", "--segment", "all=all", "--head", "1"]), @r"
 segment_id   segment   value   period       opening   churn_rate                   lost   left_truncated
──────────────────────────────────────────────────────────────────────────────────────────────────────────
          0   all       all     2010-12-01      1000            –   -1234567890123456.78   true
1 of 2 matching rows, of 10 (--head N shows more)
");
}

#[test]
fn json_and_csv_are_exact() {
    let dir = published();
    insta::assert_snapshot!(shown(dir.path(), &["churn", "--format", "json", "--head", "4"]), @r#"
    {"segment_id":0,"segment":"all","value":"all","period":"2010-12-01","opening":1000,"churn_rate":null,"lost":-1234567890123456.78,"left_truncated":true}
    {"segment_id":0,"segment":"all","value":"all","period":"2011-01-01","opening":1000,"churn_rate":0.05,"lost":-1234567890123456.78,"left_truncated":false}
    {"segment_id":1,"segment":"country","value":"日本","period":"2010-12-01","opening":500,"churn_rate":null,"lost":-123456789012.34,"left_truncated":true}
    {"segment_id":1,"segment":"country","value":"日本","period":"2011-01-01","opening":500,"churn_rate":0.025,"lost":-123456789012.34,"left_truncated":false}
    "#);
    let csv = shown(dir.path(), &["churn.parquet", "--format", "csv"]);
    assert_eq!(csv.matches("\r\n").count(), 11);
    insta::assert_snapshot!(csv.replace("\r\n", "↵\n"), @r#"
    segment_id,segment,value,period,opening,churn_rate,lost,left_truncated↵
    0,all,all,2010-12-01,1000,,-1234567890123456.78,true↵
    0,all,all,2011-01-01,1000,0.05,-1234567890123456.78,false↵
    1,country,日本,2010-12-01,500,,-123456789012.34,true↵
    1,country,日本,2011-01-01,500,0.025,-123456789012.34,false↵
    2,country,مصر,2010-12-01,250,,-12345678.90,true↵
    2,country,مصر,2011-01-01,250,0.016666666666666666,-12345678.90,false↵
    3,country,"",2010-12-01,125,,-1234.56,true↵
    3,country,"",2011-01-01,125,0.0125,-1234.56,false↵
    4,country,"a ""b"",
    c",2010-12-01,62,,-0.12,true↵
    4,country,"a ""b"",
    c",2011-01-01,62,0.01,-0.12,false↵
    "#);
    for line in shown(dir.path(), &["churn", "--format", "json"]).lines() {
        let parsed: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(parsed.as_object().map(serde_json::Map::len), Some(8));
    }
}

#[test]
fn conditions_and_segments_choose_rows() {
    let dir = published();
    let text = shown(dir.path(), &["churn", "--where", "churn_rate > 0.02", "--head", "1"]);
    assert!(text.ends_with("1 of 2 matching rows, of 10 (--head N shows more)\n"), "{text}");
    let text = shown(dir.path(), &["churn", "--where", "churn_rate > 0.02", "--segment", "country=日本"]);
    assert!(text.ends_with("1 of 1 matching row, of 10\n"), "{text}");
    let text = shown(dir.path(), &["churn", "--where", "churn_rate > 9", "--segment", "country="]);
    assert!(text.ends_with("0 of 0 matching rows, of 10\n"), "{text}");
    let csv = shown(dir.path(), &["churn", "--segment", "country=مصر", "--format", "csv"]);
    assert_eq!(csv.lines().count(), 3);
}

#[test]
fn parts_are_shown_in_order_and_heads_are_short() {
    let dir = published();
    let csv = shown(dir.path(), &["customers", "--format", "csv"]);
    assert_eq!(csv.lines().count(), 20_006);
    assert_eq!(csv.lines().next_back(), Some("c000004,"));
    let text = shown(dir.path(), &["customers"]);
    assert_eq!(text.lines().count(), 2 + 20 + 1);
    assert!(text.ends_with("20 of 20,005 rows (--head N shows more)\n"), "{text}");
    let text = shown(dir.path(), &["customers", "--head", "0"]);
    assert!(text.starts_with(" customer_id") && text.ends_with("0 of 20,005 rows (--head N shows more)\n"), "{text}");
}

#[test]
fn mistakes_are_answered_with_what_there_is() {
    let dir = published();
    let all = [
        problem(dir.path(), &["chrun"]),
        problem(dir.path(), &["revenue"]),
        problem(dir.path(), &["churn", "--segment", "contry=France", "--head", "0"]),
        problem(dir.path(), &["churn", "--segment", "country=日木"]),
        problem(dir.path(), &["customers", "--segment", "country=O'Higgins"]),
        problem(dir.path(), &["customers", "--segment", "plan=pro"]),
        problem(dir.path(), &["churn", "--where", "nonsense"]),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    run 20261121T204501Z-1a2b3c4d has no table `chrun`
    did you mean `churn`? Tables in out/runs/20261121T204501Z-1a2b3c4d: churn, customers
    run 20261121T204501Z-1a2b3c4d has no table `revenue`
    tables in out/runs/20261121T204501Z-1a2b3c4d: churn, customers
    table churn has no segment `contry`
    did you mean `country`? Segments: all, country
    segment country has no value `日木`
    did you mean `日本`? Values: "", a "b",\nc, مصر, 日本
    table customers has no segments
    it has column seg_country: use --where "seg_country = 'O''Higgins'"
    table customers has no segments
    leave --segment out, or filter by its columns with --where
    cannot understand `nonsense`
    "#);
}

#[test]
fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
    struct Fails(io::ErrorKind);
    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let dir = published();
    for format in ["text", "json", "csv"] {
        let args = args(dir.path(), &["churn", "--format", format]);
        assert_eq!(run(&args, &compile, &mut Fails(io::ErrorKind::BrokenPipe)).unwrap(), ExitStatus::Done);
        let errors = run(&args, &compile, &mut Fails(io::ErrorKind::StorageFull)).unwrap_err();
        assert!(errors.iter().all(|e| e.kind == ErrorKind::Output));
    }
}

#[test]
fn a_segment_is_a_name_and_a_value() {
    assert_eq!(segment("a=b=c").unwrap(), SegmentFilter { name: "a".into(), value: "b=c".into() });
    assert_eq!(segment("a=").unwrap().value, "");
    assert!(segment("a").is_err() && segment("=b").is_err());
}
