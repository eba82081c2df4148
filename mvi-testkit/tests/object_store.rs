//! The simulated Blob behind mvi-core's adapter to `object_store`, held against that crate's own tests: what others expect of a store.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::sync::Arc;

use futures::TryStreamExt as _;
use mvi_core::{
    Blob, BlobExt as _, BucketName,
    blob::{CreateBucket, Get, Key, Put, Store, Versioning},
};
use mvi_testkit::{Sim, Weather};
use object_store::{ObjectStoreExt as _, integration, path::Path};

fn bucket() -> BucketName {
    BucketName::new("acme-7f3-tables").unwrap()
}

/// Every test that `object_store` has for stores, but for attributes that have no place here, which are refused.
async fn passes(blob: Arc<dyn Blob>, prefix: &str) {
    let store = Store::new(Arc::clone(&blob), bucket()).prefix(prefix);
    let (beside, is_below) = (Key::new("beside").unwrap(), !prefix.is_empty());
    // Each of them begins with nothing, and with something else where it must not look.
    let clear = async || {
        blob.empty(&bucket()).await.unwrap();
        if is_below {
            blob.put_bytes(Put::new(bucket(), beside.clone()), "another's").await.unwrap();
        }
    };
    clear().await;
    integration::put_get_delete_list(&store).await;
    clear().await;
    integration::get_opts(&store).await;
    clear().await;
    integration::put_opts(&store, true).await;
    clear().await;
    integration::put_get_attributes(&store).await;
    clear().await;
    integration::stream_get(&store).await;
    clear().await;
    integration::list_uses_directories_correctly(&store).await;
    clear().await;
    integration::list_with_delimiter(&store).await;
    clear().await;
    integration::rename_and_copy(&store).await;
    clear().await;
    integration::copy_if_not_exists(&store).await;
    clear().await;
    integration::copy_rename_nonexistent_object(&store).await;
    clear().await;
    integration::multipart_race_condition(&store, true).await;
    clear().await;
    integration::multipart_out_of_order(&store).await;
    clear().await;
    integration::list_with_offset_exclusivity(&store).await;
    clear().await;
    if is_below {
        let kept = blob.get_bytes(Get::new(bucket(), beside.clone()), 100).await.unwrap();
        assert_eq!(kept, "another's", "it stays below its prefix");
    }
    let uploads: Vec<_> = blob.uploads(&bucket()).try_collect().await.unwrap();
    assert_eq!(uploads, [], "what was begun is ended");
    let nowhere = store.get(&Path::from("nowhere")).await.unwrap_err();
    assert!(matches!(nowhere, object_store::Error::NotFound { .. }), "{nowhere}");
}

async fn sim(weather: Weather) -> Sim {
    let sim = Sim::new(7).calm();
    sim.blob.create_bucket(CreateBucket::new(bucket())).await.unwrap();
    sim.weather(weather)
}

#[tokio::test(start_paused = true)]
async fn the_simulated_blob_is_a_store() {
    passes(sim(Weather::calm()).await.cloud().blob, "").await;
    passes(sim(Weather::default()).await.cloud().blob, "below/").await;
}

#[tokio::test(start_paused = true)]
async fn the_simulated_blob_with_versions_is_a_store() {
    let sim = sim(Weather::calm()).await;
    sim.blob.set_versioning(&bucket(), Versioning::On).await.unwrap();
    passes(sim.cloud().blob, "").await;
}
