//! The values that keys take, and the types that they become.

use jiff::tz::TimeZone;

use crate::calendar::{Day, Period};
use crate::source_kind::Scale;
use crate::text::{Expression, Located, Text};
use crate::timeline::risk_features::Horizon;

/// A value that its key takes.
#[derive(Clone, Debug)]
pub enum Setting {
    Text(Text),
    Flag(bool),
    Int(i64),
    Number(f64),
    Word(&'static str),
    Words(Vec<&'static str>),
    Day(Day),
    Days(Days),
    Months(Months),
    Horizon(Horizon),
    ChurnAfter(ChurnAfter),
    Reactivation(Reactivation),
    Seconds(Seconds),
    Zone(TimeZone),
    Mode(u32),
    Sql(Expression),
    Paths(Vec<Located<Text>>),
    Scale(Scale),
    /// A column of a source.
    Reference(Located<Text>),
    /// Names of segments.
    References(Vec<Located<Text>>),
}

/// A number of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days(pub i32);

/// A number of months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Months(pub u32);

/// A duration in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub i64);

/// The silence after which a buyer has churned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChurnAfter {
    OnePeriod,
    Days(i32),
    /// Learned by frequency class: the share of those who buy again that has done so within the window, in millionths.
    Learned {
        quantile_millionths: u32,
    },
}

/// Days within which coming back is a reactivation; who comes back later is a new customer. `None`: coming back is always a
/// reactivation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reactivation(pub Option<i32>);

/// A type that a field of options or of the configuration may have.
pub trait FromSetting: Sized {
    /// `None` if the type does not fit what the key takes, or needs a value where the key is unset.
    fn from_setting(setting: Option<Setting>) -> Option<Self>;
}

impl<T: FromSetting> FromSetting for Option<T> {
    fn from_setting(setting: Option<Setting>) -> Option<Self> {
        match setting {
            None => Some(None),
            some => T::from_setting(some).map(Some),
        }
    }
}

/// Makes an enumeration the type of an option that takes its words.
macro_rules! word_option {
    ($type:ty, $pairs:expr) => {
        impl $crate::options::FromSetting for $type {
            fn from_setting(setting: Option<$crate::options::Setting>) -> Option<Self> {
                let Some($crate::options::Setting::Word(word)) = setting else { return None };
                $pairs.iter().find(|(name, _)| *name == word).map(|(_, meaning)| *meaning)
            }
        }
    };
}
macro_rules! from_setting {
    ($($variant:ident => $t:ty),* $(,)?) => {$(
        impl FromSetting for $t {
            fn from_setting(setting: Option<Setting>) -> Option<Self> {
                if let Some(Setting::$variant(value)) = setting { value.try_into().ok() } else { None }
            }
        }
    )*};
}
from_setting!(
    Text => Text, Flag => bool, Int => i64, Int => usize, Number => f64, Word => &'static str, Words => Vec<&'static str>,
    Day => Day, Days => Days, Months => Months, Horizon => Horizon, ChurnAfter => ChurnAfter, Reactivation => Reactivation,
    Seconds => Seconds, Zone => TimeZone, Sql => Expression, Scale => Scale, Reference => Located<Text>,
);
word_option!(Period, Period::ALL);

/// A whole number, or the permissions of a file.
impl FromSetting for u32 {
    fn from_setting(setting: Option<Setting>) -> Option<Self> {
        match setting {
            Some(Setting::Int(number)) => number.try_into().ok(),
            Some(Setting::Mode(mode)) => Some(mode),
            _ => None,
        }
    }
}

/// Paths, or names of segments.
impl FromSetting for Vec<Located<Text>> {
    fn from_setting(setting: Option<Setting>) -> Option<Self> {
        match setting {
            Some(Setting::Paths(list) | Setting::References(list)) => Some(list),
            _ => None,
        }
    }
}

impl FromSetting for Setting {
    fn from_setting(setting: Option<Setting>) -> Option<Self> {
        setting
    }
}

pub(crate) use word_option;
