//! Settings as types: what a key takes, what it was set to, and the structs that the options of a stage become.
//!
//! An option is a field of a struct. [`options!`] states its name, its documentation, what it takes and its default, once;
//! the pipeline file is decoded by it, `tenure explain` and `tenure stages` print it, and the JSON Schema is made of it.

mod accepts;
mod setting;

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

pub use accepts::{Accepts, Words};
pub(crate) use setting::word_option;
pub use setting::{ChurnAfter, Days, FromSetting, Months, Reactivation, Seconds, Setting};

/// A key of the pipeline file.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Within its table; a dot reaches into an inline table: `benchmark.excellent`.
    pub name: &'static str,
    pub accepts: Accepts,
    pub default: Default,
    /// One line: what the key decides.
    pub doc: &'static str,
}

/// What holds where a key is not set.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// This value, as TOML would write it; it is parsed like a user's.
    Value(&'static str),
    /// It follows from other settings, as the sentence says.
    Follows(&'static str),
    /// Nothing; the sentence says what that means.
    Unset(&'static str),
    /// The key must be set.
    Required,
}

/// The names of a list of pairs, as the words of an enumeration.
pub const fn names<T: Copy, const N: usize>(pairs: &[(&'static str, T); N]) -> [&'static str; N] {
    let mut out = [""; N];
    let mut i = 0;
    while i < N {
        out[i] = pairs[i].0;
        i += 1;
    }
    out
}

/// One of these words.
pub const fn word(now: &'static [&'static str]) -> Accepts {
    Accepts::Word(Words { now, later: &[] })
}

/// A list of these words.
pub const fn words(now: &'static [&'static str]) -> Accepts {
    Accepts::Words(Words { now, later: &[] })
}

/// The options of a kind of stage, as [`options!`] declares them.
pub trait StageOptions: Any + Debug + Send + Sync + Sized {
    const KEYS: &'static [Key];

    /// Fills the struct from the value of each key; `None` stands for a key that is not set and has no default.
    ///
    /// # Errors
    /// The name of the first option whose declared type does not fit what its key takes: a mistake in the declaration.
    fn read(value: &mut dyn FnMut(&'static str) -> Option<Setting>) -> Result<Self, &'static str>;
}

/// The options of some stage, whose kind is not known to whoever holds them.
#[derive(Clone)]
pub struct AnyOptions(Arc<dyn ErasedOptions>);

trait ErasedOptions: Any + Debug + Send + Sync {
    fn any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<O: StageOptions> ErasedOptions for O {
    fn any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Debug for AnyOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl AnyOptions {
    pub fn new(options: impl StageOptions) -> AnyOptions {
        AnyOptions(Arc::new(options))
    }

    /// The options of a stage of the kind that declares `O`; `None` for those of another kind.
    pub fn of<O: StageOptions>(&self) -> Option<Arc<O>> {
        self.0.clone().any().downcast().ok()
    }
}

/// Declares the options of a kind of stage: a struct, and the keys that it is read from.
///
/// Each field has its documentation (one sentence, without a full stop), its type, what its key takes, and its default as
/// TOML would write it. A field of type `Option` may be unset: its default is then `Default::Unset("what that means")`.
/// The key has the field's name unless another is given in brackets, as for a key of an inline table.
///
/// ```ignore
/// options! {
///     /// Options of kind `churn`.
///     pub struct ChurnOptions {
///         /// complete periods that churn_rate_trailing looks back over
///         trailing: usize = Accepts::Int { min: 1, max: 1000 }, Default::Value("6");
///         /// annual churn rate below which the benchmark is `excellent`
///         excellent ["benchmark.excellent"]: f64 = Accepts::share(), Default::Value("0.03");
///     }
/// }
/// ```
macro_rules! options {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[doc = $doc:literal])+ $field:ident $([$key:literal])? : $type:ty = $accepts:expr, $default:expr; )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        $vis struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )*
        }

        impl $crate::options::StageOptions for $name {
            const KEYS: &'static [$crate::options::Key] = &[$(
                $crate::options::Key {
                    name: $crate::options::options!(@key $field $($key)?),
                    accepts: $accepts,
                    default: $default,
                    doc: concat!($($doc),+).trim_ascii(),
                },
            )*];

            fn read(
                value: &mut dyn FnMut(&'static str) -> Option<$crate::options::Setting>,
            ) -> Result<Self, &'static str> {
                Ok($name {$(
                    $field: {
                        let key = $crate::options::options!(@key $field $($key)?);
                        $crate::options::FromSetting::from_setting(value(key)).ok_or(key)?
                    },
                )*})
            }
        }
    };
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
}
pub(crate) use options;

/// Options of a kind that has none of its own.
#[derive(Clone, Debug)]
pub struct NoOptions;

impl StageOptions for NoOptions {
    const KEYS: &'static [Key] = &[];

    fn read(_: &mut dyn FnMut(&'static str) -> Option<Setting>) -> Result<Self, &'static str> {
        Ok(NoOptions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    options! {
        /// Options of no kind.
        struct SomeOptions {
            /// how many of
            /// them
            many: usize = Accepts::Int { min: 1, max: 9 }, Default::Value("6");
            /// how few
            few ["less.few"]: Option<f64> = Accepts::share(), Default::Unset("none");
        }
    }

    #[test]
    fn a_field_is_a_key() {
        let [many, few] = SomeOptions::KEYS else { panic!("{:?}", SomeOptions::KEYS) };
        assert_eq!((many.name, many.doc), ("many", "how many of them"));
        assert_eq!((few.name, few.doc), ("less.few", "how few"));
    }

    #[test]
    fn a_struct_is_read_key_by_key() {
        let read = SomeOptions::read(&mut |key| (key == "many").then_some(Setting::Int(3))).unwrap();
        assert_eq!((read.many, read.few), (3, None));
        assert_eq!(SomeOptions::read(&mut |_| None).unwrap_err(), "many");
        let wrong = SomeOptions::read(&mut |_| Some(Setting::Int(1)));
        assert_eq!(wrong.unwrap_err(), "less.few");
    }

    #[test]
    fn options_are_of_one_kind() {
        let some = AnyOptions::new(SomeOptions { many: 1, few: None });
        assert_eq!(some.of::<SomeOptions>().unwrap().many, 1);
        assert!(some.of::<NoOptions>().is_none());
    }
}
