//! Lists, page by page: empty pages, hidden objects, starts that are included.

use futures::TryStreamExt as _;
use mvi_core::{
    Blob as _,
    blob::{Entry, Key, List, Versions},
};

use super::{World, bucket, cloud::Fault};

const KEYS: [&str; 8] = ["a", "a/1", "a/2", "a0", "b/1", "b/2", "c", "ü"];

async fn world() -> World {
    let world = World::new().await;
    for key in KEYS {
        world.cloud.write(key, b"x");
    }
    // What MVI hides, and what is behind it.
    for number in 0..9 {
        world.cloud.write(&format!("{}p/{number}", Key::HIDDEN), b"x");
    }
    world
}

async fn list(world: &World, request: List) -> Vec<String> {
    let entries = world.gcp.blob.list(request).map_ok(|it| match it {
        Entry::Object(it) => it.key.to_string(),
        Entry::Prefix(it) => it,
    });
    entries.try_collect().await.unwrap()
}

#[tokio::test]
async fn pages_of_any_size_give_all_and_nothing_that_is_hidden() {
    let world = world().await;
    for page in 1..12 {
        for empty in [false, true] {
            world.cloud.locked().page = Some(page);
            world.cloud.locked().empty_pages = empty;
            assert_eq!(list(&world, List::new(bucket())).await, KEYS, "{page}");
            let folded = list(&world, List::new(bucket()).delimiter("/")).await;
            assert_eq!(folded, ["a", "a/", "a0", "b/", "c", "ü"], "{page}");
            let folded = list(&world, List::new(bucket()).prefix("a").delimiter("/")).await;
            assert_eq!(folded, ["a", "a/", "a0"], "{page}");
        }
    }
}

#[tokio::test]
async fn what_is_hidden_costs_nothing_however_much_it_is() {
    let world = world().await;
    world.cloud.locked().page = Some(4);
    world.forget();
    list(&world, List::new(bucket())).await;
    assert_eq!(world.grpc.count("ListObjects"), 2);
}

#[tokio::test]
async fn a_list_starts_behind_any_entry() {
    let world = world().await;
    for page in [1, 2, 100] {
        world.cloud.locked().page = Some(page);
        for (at, key) in KEYS.iter().enumerate() {
            let found = list(&world, List::new(bucket()).start_after(*key)).await;
            assert_eq!(found, KEYS[at + 1..], "behind {key}");
        }
        let folded = |after: &str| {
            list(&world, List::new(bucket()).delimiter("/").start_after(after.to_owned()))
        };
        assert_eq!(folded("a").await, ["a/", "a0", "b/", "c", "ü"]);
        assert_eq!(folded("a/").await, ["a0", "b/", "c", "ü"]);
        assert_eq!(folded("a/1").await, ["a0", "b/", "c", "ü"]);
        assert_eq!(folded("b/1").await, ["c", "ü"]);
    }
}

#[tokio::test]
async fn a_limit_asks_for_no_more_than_it_gives() {
    let world = world().await;
    for limit in 0..=9 {
        let found = list(&world, List::new(bucket()).limit(limit)).await;
        assert_eq!(found, KEYS[..usize::try_from(limit).unwrap().min(KEYS.len())]);
    }
    world.forget();
    list(&world, List::new(bucket()).limit(2)).await;
    assert_eq!(world.grpc.count("ListObjects"), 1);
}

#[tokio::test]
async fn a_page_that_is_lost_is_asked_for_again() {
    let world = world().await;
    world.cloud.locked().page = Some(2);
    world.cloud.befall("ListObjects", [Fault::None, Fault::Lose, Fault::Refuse(14)]);
    assert_eq!(list(&world, List::new(bucket())).await, KEYS);
}

#[tokio::test]
async fn versions_hide_the_same() {
    let world = world().await;
    world.cloud.locked().page = Some(2);
    let versions = world.gcp.blob.versions(Versions::new(bucket()));
    let found: Vec<_> = versions.map_ok(|it| it.key.to_string()).try_collect().await.unwrap();
    assert_eq!(found, KEYS);
}
