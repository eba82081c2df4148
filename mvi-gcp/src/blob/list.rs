//! Lists of objects and of versions, page by page, without what MVI hides.

use std::{collections::VecDeque, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use google_cloud_storage::model::{ListObjectsRequest, ListObjectsResponse, Object};
use mvi_core::{
    BucketName, Error, Items, Result,
    blob::{Entry, Key, List, ObjectVersion, Versions},
};

use super::{
    client::{Client, path},
    object,
};

/// The most that a page has, in Cloud Storage's own words.
const MOST_AT_ONCE: u32 = 1_000;

/// Pages of a list of objects.
pub(super) struct Pages {
    client: Arc<Client>,
    /// The next page; `None` where there is none.
    next: Option<ListObjectsRequest>,
}

impl Pages {
    pub(super) fn new(client: Arc<Client>, bucket: &BucketName) -> Self {
        let request = ListObjectsRequest::new().set_parent(path(bucket));
        Self { client, next: Some(request) }
    }

    /// Changes what is asked for.
    pub(super) fn with(
        mut self,
        change: impl FnOnce(ListObjectsRequest) -> ListObjectsRequest,
    ) -> Self {
        self.next = self.next.map(change);
        self
    }

    /// The next page, which may be empty; `None` behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<ListObjectsResponse>> {
        let Some(request) = self.next.take() else { return Ok(None) };
        let page = self.client.list_objects(self.client.deadline(), &request).await?;
        self.next = match page.next_page_token.as_str() {
            "" => None,
            token => Some(request.set_page_token(token)),
        };
        Ok(Some(page))
    }

    /// Leaves out what no caller sees, which sorts behind all keys.
    pub(super) fn seen(self) -> Self {
        self.with(|it| it.set_lexicographic_end(Key::HIDDEN.to_string()))
    }

    /// All objects, as they come.
    pub(super) fn objects(self) -> Items<Object> {
        stream::try_unfold(self, |mut pages| async move {
            Ok::<_, Error>(
                pages.next().await?.map(|page| (stream::iter(page.objects).map(Ok), pages)),
            )
        })
        .try_flatten()
        .boxed()
    }
}

/// Lists objects.
pub(super) fn list(client: Arc<Client>, request: List) -> Items<Entry> {
    if let Err(error) = request.check() {
        return stream::once(async { Err(error) }).boxed();
    }
    let List { bucket, prefix, delimiter, start_after, limit, page } = request;
    let most = limit.and_then(|it| u32::try_from(it).ok()).unwrap_or(MOST_AT_ONCE);
    let asked = page.map(std::num::NonZeroU32::get);
    // What is dropped for not being behind `start_after` is one entry, or two where the first is folded.
    let at_once = asked.unwrap_or(MOST_AT_ONCE).min(most.saturating_add(2)).min(MOST_AT_ONCE);
    let pages = Pages::new(client, &bucket).seen().with(|it| {
        let it = it.set_prefix(&prefix).set_delimiter(delimiter.unwrap_or_default());
        let it = it.set_lexicographic_start(start_after.clone().unwrap_or_default());
        match (asked, limit) {
            (None, None) => it,
            _ => it.set_page_size(i32::try_from(at_once.max(1)).unwrap_or(i32::MAX)),
        }
    });
    if limit == Some(0) {
        return stream::empty().boxed();
    }
    let entries = stream::try_unfold((pages, start_after), |(mut pages, mut last)| async move {
        let Some(page) = pages.next().await? else { return Ok::<_, Error>(None) };
        let mut entries = merged(page);
        // A prefix may be in two pages, and Cloud Storage includes the start.
        entries.dedup_by(|a, b| a.as_str() == b.as_str());
        if let Some(last) = &last {
            let known = entries.partition_point(|it| it.as_str() <= last.as_str());
            entries.drain(..known);
        }
        last = entries.last().map(|it| it.as_str().to_owned()).or(last);
        Ok(Some((stream::iter(entries).map(Ok), (pages, last))))
    });
    let entries = entries.try_flatten();
    match limit {
        Some(limit) => entries.take(usize::try_from(limit).unwrap_or(usize::MAX)).boxed(),
        None => entries.boxed(),
    }
}

/// A page's objects and prefixes in one order. What is no key is left out.
fn merged(page: ListObjectsResponse) -> Vec<Entry> {
    let mut all = Vec::with_capacity(page.objects.len() + page.prefixes.len());
    all.extend(page.objects.iter().filter_map(object::listed).map(Entry::Object));
    all.extend(page.prefixes.into_iter().map(Entry::Prefix));
    all.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    all
}

/// Lists versions: Cloud Storage gives those of one object in the order of their generations, we the newest first.
pub(super) fn versions(client: Arc<Client>, request: Versions) -> Items<ObjectVersion> {
    if let Err(error) = request.check() {
        return stream::once(async { Err(error) }).boxed();
    }
    let Versions { bucket, prefix, page } = request;
    let objects = Pages::new(client, &bucket).seen().with(|it| {
        let it = it.set_prefix(&prefix).set_versions(true);
        match page.map(|it| it.get().min(MOST_AT_ONCE)) {
            Some(page) => it.set_page_size(i32::try_from(page).unwrap_or(i32::MAX)),
            None => it,
        }
    });
    let start = (objects.objects(), Vec::<Object>::new(), false);
    let groups = stream::try_unfold(start, |(mut objects, mut group, ended)| async move {
        if ended {
            return Ok::<_, Error>(None);
        }
        loop {
            match objects.try_next().await? {
                Some(next) if group.first().is_none_or(|it: &Object| it.name == next.name) => {
                    group.push(next);
                }
                Some(next) => {
                    let whole = std::mem::replace(&mut group, vec![next]);
                    return Ok(Some((newest_first(whole), (objects, group, false))));
                }
                None => {
                    let whole = std::mem::take(&mut group);
                    return Ok(Some((newest_first(whole), (objects, group, true))));
                }
            }
        }
    });
    groups.map_ok(|group| stream::iter(group).map(Ok)).try_flatten().boxed()
}

/// The versions of one object.
fn newest_first(mut group: Vec<Object>) -> VecDeque<ObjectVersion> {
    group.sort_by_key(|it| std::cmp::Reverse(it.generation));
    group.iter().filter_map(object::version).collect()
}
