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
        // What a clock can say, and a tag can hold.
        const LAST: i64 = 253_402_207_200_000;
        Self { millis: time.as_millisecond().clamp(0, LAST), nonce }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn thing() -> Fingerprint {
        Fingerprint::of("thing").field("a", "1").list("b", ["x", "y"])
    }

    #[test]
    fn what_was_not_asked_for_leaves_no_mark() {
        let later = thing()
            .unless("c", &8, &8)
            .optional("d", None::<String>)
            .list("e", [""; 0])
            .set("f", [0; 0]);
        assert_eq!(later.stamp(), thing().stamp());
    }

    #[test]
    fn the_order_of_fields_means_nothing_and_that_of_a_list_does() {
        let turned = Fingerprint::of("thing").list("b", ["x", "y"]).field("a", "1");
        assert_eq!(turned.stamp(), thing().stamp());
        assert_ne!(thing().list("b", ["y", "x"]).stamp(), thing().stamp());
        let set = |values: [u8; 3]| Fingerprint::of("thing").set("a", values).stamp();
        assert_eq!(set([3, 20, 1]), set([1, 3, 20]));
    }

    #[test]
    fn no_two_requests_read_the_same() {
        let of = Fingerprint::of;
        let all = [
            of("thing"),
            of("thin").field("g", ""),
            of("thing").field("a", ""),
            of("thing").field("a", "b"),
            of("thing").field("ab", ""),
            of("thing").field("a", "one"),
            of("thing").list("a", ["b"]),
            of("thing").list("a", ["b", ""]),
            of("thing").list("a", ["", "b"]),
            of("thing").list("a", ["b", "c"]),
            of("thing").list("a", ["bc"]),
            of("thing").list("a", ["b"]).list("c", ["d"]),
            of("thing").list("a", ["b", "c", "d"]),
            of("thing").field("a", of("thing")),
            of("thing").field("a", of("other")),
        ];
        let stamps: std::collections::HashSet<_> = all.iter().map(Fingerprint::stamp).collect();
        assert_eq!(stamps.len(), all.len());
    }

    #[test]
    fn a_stamp_stays_as_it_is() {
        // Taken down when version 1 was made: to change it is to disown what stands.
        assert_eq!(thing().to_string(), "v1-fd9b6a26e85f0c872940ce2472467318");
    }

    #[test]
    fn what_is_not_ours_is_no_mark() {
        let hash = "0".repeat(32);
        for text in [
            "",
            "v1",
            "v1-",
            "v1-00",
            "hello",
            "v-00",
            &format!("v01-{hash}"),
            &format!("v+1-{hash}"),
        ] {
            assert!(text.parse::<Stamp>().is_err(), "{text:?}");
        }
        assert!(format!("v2-{hash}").parse::<Stamp>().is_ok());
        assert!(format!("v1-{}", "G".repeat(32)).parse::<Stamp>().is_err());
        for text in [
            "",
            "-",
            "1-1",
            "+1-0000000000000001",
            "-1-0000000000000001",
            "1-00000000000000zz",
            "1-+000000000000001",
        ] {
            assert!(text.parse::<Born>().is_err(), "{text:?}");
        }
        assert!(format!("{}-0000000000000001", i64::MAX).parse::<Born>().is_err());
    }

    #[test]
    fn the_first_born_is_the_smallest_whatever_its_nonce() {
        let at = |millis, nonce| Born::new(Timestamp::from_millisecond(millis).unwrap(), nonce);
        assert!(at(9, u64::MAX) < at(10, 0));
        assert!(at(10, 0) < at(10, 1));
        assert!(Born::new(Timestamp::MAX, 0).to_string().parse::<Born>().is_ok());
        assert!(Born::new(Timestamp::MIN, 0).to_string().parse::<Born>().is_ok());
    }

    proptest! {
        #[test]
        fn marks_survive_tags_and_text(
            name in proptest::option::of("[a-z][a-z0-9-]{0,31}"),
            size in proptest::option::of(any::<u64>()),
            born in proptest::option::of((0..253_402_207_200_000_i64, any::<u64>())),
            before in "[^=]{0,40}",
        ) {
            let stamp = size.map(|it| Fingerprint::of("thing").field("size", it).stamp());
            let born = born.map(|(at, nonce)| Born::new(Timestamp::from_millisecond(at).unwrap(), nonce));
            let marks = Marks { name, stamp, born };
            prop_assert_eq!(&Marks::from_tags(marks.tags()), &marks);
            prop_assert_eq!(&Marks::from_text(&format!("{before} {marks}")), &marks);
            // Fit for a label of Google's: 63 of a-z, 0-9, _ and -.
            for (key, value) in marks.tags() {
                prop_assert!(value.len() <= 63 && key.len() <= 63);
                prop_assert!(value.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')));
            }
        }

        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,60}|v[0-9]{0,12}-[0-9a-f]{30,34}|[0-9]{1,20}-[0-9a-f]{14,18}") {
            if let Ok(stamp) = text.parse::<Stamp>() {
                prop_assert_eq!(stamp.to_string(), text.clone());
            }
            if let Ok(born) = text.parse::<Born>() {
                prop_assert_eq!(born.to_string(), text.clone());
                prop_assert!(born.time() >= Timestamp::UNIX_EPOCH);
            }
            Marks::from_text(&text);
        }
    }
}
