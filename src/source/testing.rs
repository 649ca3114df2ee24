//! Exports and pipelines for tests.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, RecordBatch};
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::{Inspected, Needs, ReadLimits, Scan, inspect, scan};
use crate::calendar::{Day, Period};
use crate::config::*;
use crate::error::{Error, Errors};
use crate::progress::NoProgress;
use crate::rows::{Batch, CancelKind, Ids, NO_VALUE, Sink};

pub(super) fn write(path: &Path, columns: Vec<(&str, ArrayRef)>, rows_per_group: usize) {
    write_as(path, columns, WriterProperties::builder().set_max_row_group_row_count(Some(rows_per_group)).build());
}

pub(super) fn write_as(path: &Path, columns: Vec<(&str, ArrayRef)>, properties: WriterProperties) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// A pipeline over one folder of exports, in pounds, London time.
pub(super) fn pipeline(base: &Path) -> Pipeline {
    Pipeline {
        file: base.join("p.toml"),
        base: base.to_path_buf(),
        name: "test".into(),
        sha256: String::new(),
        calendar: Calendar {
            period: Period::Month,
            timezone: TimeZone::get("Europe/London").unwrap(),
            week_start: Weekday::Monday,
            as_of: None,
            observed_from: None,
            fiscal_year_start: 1,
        },
        money: MoneySettings { currency: "GBP".into(), digits: 2, gross_margin: None, discount_rate: None },
        customers: CustomerSettings {
            basis: Basis::Transactions,
            churn_after: ChurnAfter::OnePeriod,
            learned_until: None,
            loyal_orders: 3,
            activity: None,
            ended_at_inclusive: false,
            gap_days: 0,
            free_is_live: false,
            paused_is_live: false,
            past_due_is_live: true,
            policy: crate::stage::Policy::STANDARD,
        },
        sources: BTreeMap::new(),
        segments: vec![],
        stages: vec![],
        output: Output {
            dir: base.join("out"),
            dir_text: "out".into(),
            quarantine_limit: 0.01,
            mode: None,
            temp_dir: None,
            temp_dir_text: None,
        },
        resolved: serde_json::Value::Null,
        temporary_files: vec![],
    }
}

/// `columns`: a canonical name and the export's column, or SQL behind a `=`. Each mapping has its own span.
pub(super) fn add_source(pipeline: &mut Pipeline, kind: SourceKind, path: &str, columns: &[(&str, &str)]) {
    let mapped = columns.iter().enumerate().map(|(i, (name, from))| {
        let value = match from.strip_prefix('=') {
            Some(sql) => Mapping::Sql(sql.into()),
            None => Mapping::Column((*from).into()),
        };
        (name.to_string(), Located { value, span: 100 + 10 * i..105 + 10 * i })
    });
    let source = SourceSettings {
        kind,
        paths: vec![Located { value: path.into(), span: 10..20 }],
        filter: None,
        columns: mapped.collect(),
        timezone: pipeline.calendar.timezone.clone(),
        freshness: None,
        scales: (kind == SourceKind::Surveys).then_some(SurveyScales {
            nps: Scale { lowest: 0, highest: 10 },
            csat: Scale { lowest: 1, highest: 5 },
            ces: Scale { lowest: 1, highest: 7 },
            ces_high_is_ease: true,
        }),
        span: 0..5,
    };
    pipeline.sources.insert(kind, source);
}

pub(super) fn add_filter(pipeline: &mut Pipeline, kind: SourceKind, sql: &str) {
    pipeline.sources.get_mut(&kind).unwrap().filter = Some(Expression { sql: sql.into(), span: 50..60 });
}

pub(super) fn add_segment(pipeline: &mut Pipeline, source: SourceKind, column: &str) {
    let from = SegmentFrom::Column(source, column.into());
    let segment = SegmentSettings { name: column.to_lowercase(), from, at: At::Latest, cap: 200, span: 70..80 };
    pipeline.segments.push(segment);
}

pub(super) fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

/// Everything that a scan delivered, as sorted lines of text, with segment values as text.
#[derive(Debug, PartialEq)]
pub(super) struct Delivered {
    pub rows: Vec<String>,
    pub rejected: Vec<super::Rejected>,
    pub reports: String,
}

#[derive(Default)]
struct Keep(Mutex<Vec<Batch>>);

impl Sink for Keep {
    fn accept(&self, batch: Batch) -> crate::error::Result<()> {
        self.0.lock().unwrap().push(batch);
        Ok(())
    }
}

pub(super) fn look(pipeline: &Pipeline) -> Result<Inspected, Errors> {
    inspect(pipeline, Needs::ALL)
}

/// All problems of an inspection as text: kind, start of the span, message and help.
pub(super) fn problems(pipeline: &Pipeline) -> Vec<String> {
    let errors = look(pipeline).expect_err("nothing is wrong");
    let text = |e: &Error| {
        let at = e.place.as_ref().and_then(|p| p.span.clone()).map_or(0, |s| s.start);
        format!("{:?} at {at}: {} [{}]", e.kind, e.what, e.help.as_deref().unwrap_or(""))
    };
    errors.iter().map(text).collect()
}

pub(super) fn run(pipeline: &Pipeline, batch_rows: usize) -> (Scan, Delivered) {
    try_run(pipeline, batch_rows).unwrap()
}

pub(super) fn try_run(pipeline: &Pipeline, batch_rows: usize) -> Result<(Scan, Delivered), Error> {
    let inspected = look(pipeline).map_err(|e| Error::input(format!("{:?}", e.iter().collect::<Vec<_>>())))?;
    deliver(pipeline, &inspected, batch_rows)
}

/// The same without leaving out the row groups that the filter rules out.
pub(super) fn run_unpruned(pipeline: &Pipeline, batch_rows: usize) -> Result<(Scan, Delivered), Error> {
    let mut inspected = look(pipeline).unwrap();
    let layouts = inspected.sources.values_mut().flat_map(|source| &mut source.layouts);
    layouts.for_each(|layout| layout.prune = None);
    deliver(pipeline, &inspected, batch_rows)
}

pub(super) fn deliver(
    pipeline: &Pipeline,
    inspected: &Inspected,
    batch_rows: usize,
) -> Result<(Scan, Delivered), Error> {
    deliver_within(pipeline, inspected, ReadLimits { batch_rows, ..ReadLimits::default() })
}

pub(super) fn deliver_within(
    pipeline: &Pipeline,
    inspected: &Inspected,
    limits: ReadLimits,
) -> Result<(Scan, Delivered), Error> {
    let sink = Keep::default();
    let scan = scan(inspected, pipeline, &sink, &NoProgress, limits)?;
    let mut rows: Vec<String> = vec![];
    for batch in sink.0.into_inner().unwrap() {
        lines(&batch, &scan, &mut rows);
    }
    rows.sort();
    let delivered =
        Delivered { rows, rejected: scan.rejected.rows().cloned().collect(), reports: format!("{:?}", scan.reports) };
    Ok((scan, delivered))
}

fn lines(batch: &Batch, scan: &Scan, out: &mut Vec<String>) {
    let dictionaries = &scan.dictionaries;
    let label = |texts: &[Arc<str>], code: u32| match code {
        NO_VALUE => String::new(),
        code => format!(" {}", texts[code as usize]),
    };
    let id = |ids: &Ids, row: usize| match ids {
        Ids::Integer(v) => v[row].to_string(),
        Ids::Text(t) => format!("'{}'", t.get(row)),
    };
    let values = |segments: &[(usize, Vec<u32>)], row: usize| {
        let text = |(s, codes): &(usize, Vec<u32>)| match codes[row] {
            NO_VALUE => "-".to_string(),
            code => dictionaries[*s][code as usize].to_string(),
        };
        segments.iter().map(text).collect::<Vec<_>>().join(",")
    };
    let date = |d: Day| if d == Day::NEVER { "-".to_string() } else { d.to_string() };
    match batch {
        Batch::Transactions(b) => {
            let n = b.days.len();
            assert!(b.ids.len() == n && b.instants.len() == n && b.amounts.len() == n && b.active.len() == n);
            for row in 0..n {
                let order = b.orders.as_ref().map_or(0, |o| o[row]);
                let (at, units, active) = (b.instants[row], b.amounts[row], b.active[row]);
                let (day, values) = (date(b.days[row]), values(&b.segments, row));
                out.push(format!("{} {day} {at} {units} {active} {order:x} {values}", id(&b.ids, row)));
            }
        }
        Batch::Subscriptions(b) => {
            assert!(b.ids.len() == b.terms.len() && b.instants.len() == b.terms.len());
            for (row, t) in b.terms.iter().enumerate() {
                let dates =
                    [t.started, t.trial_ends, t.ended, t.cancelled, t.paid_until, t.paused_from, t.paused_until];
                let dates: Vec<String> = dates.into_iter().chain([t.past_due_since]).map(date).collect();
                let (id, values) = (id(&b.ids, row), values(&b.segments, row));
                let why = label(&scan.reasons, t.reason);
                let kind = if t.kind == CancelKind::Unknown { String::new() } else { format!(" {:?}", t.kind) };
                let (months, days, amount) = (t.months, t.days, t.amount);
                let currency = if t.currency == 0 { String::new() } else { format!(" currency {}", t.currency) };
                let dates = dates.join(" ");
                out.push(format!("{id} {dates} {months}m{days}d {amount} {values}{kind}{why}{currency}"));
            }
        }
        Batch::Customers(b) => {
            assert!(b.ids.len() == b.signed_up.len() && b.ids.len() == b.canonical.len());
            for row in 0..b.ids.len() {
                let canonical = String::from_utf8_lossy(&b.canonical[row]).replace(|c: char| c.is_control(), ".");
                let (id, values) = (id(&b.ids, row), values(&b.segments, row));
                let by = label(&scan.channels, b.channels[row]);
                let referred = if b.referred[row] { " referred" } else { "" };
                out.push(format!("{id} {} {values} {canonical}{by}{referred}", date(b.signed_up[row])));
            }
        }
        Batch::Usage(b) => {
            for (row, day) in b.days.iter().enumerate() {
                let (id, values) = (id(&b.ids, row), values(&b.segments, row));
                out.push(format!("{id} {day} {} used {} {values}", b.instants[row], b.quantities[row]));
            }
        }
        Batch::Surveys(b) => {
            for (row, day) in b.days.iter().enumerate() {
                let (id, values) = (id(&b.ids, row), values(&b.segments, row));
                let (kind, score, why) = (b.kinds[row], b.scores[row], label(&scan.reasons, b.reasons[row]));
                out.push(format!("{id} {day} {} {} {score:?}{why} {values}", b.instants[row], kind.name()));
            }
        }
    }
}
