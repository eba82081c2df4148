//! Objects as Cloud Storage has them, and as callers see them.

use google_cloud_storage::model::Object;
use google_cloud_wkt::Timestamp as WireTime;
use jiff::Timestamp;
use mvi_core::{
    Error, ErrorKind, Result,
    blob::{
        Crc32c, Encryption, Key, Listed, Meta, Metadata, Mode, ObjectVersion, Properties, Tag,
        VersionId, VersionState,
    },
};

/// Where each write notes by which of them an object was made.
pub(super) const NONCE: &str = "mvi-nonce";

/// A nonce that no other write has.
pub(super) fn nonce() -> Result<String> {
    let random = || {
        getrandom::u64().map_err(|e| {
            Error::new(ErrorKind::Internal, "no randomness for a nonce")
                .with_applied(mvi_core::Applied::No)
                .with_source(e.to_string())
        })
    };
    Ok(format!("{:016x}{:016x}", random()?, random()?))
}

/// The generation that a tag names; a text that names none is the tag of nothing.
pub(super) fn generation(text: &str) -> Option<i64> {
    text.parse().ok().filter(|it: &i64| *it > 0 && it.to_string() == text)
}

/// The generation that must be there for a write; 0 for none.
pub(super) fn wanted(mode: &Mode) -> Result<Option<i64>> {
    match mode {
        Mode::Always => Ok(None),
        Mode::IfAbsent => Ok(Some(0)),
        Mode::IfMatch(tag) => matched(tag).map(Some),
    }
}

/// The generation of a tag that is to match.
pub(super) fn matched(tag: &Tag) -> Result<i64> {
    generation(tag.as_str())
        .ok_or_else(|| Error::conflict("a tag that nothing has: wanted one of this provider's"))
}

/// The generation of a version that is to be there.
pub(super) fn pinned(version: Option<&VersionId>) -> Result<Option<i64>> {
    let known = |it: &VersionId| {
        generation(it.as_str())
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "no such version of the object"))
    };
    version.map(known).transpose()
}

pub(super) fn tag(object: &Object) -> Tag {
    Tag::new(object.generation.to_string())
}

pub(super) fn size(object: &Object) -> u64 {
    u64::try_from(object.size).unwrap_or_default()
}

pub(super) fn checksum(object: &Object) -> Option<Crc32c> {
    object.checksums.as_ref().and_then(|it| it.crc32c).map(Crc32c::new)
}

pub(super) fn nonce_of(object: &Object) -> Option<&str> {
    object.metadata.get(NONCE).map(String::as_str)
}

pub(super) fn time(time: Option<WireTime>) -> Option<Timestamp> {
    time.and_then(|it| Timestamp::new(it.seconds(), it.nanos()).ok())
}

pub(super) fn properties(object: &Object) -> Properties {
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    Properties {
        content_type: some(&object.content_type).map_or(Properties::BINARY.into(), Into::into),
        cache_control: some(&object.cache_control),
        content_disposition: some(&object.content_disposition),
        metadata: Metadata::reported(object.metadata.iter().map(|(k, v)| (k.as_str(), v.as_str()))),
    }
}

/// Who holds an object's key. What is reported names the version of the key, what is asked for does not.
pub(super) fn encryption(object: &Object) -> Encryption {
    match object.kms_key.split("/cryptoKeyVersions/").next() {
        None | Some("") => Encryption::Provider,
        Some(key) => Encryption::Key(key.to_owned()),
    }
}

/// What there is to know of an object.
pub(super) fn meta(key: Key, object: &Object) -> Meta {
    let mut meta = Meta::new(key, size(object), tag(object));
    meta.version = Some(VersionId::new(object.generation.to_string()));
    meta.properties = properties(object);
    meta.checksum = checksum(object);
    meta.encryption = encryption(object);
    meta.modified = time(object.create_time);
    meta
}

/// An object of a list; none where its name is no key, and so none of MVI's.
pub(super) fn listed(object: &Object) -> Option<Listed> {
    let mut listed = Listed::new(Key::new(&object.name).ok()?, size(object), tag(object));
    listed.modified = time(object.create_time);
    Some(listed)
}

/// A version of a list; none where its name is no key.
pub(super) fn version(object: &Object) -> Option<ObjectVersion> {
    let state = match object.delete_time {
        Some(_) => VersionState::Noncurrent,
        None => VersionState::Current,
    };
    let id = VersionId::new(object.generation.to_string());
    let mut version = ObjectVersion::new(Key::new(&object.name).ok()?, id, state);
    version.size = size(object);
    version.tag = Some(tag(object));
    version.modified = time(object.create_time);
    Some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_a_generation_is_one() {
        assert_eq!(generation("1700000000000001"), Some(1_700_000_000_000_001));
        for text in ["", "0", "-1", "+1", "01", "1.0", "\"abc\"", "9223372036854775808"] {
            assert_eq!(generation(text), None, "{text:?}");
        }
        let none = Tag::new("\"etag\"");
        assert_eq!(matched(&none).unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(wanted(&Mode::IfAbsent).unwrap(), Some(0));
        let other = VersionId::new("null");
        assert_eq!(pinned(Some(&other)).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_key_is_reported_as_it_was_asked_for() {
        let name = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
        let object = Object::new().set_kms_key(format!("{name}/cryptoKeyVersions/3"));
        assert_eq!(encryption(&object), Encryption::Key(name.to_owned()));
        assert_eq!(encryption(&Object::new()), Encryption::Provider);
    }

    #[test]
    fn no_two_nonces_are_the_same() {
        assert_ne!(nonce().unwrap(), nonce().unwrap());
        assert_eq!(nonce().unwrap().len(), 32);
    }
}
