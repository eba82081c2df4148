//! Buckets: made once however often they are asked for, seen, listed, set, removed.
//!
//! The [stamp](mvi_core::ensure) and the labels are tags, set by the very request that creates the bucket.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_sdk_s3::types::{
    self, AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint,
    BucketVersioningStatus, CreateBucketConfiguration, ExpirationStatus, LifecycleExpiration,
    LifecycleRule, LifecycleRuleFilter, NoncurrentVersionExpiration, ObjectOwnership,
    PublicAccessBlockConfiguration, Tag, VersioningConfiguration,
};
use futures::{Stream, future, stream};
use mvi_core::{
    BucketName, Error, ErrorKind, Labels, Result,
    blob::{Action, Bucket, CreateBucket, Rule, Versioning},
    ensure::{self, Backend, Born, Life, Marks, Observed, Stamp, Unique, Wanted},
};

use super::{Inner, time, unbuilt, unknown};
use crate::{
    attempt::{Failure, Repeat, send},
    clock::now,
};

/// The region whose buckets [have no location constraint][source], and where a second `CreateBucket` is answered with 200.
///
/// [source]: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
const FIRST_REGION: &str = "us-east-1";
/// The rule that is MVI's own in every bucket.
const OWN_RULE: &str = "mvi-uploads";
/// How old an upload gets, in days.
const UPLOAD_DAYS: i32 = 7;

/// What the tags of a bucket say.
struct Tags {
    labels: Labels,
    marks: Marks,
}

impl Tags {
    fn read(tags: &[Tag]) -> Self {
        let mut labels = Labels::new();
        for tag in tags {
            // A tag that is no label is another program's.
            if let Ok(more) = labels.clone().with(&tag.key, &tag.value) {
                labels = more;
            }
        }
        Self { labels, marks: Marks::from_tags(tags.iter().map(|it| (&it.key, &it.value))) }
    }
}

impl Inner {
    pub(super) async fn create_bucket(&self, request: CreateBucket) -> Result<Bucket> {
        request.check()?;
        let fingerprint = request.fingerprint();
        let wanted = Wanted::new("blob.create_bucket", &request.name, &fingerprint);
        let creation = Creation {
            inner: self,
            request: &request,
            stamp: wanted.stamp.clone(),
            foreign: AtomicBool::new(false),
        };
        ensure::ensure(&creation, &wanted).await
    }

    pub(super) async fn bucket(&self, name: &BucketName) -> Result<Bucket> {
        self.look(name).await.map(|(bucket, _)| bucket)
    }

    /// Looks at a bucket: what is set of it, and whether it is ours.
    async fn look(&self, name: &BucketName) -> Result<(Bucket, Marks)> {
        let (tags, versioning, lifecycle) =
            future::try_join3(self.tags(name), self.versioning(name), self.lifecycle(name)).await?;
        let mut bucket = Bucket::new(name.clone());
        bucket.labels = tags.labels;
        bucket.versioning = versioning;
        bucket.lifecycle = rules_of(&lifecycle);
        Ok((bucket, tags.marks))
    }

    async fn tags(&self, name: &BucketName) -> Result<Tags> {
        let call = self.client.get_bucket_tagging().bucket(name.as_str());
        match send("GetBucketTagging", Repeat::Read, call.send()).await {
            Ok(answer) => Ok(Tags::read(&answer.tag_set)),
            Err(failure) => match failure.into_error() {
                e if e.code() == Some("NoSuchTagSet") => Ok(Tags::read(&[])),
                e => Err(e),
            },
        }
    }

    async fn versioning(&self, name: &BucketName) -> Result<Versioning> {
        let call = self.client.get_bucket_versioning().bucket(name.as_str());
        let answer = send("GetBucketVersioning", Repeat::Read, call.send())
            .await
            .map_err(Failure::into_error)?;
        Ok(match answer.status {
            Some(BucketVersioningStatus::Enabled) => Versioning::On,
            _ => Versioning::Off,
        })
    }

    async fn lifecycle(&self, name: &BucketName) -> Result<Vec<LifecycleRule>> {
        let call = self.client.get_bucket_lifecycle_configuration().bucket(name.as_str());
        match send("GetBucketLifecycleConfiguration", Repeat::Read, call.send()).await {
            Ok(answer) => Ok(answer.rules.unwrap_or_default()),
            Err(failure) => match failure.into_error() {
                e if e.code() == Some("NoSuchLifecycleConfiguration") => Ok(Vec::new()),
                e => Err(e),
            },
        }
    }

    pub(super) async fn delete_bucket(&self, name: &BucketName) -> Result<()> {
        let call = self.client.delete_bucket().bucket(name.as_str());
        match send("DeleteBucket", Repeat::Idempotent, call.send()).await {
            Ok(_) => Ok(()),
            Err(failure) => match failure.into_error() {
                e if e.kind() == ErrorKind::NotFound => Ok(()),
                e => Err(e),
            },
        }
    }

    pub(super) async fn set_versioning(&self, bucket: &BucketName, to: Versioning) -> Result<()> {
        let status = match to {
            Versioning::On => BucketVersioningStatus::Enabled,
            // What once had versions can never be without again.
            Versioning::Off => BucketVersioningStatus::Suspended,
        };
        let wanted = VersioningConfiguration::builder().status(status).build();
        let call = self
            .client
            .put_bucket_versioning()
            .bucket(bucket.as_str())
            .versioning_configuration(wanted);
        send("PutBucketVersioning", Repeat::Idempotent, call.send())
            .await
            .map(drop)
            .map_err(Failure::into_error)
    }

    pub(super) async fn set_lifecycle(&self, bucket: &BucketName, rules: Vec<Rule>) -> Result<()> {
        Rule::check_all(&rules)?;
        let rules: Result<Vec<_>> = rules.iter().enumerate().map(|(n, it)| rule(n, it)).collect();
        self.put_lifecycle(bucket, rules?).await
    }

    /// Sets `rules`, and our own.
    async fn put_lifecycle(
        &self,
        bucket: &BucketName,
        mut rules: Vec<LifecycleRule>,
    ) -> Result<()> {
        rules.push(own_rule()?);
        let wanted = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build();
        let call = self
            .client
            .put_bucket_lifecycle_configuration()
            .bucket(bucket.as_str())
            .lifecycle_configuration(wanted.map_err(unbuilt)?);
        send("PutBucketLifecycleConfiguration", Repeat::Idempotent, call.send())
            .await
            .map(drop)
            .map_err(Failure::into_error)
    }

    /// Closes a bucket to the public, whatever its policy or its objects will say.
    async fn close(&self, bucket: &BucketName) -> Result<()> {
        let closed = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        let call = self
            .client
            .put_public_access_block()
            .bucket(bucket.as_str())
            .public_access_block_configuration(closed);
        send("PutPublicAccessBlock", Repeat::Idempotent, call.send())
            .await
            .map(drop)
            .map_err(Failure::into_error)
    }
}

/// A rule as S3 has it. Its id is needed, and means nothing.
fn rule(n: usize, rule: &Rule) -> Result<LifecycleRule> {
    let Rule { prefix, action } = rule;
    let days = |days: u32| i32::try_from(days).unwrap_or(i32::MAX);
    let built = LifecycleRule::builder()
        .id(format!("mvi-{n}"))
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix(prefix).build());
    let built = match *action {
        Action::Expire { days: after } => {
            built.expiration(LifecycleExpiration::builder().days(days(after)).build())
        }
        Action::ExpireNoncurrent { days: after } => built.noncurrent_version_expiration(
            NoncurrentVersionExpiration::builder().noncurrent_days(days(after)).build(),
        ),
    };
    built.build().map_err(unbuilt)
}

/// Removes what is left of uploads after a week.
fn own_rule() -> Result<LifecycleRule> {
    LifecycleRule::builder()
        .id(OWN_RULE)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .abort_incomplete_multipart_upload(
            AbortIncompleteMultipartUpload::builder().days_after_initiation(UPLOAD_DAYS).build(),
        )
        .build()
        .map_err(unbuilt)
}

/// The rules that MVI knows. Another program's may say more, such as of tags and sizes, and are not told of then.
fn rules_of(rules: &[LifecycleRule]) -> Vec<Rule> {
    let mut found = Vec::with_capacity(rules.len());
    for rule in rules {
        if rule.status != ExpirationStatus::Enabled || rule.id.as_deref() == Some(OWN_RULE) {
            continue;
        }
        #[expect(deprecated, reason = "rules that older programs set have their prefix there")]
        let older = rule.prefix.as_deref();
        let prefix = match &rule.filter {
            None => older.unwrap_or_default(),
            Some(LifecycleRuleFilter {
                prefix,
                tag: None,
                object_size_greater_than: None,
                object_size_less_than: None,
                and: None,
                ..
            }) => prefix.as_deref().or(older).unwrap_or_default(),
            Some(_) => continue,
        };
        let days = |days: Option<i32>| days.and_then(|it| u32::try_from(it).ok());
        if let Some(days) = rule.expiration.as_ref().and_then(|it| days(it.days)) {
            found.push(Rule::expire(prefix, days));
        }
        let noncurrent = rule.noncurrent_version_expiration.as_ref();
        let noncurrent = noncurrent.filter(|it| it.newer_noncurrent_versions.is_none());
        if let Some(days) = noncurrent.and_then(|it| days(it.noncurrent_days)) {
            found.push(Rule::expire_noncurrent(prefix, days));
        }
    }
    found
}

/// A bucket in the making.
struct Creation<'a> {
    inner: &'a Inner,
    request: &'a CreateBucket,
    stamp: Stamp,
    /// Whether S3 has said that somebody else has the name.
    foreign: AtomicBool,
}

impl Backend for Creation<'_> {
    type Id = String;
    type Resource = Bucket;

    fn unique(&self) -> Unique {
        Unique::Name
    }

    async fn observe(&self) -> Result<Vec<Observed<String>>> {
        let name = &self.request.name;
        let seen = |marks| Ok(vec![Observed::new(name.to_string(), Life::Alive, marks)]);
        match self.inner.tags(name).await {
            Ok(tags) => seen(tags.marks),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            // It is in another region, and so has other settings.
            Err(e) if e.code() == Some("PermanentRedirect") => seen(Marks::default()),
            // Of a name that nobody has, too, S3 says no more to whoever may not read tags. To create it tells.
            Err(e) if e.kind() == ErrorKind::Forbidden => {
                if self.foreign.load(Ordering::Relaxed) {
                    return seen(Marks::default());
                }
                Ok(Vec::new())
            }
            Err(e) => Err(e),
        }
    }

    async fn create(&self, attempt: &ensure::Attempt) -> Result<String> {
        let CreateBucket { name, labels } = self.request;
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let marks = attempt.marks.tags().map(|(key, value)| tag(key, &value));
        let labels = labels.iter().map(|(key, value)| tag(key, value));
        let tags: Result<Vec<_>, _> = marks.chain(labels).collect();
        let place = Some(self.inner.region.as_str()).filter(|it| *it != FIRST_REGION);
        let settings = CreateBucketConfiguration::builder()
            .set_location_constraint(place.map(BucketLocationConstraint::from))
            .set_tags(Some(tags.map_err(unbuilt)?))
            .build();
        let call = self
            .inner
            .client
            .create_bucket()
            .bucket(name.as_str())
            .object_ownership(ObjectOwnership::BucketOwnerEnforced)
            .create_bucket_configuration(settings);
        match send("CreateBucket", Repeat::Idempotent, call.send()).await {
            // In the first region the same owner's second is answered as if it were the first.
            Ok(_) if place.is_none() => match self.inner.tags(name).await {
                Ok(tags) if tags.marks.stamp.as_ref().is_some_and(|it| *it != self.stamp) => {
                    let message = "it is there already, with other settings";
                    Err(Error::new(ErrorKind::AlreadyExists, message))
                }
                // What can't be seen now is looked at again when it is finished.
                _ => Ok(name.to_string()),
            },
            Ok(_) => Ok(name.to_string()),
            Err(failure) => {
                let error = failure.into_error();
                if error.code() == Some("BucketAlreadyExists") {
                    self.foreign.store(true, Ordering::Relaxed);
                }
                Err(error)
            }
        }
    }

    async fn finish(&self, _id: &String) -> Result<Bucket> {
        let name = &self.request.name;
        match self.inner.tags(name).await?.marks.stamp {
            Some(stamp) if stamp == self.stamp => {}
            Some(_) => {
                let message = "it is there already, with other settings";
                return Err(Error::new(ErrorKind::AlreadyExists, message));
            }
            // Without them nobody can tell whose it is.
            None => return Err(Error::conflict("a bucket whose tags can't be seen yet")),
        }
        self.inner.close(name).await?;
        let rules = self.inner.lifecycle(name).await?;
        if rules.iter().all(|it| it.id.as_deref() != Some(OWN_RULE)) {
            self.inner.put_lifecycle(name, rules).await?;
        }
        self.inner.bucket(name).await
    }

    async fn discard(&self, _id: &String) -> Result<()> {
        Err(unknown("a bucket that lost a race, though its name is unique"))
    }

    fn birth(&self) -> Born {
        // A name that is unique needs no birth; without random bytes the time alone has to do.
        Born::new(now(), getrandom::u64().unwrap_or_default())
    }
}

/// The buckets in this region that are ours and have all of `labels`.
pub(super) fn list(
    inner: Arc<Inner>,
    labels: Labels,
) -> impl Stream<Item = Result<Bucket>> + Send + 'static {
    let listing = Listing {
        inner,
        labels,
        found: VecDeque::new(),
        next: None,
        done: false,
        seen: false,
        denied: None,
    };
    stream::try_unfold(listing, |mut listing| async move {
        Ok(listing.bucket().await?.map(|bucket| (bucket, listing)))
    })
}

struct Listing {
    inner: Arc<Inner>,
    labels: Labels,
    found: VecDeque<types::Bucket>,
    next: Option<String>,
    done: bool,
    /// Whether there was one that could be looked at.
    seen: bool,
    /// Why another could not.
    denied: Option<Error>,
}

impl Listing {
    async fn bucket(&mut self) -> Result<Option<Bucket>> {
        loop {
            while let Some(types::Bucket { name, creation_date, .. }) = self.found.pop_front() {
                // A bucket of ours has a name that is one of ours.
                let Some(Ok(name)) = name.map(BucketName::new) else { continue };
                match self.inner.look(&name).await {
                    Ok((mut bucket, marks)) => {
                        self.seen = true;
                        if marks.stamp.is_some() && bucket.labels.contains(&self.labels) {
                            bucket.created = creation_date.and_then(time);
                            return Ok(Some(bucket));
                        }
                    }
                    // Removed since it was listed, or of another region.
                    Err(e) if e.kind() == ErrorKind::NotFound => {}
                    Err(e) if e.code() == Some("PermanentRedirect") => {}
                    // Its policy may keep us out of one; who may look at none is told so.
                    Err(e) if e.kind() == ErrorKind::Forbidden => self.denied = Some(e),
                    Err(e) => return Err(e),
                }
            }
            if self.done {
                return match self.denied.take() {
                    Some(denied) if !self.seen => Err(denied),
                    _ => Ok(None),
                };
            }
            let call = self
                .inner
                .client
                .list_buckets()
                .bucket_region(&self.inner.region)
                .max_buckets(1_000)
                .set_continuation_token(self.next.take());
            let answer = send("ListBuckets", Repeat::Read, call.send())
                .await
                .map_err(Failure::into_error)?;
            self.found.extend(answer.buckets.into_iter().flatten());
            self.next = answer.continuation_token;
            self.done = self.next.is_none();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_come_back_as_they_were_set() {
        let rules = [Rule::expire("tmp/", 1), Rule::expire_noncurrent("", 36_500)];
        let sent: Result<Vec<_>> = rules.iter().enumerate().map(|(n, it)| rule(n, it)).collect();
        let mut sent = sent.unwrap();
        sent.push(own_rule().unwrap());
        assert_eq!(rules_of(&sent), rules);
    }
}
