//! A bucket as a list of objects.
//!
//! Where providers differ it is as the simulated Blob says of itself: no delete markers, and a current version that is removed by its name
//! brings no older one back.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use mvi_core::{
    ErrorKind,
    blob::{ByteRange, Key, List, Mode, Part, Properties, Tag, VersionId, VersionState},
};

/// What a call must fail with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failed(pub(super) ErrorKind);

/// What a provider made up of a write.
pub(super) type Made = Option<(Tag, Option<VersionId>)>;

#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) key: Key,
    /// Its bytes, one piece after the other.
    pub(super) pieces: Vec<Bytes>,
    pub(super) properties: Properties,
    pub(super) tag: Tag,
    version: Option<VersionId>,
    /// The upload that it was made by.
    upload: Option<String>,
}

impl Object {
    pub(super) fn size(&self) -> u64 {
        self.pieces.iter().map(|it| it.len() as u64).sum()
    }

    pub(super) fn bytes(&self) -> Bytes {
        let mut all = BytesMut::new();
        self.pieces.iter().for_each(|it| all.extend_from_slice(it));
        all.freeze()
    }
}

#[derive(Debug)]
struct Pending {
    key: Key,
    id: String,
    properties: Properties,
    parts: Vec<(u32, Bytes, Tag)>,
}

#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// Whether what is replaced or removed is kept.
    pub(super) keeps: bool,
    live: Vec<Object>,
    /// The oldest first.
    kept: Vec<Object>,
    uploads: Vec<Pending>,
}

/// Which bytes a read gives, if it gives any.
pub(super) fn read(
    object: &Object,
    range: Option<ByteRange>,
    if_match: Option<&Tag>,
    if_none_match: Option<&Tag>,
) -> Result<Range<usize>, Failed> {
    let matches = |tag: &Tag| *tag == object.tag;
    if if_match.is_some_and(|it| !matches(it)) || if_none_match.is_some_and(matches) {
        return Err(Failed(ErrorKind::Conflict));
    }
    let size = usize::try_from(object.size()).unwrap();
    let at = |offset: u64| usize::try_from(offset).unwrap();
    let (start, end) = match range {
        None => return Ok(0..size),
        Some(ByteRange::Between(start, end)) => (at(start), at(end).min(size)),
        Some(ByteRange::From(start)) => (at(start), size),
        Some(ByteRange::Last(count)) => (size.saturating_sub(at(count)), size),
    };
    if start >= size { Err(Failed(ErrorKind::Invalid)) } else { Ok(start..end) }
}

/// Whether a range makes sense, whatever it is of.
pub(super) fn is_range(range: Option<ByteRange>) -> bool {
    match range {
        Some(ByteRange::Between(start, end)) => start < end,
        Some(ByteRange::Last(count)) => count > 0,
        Some(ByteRange::From(_)) | None => true,
    }
}

impl Shelf {
    fn at(&self, key: &Key) -> Option<&Object> {
        self.live.iter().find(|it| it.key == *key)
    }

    pub(super) fn find(&self, key: &Key, version: Option<&VersionId>) -> Result<Object, Failed> {
        let found = match version {
            None => self.at(key),
            Some(version) => {
                let mut all = self.live.iter().chain(&self.kept);
                all.find(|it| it.key == *key && it.version.as_ref() == Some(version))
            }
        };
        found.cloned().ok_or(Failed(ErrorKind::NotFound))
    }

    fn allows(&self, key: &Key, mode: &Mode) -> Result<(), Failed> {
        let holds = match mode {
            Mode::Always => true,
            Mode::IfAbsent => self.at(key).is_none(),
            Mode::IfMatch(tag) => self.at(key).is_some_and(|it| it.tag == *tag),
        };
        if holds { Ok(()) } else { Err(Failed(ErrorKind::Conflict)) }
    }

    /// Takes what is at `key` away, and keeps it where the bucket does.
    fn fall(&mut self, key: &Key) {
        if let Some(at) = self.live.iter().position(|it| it.key == *key) {
            let old = self.live.remove(at);
            if self.keeps {
                self.kept.push(old);
            }
        }
    }

    fn write(&mut self, mut object: Object, mode: &Mode, fresh: Made) -> Result<Object, Failed> {
        self.allows(&object.key, mode)?;
        // What is not made up was refused, and is not asked for again.
        (object.tag, object.version) = fresh.unwrap_or_else(|| (Tag::new("refused"), None));
        self.fall(&object.key);
        self.live.push(object.clone());
        Ok(object)
    }

    pub(super) fn put(
        &mut self,
        key: Key,
        pieces: Vec<Bytes>,
        properties: Properties,
        mode: &Mode,
        fresh: Made,
    ) -> Result<Object, Failed> {
        let tag = Tag::new("none");
        let object = Object { key, pieces, properties, tag, version: None, upload: None };
        self.write(object, mode, fresh)
    }

    pub(super) fn delete(
        &mut self,
        key: &Key,
        if_match: Option<&Tag>,
        version: Option<&VersionId>,
    ) -> Result<(), Failed> {
        if let Some(tag) = if_match {
            self.allows(key, &Mode::IfMatch(tag.clone()))?;
        }
        match version {
            None => self.fall(key),
            Some(version) => {
                let other = |it: &Object| it.key != *key || it.version.as_ref() != Some(version);
                self.live.retain(other);
                self.kept.retain(other);
            }
        }
        Ok(())
    }

    pub(super) fn list(&self, list: &List) -> Vec<(String, Option<(Tag, u64)>)> {
        let mut objects: Vec<_> = self.live.iter().collect();
        objects.sort_by(|a, b| a.key.as_str().as_bytes().cmp(b.key.as_str().as_bytes()));
        let mut entries: Vec<(String, Option<(Tag, u64)>)> = Vec::new();
        for object in objects {
            let key = object.key.as_str();
            let Some(rest) = key.strip_prefix(&*list.prefix) else { continue };
            let entry = match list.delimiter.as_ref().and_then(|it| rest.split_once(&**it)) {
                Some((segment, _)) => {
                    let end = list.delimiter.as_deref().unwrap();
                    (format!("{}{segment}{end}", list.prefix), None)
                }
                None => (key.to_owned(), Some((object.tag.clone(), object.size()))),
            };
            let is_behind =
                list.start_after.as_ref().is_none_or(|it| entry.0.as_bytes() > it.as_bytes());
            if is_behind && !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        entries.truncate(usize::try_from(list.limit.unwrap_or(u64::MAX)).unwrap());
        entries
    }

    pub(super) fn versions(&self, prefix: &str) -> Vec<(Key, VersionState, u64, Option<Tag>)> {
        let live = self.live.iter().map(|it| (it, VersionState::Current));
        let kept = self.kept.iter().rev().map(|it| (it, VersionState::Noncurrent));
        let all = live.chain(kept).filter(|(it, _)| it.key.as_str().starts_with(prefix));
        let mut all: Vec<_> = all
            .map(|(it, state)| (it.key.clone(), state, it.size(), Some(it.tag.clone())))
            .collect();
        // The newest of a key stay first.
        all.sort_by(|a, b| a.0.as_str().as_bytes().cmp(b.0.as_str().as_bytes()));
        all
    }

    pub(super) fn start(&mut self, key: Key, id: String, properties: Properties) {
        self.uploads.push(Pending { key, id, properties, parts: Vec::new() });
    }

    fn pending(&mut self, id: &str) -> Result<&mut Pending, Failed> {
        self.uploads.iter_mut().find(|it| it.id == id).ok_or(Failed(ErrorKind::NotFound))
    }

    pub(super) fn part(
        &mut self,
        id: &str,
        number: u32,
        body: Bytes,
        tag: Option<Tag>,
    ) -> Result<(), Failed> {
        let pending = self.pending(id)?;
        pending.parts.retain(|it| it.0 != number);
        pending.parts.push((number, body, tag.unwrap_or_else(|| Tag::new("refused"))));
        pending.parts.sort_by_key(|it| it.0);
        Ok(())
    }

    pub(super) fn parts(&mut self, id: &str) -> Result<Vec<(u32, u64, Tag)>, Failed> {
        let view = |it: &(u32, Bytes, Tag)| (it.0, it.1.len() as u64, it.2.clone());
        Ok(self.pending(id)?.parts.iter().map(view).collect())
    }

    pub(super) fn uploads(&self) -> Vec<(Key, String)> {
        let mut all: Vec<_> =
            self.uploads.iter().map(|it| (it.key.clone(), it.id.clone())).collect();
        all.sort_by(|a, b| a.0.as_str().as_bytes().cmp(b.0.as_str().as_bytes()));
        all
    }

    /// What the upload has made, as long as nobody has replaced it.
    pub(super) fn completed(&self, id: &str) -> Option<&Object> {
        self.live.iter().find(|it| it.upload.as_deref() == Some(id))
    }

    pub(super) fn complete(
        &mut self,
        id: &str,
        parts: &[Part],
        mode: &Mode,
        fresh: Made,
    ) -> Result<Object, Failed> {
        const LEAST: u64 = 5 << 20;
        let invalid = Err(Failed(ErrorKind::Invalid));
        let sorted = parts.is_sorted_by(|a, b| a.number < b.number);
        let small = parts.iter().rev().skip(1).any(|it| it.size < LEAST);
        if parts.is_empty() || !sorted || small {
            return invalid;
        }
        if let Some(object) = self.completed(id) {
            return Ok(object.clone());
        }
        let pending = self.pending(id)?;
        let mut pieces = Vec::new();
        for part in parts {
            let number = part.number.get();
            match pending.parts.iter().find(|it| it.0 == number) {
                Some((_, body, tag)) if *tag == part.tag => pieces.push(body.clone()),
                _ => return invalid,
            }
        }
        let (key, properties) = (pending.key.clone(), pending.properties.clone());
        let (tag, upload) = (Tag::new("none"), Some(id.to_owned()));
        let object = Object { key, pieces, properties, tag, version: None, upload };
        let object = self.write(object, mode, fresh)?;
        self.uploads.retain(|it| it.id != id);
        Ok(object)
    }

    pub(super) fn abort(&mut self, id: &str) {
        self.uploads.retain(|it| it.id != id);
    }
}
