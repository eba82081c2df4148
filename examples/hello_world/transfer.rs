//! Files over HTTP: forms that bring them, ranges that fetch them.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{FromRequest as _, Multipart, Request, multipart::MultipartError},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use mvi_core::{Error, Result, blob::ByteRange};

use super::{
    app::Asked,
    files::{File, Files},
    page::Query,
};

/// The most bytes of a form's other fields.
const MOST_TEXT: usize = 16 * 1024;

/// Reads a form that may bring a file, and stores the file as it comes. Nothing is left of it where the form does not fit.
pub(crate) async fn read(files: &Files, request: Request) -> Result<Asked> {
    let length = number(request.headers(), &header::CONTENT_LENGTH);
    let mut form =
        Multipart::from_request(request, &()).await.map_err(|e| Error::invalid(e.body_text()))?;
    let mut asked = Asked::default();
    let read = fields(files, &mut form, length, &mut asked).await;
    if let Err(error) = read {
        if let Some(file) = &asked.file {
            files.remove(file).await;
        }
        return Err(error);
    }
    Ok(asked)
}

async fn fields(
    files: &Files,
    form: &mut Multipart,
    length: Option<u64>,
    asked: &mut Asked,
) -> Result<()> {
    while let Some(mut field) = form.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            let called = field.file_name().unwrap_or_default().to_owned();
            if called.is_empty() {
                // A browser's form in which no file was chosen.
                continue;
            }
            if asked.file.is_some() {
                return Err(Error::invalid("two files, wanted one"));
            }
            let called = file_name(&called)?;
            let kind = content_type(field.content_type());
            let bar = Bar::new(&called, length);
            let pieces = field.map(|it| it.map_err(broken));
            let file = files.receive(called, kind, pieces, |size| bar.at(size)).await?;
            asked.file = Some(file);
            continue;
        }
        let mut text = Vec::new();
        while let Some(bytes) = field.chunk().await.map_err(broken)? {
            text.extend_from_slice(&bytes);
            if text.len() > MOST_TEXT {
                return Err(Error::invalid(format!("{name:?} has more than {MOST_TEXT} bytes")));
            }
        }
        let text = String::from_utf8(text)
            .map_err(|_| Error::invalid(format!("{name:?} is not UTF-8 text")))?;
        match name.as_str() {
            "url" => asked.url = text,
            "owner" => asked.owner = text,
            "code" => asked.code = text,
            "expires_in" if text.is_empty() => {}
            "expires_in" => {
                let seconds = text.parse().map_err(|_| {
                    Error::invalid(format!("expires_in is {text:?}, wanted seconds"))
                })?;
                asked.expires_in = Some(seconds);
            }
            _ => {}
        }
    }
    Ok(())
}

fn broken(error: MultipartError) -> Error {
    Error::invalid(error.body_text()).with_source(error)
}

/// What its sender calls it, without the folders that it was in.
fn file_name(name: &str) -> Result<String> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    if !(1..=200).contains(&name.len()) || name.contains(char::is_control) {
        return Err(Error::invalid("the file's name does not fit: wanted 1 to 200 bytes of text"));
    }
    Ok(name.to_owned())
}

/// What its sender says that it is, where a header can carry it.
fn content_type(said: Option<&str>) -> String {
    let fits = |it: &&str| {
        (1..=100).contains(&it.len())
            && it.trim() == *it
            && it.bytes().all(|b| matches!(b, b' '..=b'~'))
    };
    said.filter(fits).unwrap_or("application/octet-stream").to_owned()
}

/// Shows how far a file has come, where somebody watches the terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new(name: &str, length: Option<u64>) -> Self {
        const BAR: &str =
            "{msg} [{wide_bar}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} to go";
        const SPINNER: &str = "{msg} {spinner} {bytes}, {bytes_per_sec}";
        let (bar, template) = match length {
            // A form is a little longer than its file.
            Some(length) => (ProgressBar::new(length), BAR),
            None => (ProgressBar::new_spinner(), SPINNER),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        // A name may have been made to disturb the terminal: control characters were refused, the rest is text.
        bar.set_message(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    fn at(&self, size: u64) {
        self.0.set_position(size);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Sends a file, or the range of it that is asked for.
pub(crate) async fn send(files: &Files, file: &File, headers: &HeaderMap) -> Result<Response> {
    let size = u64::try_from(file.size).unwrap_or_default();
    // A file never changes under its key.
    let tag = format!("\"{}\"", file.key);
    let is = |name: &HeaderName| {
        let said = headers.get(name).and_then(|it| it.to_str().ok());
        said.map(|it| it.split(',').any(|it| matches!(it.trim(), "*") || it.trim() == tag))
    };
    let mut answer = Response::new(Body::empty());
    let told = answer.headers_mut();
    told.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    tell(told, header::ETAG, &tag);
    if is(&header::IF_NONE_MATCH) == Some(true) {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(answer);
    }
    tell(told, header::CONTENT_TYPE, &file.content_type);
    // Whatever it is, it is saved, and never runs as a page of ours.
    let saved = format!("attachment; filename*=UTF-8''{}", Query(&file.name));
    tell(told, header::CONTENT_DISPOSITION, &saved);
    told.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));

    let wanted = headers.get(header::RANGE).and_then(|it| it.to_str().ok()).and_then(range);
    let wanted = wanted.filter(|_| is(&header::IF_RANGE) != Some(false));
    if let Some(range) = wanted
        && range.resolve(size).is_err()
    {
        let all = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
        return Ok((StatusCode::RANGE_NOT_SATISFIABLE, all).into_response());
    }
    let object = files.open(file, wanted).await?;
    tell(told, header::CONTENT_LENGTH, &object.length().to_string());
    if wanted.is_some() {
        let (first, last) = (object.range.start, object.range.end.saturating_sub(1));
        tell(told, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{size}"));
        *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    *answer.body_mut() = Body::from_stream(object.body);
    Ok(answer)
}

fn tell(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// The one range of a `Range` header; several, or what is none, count as no header.
fn range(text: &str) -> Option<ByteRange> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |it: &str| it.trim().parse::<u64>().ok();
    Some(match (first.trim(), last.trim()) {
        ("", last) => ByteRange::Last(number(last)?),
        (first, "") => ByteRange::From(number(first)?),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            ByteRange::from(first..=last)
        }
    })
}
