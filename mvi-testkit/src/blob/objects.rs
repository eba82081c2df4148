//! A bucket's objects: in order, with the versions that it keeps.

use std::{borrow::Borrow, cmp::Ordering, collections::BTreeMap, ops::Bound, sync::Arc};

use mvi_core::{
    Error, ErrorKind, Result, Timestamp,
    blob::{Key, Meta, Mode, ObjectVersion, Properties, Tag, VersionId, VersionState},
};

use super::content::Content;
use crate::{
    clock::Moment,
    sim::{shared::hex, world::Turn},
};

/// The most bytes of a key that its place has with it.
const SHORT_BYTES: usize = 23;

/// A key, found by the bytes of any text, which sort as the text does. A short one is compared where it lies: keys are in as many
/// places of the memory as there are objects.
#[derive(Clone, Debug)]
pub(super) struct Place {
    length: u8,
    short: [u8; SHORT_BYTES],
    key: Key,
}

impl Place {
    fn new(key: Key) -> Self {
        let (mut short, text) = ([0; SHORT_BYTES], key.as_str().as_bytes());
        if let Some(start) = short.get_mut(..text.len()) {
            start.copy_from_slice(text);
        }
        // One that does not fit is longer than what there is.
        Self { length: u8::try_from(text.len()).unwrap_or(u8::MAX), short, key }
    }

    fn bytes(&self) -> &[u8] {
        self.short.get(..usize::from(self.length)).unwrap_or(self.key.as_str().as_bytes())
    }
}

impl Borrow<[u8]> for Place {
    fn borrow(&self) -> &[u8] {
        self.bytes()
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Place {}

/// One write of an object, which never changes.
#[derive(Debug)]
pub(super) struct Stored {
    /// Without its version.
    meta: Meta,
    version: u64,
    pub(super) content: Content,
    pub(super) born: Moment,
    /// Which of the bucket's writes it is.
    number: u64,
    /// That of the upload that it was made by.
    pub(super) nonce: Option<Box<str>>,
}

impl Stored {
    pub(super) fn new(
        turn: &Turn<'_>,
        key: Key,
        content: Content,
        properties: Properties,
        nonce: Option<Box<str>>,
        number: u64,
    ) -> Self {
        let mut meta = Meta::of(key, content.size, tag(turn), properties);
        let born = turn.at();
        (meta.checksum, meta.modified) = (Some(content.checksum), Some(born.timestamp()));
        Self { meta, version: turn.world.token(), content, born, number, nonce }
    }

    pub(super) fn key(&self) -> &Key {
        &self.meta.key
    }

    pub(super) fn tag(&self) -> &Tag {
        &self.meta.tag
    }

    pub(super) fn properties(&self) -> &Properties {
        &self.meta.properties
    }

    pub(super) fn modified(&self) -> Option<Timestamp> {
        self.meta.modified
    }

    /// What there is to know of it, with its version where the bucket `keeps` them.
    pub(super) fn meta(&self, keeps: bool) -> Meta {
        let mut meta = self.meta.clone();
        meta.version = keeps.then(|| self.version());
        meta
    }

    fn version(&self) -> VersionId {
        let digits = hex(self.version);
        VersionId::new(str::from_utf8(&digits).expect("hexadecimal digits are text"))
    }

    fn is(&self, version: &VersionId) -> bool {
        version.as_str().as_bytes() == hex(self.version)
    }

    fn listed(&self, state: VersionState) -> ObjectVersion {
        let mut listed = ObjectVersion::new(self.meta.key.clone(), self.version(), state);
        (listed.size, listed.tag) = (self.meta.size, Some(self.meta.tag.clone()));
        listed.modified = self.meta.modified;
        listed
    }
}

/// A tag that nothing else has: it is of one write, and tells nothing of its content.
pub(super) fn tag(turn: &Turn<'_>) -> Tag {
    let mut text = *b"tag-0000000000000000";
    text[4..].copy_from_slice(&hex(turn.world.token()));
    Tag::new(str::from_utf8(&text).expect("hexadecimal digits are text"))
}

/// What is at a key, and the versions of it that are kept.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) live: Option<Arc<Stored>>,
    /// The oldest first.
    pub(super) kept: Vec<Kept>,
    /// Versions that are gone, and may be listed for a while.
    gone: Vec<Gone>,
}

#[derive(Debug)]
pub(super) struct Kept {
    pub(super) stored: Arc<Stored>,
    /// Since when it is not current.
    pub(super) since: Moment,
}

/// Only what a list tells: nobody can read it.
#[derive(Debug)]
struct Gone {
    listed: ObjectVersion,
    born: Moment,
    number: u64,
    since: Moment,
    until: Moment,
}

impl Slot {
    pub(super) fn is_empty(&self) -> bool {
        self.live.is_none() && self.kept.is_empty()
    }

    fn get(&self, version: Option<&VersionId>) -> Option<&Arc<Stored>> {
        let Some(version) = version else { return self.live.as_ref() };
        let kept = self.kept.iter().map(|it| &it.stored);
        self.live.iter().chain(kept).find(|it| it.is(version))
    }

    /// The versions as they were at that moment, or are where it is `None`, each with its number; the newest first.
    pub(super) fn versions(&self, moment: Option<Moment>) -> Vec<(u64, ObjectVersion)> {
        let state = |since: Moment| match moment {
            Some(moment) if since > moment => VersionState::Current,
            _ => VersionState::Noncurrent,
        };
        let seen = |born: Moment| moment.is_none_or(|moment| born <= moment);
        let live = self.live.iter().map(|it| (it, VersionState::Current));
        let kept = self.kept.iter().rev().map(|it| (&it.stored, state(it.since)));
        let there = live.chain(kept).filter(|(it, _)| seen(it.born));
        let mut all: Vec<_> = there.map(|(it, state)| (it.number, it.listed(state))).collect();
        let Some(moment) = moment else { return all };
        for gone in self.gone.iter().filter(|it| it.until > moment && seen(it.born)) {
            let mut listed = gone.listed.clone();
            listed.state = state(gone.since);
            all.push((gone.number, listed));
        }
        all.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        all
    }
}

/// A bucket's objects.
#[derive(Debug, Default)]
pub(super) struct Objects {
    slots: BTreeMap<Place, Slot>,
    /// How many writes there were.
    writes: u64,
}

/// What became of an object that is not current any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fall {
    /// It is kept as a version.
    Kept,
    /// It is gone; a list may have it for a while yet.
    Listed,
    /// It is gone.
    Gone,
}

impl Objects {
    /// Whether there is no object, and no version of one.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.values().all(Slot::is_empty)
    }

    /// Whether nothing is kept of any object, of the past neither.
    #[cfg(test)]
    pub(super) fn is_forgotten(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn live(&self, key: &Key) -> Option<&Arc<Stored>> {
        self.slots.get(key.as_str().as_bytes())?.live.as_ref()
    }

    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound).
    pub(super) fn find(&self, key: &Key, version: Option<&VersionId>) -> Result<&Arc<Stored>> {
        let found = self.slots.get(key.as_str().as_bytes()).and_then(|it| it.get(version));
        found.ok_or_else(|| {
            let what = if version.is_some() { "no such version" } else { "no such object" };
            Error::new(ErrorKind::NotFound, what)
        })
    }

    /// Puts an object in its place, if `mode` holds. What was there falls as `fall` says.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) where it does not: nothing has changed.
    pub(super) fn write(
        &mut self,
        key: &Key,
        mode: &Mode,
        fall: Fall,
        at: Moment,
        stored: impl FnOnce(u64) -> Stored,
    ) -> Result<(Arc<Stored>, bool)> {
        self.writes += 1;
        let number = self.writes;
        let stored = || Arc::new(stored(number));
        if let Some(slot) = self.slots.get_mut(key.as_str().as_bytes()) {
            admit(slot.live.as_deref(), mode)?;
            let stored = stored();
            let old = slot.live.replace(Arc::clone(&stored));
            let lists = old.is_some_and(|old| slot.fall(old, fall, at));
            return Ok((stored, lists));
        }
        admit(None, mode)?;
        let stored = stored();
        let slot = Slot { live: Some(Arc::clone(&stored)), ..Slot::default() };
        self.slots.insert(Place::new(key.clone()), slot);
        Ok((stored, false))
    }

    /// Takes the current object out of its place, where there is one. Returns whether a list may have it for a while.
    pub(super) fn remove(&mut self, key: &str, fall: Fall, at: Moment) -> bool {
        let Some(slot) = self.slots.get_mut(key.as_bytes()) else { return false };
        let lists = slot.live.take().is_some_and(|old| slot.fall(old, fall, at));
        self.tidy(key);
        lists
    }

    /// Removes a version for good.
    pub(super) fn remove_version(
        &mut self,
        key: &str,
        version: &VersionId,
        fall: Fall,
        at: Moment,
    ) -> bool {
        let Some(slot) = self.slots.get_mut(key.as_bytes()) else { return false };
        if slot.live.as_ref().is_some_and(|it| it.is(version)) {
            return self.remove(key, fall, at);
        }
        let Some(found) = slot.kept.iter().position(|it| it.stored.is(version)) else {
            return false;
        };
        let Kept { stored, since } = slot.kept.remove(found);
        let lists = slot.drop_version(&stored, since, fall, at);
        self.tidy(key);
        lists
    }

    /// Forgets what was gone by `moment`.
    pub(super) fn forget(&mut self, key: &str, moment: Moment) {
        if let Some(slot) = self.slots.get_mut(key.as_bytes()) {
            slot.gone.retain(|it| it.until > moment);
            self.tidy(key);
        }
    }

    fn tidy(&mut self, key: &str) {
        if self.slots.get(key.as_bytes()).is_some_and(|it| it.is_empty() && it.gone.is_empty()) {
            self.slots.remove(key.as_bytes());
        }
    }

    /// The slots whose keys start with `prefix`, in order, from there on; none, where it is `None`.
    pub(super) fn range<'a>(
        &'a self,
        prefix: &'a str,
        from: Option<Bound<&str>>,
    ) -> impl Iterator<Item = (&'a Key, &'a Slot)> + use<'a> {
        let range = from.map(|from| {
            // What is before the prefix has nothing to read.
            let from = match from {
                Bound::Included(it) | Bound::Excluded(it) if it >= prefix => from,
                _ => Bound::Included(prefix),
            };
            self.slots.range::<[u8], _>((from.map(str::as_bytes), Bound::Unbounded))
        });
        let range = range.into_iter().flatten().map(|(place, slot)| (&place.key, slot));
        range.take_while(move |(key, _)| key.as_str().starts_with(prefix))
    }

    /// Drops the versions that are not current `since` long enough, and returns how many. A list may have them for a while.
    pub(super) fn drop_kept(
        &mut self,
        key: &str,
        due: impl Fn(Moment) -> bool,
        fall: Fall,
        at: Moment,
    ) -> usize {
        let Some(slot) = self.slots.get_mut(key.as_bytes()) else { return 0 };
        let (gone, kept): (Vec<_>, Vec<_>) = slot.kept.drain(..).partition(|it| due(it.since));
        slot.kept = kept;
        for it in &gone {
            slot.drop_version(&it.stored, it.since, fall, at);
        }
        self.tidy(key);
        gone.len()
    }

    /// All slots, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Slot)> {
        self.slots.iter().map(|(place, slot)| (&place.key, slot))
    }
}

impl Slot {
    fn fall(&mut self, old: Arc<Stored>, fall: Fall, at: Moment) -> bool {
        if fall == Fall::Kept {
            self.kept.push(Kept { stored: old, since: at });
            return false;
        }
        self.drop_version(&old, at, fall, at)
    }

    fn drop_version(&mut self, old: &Stored, since: Moment, fall: Fall, at: Moment) -> bool {
        if fall != Fall::Listed {
            return false;
        }
        let listed = old.listed(VersionState::Noncurrent);
        self.gone.push(Gone { listed, born: old.born, number: old.number, since, until: at });
        true
    }
}

/// Whether a write may happen where this is.
///
/// # Errors
///
/// [`Conflict`](ErrorKind::Conflict) where it may not.
pub(super) fn admit(live: Option<&Stored>, mode: &Mode) -> Result<()> {
    match (mode, live) {
        (Mode::Always, _) | (Mode::IfAbsent, None) => Ok(()),
        (Mode::IfAbsent, Some(_)) => Err(Error::conflict("there is an object, wanted none")),
        (Mode::IfMatch(_), None) => Err(Error::conflict("there is no object, wanted one")),
        (Mode::IfMatch(tag), Some(live)) if *live.tag() == *tag => Ok(()),
        (Mode::IfMatch(_), Some(_)) => Err(changed()),
    }
}

pub(super) fn changed() -> Error {
    Error::conflict("the object has another tag")
}

/// The least text that is greater than all that starts with `text`; `None` where there is none.
pub(super) fn behind(text: &str) -> Option<String> {
    let mut text = text.to_owned();
    while let Some(last) = text.pop() {
        // The range skips what is no character.
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_sort_as_their_keys_do_however_long_they_are() {
        let lengths = [1, 2, SHORT_BYTES - 1, SHORT_BYTES, SHORT_BYTES + 1, 254, 255, 256, 1_024];
        let texts = ["a", "b", "ä", "a\u{10FFFC}", "~"].into_iter().flat_map(|start| {
            lengths
                .iter()
                .map(move |length| format!("{start:a<length$}"))
                .filter(|it| it.len() <= 1_024)
        });
        let places: Vec<_> = texts.map(|it| Place::new(Key::new(it).unwrap())).collect();
        for (one, other) in places.iter().flat_map(|one| places.iter().map(move |it| (one, it))) {
            assert_eq!(one.cmp(other), one.key.as_str().cmp(other.key.as_str()));
        }
    }

    #[test]
    fn what_is_behind_a_text_is_behind_all_that_start_with_it() {
        for (text, wanted) in [
            ("a", Some("b")),
            ("a/", Some("a0")),
            ("a\u{D7FF}", Some("a\u{E000}")),
            ("a\u{10FFFF}\u{10FFFF}", Some("b")),
            ("\u{10FFFF}", None),
            ("", None),
        ] {
            let found = behind(text);
            assert_eq!(found.as_deref(), wanted, "{text:?}");
            let greatest = format!("{text}\u{10FFFF}\u{10FFFF}");
            assert!(found.is_none_or(|it| it > greatest), "{text:?}");
        }
    }
}
