//! Buckets: what is asked for when one is made, whose it is, and changes that meet others.

use gcloud_sdk::{
    google::storage::v2::{
        Bucket, CreateBucketRequest,
        bucket::{
            Lifecycle,
            lifecycle::{
                Rule as WireRule,
                rule::{Action, Condition},
            },
        },
    },
    prost::Message as _,
};
use mvi_core::{
    Blob as _, ErrorKind, Labels,
    blob::{CreateBucket, Key, Rule, StartUpload, Versioning},
};

use super::{
    World, bucket,
    cloud::{ALREADY_EXISTS, FAILED_PRECONDITION, Fault},
    key,
};

fn wire(world: &World) -> Bucket {
    world.cloud.locked().buckets.values().next().unwrap().clone()
}

#[tokio::test]
async fn a_bucket_is_born_closed_in_one_request() {
    let world = World::new().await;
    let labels = Labels::new().with("app", "links").unwrap();
    world.gcp.blob.create_bucket(CreateBucket::new(bucket()).labels(labels.clone())).await.unwrap();
    let asked = world.grpc.calls().into_iter().find(|it| it.method == "CreateBucket").unwrap();
    let asked = CreateBucketRequest::decode(&*asked.body).unwrap();
    assert_eq!((asked.parent.as_str(), asked.bucket_id.as_str()), ("projects/_", "acme-7f3-logs"));
    let made = asked.bucket.unwrap();
    assert_eq!((made.project.as_str(), made.location.as_str()), ("projects/demo", "US"));
    let access = made.iam_config.unwrap();
    assert!(access.uniform_bucket_level_access.unwrap().enabled);
    assert_eq!(access.public_access_prevention, "enforced");
    let kept = made.soft_delete_policy.unwrap().retention_duration.unwrap();
    assert_eq!((kept.seconds, kept.nanos), (0, 0));
    let rules = made.lifecycle.unwrap().rule;
    let condition = rules[0].condition.clone().unwrap();
    assert_eq!(rules[0].action.clone().unwrap().r#type, "Delete");
    assert_eq!(condition.age_days, Some(7));
    assert_eq!(condition.matches_prefix, [Key::HIDDEN.to_string()]);
    assert_eq!(made.labels["app"], "links");
    assert!(made.labels["mvi-stamp"].starts_with("v1-"));
    assert_eq!(world.grpc.count("UpdateBucket"), 0);
    let found = world.gcp.blob.bucket(&bucket()).await.unwrap();
    assert_eq!((found.labels, found.lifecycle), (labels, vec![]));
}

#[tokio::test]
async fn a_name_that_another_has_is_taken() {
    let world = World::new().await;
    // Of another project, which a list of ours has not, whatever is written on it.
    world.cloud.befall("CreateBucket", (0..99).map(|_| Fault::Refuse(ALREADY_EXISTS)));
    let error = world.gcp.blob.create_bucket(CreateBucket::new(bucket())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    // Of our project, and not made by MVI.
    let world = World::new().await;
    let name = "projects/_/buckets/acme-7f3-logs".to_owned();
    let theirs =
        Bucket { name: name.clone(), bucket_id: "acme-7f3-logs".into(), ..Bucket::default() };
    world.cloud.locked().buckets.insert(name, theirs);
    let error = world.gcp.blob.create_bucket(CreateBucket::new(bucket())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
}

#[tokio::test]
async fn a_change_that_meets_another_reads_again_and_loses_neither() {
    let world = World::new().await;
    let blob = &world.gcp.blob;
    blob.create_bucket(CreateBucket::new(bucket())).await.unwrap();
    world.cloud.befall("UpdateBucket", (0..5).map(|_| Fault::Refuse(FAILED_PRECONDITION)));
    blob.set_versioning(&bucket(), Versioning::On).await.unwrap();
    assert_eq!(world.grpc.count("UpdateBucket"), 6);
    // What others set, and MVI has no words for, stays; so does what MVI itself needs.
    let colder = WireRule {
        action: Some(Action { r#type: "SetStorageClass".into(), storage_class: "NEARLINE".into() }),
        condition: Some(Condition { age_days: Some(30), ..Condition::default() }),
    };
    let name = wire(&world).name;
    let lifecycle = |rules| Some(Lifecycle { rule: rules });
    let mut all = wire(&world).lifecycle.unwrap().rule;
    all.push(colder.clone());
    world.cloud.locked().buckets.get_mut(&name).unwrap().lifecycle = lifecycle(all);
    let rules = vec![Rule::expire("tmp/", 1), Rule::expire_noncurrent("", 30)];
    blob.set_lifecycle(&bucket(), rules.clone()).await.unwrap();
    blob.set_lifecycle(&bucket(), rules.clone()).await.unwrap();
    let kept = wire(&world).lifecycle.unwrap().rule;
    assert_eq!(kept.len(), 4, "{kept:?}");
    assert!(kept.contains(&colder));
    let found = blob.bucket(&bucket()).await.unwrap();
    assert_eq!((found.lifecycle, found.versioning), (rules, Versioning::On));
    blob.set_lifecycle(&bucket(), vec![]).await.unwrap();
    assert_eq!(wire(&world).lifecycle.unwrap().rule.len(), 2);

    world.cloud.befall("UpdateBucket", (0..999).map(|_| Fault::Refuse(FAILED_PRECONDITION)));
    let error = blob.set_versioning(&bucket(), Versioning::Off).await.unwrap_err();
    assert_eq!((error.op(), error.kind()), ("blob.set_versioning", ErrorKind::Conflict));
}

#[tokio::test]
async fn a_bucket_goes_with_what_uploads_left_and_with_nothing_else() {
    let world = World::new().await;
    let blob = &world.gcp.blob;
    blob.create_bucket(CreateBucket::new(bucket())).await.unwrap();
    blob.start_upload(StartUpload::new(bucket(), key("key"))).await.unwrap();
    world.cloud.write("key", b"x");
    let error = blob.delete_bucket(&bucket()).await.unwrap_err();
    assert_eq!((error.op(), error.kind()), ("blob.delete_bucket", ErrorKind::Conflict));
    assert_eq!(world.cloud.names().len(), 2, "nothing was removed");
    world.cloud.locked().objects.remove("key");
    blob.delete_bucket(&bucket()).await.unwrap();
    assert!(world.cloud.names().is_empty());
    blob.delete_bucket(&bucket()).await.unwrap();
    // Whatever Cloud Storage calls a bucket that is not empty.
    world.cloud.befall("DeleteBucket", [Fault::Refuse(ALREADY_EXISTS)]);
    blob.delete_bucket(&bucket()).await.unwrap();
}
