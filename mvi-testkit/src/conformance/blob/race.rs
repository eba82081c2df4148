//! Writers that race. What they write differs: on S3 a tag is of the content, and two that write the same have both won.

use std::sync::Arc;

use bytes::Bytes;
use mvi_core::{
    Blob, BlobExt as _, ErrorKind, Result,
    blob::{Body, Delete, Mode, Put},
};

use super::{
    Place, Scope, fails, help,
    place::{MOST, PART, noise, same},
    race,
};

/// How many race.
const RACERS: usize = 16;

/// The number of the one who won; the others must have met a conflict.
#[track_caller]
fn winner<R: std::fmt::Debug>(results: Vec<Result<R>>) -> usize {
    help::winner("blob.", results)
}

/// Puts that race, each with bytes of its own.
async fn puts(place: &Place<'_>, put: &Put, racers: usize, body: fn(usize) -> Bytes) -> usize {
    let results = race(racers, |racer| {
        let (blob, put) = (Arc::clone(place.blob), put.clone());
        async move { blob.put(put, body(racer).into()).await }
    });
    winner(results.await)
}

fn small(racer: usize) -> Bytes {
    format!("racer {racer}").into()
}

fn large(racer: usize) -> Bytes {
    noise(racer as u64 + 1, (8 << 20) + 1 + racer)
}

pub(super) async fn one_of_many_creators_wins(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    for round in 0..3 {
        let key = place.key(&round.to_string())?;
        let put = place.put(&key).mode(Mode::IfAbsent);
        let won = puts(&place, &put, RACERS, small).await;
        place.holds(&key, small(won)).await?;
    }
    Ok(())
}

pub(super) async fn one_of_many_large_creators_wins(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let won = puts(&place, &place.put(&key).mode(Mode::IfAbsent), 4, large).await;
    place.holds(&key, large(won)).await?;
    assert_eq!(place.uploads().await?, []);
    Ok(())
}

pub(super) async fn one_of_many_writers_with_a_tag_wins(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    for round in 0..3 {
        let tag = place.save(&key, format!("round {round}")).await?.tag;
        let won = puts(&place, &place.put(&key).mode(Mode::IfMatch(tag)), RACERS, small).await;
        place.holds(&key, small(won)).await?;
    }
    Ok(())
}

pub(super) async fn one_of_many_deleters_with_a_tag_wins(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let tag = place.save(&key, "1").await?.tag;
    let results = race(RACERS, |_| {
        let (blob, delete) = (Arc::clone(blob), place.delete(&key).if_match(tag.clone()));
        async move { blob.delete(delete).await }
    });
    winner(results.await);
    place.lacks(&key).await
}

pub(super) async fn a_writer_or_a_deleter_with_a_tag_wins(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    for round in 0..4 {
        let key = place.key(&round.to_string())?;
        let tag = place.save(&key, "1").await?.tag;
        let put = place.put(&key).mode(Mode::IfMatch(tag.clone()));
        let delete: Delete = place.delete(&key).if_match(tag);
        let results = race(8, |racer| {
            let (blob, put, delete) = (Arc::clone(blob), put.clone(), delete.clone());
            async move {
                if racer % 2 == 0 {
                    blob.put(put, small(racer).into()).await.map(drop)
                } else {
                    blob.delete(delete).await
                }
            }
        });
        let won = winner(results.await);
        if won % 2 == 0 {
            place.holds(&key, small(won)).await?;
        } else {
            place.lacks(&key).await?;
        }
    }
    Ok(())
}

pub(super) async fn one_of_many_completed_uploads_wins(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    const UPLOADS: usize = 8;
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let mut completes = Vec::new();
    for racer in 0..UPLOADS {
        let upload = place.start(&key).await?;
        let part = place.part(&upload, 1, small(racer)).await?;
        completes.push(mvi_core::blob::Complete::new(upload, vec![part]).mode(Mode::IfAbsent));
    }
    let results = race(UPLOADS, |racer| {
        let (blob, complete) = (Arc::clone(blob), completes[racer].clone());
        async move { blob.complete_upload(complete).await }
    });
    let won = winner(results.await);
    place.holds(&key, small(won)).await?;
    // Those who lost are still there, to be aborted.
    let left = place.uploads().await?;
    assert_eq!(left.len(), UPLOADS - 1);
    for upload in &left {
        blob.abort_upload(upload).await?;
    }
    place.holds(&key, small(won)).await
}

pub(super) async fn a_put_or_a_completed_upload_wins(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    for round in 0..4 {
        let key = place.key(&round.to_string())?;
        let complete = place.begun(&key, "completed").await?.mode(Mode::IfAbsent);
        let put = place.put(&key).mode(Mode::IfAbsent);
        let results = race(2, |racer| {
            let (blob, put, complete) = (Arc::clone(blob), put.clone(), complete.clone());
            async move {
                // Either may be the first to be sent.
                if (racer + round) % 2 == 0 {
                    blob.put(put, "put".into()).await
                } else {
                    blob.complete_upload(complete).await
                }
            }
        });
        let put_won = (winner(results.await) + round) % 2 == 0;
        place.holds(&key, if put_won { "put" } else { "completed" }).await?;
        blob.abort_upload(&complete.upload).await?;
    }
    Ok(())
}

/// What writer `n` writes: so many bytes as tell who wrote it, and each says so.
fn of_one(n: usize, unit: usize) -> Bytes {
    vec![u8::try_from(n).expect("few writers"); (n + 1) * unit].into()
}

/// Wants every reader to see one of the writes, whole, while others overwrite it.
async fn never_torn(place: &Place<'_>, unit: usize, writes: usize, reads: usize) -> Result<()> {
    const WRITERS: usize = 3;
    const READERS: usize = 3;
    let key = place.key("a")?;
    place.save(&key, of_one(0, unit)).await?;
    let results = race(WRITERS + READERS, |racer| {
        let (blob, put, get) = (Arc::clone(place.blob), place.put(&key), place.get(&key));
        async move {
            if racer < WRITERS {
                for _ in 0..writes {
                    blob.put(put.clone(), Body::Bytes(of_one(racer, unit))).await?;
                }
                return Ok(0);
            }
            let mut whole = 0;
            for _ in 0..reads {
                let object = blob.get(get.clone()).await?;
                let said = object.meta.size;
                let found = match object.bytes(MOST).await {
                    Ok(found) => found,
                    // The one that was begun is gone, and the read says so rather than go on with another.
                    Err(e)
                        if e.kind() == ErrorKind::NotFound || e.kind() == ErrorKind::Conflict =>
                    {
                        continue;
                    }
                    Err(e) => return Err(e),
                };
                let by = usize::from(found[0]);
                same(Some(&found), Some(&of_one(by, unit)), "a read during writes");
                assert_eq!(said, found.len() as u64);
                whole += 1;
            }
            Ok(whole)
        }
    });
    let mut whole = 0;
    for result in results.await {
        whole += result?;
    }
    assert!(whole > 0, "nobody ever saw one");
    Ok(())
}

pub(super) async fn readers_see_one_write_whole(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    never_torn(&Place::shared(blob, scope).await?, 100_003, 12, 20).await
}

pub(super) async fn readers_see_one_large_write_whole(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    never_torn(&Place::shared(blob, scope).await?, PART, 3, 5).await
}

pub(super) async fn a_counter_by_tags_loses_nothing(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    const WRITERS: usize = 6;
    const EACH: usize = 3;
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    place.save(&key, "0").await?;
    let results = race(WRITERS, |_| {
        let (blob, put, get) = (Arc::clone(blob), place.put(&key), place.get(&key));
        async move {
            // Of a write whose answer was lost, and that was replaced since, nobody can say whether it was made.
            let (mut done, mut unsure) = (0, 0);
            while done + unsure < EACH {
                let found = blob.get(get.clone()).await?;
                let tag = found.meta.tag.clone();
                let text = match found.bytes(MOST).await {
                    Ok(text) => text,
                    Err(e) if e.kind() == ErrorKind::NotFound => continue,
                    Err(e) if e.kind() == ErrorKind::Conflict => continue,
                    Err(e) => return Err(e),
                };
                let n: usize = String::from_utf8_lossy(&text).parse().expect("a number");
                let put = put.clone().mode(Mode::IfMatch(tag));
                match blob.put_bytes(put, (n + 1).to_string()).await {
                    Ok(_) => done += 1,
                    // Somebody else was first, so the whole moves on all the same.
                    lost => {
                        let lost = fails(lost, ErrorKind::Conflict);
                        unsure += usize::from(lost.may_have_applied());
                    }
                }
            }
            Ok((done, unsure))
        }
    });
    let (mut done, mut unsure) = (0, 0);
    for result in results.await {
        let (sure, other) = result?;
        done += sure;
        unsure += other;
    }
    let text = blob.get(place.get(&key)).await?.bytes(MOST).await?;
    let count: usize = String::from_utf8_lossy(&text).parse().expect("a number");
    assert!((done..=done + unsure).contains(&count), "{count} of {done} and maybe {unsure} more");
    Ok(())
}
