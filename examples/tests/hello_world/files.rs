//! Links to files: sent with `curl -F` or the page's form, fetched in ranges, removed with their links.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use bytes::Bytes;
use futures::{TryStreamExt as _, stream};
use mvi_core::{
    Blob, BucketName, ErrorKind,
    blob::{List, Versions},
};
use mvi_testkit::Sim;
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use serde_json::json;
use ureq::http::Request;

use super::{App, Web, agent, hello_world::files};

const BOUNDARY: &str = "x-here-x";

/// A form as curl and browsers send it.
#[derive(Default)]
struct Form(Vec<u8>);

impl Form {
    fn text(mut self, name: &str, value: &str) -> Self {
        let head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        self.0.extend_from_slice(head.as_bytes());
        self
    }

    fn file(mut self, called: &str, kind: &str, bytes: &[u8]) -> Self {
        let head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{called}\"\r\n\
             content-type: {kind}\r\n\r\n"
        );
        self.0.extend_from_slice(head.as_bytes());
        self.0.extend_from_slice(bytes);
        self.0.extend_from_slice(b"\r\n");
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.0
    }
}

struct Fetched {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Fetched {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn call(request: ureq::http::request::Builder, body: Vec<u8>) -> Fetched {
    let mut answer = agent().run(request.body(body).unwrap()).unwrap();
    let headers = answer.headers().iter();
    let headers = headers.map(|(name, it)| (name.to_string(), it.to_str().unwrap().to_owned()));
    let headers = headers.collect();
    let mut body = Vec::new();
    answer.body_mut().as_reader().read_to_end(&mut body).unwrap();
    Fetched { status: answer.status().as_u16(), headers, body }
}

fn send(web: &Web, form: Form, accept: &str) -> Fetched {
    let request = Request::builder()
        .method("POST")
        .uri(format!("{}/links", web.url))
        .header("accept", accept)
        .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
    call(request, form.end())
}

fn fetch(web: &Web, path: &str, headers: &[(&str, &str)]) -> Fetched {
    let mut request = Request::builder().uri(format!("{}{path}", web.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    call(request, Vec::new())
}

/// Bytes in which no piece is like another.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

pub(super) fn sent_and_fetched() {
    one_file(&App::start(&[]), "cat");
}

/// Sends and fetches what goes in one piece, under a code that nothing has yet.
pub(super) fn one_file(app: &App, code: &str) {
    let photo = bytes(100_000);
    // The file first, as most people write it.
    let form = Form::default().file("cat.png", "image/png", &photo).text("owner", "ann");
    let made = send(app, form.text("code", code).text("url", ""), "*/*");
    let location = format!("/links/{code}");
    assert_eq!((made.status, made.header("location")), (201, &*location), "{}", made.text());
    let (link, place) = (made.json(), format!("/files/{code}"));
    assert_eq!((&link["url"], &link["file"]["name"]), (&json!(place), &json!("cat.png")));
    assert_eq!(link["file"]["size"], 100_000);

    let way = app.get(&format!("/{code}"));
    assert_eq!((way.status, way.header("location")), (307, &*place));
    let found = fetch(app, &place, &[]);
    assert_eq!((found.status, found.header("content-type")), (200, "image/png"));
    assert!(found.body == photo, "it is what was sent");
    let saved = "attachment; filename*=UTF-8''cat%2Epng";
    assert_eq!(found.header("content-disposition"), saved, "it never runs as a page of ours");
    assert_eq!(found.header("x-content-type-options"), "nosniff");
    assert_eq!(app.get(&location).json()["hits"], 1, "to fetch is not to follow");

    let unchanged = fetch(app, &place, &[("if-none-match", found.header("etag"))]);
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    let missing = fetch(app, &format!("/files/no{code}"), &[]);
    assert_eq!((missing.status, missing.json()["kind"].as_str()), (404, Some("NotFound")));
    let web = format!("web{code}");
    app.post("/links", &json!({ "code": web, "url": "https://example.com", "owner": "ann" }));
    assert_eq!(fetch(app, &format!("/files/{web}"), &[]).status, 404, "an address is no file");
    let taken = Form::default().file("a", "a/b", b"a").text("owner", "bob").text("code", code);
    assert_eq!(send(app, taken, "*/*").status, 409);
    assert!(fetch(app, &place, &[]).body == photo, "the first one's");
}

pub(super) fn many_parts() {
    large_files(&App::start(&[]), "film");
}

/// Sends and fetches what goes in pieces, under codes that begin so and that nothing has yet.
pub(super) fn large_files(app: &App, code: &str) {
    // Exactly two pieces, and one of three.
    for length in [16 << 20, 20_000_001] {
        let film = bytes(length);
        let form = Form::default().text("owner", "ann").text("code", &format!("{code}{length}"));
        let made = send(app, form.file("film.mp4", "video/mp4", &film), "*/*");
        assert_eq!(made.status, 201, "{}", made.text());
        let found = fetch(app, &format!("/files/{code}{length}"), &[]);
        assert!(found.body == film, "{length} bytes as they were");
    }
}

pub(super) fn bar() {
    // A terminal, of which the app's end is a device and ours is read.
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let size = Winsize { ws_row: 25, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&screen, size).unwrap();
    let device = ptsname(&screen, Vec::new()).unwrap().into_string().unwrap();
    let device = OpenOptions::new().read(true).write(true).open(device).unwrap();
    let app = App::start_watched(&[], device.into());
    let mut screen = File::from(screen);
    let shown = Arc::new(Mutex::new(Vec::new()));
    let looking = thread::spawn({
        let shown = Arc::clone(&shown);
        move || {
            let mut some = [0; 4_096];
            // It ends with an error when nobody holds the device any more.
            while let Ok(bytes @ 1..) = screen.read(&mut some) {
                shown.lock().unwrap().extend_from_slice(&some[..bytes]);
            }
        }
    });
    let shown = || String::from_utf8_lossy(&shown.lock().unwrap()).into_owned();
    // In two halves, or it would be over before anybody could look.
    let form = Form::default().text("owner", "ann").text("code", "slow");
    let form = form.file("film.mp4", "video/mp4", &bytes(4 << 20)).end();
    let mut stream = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).unwrap();
    let head = format!(
        "POST /links HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\
         content-type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n",
        form.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let (half, rest) = form.split_at(2 << 20);
    stream.write_all(half).unwrap();
    app.until(|| shown().contains("film.mp4 [").then_some(()));
    stream.write_all(rest).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    app.stop();
    looking.join().unwrap();
    let shown = shown();
    assert!(shown.contains("MiB of 4.00 MiB"), "{shown:?}");
}

pub(super) fn ranges() {
    let app = App::start(&[]);
    let text = bytes(10_000);
    let form = Form::default().text("owner", "ann").text("code", "text");
    assert_eq!(send(&app, form.file("a.txt", "text/plain", &text), "*/*").status, 201);
    let whole = fetch(&app, "/files/text", &[]);
    assert_eq!(whole.header("accept-ranges"), "bytes");
    for (range, wanted) in [
        ("bytes=0-99", 0..100),
        ("bytes=9000-", 9_000..10_000),
        ("bytes=-1", 9_999..10_000),
        ("bytes=9990-20000", 9_990..10_000),
    ] {
        let part = fetch(&app, "/files/text", &[("range", range)]);
        let told = format!("bytes {}-{}/10000", wanted.start, wanted.end - 1);
        assert_eq!((part.status, part.header("content-range")), (206, &*told), "{range}");
        assert!(part.body == text[wanted], "{range}");
    }
    let behind = fetch(&app, "/files/text", &[("range", "bytes=10000-")]);
    assert_eq!((behind.status, behind.header("content-range")), (416, "bytes */10000"));
    for range in ["bytes=9-0", "lines=0-1", "bytes=0-1,4-5", "bytes=x-"] {
        let whole = fetch(&app, "/files/text", &[("range", range)]);
        assert_eq!((whole.status, whole.body.len()), (200, 10_000), "{range} is no range");
    }
    let tag = whole.header("etag");
    let same = fetch(&app, "/files/text", &[("range", "bytes=0-0"), ("if-range", tag)]);
    assert_eq!(same.status, 206);
    let other = fetch(&app, "/files/text", &[("range", "bytes=0-0"), ("if-range", "\"x\"")]);
    assert_eq!(other.status, 200, "what has changed is sent whole");
}

pub(super) fn browser() {
    let app = App::start(&[]);
    let page = app.page("/");
    assert!(page.body.contains("enctype=multipart/form-data"), "{}", page.body);
    assert!(page.body.contains("<input name=file type=file"), "{}", page.body);
    let form = || Form::default().text("owner", "ann").text("expires_in", "");
    // A form in which no file was chosen has a file without a name.
    let empty = form().text("url", "https://example.com").text("code", "web");
    let made = send(&app, empty.file("", "application/octet-stream", b""), "text/html");
    assert_eq!((made.status, made.header("location")), (303, "/?owner=ann&made=web"));
    let chosen =
        form().text("url", "").text("code", "notes").file("notes.txt", "text/plain", b"hi");
    assert_eq!(send(&app, chosen, "text/html").status, 303);
    app.until(|| app.page("/?owner=ann").body.contains("title=\"notes.txt\"").then_some(()));
    let both = form().text("url", "https://example.com").file("a.txt", "text/plain", b"hi");
    let refused = send(&app, both, "text/html");
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("both a url and a file"), "{}", refused.text());
}

/// The names of all objects and versions in the app's bucket.
async fn all(blob: &Arc<dyn Blob>, bucket: &BucketName) -> Vec<String> {
    let objects = blob.list(List::new(bucket.clone())).map_ok(|it| it.as_str().to_owned());
    let mut all: Vec<_> = objects.try_collect().await.unwrap();
    let versions = blob.versions(Versions::new(bucket.clone()));
    all.extend(
        versions
            .map_ok(|it| format!("{} as it was", it.key))
            .try_collect::<Vec<_>>()
            .await
            .unwrap(),
    );
    all
}

fn simulated<F: Future<Output = ()>>(run: impl FnOnce(Sim) -> F) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true);
    runtime.build().unwrap().block_on(async { run(Sim::new(7)).await });
}

async fn received(files: &files::Files, length: usize) -> mvi_core::Result<files::File> {
    let pieces = bytes(length);
    let pieces = stream::iter(
        pieces.chunks(300_000).map(|it| Ok(Bytes::copy_from_slice(it))).collect::<Vec<_>>(),
    );
    files.receive("a.bin".into(), "a/b".into(), pieces, |_| ()).await
}

pub(super) fn nothing_left() {
    simulated(|sim| async move {
        let (blob, bucket) = (sim.cloud().blob, BucketName::new("hello-files").unwrap());
        files::create_bucket(&*blob, &bucket).await.unwrap();
        let files = files::Files::new(Arc::clone(&blob), bucket.clone());
        for length in [10, 9 << 20] {
            let file = received(&files, length).await.unwrap();
            let kept = files.keep(&file, None).await.unwrap();
            assert!(kept.key.starts_with("keep/"), "{kept:?}");
            let now = all(&blob, &bucket).await;
            assert!(now.iter().all(|it| !it.starts_with("new/")), "{now:?}");
            files.remove(&kept).await;
            assert_eq!(all(&blob, &bucket).await, [""; 0]);
        }
        // What breaks off, at the first piece and later.
        for length in [100_000, 9_000_000, 20_000_000] {
            let broken = || Err(mvi_core::Error::new(ErrorKind::Unavailable, "the line broke"));
            let mut pieces: Vec<_> =
                bytes(length).chunks(300_000).map(|it| Ok(Bytes::copy_from_slice(it))).collect();
            pieces.push(broken());
            let pieces = stream::iter(pieces);
            let error = files.receive("a".into(), "a/b".into(), pieces, |_| ()).await.unwrap_err();
            assert_eq!(error.message(), "the line broke");
            assert_eq!(all(&blob, &bucket).await, [""; 0]);
            let uploads: Vec<_> = blob.uploads(&bucket).try_collect().await.unwrap();
            assert_eq!(uploads, []);
        }
        let ahead = Some(Duration::from_hours(24 * 366));
        let file = received(&files, 10).await.unwrap();
        assert_eq!(files.keep(&file, ahead).await.unwrap_err().kind(), ErrorKind::Invalid);
    });
}

pub(super) fn lifecycle() {
    simulated(|sim| async move {
        const DAY: Duration = Duration::from_hours(24);
        let (blob, bucket) = (sim.cloud().blob, BucketName::new("hello-files").unwrap());
        files::create_bucket(&*blob, &bucket).await.unwrap();
        let files = files::Files::new(Arc::clone(&blob), bucket.clone());
        let unclaimed = received(&files, 10).await.unwrap();
        let file = received(&files, 10).await.unwrap();
        let brief = files.keep(&file, Some(Duration::from_mins(1))).await.unwrap();
        let file = received(&files, 10).await.unwrap();
        let month = files.keep(&file, Some(8 * DAY)).await.unwrap();
        let file = received(&files, 10).await.unwrap();
        let for_good = files.keep(&file, None).await.unwrap();
        let is_there = async |file: &files::File| match files.open(file, None).await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(
                    (error.kind(), error.message()),
                    (ErrorKind::NotFound, "the file is gone")
                );
                false
            }
        };

        sim.sleep(DAY / 2).await.unwrap();
        for file in [&unclaimed, &brief, &month, &for_good] {
            assert!(is_there(file).await, "{}: its link may be followed still", file.key);
        }
        sim.sleep(4 * DAY).await.unwrap();
        assert!(!is_there(&unclaimed).await, "nobody has taken it");
        assert!(!is_there(&brief).await, "its link has expired");
        assert!(is_there(&month).await);
        sim.sleep(30 * DAY).await.unwrap();
        assert!(!is_there(&month).await);
        sim.sleep(1_000 * DAY).await.unwrap();
        assert!(is_there(&for_good).await);
        assert_eq!(all(&blob, &bucket).await.len(), 2, "one object, in its one version");
    });
}

pub(super) fn names() {
    let app = App::start(&[]);
    let form = |called: &str| {
        Form::default().text("owner", "ann").text("code", "x").file(
            called,
            "text/html",
            b"<script>",
        )
    };
    for called in ["/", &*"x".repeat(201)] {
        assert_eq!(send(&app, form(called), "*/*").status, 400, "{called}");
    }
    let made = send(&app, form("my\\films\\<b>ü'.html"), "*/*");
    assert_eq!((made.status, &made.json()["file"]["name"]), (201, &json!("<b>ü'.html")));
    let found = fetch(&app, "/files/x", &[]);
    let saved = "attachment; filename*=UTF-8''%3Cb%3E%C3%BC%27%2Ehtml";
    assert_eq!(found.header("content-disposition"), saved);
    let page = app.until(|| Some(app.page("/")).filter(|it| it.body.contains("href=\"/x\"")));
    assert!(
        page.body.contains("&lt;b&gt;ü&#39;.html") && !page.body.contains("<b>"),
        "{}",
        page.body
    );
    let two = form("a").file("b", "a/b", b"b");
    assert!(send(&app, two, "*/*").text().contains("two files, wanted one"));
    let long = Form::default().text("owner", &"x".repeat(100_000));
    assert_eq!(send(&app, long, "*/*").status, 400);
    let cut = Request::builder()
        .method("POST")
        .uri(format!("{}/links", app.url))
        .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
    let half = Form::default().file("a", "a/b", b"half of it").0;
    assert_eq!(call(cut, half).status, 400, "a form that breaks off makes nothing");
}

pub(super) fn lose() {
    troubled("lose", "blob.");
}

pub(super) fn throttle() {
    troubled("throttle", "Throttled, applied: No");
}

/// Whatever befalls the calls, each file is there once, and whole.
fn troubled(fault: &str, told: &str) {
    let app = App::start(&["--fault", fault, "--seed", "3"]);
    for (n, length) in [5, 1_000_000, 9_000_000, 17_000_000].into_iter().enumerate() {
        let (code, file) = (format!("f{n}"), bytes(length));
        let form = Form::default().text("owner", "ann").text("code", &code);
        let made = send(&app, form.file("a.bin", "a/b", &file), "*/*");
        assert_eq!(made.status, 201, "{}", made.text());
        let found = fetch(&app, &format!("/files/{code}"), &[]);
        assert!(found.status == 200 && found.body == file, "{length} bytes as they were");
    }
    let said = app.stop();
    assert!(said.iter().any(|it| it.contains(told)), "{said:?}");
}
