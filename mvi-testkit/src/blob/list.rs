//! Lists of a bucket, page by page.

use std::ops::Bound;

use mvi_core::{
    Result,
    blob::{Entry, Key, List, Listed, ObjectVersion, Versions},
};

use super::{
    objects::{Objects, Stored, behind},
    store::Store,
};
use crate::sim::{
    shared::{Page, Progress},
    world::Turn,
};

impl Store {
    pub(super) fn list_page(
        &mut self,
        turn: &Turn<'_>,
        request: &List,
        progress: Progress<String>,
        left: Option<u64>,
    ) -> Result<Page<Entry, String>> {
        let List { bucket, prefix, delimiter, start_after, limit: _, page } = request;
        let room = self.served(turn, bucket)?;
        let (last, was_empty) = progress.place();
        let after = last.or_else(|| start_after.clone());
        let Some(size) = turn.page(*page, turn.weather.blob.pages(), was_empty) else {
            return Ok(Page::empty(after));
        };
        let size = left.map_or(size, |left| size.min(u32::try_from(left).unwrap_or(u32::MAX)));
        let entries = Entries {
            objects: &room.objects,
            prefix,
            delimiter: delimiter.as_deref(),
            after: after.as_deref(),
        };
        Ok(entries.page(size as usize))
    }

    pub(super) fn versions_page(
        &mut self,
        turn: &Turn<'_>,
        request: &Versions,
        progress: Progress<(Key, u64)>,
        _: Option<u64>,
    ) -> Result<Page<ObjectVersion, (Key, u64)>> {
        let Versions { bucket, prefix, page } = request;
        let room = self.served(turn, bucket)?;
        let (last, was_empty) = progress.place();
        let Some(size) = turn.page(*page, turn.weather.blob.pages(), was_empty) else {
            return Ok(Page::empty(last));
        };
        let lag = &turn.weather.blob.versions_lag;
        let moment = (!lag.end().is_zero()).then(|| turn.at().before(turn.world.draw(lag)));
        // A key may have more versions than a page: the next goes on with the same.
        let from = last.as_ref().map_or("", |(key, _)| key.as_str());
        let slots = room.objects.range(prefix, Some(Bound::Included(from)));
        let versions = slots.flat_map(|(key, slot)| {
            let versions = slot.versions(moment).into_iter();
            versions.map(move |(number, listed)| ((key.clone(), number), listed))
        });
        let unread = versions.filter(|((key, number), _)| {
            last.as_ref().is_none_or(|(last, before)| key != last || number < before)
        });
        Ok(Page::of(unread, size))
    }
}

/// What is to be listed, from where the last page ended.
struct Entries<'a> {
    objects: &'a Objects,
    prefix: &'a str,
    delimiter: Option<&'a str>,
    after: Option<&'a str>,
}

impl Entries<'_> {
    fn page(&self, size: usize) -> Page<Entry, String> {
        let mut found: Vec<Entry> = Vec::new();
        let from = self.after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut slots = self.objects.range(self.prefix, Some(from));
        while let Some((key, slot)) = slots.next() {
            let Some(live) = &slot.live else { continue };
            let folded = self.fold(key.as_str());
            // A prefix that is not behind where the list begins is not in it, whatever is under it.
            let skipped = folded.is_some_and(|it| self.after.is_some_and(|after| it <= after));
            if !skipped {
                if found.len() >= size {
                    let last = found.last().map(|it| it.as_str().to_owned());
                    let last = last.or_else(|| self.after.map(str::to_owned));
                    return Page { found, progress: Progress::After(last, false) };
                }
                found.push(match folded {
                    Some(prefix) => Entry::Prefix(prefix.to_owned()),
                    None => Entry::Object(listed(live)),
                });
            }
            if let Some(folded) = folded {
                let behind = behind(folded);
                slots = self.objects.range(self.prefix, behind.as_deref().map(Bound::Included));
            }
        }
        Page { found, progress: Progress::End }
    }

    /// What of a key stands for all that share it.
    fn fold<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter?;
        let at = key.get(self.prefix.len()..)?.find(delimiter)?;
        key.get(..self.prefix.len() + at + delimiter.len())
    }
}

fn listed(stored: &Stored) -> Listed {
    let mut listed = Listed::new(stored.key().clone(), stored.content.size, stored.tag().clone());
    listed.modified = stored.modified();
    listed
}
