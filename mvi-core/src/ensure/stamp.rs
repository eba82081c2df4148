//! What is written on a resource, so that the next call knows it again.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    str::FromStr,
};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

/// The tag that holds the resource's name, where the provider has no name of its own for it.
pub const NAME_TAG: &str = "mvi-name";
/// The tag that holds a [`Stamp`].
pub const STAMP_TAG: &str = "mvi-stamp";
/// The tag that holds a [`Born`].
pub const BORN_TAG: &str = "mvi-born";

/// The settings of a create request, boiled down to a [`Stamp`].
///
/// Two requests that ask for the same have the same fingerprint, in every process and every version: fields may be
/// given in any order, and a field that is left at its default is left out, so that a field which a later
/// version adds does not change what stands already.
///
/// ```
/// use mvi_core::ensure::Fingerprint;
///
/// let plain = Fingerprint::of("kv.table").field("partition", "text code");
/// let short = plain.clone().unless("ttl", "off", "off").list("zones", [""; 0]);
/// assert_eq!(plain.stamp(), short.stamp());
///
/// let other = plain.clone().unless("ttl", "on", "off");
/// assert_ne!(plain.stamp(), other.stamp());
/// assert_eq!(plain.to_string(), "v1-ab88dd31dae38b2b1c457a964cc3fc03");
/// ```
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    kind: &'static str,
    fields: BTreeMap<&'static str, Field>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    One(String),
    Many(Vec<String>),
}

impl Fingerprint {
    /// The fingerprint of a resource of `kind`, as in `kv.table`, so far without a setting.
    pub const fn of(kind: &'static str) -> Self {
        Self { kind, fields: BTreeMap::new() }
    }

    /// Adds a setting that every request has. A part with settings of its own is a fingerprint again.
    pub fn field(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.fields.insert(name, Field::One(value.to_string()));
        self
    }

    /// Adds a setting, unless it is left at its default.
    pub fn unless<T: fmt::Display + PartialEq + ?Sized>(
        self,
        name: &'static str,
        value: &T,
        default: &T,
    ) -> Self {
        if value == default { self } else { self.field(name, value) }
    }

    /// Adds a setting, where there is one.
    pub fn optional(self, name: &'static str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    /// Adds values whose order means something, unless there are none.
    pub fn list<T: fmt::Display>(
        mut self,
        name: &'static str,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        let values: Vec<_> = values.into_iter().map(|it| it.to_string()).collect();
        if !values.is_empty() {
            self.fields.insert(name, Field::Many(values));
        }
        self
    }

    /// Adds values whose order means nothing, unless there are none.
    pub fn set<T: fmt::Display>(
        self,
        name: &'static str,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        let mut values: Vec<_> = values.into_iter().map(|it| it.to_string()).collect();
        values.sort_unstable();
        self.list(name, values)
    }

    /// What is written on the resource.
    pub fn stamp(&self) -> Stamp {
        // Each text goes in behind its length, so that no two lists of texts read the same.
        let mut hash = Sha256::new();
        let mut text = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        text(self.kind);
        for (name, field) in &self.fields {
            text(name);
            match field {
                Field::One(value) => {
                    text("one");
                    text(value);
                }
                Field::Many(values) => {
                    text("many");
                    text(&values.len().to_string());
                    for value in values {
                        text(value);
                    }
                }
            }
        }
        Stamp { version: Stamp::VERSION, hash: hex(&hash.finalize()) }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stamp().fmt(f)
    }
}

/// The first 16 bytes, in 32 digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The [`Fingerprint`] of the request that a resource was created by, as it stands in its tag: `v1-` and 32 hex digits.
///
/// It stays as it was born: later updates leave it alone. It is lower case and short enough for a label of Google's.
///
/// ```
/// use mvi_core::ensure::{Fingerprint, Stamp};
///
/// let stamp = Fingerprint::of("vpc").field("cidr", "10.0.0.0/16").stamp();
/// assert_eq!(stamp.to_string().parse::<Stamp>()?, stamp);
/// assert!("hello".parse::<Stamp>().is_err());
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    version: u32,
    hash: String,
}

impl Stamp {
    /// How fingerprints are taken now. Another way of taking them is another version, which must still know this one.
    const VERSION: u32 = 1;
    const DIGITS: usize = 32;
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}-{}", self.version, self.hash)
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A number as we write it: digits only, no sign and no leading zero.
fn digits<T: FromStr + fmt::Display>(text: &str) -> Option<T> {
    text.parse().ok().filter(|number: &T| number.to_string() == text)
}

impl FromStr for Stamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.strip_prefix('v').and_then(|it| it.split_once('-'));
        parts
            .and_then(|(version, hash)| {
                let version = digits(version)?;
                (hash.len() == Self::DIGITS && is_hex(hash))
                    .then(|| Self { version, hash: hash.to_owned() })
            })
            .ok_or_else(|| Error::invalid("not a stamp: wanted v, a number, - and 32 hex digits"))
    }
}

/// When a resource was asked for, and a nonce: who is the smallest wins a race, and who sees its own nonce made it.
///
/// In its tag it is milliseconds since 1970, `-` and 16 hex digits.
///
/// ```
/// use mvi_core::ensure::Born;
///
/// let born = Born::new("2026-01-02T03:04:05.678Z".parse()?, 7);
/// assert_eq!(born.to_string(), "1767323045678-0000000000000007");
/// assert_eq!(born.to_string().parse::<Born>()?, born);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Born {
    millis: i64,
    nonce: u64,
}

impl Born {
    /// A birth at `time`, cut to milliseconds; `nonce` is random and never the same twice.
    pub fn new(time: Timestamp, nonce: u64) -> Self {
        // Rounded down, a time before 1970 would not be the same after a round trip: there are none.
        Self { millis: time.as_millisecond().max(0), nonce }
    }

    /// When it was asked for.
    pub fn time(&self) -> Timestamp {
        Timestamp::from_millisecond(self.millis).unwrap_or(Timestamp::MAX)
    }
}

impl fmt::Display for Born {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.millis, self.nonce)
    }
}

impl FromStr for Born {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.split_once('-')
            .and_then(|(millis, nonce)| {
                let millis = digits(millis).filter(|it| *it >= 0)?;
                Timestamp::from_millisecond(millis).ok()?;
                let nonce = (nonce.len() == 16 && is_hex(nonce)).then_some(nonce)?;
                Some(Self { millis, nonce: u64::from_str_radix(nonce, 16).ok()? })
            })
            .ok_or_else(|| {
                Error::invalid("not a birth: wanted milliseconds since 1970, - and 16 hex digits")
            })
    }
}

/// All that is written on a resource: tags, or words of its description where the provider has no tags for it.
///
/// What can't be read counts as not written: a resource with a stamp that is none is not ours.
///
/// ```
/// use mvi_core::ensure::{Fingerprint, Marks};
///
/// let stamp = Fingerprint::of("vpc").field("cidr", "10.0.0.0/16").stamp();
/// let marks = Marks { name: Some("web".into()), stamp: Some(stamp), born: None };
/// assert_eq!(Marks::from_tags(marks.tags()), marks);
/// assert_eq!(Marks::from_text(&format!("Ann's network. {marks}")), marks);
/// assert_eq!(Marks::from_text("Ann's network."), Marks::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The resource's name, as its creator gave it.
    pub name: Option<String>,
    /// What it was created as.
    pub stamp: Option<Stamp>,
    /// When, and by which attempt.
    pub born: Option<Born>,
}

impl Marks {
    /// The tags to write.
    pub fn tags(&self) -> impl Iterator<Item = (&'static str, String)> {
        let name = self.name.clone().map(|it| (NAME_TAG, it));
        let stamp = self.stamp.as_ref().map(|it| (STAMP_TAG, it.to_string()));
        let born = self.born.map(|it| (BORN_TAG, it.to_string()));
        [name, stamp, born].into_iter().flatten()
    }

    /// Finds the marks among a resource's tags.
    pub fn from_tags<K: AsRef<str>, V: AsRef<str>>(tags: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut marks = Self::default();
        for (key, value) in tags {
            let value = value.as_ref();
            match key.as_ref() {
                NAME_TAG => marks.name = Some(value.to_owned()),
                STAMP_TAG => marks.stamp = value.parse().ok(),
                BORN_TAG => marks.born = value.parse().ok(),
                _ => {}
            }
        }
        marks
    }

    /// Finds the marks among the words of a resource's description.
    pub fn from_text(text: &str) -> Self {
        Self::from_tags(text.split_whitespace().filter_map(|word| word.split_once('=')))
    }
}

/// As words of a description. A name has no blanks.
impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        for (key, value) in self.tags() {
            write!(f, "{gap}{key}={value}")?;
            gap = " ";
        }
        Ok(())
    }
}
