//! What is broken of objects.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use mvi_core::{
    BlobExt as _, BucketName, Error, ErrorKind, Result,
    blob::{
        Body, ByteRange, Copy, Crc32c, Delete, DeleteMany, Entry, Get, Head, Key, List, Meta,
        Metadata, Mode, Object, Properties, Put, Versions,
    },
};
use tokio::time::sleep;

use super::{super::Flaw, Broken};

const MOST: usize = 64 << 20;
/// What goes in one request.
const REQUEST: usize = 8 << 20;

impl Broken {
    /// What the flaw makes of a key.
    fn key(&self, key: &Key) -> Key {
        let text = key.as_str();
        let text = match self.flaw {
            Some(Flaw::KeysAreDecoded) => text.replace("%20", " "),
            Some(Flaw::KeysIgnoreCase) => text.to_lowercase(),
            Some(Flaw::KeysAreNormalized) => text.replace("e\u{301}", "\u{e9}"),
            Some(Flaw::SlashesAreMerged) => text.replace("//", "/"),
            Some(Flaw::LeadingSlashIsDropped) => text.trim_start_matches('/').to_owned(),
            Some(Flaw::TrailingSlashIsDropped) => text.trim_end_matches('/').to_owned(),
            Some(Flaw::PlusIsABlank) => text.replace('+', " "),
            Some(Flaw::LongKeysAreCut) => text.chars().take(1_000).collect(),
            _ => return key.clone(),
        };
        Key::new(text).unwrap_or_else(|_| key.clone())
    }

    /// What the flaw makes of a body.
    async fn body(&self, body: Body) -> Result<Body> {
        Ok(match (self.flaw, body) {
            (Some(Flaw::LargeBodiesAreCut), Body::Bytes(bytes)) if bytes.len() > REQUEST => {
                bytes.slice(..REQUEST).into()
            }
            (Some(Flaw::OnceEndsAfterOneRequest), Body::Once(body)) => {
                let bytes = collected(body).await.0;
                bytes.slice(..bytes.len().min(REQUEST)).into()
            }
            (Some(Flaw::FailedBodiesAreStored), Body::Once(body)) => collected(body).await.0.into(),
            (Some(Flaw::ShortBodiesAreStored), Body::Replay(body)) => {
                collected(body.read(0..body.length())).await.0.into()
            }
            (Some(Flaw::EmptyBodiesAreRefused), Body::Bytes(bytes)) if bytes.is_empty() => {
                return Err(Error::invalid("an empty body"));
            }
            (_, body) => body,
        })
    }

    pub(super) async fn put_object(&self, mut put: Put, body: Body) -> Result<Meta> {
        let at = (put.bucket.clone(), put.key.clone());
        put.key = self.key(&put.key);
        let body = self.body(body).await.map_err(|e| e.at("blob.put", &put.bucket))?;
        let bytes = match &body {
            Body::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        };
        let large = bytes.as_ref().is_some_and(|it| it.len() > REQUEST);
        match self.flaw {
            Some(Flaw::PutForgetsItsMode) => put.mode = Mode::Always,
            Some(Flaw::LargePutForgetsItsMode) if large => put.mode = Mode::Always,
            Some(Flaw::IfMatchMeansPresent) => {
                if let Mode::IfMatch(tag) = &mut put.mode
                    && let Some(found) = self.found(&put.bucket, &put.key).await?
                {
                    *tag = found.tag;
                }
            }
            Some(Flaw::IfMatchOfNothingWrites)
                if matches!(put.mode, Mode::IfMatch(_))
                    && self.found(&put.bucket, &put.key).await?.is_none() =>
            {
                put.mode = Mode::Always;
            }
            Some(Flaw::PutLooksThenWrites) => {
                self.looks(&put.bucket, &put.key, &put.mode).await?;
                put.mode = Mode::Always;
            }
            Some(Flaw::ContentTypeIsDropped) => {
                put.properties.content_type = Properties::BINARY.into();
            }
            Some(Flaw::DispositionIsDropped) => put.properties.content_disposition = None,
            Some(Flaw::MetadataIsDropped) => put.properties.metadata = Metadata::new(),
            Some(Flaw::MetadataEndsAfterAKilobyte) => {
                let mut bytes = 0;
                let short = put.properties.metadata.iter().filter(|(name, value)| {
                    bytes += name.len() + value.len();
                    bytes <= 1_024
                });
                put.properties.metadata = Metadata::reported(short);
            }
            Some(Flaw::MetadataIsMerged) => {
                if let Some(old) = self.found(&put.bucket, &put.key).await? {
                    put.properties.metadata = merged(&old.properties, &put.properties);
                }
            }
            Some(Flaw::ChecksumIsNotChecked) => put.checksum = None,
            Some(Flaw::LargeChecksumIsNotChecked) if large => put.checksum = None,
            Some(Flaw::TheSameBytesAreNoVersion) => {
                let old = self.found(&put.bucket, &put.key).await?;
                if let (Some(old), Some(bytes)) = (old, &bytes)
                    && old.checksum == Some(Crc32c::of(bytes))
                {
                    return Ok(old);
                }
            }
            _ => {}
        }
        let mut meta = self.told(&at, self.blob.put(put, body).await?);
        if self.has(Flaw::ChecksumIsOfTheFirstRequest) && large {
            meta.checksum = bytes.map(|it| Crc32c::of(&it[..REQUEST]));
        }
        Ok(meta)
    }

    /// What is told of what is at a place.
    fn told(&self, at: &(BucketName, Key), mut meta: Meta) -> Meta {
        // Whoever confuses keys does not tell.
        meta.key = at.1.clone();
        if self.has(Flaw::TagsStay) {
            let first = meta.tag.clone();
            meta.tag = self.remember(|it| it.tags.entry(at.clone()).or_insert(first).clone());
        }
        meta
    }

    pub(super) async fn head_object(&self, mut head: Head) -> Result<Meta> {
        let at = (head.bucket.clone(), head.key.clone());
        head.key = self.key(&head.key);
        match self.flaw {
            Some(Flaw::HeadIgnoresTheVersion) => head.version = None,
            Some(Flaw::HeadIsOld) => {
                if let Some(old) = self.remember(|it| it.heads.get(&at).cloned()) {
                    return Ok(old);
                }
            }
            _ => {}
        }
        let meta = self.told(&at, self.blob.head(head).await?);
        self.remember(|it| it.heads.insert(at, meta.clone()));
        Ok(meta)
    }

    pub(super) async fn get_object(&self, mut get: Get) -> Result<Object> {
        let at = (get.bucket.clone(), get.key.clone());
        get.key = self.key(&get.key);
        let asked = get.clone();
        match (self.flaw, get.range) {
            (Some(Flaw::RangeEndIsIncluded), Some(ByteRange::Between(start, end))) => {
                get.range = Some(ByteRange::Between(start, end + 1));
            }
            (Some(Flaw::LastIsFirst), Some(ByteRange::Last(count))) => {
                get.range = Some(ByteRange::Between(0, count));
            }
            (Some(Flaw::RangeIsNotCut), Some(ByteRange::Between(_, end))) => {
                let found = self.found(&get.bucket, &get.key).await?;
                if found.is_some_and(|it| it.size < end) {
                    return Err(Error::invalid("a range too long").at("blob.get", &get.bucket));
                }
            }
            (Some(Flaw::RangeForgetsItsCondition), Some(_)) => {
                (get.if_match, get.if_none_match) = (None, None);
            }
            (Some(Flaw::GetForgetsIfMatch), _) => get.if_match = None,
            (Some(Flaw::GetForgetsIfNoneMatch), _) => get.if_none_match = None,
            (Some(Flaw::BothConditionsAreTaken), _) if get.if_match.is_some() => {
                get.if_none_match = None;
            }
            (Some(Flaw::GetIgnoresTheVersion), _) => get.version = None,
            (Some(Flaw::GetIsOld), None) if get.version.is_none() => {
                let object = self.blob.get(get).await?;
                let meta = object.meta.clone();
                let now = (meta, object.bytes(MOST).await?);
                // What the read before it saw.
                let old = self.remember(|it| it.reads.insert(at, now.clone())).unwrap_or(now);
                return Ok(whole(old.0, old.1));
            }
            (Some(Flaw::ReadsAreTorn), None) => return self.torn(get).await,
            (Some(Flaw::ReadsGoOnWithAnother), None) => return self.going_on(get).await,
            _ => {}
        }
        match self.blob.get(get).await {
            Err(e) if e.kind() == ErrorKind::NotFound && self.has(Flaw::NothingReadsAsEmpty) => {
                let tag = mvi_core::blob::Tag::new("none");
                Ok(whole(Meta::new(asked.key, 0, tag), Bytes::new()))
            }
            Err(e)
                if e.kind() == ErrorKind::NotFound
                    && self.has(Flaw::AVersionThatIsNotThereIsTheCurrent) =>
            {
                self.blob.get(Get { version: None, ..asked }).await
            }
            Err(e)
                if e.kind() == ErrorKind::Invalid && self.has(Flaw::RangeBehindTheEndIsEmpty) =>
            {
                let meta = self.blob.head(Head::new(asked.bucket, asked.key)).await?;
                let size = meta.size;
                Ok(Object::new(meta, size..size, stream::empty().boxed()))
            }
            Ok(mut object) => {
                object.meta = self.told(&at, object.meta.clone());
                if self.has(Flaw::SizeIsThatOfTheRange) {
                    object.meta.size = object.length();
                }
                Ok(object)
            }
            Err(e) => Err(e),
        }
    }

    /// Half of it now, and half of what is there later.
    async fn torn(&self, get: Get) -> Result<Object> {
        let object = self.blob.get(get.clone()).await?;
        let mut meta = object.meta.clone();
        let first = object.bytes(MOST).await?;
        sleep(Duration::from_millis(20)).await;
        let then = self.blob.get(get).await?.bytes(MOST).await?;
        let half = first.len() / 2;
        let mut both = BytesMut::from(&first[..half]);
        both.extend_from_slice(then.get(half..).unwrap_or_default());
        meta.size = both.len() as u64;
        Ok(whole(meta, both.freeze()))
    }

    /// A read that asks again for what is to come, whatever is there by then.
    async fn going_on(&self, get: Get) -> Result<Object> {
        const CHUNK: u64 = 65_536;
        let object = self.blob.get(get.clone()).await?;
        let (meta, size) = (object.meta.clone(), object.meta.size);
        let blob = std::sync::Arc::clone(&self.blob);
        let body = stream::try_unfold(0, move |offset| {
            let (blob, get) = (std::sync::Arc::clone(&blob), get.clone());
            async move {
                if offset >= size {
                    return Ok(None);
                }
                let end = size.min(offset + CHUNK);
                let part = blob.get_bytes(get.range(offset..end), MOST).await?;
                Ok(Some((part, end)))
            }
        });
        Ok(Object::new(meta, 0..size, body.boxed()))
    }

    pub(super) async fn delete_object(&self, mut delete: Delete) -> Result<()> {
        delete.key = self.key(&delete.key);
        let (bucket, key) = (delete.bucket.clone(), delete.key.clone());
        match self.flaw {
            Some(Flaw::DeleteOfNothingFails) if self.found(&bucket, &key).await?.is_none() => {
                return Err(Error::new(ErrorKind::NotFound, "none").at("blob.delete", bucket));
            }
            Some(Flaw::DeleteTakesThePrefix) => {
                let below = List::new(bucket.clone()).prefix(key.as_str());
                for entry in self.blob.list(below).try_collect::<Vec<_>>().await? {
                    if let Entry::Object(it) = entry {
                        self.blob.delete(Delete::new(bucket.clone(), it.key)).await?;
                    }
                }
            }
            Some(Flaw::DeleteForgetsItsCondition) => delete.if_match = None,
            Some(Flaw::BothConditionsAreTaken) if delete.version.is_some() => {
                delete.if_match = None;
            }
            Some(Flaw::DeleteIfMatchOfNothingSucceeds)
                if delete.if_match.is_some() && self.found(&bucket, &key).await?.is_none() =>
            {
                return Ok(());
            }
            Some(Flaw::DeleteLooksThenDeletes) => {
                if let Some(tag) = delete.if_match.take() {
                    self.looks(&bucket, &key, &Mode::IfMatch(tag)).await?;
                }
            }
            Some(Flaw::DeleteIgnoresTheVersion) => delete.version = None,
            Some(Flaw::DeleteTakesAllVersions) if delete.version.is_none() => {
                let all = self.blob.versions(Versions::new(bucket.clone()).prefix(key.as_str()));
                for old in all.try_collect::<Vec<_>>().await? {
                    let delete = Delete::new(bucket.clone(), old.key).version(old.version);
                    self.blob.delete(delete).await?;
                }
            }
            _ => {}
        }
        self.blob.delete(delete).await
    }

    pub(super) async fn delete_objects(&self, mut many: DeleteMany) -> Result<Vec<Result<()>>> {
        let asked = many.targets.len();
        match self.flaw {
            Some(Flaw::DeleteManyStopsAtAThousand) => many.targets.truncate(1_000),
            Some(Flaw::DeleteManyIgnoresVersions) => {
                many.targets.iter_mut().for_each(|it| it.version = None);
            }
            Some(Flaw::DeleteManyRefusesAKeyTwice) => {
                let keys: std::collections::HashSet<_> = many.targets.iter().collect();
                if keys.len() < many.targets.len() {
                    return Err(Error::invalid("twice").at("blob.delete_many", &many.bucket));
                }
            }
            Some(Flaw::DeleteManyFailsForWhatIsNotThere) => {
                let mut outcomes = Vec::new();
                for target in many.targets {
                    let found = self.found(&many.bucket, &target.key).await?;
                    outcomes.push(match found {
                        Some(_) => {
                            self.blob.delete(Delete::new(many.bucket.clone(), target.key)).await
                        }
                        None => Err(Error::new(ErrorKind::NotFound, "none")),
                    });
                }
                return Ok(outcomes);
            }
            _ => {}
        }
        let mut outcomes = self.blob.delete_many(many).await?;
        outcomes.resize_with(asked, || Ok(()));
        if self.has(Flaw::DeleteManyDropsAnOutcome) {
            outcomes.pop();
        }
        Ok(outcomes)
    }

    pub(super) async fn copy_object(&self, mut copy: Copy) -> Result<Meta> {
        let at = (copy.bucket.clone(), copy.key.clone());
        let source = Head::new(copy.source.bucket.clone(), copy.source.key.clone());
        let onto_itself = (&source.bucket, &source.key) == (&at.0, &at.1);
        copy.key = self.key(&copy.key);
        copy.source.key = self.key(&copy.source.key);
        match self.flaw {
            Some(Flaw::CopyDecodesItsSource) => {
                let decoded = copy.source.key.as_str().replace("%20", " ");
                copy.source.key = Key::new(decoded)?;
            }
            Some(Flaw::CopyDropsProperties) if copy.properties.is_none() => {
                copy.properties = Some(Properties::default());
            }
            Some(Flaw::CopyIsAlwaysBinary) if copy.properties.is_none() => {
                let properties = self.blob.head(source).await?.properties;
                copy.properties =
                    Some(Properties { content_type: Properties::BINARY.into(), ..properties });
            }
            Some(Flaw::CopyKeepsItsProperties) if !onto_itself => copy.properties = None,
            Some(Flaw::CopyMergesProperties) => {
                let old = self.found(&source.bucket, &source.key).await?;
                if let (Some(properties), Some(old)) = (&mut copy.properties, old) {
                    properties.metadata = merged(&old.properties, properties);
                }
            }
            Some(Flaw::CopyForgetsItsMode) => copy.mode = Mode::Always,
            Some(Flaw::CopyIgnoresSourceIfMatch) => copy.source.if_match = None,
            Some(Flaw::CopyIgnoresTheVersion) if copy.source.version.take().is_some() => {
                // What is there is what it is then.
                let found = self.blob.head(Head::new(at.0.clone(), at.1.clone())).await?;
                copy.properties = Some(found.properties);
            }
            Some(Flaw::CopyOntoItselfIsTaken) if onto_itself && copy.properties.is_none() => {
                return self.blob.head(Head::new(at.0, at.1)).await;
            }
            _ => {}
        }
        match self.blob.copy(copy).await {
            Err(e) if e.kind() == ErrorKind::NotFound && self.has(Flaw::CopyOfNothingIsEmpty) => {
                self.blob.put(Put::new(at.0, at.1), Body::empty()).await
            }
            Ok(meta) => Ok(self.told(&at, meta)),
            Err(e) => Err(e),
        }
    }
}

/// An object that is known whole.
fn whole(meta: Meta, bytes: Bytes) -> Object {
    let range = 0..bytes.len() as u64;
    Object::new(meta, range, stream::iter([Ok(bytes)]).boxed())
}

/// The metadata of both; where both have a name, the new one's.
fn merged(old: &Properties, new: &Properties) -> Metadata {
    Metadata::reported(old.metadata.iter().chain(new.metadata.iter()))
}

/// What comes of a body, and what it fails with.
pub(super) async fn collected(
    mut body: BoxStream<'static, Result<Bytes>>,
) -> (Bytes, Option<Error>) {
    let mut all = BytesMut::new();
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) => all.extend_from_slice(&chunk),
            Err(error) => return (all.freeze(), Some(error)),
        }
    }
    (all.freeze(), None)
}
