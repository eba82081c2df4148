//! A small HTTP client for loopback: JSON in, JSON out, every status is an answer.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::Result;

/// An oracle that takes longer than this over one request is not well.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a server answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The headers, their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body as it came.
    pub(crate) text: String,
    /// The body as JSON; null where it is none.
    pub(crate) json: Value,
}

impl Answer {
    /// The body where the status is 200; the whole answer as an error where it is not.
    pub(crate) fn ok(self) -> Result<Value> {
        if self.status == 200 { Ok(self.json) } else { Err(self.surprise("status 200")) }
    }

    /// A header's value; nothing where it did not come.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The texts of all XML elements of this name, in order: good for an answer whose form is known.
    pub(crate) fn elements(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let inside = self.text.split(&open).skip(1).filter_map(|it| Some(it.split_once(&close)?.0));
        inside.map(|it| it.replace("&quot;", "\"").replace("&#34;", "\"")).collect()
    }

    /// Says what came and what was wanted.
    pub(crate) fn surprise(&self, wanted: &str) -> String {
        let start: String = self.text.chars().take(400).collect();
        format!("wanted {wanted}, got status {} with: {start}", self.status)
    }
}

/// Sends a request with JSON; `Err` means that no answer came.
pub(crate) fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Result<Answer> {
    let body = body.map(Value::to_string).unwrap_or_default();
    send_bytes(method, url, headers, body.as_bytes())
}

/// Sends a request; `Err` means that no answer came, or not all of it.
pub(crate) fn send_bytes(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer> {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(PATIENCE))
        // The environment's proxy is for the outside world; this is loopback.
        .proxy(None)
        .build()
        .new_agent();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body).map_err(|error| format!("{method} {url}: {error}"))?;
    let mut response = agent.run(request).map_err(|error| format!("{method} {url}: {error}"))?;
    let status = response.status().as_u16();
    let headers = response.headers().iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let headers = headers.collect();
    let text = response
        .body_mut()
        .with_config()
        .limit(64 << 20)
        .read_to_string()
        .map_err(|error| format!("{method} {url}: {error}"))?;
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok(Answer { status, headers, text, json })
}

/// Sends a GET.
pub(crate) fn get(url: &str) -> Result<Answer> {
    send("GET", url, &[], None)
}

/// Calls one DynamoDB operation, signed well enough for an emulator, as the account `key`.
pub(crate) fn dynamodb_as(key: &str, port: u16, operation: &str, body: &Value) -> Result<Answer> {
    let target = format!("DynamoDB_20120810.{operation}");
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/dynamodb/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=0"
    );
    let headers = [
        ("x-amz-target", target.as_str()),
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-date", "20260101T000000Z"),
        ("authorization", authorization.as_str()),
    ];
    send("POST", &format!("http://127.0.0.1:{port}/"), &headers, Some(body))
}

/// Calls one DynamoDB operation.
pub(crate) fn dynamodb(port: u16, operation: &str, body: &Value) -> Result<Answer> {
    dynamodb_as("test", port, operation, body)
}

/// Calls S3 with a path like `/bucket/key?query`, signed well enough for an emulator, as the account `key`.
pub(crate) fn s3_as(
    key: &str,
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer> {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/s3/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=0"
    );
    let signed = [
        ("x-amz-date", "20260101T000000Z"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("content-type", "application/octet-stream"),
        ("authorization", authorization.as_str()),
    ];
    let url = format!("http://127.0.0.1:{port}{path}");
    send_bytes(method, &url, &[&signed[..], headers].concat(), body)
}
