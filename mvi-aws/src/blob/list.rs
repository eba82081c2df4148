//! A bucket's objects, in order.

use std::{collections::VecDeque, sync::Arc};

use aws_sdk_s3::{
    operation::list_objects_v2::builders::ListObjectsV2FluentBuilder,
    types::{self, CommonPrefix, EncodingType},
};
use futures::{Stream, TryStreamExt as _, stream};
use mvi_core::{
    Error, Result,
    blob::{Entry, Key, List, Listed, Tag},
};

use super::{Inner, time, unknown};
use crate::attempt::{Failure, Repeat, send};

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
        if !self.as_in_url || !text.bytes().any(|b| matches!(b, b'%' | b'+')) {
            return text;
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
        String::from_utf8(plain).unwrap_or(text)
    }
}

pub(super) fn list(
    inner: Arc<Inner>,
    request: List,
) -> impl Stream<Item = Result<Entry>> + Send + 'static {
    let opened = async move {
        request.check()?;
        let List { bucket, prefix, delimiter, start_after, limit, page } = request;
        let call = inner
            .client
            .list_objects_v2()
            .bucket(bucket.as_str())
            .encoding_type(EncodingType::Url)
            .set_prefix(Some(prefix).filter(|it| !it.is_empty()))
            .set_delimiter(delimiter)
            .set_start_after(start_after.clone().filter(|it| !it.is_empty()));
        Ok::<_, Error>(Listing {
            call,
            start_after: start_after.unwrap_or_default(),
            left: limit.unwrap_or(u64::MAX),
            page: page.map(|it| u64::from(it.get())),
            token: None,
            done: false,
        })
    };
    let read = |mut listing: Listing| async move {
        let page = listing.page().await?;
        Ok::<_, Error>(page.map(|page| (stream::iter(page.into_iter().map(Ok)), listing)))
    };
    stream::once(opened).map_ok(move |it| stream::try_unfold(it, read).try_flatten()).try_flatten()
}

struct Listing {
    call: ListObjectsV2FluentBuilder,
    start_after: String,
    left: u64,
    page: Option<u64>,
    token: Option<String>,
    done: bool,
}

impl Listing {
    /// The entries of the next page, which may have none and not be the last.
    async fn page(&mut self) -> Result<Option<VecDeque<Entry>>> {
        if self.done || self.left == 0 {
            return Ok(None);
        }
        // Where entries are skipped, more are asked for on the next page.
        let most = self.page.unwrap_or(MAX_PAGE).min(self.left).min(MAX_PAGE);
        let call = self
            .call
            .clone()
            .set_continuation_token(self.token.take())
            .max_keys(i32::try_from(most).unwrap_or(i32::MAX));
        let answer =
            send("ListObjectsV2", Repeat::Read, call.send()).await.map_err(Failure::into_error)?;
        let (objects, prefixes) =
            (answer.contents.unwrap_or_default(), answer.common_prefixes.unwrap_or_default());
        let written = Written::as_said(answer.encoding_type.as_ref());
        let mut entries = merged(objects, prefixes, written, &self.start_after)?;
        entries.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= entries.len() as u64;
        if answer.is_truncated == Some(true) {
            let token = answer.next_continuation_token;
            self.token = Some(token.ok_or_else(|| unknown("a page without the next"))?);
        } else {
            self.done = true;
        }
        Ok(Some(entries))
    }
}

/// The objects and the prefixes of a page, in one order. A prefix that is not greater than `start_after` has objects that are.
fn merged(
    objects: Vec<types::Object>,
    prefixes: Vec<CommonPrefix>,
    written: Written,
    start_after: &str,
) -> Result<VecDeque<Entry>> {
    let mut entries = VecDeque::with_capacity(objects.len() + prefixes.len());
    let mut prefixes = prefixes.into_iter().filter_map(|it| it.prefix).peekable();
    let decoded_prefix = |it| written.read(it);
    let mut prefix = prefixes.next().map(decoded_prefix);
    for object in objects {
        let Some(name) = object.key else { return Err(unknown("an object without a key")) };
        let name = written.read(name);
        while let Some(next) = prefix.take_if(|it| it.as_str() < name.as_str()) {
            if next.as_str() > start_after {
                entries.push_back(Entry::Prefix(next));
            }
            prefix = prefixes.next().map(decoded_prefix);
        }
        // What is no key of ours is no object of ours.
        let Ok(key) = Key::new(&name) else { continue };
        let size = object.size.and_then(|it| u64::try_from(it).ok());
        let (Some(size), Some(tag)) = (size, object.e_tag) else {
            return Err(unknown("an object without its size or ETag"));
        };
        let mut listed = Listed::new(key, size, Tag::new(tag));
        listed.modified = object.last_modified.and_then(time);
        entries.push_back(Entry::Object(listed));
    }
    let rest = prefix.into_iter().chain(prefixes.map(decoded_prefix));
    entries.extend(rest.filter(|it| it.as_str() > start_after).map(Entry::Prefix));
    Ok(entries)
}
