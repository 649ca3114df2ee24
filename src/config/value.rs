//! One value against what its key takes.

use std::ops::{Bound, RangeBounds};

use jiff::tz::TimeZone;

use super::diagnostics::{Diagnostic, Diagnostics, ErrorGuaranteed, Parsed};
use super::layout::Span;
use super::reference::keys;
use super::section::Section;
use super::tree::{DocumentNode, DocumentValue, quoted};
use crate::calendar::Day;
use crate::nearest::{did_you_mean, listed, nearest, sentences};
use crate::options::{Accepts, ChurnAfter, Days, Months, Reactivation, Seconds, Setting, Words};
use crate::source_kind::Scale;
use crate::text::{Expression, Located, Text};
use crate::timeline::risk_features::Horizon;

/// A value and the key it stands for, on its way to be judged.
struct CheckedValue<'a> {
    diagnostics: &'a Diagnostics,
    /// The whole path, for messages.
    key: &'a str,
    accepts: Accepts,
    node: &'a DocumentNode,
}

/// The value of `node` if key `key` takes it, else a report of what it takes and what it found.
pub(super) fn check(diagnostics: &Diagnostics, key: &str, accepts: Accepts, node: &DocumentNode) -> Parsed<Setting> {
    let judged = CheckedValue { diagnostics, key, accepts, node };
    match (&node.value, accepts) {
        (DocumentValue::Broken(reported), _) => Err(*reported),
        (_, Accepts::Later(instead)) => Err(diagnostics.add(not_yet(&format!("`{key}`"), &node.span).help(instead))),
        (DocumentValue::Table(_), Accepts::ChurnAfter) => judged.learned(),
        (DocumentValue::Flag(b), Accepts::Flag) => Ok(Setting::Flag(*b)),
        (DocumentValue::Int(i), Accepts::Int { min, max }) if (min..=max).contains(i) => Ok(Setting::Int(*i)),
        (DocumentValue::Int(i), Accepts::Number { min, max }) => judged.number(*i as f64, min, max),
        (DocumentValue::Float(x), Accepts::Number { min, max }) => judged.number(*x, min, max),
        (DocumentValue::Date(d), Accepts::Date) if d.time.is_none() && d.offset.is_none() => {
            judged.date(&d.to_string())
        }
        (DocumentValue::List(list), Accepts::Words(words)) => judged.words(list, words),
        (DocumentValue::List(list), Accepts::Paths) => judged.paths(list),
        (DocumentValue::List(list), Accepts::Segments) => judged.references(list),
        (DocumentValue::List(list), Accepts::Scale) => judged.scale(list),
        (DocumentValue::Text(t), _) => judged.text(t),
        _ => Err(judged.refuse("")),
    }
}

/// Coming back is a reactivation after any gap.
pub(super) const ALWAYS: &str = "always";

/// What the contract announces and this version does not have.
pub(super) fn not_yet(what: &str, span: &Span) -> Diagnostic {
    Diagnostic::new(format!("{what} is not offered by this version of tenure yet")).at(span.clone())
}

impl CheckedValue<'_> {
    /// Says what the key takes and what stands there instead.
    fn refuse(&self, help: impl Into<String>) -> ErrorGuaranteed {
        let help: String = help.into();
        let found = match &self.node.value {
            DocumentValue::Text(t) if self.takes_text() => quoted(t.written()),
            DocumentValue::Int(i) if matches!(self.accepts, Accepts::Int { .. } | Accepts::Number { .. }) => {
                i.to_string()
            }
            DocumentValue::Float(x) if matches!(self.accepts, Accepts::Number { .. }) => format!("{x:?}"),
            DocumentValue::Huge(text) if matches!(self.accepts, Accepts::Number { .. }) => text.clone(),
            _ => self.node.described(),
        };
        let hidden = match &self.node.value {
            DocumentValue::Text(t) if t.is_filled_in() => {
                "what the environment holds is not shown, as it may be secret"
            }
            _ => "",
        };
        let problem = Diagnostic::new(format!("`{}` takes {}, not {found}", self.key, self.accepts.described()));
        self.diagnostics.add(problem.at(self.node.span.clone()).help(sentences([help, hidden.to_string()])))
    }

    /// True if the key takes some strings: a wrong string is then quoted without the words "a string".
    fn takes_text(&self) -> bool {
        !matches!(
            self.accepts,
            Accepts::Flag
                | Accepts::Int { .. }
                | Accepts::Number { .. }
                | Accepts::Words(_)
                | Accepts::Segments
                | Accepts::Scale
                | Accepts::Table
        )
    }

    /// Two whole numbers, the first the lower: points are told apart in fives at least.
    fn scale(&self, list: &[DocumentNode]) -> Parsed<Setting> {
        let end = |node: &DocumentNode| match &node.value {
            DocumentValue::Int(x) => i32::try_from(*x).ok().filter(|x| x.abs() <= 1000),
            _ => None,
        };
        if let Some(node) = list.iter().find(|node| end(node).is_none()) {
            return Err(CheckedValue { node, ..*self }.refuse(SCALES));
        }
        let ends: Vec<i32> = list.iter().filter_map(end).collect();
        match ends[..] {
            [lowest, highest] if highest - lowest >= 4 => Ok(Setting::Scale(Scale { lowest, highest })),
            _ => Err(self.refuse(SCALES)),
        }
    }

    /// `{ quantile = 0.95, by = "frequency" }`
    fn learned(&self) -> Parsed<Setting> {
        let mut section = Section::open(self.diagnostics, self.key, keys("customers.churn_after"), Some(self.node));
        let quantile: Parsed<f64> = section.need("quantile");
        let by: Parsed<&str> = section.need("by");
        by?;
        // Positive and at most 1, of which a millionth is left at least.
        let quantile_millionths = ((quantile? * 1e6).round() as u32).max(1);
        Ok(Setting::ChurnAfter(ChurnAfter::Learned { quantile_millionths }))
    }

    fn number(&self, x: f64, min: Bound<f64>, max: Bound<f64>) -> Parsed<Setting> {
        if (min, max).contains(&x) { Ok(Setting::Number(x)) } else { Err(self.refuse("")) }
    }

    fn text(&self, text: &Text) -> Parsed<Setting> {
        let value = text.value();
        match self.accepts {
            Accepts::Text if !value.trim().is_empty() => Ok(Setting::Text(text.clone())),
            Accepts::SourceColumn => {
                Ok(Setting::Reference(Located { value: text.clone(), span: self.node.span.clone() }))
            }
            Accepts::Sql if !value.trim().is_empty() => {
                Ok(Setting::Sql(Expression { sql: text.clone(), span: self.node.span.clone() }))
            }
            Accepts::FileName if file_name(value) => Ok(Setting::Text(text.clone())),
            Accepts::Currency if value.len() == 3 && value.bytes().all(|b| b.is_ascii_uppercase()) => {
                Ok(Setting::Text(text.clone()))
            }
            Accepts::Currency if !text.is_filled_in() => {
                let upper = text.written().trim().to_uppercase();
                let is_code = upper.len() == 3 && upper.bytes().all(|b| b.is_ascii_uppercase());
                Err(self.refuse(did_you_mean(is_code.then_some(&*upper), "\"")))
            }
            Accepts::Word(words) => self.word(text, words).map(Setting::Word),
            Accepts::Date => self.date(value),
            Accepts::Days => days(value).map(|n| Setting::Days(Days(n))).ok_or_else(|| self.refuse("")),
            Accepts::Months => months(value).map(|n| Setting::Months(Months(n))).ok_or_else(|| self.refuse("")),
            Accepts::Horizon => ahead(value).map(Setting::Horizon).ok_or_else(|| self.refuse("")),
            Accepts::ChurnAfter => self.churn_after(value),
            Accepts::Reactivation if value == ALWAYS => Ok(Setting::Reactivation(Reactivation(None))),
            Accepts::Reactivation => match days(value) {
                Some(n) => Ok(Setting::Reactivation(Reactivation(Some(n)))),
                None => Err(self.refuse(did_you_mean(nearest(value, [ALWAYS]), "\""))),
            },
            Accepts::Duration => duration(value).map(|n| Setting::Seconds(Seconds(n))).ok_or_else(|| self.refuse("")),
            Accepts::Zone => self.zone(value),
            Accepts::Mode => self.mode(value),
            Accepts::Path => self.path(self.node, text).map(|p| Setting::Text(p.value)),
            Accepts::Paths => Ok(Setting::Paths(vec![self.path(self.node, text)?])),
            _ => Err(self.refuse("")),
        }
    }

    fn word(&self, text: &Text, words: Words) -> Parsed<&'static str> {
        if let Some(word) = words.now.iter().find(|w| **w == text.value()) {
            return Ok(word);
        }
        if words.later.contains(&text.value()) {
            let problem = not_yet(&format!("`{}` = {}", self.key, quoted(text.written())), &self.node.span);
            let instead = format!("this version offers {}", listed(words.now.iter().copied(), "\""));
            return Err(self.diagnostics.add(problem.help(instead)));
        }
        let all = words.now.iter().chain(words.later).copied();
        let suggestion = if text.is_filled_in() { None } else { nearest(text.written(), all) };
        Err(self.refuse(did_you_mean(suggestion, "\"")))
    }

    fn words(&self, list: &[DocumentNode], words: Words) -> Parsed<Setting> {
        if list.is_empty() {
            return Err(self.refuse("name at least one, or leave the key out"));
        }
        let found = self.each(list, Accepts::Word(words), |one, text| one.word(text, words))?;
        for (i, word) in found.iter().enumerate() {
            if found[..i].contains(word) {
                let problem =
                    Diagnostic::new(format!("`{}` names \"{word}\" twice", self.key)).at(list[i].span.clone());
                return Err(self.diagnostics.add(problem.help("remove one of them")));
            }
        }
        Ok(Setting::Words(found))
    }

    fn paths(&self, list: &[DocumentNode]) -> Parsed<Setting> {
        if list.is_empty() {
            return Err(self.refuse("name at least one file or folder"));
        }
        self.each(list, Accepts::Path, |one, text| one.path(one.node, text)).map(Setting::Paths)
    }

    fn references(&self, list: &[DocumentNode]) -> Parsed<Setting> {
        let written =
            |one: &CheckedValue<'_>, text: &Text| Ok(Located { value: text.clone(), span: one.node.span.clone() });
        self.each(list, Accepts::Text, written).map(Setting::References)
    }

    /// The strings of a list, each read with `read`; what is none is reported.
    fn each<T>(
        &self,
        list: &[DocumentNode],
        accepts: Accepts,
        read: impl Fn(&CheckedValue<'_>, &Text) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let one = |node| {
            let one = CheckedValue { accepts, node, ..*self };
            match &node.value {
                DocumentValue::Text(text) => read(&one, text),
                DocumentValue::Broken(reported) => Err(*reported),
                _ => Err(one.refuse("")),
            }
        };
        // Collected before it is judged, so that every element is.
        list.iter().map(one).collect::<Vec<_>>().into_iter().collect()
    }

    fn path(&self, node: &DocumentNode, text: &Text) -> Parsed<Located<Text>> {
        let value = text.value();
        if value.trim().is_empty() || value.contains('\0') {
            return Err(self.refuse(""));
        }
        let scheme = value.split_once("://").map(|(s, _)| s.to_ascii_lowercase());
        let Some(scheme) = scheme.filter(|s| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric())) else {
            return Ok(Located { value: text.clone(), span: node.span.clone() });
        };
        let problem = match scheme.as_str() {
            "s3" | "s3a" | "gs" | "gcs" | "az" | "abfs" | "abfss" | "adl" => {
                not_yet(&format!("a path that begins with {scheme}://"), &node.span)
            }
            _ => Diagnostic::new(format!("`{}` takes local paths, not addresses with ://", self.key))
                .at(node.span.clone()),
        };
        Err(self
            .diagnostics
            .add(problem.help("copy the files to a local folder, or mount the store there, and name that path")))
    }

    fn date(&self, value: &str) -> Parsed<Setting> {
        let Some(day) = Day::parse(value) else {
            let help = "dates are written YYYY-MM-DD";
            return Err(self.refuse(help));
        };
        if (Day::EARLIEST..=Day::LATEST).contains(&day) {
            return Ok(Setting::Day(day));
        }
        Err(self.refuse(format!("it must lie between {} and {}", Day::EARLIEST, Day::LATEST)))
    }

    fn churn_after(&self, value: &str) -> Parsed<Setting> {
        let words: Vec<&str> = value.split_whitespace().collect();
        if let ["1", "period"] = words.as_slice() {
            return Ok(Setting::ChurnAfter(ChurnAfter::OnePeriod));
        }
        match days(value) {
            Some(n) => Ok(Setting::ChurnAfter(ChurnAfter::Days(n))),
            None if words.iter().any(|w| w.starts_with("period")) && words.first() != Some(&"1") => {
                Err(self.refuse("silence of several periods is said in days"))
            }
            None => Err(self.refuse(did_you_mean(nearest(value, ["1 period"]), "\""))),
        }
    }

    fn zone(&self, value: &str) -> Parsed<Setting> {
        TimeZone::get(value).map(Setting::Zone).map_err(|_| {
            let filled_in = matches!(&self.node.value, DocumentValue::Text(t) if t.is_filled_in());
            self.refuse(if filled_in { String::new() } else { near_zones(value) })
        })
    }

    fn mode(&self, value: &str) -> Parsed<Setting> {
        let octal = (3..=4).contains(&value.len()) && value.bytes().all(|b| (b'0'..=b'7').contains(&b));
        let Some(mode) = octal.then(|| u32::from_str_radix(value, 8).ok()).flatten().filter(|m| *m <= 0o777) else {
            return Err(self.refuse(""));
        };
        if mode & 0o600 == 0o600 {
            return Ok(Setting::Mode(mode));
        }
        Err(self.refuse("the owner must be able to read and write: begin with 06"))
    }
}

const SCALES: &str = "the highest is at least four above the lowest, and both lie between -1000 and 1000";

/// True if a name can be that of a folder on every system.
pub(super) fn file_name(value: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    value.bytes().all(letter) && value.len() <= 100 && value.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

/// `"30 days"`, `"1 day"`: at least one day, at most a hundred years.
fn days(value: &str) -> Option<i32> {
    let (number, unit) = counted(value)?;
    let n = i32::try_from(number).ok()?;
    (matches!(unit, "day" | "days") && (1..=36_525).contains(&n)).then_some(n)
}

/// `"3 years"`, `"18 months"`: at least a month, at most a hundred years.
fn months(value: &str) -> Option<u32> {
    let (number, unit) = counted(value)?;
    let months = match unit {
        "month" | "months" => 1,
        "year" | "years" => 12,
        _ => return None,
    };
    let n = u32::try_from(number).ok()?.checked_mul(months)?;
    (1..=1200).contains(&n).then_some(n)
}

/// `"1 period"`, `"45 days"`: at least one, at most a hundred periods or three years.
fn ahead(value: &str) -> Option<Horizon> {
    let (number, unit) = counted(value)?;
    let n = i32::try_from(number).ok()?;
    match unit {
        "period" | "periods" => (1..=100).contains(&n).then_some(Horizon::Periods(n)),
        "day" | "days" => (1..=1096).contains(&n).then_some(Horizon::Days(n)),
        _ => None,
    }
}

/// In seconds, at least one and at most a hundred years.
fn duration(value: &str) -> Option<i64> {
    let (number, unit) = counted(value)?;
    let seconds = match unit {
        "second" | "seconds" => 1,
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3600,
        "day" | "days" => 86_400,
        "week" | "weeks" => 7 * 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).filter(|s| (1..=36_525 * 86_400).contains(s))
}

/// A count and its unit.
fn counted(value: &str) -> Option<(i64, &str)> {
    let mut words = value.split_whitespace();
    let (number, unit) = (words.next()?, words.next()?);
    let digits = number.bytes().all(|b| b.is_ascii_digit());
    (digits && words.next().is_none()).then(|| Some((number.parse().ok()?, unit)))?
}

/// Time zones that were probably meant: the nearest name, or those of a city of that name.
fn near_zones(value: &str) -> String {
    let zones: Vec<String> = jiff::tz::db().available().map(|z| z.to_string()).collect();
    let city = |zone: &str| zone.rsplit('/').next().unwrap_or(zone).to_string();
    let asked = value.trim().replace(' ', "_");
    let mut cities: Vec<String> = zones.iter().map(|z| city(z)).collect();
    cities.sort();
    cities.dedup();
    // A city alone, a slip in a whole name, a slip in a city.
    let exact = cities.iter().find(|c| c.eq_ignore_ascii_case(&asked));
    let found = match exact {
        Some(city) => city,
        None => match nearest(&asked, zones.iter().map(String::as_str)) {
            Some(zone) => return did_you_mean(Some(zone), "\""),
            None => match nearest(&city(&asked), cities.iter().map(String::as_str)) {
                Some(city) => city,
                None => return String::new(),
            },
        },
    };
    let mut matching: Vec<&str> = zones.iter().map(String::as_str).filter(|z| city(z) == *found).collect();
    // `Europe/London` before legacy aliases such as `GB/London`; a bare alias last.
    matching.sort_by_key(|z| (!z.contains('/'), *z));
    matching.truncate(3);
    format!("did you mean {}?", matching.iter().map(|z| format!("\"{z}\"")).collect::<Vec<_>>().join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_days_and_durations() {
        assert_eq!((days("30 days"), days(" 1  day "), days("36525 days")), (Some(30), Some(1), Some(36_525)));
        for wrong in [
            "0 days",
            "-3 days",
            "+3 days",
            "30",
            "30days",
            "days",
            "30 weeks",
            "1.5 days",
            "99999999999 days",
            "3 days ago",
        ] {
            assert_eq!(days(wrong), None, "{wrong}");
        }
        assert_eq!((ahead("1 period"), ahead("45 days")), (Some(Horizon::Periods(1)), Some(Horizon::Days(45))));
        for wrong in ["0 periods", "101 periods", "1 month", "1097 days", "period"] {
            assert_eq!(ahead(wrong), None, "{wrong}");
        }
        assert_eq!(duration("36 hours"), Some(129_600));
        assert_eq!(duration("90 minutes"), Some(5400));
        assert_eq!(duration("2 weeks"), Some(1_209_600));
        for wrong in ["0 hours", "2 months", "9223372036854775807 weeks", "36h", ""] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn time_zones_are_suggested_by_spelling_and_by_city() {
        assert_eq!(near_zones("EuropeLondon"), "did you mean \"Europe/London\"?");
        assert_eq!(near_zones("CET/Berlin"), "did you mean \"Europe/Berlin\"?");
        assert_eq!(near_zones("Europe/Lodon"), "did you mean \"Europe/London\"?");
        assert_eq!(near_zones("Tokyo"), "did you mean \"Asia/Tokyo\"?");
        assert_eq!(near_zones("New York"), "did you mean \"America/New_York\"?");
        assert_eq!(near_zones("qqqqqq"), "");
    }

    #[test]
    fn names_that_serve_as_folders() {
        for good in ["retail", "Retail-2024.v1", "7"] {
            assert!(file_name(good), "{good}");
        }
        for bad in ["", ".", "..", "-x", "a/b", "a b", "é", &"x".repeat(101)] {
            assert!(!file_name(bad), "{bad}");
        }
    }
}
