//! The encoding of tallies as bytes, so that they can be kept or sent from another machine.
//!
//! A header of 14 bytes (the magic `TNRE`, a version, an XXH3-64 checksum) is followed by the postcard encoding.

use super::step_outputs::Artifact;
use crate::error::{Error, Result};

const MAGIC: &[u8; 4] = b"TNRE";
const VERSION: u16 = 1;
const HEADER: usize = 4 + 2 + 8;

/// The bytes of a tally.
///
/// # Errors
/// Internal: the tally cannot be encoded.
pub fn encode<T: Artifact>(tally: &T) -> Result<Vec<u8>> {
    let body = postcard::to_stdvec(tally).map_err(|e| Error::internal("a tally could not be encoded").because(e))?;
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&xxhash_rust::xxh3::xxh3_64(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// The tally that [`encode`] wrote.
///
/// # Errors
/// Input: the bytes are no tally, were written by another version, or are damaged.
pub fn decode<T: Artifact>(bytes: &[u8]) -> Result<T> {
    let broken = |what: &str| Error::input(format!("a tally could not be read: {what}")).help("compute it again");
    let Some((header, body)) = bytes.split_at_checked(HEADER) else { return Err(broken("it is cut short")) };
    if header[..4] != *MAGIC {
        return Err(broken("it is not a tally"));
    }
    if header[4..6] != VERSION.to_le_bytes() {
        return Err(broken("it was written by another version of tenure"));
    }
    if header[6..] != xxhash_rust::xxh3::xxh3_64(body).to_le_bytes() {
        return Err(broken("its checksum does not match"));
    }
    postcard::from_bytes(body).map_err(|e| broken("its content does not decode").because(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_noticed() {
        let bytes = encode(&vec![1i128, -5, i128::MAX]).unwrap();
        assert_eq!(decode::<Vec<i128>>(&bytes).unwrap(), [1, -5, i128::MAX]);
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[i] ^= 0x10;
            assert!(decode::<Vec<i128>>(&damaged).is_err(), "byte {i}");
            assert!(decode::<Vec<i128>>(&bytes[..i]).is_err());
        }
    }
}
