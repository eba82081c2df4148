//! Presigned URLs, as far as one can tell without calling them.

use std::{sync::Arc, time::Duration};

use mvi_core::{
    Blob, ErrorKind, Result,
    blob::{Key, MAX_PRESIGN, Method, Presign, Presigned},
};

use super::{Place, Scope, fails};

const HOUR: Duration = Duration::from_hours(1);

/// The URL's path, with what is escaped in it as it was.
fn path(url: &str) -> String {
    let (place, _) = url.split_once('?').expect("a signature, in the query");
    let (_, place) = place.split_once("://").expect("a scheme");
    let (_, path) = place.split_once('/').expect("a path");
    let (mut bytes, mut left) = (Vec::new(), path.as_bytes());
    while let [first, rest @ ..] = left {
        left = rest;
        if let (b'%', [high, low, rest @ ..]) = (*first, rest) {
            let hex = [*high, *low].map(char::from).iter().collect::<String>();
            bytes.push(u8::from_str_radix(&hex, 16).expect("two digits behind a %"));
            left = rest;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).expect("it is text")
}

pub(super) async fn a_url_is_of_one_object_and_method(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    for text in ["a", "a b+c%20d", "é/🦀", "a?b=c&d#e", "a//b/"] {
        let key = place.key(text)?;
        let requests = [
            (Method::Get, Presign::get(place.bucket.clone(), key.clone(), HOUR)),
            (Method::Put, Presign::put(place.bucket.clone(), key.clone(), HOUR)),
        ];
        let mut urls = Vec::new();
        for (method, request) in requests {
            let made = blob.presign(request).await?;
            assert_eq!(made.method, method);
            let url = &made.url;
            assert!(url.starts_with("http://") || url.starts_with("https://"), "no web address");
            // The whole of it is what HTTP takes as it is.
            let plain =
                url.bytes().all(|it| it.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&it));
            assert!(plain, "what has to be escaped in a URL is not");
            assert!(path(url).ends_with(key.as_str()), "{} is not of {key}", path(url));
            // Either the host or the path says which bucket.
            let (start, _) = url.split_once('?').expect("a query");
            assert!(start.contains(place.bucket.as_str()), "no bucket in {start}");
            urls.push(made.url);
        }
        assert!(urls[0] != urls[1], "one URL for both");
    }
    Ok(())
}

pub(super) async fn a_url_says_that_it_works_for_a_second_to_seven_days(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let second = Duration::from_secs(1);
    let ask =
        |of: fn(_, Key, _) -> Presign, expires| of(place.bucket.clone(), key.clone(), expires);
    for of in [Presign::get, Presign::put] {
        for wrong in
            [Duration::ZERO, Duration::from_millis(999), MAX_PRESIGN + second, Duration::MAX]
        {
            let error = fails(blob.presign(ask(of, wrong)).await, ErrorKind::Invalid);
            assert_eq!((error.op(), error.resource()), ("blob.presign", place.bucket.as_str()));
        }
        let first = blob.presign(ask(of, second)).await?.expires;
        for expires in [HOUR, MAX_PRESIGN] {
            let made = blob.presign(ask(of, expires)).await?;
            // By so much later than the first, which was made a little earlier.
            let (later, wanted) =
                (made.expires.duration_since(first), expires.saturating_sub(second));
            let most = wanted + Duration::from_mins(1);
            let later = later.unsigned_abs();
            assert!((wanted..=most).contains(&later), "{later:?} later, wanted {wanted:?}");
        }
    }
    Ok(())
}

pub(super) async fn a_content_type_is_only_of_what_is_written(
    blob: &Arc<dyn Blob>,
    scope: &Scope,
) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    let get = Presign::get(place.bucket.clone(), key.clone(), HOUR).content_type("text/plain");
    fails(blob.presign(get).await, ErrorKind::Invalid);
    let put = || Presign::put(place.bucket.clone(), key.clone(), HOUR);
    fails(blob.presign(put().content_type("text\n")).await, ErrorKind::Invalid);
    // Whoever writes has to say it, and is told how.
    let made = blob.presign(put().content_type("text/plain")).await?;
    let told = made.headers.iter().find(|(name, _)| name == "content-type");
    assert_eq!(told.map(|it| &*it.1), Some("text/plain"));
    Ok(())
}

pub(super) async fn a_url_is_not_shown(blob: &Arc<dyn Blob>, scope: &Scope) -> Result<()> {
    let place = Place::shared(blob, scope).await?;
    let key = place.key("a")?;
    for request in [
        Presign::get(place.bucket.clone(), key.clone(), HOUR),
        Presign::put(place.bucket.clone(), key.clone(), HOUR).content_type("text/plain"),
    ] {
        let made: Presigned = blob.presign(request).await?;
        let (_, query) = made.url.split_once('?').expect("a query");
        let shown = format!("{made:?} {made:#?}");
        for (name, value) in query.split('&').filter_map(|it| it.split_once('=')) {
            // What is short is in many a word.
            assert!(value.len() < 16 || !shown.contains(value), "{name} is shown");
        }
    }
    Ok(())
}
