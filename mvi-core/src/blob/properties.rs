//! What is written on an object.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use super::check::{MAX_METADATA_BYTES, MAX_METADATA_NAMES, check_header, check_visible, invalid};
use crate::{Error, Result, name::shown};

/// What HTTP tells of an object to whoever reads it, and what its writer notes on it.
///
/// There is no content encoding: Cloud Storage [unpacks][transcoding] what is marked as packed, and its readers would get other bytes
/// than were written.
///
/// ```
/// use mvi_core::blob::{Metadata, Properties};
///
/// let properties = Properties {
///     content_type: "text/csv".into(),
///     cache_control: Some("max-age=60".into()),
///     metadata: Metadata::new().with("owner", "ann")?,
///     ..Properties::default()
/// };
/// # let _ = properties;
/// # Ok::<(), mvi_core::Error>(())
/// ```
///
/// [transcoding]: https://cloud.google.com/storage/docs/transcoding
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Properties {
    /// Its media type; `application/octet-stream`, unless set. It and the next two are 1 to 255 bytes of visible ASCII, with blanks only inside.
    pub content_type: Cow<'static, str>,
    /// How long whoever reads it may keep it; the provider's default, unless set.
    pub cache_control: Option<String>,
    /// Whether a browser shows or saves it, and as what; not said, unless set.
    pub content_disposition: Option<String>,
    /// What its writer notes on it.
    pub metadata: Metadata,
}

impl Properties {
    /// The content type of what nobody says anything of.
    pub const BINARY: &str = "application/octet-stream";

    /// Checks that HTTP can carry them, unchanged.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        let Self { content_type, cache_control, content_disposition, metadata } = self;
        // It may be what others wrote on an object, which need not have our form.
        metadata.check()?;
        // What nobody said is nothing to look at, and is what most writes have.
        if *content_type != Self::BINARY {
            check_header("content type", content_type)?;
        }
        cache_control.as_ref().map_or(Ok(()), |it| check_header("cache control", it))?;
        content_disposition.as_ref().map_or(Ok(()), |it| check_header("content disposition", it))
    }
}

impl Default for Properties {
    fn default() -> Self {
        Self {
            content_type: Self::BINARY.into(),
            cache_control: None,
            content_disposition: None,
            metadata: Metadata::new(),
        }
    }
}

/// What an object's writer notes on it: at most [1,900 bytes](MAX_METADATA_BYTES), names and values together, of at most
/// [64 names](MAX_METADATA_NAMES).
///
/// A name is of `[a-z0-9-]`, a letter first, and does not start with `mvi-`; a value is of visible ASCII, with blanks
/// only inside: what HTTP carries unchanged to every provider.
///
/// ```
/// use mvi_core::blob::Metadata;
///
/// let metadata = Metadata::new().with("owner", "ann")?;
/// assert_eq!(metadata.get("owner"), Some("ann"));
/// assert!(metadata.with("Owner", "ann").is_err());
/// # Ok::<(), mvi_core::Error>(())
/// ```
///
/// What [others wrote](Self::reported) may have other forms, and serde keeps it: a write checks it once more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// Nothing noted.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Notes a value, in place of one of the same name.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) where the name or the value has another form, or it is too much.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Result<Self> {
        let (name, value) = (name.into(), value.into());
        check_pair(&name, &value)?;
        self.0.insert(name, value);
        self.check_size()?;
        Ok(self)
    }

    fn check(&self) -> Result<()> {
        self.0.iter().try_for_each(|(name, value)| check_pair(name, value))?;
        self.check_size()
    }

    fn check_size(&self) -> Result<()> {
        let bytes: usize = self.0.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > MAX_METADATA_BYTES {
            return invalid(format!(
                "metadata of {bytes} bytes, wanted at most {MAX_METADATA_BYTES}"
            ));
        }
        let names = self.0.len();
        if names > MAX_METADATA_NAMES {
            return invalid(format!(
                "{names} names of metadata, wanted at most {MAX_METADATA_NAMES}"
            ));
        }
        Ok(())
    }

    /// What is noted as `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Its pairs, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether nothing is noted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a provider reports. What others wrote there, in forms that are not ours, is kept as it is; what is MVI's own is left out.
    pub fn reported<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(pairs.filter(|(name, _): &(String, String)| !name.starts_with("mvi-")).collect())
    }
}

impl TryFrom<BTreeMap<String, String>> for Metadata {
    type Error = Error;

    fn try_from(pairs: BTreeMap<String, String>) -> Result<Self> {
        pairs.into_iter().try_fold(Self::new(), |all, (name, value)| all.with(name, value))
    }
}

impl From<Metadata> for BTreeMap<String, String> {
    fn from(metadata: Metadata) -> Self {
        metadata.0
    }
}

fn check_pair(name: &str, value: &str) -> Result<()> {
    let form = name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if !form || !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.starts_with("mvi-") {
        return invalid(format!(
            "{} is not metadata's name: wanted a-z, 0-9 and -, a letter first, and not mvi-…",
            shown(name)
        ));
    }
    if value.is_empty() {
        Ok(())
    } else {
        check_visible("value of metadata", value, MAX_METADATA_BYTES)
    }
}

/// Who holds the key that an object is encrypted with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Encryption {
    /// The provider, which encrypts all that is stored.
    #[default]
    Provider,
    /// The caller, by a key in the provider's key service: its ARN on AWS, its resource name on Google Cloud. Writers and readers must
    /// be allowed to use it.
    Key(String),
}
