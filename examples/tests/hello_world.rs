//! `hello_world` as a person and curl meet it: a real process, asked over real HTTP.

#![allow(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _},
    ops::Deref,
    process::{Child, Command, ExitCode, ExitStatus, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use libtest_mimic::{Arguments, Failed, Trial};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use ureq::{Agent, http::Request};

#[cfg(any(feature = "aws", feature = "gcp"))]
#[path = "hello_world/emulators.rs"]
mod emulators;
#[path = "hello_world/files.rs"]
mod files;
/// The app itself, so that the process under test is always the one in the tree.
#[path = "../hello_world/main.rs"]
mod hello_world;

/// Set for a process that is to be the app and not the test.
const BE_THE_APP: &str = "MVI_HELLO_WORLD";

fn main() -> ExitCode {
    if env::var_os(BE_THE_APP).is_some() {
        return hello_world::main();
    }
    let test = |name: &str, run: fn()| {
        Trial::test(name, move || {
            run();
            Ok::<(), Failed>(())
        })
    };
    #[cfg_attr(
        not(any(feature = "aws", feature = "gcp")),
        expect(unused_mut, reason = "there is no cloud but the simulated one")
    )]
    let mut tests = vec![
        test("a_link_is_made_followed_counted_and_listed", curl),
        test("a_person_can_use_the_page", browser),
        test("what_a_person_types_is_only_text", escaping),
        test("of_sixteen_racers_exactly_one_wins", race),
        test("an_expired_link_leads_nowhere", expiry),
        test("a_file_is_sent_followed_and_fetched", files::sent_and_fetched),
        test("a_file_of_many_parts_comes_back_as_it_was", files::many_parts),
        test("a_broken_download_goes_on_by_range", files::ranges),
        test("a_person_can_send_a_file_by_the_page", files::browser),
        test("who_watches_the_terminal_sees_a_file_come", files::bar),
        test("of_a_file_without_a_link_nothing_is_left", files::nothing_left),
        test("a_file_goes_when_its_link_expires", files::lifecycle),
        test("what_a_file_is_called_is_only_text", files::names),
        test("a_lost_answer_stores_a_file_once", files::lose),
        test("throttling_does_not_harm_a_file", files::throttle),
        test("what_does_not_fit_is_refused", refusals),
        test("throttling_is_not_noticed", throttle),
        test("a_lost_answer_makes_nothing_twice", lose),
        test("an_outage_is_told_and_passes", outage),
        test("wrong_arguments_get_a_clear_error", arguments),
        test("ctrl_c_ends_it", ctrl_c),
    ];
    #[cfg(feature = "aws")]
    tests.extend(emulators::ministack());
    #[cfg(feature = "gcp")]
    tests.extend(emulators::google());
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

fn curl() {
    let app = App::start(&[]);
    let made =
        app.post("/links", &json!({ "code": "gh", "url": "https://github.com", "owner": "ann" }));
    assert_eq!((made.status, made.header("location")), (201, "/links/gh"), "{made:?}");
    let form = "url=https%3A%2F%2Fexample.com%2F%3Fa%3D1&owner=ann";
    let other = app.send("POST", "/links", FORM, "*/*", form);
    assert_eq!(other.status, 201, "{other:?}");
    let code = other.json()["code"].as_str().unwrap().to_owned();

    for _ in 0..3 {
        let way = app.get("/gh");
        assert_eq!((way.status, way.header("location")), (307, "https://github.com"));
    }
    assert_eq!(app.get(&format!("/{code}")).header("location"), "https://example.com/?a=1");

    let link = app.get("/links/gh").json();
    assert_eq!(
        (&link["hits"], &link["owner"], &link["expires"]),
        (&json!(3), &json!("ann"), &Value::Null)
    );

    let newest = app.until(|| {
        let links = app.get("/links?owner=ann").json();
        let codes: Vec<_> = links.as_array()?.iter().map(|it| it["code"].clone()).collect();
        (codes.len() == 2).then_some(codes)
    });
    assert_eq!(newest, [json!(code), json!("gh")], "the newest first");
    assert_eq!(app.get("/links?owner=bob").json(), json!([]));
    assert_eq!(app.get("/health").json()["healthy"], true);
}

fn browser() {
    let app = App::start(&[]);
    let empty = app.page("/");
    assert_eq!((empty.status, empty.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(empty.body.contains("<form method=post action=/links "), "{}", empty.body);

    let form = "url=https%3A%2F%2Fexample.com&owner=ann+lee&code=ex&expires_in=";
    let made = app.send("POST", "/links", FORM, "text/html,*/*;q=0.8", form);
    assert_eq!((made.status, made.header("location")), (303, "/?owner=ann%20lee&made=ex"));
    let page = app.until(|| {
        let page = app.page("/?owner=ann%20lee&made=ex");
        page.body.contains("Links of ann lee").then_some(())?;
        page.body.contains("title=\"https://example.com\"").then_some(page)
    });
    assert!(page.body.contains("Made <a href=\"/ex\">/ex</a>"), "{}", page.body);

    let taken = app.send("POST", "/links", FORM, "text/html", form);
    assert_eq!(taken.status, 409);
    assert!(taken.body.contains("is taken"), "{}", taken.body);
    assert!(taken.body.contains("<!doctype html>"), "a person gets a page");
}

fn escaping() {
    let app = App::start(&[]);
    let owner = "<script>alert('x')</script>\"&";
    let made = app.post(
        "/links",
        &json!({ "code": "x", "url": "https://e.com/?a=1&b='<i>", "owner": owner }),
    );
    assert_eq!(made.status, 201, "{made:?}");
    let page = app.until(|| Some(app.page("/")).filter(|it| it.body.contains("href=\"/x\"")));
    assert!(!page.body.contains("<script") && !page.body.contains("<i>"), "{}", page.body);
    assert!(
        page.body.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;"),
        "{}",
        page.body
    );
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));

    let echoed = app.page("/?owner=%22%3E%3Cscript%3E&made=%3Cscript%3E");
    assert!(!echoed.body.contains("<script"), "{}", echoed.body);
    let missing = app.page("/%3Cscript%3E");
    assert_eq!(missing.status, 404);
    assert!(!missing.body.contains("<script"), "{}", missing.body);
}

fn race() {
    let app = App::start(&[]);
    let answers: Vec<_> = thread::scope(|scope| {
        let racers: Vec<_> = (0..16)
            .map(|n| {
                let web = &app.web;
                scope.spawn(move || {
                    let url = format!("https://example.com/{n}");
                    web.post(
                        "/links",
                        &json!({ "code": "one", "url": url, "owner": format!("racer {n}") }),
                    )
                })
            })
            .collect();
        racers.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let won: Vec<_> = answers.iter().filter(|it| it.status == 201).collect();
    let lost = answers.iter().filter(|it| it.status == 409).count();
    assert_eq!((won.len(), lost), (1, 15), "{answers:?}");
    assert_eq!(app.get("/one").header("location"), won[0].json()["url"], "the winner's");
}

fn expiry() {
    let app = App::start(&[]);
    let made = app.post(
        "/links",
        &json!({ "code": "brief", "url": "https://example.com", "owner": "ann", "expires_in": 5 }),
    );
    assert!(made.json()["expires"].is_string(), "{made:?}");
    assert_eq!(app.get("/brief").status, 307);
    app.until(|| (app.get("/brief").status == 404).then_some(()));
    let again = app
        .post("/links", &json!({ "code": "brief", "url": "https://example.org", "owner": "bob" }));
    assert_eq!(again.status, 201, "an expired code is free: {again:?}");
    assert_eq!(app.get("/links/brief").json()["hits"], 0);
}

fn refusals() {
    let app = App::start(&[]);
    let fits = json!({ "code": "fits", "url": "https://example.com", "owner": "ann" });
    assert_eq!(app.post("/links", &fits).status, 201);
    let with = |field: &str, value: Value| {
        let mut asked = fits.clone();
        asked[field] = value;
        app.post("/links", &asked)
    };
    let refused = [
        with("code", json!("a/b")),
        with("code", json!("x".repeat(33))),
        with("code", json!("links")),
        with("url", json!("javascript:alert(1)")),
        with("url", json!("https://")),
        with("url", json!("https://example.com/\r\nx: y")),
        with("url", json!(format!("https://{}", "x".repeat(3_000)))),
        with("owner", json!("")),
        with("owner", json!("a\u{7}b")),
        with("expires_in", json!("soon")),
        app.send("POST", "/links", "application/json", "*/*", "{"),
        app.send("POST", "/links", FORM, "*/*", "owner=ann"),
        app.send("POST", "/links", "application/json", "*/*", &"x".repeat(100_000)),
    ];
    for answer in refused {
        assert_eq!(
            (answer.status, answer.json()["kind"].as_str()),
            (400, Some("Invalid")),
            "{answer:?}"
        );
    }
    let taken = app.post("/links", &fits);
    assert_eq!((taken.status, taken.json()["kind"].as_str()), (409, Some("Conflict")));
    for path in ["/none", "/links/none", "/favicon.ico", "/links/a.b"] {
        let missing = app.get(path);
        assert_eq!(
            (missing.status, missing.json()["kind"].as_str()),
            (404, Some("NotFound")),
            "{path}"
        );
    }
    assert_eq!(app.get("/links/fits").json()["hits"], 0, "nothing was changed");
}

fn throttle() {
    let app = App::start(&["--fault", "throttle", "--seed", "3"]);
    make_and_follow_all(&app);
    let said = app.stop();
    assert!(said.iter().any(|it| it.contains("Throttled, applied: No")), "{said:?}");
    assert!(said.iter().any(|it| it.starts_with("restored: after ")), "{said:?}");
}

fn lose() {
    let app = App::start(&["--fault", "lose", "--seed", "3"]);
    make_and_follow_all(&app);
    let taken =
        app.post("/links", &json!({ "code": "c0", "url": "https://example.com", "owner": "bob" }));
    assert_eq!(taken.status, 409, "another's link is not taken for one's own: {taken:?}");
    let said = app.stop();
    assert!(
        said.iter().any(|it| it.contains("kv.update links: Timeout, applied: Unknown")),
        "{said:?}"
    );
    assert!(said.iter().any(|it| it.starts_with("restored: after ")), "{said:?}");
}

/// Makes a dozen links and follows each twice: every one is there once, and has two hits.
fn make_and_follow_all(app: &App) {
    let codes: Vec<_> = (0..12).map(|n| format!("c{n}")).collect();
    for code in &codes {
        let made = app
            .post("/links", &json!({ "code": code, "url": "https://example.com", "owner": "ann" }));
        assert_eq!(made.status, 201, "{made:?}");
    }
    for code in codes.iter().chain(&codes) {
        assert_eq!(app.get(&format!("/{code}")).status, 307);
    }
    for code in &codes {
        assert_eq!(app.get(&format!("/links/{code}")).json()["hits"], 2, "{code}");
    }
    let mut listed: Vec<_> = app.until(|| {
        let links = app.get("/links?owner=ann").json();
        let links = links.as_array().filter(|it| it.len() >= codes.len())?;
        Some(links.iter().map(|it| it["code"].as_str().unwrap().to_owned()).collect())
    });
    listed.sort_unstable();
    let mut wanted = codes;
    wanted.sort_unstable();
    assert_eq!(listed, wanted);
}

fn outage() {
    let app = App::start(&["--fault", "outage"]);
    let down = app.until(|| Some(app.get("/links")).filter(|it| it.status != 200));
    assert_eq!((down.status, down.json()["kind"].as_str()), (503, Some("Unavailable")), "{down:?}");
    assert!(down.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(app.get("/health").status, 503);
    let page = app.page("/");
    assert!(page.body.contains("<form"), "the form stands: {page:?}");

    app.until(|| (app.get("/links").status == 200).then_some(()));
    let health = app.get("/health");
    assert_eq!((health.status, &health.json()["restored"]), (200, &json!(1)), "{health:?}");
    let longest = health.json()["longest_ms"].as_u64().unwrap();
    assert!((500..10_000).contains(&longest), "{longest} ms");
    let made = app.post("/links", &json!({ "url": "https://example.com", "owner": "ann" }));
    assert_eq!(made.status, 201, "{made:?}");
    let said = app.stop();
    assert!(said.iter().any(|it| it.starts_with("restored: after ")), "{said:?}");
}

fn arguments() {
    for (args, wanted) in [
        (&["--cloud", "mars"][..], "possible values: sim, aws, gcp"),
        (&["--port", "70000"], "70000 is not in 0..=65535"),
        (&["--seed", "x"], "invalid digit"),
        (&["--fault", "fire"], "possible values: throttle, lose, outage"),
        (&["--endpoint", "localhost"], "wanted http:// or https:// and a host"),
        (&["--endpoint", "http://127.0.0.1:1"], "wanted --cloud aws or gcp"),
        (&["links"], "unexpected argument 'links'"),
    ] {
        let Output { status, stdout, stderr } = run(args);
        let said = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(2), "{args:?}: {said}");
        assert!(said.starts_with("error: ") && said.contains(wanted), "{args:?}: {said}");
        assert!(stdout.is_empty(), "{args:?}");
    }
    #[cfg(not(feature = "aws"))]
    {
        let Output { status, stderr, .. } = run(&["--cloud", "aws"]);
        let said = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(2), "{said}");
        assert!(said.contains("--features aws"), "{said}");
    }

    let app = App::start(&[]);
    let port = app.url.rsplit(':').next().unwrap();
    let Output { status, stderr, .. } = run(&["--port", port]);
    let said = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.starts_with(&format!("error: can't listen on port {port}: ")), "{said}");
}

fn ctrl_c() {
    let app = App::start(&[]);
    assert_eq!(app.get("/").status, 200);
    // A browser keeps a connection open: that must not keep the app.
    let open = std::net::TcpStream::connect(app.url.strip_prefix("http://").unwrap()).unwrap();
    let url = app.url.clone();
    let said = app.stop();
    drop(open);
    assert_eq!(said, ["stopping", "healthy"]);
    assert!(agent().get(&url).call().is_err(), "nobody listens any more");
}

const FORM: &str = "application/x-www-form-urlencoded";

/// A running app; it ends when dropped.
struct App {
    child: Child,
    lines: Receiver<String>,
    web: Web,
}

impl Deref for App {
    type Target = Web;

    fn deref(&self) -> &Web {
        &self.web
    }
}

/// Where it listens.
struct Web {
    url: String,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

impl App {
    fn start(args: &[&str]) -> Self {
        Self::start_watched(args, Stdio::inherit())
    }

    fn start_watched(args: &[&str], stderr: Stdio) -> Self {
        let mut child = command(args).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let (send, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|it| send.send(it))
        });
        let mut url = lines.recv_timeout(PATIENCE).unwrap();
        if args.contains(&"--cloud") {
            return Self { child, lines, web: Web { url } };
        }
        assert!(url.starts_with("simulated cloud, seed "), "{url}");
        if args.contains(&"--fault") {
            let fault = lines.recv_timeout(PATIENCE).unwrap();
            assert!(fault.starts_with("fault: "), "{fault}");
        }
        url.replace_range(.., &lines.recv_timeout(PATIENCE).unwrap());
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        Self { child, lines, web: Web { url } }
    }

    /// Presses Ctrl-C, and returns what the app said since it listens.
    fn stop(mut self) -> Vec<String> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).unwrap();
        // Its output ends with it; an app that hangs would keep it open.
        let mut said = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            said.push(line);
        }
        let status = self.wait();
        assert!(status.success(), "{status}: {said:?}");
        said
    }

    fn wait(&mut self) -> ExitStatus {
        for _ in 0..50 {
            match self.child.try_wait().unwrap() {
                Some(status) => return status,
                None => pause(),
            }
        }
        panic!("it does not end");
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Web {
    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "*/*", "")
    }

    fn page(&self, path: &str) -> Answer {
        self.send("GET", path, "", "text/html", "")
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, "application/json", "*/*", &body.to_string())
    }

    fn send(&self, method: &str, path: &str, kind: &str, accept: &str, body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        request = request.header("accept", accept);
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let mut answer = agent().run(request.body(body.to_owned()).unwrap()).unwrap();
        let headers = answer.headers().iter();
        let headers = headers.map(|(name, it)| (name.to_string(), it.to_str().unwrap().to_owned()));
        let headers = headers.collect();
        let mut body = String::new();
        answer.body_mut().as_reader().read_to_string(&mut body).unwrap();
        Answer { status: answer.status().as_u16(), headers, body }
    }

    /// Asks until there is something: lists and health follow a moment later.
    fn until<T>(&self, ask: impl Fn() -> Option<T>) -> T {
        for _ in 0..600 {
            match ask() {
                Some(found) => return found,
                None => pause(),
            }
        }
        panic!("not in time from {}", self.url);
    }
}

/// The longest that a step may take.
const PATIENCE: Duration = Duration::from_mins(1);

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(args).env(BE_THE_APP, "1").stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(PATIENCE));
    config.build().new_agent()
}

#[expect(clippy::disallowed_methods, reason = "the app is another process, whose time is real")]
fn pause() {
    thread::sleep(Duration::from_millis(100));
}
