//! The footer of a Parquet file: its schema, its row groups and their statistics, read before any data.

mod arrow_schema;
mod outline;

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{ConvertedType, Type as PhysicalType};
use parquet::file::metadata::{
    ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy,
};
use xxhash_rust::xxh3::xxh3_64;

use super::guard::guarded;
use super::handle::InputHandle;
use super::pages::{in_words, size};
use super::unreadable::unreadable;
use crate::error::{Error, Result};

/// What the footer says of a file.
#[derive(Clone)]
pub struct Footer {
    pub metadata: ArrowReaderMetadata,
    pub rows: u64,
    /// XXH3-64 of the footer's bytes, hexadecimal.
    pub checksum: String,
    /// Names of columns that nest too deep to be decoded; the metadata does not have them.
    pub too_deep: Vec<String>,
}

/// The memory that the footers of all files may take together.
#[derive(Debug)]
pub(super) struct FooterMemory {
    all: u64,
    left: AtomicU64,
}

impl FooterMemory {
    /// `bytes`: the most that all decoded footers may take.
    pub(super) fn new(bytes: u64) -> FooterMemory {
        FooterMemory { all: bytes, left: AtomicU64::new(bytes) }
    }

    fn take(&self, bytes: u64) -> Result<()> {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.map(|_| ()).map_err(|_| {
            Error::input(format!("the footers of the exports take more than {} of memory", size(self.all))).help(
                "raise --memory-limit, have the exports written in fewer row groups, or name fewer files in `path`",
            )
        })
    }
}

impl std::fmt::Debug for Footer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Footer").field("rows", &self.rows).field("checksum", &self.checksum).finish_non_exhaustive()
    }
}

impl Footer {
    /// The columns as the scan reads them: strings as views, the old 96-bit timestamps in microseconds.
    pub fn schema(&self) -> &Schema {
        self.metadata.schema()
    }
}

const MAGIC: &[u8; 4] = b"PAR1";
const REWRITE: &str = "have the export written again, and delivered under its name only when it is complete";

/// Reads the footer of a file.
///
/// # Errors
/// A sentence with a remedy if it cannot be read, is not Parquet, is broken, or changes meanwhile.
pub(super) fn read(handle: &InputHandle, shown: &str, memory: &FooterMemory) -> Result<Footer> {
    let footer = decode(handle, shown, memory);
    // If the file has changed, that is the error to report.
    handle.unchanged(shown)?;
    footer
}

fn decode(handle: &InputHandle, shown: &str, memory: &FooterMemory) -> Result<Footer> {
    let footer = footer_bytes(handle, shown, memory)?;
    let broken = |what: String| Error::input(format!("{shown} is not a readable Parquet file: {what}")).help(REWRITE);
    let outline = outline::outline(&footer).map_err(broken)?;
    memory.take(outline.memory)?;
    // Sizes of levels and counts of encodings are not needed and can be long lists.
    let options = ParquetMetaDataOptions::new()
        .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll);
    let decode = || ParquetMetaDataReader::decode_metadata_with_options(&outline.bytes, Some(&options));
    let metadata = match guarded(decode) {
        Ok(Ok(metadata)) => metadata,
        Ok(Err(e)) => return Err(broken(in_words(&e.to_string()).to_owned())),
        Err(panic) => return Err(broken(panic)),
    };
    let rows = metadata.row_groups().iter().try_fold(0u64, |sum, group| {
        sum.checked_add(u64::try_from(group.num_rows()).ok()?).filter(|n| *n <= i64::MAX as u64)
    });
    let rows = rows.ok_or_else(|| broken("its footer claims an impossible number of rows".into()))?;
    let metadata = match guarded(|| with_views(Arc::new(metadata))) {
        Ok(Ok(metadata)) => metadata,
        Ok(Err(e)) => return Err(broken(in_words(&e.to_string()).to_owned())),
        Err(panic) => return Err(broken(panic)),
    };
    Ok(Footer { metadata, rows, checksum: format!("{:016x}", xxh3_64(&footer)), too_deep: outline.too_deep })
}

/// The footer without its length and the magic number behind it.
fn footer_bytes(handle: &InputHandle, shown: &str, memory: &FooterMemory) -> Result<Vec<u8>> {
    let length = handle.state.bytes;
    let read = |at: u64, bytes: &mut [u8]| handle.file().read_exact_at(bytes, at).map_err(|e| unreadable(shown, &e));
    if length < 12 {
        return Err(Error::input(format!("{shown} is {length} bytes long, too short for a Parquet file")).help(REWRITE));
    }
    let (mut head, mut tail) = ([0; 4], [0; 8]);
    read(0, &mut head)?;
    read(length - 8, &mut tail)?;
    if &tail[4..] == b"PARE" {
        return Err(Error::input(format!("{shown} is an encrypted Parquet file, which is not supported"))
            .help("have the export written without Parquet encryption"));
    }
    if &tail[4..] != MAGIC {
        return Err(if &head == MAGIC {
            Error::input(format!("{shown} is truncated: it begins like a Parquet file and ends without its footer"))
                .help(REWRITE)
        } else {
            Error::input(format!("{shown} is not a Parquet file"))
                .help("tenure reads Parquet; DuckDB turns a CSV into it: COPY (FROM 'x.csv') TO 'x.parquet'")
        });
    }
    let size = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if size + 12 > length {
        return Err(Error::input(format!("{shown} is truncated: its footer should be {size} bytes long")).help(REWRITE));
    }
    if size > memory.all {
        memory.take(size)?;
    }
    let mut footer = vec![0; size as usize];
    read(length - 8 - size, &mut footer)?;
    Ok(footer)
}

/// Whether the writer declared a column to be text. If not, its bytes may not be UTF-8.
pub(super) fn is_called_text(metadata: &ParquetMetaData, root: usize) -> bool {
    let schema = metadata.file_metadata().schema_descr();
    schema.root_schema().get_fields().get(root).is_some_and(|field| {
        let info = field.get_basic_info();
        info.converted_type() != ConvertedType::NONE || info.logical_type_ref().is_some()
    })
}

/// The metadata with the types that the scan reads: strings as views, old timestamps in microseconds.
fn with_views(metadata: Arc<ParquetMetaData>) -> parquet::errors::Result<ArrowReaderMetadata> {
    // A writer's own schema says what Parquet's types cannot, such as timestamps in seconds; a broken one is left out.
    let skip = !arrow_schema::is_modest(&metadata);
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(skip);
    let plain = ArrowReaderMetadata::try_new(metadata.clone(), options).or_else(|_| {
        ArrowReaderMetadata::try_new(metadata.clone(), ArrowReaderOptions::new().with_skip_arrow_metadata(true))
    })?;
    let physical = metadata.file_metadata().schema_descr();
    let fields: Vec<Field> = plain
        .schema()
        .fields()
        .iter()
        .enumerate()
        .map(|(i, field)| {
            let root = physical.root_schema().get_fields().get(i);
            let old_timestamp = root.is_some_and(|r| r.is_primitive() && r.get_physical_type() == PhysicalType::INT96);
            let kind = match field.data_type() {
                // Bytes that an old writer did not call text are checked for UTF-8 when they are read.
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => DataType::Utf8View,
                DataType::BinaryView => DataType::Utf8View,
                DataType::Dictionary(_, value) => match &**value {
                    DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8View,
                    other => other.clone(),
                },
                DataType::Timestamp(TimeUnit::Nanosecond, None) if old_timestamp => {
                    DataType::Timestamp(TimeUnit::Microsecond, None)
                }
                other => other.clone(),
            };
            field.as_ref().clone().with_data_type(kind)
        })
        .collect();
    let wanted = Arc::new(Schema::new_with_metadata(fields, plain.schema().metadata().clone()));
    ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new().with_schema(wanted)).or(Ok(plain))
}
