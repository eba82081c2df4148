//! What an object is called.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::check::{MAX_KEY_BYTES, invalid};
use crate::{
    Error, Result,
    name::{shown, text_newtype},
};

/// An object's key: 1 to [1,024 bytes](MAX_KEY_BYTES) of text, with no control character and no `.` or `..` between
/// slashes. Anything else goes: blanks, `//`, a slash first or last.
///
/// Keys are ordered by their bytes, on every provider. A clone does not allocate.
///
/// Also refused is what a provider keeps for itself: `.well-known/acme-challenge/…` (Cloud Storage), a first U+10FFFD (where MVI
/// keeps the parts of uploads there) or what sorts behind it, and U+FFFE and U+FFFF, which no listing in XML could give back (S3).
///
/// ```
/// use mvi_core::blob::Key;
///
/// let key = Key::new("reports/2026/übersicht 1.csv")?;
/// assert_eq!(key.as_str(), "reports/2026/übersicht 1.csv");
/// assert!(Key::new("a/../b").is_err());
/// # Ok::<(), mvi_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(Arc<str>);

impl Key {
    /// Sorts after every key: where a provider may keep what no caller sees.
    pub const HIDDEN: char = '\u{10FFFD}';

    /// Checks `key` once, so that no provider must.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn new(key: impl AsRef<str>) -> Result<Self> {
        let key = key.as_ref();
        let wanted = |what: &str| invalid(format!("{} is not a key: {what}", shown(key)));
        if !(1..=MAX_KEY_BYTES).contains(&key.len()) {
            return wanted(&format!("{} bytes, wanted 1 to {MAX_KEY_BYTES}", key.len()));
        }
        if key.chars().any(|it| it.is_control() || matches!(it, '\u{FFFE}' | '\u{FFFF}')) {
            return wanted("it has a control character");
        }
        if key.split('/').any(|it| matches!(it, "." | "..")) {
            return wanted("it has a segment . or ..");
        }
        if key.starts_with(|it| it >= Self::HIDDEN)
            || key.starts_with(".well-known/acme-challenge/")
        {
            return wanted("its start is kept for the provider");
        }
        Ok(Self(key.into()))
    }
}

text_newtype!(Key);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
