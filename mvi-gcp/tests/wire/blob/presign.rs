//! Signed URLs, held against Google's description of how they are signed: <https://cloud.google.com/storage/docs/authentication/signatures>.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use google_cloud_auth::signer::{Result as Signed, Signer, SigningProvider};
use mvi_core::{
    Blob as _, ErrorKind,
    blob::{Key, Method, Presign},
};
use mvi_gcp::Gcp;
use sha2::{Digest as _, Sha256};

use super::{World, bucket, builder, http::decoded, key};

/// Keeps what it is to sign, and signs it with its digest.
#[derive(Clone, Debug, Default)]
struct Notary(Arc<Mutex<Vec<String>>>);

impl SigningProvider for Notary {
    async fn client_email(&self) -> Signed<String> {
        Ok("notary@demo.iam.gserviceaccount.com".to_owned())
    }

    async fn sign(&self, content: &[u8]) -> Signed<bytes::Bytes> {
        self.0.lock().unwrap().push(String::from_utf8(content.to_vec()).unwrap());
        Ok(Sha256::digest(content).to_vec().into())
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |it: u8| char::from_digit(it.into(), 16).unwrap();
    bytes.iter().flat_map(|it| [digit(it >> 4), digit(it & 15)]).collect()
}

async fn signing() -> (World, Notary, Gcp) {
    let (world, notary) = (World::new().await, Notary::default());
    let builder = builder(&world.grpc, &world.http).signer(Signer::from(notary.clone()));
    let gcp = builder.build().await.unwrap();
    (world, notary, gcp)
}

const HOUR: Duration = Duration::from_hours(1);

/// What Google computes of a request that comes by `url`.
fn string_to_sign(verb: &str, url: &str, headers: &[(&str, &str)]) -> String {
    let (place, query) = url.split_once('?').unwrap();
    let path = &place[place.find("//").map_or(0, |it| it + 2)..];
    let (host, path) = path.split_once('/').unwrap();
    let host = host.split(':').next().unwrap();
    let mut pairs: Vec<_> =
        query.split('&').filter(|it| !it.starts_with("X-Goog-Signature=")).collect();
    pairs.sort_unstable();
    let mut all = vec![("host", host)];
    all.extend_from_slice(headers);
    all.sort_unstable();
    let lines: String = all.iter().flat_map(|(name, value)| [name, ":", value, "\n"]).collect();
    let names: Vec<_> = all.iter().map(|it| it.0).collect();
    let request = format!(
        "{verb}\n/{path}\n{}\n{lines}\n{}\nUNSIGNED-PAYLOAD",
        pairs.join("&"),
        names.join(";")
    );
    let field = |name: &str| {
        let pair = pairs.iter().find_map(|it| it.strip_prefix(&format!("{name}=")));
        decoded(pair.unwrap())
    };
    assert_eq!(field("X-Goog-SignedHeaders"), names.join(";"));
    let scope = field("X-Goog-Credential");
    let scope = scope.split_once('/').unwrap().1;
    let digest = hex(&Sha256::digest(request.as_bytes()));
    format!("GOOG4-RSA-SHA256\n{}\n{scope}\n{digest}", field("X-Goog-Date"))
}

#[tokio::test]
async fn a_url_is_signed_as_google_checks_it() {
    let (_world, notary, gcp) = signing().await;
    for text in ["key", "a b/ü+?#%&=~$!'()*;:@,.csv", "/", "a//b/", "%41"] {
        let get = Presign::get(bucket(), Key::new(text).unwrap(), HOUR);
        let put = Presign::put(bucket(), Key::new(text).unwrap(), HOUR);
        let typed = put.clone().content_type("text/plain; charset=utf-8");
        let kind = ("content-type", "text/plain; charset=utf-8");
        for (request, headers) in [(get, vec![]), (put, vec![]), (typed, vec![kind])] {
            let method = request.method;
            let made = gcp.blob.presign(request).await.unwrap();
            let wanted = string_to_sign(method.as_str(), &made.url, &headers);
            let signed = notary.0.lock().unwrap().pop().unwrap();
            assert_eq!(signed, wanted, "{text} {method:?}");
            let signature = hex(&Sha256::digest(signed.as_bytes()));
            assert!(made.url.ends_with(&format!("&X-Goog-Signature={signature}")));
            let told: Vec<_> =
                headers.iter().map(|it| (it.0.to_owned(), it.1.to_owned())).collect();
            assert_eq!((made.headers.clone(), made.method), (told, method));
            let path = made.url.split_once('?').unwrap().0;
            assert!(
                decoded(&path.replace('+', "%2B")).ends_with(&format!("/acme-7f3-logs/{text}"))
            );
            assert!(!format!("{made:?}").contains(&signature));
        }
    }
}

#[tokio::test]
async fn a_url_lives_as_long_as_it_says() {
    let (_world, _, gcp) = signing().await;
    for (expires, seconds) in [(Duration::from_secs(1), "1"), (HOUR, "3600")] {
        let made = gcp.blob.presign(Presign::get(bucket(), key("key"), expires)).await.unwrap();
        assert!(made.url.contains(&format!("X-Goog-Expires={seconds}&")), "{expires:?}");
        let date = made.url.split_once("X-Goog-Date=").unwrap().1;
        let date = date.split('&').next().unwrap();
        let signed = jiff::fmt::strtime::parse("%Y%m%dT%H%M%SZ", date).unwrap();
        let signed = signed.to_datetime().unwrap().to_zoned(jiff::tz::TimeZone::UTC).unwrap();
        let seconds: i64 = seconds.parse().unwrap();
        let ends = signed.timestamp().as_second() + seconds;
        // Never later than the URL itself ends, and not a second earlier than need be.
        let told = made.expires.as_second();
        assert!((ends - 1..=ends).contains(&told), "{told}, {ends}");
    }
    for odd in [Duration::from_hours(8 * 24), Duration::ZERO, Duration::from_millis(2_900)] {
        let error = gcp.blob.presign(Presign::get(bucket(), key("key"), odd)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
}

#[tokio::test]
async fn credentials_that_cannot_sign_say_what_is_wanted() {
    let world = World::new().await;
    let request = Presign::get(bucket(), key("key"), HOUR);
    let error = world.gcp.blob.presign(request).await.unwrap_err();
    assert_eq!((error.op(), error.kind()), ("blob.presign", ErrorKind::Unauthenticated));
    assert!(error.message().contains("wanted a service account's"), "{error}");
    assert!(world.http.asked().is_empty() && world.grpc.calls().is_empty());
}

/// Never signs.
#[derive(Debug)]
struct Asleep;

impl SigningProvider for Asleep {
    async fn client_email(&self) -> Signed<String> {
        Ok(String::new())
    }

    async fn sign(&self, _: &[u8]) -> Signed<bytes::Bytes> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_signer_that_never_answers_is_an_error_in_time() {
    let gcp = Gcp::builder().project("demo").endpoint("http://127.0.0.1:1").emulated();
    let gcp = gcp.signer(Signer::from(Asleep)).build().await.unwrap();
    let request = Presign { method: Method::Get, ..Presign::get(bucket(), key("key"), HOUR) };
    let error = gcp.blob.presign(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}
