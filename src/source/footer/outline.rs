//! Checks the bytes of a footer before the `parquet` crate decodes them.
//!
//! The crate allocates what a footer claims, and follows its schema by recursion, which overflows the stack where columns
//! nest some hundred levels deep. So the schema is walked here, without recursion and without allocating for claims:
//! what the decoded footer will take is estimated, counts that its bytes cannot hold are refused, and columns that nest too
//! deep are cut out, with their chunks in each row group. No mapping can use them, for they are nested.
//!
//! Source: parquet.thrift of the Apache Parquet project (FileMetaData, SchemaElement, RowGroup).

use std::borrow::Cow;
use std::ops::Range;

use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

use crate::leb128;
use crate::source::thrift::{Thrift, kind};

/// A column that nests deeper is left out. The crate needs a few kilobytes of stack for each level.
pub(super) const DEEPEST: usize = 64;

/// Bytes of a decoded schema element, with its field in the Arrow schema and without its names.
const SCHEMA_ELEMENT: u64 = 1024;
/// Bytes that a name in a path takes beside its letters.
const NAME: u64 = 40;
const KEY_VALUE: u64 = 64;

#[derive(Debug)]
pub(super) struct Outline<'a> {
    /// The footer, without the columns that nest too deep.
    pub bytes: Cow<'a, [u8]>,
    /// Names of the columns that were cut out.
    pub too_deep: Vec<String>,
    /// About the most bytes that the decoded footer takes.
    pub memory: u64,
}

/// # Errors
/// What is wrong with the footer, as the end of a sentence.
pub(super) fn outline(footer: &[u8]) -> Result<Outline<'_>, String> {
    let parts = parts(footer).ok_or("its footer cannot be understood")?;
    let schema = schema(footer, parts.schema)?;
    let (groups, chunks) = (parts.row_groups.len, parts.row_groups.len.saturating_mul(schema.leaves));
    // A chunk takes at least this many bytes.
    if chunks.saturating_mul(8) > footer.len() as u64 {
        return Err(format!(
            "its footer claims {groups} row groups of {} columns in {} bytes",
            schema.leaves,
            footer.len()
        ));
    }
    let memory = [
        // Texts and statistics.
        4 * footer.len() as u64,
        parts.schema.len.saturating_mul(SCHEMA_ELEMENT),
        schema.path_bytes,
        groups.saturating_mul(size_of::<RowGroupMetaData>() as u64),
        chunks.saturating_mul(size_of::<ColumnChunkMetaData>() as u64),
        parts.key_values.saturating_mul(KEY_VALUE),
    ];
    let memory = memory.into_iter().fold(0, u64::saturating_add);
    let too_deep: Vec<String> =
        schema.roots.iter().filter(|r| r.is_too_deep()).map(|r| String::from_utf8_lossy(r.name).into_owned()).collect();
    let bytes = if too_deep.is_empty() {
        Cow::Borrowed(footer)
    } else {
        Cow::Owned(without_deep(footer, &schema).ok_or("its footer cannot be understood")?)
    };
    Ok(Outline { bytes, too_deep, memory })
}

/// A list in the footer: the place of its first element, and the number of elements.
#[derive(Clone, Copy, Debug, Default)]
struct ThriftList {
    start: usize,
    len: u64,
}

/// The lists of the footer that decide about its size.
#[derive(Debug, Default)]
struct FooterParts {
    schema: ThriftList,
    row_groups: ThriftList,
    key_values: u64,
}

fn parts(footer: &[u8]) -> Option<FooterParts> {
    let mut thrift = Thrift::new(footer);
    let mut parts = FooterParts::default();
    let mut last = 0;
    while let Some((id, kind)) = thrift.field(last)? {
        last = id;
        let mut ahead = thrift.clone();
        match id {
            2 | 4 | 5 => {
                let (element, len) = ahead.list()?;
                if kind != kind::LIST || (element != kind::STRUCT && len > 0) {
                    return None;
                }
                let list = ThriftList { start: ahead.position(), len };
                match id {
                    2 => parts.schema = list,
                    4 => parts.row_groups = list,
                    _ => parts.key_values = len,
                }
            }
            _ => {}
        }
        thrift.skip(kind)?;
    }
    Some(parts)
}

/// A top-level column.
#[derive(Debug)]
struct Root<'a> {
    name: &'a [u8],
    /// Its elements in the footer.
    bytes: Range<usize>,
    elements: u64,
    leaves: Range<u64>,
    depth: usize,
}

impl Root<'_> {
    fn is_too_deep(&self) -> bool {
        self.depth > DEEPEST
    }
}

#[derive(Debug)]
struct SchemaOutline<'a> {
    name: &'a [u8],
    roots: Vec<Root<'a>>,
    /// Columns with values.
    leaves: u64,
    /// What the paths of all columns take: each repeats the names of the groups around it.
    path_bytes: u64,
}

struct Element<'a> {
    name: &'a [u8],
    children: u64,
    has_type: bool,
}

fn element<'a>(thrift: &mut Thrift<'a>) -> Option<Element<'a>> {
    let mut element = Element { name: &[], children: 0, has_type: false };
    let mut last = 0;
    while let Some((id, kind)) = thrift.field(last)? {
        last = id;
        match (id, kind) {
            (1, kind::I32) => {
                thrift.integer()?;
                element.has_type = true;
            }
            (4, kind::BINARY) => element.name = thrift.binary()?,
            (5, kind::I32) => element.children = u64::try_from(thrift.integer()?).ok()?,
            (1 | 4 | 5, _) => return None,
            _ => thrift.skip(kind)?,
        }
    }
    Some(element)
}

/// Groups that are still open: how many children are to come, and the bytes of the names down to it.
struct OpenElement {
    children: u64,
    path_bytes: u64,
}

fn schema(footer: &[u8], list: ThriftList) -> Result<SchemaOutline<'_>, String> {
    let unclear = || "its schema cannot be understood".to_owned();
    let ThriftList { start, len } = list;
    let mut thrift = Thrift::new(footer.get(start..).ok_or_else(unclear)?);
    if len == 0 {
        return Err("its footer has no schema".into());
    }
    let top = element(&mut thrift).ok_or_else(unclear)?;
    let mut outline = SchemaOutline { name: top.name, roots: vec![], leaves: 0, path_bytes: 0 };
    if top.children >= len {
        return Err(format!("its schema claims {} columns and has {len} elements", top.children));
    }
    let mut open = vec![OpenElement { children: top.children, path_bytes: 0 }];
    for i in 1..len {
        while open.last().is_some_and(|group| group.children == 0) {
            open.pop();
        }
        let Some(group) = open.last_mut() else {
            return Err(format!("its schema has {} elements that belong to no column", len - i));
        };
        group.children -= 1;
        let above = group.path_bytes;
        let begin = start + thrift.position();
        let element = element(&mut thrift).ok_or_else(unclear)?;
        let end = start + thrift.position();
        let path_bytes = above.saturating_add(element.name.len() as u64 + NAME);
        if open.len() == 1 {
            let leaves = outline.leaves..outline.leaves;
            outline.roots.push(Root { name: element.name, bytes: begin..end, elements: 0, leaves, depth: 0 });
        }
        if let Some(root) = outline.roots.last_mut() {
            root.bytes.end = end;
            root.elements += 1;
            root.depth = root.depth.max(open.len());
        }
        if element.children > 0 {
            if element.children > len - i {
                return Err(format!(
                    "its schema claims a group of {} columns and has {len} elements",
                    element.children
                ));
            }
            open.push(OpenElement { children: element.children, path_bytes });
        } else if element.has_type {
            outline.leaves += 1;
            if let Some(root) = outline.roots.last_mut() {
                root.leaves.end = outline.leaves;
                if !root.is_too_deep() {
                    outline.path_bytes = outline.path_bytes.saturating_add(path_bytes);
                }
            }
        }
    }
    let missing: u64 = open.iter().map(|group| group.children).fold(0, u64::saturating_add);
    if missing > 0 {
        return Err(format!("its schema claims {missing} more columns than it has"));
    }
    Ok(outline)
}

/// The footer again, with neither the schema nor the chunks of the columns that nest too deep.
fn without_deep(footer: &[u8], schema: &SchemaOutline<'_>) -> Option<Vec<u8>> {
    let kept: Vec<&Root<'_>> = schema.roots.iter().filter(|root| !root.is_too_deep()).collect();
    let leaves: Vec<Range<u64>> = kept.iter().map(|root| root.leaves.clone()).collect();
    let mut out = Vec::with_capacity(footer.len());
    let mut thrift = Thrift::new(footer);
    let mut last = 0;
    while let Some((id, kind)) = thrift.field(last)? {
        last = id;
        field(&mut out, id, kind);
        match id {
            2 => {
                let elements = 1 + kept.iter().map(|root| root.elements).sum::<u64>();
                list(&mut out, kind::STRUCT, elements);
                field(&mut out, 4, kind::BINARY);
                leb128::put(schema.name.len() as u64, &mut out);
                out.extend_from_slice(schema.name);
                field(&mut out, 5, kind::I32);
                leb128::put(2 * kept.len() as u64, &mut out);
                out.push(0);
                kept.iter().for_each(|root| out.extend_from_slice(&footer[root.bytes.clone()]));
                thrift.skip(kind)?;
            }
            4 => {
                let (element, groups) = thrift.list()?;
                list(&mut out, element, groups);
                for _ in 0..groups {
                    row_group(footer, &mut thrift, &leaves, &mut out)?;
                }
            }
            // Column orders.
            7 => copy_some(footer, &mut thrift, &leaves, &mut out)?,
            _ => copy(footer, &mut thrift, kind, &mut out)?,
        }
    }
    out.push(0);
    Some(out)
}

fn row_group(footer: &[u8], thrift: &mut Thrift<'_>, leaves: &[Range<u64>], out: &mut Vec<u8>) -> Option<()> {
    let mut last = 0;
    while let Some((id, kind)) = thrift.field(last)? {
        last = id;
        match id {
            1 => {
                field(out, id, kind);
                copy_some(footer, thrift, leaves, out)?;
            }
            // The sort order names columns by number, and nobody here asks for it.
            4 => thrift.skip(kind)?,
            _ => {
                field(out, id, kind);
                copy(footer, thrift, kind, out)?;
            }
        }
    }
    out.push(0);
    Some(())
}

/// Copies the elements of a list whose indices are among `ranges`, which are in order.
fn copy_some(footer: &[u8], thrift: &mut Thrift<'_>, ranges: &[Range<u64>], out: &mut Vec<u8>) -> Option<()> {
    let (element, len) = thrift.list()?;
    list(out, element, ranges.iter().map(|range| range.end.min(len) - range.start.min(len)).sum());
    let mut ranges = ranges.iter();
    let mut range = ranges.next();
    for i in 0..len {
        while range.is_some_and(|range| range.end <= i) {
            range = ranges.next();
        }
        if range.is_some_and(|range| range.contains(&i)) {
            copy(footer, thrift, element, out)?;
        } else {
            thrift.skip(element)?;
        }
    }
    Some(())
}

fn copy(footer: &[u8], thrift: &mut Thrift<'_>, kind: u8, out: &mut Vec<u8>) -> Option<()> {
    let start = thrift.position();
    thrift.skip(kind)?;
    out.extend_from_slice(footer.get(start..thrift.position())?);
    Some(())
}

/// A field's head, with its id written out, since the field before it may have been left out.
fn field(out: &mut Vec<u8>, id: i64, kind: u8) {
    out.push(kind);
    leb128::put(((id << 1) ^ (id >> 63)) as u64, out);
}

fn list(out: &mut Vec<u8>, element: u8, len: u64) {
    out.push(0xF0 | element);
    leb128::put(len, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::file::metadata::ParquetMetaDataReader;

    fn int(out: &mut Vec<u8>, id: i64, n: u64) {
        field(out, id, kind::I32);
        leb128::put(2 * n, out);
    }

    fn schema_element(name: &str, children: u64) -> Vec<u8> {
        let mut out = vec![];
        if children == 0 {
            int(&mut out, 1, 1);
        }
        int(&mut out, 3, 1);
        field(&mut out, 4, kind::BINARY);
        leb128::put(name.len() as u64, &mut out);
        out.extend(name.as_bytes());
        if children > 0 {
            int(&mut out, 5, children);
        }
        out.push(0);
        out
    }

    fn chunk(start: u64) -> Vec<u8> {
        let mut out = vec![];
        field(&mut out, 2, kind::I64);
        leb128::put(2 * start, &mut out);
        field(&mut out, 3, kind::STRUCT);
        int(&mut out, 1, 1);
        field(&mut out, 2, kind::LIST);
        list(&mut out, kind::I32, 1);
        leb128::put(0, &mut out);
        field(&mut out, 3, kind::LIST);
        list(&mut out, kind::BINARY, 1);
        out.extend([1, b'x']);
        int(&mut out, 4, 0);
        for id in [5, 6, 7] {
            field(&mut out, id, kind::I64);
            leb128::put(2 * 7, &mut out);
        }
        field(&mut out, 9, kind::I64);
        leb128::put(2 * start, &mut out);
        out.extend([0, 0]);
        out
    }

    /// Columns a, b of so many levels with two leaves each, and c; two row groups of seven rows.
    fn footer(depth: usize) -> Vec<u8> {
        let mut elements = vec![schema_element("schema", 3), schema_element("a", 0), schema_element("b", 2)];
        for _ in 0..2 {
            elements.extend((0..depth.saturating_sub(2)).map(|_| schema_element("g", 1)));
            elements.push(schema_element("leaf", 0));
        }
        elements.push(schema_element("c", 0));
        let mut out = vec![];
        int(&mut out, 1, 2);
        field(&mut out, 2, kind::LIST);
        list(&mut out, kind::STRUCT, elements.len() as u64);
        out.extend(elements.concat());
        field(&mut out, 3, kind::I64);
        leb128::put(2 * 14, &mut out);
        field(&mut out, 4, kind::LIST);
        list(&mut out, kind::STRUCT, 2);
        for group in 0..2 {
            field(&mut out, 1, kind::LIST);
            list(&mut out, kind::STRUCT, 4);
            (0..4).for_each(|leaf| out.extend(chunk(100 * group + leaf)));
            for id in [2, 3] {
                field(&mut out, id, kind::I64);
                leb128::put(2 * 7, &mut out);
            }
            // Sorted by the last column.
            field(&mut out, 4, kind::LIST);
            list(&mut out, kind::STRUCT, 1);
            int(&mut out, 1, 3);
            field(&mut out, 2, kind::TRUE);
            field(&mut out, 3, kind::TRUE);
            out.push(0);
            out.push(0);
        }
        // Every column has the order of its type.
        field(&mut out, 7, kind::LIST);
        list(&mut out, kind::STRUCT, 4);
        (0..4).for_each(|_| {
            field(&mut out, 1, kind::STRUCT);
            out.extend([0, 0]);
        });
        out.push(0);
        out
    }

    #[test]
    fn columns_that_nest_too_deep_are_cut_out_with_their_chunks() {
        for depth in [2, 3, DEEPEST - 1, DEEPEST, DEEPEST + 1, 5000] {
            let bytes = footer(depth);
            let outline = outline(&bytes).unwrap();
            let decoded = ParquetMetaDataReader::decode_metadata(&outline.bytes).unwrap();
            let schema = decoded.file_metadata().schema_descr();
            let roots: Vec<&str> = schema.root_schema().get_fields().iter().map(|f| f.name()).collect();
            let starts = |group: usize| {
                let columns = decoded.row_group(group).columns().iter();
                columns.map(ColumnChunkMetaData::data_page_offset).collect::<Vec<_>>()
            };
            if depth <= DEEPEST {
                assert!(matches!(outline.bytes, Cow::Borrowed(_)) && outline.too_deep.is_empty());
                assert_eq!((roots, starts(1)), (vec!["a", "b", "c"], vec![100, 101, 102, 103]));
            } else {
                assert_eq!(outline.too_deep, ["b"]);
                assert_eq!((roots, starts(0), starts(1)), (vec!["a", "c"], vec![0, 3], vec![100, 103]));
                assert_eq!(decoded.file_metadata().column_orders().map(Vec::len), Some(2));
                assert_eq!(decoded.row_group(1).num_rows(), 7);
            }
        }
    }

    #[test]
    fn a_footer_cut_short_anywhere_is_an_error_or_another_footer() {
        for depth in [3, 70] {
            let bytes = footer(depth);
            for n in 0..bytes.len() {
                // Not to panic is what matters; the crate judges what is left.
                let _ = outline(&bytes[..n]);
                let mut flipped = bytes.clone();
                flipped[n] ^= 1 << (n % 8);
                let _ = outline(&flipped);
            }
        }
    }

    #[test]
    fn what_a_footer_takes_decoded_is_not_underestimated() {
        let bytes = footer(40);
        let outline = outline(&bytes).unwrap();
        let decoded = ParquetMetaDataReader::decode_metadata(&bytes).unwrap();
        assert!(outline.memory >= decoded.memory_size() as u64);
    }
}
