//! Parquet files written byte by byte, so that everything that they claim can be a lie.

use std::io::Write;

/// Thrift's compact protocol: the value of a field.
#[derive(Clone)]
pub enum Value {
    Int(i64),
    Long(i64),
    Bytes(Vec<u8>),
    Struct(Fields),
    /// Type of the elements, how many there are said to be, and their bytes.
    List(u8, u64, Vec<u8>),
}

pub type Fields = Vec<(i64, Value)>;

pub use Value::{Bytes, Int, List, Long, Struct};

pub fn text(text: &str) -> Value {
    Bytes(text.into())
}

pub fn structs(of: &[Fields]) -> Value {
    List(12, of.len() as u64, of.iter().flat_map(encode).collect())
}

pub fn ints(of: &[i64]) -> Value {
    List(5, of.len() as u64, of.iter().flat_map(|n| zigzag(*n)).collect())
}

pub fn varint(mut n: u64) -> Vec<u8> {
    let mut out = vec![];
    while n > 0x7F {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

pub fn zigzag(n: i64) -> Vec<u8> {
    varint(((n << 1) ^ (n >> 63)) as u64)
}

pub fn encode(fields: &Fields) -> Vec<u8> {
    let mut out = vec![];
    for (id, value) in fields {
        let (kind, bytes) = match value {
            Int(n) => (5, zigzag(*n)),
            Long(n) => (6, zigzag(*n)),
            Bytes(b) => (8, [varint(b.len() as u64), b.clone()].concat()),
            Struct(fields) => (12, encode(fields)),
            List(element, n, bytes) => (9, [vec![0xF0 | element], varint(*n), bytes.clone()].concat()),
        };
        out.push(kind);
        out.extend(zigzag(*id));
        out.extend(bytes);
    }
    out.push(0);
    out
}

pub const INT32: i64 = 1;
pub const INT64: i64 = 2;
pub const DOUBLE: i64 = 5;
pub const BYTE_ARRAY: i64 = 6;
pub const FIXED: i64 = 7;

pub const PLAIN: i64 = 0;
pub const RLE: i64 = 3;
pub const DELTA_LENGTH_BYTE_ARRAY: i64 = 6;
pub const DELTA_BYTE_ARRAY: i64 = 7;
pub const RLE_DICTIONARY: i64 = 8;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Codec {
    None = 0,
    Snappy = 1,
    Gzip = 2,
    Brotli = 4,
    Lz4 = 5,
    Zstd = 6,
    Lz4Raw = 7,
}

pub const CODECS: [Codec; 7] =
    [Codec::None, Codec::Snappy, Codec::Gzip, Codec::Brotli, Codec::Lz4, Codec::Zstd, Codec::Lz4Raw];

pub fn compress(codec: Codec, data: &[u8]) -> Vec<u8> {
    match codec {
        Codec::None => data.to_vec(),
        Codec::Snappy => snap::raw::Encoder::new().compress_vec(data).expect("it compresses"),
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
            encoder.write_all(data).expect("it compresses");
            encoder.finish().expect("it compresses")
        }
        Codec::Brotli => {
            let mut out = vec![];
            brotli::CompressorWriter::new(&mut out, 1 << 16, 9, 22).write_all(data).expect("it compresses");
            out
        }
        Codec::Lz4 => {
            let block = lz4_flex::block::compress(data);
            let sizes = [data.len() as u32, block.len() as u32].map(u32::to_be_bytes).concat();
            [sizes, block].concat()
        }
        Codec::Zstd => zstd::bulk::compress(data, 3).expect("it compresses"),
        Codec::Lz4Raw => lz4_flex::block::compress(data),
    }
}

/// A page: its header's fields in order of id, and its bytes.
#[derive(Clone)]
pub struct Page {
    pub header: Fields,
    pub body: Vec<u8>,
}

impl Page {
    fn new(kind: i64, body: Vec<u8>, own: (i64, Fields)) -> Page {
        let size = body.len() as i64;
        Page { header: vec![(1, Int(kind)), (2, Int(size)), (3, Int(size)), (own.0, Struct(own.1))], body }
    }

    pub fn data(body: Vec<u8>, values: i64, encoding: i64) -> Page {
        let own = vec![(1, Int(values)), (2, Int(encoding)), (3, Int(RLE)), (4, Int(RLE))];
        Page::new(0, body, (5, own))
    }

    /// `levels`: bytes of definition and of repetition levels.
    pub fn data_v2(body: Vec<u8>, values: i64, nulls: i64, levels: (i64, i64), encoding: i64) -> Page {
        let counts = [values, nulls, values, encoding, levels.0, levels.1];
        let own = (1..).zip(counts.map(Int)).collect();
        Page::new(3, body, (8, own))
    }

    pub fn dictionary(body: Vec<u8>, entries: i64) -> Page {
        Page::new(2, body, (7, vec![(1, Int(entries)), (2, Int(PLAIN))]))
    }

    /// Claims to be so long after decompression.
    pub fn claiming(mut self, uncompressed: i64) -> Page {
        self.header[1] = (2, Int(uncompressed));
        self
    }

    /// Claims to be so long in the file.
    pub fn claiming_compressed(mut self, compressed: i64) -> Page {
        self.header[2] = (3, Int(compressed));
        self
    }

    pub fn compressed(mut self, codec: Codec) -> Page {
        self.body = compress(codec, &self.body);
        let size = self.body.len() as i64;
        self.claiming_compressed(size)
    }

    pub fn with(mut self, field: (i64, Value)) -> Page {
        self.header.push(field);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        [encode(&self.header), self.body.clone()].concat()
    }
}

/// A required column of one row group.
#[derive(Clone)]
pub struct Column {
    pub name: &'static str,
    pub kind: i64,
    /// Further fields of its schema element, in order of id from 6 on; and the length of a FIXED type.
    pub schema: Fields,
    pub length: Option<i64>,
    pub codec: Codec,
    pub pages: Vec<Page>,
    /// Instead of what is true: where it begins, how many bytes and how many values it has.
    pub start: Option<i64>,
    pub size: Option<i64>,
    pub values: Option<i64>,
    /// Further fields of its column chunk.
    pub chunk: Fields,
}

impl Column {
    pub fn new(name: &'static str, kind: i64, pages: Vec<Page>) -> Column {
        let (schema, chunk) = (vec![], vec![]);
        let (length, start, size, values) = (None, None, None, None);
        Column { name, kind, schema, length, codec: Codec::None, pages, start, size, values, chunk }
    }

    pub fn ids(values: impl IntoIterator<Item = i64>) -> Column {
        let values: Vec<i64> = values.into_iter().collect();
        let body = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Column::new("customer_id", INT64, vec![Page::data(body, values.len() as i64, PLAIN)])
    }

    /// Every row on the same day: 2022-01-01.
    pub fn days(rows: i64) -> Column {
        let dictionary = Page::dictionary(18993i32.to_le_bytes().to_vec(), 1);
        let mut column = Column::new("occurred_at", INT32, vec![dictionary, same(rows)]);
        column.schema = vec![(6, Int(6))];
        column
    }

    /// Every row the same amount: 12.34.
    pub fn amounts(rows: i64) -> Column {
        let dictionary = Page::dictionary(1234i64.to_le_bytes().to_vec(), 1);
        let mut column = Column::new("amount", INT64, vec![dictionary, same(rows)]);
        column.schema = vec![(6, Int(5)), (7, Int(2)), (8, Int(18))];
        column
    }

    /// Texts of bytes that are called UTF-8.
    pub fn texts(name: &'static str, pages: Vec<Page>) -> Column {
        let mut column = Column::new(name, BYTE_ARRAY, pages);
        column.schema = vec![(6, Int(0))];
        column
    }
}

/// A page of so many times the first entry of the dictionary, which takes a few bytes.
pub fn same(rows: i64) -> Page {
    let body = [vec![1], varint((rows as u64) << 1), vec![0]].concat();
    Page::data(body, rows, RLE_DICTIONARY)
}

/// Texts as PLAIN values.
pub fn plain(texts: &[&[u8]]) -> Vec<u8> {
    texts.iter().flat_map(|t| [&(t.len() as u32).to_le_bytes()[..], t].concat()).collect()
}

pub struct File {
    pub rows: i64,
    pub columns: Vec<Column>,
    /// Elements of the schema behind those of the columns, and how many columns that makes.
    pub more_schema: Vec<Fields>,
    pub more_columns: i64,
    /// Column chunks of those.
    pub more_chunks: Vec<Fields>,
    /// Further fields of the footer.
    pub footer: Fields,
}

impl File {
    pub fn new(rows: i64, columns: Vec<Column>) -> File {
        File { rows, columns, more_schema: vec![], more_columns: 0, more_chunks: vec![], footer: vec![] }
    }

    /// Three columns that make a good export.
    pub fn good(rows: i64) -> File {
        File::new(rows, vec![Column::ids(0..rows), Column::days(rows), Column::amounts(rows)])
    }

    /// A good export but for one column.
    pub fn with(rows: i64, column: Column) -> File {
        let mut file = File::good(rows);
        match file.columns.iter_mut().find(|c| c.name == column.name) {
            Some(place) => *place = column,
            None => file.columns.push(column),
        }
        file
    }

    /// Fields of the footer, in order of id, for a test to alter.
    pub fn fields(&self) -> (Vec<u8>, Fields) {
        let mut out = b"PAR1".to_vec();
        let mut chunks = vec![];
        for column in &self.columns {
            let start = out.len() as i64;
            let dictionary = column.pages.first().filter(|p| matches!(p.header[0].1, Int(2)));
            let data = start + dictionary.map_or(0, |p| p.bytes().len() as i64);
            column.pages.iter().for_each(|page| out.extend(page.bytes()));
            let size = column.size.unwrap_or(out.len() as i64 - start);
            let mut metadata = vec![
                (1, Int(column.kind)),
                (2, ints(&[PLAIN, RLE, RLE_DICTIONARY])),
                (3, List(8, 1, [varint(column.name.len() as u64), column.name.into()].concat())),
                (4, Int(column.codec as i64)),
                (5, Long(column.values.unwrap_or(self.rows))),
                (6, Long(size)),
                (7, Long(size)),
                (9, Long(column.start.unwrap_or(data))),
            ];
            if dictionary.is_some() && column.start.is_none() {
                metadata.push((11, Long(start)));
            }
            let mut chunk = vec![(2, Long(start)), (3, Struct(metadata))];
            chunk.extend(column.chunk.clone());
            chunks.push(chunk);
        }
        chunks.extend(self.more_chunks.clone());
        let columns = self.columns.len() as i64 + self.more_columns;
        let mut schema = vec![vec![(4, text("schema")), (5, Int(columns))]];
        for column in &self.columns {
            let mut element = vec![(1, Int(column.kind))];
            element.extend(column.length.map(|n| (2, Int(n))));
            element.extend([(3, Int(0)), (4, text(column.name))]);
            element.extend(column.schema.clone());
            schema.push(element);
        }
        schema.extend(self.more_schema.clone());
        let group = vec![(1, structs(&chunks)), (2, Long(1000)), (3, Long(self.rows))];
        let mut footer = vec![(1, Int(1)), (2, structs(&schema)), (3, Long(self.rows)), (4, structs(&[group]))];
        footer.extend(self.footer.clone());
        (out, footer)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let (pages, footer) = self.fields();
        finish(pages, &encode(&footer))
    }
}

/// Pages, footer, its length, and the magic number.
pub fn finish(pages: Vec<u8>, footer: &[u8]) -> Vec<u8> {
    [&pages[..], footer, &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat()
}
