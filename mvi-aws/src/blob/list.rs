//! A bucket's objects, in order.

use std::{borrow::Cow, sync::Arc};

use aws_sdk_s3::types::EncodingType;
use futures::{Stream, TryStreamExt as _, stream};
use mvi_core::{
    Applied, Error, ErrorKind, Result,
    blob::{Entry, Key, List, Listed, Tag},
};

use super::{Inner, lane::Ask, unknown, xml};
use crate::attempt::Repeat;

/// The most entries of one page.
const MAX_PAGE: u64 = 1_000;

/// How a page writes its keys: as in a URL, where it says so, since not all can stand in XML as they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    as_in_url: bool,
}

impl Written {
    pub(super) fn as_said(encoding: Option<&EncodingType>) -> Self {
        Self { as_in_url: encoding == Some(&EncodingType::Url) }
    }

    pub(super) fn read(self, text: String) -> String {
        match self.plain(&text) {
            Some(plain) => plain,
            None => text,
        }
    }

    fn read_lent(self, text: Cow<'_, str>) -> Cow<'_, str> {
        match self.plain(&text) {
            Some(plain) => plain.into(),
            None => text,
        }
    }

    /// What it means, where it does not stand as it is.
    fn plain(self, text: &str) -> Option<String> {
        if !self.as_in_url || !text.bytes().any(|b| matches!(b, b'%' | b'+')) {
            return None;
        }
        let mut plain = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let [first, after @ ..] = rest {
            let hex = |at: usize| after.get(at).and_then(|b| char::from(*b).to_digit(16));
            let byte = match (first, hex(0), hex(1)) {
                (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
                _ => None,
            };
            rest = if byte.is_some() { &after[2..] } else { after };
            plain.push(byte.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        }
        String::from_utf8(plain).ok()
    }
}

pub(super) fn list(
    inner: Arc<Inner>,
    request: List,
) -> impl Stream<Item = Result<Entry>> + Send + 'static {
    let opened = async move {
        request.check()?;
        let left = request.limit.unwrap_or(u64::MAX);
        Ok::<_, Error>(Listing { inner, request, left, token: None, done: false })
    };
    let read = |mut listing: Listing| async move {
        let page = listing.page().await.map_err(|e| e.with_applied(Applied::No))?;
        Ok::<_, Error>(page.map(|page| (stream::iter(page.into_iter().map(Ok)), listing)))
    };
    stream::once(opened).map_ok(move |it| stream::try_unfold(it, read).try_flatten()).try_flatten()
}

struct Listing {
    inner: Arc<Inner>,
    request: List,
    left: u64,
    token: Option<String>,
    done: bool,
}

impl Listing {
    /// The entries of the next page, which may have none and not be the last.
    async fn page(&mut self) -> Result<Option<Vec<Entry>>> {
        if self.done || self.left == 0 {
            return Ok(None);
        }
        let List { bucket, prefix, delimiter, start_after, limit: _, page } = &self.request;
        let start_after = start_after.as_deref().unwrap_or_default();
        // Where entries are skipped, more are asked for on the next page.
        let most = page.map_or(MAX_PAGE, |it| u64::from(it.get())).min(self.left).min(MAX_PAGE);
        let most = most.to_string();
        let mut ask = Ask::new("ListObjectsV2", "GET", bucket.as_str(), None, Repeat::Read);
        // In the order of their names.
        for (name, value) in [
            ("continuation-token", self.token.as_deref()),
            ("delimiter", delimiter.as_deref()),
            ("encoding-type", Some("url")),
            ("list-type", Some("2")),
            ("max-keys", Some(most.as_str())),
            ("prefix", Some(prefix.as_str()).filter(|it| !it.is_empty())),
            ("start-after", Some(start_after).filter(|it| !it.is_empty())),
        ] {
            if let Some(value) = value {
                ask = ask.param(name, value);
            }
        }
        let answer = self.inner.lane.send(&ask).await?;
        let page = xml::page(answer.bytes()).map_err(|e| {
            let message = "the answer to ListObjectsV2 could not be read";
            Error::new(ErrorKind::Internal, message).with_source(e)
        })?;
        self.done = !page.is_truncated;
        self.token = page.next;
        if page.is_truncated && self.token.is_none() {
            return Err(unknown("a page without the next"));
        }
        let written = Written { as_in_url: page.as_in_url };
        let mut entries = merged(page.objects, page.prefixes, written, start_after)?;
        entries.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= entries.len() as u64;
        Ok(Some(entries))
    }
}

/// The objects and the prefixes of a page, in one order. A prefix that is not greater than `start_after` has objects that are.
fn merged(
    objects: Vec<xml::Found<'_>>,
    prefixes: Vec<Cow<'_, str>>,
    written: Written,
    start_after: &str,
) -> Result<Vec<Entry>> {
    let mut entries = Vec::with_capacity(objects.len() + prefixes.len());
    let mut prefixes = prefixes.into_iter().map(|it| written.read_lent(it).into_owned());
    let mut prefix = prefixes.next();
    for object in objects {
        let Some(name) = object.key else { return Err(unknown("an object without a key")) };
        let name = written.read_lent(name);
        while let Some(next) = prefix.take_if(|it| it.as_str() < &*name) {
            if next.as_str() > start_after {
                entries.push(Entry::Prefix(next));
            }
            prefix = prefixes.next();
        }
        // What is no key of ours is no object of ours.
        let Ok(key) = Key::new(&name) else { continue };
        let (Some(size), Some(tag)) = (object.size, object.tag) else {
            return Err(unknown("an object without its size or ETag"));
        };
        let mut listed = Listed::new(key, size, Tag::new(tag));
        listed.modified = object.modified;
        entries.push(Entry::Object(listed));
    }
    let rest = prefix.into_iter().chain(prefixes);
    entries.extend(rest.filter(|it| it.as_str() > start_after).map(Entry::Prefix));
    Ok(entries)
}
