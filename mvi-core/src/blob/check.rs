//! The portable limits, and the checks that hold them.

use std::time::Duration;

use super::{
    Action, Complete, Copy, CreateBucket, Delete, DeleteMany, Encryption, Get, Head, Key, List,
    Mode, Presign, Put, Rule, Source, StartUpload, Tag, VersionId, Versions, request::Method,
};
use crate::{Error, Result, ensure::Fingerprint};

/// The most bytes of a key.
pub const MAX_KEY_BYTES: usize = 1_024;
/// The most bytes of metadata, names and values together: S3's 2 KB, less what MVI writes there.
pub const MAX_METADATA_BYTES: usize = 1_900;
/// The most names of metadata: what reads HTTP takes at most 100 headers, of which a provider has some for itself.
pub const MAX_METADATA_NAMES: usize = 64;
/// The fewest bytes of a part, but for the last.
pub const MIN_PART_BYTES: u64 = 5 << 20;
/// The most bytes of a part.
pub const MAX_PART_BYTES: u64 = 5 << 30;
/// The most parts of an upload.
pub const MAX_PARTS: u32 = 10_000;
/// The most bytes of an object.
pub const MAX_OBJECT_BYTES: u64 = 5 << 40;
/// The most rules of a bucket's lifecycle: Cloud Storage's 100, less MVI's own.
pub const MAX_RULES: usize = 99;
/// The longest that a presigned URL works.
pub const MAX_PRESIGN: Duration = Duration::from_hours(7 * 24);
/// The most bytes of a delimiter.
pub const MAX_DELIMITER_BYTES: usize = 16;
/// The most bytes of a header's value.
const MAX_HEADER_BYTES: usize = 255;
/// The most bytes of a tag or a version: those of an S3 version.
const MAX_TOKEN_BYTES: usize = 1_024;
/// The most days that a rule waits: more would be no time that a provider knows.
const MAX_DAYS: u32 = 36_500;

impl CreateBucket {
    /// Checks it before it is sent. What it is made of was checked when it was made.
    ///
    /// # Errors
    ///
    /// None so far.
    pub fn check(&self) -> Result<()> {
        let Self { name: _, labels: _ } = self;
        Ok(())
    }

    /// What makes another bucket of the same name the same bucket.
    pub fn fingerprint(&self) -> Fingerprint {
        let Self { name: _, labels } = self;
        Fingerprint::of("blob.bucket")
            .set("labels", labels.iter().map(|(key, value)| format!("{key}={value}")))
    }
}

impl Rule {
    /// Checks the rules of a bucket before they are sent.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check_all(rules: &[Self]) -> Result<()> {
        if rules.len() > MAX_RULES {
            return invalid(format!("{} rules, wanted at most {MAX_RULES}", rules.len()));
        }
        for (at, rule) in rules.iter().enumerate() {
            let Self { prefix, action } = rule;
            check_prefix(prefix)?;
            let (Action::Expire { days } | Action::ExpireNoncurrent { days }) = *action;
            if !(1..=MAX_DAYS).contains(&days) {
                return invalid(format!("a rule of {days} days, wanted 1 to {MAX_DAYS}"));
            }
            let kind = std::mem::discriminant(action);
            let twice =
                |it: &&Self| it.prefix == *prefix && std::mem::discriminant(&it.action) == kind;
            if rules[..at].iter().any(|it| twice(&it)) {
                return invalid(format!("two rules of one kind for {prefix:?}"));
            }
        }
        Ok(())
    }
}

impl Put {
    /// Checks it before it is sent.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        let Self { bucket: _, key: _, mode, properties, encryption, checksum: _ } = self;
        check_mode(mode)?;
        properties.check()?;
        check_encryption(encryption)
    }
}

impl Get {
    /// Checks it before it is sent.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        let Self { bucket: _, key: _, range, if_match, if_none_match, version } = self;
        if if_match.is_some() && if_none_match.is_some() {
            return invalid("both if_match and if_none_match, wanted one");
        }
        check_tag(if_match.as_ref())?;
        check_tag(if_none_match.as_ref())?;
        check_version(version.as_ref())?;
        range.map_or(Ok(()), super::ByteRange::check)
    }
}

impl Head {
    /// Checks it before it is sent.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        let Self { bucket: _, key: _, version } = self;
        check_version(version.as_ref())
    }
}

impl Delete {
    /// Checks it before it is sent.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        let Self { bucket: _, key: _, if_match, version } = self;
        if if_match.is_some() && version.is_some() {
            return invalid("both if_match and version, wanted one: a version never changes");
        }
        check_version(version.as_ref())?;
        check_tag(if_match.as_ref())
    }
}

impl DeleteMany {
    /// Checks it before it is sent.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        let Self { bucket: _, targets } = self;
        targets.iter().try_for_each(|it| check_version(it.version.as_ref()))
    }
}

impl List {
    /// Checks it before it is sent.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        let Self { bucket: _, prefix, delimiter, start_after, limit: _, page: _ } = self;
        check_prefix(prefix)?;
        start_after.as_ref().map_or(Ok(()), |it| check_text("start_after", it))?;
        let Some(delimiter) = delimiter else { return Ok(()) };
        check_text("delimiter", delimiter)?;
        if !(1..=MAX_DELIMITER_BYTES).contains(&delimiter.len()) {
            let bytes = delimiter.len();
            return invalid(format!(
                "a delimiter of {bytes} bytes, wanted 1 to {MAX_DELIMITER_BYTES}"
            ));
        }
        Ok(())
    }
}

impl Versions {
    /// Checks it before it is sent.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        let Self { bucket: _, prefix, page: _ } = self;
        check_prefix(prefix)
    }
}

impl Copy {
    /// Checks it before it is sent.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        let Self { source, bucket, key, mode, properties, encryption } = self;
        let Source { bucket: from_bucket, key: from, version, if_match } = source;
        check_tag(if_match.as_ref())?;
        check_version(version.as_ref())?;
        // S3 refuses a copy onto itself that changes nothing.
        if (from_bucket, from) == (bucket, key)
            && version.is_none()
            && properties.is_none()
            && *encryption == Encryption::Provider
        {
            return invalid(
                "a copy of an object onto itself that changes nothing: wanted properties, a key or a version",
            );
        }
        check_mode(mode)?;
        properties.as_ref().map_or(Ok(()), super::Properties::check)?;
        check_encryption(encryption)
    }
}

impl StartUpload {
    /// Checks it before it is sent.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        let Self { bucket: _, key: _, properties, encryption } = self;
        properties.check()?;
        check_encryption(encryption)
    }
}

impl Complete {
    /// Checks it before it is sent.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        let Self { upload: _, parts, mode, checksum: _ } = self;
        check_mode(mode)?;
        if parts.is_empty() {
            return invalid("no part, wanted at least one");
        }
        if let Some(pair) = parts.windows(2).find(|it| it[0].number >= it[1].number) {
            let (one, next) = (pair[0].number.get(), pair[1].number.get());
            return invalid(format!("part {next} behind part {one}, wanted them in order"));
        }
        if let Some((_, all_but_last)) = parts.split_last()
            && let Some(short) = all_but_last.iter().find(|it| it.size < MIN_PART_BYTES)
        {
            let (number, bytes) = (short.number.get(), short.size);
            return invalid(format!(
                "part {number} of {bytes} bytes, wanted at least {MIN_PART_BYTES} of all but the last"
            ));
        }
        if let Some(long) = parts.iter().find(|it| it.size > MAX_PART_BYTES) {
            let (number, bytes) = (long.number.get(), long.size);
            return invalid(format!(
                "part {number} of {bytes} bytes, wanted at most {MAX_PART_BYTES}"
            ));
        }
        check_size(self.size())
    }
}

impl Presign {
    /// Checks it before it is signed.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
    pub fn check(&self) -> Result<()> {
        let Self { method, bucket: _, key: _, expires, content_type } = self;
        if !(Duration::from_secs(1)..=MAX_PRESIGN).contains(expires) {
            return invalid(format!("a URL for {expires:?}, wanted one for 1s to {MAX_PRESIGN:?}"));
        }
        if expires.subsec_nanos() != 0 {
            return invalid(format!("a URL for {expires:?}, wanted whole seconds"));
        }
        match (content_type, method) {
            (Some(_), Method::Get) => invalid("a content type of a URL to read"),
            (Some(content_type), Method::Put) => check_header("content type", content_type),
            (None, _) => Ok(()),
        }
    }
}

/// Checks that a body of `bytes` fits into one object.
///
/// # Errors
///
/// [`Invalid`](crate::ErrorKind::Invalid), saying what was found.
pub(super) fn check_size(bytes: u64) -> Result<()> {
    if bytes > MAX_OBJECT_BYTES {
        return invalid(format!("an object of {bytes} bytes, wanted at most {MAX_OBJECT_BYTES}"));
    }
    Ok(())
}

fn check_mode(mode: &Mode) -> Result<()> {
    match mode {
        Mode::IfMatch(tag) => check_tag(Some(tag)),
        Mode::Always | Mode::IfAbsent => Ok(()),
    }
}

fn check_tag(tag: Option<&Tag>) -> Result<()> {
    match tag {
        Some(tag) => check_token("tag", tag.as_str()),
        None => Ok(()),
    }
}

fn check_version(version: Option<&VersionId>) -> Result<()> {
    match version {
        Some(version) => check_token("version", version.as_str()),
        None => Ok(()),
    }
}

/// Checks what a provider gave out, and HTTP is to carry back.
fn check_token(what: &str, text: &str) -> Result<()> {
    let bytes = text.len();
    if (1..=MAX_TOKEN_BYTES).contains(&bytes) && text.bytes().all(|b| matches!(b, b'!'..=b'~')) {
        return Ok(());
    }
    invalid(format!(
        "a {what} of {bytes} bytes, wanted 1 to {MAX_TOKEN_BYTES} of visible ASCII, with no blank"
    ))
}

fn check_encryption(encryption: &Encryption) -> Result<()> {
    match encryption {
        Encryption::Provider => Ok(()),
        Encryption::Key(key) => check_header("name of a key", key),
    }
}

/// Checks what HTTP is to carry in a header.
pub(super) fn check_header(what: &str, value: &str) -> Result<()> {
    check_visible(what, value, MAX_HEADER_BYTES)
}

/// Checks that a text is of visible ASCII, with blanks only inside, and of at most so many bytes.
pub(super) fn check_visible(what: &str, value: &str, most: usize) -> Result<()> {
    let visible = value.bytes().all(|b| matches!(b, b' '..=b'~'));
    if visible && value.trim() == value && (1..=most).contains(&value.len()) {
        return Ok(());
    }
    let bytes = value.len();
    invalid(format!(
        "a {what} of {bytes} bytes, wanted 1 to {most} of visible ASCII, with blanks only inside"
    ))
}

/// Checks what keys are to start with. What a provider keeps for itself is not to be had by asking for it.
fn check_prefix(prefix: &str) -> Result<()> {
    check_text("prefix", prefix)?;
    if prefix.starts_with(|it| it >= Key::HIDDEN) {
        return invalid("a prefix whose start is kept for the provider");
    }
    Ok(())
}

/// Checks text that is to be found in keys.
fn check_text(what: &str, text: &str) -> Result<()> {
    if text.len() > MAX_KEY_BYTES {
        let bytes = text.len();
        return invalid(format!("a {what} of {bytes} bytes, wanted at most {MAX_KEY_BYTES}"));
    }
    if text.chars().any(|it| it.is_control() || matches!(it, '\u{FFFE}' | '\u{FFFF}')) {
        return invalid(format!("a {what} with a control character, which no key has"));
    }
    Ok(())
}

pub(super) fn invalid<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::invalid(message))
}
