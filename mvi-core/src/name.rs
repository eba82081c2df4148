//! Names that every provider accepts, checked where they are made.

use std::{borrow::Borrow, collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            /// It as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

/// A resource's name: 3 to 32 of `[a-z0-9-]`, a letter first, no `--`, no `-` last.
///
/// The one form that every provider takes for every resource but buckets, whose names are
/// global ([`BucketName`]). A clone does not allocate.
///
/// ```
/// use mvi_core::Name;
///
/// let name = Name::new("short-links")?;
/// assert_eq!(name.as_str(), "short-links");
/// assert!(Name::new("Short_Links").is_err());
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

pub(crate) use text_newtype;

text_newtype!(Name);

impl Name {
    /// The fewest bytes.
    pub const MIN_BYTES: usize = 3;
    /// The most bytes: the shortest of the providers' limits, [a target group's][source].
    ///
    /// [source]: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html
    pub const MAX_BYTES: usize = 32;

    /// Checks `name` once, so that no provider must.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn new(name: impl AsRef<str>) -> Result<Self> {
        let name = name.as_ref();
        let fits = (Self::MIN_BYTES..=Self::MAX_BYTES).contains(&name.len())
            && is_words(name)
            && name.starts_with(|c: char| c.is_ascii_lowercase());
        if fits {
            return Ok(Self(name.into()));
        }
        Err(Error::invalid(format!(
            "{} is not a name: wanted {} to {} of a-z, 0-9 and -, a letter first, no -- and no - last",
            shown(name),
            Self::MIN_BYTES,
            Self::MAX_BYTES
        )))
    }

    /// Names what belongs to it: the start of both names and a short hash of the whole.
    ///
    /// The same parent and role always make the same name, and two that differ make two names, but for a
    /// collision of 40 bits.
    ///
    /// ```
    /// use mvi_core::Name;
    ///
    /// let web = Name::new("web")?;
    /// assert_eq!(web.child("subnet a"), web.child("subnet a"));
    /// assert_ne!(web.child("subnet a"), web.child("subnet b"));
    /// assert!(web.child("subnet a").as_str().starts_with("web-"));
    /// # Ok::<(), mvi_core::Error>(())
    /// ```
    #[must_use]
    pub fn child(&self, role: impl AsRef<str>) -> Self {
        const HASH_BYTES: usize = 8;
        let hash = Sha256::new().chain_update(self.0.as_bytes()).chain_update([0]);
        let hash = hash.chain_update(role.as_ref().as_bytes()).finalize();
        let digits = hash.iter().take(HASH_BYTES).map(|byte| BASE32[usize::from(byte & 31)]);
        let kept = self.0.len().min(Self::MAX_BYTES - HASH_BYTES - 1);
        let kept = self.0[..kept].trim_end_matches('-');
        let name: String = kept.chars().chain(['-']).chain(digits.map(char::from)).collect();
        Self(name.into())
    }
}

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A bucket's name, which is unique in the world: 3 to 63 of `[a-z0-9-]`, a letter or digit first and last,
/// no `--`, and none of the forms that [AWS][aws] and [Google][gcp] keep for themselves.
///
/// ```
/// use mvi_core::BucketName;
///
/// assert!(BucketName::new("acme-7f3-uploads").is_ok());
/// assert!(BucketName::new("goog-uploads").is_err());
/// ```
///
/// [aws]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
/// [gcp]: https://cloud.google.com/storage/docs/buckets#naming
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketName(Arc<str>);

text_newtype!(BucketName);

impl BucketName {
    /// The fewest bytes.
    pub const MIN_BYTES: usize = 3;
    /// The most bytes.
    pub const MAX_BYTES: usize = 63;

    /// Checks `name` once, so that no provider must.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn new(name: impl AsRef<str>) -> Result<Self> {
        let name = name.as_ref();
        let reserved = ["goog", "sthree-", "amzn-s3-demo-"].iter().any(|it| name.starts_with(it))
            || name.ends_with("-s3alias")
            || ["google", "g00gle"].iter().any(|it| name.contains(it));
        let length = (Self::MIN_BYTES..=Self::MAX_BYTES).contains(&name.len());
        if length && is_words(name) && !reserved {
            return Ok(Self(name.into()));
        }
        Err(Error::invalid(format!(
            "{} is not a bucket's name: wanted {} to {} of a-z, 0-9 and -, no -- and no - at either end, \
             and no form that a provider keeps for itself",
            shown(name),
            Self::MIN_BYTES,
            Self::MAX_BYTES
        )))
    }
}

/// Whether `text` is words of `[a-z0-9]` with one `-` between two.
fn is_words(text: &str) -> bool {
    let word =
        |it: &str| !it.is_empty() && it.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9'));
    text.split('-').all(word)
}

/// `text` as an error may show it: quoted, and cut where it is long.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 64;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// What a caller writes on a resource to find it again: up to 32 pairs.
///
/// A key is 1 to 63 of `[a-z0-9_-]`, a letter first, and does not start with `mvi-`, `aws` or `goog`; a value is at
/// most 63 of `[a-z0-9_-]`: what [Google][gcp] takes, of which [AWS][aws] takes more.
///
/// As a filter it matches a resource that has all of its pairs; the empty one matches every resource.
///
/// ```
/// use mvi_core::Labels;
///
/// let labels = Labels::new().with("app", "links")?.with("stage", "test")?;
/// assert!(labels.contains(&Labels::new().with("app", "links")?));
/// assert!(!labels.contains(&Labels::new().with("app", "blog")?));
/// # Ok::<(), mvi_core::Error>(())
/// ```
///
/// [aws]: https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
/// [gcp]: https://cloud.google.com/resource-manager/docs/labels-overview
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// The most pairs: AWS allows [50 tags][aws], of which MVI uses some.
    ///
    /// [aws]: https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
    pub const MAX_PAIRS: usize = 32;
    /// The most bytes of a key or of a value.
    pub const MAX_BYTES: usize = 63;

    /// No labels.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a pair, in place of one with the same key.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) where the key or the value has another form, or there are too many.
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Result<Self> {
        let (key, value) = (key.into(), value.into());
        let form = |text: &str| {
            text.len() <= Self::MAX_BYTES
                && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
        };
        let reserved = ["mvi-", "aws", "goog"].iter().any(|it| key.starts_with(it));
        if !form(&key) || !key.starts_with(|c: char| c.is_ascii_lowercase()) || reserved {
            return Err(Error::invalid(format!(
                "{} is not a label's key: wanted 1 to {} of a-z, 0-9, _ and -, a letter first, and not mvi-…, aws… or goog…",
                shown(&key),
                Self::MAX_BYTES
            )));
        }
        if !form(&value) {
            return Err(Error::invalid(format!(
                "{} is not a label's value: wanted at most {} of a-z, 0-9, _ and -",
                shown(&value),
                Self::MAX_BYTES
            )));
        }
        self.0.insert(key, value);
        if self.0.len() > Self::MAX_PAIRS {
            return Err(Error::invalid(format!("more than {} labels", Self::MAX_PAIRS)));
        }
        Ok(self)
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Whether it has every pair of `wanted`.
    pub fn contains(&self, wanted: &Self) -> bool {
        wanted.iter().all(|(key, value)| self.get(key) == Some(value))
    }

    /// Its pairs, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// How many pairs it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeMap<String, String>> for Labels {
    type Error = Error;

    fn try_from(pairs: BTreeMap<String, String>) -> Result<Self> {
        pairs.into_iter().try_fold(Self::new(), |labels, (key, value)| labels.with(key, value))
    }
}

impl From<Labels> for BTreeMap<String, String> {
    fn from(labels: Labels) -> Self {
        labels.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_is_what_the_pattern_says(text in "[a-z0-9A-Z_-]{0,40}|[a-z][a-z0-9-]{1,40}|\\PC{0,8}") {
            let wanted = (3..=32).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && text.as_bytes()[0].is_ascii_lowercase()
                && !text.contains("--")
                && !text.ends_with('-');
            prop_assert_eq!(Name::new(&text).is_ok(), wanted);
        }

        #[test]
        fn a_child_is_a_name_and_unique(parent in "[a-z]([a-z0-9]|-[a-z0-9]){2,15}", role in "\\PC{0,40}", other in "\\PC{0,40}") {
            let parent = Name::new(&parent).unwrap();
            let child = parent.child(&role);
            prop_assert_eq!(&Name::new(child.as_str()).unwrap(), &child);
            prop_assert_eq!(child == parent.child(&other), role == other);
        }

        #[test]
        fn names_and_labels_survive_serde(name in "[a-z]([a-z0-9]|-[a-z0-9]){2,15}", key in "[b-f][a-z0-9_-]{0,62}", value in "[a-z0-9_-]{0,63}") {
            let name = Name::new(&name).unwrap();
            let json = serde_json::to_string(&name).unwrap();
            prop_assert_eq!(serde_json::from_str::<Name>(&json).unwrap(), name);
            let labels = Labels::new().with(key, value).unwrap();
            let json = serde_json::to_string(&labels).unwrap();
            prop_assert_eq!(serde_json::from_str::<Labels>(&json).unwrap(), labels);
        }

        #[test]
        fn every_name_is_a_buckets_name(name in "[b-f]([a-z0-9]|-[a-z0-9]){2,15}") {
            prop_assume!(!name.contains("g00gle") && !name.contains("google") && !name.ends_with("-s3alias"));
            prop_assert!(BucketName::new(Name::new(&name).unwrap()).is_ok());
        }
    }

    #[test]
    fn what_is_not_a_name_says_why() {
        let error = Name::new("Web").unwrap_err().to_string();
        assert!(error.starts_with("\"Web\" is not a name: wanted 3 to 32"), "{error}");
        assert!(serde_json::from_str::<Name>("\"no\"").is_err());
        assert!(Name::new("x".repeat(100_000)).unwrap_err().to_string().len() < 300);
    }

    #[test]
    fn labels_hold_their_limits() {
        for (key, value) in [
            ("", "x"),
            ("1a", "x"),
            ("mvi-x", "x"),
            ("aws", "x"),
            ("googx", "x"),
            ("A", "x"),
            ("a", "X"),
            ("a", " "),
        ] {
            assert!(Labels::new().with(key, value).is_err(), "{key:?}={value:?}");
        }
        let full = (0..32).try_fold(Labels::new(), |it, n| it.with(format!("k{n}"), "v")).unwrap();
        assert!(full.clone().with("k0", "other").is_ok());
        assert!(full.with("one-more", "v").is_err());
    }
}
