//! Run ids: when a run began and with which configuration; they sort by time.

use std::fmt;

use jiff::Timestamp;

/// `20261121T204501Z-1a2b3c4d`: the second at which the run began, in UTC, and the first digits of the configuration's
/// hash; with `-2`, `-3`, … if that id was taken. Runs are ordered by time, then by hash, then by that number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId {
    at: String,
    hash: String,
    again: u32,
}

/// Hexadecimal digits of the configuration's hash in an id.
const HASH: usize = 8;

impl RunId {
    /// The id of a run that began at `started`. `configuration_hash` is hexadecimal: the SHA-256 of everything that
    /// decides the result.
    pub fn new(started: Timestamp, configuration_hash: &str) -> RunId {
        let digits = configuration_hash.chars().filter(char::is_ascii_hexdigit).map(|c| c.to_ascii_lowercase());
        let hash: String = digits.chain(std::iter::repeat('0')).take(HASH).collect();
        RunId { at: started.strftime("%Y%m%dT%H%M%SZ").to_string(), hash, again: 1 }
    }

    /// The next id for the same second and configuration.
    pub fn next(&self) -> RunId {
        RunId { again: self.again.saturating_add(1), ..self.clone() }
    }

    /// Reads an id from a folder's name; `None` if it is no id.
    pub fn parse(text: &str) -> Option<RunId> {
        let mut words = text.splitn(3, '-');
        let (at, hash, again) = (words.next()?, words.next()?, words.next());
        let shaped = at.len() == 16
            && at.bytes().enumerate().all(|(i, b)| match i {
                8 => b == b'T',
                15 => b == b'Z',
                _ => b.is_ascii_digit(),
            });
        let hex = hash.len() == HASH && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let again = again.map_or(Some(1), |n| n.parse().ok().filter(|&n| n >= 2))?;
        let id = RunId { at: at.into(), hash: hash.into(), again };
        (shaped && hex && id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at, self.hash)?;
        if self.again > 1 { write!(f, "-{}", self.again) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_sort_by_time() {
        let at: Timestamp = "2026-11-21T20:45:01.9Z".parse().unwrap();
        let first = RunId::new(at, "1A2b3c4d5e6f");
        assert_eq!(first.to_string(), "20261121T204501Z-1a2b3c4d");
        let mut ids = vec![first.clone()];
        for _ in 0..11 {
            ids.push(ids[ids.len() - 1].next());
        }
        assert_eq!(ids[9].to_string(), "20261121T204501Z-1a2b3c4d-10");
        assert!(ids.is_sorted(), "-10 is later than -2");
        for id in &ids {
            assert_eq!(RunId::parse(&id.to_string()).as_ref(), Some(id));
        }
        assert!(RunId::new("2026-11-21T20:45:02Z".parse().unwrap(), "") > ids[11]);
    }

    #[test]
    fn other_folders_are_not_runs() {
        for name in [
            "",
            ".tmp-20261121T204501Z-1a2b3c4d",
            "20261121T204501Z",
            "20261121T204501Z-1a2b3c4",
            "20261121T204501Z-1A2B3C4D",
            "20261121T204501Z-1a2b3c4d-1",
            "20261121T204501Z-1a2b3c4d-02",
            "20261121T204501Z-1a2b3c4d-2-3",
            "2026112éT04501Z-1a2b3c4d",
            "keep",
        ] {
            assert_eq!(RunId::parse(name), None, "{name}");
        }
    }
}
