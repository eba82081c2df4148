//! Presigned URLs, called over TCP as any client would.

use std::{fmt::Write as _, time::Duration};

use bytes::Bytes;
use mvi_core::{
    Blob, BlobExt as _,
    blob::{Head, Presign, Presigned, Properties},
};
use mvi_testkit::{Sim, Weather};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{all, bucket, get_of, key, pattern, put_to, sim_in, text, write};
use crate::{seconds, simulated, watched};

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Whether the body ended before it should have.
    cut: bool,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

/// Calls `url` with a client that knows only HTTP.
async fn call(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut head = format!("{method} /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    if method == "PUT" {
        write!(head, "content-length: {}\r\n", body.len()).unwrap();
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that refuses the head need not read the body.
    let _ = stream.write_all(body).await;
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    let Some(end) = all.windows(4).position(|it| it == b"\r\n\r\n") else {
        // It broke before its head was out.
        return Answer { status: 0, headers: Vec::new(), body: Vec::new(), cut: true };
    };
    let text = String::from_utf8(all[..end].to_vec()).unwrap();
    let mut lines = text.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<_> = lines
        .map(|it| it.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let body = all[end + 4..].to_vec();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, it)| it.parse().unwrap());
    let cut = method != "HEAD" && status != 304 && body.len() < length;
    Answer { status, headers, body, cut }
}

async fn get(url: &str) -> Answer {
    call("GET", url, &[], b"").await
}

async fn presigned(sim: &Sim, at: &str) -> Presigned {
    sim.blob.presign(Presign::get(bucket(), key(at), seconds(60))).await.unwrap()
}

/// Runs `test` in real time, as a demonstration does.
fn in_real_time<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    watched(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test());
    });
}

#[test]
fn whoever_has_the_url_reads_the_object() {
    in_real_time(|| async {
        let sim = sim_in(Weather::calm()).await;
        let listening = sim.listen().await.unwrap();
        let bytes = pattern(3_000_000);
        let name = "films/a b+ü?%.mp4";
        let put = put_to(name).content_type("video/mp4").metadata("owner", "ann").unwrap();
        let properties =
            Properties { cache_control: Some("max-age=60".into()), ..put.properties.clone() };
        let meta = sim.blob.put_bytes(put.properties(properties), bytes.clone()).await.unwrap();
        let link = presigned(&sim, name).await;
        assert!(link.url.starts_with(&format!("http://{}/", listening.address())));
        assert!(!format!("{link:?}").contains("signature"), "{link:?}");

        let answer = get(&link.url).await;
        assert_eq!((answer.status, answer.cut), (200, false));
        assert!(answer.body == bytes);
        assert_eq!(answer.header("content-type"), Some("video/mp4"));
        assert_eq!(answer.header("content-length"), Some("3000000"));
        assert_eq!(answer.header("cache-control"), Some("max-age=60"));
        assert_eq!(answer.header("x-mvi-meta-owner"), Some("ann"));
        assert!(answer.header("last-modified").unwrap().ends_with(" 2030 00:00:00 GMT"));
        let tag = answer.header("etag").unwrap().to_owned();
        assert_eq!(tag.trim_matches('"'), meta.tag.as_str());

        let head = call("HEAD", &link.url, &[], b"").await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), Some("3000000"));

        for (range, wanted, shown) in [
            ("bytes=0-9", 0..10, "bytes 0-9/3000000"),
            ("bytes=2999990-", 2_999_990..3_000_000, "bytes 2999990-2999999/3000000"),
            ("bytes=-5", 2_999_995..3_000_000, "bytes 2999995-2999999/3000000"),
            ("bytes=2999999-9999999", 2_999_999..3_000_000, "bytes 2999999-2999999/3000000"),
        ] {
            let part = call("GET", &link.url, &[("range", range)], b"").await;
            assert_eq!((part.status, part.header("content-range")), (206, Some(shown)), "{range}");
            assert!(part.body == bytes[wanted], "{range}");
        }
        let behind = call("GET", &link.url, &[("range", "bytes=3000000-")], b"").await;
        assert_eq!((behind.status, behind.header("content-range")), (416, Some("bytes */3000000")));

        let same = call("GET", &link.url, &[("if-none-match", &tag)], b"").await;
        assert_eq!((same.status, same.body.len()), (304, 0));
        assert_eq!(same.header("etag"), Some(tag.as_str()));
        let other = call("GET", &link.url, &[("if-match", "\"tag-other\"")], b"").await;
        assert_eq!(other.status, 412);
        let mine = call("GET", &link.url, &[("if-match", &tag), ("range", "bytes=0-0")], b"").await;
        assert_eq!(mine.status, 206);

        assert_eq!(get(&presigned(&sim, "none").await.url).await.status, 404);
        write(&sim.blob, "empty", "").await;
        let empty = get(&presigned(&sim, "empty").await.url).await;
        assert_eq!((empty.status, empty.header("content-length")), (200, Some("0")));
    });
}

#[test]
fn whoever_has_the_url_writes_the_object() {
    in_real_time(|| async {
        let sim = sim_in(Weather::calm()).await;
        let _listening = sim.listen().await.unwrap();
        let put = Presign::put(bucket(), key("a/1.txt"), seconds(60));
        let any = sim.blob.presign(put.clone()).await.unwrap();
        assert!(any.headers.is_empty());
        let bytes = pattern(2_000_000);
        let answer = call("PUT", &any.url, &[("content-type", "text/csv")], &bytes).await;
        assert_eq!(answer.status, 200);
        let meta = sim.blob.head(Head::new(bucket(), key("a/1.txt"))).await.unwrap();
        assert_eq!(answer.header("etag").unwrap().trim_matches('"'), meta.tag.as_str());
        assert_eq!(meta.properties.content_type, "text/csv");
        assert!(text(&sim.blob, "a/1.txt").await.unwrap() == bytes);

        let absent = call("PUT", &any.url, &[("if-none-match", "*")], b"x").await;
        assert_eq!(absent.status, 412);
        let tag = format!("\"{}\"", meta.tag.as_str());
        let matched = call("PUT", &any.url, &[("if-match", &tag)], b"second").await;
        assert_eq!(matched.status, 200);
        let matched = call("PUT", &any.url, &[("if-match", &tag)], b"third").await;
        assert_eq!(matched.status, 412);
        assert_eq!(text(&sim.blob, "a/1.txt").await.unwrap(), "second");

        let typed = sim.blob.presign(put.content_type("text/plain")).await.unwrap();
        assert_eq!(typed.headers, [("content-type".to_owned(), "text/plain".to_owned())]);
        for (content_type, status) in [("text/plain", 200), ("text/html", 403)] {
            let headers = [("content-type", content_type)];
            assert_eq!(call("PUT", &typed.url, &headers, b"typed").await.status, status);
        }
        assert_eq!(call("PUT", &typed.url, &[], b"untyped").await.status, 403);
        assert_eq!(text(&sim.blob, "a/1.txt").await.unwrap(), "typed");
    });
}

#[test]
fn what_nobody_can_read_is_never_passed_over() {
    in_real_time(|| async {
        let sim = sim_in(Weather::calm()).await;
        let _listening = sim.listen().await.unwrap();
        write(&sim.blob, "a", "first").await;
        let put = Presign::put(bucket(), key("a"), seconds(60));
        let put = sim.blob.presign(put).await.unwrap().url;
        for name in ["if-match", "if-none-match", "cache-control", "content-disposition"] {
            assert_eq!(
                call("PUT", &put, &[(name, "\"ü\"")], b"second").await.status,
                400,
                "{name}"
            );
        }
        let link = presigned(&sim, "a").await.url;
        for name in ["if-match", "if-none-match"] {
            assert_eq!(call("GET", &link, &[(name, "\"ü\"")], b"").await.status, 400, "{name}");
        }
        assert_eq!(text(&sim.blob, "a").await.unwrap(), "first");
    });
}

#[test]
fn a_url_is_good_for_nothing_else() {
    in_real_time(|| async {
        let sim = sim_in(Weather::calm()).await;
        let listening = sim.listen().await.unwrap();
        write(&sim.blob, "a", "secret").await;
        write(&sim.blob, "b", "secret").await;
        let link = presigned(&sim, "a").await.url;
        assert_eq!(get(&link).await.status, 200);
        let forged = [
            ("another key", link.replace("/a?", "/b?")),
            ("a later end", link.replacen("expires=1", "expires=2", 1)),
            ("no signature", link.split("&signature").next().unwrap().to_owned()),
            ("no query", link.split('?').next().unwrap().to_owned()),
            ("another signature", {
                let (start, last) = link.split_at(link.len() - 1);
                format!("{start}{}", if last == "0" { "1" } else { "0" })
            }),
            ("another world's", {
                let other = Sim::new(8).calm();
                let _listening = other.listen().await.unwrap();
                let theirs = presigned(&other, "a").await.url;
                let path = theirs.splitn(4, '/').nth(3).unwrap();
                format!("http://{}/{path}", listening.address())
            }),
        ];
        for (what, url) in forged {
            let answer = get(&url).await;
            assert_eq!(answer.status, 403, "{what}");
            assert!(!answer.body.windows(6).any(|it| it == b"secret"), "{what}");
        }
        assert_eq!(call("PUT", &link, &[], b"mine").await.status, 403);
        assert_eq!(call("DELETE", &link, &[], b"").await.status, 405);
        let put = Presign::put(bucket(), key("a"), seconds(60));
        let put = sim.blob.presign(put).await.unwrap().url;
        assert_eq!(get(&put).await.status, 403);
        assert_eq!(text(&sim.blob, "a").await.unwrap(), "secret");
    });
}

#[test]
fn a_url_ends_in_simulated_time() {
    simulated(|| async {
        let sim = sim_in(Weather::fair()).await;
        let _listening = sim.listen().await.unwrap();
        let put = sim.blob.put_bytes(put_to("a"), "hello").await.unwrap();
        sim.sleep(seconds(1).saturating_sub(sim.elapsed())).await.unwrap();
        let hour = Duration::from_hours(1);
        let link = sim.blob.presign(Presign::get(bucket(), key("a"), hour)).await.unwrap();
        assert_eq!(link.expires, sim.now() + hour);

        // Real I/O, amid a paused test: time stands still, and nothing that the weather has makes it pass.
        let held = sim.hold_time();
        let before = sim.elapsed();
        let answer = get(&link.url).await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"hello".as_slice()));
        assert_eq!(sim.elapsed(), before);
        drop(held);
        assert_eq!(answer.header("etag").unwrap().trim_matches('"'), put.tag.as_str());

        sim.sleep(hour.saturating_sub(seconds(1))).await.unwrap();
        let held = sim.hold_time();
        assert_eq!(get(&link.url).await.status, 200);
        drop(held);
        sim.sleep(seconds(1)).await.unwrap();
        let held = sim.hold_time();
        let late = get(&link.url).await;
        assert_eq!((late.status, late.body.as_slice()), (403, b"the URL has expired\n".as_slice()));
        drop(held);
    });
}

#[test]
fn what_goes_wrong_with_a_body_is_no_object_and_no_whole_answer() {
    in_real_time(|| async {
        let sim = sim_in(Weather::calm()).await;
        let listening = sim.listen().await.unwrap();
        sim.blob.put_bytes(put_to("a"), pattern(500_000)).await.unwrap();
        let link = presigned(&sim, "a").await.url;
        sim.set_weather(|it| (it.blob.bit_flip, it.blob.chunk) = (1.0, 10_000..=10_000));
        let flipped = get(&link).await;
        assert!(flipped.cut && [0, 200].contains(&flipped.status), "{}", flipped.status);
        sim.set_weather(|it| (it.blob.bit_flip, it.blob.cut_body) = (0.0, 1.0));
        let cut = get(&link).await;
        assert!(cut.cut && [0, 200].contains(&cut.status), "{}", cut.status);
        sim.set_weather(|it| (it.blob.cut_body, it.blob.throttled) = (0.0, 1.0));
        assert_eq!(get(&link).await.status, 429);
        sim.set_weather(|it| it.blob.throttled = 0.0);

        let put = sim.blob.presign(Presign::put(bucket(), key("b"), seconds(60))).await.unwrap();
        let path = put.url.splitn(4, '/').nth(3).unwrap();
        let mut stream = TcpStream::connect(listening.address()).await.unwrap();
        let head = format!("PUT /{path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nhalf");
        stream.write_all(head.as_bytes()).await.unwrap();
        drop(stream);
        sim.set_weather(|it| it.blob.torn_upload = 1.0);
        assert_eq!(call("PUT", &put.url, &[], b"torn").await.status, 400);
        assert_eq!(all(&sim.blob).await, ["a"]);
    });
}

#[test]
fn it_listens_until_it_is_dropped() {
    in_real_time(|| async {
        let sim = sim_in(Weather::calm()).await;
        let ask = || sim.blob.presign(Presign::get(bucket(), key("a"), seconds(60)));
        let dead = "http://nobody-listens.invalid/acme-7f3-texts/a?";
        let early = ask().await.unwrap().url;
        assert!(early.starts_with(dead), "{early}");

        let listening = sim.listen().await.unwrap();
        let address = listening.address();
        assert!(address.ip().is_loopback());
        assert!(ask().await.unwrap().url.starts_with(&format!("http://{address}/")));
        // Where it listens is no part of what is signed.
        write(&sim.blob, "a", "x").await;
        let early = early.replace("nobody-listens.invalid", &address.to_string());
        assert_eq!(get(&early).await.status, 200);
        drop(listening);
        assert!(ask().await.unwrap().url.starts_with(dead));
        tokio::task::yield_now().await;
        assert!(TcpStream::connect(address).await.is_err());
        let _again = sim.listen().await.unwrap();
        assert!(!ask().await.unwrap().url.starts_with(dead));
    });
}

#[test]
fn many_read_at_once() {
    in_real_time(|| async {
        let sim = sim_in(Weather::calm()).await;
        let _listening = sim.listen().await.unwrap();
        let bytes: Bytes = pattern(200_000);
        sim.blob.put_bytes(put_to("a"), bytes.clone()).await.unwrap();
        let link = presigned(&sim, "a").await.url;
        let reads = (0..20).map(|_| get(&link));
        for answer in futures::future::join_all(reads).await {
            assert!(answer.status == 200 && answer.body == bytes);
        }
        assert_eq!(sim.blob.get_bytes(get_of("a"), 200_000).await.unwrap(), bytes);
    });
}
