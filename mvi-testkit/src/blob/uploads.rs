//! Uploads that come in parts, and what each call does to them at its turn.

use std::{collections::BTreeMap, ops::Bound};

use mvi_core::{
    BucketName, Error, ErrorKind, Result,
    blob::{Complete, Key, Part, PartNumber, Properties, StartUpload, Tag, Upload},
};

use super::{
    content::Content,
    objects::{Stored, admit, tag},
    store::{Made, Store, arrive, supported},
};
use crate::{
    clock::Moment,
    sim::{
        shared::{Page, Progress, hex},
        world::Turn,
    },
};

/// Where an upload is: its key, then its id.
pub(super) type UploadPlace = (Key, Box<str>);

/// A bucket's uploads under way.
#[derive(Debug, Default)]
pub(super) struct Uploads(BTreeMap<UploadPlace, Pending>);

#[derive(Debug)]
struct Pending {
    properties: Properties,
    nonce: Box<str>,
    started: Moment,
    parts: BTreeMap<PartNumber, StoredPart>,
}

#[derive(Debug)]
struct StoredPart {
    tag: Tag,
    content: Content,
}

impl StoredPart {
    fn listed(&self, number: PartNumber) -> Part {
        let mut part = Part::new(number, self.content.size, self.tag.clone());
        part.checksum = Some(self.content.checksum);
        part
    }
}

impl Uploads {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Aborts those that started when `due` says so, and returns how many.
    pub(super) fn abort(&mut self, due: impl Fn(Moment) -> bool) -> usize {
        let before = self.0.len();
        self.0.retain(|_, it| !due(it.started));
        before - self.0.len()
    }

    fn find(&mut self, upload: &Upload) -> Result<&mut Pending> {
        self.0.get_mut(&place(upload)).ok_or_else(no_upload)
    }
}

impl Pending {
    /// All of `parts`, as they were said to be.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) where one is not there, or not so.
    fn content(&self, parts: &[Part]) -> Result<Content> {
        let stored = |part: &Part| {
            let number = part.number.get();
            let Some(found) = self.parts.get(&part.number) else {
                return Err(Error::invalid(format!("part {number} is not there")));
            };
            if found.tag != part.tag || found.content.size != part.size {
                let message = format!("part {number} is not there as it is said to be");
                return Err(Error::invalid(message));
            }
            Ok(&found.content)
        };
        let contents: Vec<_> = parts.iter().map(stored).collect::<Result<_>>()?;
        Ok(Content::join(contents))
    }
}

impl Store {
    pub(super) fn start_upload(&mut self, turn: &Turn<'_>, request: StartUpload) -> Result<Upload> {
        let StartUpload { bucket, key, properties, encryption } = request;
        let room = self.served(turn, &bucket)?;
        supported(&encryption)?;
        let mut upload = Upload::new(bucket, key, text(turn));
        let nonce = text(turn);
        (upload.nonce, upload.started) = (Some(nonce.clone()), Some(turn.now()));
        let (nonce, started) = (nonce.into(), turn.at());
        let pending = Pending { properties, nonce, started, parts: BTreeMap::new() };
        room.uploads.0.insert(place(&upload), pending);
        room.sweep_later(turn.world, turn.at(), turn.weather);
        Ok(upload)
    }

    pub(super) fn upload_part(
        &mut self,
        turn: &Turn<'_>,
        (upload, number, content): (Upload, PartNumber, Content),
    ) -> Result<Part> {
        let pending = self.served(turn, &upload.bucket)?.uploads.find(&upload)?;
        arrive(turn)?;
        let stored = StoredPart { tag: tag(turn), content };
        let part = stored.listed(number);
        pending.parts.insert(number, stored);
        Ok(part)
    }

    pub(super) fn complete_upload(&mut self, turn: &Turn<'_>, request: Complete) -> Result<Made> {
        let wanted = request.whole_checksum();
        let Complete { upload, parts, mode, checksum: _ } = request;
        let room = self.served(turn, &upload.bucket)?;
        let Ok(pending) = room.uploads.find(&upload) else {
            // What was completed before is known by its nonce.
            let live = room.objects.live(&upload.key);
            let same = live
                .filter(|it| it.nonce.is_some() && it.nonce.as_deref() == upload.nonce.as_deref());
            return same.map(|it| room.made(it)).ok_or_else(no_upload);
        };
        if turn.world.chance(turn.weather.blob.lost_part) {
            let many = u32::try_from(parts.len()).unwrap_or(u32::MAX);
            pending.parts.remove(&parts[turn.world.pick(many) as usize].number);
        }
        let content = pending.content(&parts)?;
        if let Some(wanted) = wanted {
            content.expect(wanted)?;
        }
        admit(room.objects.live(&upload.key).map(|it| &**it), &mode)?;
        // From here on nothing fails.
        let Pending { properties, nonce, .. } =
            room.uploads.0.remove(&place(&upload)).ok_or_else(no_upload)?;
        room.write(turn, &upload.key, &mode, |key, number| {
            Stored::new(turn, key, content, properties, Some(nonce), number)
        })
    }

    pub(super) fn abort_upload(&mut self, turn: &Turn<'_>, upload: &Upload) -> Result<()> {
        self.served(turn, &upload.bucket)?.uploads.0.remove(&place(upload));
        Ok(())
    }

    pub(super) fn parts_page(
        &mut self,
        turn: &Turn<'_>,
        upload: &Upload,
        progress: Progress<PartNumber>,
        _: Option<u64>,
    ) -> Result<Page<Part, PartNumber>> {
        let pending = self.served(turn, &upload.bucket)?.uploads.find(upload)?;
        let (last, was_empty) = progress.place();
        let Some(size) = turn.page(None, turn.weather.blob.pages(), was_empty) else {
            return Ok(Page::empty(last));
        };
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let left = pending.parts.range((from, Bound::Unbounded));
        Ok(Page::of(left.map(|(number, it)| (*number, it.listed(*number))), size))
    }

    pub(super) fn uploads_page(
        &mut self,
        turn: &Turn<'_>,
        bucket: &BucketName,
        progress: Progress<UploadPlace>,
        _: Option<u64>,
    ) -> Result<Page<Upload, UploadPlace>> {
        let room = self.served(turn, bucket)?;
        let (last, was_empty) = progress.place();
        let Some(size) = turn.page(None, turn.weather.blob.pages(), was_empty) else {
            return Ok(Page::empty(last));
        };
        let from = last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let left = room.uploads.0.range((from, Bound::Unbounded)).map(|(place, pending)| {
            let mut upload = Upload::new(bucket.clone(), place.0.clone(), &*place.1);
            upload.started = Some(pending.started.timestamp());
            (place.clone(), upload)
        });
        Ok(Page::of(left, size))
    }
}

fn place(upload: &Upload) -> UploadPlace {
    (upload.key.clone(), upload.id.as_str().into())
}

fn text(turn: &Turn<'_>) -> String {
    String::from_utf8_lossy(&hex(turn.world.token())).into_owned()
}

fn no_upload() -> Error {
    Error::new(ErrorKind::NotFound, "no such upload")
}
