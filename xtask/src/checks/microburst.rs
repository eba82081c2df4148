//! What the fault-injecting proxy does.

use serde_json::{Value, json};

use super::{Check, expect};
use crate::Result;
use crate::http::{self, dynamodb, get};

const PORT: u16 = 9999;

pub(super) static CHECKS: [Check; 5] = [
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
