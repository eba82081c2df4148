//! The web: which request does what, and how a failure looks to the one who asked.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::{
    Form, Json, Router,
    extract::{DefaultBodyLimit, FromRequest as _, Path, Query, Request, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use mvi_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::json;

use super::{
    files::{File, Files},
    health::Health,
    links::{self, Link, Links, NewLink, To},
    page, transfer,
};

/// Codes that are paths of the app itself.
pub(crate) const RESERVED: [&str; 3] = ["files", "health", "links"];

/// What every request needs.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) links: Links,
    pub(crate) files: Files,
    pub(crate) health: Arc<Health>,
}

/// The app as a router.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/health", get(health))
        // A form with a file is larger than any other, and counted as it comes.
        .route("/links", get(list).post(create).layer(DefaultBodyLimit::disable()))
        .route("/files/{code}", get(download))
        .route("/links/{code}", get(count))
        .route("/{code}", get(follow))
        .with_state(app)
}

#[derive(Debug, Deserialize)]
struct Whose {
    owner: Option<String>,
    made: Option<String>,
}

impl Whose {
    fn owner(&self) -> Option<&str> {
        self.owner.as_deref().filter(|it| !it.is_empty())
    }
}

async fn home(State(app): State<App>, Query(whose): Query<Whose>) -> Response {
    let links = app.links.list(whose.owner()).await;
    let shown = page::Shown { owner: whose.owner(), made: whose.made.as_deref() };
    let page = page::home(&shown, &links, app.health.report());
    // The form stands also where the list is not to be had.
    match links {
        Ok(_) => html(page),
        Err(error) => (status(error.kind()), after(&error), html(page)).into_response(),
    }
}

async fn list(State(app): State<App>, headers: HeaderMap, Query(whose): Query<Whose>) -> Response {
    let links = app.links.list(whose.owner()).await;
    app.respond(&headers, links.map(Json))
}

/// What a form or a JSON body holds.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    pub(crate) url: String,
    pub(crate) owner: String,
    #[serde(default)]
    pub(crate) code: String,
    #[serde(default, deserialize_with = "seconds")]
    pub(crate) expires_in: Option<u64>,
    /// The file that came with the form, stored already.
    #[serde(skip)]
    pub(crate) file: Option<File>,
}

async fn create(State(app): State<App>, headers: HeaderMap, request: Request) -> Response {
    let made = async { app.make(read(&app, &headers, request).await?).await };
    let made = made.await.map(|link| {
        if wants_html(&headers) {
            let to = format!("/?owner={}&made={}", page::Query(&link.owner), link.code);
            return Redirect::to(&to).into_response();
        }
        let at = [(header::LOCATION, format!("/links/{}", link.code))];
        (StatusCode::CREATED, at, Json(link)).into_response()
    });
    app.respond(&headers, made)
}

async fn count(State(app): State<App>, headers: HeaderMap, Path(code): Path<String>) -> Response {
    let link = app.links.find(&code).await;
    app.respond(&headers, link.map(Json))
}

async fn follow(State(app): State<App>, headers: HeaderMap, Path(code): Path<String>) -> Response {
    let url = app.links.follow(&code).await;
    // A browser that remembered the way would not be counted again.
    let fresh = [(header::CACHE_CONTROL, "no-store")];
    app.respond(&headers, url.map(|url| (fresh, Redirect::temporary(&url))))
}

async fn download(
    State(app): State<App>,
    headers: HeaderMap,
    Path(code): Path<String>,
) -> Response {
    let sent = async {
        let link = app.links.find(&code).await?;
        let missing = || Error::new(ErrorKind::NotFound, format!("no file behind {code:?}"));
        let file = link.file.ok_or_else(missing)?;
        transfer::send(&app.files, &file, &headers).await
    };
    app.respond(&headers, sent.await)
}

async fn health(State(app): State<App>) -> Response {
    let report = app.health.report();
    let code = if report.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(report)).into_response()
}

impl App {
    /// Makes the link that is asked for. Of a file without a link nothing is left.
    async fn make(&self, asked: Asked) -> Result<Link> {
        let Asked { url, owner, code, expires_in, file } = asked;
        let code = Some(code).filter(|it| !it.is_empty());
        let expires_in = expires_in.map(Duration::from_secs);
        let Some(received) = file else {
            return self.links.create(NewLink { code, to: To::Url(url), owner, expires_in }).await;
        };
        let kept = async {
            if !url.is_empty() {
                return Err(Error::invalid("both a url and a file, wanted one"));
            }
            // Before the file is moved to where only its link leads to it.
            links::check(code.as_deref().unwrap_or("code"), &owner)?;
            self.files.keep(&received, expires_in).await
        };
        let file = match kept.await {
            Ok(file) => file,
            Err(error) => {
                self.files.remove(&received).await;
                return Err(error);
            }
        };
        let to = To::File(file.clone());
        let made = self.links.create(NewLink { code, to, owner, expires_in }).await;
        // Where the link may have been made, its file stays.
        if made.as_ref().is_err_and(|e| !e.may_have_applied()) {
            self.files.remove(&file).await;
        }
        made
    }

    fn respond(&self, headers: &HeaderMap, answer: Result<impl IntoResponse>) -> Response {
        let error = match answer {
            Ok(answer) => return answer.into_response(),
            Err(error) => error,
        };
        let code = (status(error.kind()), after(&error));
        if wants_html(headers) {
            return (code.0, code.1, html(page::failure(&error, self.health.report())))
                .into_response();
        }
        let kind = format!("{:?}", error.kind());
        let body = json!({ "kind": kind, "error": error.to_string() });
        (code.0, code.1, Json(body)).into_response()
    }
}

/// A kind of failure as HTTP says it.
fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyExists | ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Throttled => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Exhausted => StatusCode::INSUFFICIENT_STORAGE,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        // Our credentials, our data, our mistake: nothing that the visitor could mend.
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// When it makes sense to come back, where it does at all.
fn after(error: &Error) -> Option<[(HeaderName, String); 1]> {
    let wait = error.retry_after().unwrap_or_default().max(Duration::from_secs(1));
    let seconds = wait.as_millis().div_ceil(1_000);
    error.is_retryable().then(|| [(header::RETRY_AFTER, seconds.to_string())])
}

/// Nothing but this page's own style runs or loads, whatever a person typed.
fn html(page: String) -> Response {
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
}

fn wants_html(headers: &HeaderMap) -> bool {
    has(headers, &header::ACCEPT, "text/html")
}

fn has(headers: &HeaderMap, name: &HeaderName, text: &str) -> bool {
    headers.get(name).and_then(|it| it.to_str().ok()).is_some_and(|it| it.contains(text))
}

async fn read(app: &App, headers: &HeaderMap, mut request: Request) -> Result<Asked> {
    if has(headers, &header::CONTENT_TYPE, "multipart/form-data") {
        return transfer::read(&app.files, request).await;
    }
    DefaultBodyLimit::max(16 * 1024).apply(&mut request);
    if has(headers, &header::CONTENT_TYPE, "application/json") {
        let body = Json::from_request(request, &()).await;
        body.map(|Json(asked)| asked).map_err(|e| Error::invalid(e.body_text()))
    } else {
        let body = Form::from_request(request, &()).await;
        body.map(|Form(asked)| asked).map_err(|e| Error::invalid(e.body_text()))
    }
}

/// A number of seconds: JSON has numbers, a form has text, which is empty where nothing was chosen.
fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds<'a> {
        Number(u64),
        Text(Cow<'a, str>),
        Nothing,
    }
    match Seconds::deserialize(from)? {
        Seconds::Number(seconds) => Ok(Some(seconds)),
        Seconds::Text(text) if text.is_empty() => Ok(None),
        Seconds::Text(text) => text.parse().map(Some).map_err(D::Error::custom),
        Seconds::Nothing => Ok(None),
    }
}
