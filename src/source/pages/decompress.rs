//! Decompression that never writes more than the page header announced.
//!
//! The `parquet` crate decompresses gzip, brotli and LZ4 frames to their end, whatever the header says: a page of one
//! megabyte can become a gigabyte. Here the output is cut off at the announced size, and a page that has more is refused.

use std::io::{Cursor, Read};

use parquet::basic::Compression;

/// What brotli reads of its input at a time.
const BROTLI_INPUT: usize = 1 << 16;

/// Decompresses the pages of one column chunk.
pub(super) struct Decompressor {
    codec: Compression,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Decompressor {
    /// # Errors
    /// What is wrong with the codec.
    pub(super) fn new(codec: Compression) -> Result<Decompressor, String> {
        let zstd = match codec {
            Compression::LZO => return Err("it is compressed with LZO, which is not supported".into()),
            Compression::ZSTD(_) => Some(zstd::bulk::Decompressor::new().map_err(|e| e.to_string())?),
            _ => None,
        };
        Ok(Decompressor { codec, zstd })
    }

    /// `plain` followed by `size` bytes decompressed from `input`.
    ///
    /// # Errors
    /// What is wrong with the compressed bytes, or that they are not `size` bytes decompressed.
    pub(super) fn decompress(&mut self, plain: &[u8], input: &[u8], size: usize) -> Result<Vec<u8>, String> {
        let whole = plain.len() + size;
        let announces = |length: Option<usize>| match length {
            Some(length) if length != size => {
                Err(format!("a page holds {length} bytes and its header announces {size}"))
            }
            _ => Ok(()),
        };
        if matches!(self.codec, Compression::SNAPPY) && size > 0 {
            // Snappy says its own length, so this is known before anything is allocated.
            announces(Some(snap::raw::decompress_len(input).map_err(|e| e.to_string())?))?;
        }
        let mut out = Vec::with_capacity(whole);
        out.extend_from_slice(plain);
        // A page without values, or with NULLs only, may have nothing to decompress.
        if size == 0 {
            return Ok(out);
        }
        match self.codec {
            Compression::UNCOMPRESSED | Compression::LZO => out.extend_from_slice(input),
            Compression::SNAPPY => {
                out.resize(whole, 0);
                snap::raw::Decoder::new().decompress(input, &mut out[plain.len()..]).map_err(|e| e.to_string())?;
            }
            Compression::GZIP(_) => read_up_to(flate2::read::MultiGzDecoder::new(input), size, &mut out)?,
            Compression::BROTLI(_) => {
                read_up_to(brotli::Decompressor::new(input, BROTLI_INPUT.min(input.len().max(1))), size, &mut out)?;
            }
            Compression::ZSTD(_) => {
                let zstd = self.zstd.as_mut().ok_or("zstd is not set up")?;
                let mut cursor = Cursor::new(&mut out);
                cursor.set_position(plain.len() as u64);
                zstd.decompress_to_buffer(input, &mut cursor).map_err(|e| e.to_string())?;
            }
            Compression::LZ4_RAW => lz4_block(input, plain.len(), size, &mut out)?,
            Compression::LZ4 => lz4_of_any_kind(input, plain.len(), size, &mut out)?,
        }
        if out.len() == whole {
            return Ok(out);
        }
        let more = if out.len() > whole { "at least " } else { "" };
        Err(format!("a page holds {more}{} bytes and its header announces {size}", out.len() - plain.len()))
    }
}

/// Reads to the end, or one byte further than `size`.
fn read_up_to(from: impl Read, size: usize, out: &mut Vec<u8>) -> Result<(), String> {
    from.take(size as u64 + 1).read_to_end(out).map(|_| ()).map_err(|e| e.to_string())
}

fn lz4_block(input: &[u8], start: usize, size: usize, out: &mut Vec<u8>) -> Result<(), String> {
    out.resize(start + size, 0);
    let written = lz4_flex::block::decompress_into(input, &mut out[start..]).map_err(|e| e.to_string())?;
    out.truncate(start + written);
    Ok(())
}

/// The codec that Parquet calls LZ4 was written in three ways: as Hadoop frames, as an LZ4 frame, and as a bare block.
fn lz4_of_any_kind(input: &[u8], start: usize, size: usize, out: &mut Vec<u8>) -> Result<(), String> {
    out.resize(start + size, 0);
    if hadoop_frames(input, &mut out[start..]).is_some() {
        return Ok(());
    }
    out.truncate(start);
    if read_up_to(lz4_flex::frame::FrameDecoder::new(input), size, out).is_ok() && out.len() == start + size {
        return Ok(());
    }
    out.truncate(start);
    lz4_block(input, start, size, out)
}

/// Frames of Hadoop: decompressed size, compressed size (both 32 bits, big-endian), block. They have to fill `out`.
fn hadoop_frames(mut input: &[u8], mut out: &mut [u8]) -> Option<()> {
    while !input.is_empty() {
        let (sizes, rest) = input.split_at_checked(8)?;
        let size = |at: usize| u32::from_be_bytes([sizes[at], sizes[at + 1], sizes[at + 2], sizes[at + 3]]) as usize;
        let (block, rest) = rest.split_at_checked(size(4))?;
        let (into, further) = std::mem::take(&mut out).split_at_mut_checked(size(0))?;
        if lz4_flex::block::decompress_into(block, into).ok()? != into.len() {
            return None;
        }
        (input, out) = (rest, further);
    }
    out.is_empty().then_some(())
}

/// The most bytes that one compressed byte can stand for, rounded up.
pub(super) fn greatest_ratio(codec: Compression) -> u64 {
    match codec {
        Compression::UNCOMPRESSED | Compression::LZO => 1,
        // A copy of 64 bytes takes three.
        Compression::SNAPPY => 22,
        // DEFLATE: 258 bytes in two bits.
        Compression::GZIP(_) => 1032,
        // A length goes on by 255 a byte.
        Compression::LZ4 | Compression::LZ4_RAW => 255,
        // A block of 128 KiB takes four bytes.
        Compression::ZSTD(_) => 32_768,
        // A copy of 16 MiB takes some bytes.
        Compression::BROTLI(_) => 1 << 22,
    }
}

/// What a page of no bytes may still announce, by headers and rounding of the codecs.
pub(super) const RATIO_SLACK: u64 = 1024;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use parquet::basic::{BrotliLevel, GzipLevel, ZstdLevel};

    fn compressed(codec: Compression, data: &[u8]) -> Vec<u8> {
        match codec {
            Compression::SNAPPY => snap::raw::Encoder::new().compress_vec(data).unwrap(),
            Compression::GZIP(_) => {
                let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
                encoder.write_all(data).unwrap();
                encoder.finish().unwrap()
            }
            Compression::BROTLI(_) => {
                let mut out = vec![];
                let mut encoder = brotli::CompressorWriter::new(&mut out, 4096, 9, 22);
                encoder.write_all(data).unwrap();
                drop(encoder);
                out
            }
            Compression::ZSTD(_) => zstd::bulk::compress(data, 19).unwrap(),
            Compression::LZ4_RAW => lz4_flex::block::compress(data),
            Compression::LZ4 => {
                let block = lz4_flex::block::compress(data);
                let sizes = [(data.len() as u32).to_be_bytes(), (block.len() as u32).to_be_bytes()].concat();
                [sizes, block].concat()
            }
            _ => data.to_vec(),
        }
    }

    fn codecs() -> [Compression; 7] {
        [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(GzipLevel::default()),
            Compression::BROTLI(BrotliLevel::default()),
            Compression::ZSTD(ZstdLevel::default()),
            Compression::LZ4_RAW,
            Compression::LZ4,
        ]
    }

    #[test]
    fn every_codec_gives_back_what_was_compressed() {
        let data: Vec<u8> = (0..50_000u32).flat_map(|i| (i * i).to_le_bytes()).collect();
        for codec in codecs() {
            let mut decompressor = Decompressor::new(codec).unwrap();
            for _ in 0..2 {
                let out = decompressor.decompress(b"levels", &compressed(codec, &data), data.len()).unwrap();
                assert!(out.starts_with(b"levels") && out[6..] == data, "{codec:?}");
            }
            assert_eq!(decompressor.decompress(b"levels", &[], 0).unwrap(), b"levels");
        }
        let frame = {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(vec![]);
            encoder.write_all(&data).unwrap();
            encoder.finish().unwrap()
        };
        for old in [frame, lz4_flex::block::compress(&data)] {
            let out = Decompressor::new(Compression::LZ4).unwrap().decompress(&[], &old, data.len());
            assert!(out.unwrap() == data);
        }
        assert!(Decompressor::new(Compression::LZO).is_err());
    }

    #[test]
    fn a_page_is_exactly_as_long_as_its_header_says() {
        let zeros = vec![0; 1 << 24];
        for codec in codecs() {
            let packed = compressed(codec, &zeros);
            for size in [1, 1000, zeros.len() - 1, zeros.len() + 1] {
                let out = Decompressor::new(codec).unwrap().decompress(&[1, 2], &packed, size);
                assert!(out.is_err(), "{codec:?} {size}");
            }
        }
    }

    #[test]
    fn no_codec_packs_tighter_than_its_greatest_ratio() {
        let zeros = vec![0; 1 << 26];
        for codec in codecs() {
            let packed = compressed(codec, &zeros).len() as u64;
            assert!(packed * greatest_ratio(codec) + RATIO_SLACK >= zeros.len() as u64, "{codec:?}: {packed}");
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        let nonsense: Vec<u8> = (0..999u32).map(|i| (i * 37 % 251) as u8).collect();
        for codec in codecs().into_iter().skip(1) {
            for n in [1, 7, 8, 9, 40, 999] {
                assert!(Decompressor::new(codec).unwrap().decompress(&[], &nonsense[..n], 5000).is_err(), "{codec:?}");
            }
        }
    }
}
