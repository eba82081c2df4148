//! What the fault-injecting proxy does.

use serde_json::{Value, json};

use super::{Check, expect};
use crate::Result;
use crate::http::{self, Answer, dynamodb, get, s3_as};

const PORT: u16 = 9999;

pub(super) static CHECKS: [Check; 9] = [
    Check {
        oracle: "microburst",
        name: "without_rules_it_passes_what_ministack_says",
        holds: without_rules_it_passes_what_ministack_says,
    },
    Check {
        oracle: "microburst",
        name: "a_throttle_strikes_as_often_as_told_then_heals",
        holds: a_throttle_strikes_as_often_as_told_then_heals,
    },
    Check {
        oracle: "microburst",
        name: "a_rule_strikes_its_operation_alone",
        holds: a_rule_strikes_its_operation_alone,
    },
    Check {
        oracle: "microburst",
        name: "a_reset_cuts_the_connection",
        holds: a_reset_cuts_the_connection,
    },
    Check {
        oracle: "microburst",
        name: "what_it_did_is_on_record",
        holds: what_it_did_is_on_record,
    },
    Check { oracle: "microburst", name: "s3_passes_with_any_key", holds: s3_passes_with_any_key },
    Check {
        oracle: "microburst",
        name: "s3_is_slowed_down_with_status_503",
        holds: s3_is_slowed_down_with_status_503,
    },
    Check {
        oracle: "microburst",
        name: "a_rule_for_a_put_strikes_parts_and_copies_too",
        holds: a_rule_for_a_put_strikes_parts_and_copies_too,
    },
    Check {
        oracle: "microburst",
        name: "a_download_is_cut_half_way",
        holds: a_download_is_cut_half_way,
    },
];

fn control(method: &str, path: &str, body: &Value) -> Result<Value> {
    let url = format!("http://127.0.0.1:{PORT}/_microburst/{path}");
    http::send(method, &url, &[("content-type", "application/json")], Some(body))?.ok()
}

/// Sets the rules for one check and takes them away again, also where it failed.
fn with_rule(rule: Value, check: impl FnOnce() -> Result<()>) -> Result<()> {
    control("POST", "rules", &Value::Array(vec![rule]))?;
    let outcome = check();
    control("POST", "rules", &json!([]))?;
    outcome
}

fn throttle(times: u32) -> Value {
    json!({
        "service": "dynamodb",
        "operation": "ListTables",
        "times": times,
        "error": { "code": "ProvisionedThroughputExceededException" },
    })
}

fn list() -> Result<http::Answer> {
    dynamodb(PORT, "ListTables", &json!({}))
}

fn without_rules_it_passes_what_ministack_says() -> Result<()> {
    // Tests before this one may have left theirs.
    control("POST", "rules", &json!([]))?;
    let health = get(&format!("http://127.0.0.1:{PORT}/_microburst/health"))?.ok()?;
    expect(&health["upstream"], "http://127.0.0.1:4566", "its upstream")?;
    if list()?.ok()?["TableNames"].is_array() { Ok(()) } else { Err("no list".to_owned()) }
}

fn a_throttle_strikes_as_often_as_told_then_heals() -> Result<()> {
    with_rule(throttle(2), || {
        for _ in 0..2 {
            let answer = list()?;
            let code = answer.json["__type"].as_str().unwrap_or_default();
            if answer.status != 400 || !code.ends_with("ProvisionedThroughputExceededException") {
                return Err(answer.surprise("a throttle with status 400"));
            }
        }
        list()?.ok().map(drop)
    })
}

fn a_rule_strikes_its_operation_alone() -> Result<()> {
    with_rule(throttle(1), || {
        let other = dynamodb(PORT, "DescribeEndpoints", &json!({}))?;
        if other.text.contains("ProvisionedThroughputExceeded") {
            return Err("it struck another operation".to_owned());
        }
        if list()?.status == 400 { Ok(()) } else { Err("it did not strike".to_owned()) }
    })
}

fn a_reset_cuts_the_connection() -> Result<()> {
    with_rule(json!({ "service": "dynamodb", "times": 1, "reset": true }), || {
        if let Ok(answer) = list() {
            return Err(answer.surprise("no answer at all"));
        }
        list()?.ok().map(drop)
    })
}

fn what_it_did_is_on_record() -> Result<()> {
    control("DELETE", "fired", &Value::Null)?;
    with_rule(throttle(1), || list().map(drop))?;
    let fired = get(&format!("http://127.0.0.1:{PORT}/_microburst/fired"))?.ok()?;
    expect(&fired.as_array().map_or(0, Vec::len).into(), 1, "the number of faults")?;
    expect(&fired[0]["operation"], "ListTables", "the operation struck")
}

const BUCKET: &str = "mvi-oracle-check";

fn s3(method: &str, rest: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
    s3_as("test", PORT, method, &format!("/{BUCKET}{rest}"), headers, body)
}

/// A bucket for one check, with nothing but what is at `/a` and `/b`.
fn with_bucket(check: impl FnOnce() -> Result<()>) -> Result<()> {
    control("POST", "rules", &json!([]))?;
    s3("PUT", "", &[], b"")?;
    let outcome = check();
    for rest in ["/a", "/b", ""] {
        s3("DELETE", rest, &[], b"")?;
    }
    outcome
}

fn strikes(rule: Value, call: impl Fn() -> Result<Answer>) -> Result<()> {
    with_rule(rule, || match call()? {
        struck if struck.status == 503 && struck.text.contains("<Code>SlowDown</Code>") => Ok(()),
        other => Err(other.surprise("status 503 and SlowDown")),
    })
}

fn slow_down(operation: &str) -> Value {
    json!({ "service": "s3", "operation": operation, "times": 1, "error": { "code": "SlowDown" } })
}

fn s3_passes_with_any_key() -> Result<()> {
    with_bucket(|| {
        let key = "/%C3%A9%2F%2B%20%2525%3F%23%2F%2F%F4%8F%BF%BD";
        s3("PUT", key, &[], b"hello")?;
        let found = s3("GET", key, &[], b"")?;
        s3("DELETE", key, &[], b"")?;
        expect(&found.text.into(), "hello", "what is there")
    })
}

fn s3_is_slowed_down_with_status_503() -> Result<()> {
    with_bucket(|| {
        strikes(slow_down("PutObject"), || s3("PUT", "/a", &[], b"hello"))?;
        strikes(slow_down("ListObjectsV2"), || s3("GET", "?list-type=2", &[], b""))?;
        // It takes the end of an upload for its start, which is a POST to the key too.
        let list = b"<CompleteMultipartUpload></CompleteMultipartUpload>";
        let complete = || s3("POST", "/a?uploadId=1", &[], list);
        strikes(slow_down("CreateMultipartUpload"), complete)
    })
}

/// All of them are a PUT of a key to it; a copy has a header that a rule can ask for.
fn a_rule_for_a_put_strikes_parts_and_copies_too() -> Result<()> {
    with_bucket(|| {
        strikes(slow_down("PutObject"), || s3("PUT", "/a?partNumber=1&uploadId=1", &[], b"part"))?;
        let source = format!("/{BUCKET}/a");
        let copy = || s3("PUT", "/b", &[("x-amz-copy-source", source.as_str())], b"");
        strikes(slow_down("PutObject"), copy)?;
        let mut copies = slow_down("PutObject");
        copies["headers"] = json!({ "x-amz-copy-source": "" });
        with_rule(copies.clone(), || match s3("PUT", "/a", &[], b"hello")? {
            put if put.status == 200 => Ok(()),
            struck => Err(struck.surprise("status 200 for a put")),
        })?;
        strikes(copies, copy)
    })
}

fn a_download_is_cut_half_way() -> Result<()> {
    with_bucket(|| {
        s3("PUT", "/a", &[], &vec![b'x'; 100_000])?;
        let cut = json!({
            "service": "s3", "operation": "GetObject", "times": 1, "response": { "abort_frac": 0.5 },
        });
        with_rule(cut, || match s3("GET", "/a", &[], b"") {
            Ok(whole) => Err(format!("{} of 100,000 bytes came, and no error", whole.text.len())),
            Err(_) => {
                expect(&s3("GET", "/a", &[], b"")?.text.len().into(), 100_000, "the next read")
            }
        })
    })
}
