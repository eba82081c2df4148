//! Buckets: closed, uniform, and with a rule of ours that removes what uploads leave behind.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use google_cloud_storage::model::{
    Bucket as WireBucket, CreateBucketRequest, DeleteBucketRequest, GetBucketRequest,
    ListBucketsRequest, UpdateBucketRequest,
    bucket::{
        IamConfig, Lifecycle, SoftDeletePolicy, Versioning as WireVersioning,
        iam_config::UniformBucketLevelAccess,
        lifecycle::{
            Rule as WireRule,
            rule::{Action as WireAction, Condition},
        },
    },
};
use google_cloud_wkt::{Duration, FieldMask};
use mvi_core::{
    BucketName, Error, ErrorKind, Items, Labels, Result,
    blob::{Action, Bucket, Key, Rule, Versioning},
    ensure::{Attempt, Backend, Born, Life, Marks, Observed, Unique},
};
use tokio::time::sleep;

use super::{
    client::{Client, path},
    list::Pages,
    object,
};
use crate::{attempt::pause, clock, config::CONTENTION};

/// After how many days what an upload left behind is removed.
const LEFTOVER_DAYS: i32 = 7;
/// How often to look for what is left in a bucket that is to be removed.
const ROUNDS: u32 = 3;

/// Makes a name that is no label of a caller's.
const OURS: &str = "mvi-";

pub(super) fn no_bucket() -> Error {
    Error::new(ErrorKind::NotFound, "no such bucket")
}

fn request(bucket: &BucketName) -> GetBucketRequest {
    GetBucketRequest::new().set_name(path(bucket))
}

/// The bucket called `name`.
pub(super) async fn find(client: &Client, name: &BucketName) -> Result<Bucket> {
    let found = client.get_bucket(client.deadline(), &request(name)).await?;
    read(found).ok_or_else(no_bucket)
}

/// Whether the bucket is there, as far as we may know.
///
/// # Errors
///
/// `NotFound` where it is not.
pub(super) async fn exists(client: &Client, name: &BucketName) -> Result<()> {
    match client.get_bucket(client.deadline(), &request(name)).await {
        // Whoever may only touch its objects may not see it.
        Err(e) if e.kind() != ErrorKind::Forbidden => Err(e),
        _ => Ok(()),
    }
}

/// A bucket as callers see it; none where its name is not one that MVI would give.
fn read(bucket: WireBucket) -> Option<Bucket> {
    let name = match bucket.bucket_id.as_str() {
        "" => bucket.name.rsplit('/').next().unwrap_or_default(),
        id => id,
    };
    let mut read = Bucket::new(BucketName::new(name).ok()?);
    read.labels = labels(&bucket);
    read.versioning = match bucket.versioning {
        Some(it) if it.enabled => Versioning::On,
        _ => Versioning::Off,
    };
    read.lifecycle = rules(bucket.lifecycle.unwrap_or_default().rule.iter());
    read.created = object::time(bucket.create_time);
    Some(read)
}

/// What its creator wrote on it. What others wrote there in forms that are not ours is left out, as is what is MVI's own.
fn labels(bucket: &WireBucket) -> Labels {
    let theirs = bucket.labels.iter().filter(|(key, _)| !key.starts_with(OURS));
    theirs.fold(Labels::new(), |all, (key, value)| match all.clone().with(key, value) {
        Ok(more) => more,
        Err(_) => all,
    })
}

/// The rule that removes what uploads leave behind.
fn own_rule() -> WireRule {
    let condition =
        Condition::new().set_age_days(LEFTOVER_DAYS).set_matches_prefix([Key::HIDDEN.to_string()]);
    WireRule::new().set_action(deletes()).set_condition(condition)
}

fn deletes() -> WireAction {
    WireAction::new().set_type("Delete")
}

fn wire_rule(rule: &Rule) -> WireRule {
    let Rule { prefix, action } = rule;
    let days = |days: u32| i32::try_from(days).unwrap_or(i32::MAX);
    let condition = match *action {
        Action::Expire { days: it } => Condition::new().set_age_days(days(it)).set_is_live(true),
        Action::ExpireNoncurrent { days: it } => {
            Condition::new().set_days_since_noncurrent_time(days(it))
        }
    };
    let condition = match prefix.as_str() {
        "" => condition,
        prefix => condition.set_matches_prefix([prefix]),
    };
    WireRule::new().set_action(deletes()).set_condition(condition)
}

/// What a rule of the bucket says in our words; nothing where it can't be said so, or is MVI's own.
fn said(rule: &WireRule) -> Vec<Rule> {
    let (Some(action), Some(condition)) = (&rule.action, &rule.condition) else {
        return Vec::new();
    };
    let days = |days: i32| u32::try_from(days).ok();
    let ours = match (condition.age_days, condition.days_since_noncurrent_time) {
        (Some(age), None) if condition.is_live != Some(false) => {
            days(age).map(|days| Action::Expire { days })
        }
        (None, Some(since)) if condition.is_live != Some(true) => {
            days(since).map(|days| Action::ExpireNoncurrent { days })
        }
        _ => None,
    };
    let Condition { age_days, is_live, days_since_noncurrent_time, matches_prefix, .. } = condition;
    let plain = Condition::new()
        .set_or_clear_age_days(*age_days)
        .set_or_clear_is_live(*is_live)
        .set_or_clear_days_since_noncurrent_time(*days_since_noncurrent_time)
        .set_matches_prefix(matches_prefix);
    let Some(action) = ours.filter(|_| action.r#type == "Delete" && plain == *condition) else {
        return Vec::new();
    };
    let rule = |prefix: &str| Rule { prefix: prefix.to_owned(), action };
    if matches_prefix.is_empty() {
        return vec![rule("")];
    }
    let seen = matches_prefix.iter().filter(|it| !it.starts_with(Key::HIDDEN));
    seen.map(|it| rule(it)).collect()
}

fn rules<'a>(rules: impl Iterator<Item = &'a WireRule>) -> Vec<Rule> {
    rules.flat_map(said).collect()
}

/// Streams the project's buckets with `wanted` labels. Cloud Storage can't look for labels; they are held here.
pub(super) fn list(client: Arc<Client>, wanted: Labels) -> Items<Bucket> {
    pages(client, String::new())
        .try_filter_map(move |bucket| {
            let fits = read(bucket).filter(|it| it.labels.contains(&wanted));
            async move { Ok(fits) }
        })
        .boxed()
}

/// The project's buckets whose names start with `prefix`.
fn pages(client: Arc<Client>, prefix: String) -> Items<WireBucket> {
    let first = ListBucketsRequest::new()
        .set_parent(format!("projects/{}", client.config().project))
        .set_prefix(prefix);
    stream::try_unfold(Some(first), move |next| {
        let client = Arc::clone(&client);
        async move {
            let Some(request) = next else { return Ok::<_, Error>(None) };
            let page = client.list_buckets(client.deadline(), &request).await?;
            let next = match page.next_page_token.as_str() {
                "" => None,
                token => Some(request.set_page_token(token)),
            };
            Ok(Some((stream::iter(page.buckets).map(Ok), next)))
        }
    })
    .try_flatten()
    .boxed()
}

/// Removes a bucket, and with it what uploads left in it.
pub(super) async fn remove(client: &Arc<Client>, name: &BucketName) -> Result<()> {
    let request = DeleteBucketRequest::new().set_name(path(name));
    let mut round = 0;
    loop {
        round += 1;
        match client.delete_bucket(client.deadline(), &request).await {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) if e.kind() == ErrorKind::Conflict && round < ROUNDS => {
                if !clear(client, name).await? {
                    return Err(e);
                }
            }
            removed => return removed,
        }
    }
}

/// Removes what is hidden, where nothing else is there.
async fn clear(client: &Arc<Client>, name: &BucketName) -> Result<bool> {
    let mut pages = Pages::new(Arc::clone(client), name).with(|it| it.set_versions(true));
    let mut hidden = Vec::new();
    while let Some(page) = pages.next().await? {
        for found in page.objects {
            if !found.name.starts_with(Key::HIDDEN) {
                return Ok(false);
            }
            hidden.push(found);
        }
    }
    super::upload::remove_all(client, name, hidden).await?;
    Ok(true)
}

/// Changes settings of a bucket as it is, again where others changed it meanwhile.
async fn change(
    client: &Client,
    name: &BucketName,
    field: &str,
    set: impl Fn(WireBucket, &WireBucket) -> WireBucket,
) -> Result<()> {
    let deadline = client.deadline();
    let mut round = 0;
    let mut refused = None;
    loop {
        round += 1;
        let changed = async {
            let known = client.get_bucket(deadline, &request(name)).await?;
            let update = UpdateBucketRequest::new()
                .set_bucket(set(WireBucket::new().set_name(path(name)), &known))
                .set_if_metageneration_match(known.metageneration)
                .set_update_mask(FieldMask::default().set_paths([field]));
            client.update_bucket(deadline, &update).await.map(|_| ())
        };
        match changed.await {
            // Refused, or done by an attempt whose answer was lost: once more changes nothing.
            Err(e) if e.kind() == ErrorKind::Conflict && round < CONTENTION.attempts => {
                refused = Some(e);
                sleep(pause(&CONTENTION, round)).await;
            }
            // The time was up before it was asked once more: what came before says why.
            Err(e) if e.kind() == ErrorKind::Timeout && !e.may_have_applied() => {
                return Err(refused.unwrap_or(e));
            }
            changed => return changed,
        }
    }
}

/// Says whether what is replaced or removed is kept.
pub(super) async fn set_versioning(
    client: &Client,
    name: &BucketName,
    to: Versioning,
) -> Result<()> {
    let enabled = to == Versioning::On;
    change(client, name, "versioning", |bucket, _| {
        bucket.set_versioning(WireVersioning::new().set_enabled(enabled))
    })
    .await
}

/// Says what is removed by itself. Rules of others that MVI has no words for, as those that move to another storage class, stay.
pub(super) async fn set_lifecycle(
    client: &Client,
    name: &BucketName,
    rules: &[Rule],
) -> Result<()> {
    Rule::check_all(rules)?;
    change(client, name, "lifecycle", |bucket, known| {
        let own = own_rule();
        let theirs = known.lifecycle.iter().flat_map(|it| &it.rule);
        let theirs = theirs.filter(|it| said(it).is_empty() && **it != own).cloned();
        let wanted = rules.iter().map(wire_rule);
        let all: Vec<_> = wanted.chain(theirs).chain([own.clone()]).collect();
        bucket.set_lifecycle(Lifecycle::new().set_rule(all))
    })
    .await
}

/// A bucket that is to be.
pub(super) struct NewBucket<'a> {
    pub(super) client: &'a Arc<Client>,
    pub(super) name: &'a BucketName,
    pub(super) labels: Labels,
}

impl Backend for NewBucket<'_> {
    type Id = String;
    type Resource = Bucket;

    fn unique(&self) -> Unique {
        Unique::Name
    }

    async fn observe(&self) -> Result<Vec<Observed<String>>> {
        // Only those of our own project: whoever takes the name elsewhere could write our stamp on it.
        let mut found = pages(Arc::clone(self.client), self.name.to_string());
        while let Some(bucket) = found.try_next().await? {
            if bucket.name.rsplit('/').next() == Some(self.name.as_str()) {
                let mut marks = Marks::from_tags(&bucket.labels);
                marks.name = Some(self.name.to_string());
                return Ok(vec![Observed::new(self.name.to_string(), Life::Alive, marks)]);
            }
        }
        Ok(Vec::new())
    }

    async fn create(&self, attempt: &Attempt) -> Result<String> {
        let config = self.client.config();
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let marks = attempt.marks.tags().map(|(key, value)| (key.to_owned(), value));
        let access = IamConfig::new()
            .set_uniform_bucket_level_access(UniformBucketLevelAccess::new().set_enabled(true))
            .set_public_access_prevention("enforced");
        let kept = SoftDeletePolicy::new().set_retention_duration(Duration::clamp(0, 0));
        let bucket = WireBucket::new()
            .set_project(format!("projects/{}", config.project))
            .set_location(&config.location)
            .set_labels(self.labels.iter().map(owned).chain(marks))
            .set_iam_config(access)
            .set_soft_delete_policy(kept)
            .set_lifecycle(Lifecycle::new().set_rule([own_rule()]));
        let create = CreateBucketRequest::new()
            .set_parent("projects/_")
            .set_bucket_id(self.name.as_str())
            .set_bucket(bucket);
        self.client.create_bucket(self.client.deadline(), &create).await?;
        Ok(self.name.to_string())
    }

    async fn finish(&self, _id: &String) -> Result<Bucket> {
        find(self.client, self.name).await
    }

    async fn discard(&self, _id: &String) -> Result<()> {
        // The name is what makes it unique, so there is never a second to discard.
        Ok(())
    }

    fn birth(&self) -> Born {
        Born::new(clock::now(), getrandom::u64().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_come_back_as_they_were_said() {
        let all = [
            Rule::expire("tmp/", 1),
            Rule::expire("", 30),
            Rule::expire_noncurrent("", 7),
            Rule::expire_noncurrent("a", 90),
        ];
        for rule in all {
            assert_eq!(said(&wire_rule(&rule)), [rule]);
        }
    }

    #[test]
    fn what_is_ours_or_has_no_words_is_not_shown() {
        assert_eq!(said(&own_rule()), []);
        let moves = WireAction::new().set_type("SetStorageClass").set_storage_class("NEARLINE");
        let aged = || Condition::new().set_age_days(30);
        let rule =
            |action, condition| said(&WireRule::new().set_action(action).set_condition(condition));
        assert_eq!(rule(moves, aged()), []);
        assert_eq!(rule(deletes(), aged().set_num_newer_versions(3)), []);
        assert_eq!(rule(deletes(), aged().set_is_live(false)), []);
        assert_eq!(rule(deletes(), aged()), [Rule::expire("", 30)]);
        let two = rule(deletes(), aged().set_matches_prefix(["a", "b"]));
        assert_eq!(two, [Rule::expire("a", 30), Rule::expire("b", 30)]);
    }

    #[test]
    fn labels_are_the_creators_own() {
        let written = [("app", "links"), ("mvi-stamp", "v1-00"), ("Ünder", "x")];
        let bucket = WireBucket::new().set_labels(written);
        assert_eq!(labels(&bucket), Labels::new().with("app", "links").unwrap());
    }
}
