//! A sound Blob, and what breaks one of its promises.

mod lists;
mod objects;
mod uploads;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use mvi_core::{
    Blob, BucketName, Error, ErrorKind, Items, Labels, Result,
    blob::{
        Body, Bucket, Complete, Copy, CreateBucket, Delete, DeleteMany, Entry, Get, Head, Key,
        List, Meta, Method, Mode, Object, ObjectVersion, Part, PartNumber, Presign, Presigned, Put,
        Rule, StartUpload, Tag, Target, Upload, VersionState, Versioning, Versions,
    },
};

use super::Flaw;

/// A sound Blob that keeps all of its promises but one.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    blob: Arc<dyn Blob>,
    flaw: Option<Flaw>,
    memory: Arc<Mutex<Memory>>,
}

/// Where an object is.
type At = (BucketName, Key);

/// What a flaw remembers that a sound Blob would have forgotten.
#[derive(Debug, Default)]
struct Memory {
    tags: HashMap<At, Tag>,
    heads: HashMap<At, Meta>,
    reads: HashMap<At, (Meta, Bytes)>,
    lists: HashMap<(BucketName, String), Vec<Entry>>,
    /// The parts of uploads, as they came.
    parts: HashMap<String, Vec<(PartNumber, Bytes)>>,
    completed: Vec<Upload>,
}

impl Broken {
    pub(crate) fn new(blob: Arc<dyn Blob>, flaw: Option<Flaw>) -> Self {
        Self { blob, flaw, memory: Arc::default() }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn remember<R>(&self, act: impl FnOnce(&mut Memory) -> R) -> R {
        act(&mut self.memory.lock().unwrap())
    }

    /// What is there now.
    async fn found(&self, bucket: &BucketName, key: &Key) -> Result<Option<Meta>> {
        match self.blob.head(Head::new(bucket.clone(), key.clone())).await {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Whether `mode` holds now, which may be over before anything is written.
    async fn looks(&self, bucket: &BucketName, key: &Key, mode: &Mode) -> Result<()> {
        let found = self.found(bucket, key).await?;
        let holds = match mode {
            Mode::Always => true,
            Mode::IfAbsent => found.is_none(),
            Mode::IfMatch(tag) => found.is_some_and(|it| it.tag == *tag),
        };
        if holds {
            return Ok(());
        }
        Err(Error::conflict("it does not hold").at("blob.put", bucket))
    }

    /// Answers as it would be without the operation and the bucket.
    fn nameless<R>(&self, answer: Result<R>) -> Result<R> {
        match answer {
            Err(e) if self.has(Flaw::ErrorsAreNameless) => {
                Err(Error::new(e.kind(), "something failed"))
            }
            other => other,
        }
    }

    /// All that a bucket has, versions and all.
    async fn empty(&self, bucket: &BucketName) -> Result<()> {
        let all: Vec<_> = self.blob.versions(Versions::new(bucket.clone())).try_collect().await?;
        let targets = all.into_iter().map(|it| Target { key: it.key, version: Some(it.version) });
        self.blob.delete_many(DeleteMany::new(bucket.clone(), targets)).await.map(drop)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Blob for Broken {
    async fn create_bucket(&self, request: CreateBucket) -> Result<Bucket> {
        let name = request.name.clone();
        if self.has(Flaw::CreateRefusesARepeat) && self.blob.bucket(&name).await.is_ok() {
            let error = Error::new(ErrorKind::AlreadyExists, "it is there");
            return Err(error.at("blob.create_bucket", name));
        }
        match self.blob.create_bucket(request).await {
            Err(e)
                if e.kind() == ErrorKind::AlreadyExists
                    && self.has(Flaw::CreateTakesOtherLabels) =>
            {
                self.blob.bucket(&name).await
            }
            Ok(made) if self.has(Flaw::OffKeepsVersions) => {
                self.blob.set_versioning(&name, Versioning::On).await?;
                Ok(made)
            }
            answer => answer,
        }
    }

    async fn bucket(&self, name: &BucketName) -> Result<Bucket> {
        let mut found = self.blob.bucket(name).await?;
        match self.flaw {
            Some(Flaw::VersioningIsNotTold) => found.versioning = Versioning::Off,
            Some(Flaw::RulesAreForgotten) => found.lifecycle.clear(),
            _ => {}
        }
        Ok(found)
    }

    fn list_buckets(&self, labels: Labels) -> Items<Bucket> {
        let ignored = self.has(Flaw::BucketsAreListedWhateverTheirLabels);
        self.blob.list_buckets(if ignored { Labels::new() } else { labels })
    }

    async fn delete_bucket(&self, name: &BucketName) -> Result<()> {
        match self.flaw {
            Some(Flaw::DeletedBucketsAreKept) => return Ok(()),
            Some(Flaw::DeleteOfNoBucketFails) => drop(self.blob.bucket(name).await?),
            Some(Flaw::BucketsAreDeletedWithTheirObjects) => self.empty(name).await?,
            Some(Flaw::UploadsHoldTheBucket)
                if self.blob.uploads(name).next().await.is_some_and(|it| it.is_ok()) =>
            {
                return Err(Error::conflict("it has uploads").at("blob.delete_bucket", name));
            }
            _ => {}
        }
        self.blob.delete_bucket(name).await
    }

    async fn set_versioning(&self, bucket: &BucketName, to: Versioning) -> Result<()> {
        if self.has(Flaw::VersioningOffForgets) && to == Versioning::Off {
            let all: Vec<_> =
                self.blob.versions(Versions::new(bucket.clone())).try_collect().await?;
            for old in all.into_iter().filter(|it| it.state != VersionState::Current) {
                let delete = Delete::new(bucket.clone(), old.key).version(old.version);
                self.blob.delete(delete).await?;
            }
        }
        self.blob.set_versioning(bucket, to).await
    }

    async fn set_lifecycle(&self, bucket: &BucketName, mut rules: Vec<Rule>) -> Result<()> {
        match self.flaw {
            Some(Flaw::RulesAreAdded) => {
                let old = self.blob.bucket(bucket).await?.lifecycle;
                rules.extend(old.into_iter().filter(|it| !rules.contains(it)).collect::<Vec<_>>());
            }
            Some(Flaw::RulesLastAYear) => {
                for rule in &mut rules {
                    if let mvi_core::blob::Action::Expire { days } = &mut rule.action
                        && *days == 36_500
                    {
                        *days = 365;
                    }
                }
            }
            _ => {}
        }
        self.blob.set_lifecycle(bucket, rules).await
    }

    async fn put(&self, request: Put, body: Body) -> Result<Meta> {
        self.nameless(self.put_object(request, body).await)
    }

    async fn get(&self, request: Get) -> Result<Object> {
        self.nameless(self.get_object(request).await)
    }

    async fn head(&self, request: Head) -> Result<Meta> {
        self.nameless(self.head_object(request).await)
    }

    async fn delete(&self, request: Delete) -> Result<()> {
        self.nameless(self.delete_object(request).await)
    }

    async fn delete_many(&self, request: DeleteMany) -> Result<Vec<Result<()>>> {
        self.delete_objects(request).await
    }

    fn list(&self, request: List) -> Items<Entry> {
        self.list_objects(request)
    }

    async fn copy(&self, request: Copy) -> Result<Meta> {
        self.nameless(self.copy_object(request).await)
    }

    fn versions(&self, request: Versions) -> Items<ObjectVersion> {
        self.list_versions(request)
    }

    async fn start_upload(&self, request: StartUpload) -> Result<Upload> {
        self.start(request).await
    }

    async fn upload_part(&self, upload: &Upload, number: PartNumber, body: Body) -> Result<Part> {
        self.part(upload, number, body).await
    }

    async fn complete_upload(&self, request: Complete) -> Result<Meta> {
        self.complete(request).await
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<()> {
        self.abort(upload).await
    }

    fn parts(&self, upload: &Upload) -> Items<Part> {
        self.list_parts(upload)
    }

    fn uploads(&self, bucket: &BucketName) -> Items<Upload> {
        self.list_uploads(bucket)
    }

    async fn presign(&self, mut request: Presign) -> Result<Presigned> {
        const HOUR: Duration = Duration::from_hours(1);
        match self.flaw {
            Some(Flaw::UrlIsOfTheOtherMethod) => {
                request.method = match request.method {
                    Method::Get => Method::Put,
                    Method::Put => Method::Get,
                };
            }
            Some(Flaw::UrlWorksForAnHour) => request.expires = request.expires.min(HOUR),
            Some(Flaw::UrlIsOfAnyContentType) => request.content_type = None,
            _ => {}
        }
        let mut made = self.blob.presign(request).await?;
        if self.has(Flaw::UrlIsNotEscaped) {
            made.url = made.url.replace("%20", " ");
        }
        Ok(made)
    }
}

/// A stream of what is known.
fn known<T: Send + 'static>(items: Vec<T>) -> Items<T> {
    stream::iter(items.into_iter().map(Ok)).boxed()
}
