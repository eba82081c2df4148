//! Any [`Blob`] as an [`object_store::ObjectStore`], so that what is built on that can use any cloud.

mod error;
mod upload;

use std::{fmt, ops::Range, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use object_store::{
    Attribute, Attributes, CopyMode, CopyOptions, Error as StoreError, GetOptions, GetRange,
    GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, RenameTargetMode,
    Result as StoreResult, TagSet, UpdateVersion, path::Path,
};

use self::{
    error::{Conflict, generic, store_error, two},
    upload::Writing,
};
use super::{
    Blob, BlobExt, Body, ByteRange, Copy, DeleteMany, Entry, Get, GetRanges, Head, Key, List, Meta,
    Metadata, Mode, Properties, Put, Rename, Source, Tag, VersionId, many::CHUNK,
};
use crate::{BucketName, Error, ErrorKind};

/// One bucket of a [`Blob`], or what is below a prefix of it, as an [`ObjectStore`]; with mvi-core's feature `object_store`.
///
/// What it can't do is an error, and never left out: [`NotImplemented`](StoreError::NotImplemented) for tags, and for attributes that have no place in
/// [`Properties`]; [`NotSupported`](StoreError::NotSupported) for an update without a tag. Of an [`UpdateVersion`] the tag
/// decides; the version is not looked at. The time of what a provider has not said is 1970. A copy is encrypted by the provider's key.
///
/// An upload in parts takes parts of any size, and keeps what is less than 5 MiB in memory until there is more. One that is neither
/// completed nor aborted stays in [`Blob::uploads`].
///
/// An upload in parts is of at least 48.8 GiB at most, 10,000 parts of 5 MiB: whoever writes more says larger ones.
///
/// A listing ends with an error at a key that is no [`Path`], such as `a//b` or `a/`. The errors' sources are [`Error`]s, and
/// an [`Error`] can be made of such an error again.
///
/// ```
/// use std::sync::Arc;
/// use mvi_core::{Blob, BucketName, blob::Store};
/// use object_store::ObjectStore;
///
/// fn tables(blob: Arc<dyn Blob>) -> mvi_core::Result<Arc<dyn ObjectStore>> {
///     let bucket = BucketName::new("acme-7f3-data")?;
///     Ok(Arc::new(Store::new(blob, bucket).prefix("tables/")))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Store {
    blob: Arc<dyn Blob>,
    bucket: BucketName,
    prefix: String,
}

impl Store {
    /// All of `bucket`.
    pub fn new(blob: Arc<dyn Blob>, bucket: BucketName) -> Self {
        Self { blob, bucket, prefix: String::new() }
    }

    /// Only what is below `prefix`, which stands before each path as it is: a directory's ends with `/`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    fn key(&self, path: &Path) -> StoreResult<Key> {
        let key = Key::new(format!("{}{path}", self.prefix));
        key.map_err(|e| store_error(e, path.as_ref(), Conflict::Precondition))
    }

    /// What the keys below a path start with.
    fn below(&self, path: Option<&Path>) -> String {
        match path {
            Some(path) if !path.as_ref().is_empty() => format!("{}{path}/", self.prefix),
            _ => self.prefix.clone(),
        }
    }

    fn listed(&self, list: List) -> BoxStream<'static, StoreResult<Listing>> {
        let prefix = self.prefix.clone();
        let entries = self.blob.list(list);
        entries
            .map(move |entry| {
                let entry = entry.map_err(|e| store_error(e, "", Conflict::Precondition))?;
                let text = entry.as_str().strip_prefix(&*prefix).unwrap_or_default();
                let text = match entry {
                    Entry::Object(_) => text,
                    Entry::Prefix(_) => text.strip_suffix('/').unwrap_or(text),
                };
                let path = Path::parse(text)?;
                if path.as_ref() != text {
                    let message = format!("the key {:?} can't be a path", entry.as_str());
                    return Err(generic(Error::invalid(message)));
                }
                Ok(match entry {
                    Entry::Prefix(_) => Listing::Prefix(path),
                    Entry::Object(it) => Listing::Object(ObjectMeta {
                        location: path,
                        last_modified: SystemTime::from(it.modified.unwrap_or_default()).into(),
                        size: it.size,
                        e_tag: Some(it.tag.as_str().to_owned()),
                        version: None,
                    }),
                })
            })
            .boxed()
    }

    fn objects(&self, list: List) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        let only = |it| async move {
            Ok(match it {
                Listing::Object(meta) => Some(meta),
                Listing::Prefix(_) => None,
            })
        };
        self.listed(list).try_filter_map(only).boxed()
    }

    /// A copy or a rename onto itself, which a [`Blob`] refuses: nothing is to be done, as long as it is there.
    async fn itself(&self, path: &Path, mode: &Mode) -> StoreResult<()> {
        let head = Head::new(self.bucket.clone(), self.key(path)?);
        let found = self.blob.head(head).await;
        found.map_err(|e| store_error(e, path.as_ref(), Conflict::Precondition))?;
        if *mode == Mode::IfAbsent {
            let error = Error::conflict("it is there already").at("blob.copy", &self.bucket);
            return Err(store_error(error, path.as_ref(), Conflict::Exists));
        }
        Ok(())
    }
}

enum Listing {
    Object(ObjectMeta),
    Prefix(Path),
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({}/{})", self.bucket, self.prefix)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for Store {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> StoreResult<PutResult> {
        let PutOptions { mode, tags, attributes, extensions: _ } = opts;
        let (mode, conflict) = match mode {
            PutMode::Overwrite => (Mode::Always, Conflict::Precondition),
            PutMode::Create => (Mode::IfAbsent, Conflict::Exists),
            PutMode::Update(UpdateVersion { e_tag: Some(tag), version: _ }) => {
                (Mode::IfMatch(Tag::new(tag)), Conflict::Precondition)
            }
            PutMode::Update(UpdateVersion { e_tag: None, version: _ }) => {
                let source = Error::invalid("an update without a tag").into();
                return Err(StoreError::NotSupported { source });
            }
        };
        let is_update = matches!(mode, Mode::IfMatch(_));
        let properties = properties(&tags, &attributes)?;
        let put = Put::new(self.bucket.clone(), self.key(location)?);
        let put = put.mode(mode).properties(properties);
        let meta = self.blob.put(put, Body::Bytes(payload.into())).await.map_err(|e| {
            // To update what is not there is not to have it as it was, whatever a provider calls it.
            if is_update && e.kind() == ErrorKind::NotFound {
                let path = location.to_string();
                return StoreError::Precondition { path, source: e.into() };
            }
            store_error(e, location.as_ref(), conflict)
        })?;
        Ok(put_result(&meta))
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        let PutMultipartOptions { tags, attributes, extensions: _ } = opts;
        let put = Put::new(self.bucket.clone(), self.key(location)?)
            .properties(properties(&tags, &attributes)?);
        let upload = self.blob.start_upload(put.upload()).await;
        let upload =
            upload.map_err(|e| store_error(e, location.as_ref(), Conflict::Precondition))?;
        let blob = Arc::clone(&self.blob);
        Ok(Box::new(Writing::new(blob, location.to_string(), put, upload)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        let GetOptions {
            if_match,
            if_none_match,
            if_modified_since,
            if_unmodified_since,
            range,
            version,
            head,
            extensions: _,
        } = &options;
        let mut get = Get::new(self.bucket.clone(), self.key(location)?);
        get.version = version.clone().map(VersionId::new);
        get.range = range.as_ref().map(|it| match it {
            GetRange::Bounded(range) => ByteRange::from(range.clone()),
            GetRange::Offset(start) => ByteRange::From(*start),
            GetRange::Suffix(bytes) => ByteRange::Last(*bytes),
        });
        // One tag is for the provider to hold; what it can't say is held against what it answers, before a byte is read.
        let mut conflict = Conflict::Precondition;
        match (if_match, if_none_match) {
            (Some(tag), None) if is_one(tag) => get.if_match = Some(Tag::new(tag.clone())),
            (None, Some(tag)) if is_one(tag) => {
                get.if_none_match = Some(Tag::new(tag.clone()));
                conflict = Conflict::NotModified;
            }
            _ => {}
        }
        let wrong = |e| store_error(e, location.as_ref(), conflict);
        let (meta, range, body) = if *head {
            let Get { bucket, key, range, version, if_match: _, if_none_match: _ } = get;
            let meta = self.blob.head(Head { bucket, key, version }).await.map_err(wrong)?;
            let range = match range {
                Some(range) => range.resolve(meta.size).map_err(wrong)?,
                None => 0..meta.size,
            };
            (meta, range, stream::empty().boxed())
        } else {
            let object = self.blob.get(get).await.map_err(wrong)?;
            (object.meta, object.range, object.body)
        };
        let dated = if_modified_since.is_some() || if_unmodified_since.is_some();
        if dated && meta.modified.is_none() {
            let source = Error::new(ErrorKind::Unsupported, "the provider says no time").into();
            return Err(StoreError::NotSupported { source });
        }
        let attributes = attributes(&meta.properties);
        let meta = object_meta(location.clone(), &meta);
        options.check_preconditions(&meta)?;
        let path = location.to_string();
        let body = body.map_err(move |e| store_error(e, &path, Conflict::Precondition)).boxed();
        Ok(GetResult {
            payload: GetResultPayload::Stream(body),
            meta,
            range,
            attributes,
            extensions: object_store::Extensions::default(),
        })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        let get = Get::new(self.bucket.clone(), self.key(location)?);
        let ranges = GetRanges::new(get).ranges(ranges.iter().cloned());
        let read = self.blob.get_ranges(ranges).await;
        read.map_err(|e| store_error(e, location.as_ref(), Conflict::Precondition))
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        let store = self.clone();
        locations
            .ready_chunks(CHUNK)
            .then(move |chunk| {
                let store = store.clone();
                async move { stream::iter(store.delete_chunk(chunk).await) }
            })
            .flatten()
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.objects(List::new(self.bucket.clone()).prefix(self.below(prefix)))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        let list = List::new(self.bucket.clone()).prefix(self.below(prefix));
        if offset.as_ref().is_empty() {
            return self.objects(list);
        }
        self.objects(list.start_after(format!("{}{offset}", self.prefix)))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        let list = List::new(self.bucket.clone()).prefix(self.below(prefix)).delimiter("/");
        let mut listed = self.listed(list);
        let (mut common_prefixes, mut objects) = (Vec::new(), Vec::new());
        while let Some(next) = listed.try_next().await? {
            match next {
                Listing::Prefix(path) => common_prefixes.push(path),
                Listing::Object(meta) => objects.push(meta),
            }
        }
        let extensions = object_store::Extensions::default();
        Ok(ListResult { common_prefixes, objects, extensions })
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        let CopyOptions { mode, extensions: _ } = options;
        let (mode, conflict) = match mode {
            CopyMode::Overwrite => (Mode::Always, Conflict::Precondition),
            CopyMode::Create => (Mode::IfAbsent, Conflict::Exists),
        };
        if from == to {
            return self.itself(from, &mode).await;
        }
        let source = Source::new(self.bucket.clone(), self.key(from)?);
        let copy = Copy::new(source, self.bucket.clone(), self.key(to)?).mode(mode);
        let copied = self.blob.copy(copy).await;
        copied.map(drop).map_err(|e| two(e, from, to, conflict))
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> StoreResult<()> {
        let RenameOptions { target_mode, extensions: _ } = options;
        let (mode, conflict) = match target_mode {
            RenameTargetMode::Overwrite => (Mode::Always, Conflict::Precondition),
            RenameTargetMode::Create => (Mode::IfAbsent, Conflict::Exists),
        };
        if from == to {
            return self.itself(from, &mode).await;
        }
        let key = self.key(to)?;
        let rename = Rename::new(self.bucket.clone(), self.key(from)?, key.clone()).mode(mode);
        let Err(e) = self.blob.rename(rename).await else { return Ok(()) };
        // What may have been copied was; and any conflict is of a source that somebody wrote to, but for a target that is there.
        let is_of_source = e.may_have_applied()
            || e.kind() == ErrorKind::Conflict
                && !(matches!(conflict, Conflict::Exists)
                    && self.blob.head(Head::new(self.bucket.clone(), key)).await.is_ok());
        Err(if is_of_source {
            store_error(e, from.as_ref(), Conflict::Precondition)
        } else {
            two(e, from, to, conflict)
        })
    }
}

impl Store {
    /// Removes what can be, and tells of each in its order.
    async fn delete_chunk(&self, chunk: Vec<StoreResult<Path>>) -> Vec<StoreResult<Path>> {
        let mut keys = Vec::new();
        let keyed: Vec<StoreResult<Path>> = chunk
            .into_iter()
            .map(|path| {
                let path = path?;
                keys.push(self.key(&path)?);
                Ok(path)
            })
            .collect();
        if keys.is_empty() {
            return keyed;
        }
        let deleted = self.blob.delete_many(DeleteMany::new(self.bucket.clone(), keys)).await;
        let mut outcomes = match deleted {
            Ok(outcomes) => outcomes.into_iter(),
            Err(error) => {
                let error = Arc::new(error);
                let told = |path: Path| {
                    let message = error.message().to_owned();
                    let same = error.retold(message).with_source(Arc::clone(&error));
                    Err(store_error(same, path.as_ref(), Conflict::Precondition))
                };
                return keyed.into_iter().map(|it| it.and_then(told)).collect();
            }
        };
        keyed
            .into_iter()
            .map(|path| {
                let path = path?;
                match outcomes.next() {
                    Some(Ok(())) => Ok(path),
                    Some(Err(e)) => Err(store_error(e, path.as_ref(), Conflict::Precondition)),
                    None => Err(generic(Error::new(ErrorKind::Internal, "no outcome"))),
                }
            })
            .collect()
    }
}

/// Whether a condition names one tag, and neither any nor several.
fn is_one(tag: &str) -> bool {
    !tag.is_empty() && tag != "*" && !tag.contains(',')
}

fn object_meta(location: Path, meta: &Meta) -> ObjectMeta {
    ObjectMeta {
        location,
        last_modified: SystemTime::from(meta.modified.unwrap_or_default()).into(),
        size: meta.size,
        e_tag: Some(meta.tag.as_str().to_owned()),
        version: meta.version.as_ref().map(|it| it.as_str().to_owned()),
    }
}

fn put_result(meta: &Meta) -> PutResult {
    PutResult {
        e_tag: Some(meta.tag.as_str().to_owned()),
        version: meta.version.as_ref().map(|it| it.as_str().to_owned()),
        extensions: object_store::Extensions::default(),
    }
}

fn properties(tags: &TagSet, attributes: &Attributes) -> StoreResult<Properties> {
    let none = |what: String| StoreError::NotImplemented {
        operation: format!("put with {what}"),
        implementer: "mvi".to_owned(),
    };
    if !tags.encoded().is_empty() {
        return Err(none("tags".to_owned()));
    }
    let mut properties = Properties::default();
    let mut metadata = Metadata::new();
    for (name, value) in attributes {
        let value = value.to_string();
        match name {
            Attribute::ContentType => properties.content_type = value.into(),
            Attribute::CacheControl => properties.cache_control = Some(value),
            Attribute::ContentDisposition => properties.content_disposition = Some(value),
            Attribute::Metadata(name) => {
                let place = |e: Error| none(format!("the metadata {name:?}: {}", e.message()));
                metadata = metadata.with(name.as_ref(), value).map_err(place)?;
            }
            other => return Err(none(format!("{other:?}"))),
        }
    }
    properties.metadata = metadata;
    properties.check().map_err(generic)?;
    Ok(properties)
}

fn attributes(properties: &Properties) -> Attributes {
    let Properties { content_type, cache_control, content_disposition, metadata } = properties;
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::ContentType, content_type.clone().into_owned().into());
    if let Some(it) = cache_control {
        attributes.insert(Attribute::CacheControl, it.clone().into());
    }
    if let Some(it) = content_disposition {
        attributes.insert(Attribute::ContentDisposition, it.clone().into());
    }
    for (name, value) in metadata.iter() {
        let name = Attribute::Metadata(name.to_owned().into());
        attributes.insert(name, value.to_owned().into());
    }
    attributes
}
