//! Limits: what a provider would refuse is refused before it is sent, and what is within them is taken.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use mvi_core::{
    Blob, Error, ErrorKind, Result,
    blob::{
        Body, Encryption, MAX_METADATA_BYTES, MAX_METADATA_NAMES, MAX_OBJECT_BYTES, MAX_PARTS,
        Metadata, PartNumber, Properties, Replay, StartUpload,
    },
};

use super::{Place, Scope, fails};

pub(super) async fn metadata_is_at_most_1_900_bytes(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let names = |count: usize| {
        (0..count).try_fold(Metadata::new(), |all, n| all.with(format!("n-{n:02}"), ""))
    };
    assert_eq!(
        names(MAX_METADATA_NAMES + 1).expect_err("a name too many").kind(),
        ErrorKind::Invalid
    );
    let key = place.key("names")?;
    let properties = Properties { metadata: names(MAX_METADATA_NAMES)?, ..Properties::default() };
    blob.put(place.put(&key).properties(properties.clone()), "1".into()).await?;
    assert_eq!(place.head(&key).await?.properties.metadata, properties.metadata);
    // In one, and in many.
    let one = Metadata::new().with("name", "v".repeat(MAX_METADATA_BYTES - 4))?;
    let many = (0..50)
        .try_fold(Metadata::new(), |all, n| all.with(format!("n-{n:02}"), "v".repeat(34)))?;
    for (name, metadata) in [("one", one), ("many", many)] {
        let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert_eq!(bytes, 1_900);
        let error = metadata.clone().with("more", "").expect_err("one name too many");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let key = place.key(name)?;
        let properties = Properties { metadata, ..Properties::default() };
        blob.put(place.put(&key).properties(properties.clone()), "1".into()).await?;
        assert_eq!(place.head(&key).await?.properties.metadata, properties.metadata);
        let to = place.key("copy")?;
        blob.copy(place.copy(&key, &to)).await?;
        assert_eq!(place.head(&to).await?.properties.metadata, properties.metadata);
    }
    Ok(())
}

pub(super) async fn metadata_is_what_http_carries_unchanged(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    for (name, value) in [
        ("", "v"),
        ("Name", "v"),
        ("1n", "v"),
        ("-n", "v"),
        ("n_n", "v"),
        ("mvi-n", "v"),
        ("n", " v"),
        ("n", "v "),
        ("n", "é"),
        ("n", "v\n"),
        ("n", "\u{0}"),
    ] {
        let error = Metadata::new().with(name, value).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{name:?}: {value:?}");
    }
    // Every character that there is, and what looks like an encoding.
    let visible: String = (' '..='~').collect();
    let metadata = Metadata::new()
        .with("visible", format!("x{visible}x"))?
        .with("blanks", "a  b   c")?
        .with("percent", "%20%zz+")?
        .with("encoded", "=?UTF-8?B?w6k=?=")?
        .with("comma", "a, b,c")?
        .with("n", "1")?;
    let key = place.key("a")?;
    let properties = Properties { metadata: metadata.clone(), ..Properties::default() };
    blob.put(place.put(&key).properties(properties), "1".into()).await?;
    assert_eq!(place.head(&key).await?.properties.metadata, metadata);
    Ok(())
}

pub(super) async fn properties_are_what_http_carries_unchanged(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.save_at("a", "as it was").await?;
    let plain = Properties::default;
    let wrong: Vec<_> = ["", " text", "text\n", "é", &"t".repeat(256)]
        .into_iter()
        .flat_map(|text| {
            let text = text.to_owned();
            [
                Properties { content_type: text.clone().into(), ..plain() },
                Properties { cache_control: Some(text.clone()), ..plain() },
                Properties { content_disposition: Some(text), ..plain() },
            ]
        })
        .collect();
    for properties in wrong {
        let put = place.put(&key).properties(properties.clone());
        fails(blob.put(put, "1".into()).await, ErrorKind::Invalid);
        let copy = place.copy(&key, &place.key("b")?).properties(properties.clone());
        fails(blob.copy(copy).await, ErrorKind::Invalid);
        let start = StartUpload::new(place.bucket.clone(), key.clone()).properties(properties);
        fails(blob.start_upload(start).await, ErrorKind::Invalid);
    }
    let put = place.put(&key).encryption(Encryption::Key(String::new()));
    fails(blob.put(put, "1".into()).await, ErrorKind::Invalid);
    place.holds(&key, "as it was").await
}

pub(super) async fn an_object_is_at_most_5_tib(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    // Nothing of it is asked for.
    let unread = Replay::new(MAX_OBJECT_BYTES + 1, |range| {
        let read = Error::new(ErrorKind::Internal, format!("{range:?} of it is read"));
        stream::iter([Err(read)]).boxed()
    });
    fails(blob.put(place.put(&key), Body::Replay(unread)).await, ErrorKind::Invalid);
    place.lacks(&key).await
}

pub(super) async fn a_part_has_a_number_of_1_to_10_000(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    for number in [0, MAX_PARTS + 1, u32::MAX] {
        let error = PartNumber::new(number).expect_err("no number of a part");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(serde_json::from_value::<PartNumber>(number.into()).is_err());
    }
    let place = Place::shared(blob, scope).await?;
    let upload = place.start(&place.key("a")?).await?;
    for number in [1, 5_000, MAX_PARTS] {
        assert_eq!(place.part(&upload, number, "1").await?.number.get(), number);
    }
    blob.abort_upload(&upload).await
}
