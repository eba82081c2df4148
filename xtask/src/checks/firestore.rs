//! What Google's Firestore emulator does, and the server that is driven by Google's documents.

use serde_json::{Value, json};

use super::{Check, expect};
use crate::Result;
use crate::http::{Answer, get, send};

const EMULATOR: &str = "http://127.0.0.1:8681";
const ADMIN: &str = "http://127.0.0.1:9101";
const DATABASE: &str = "projects/mvi-oracle-check/databases/(default)";

macro_rules! checks {
    ($($oracle:literal { $($name:ident),+ $(,)? })+) => {
        [$($(Check { oracle: $oracle, name: stringify!($name), holds: $name }),+),+]
    };
}

pub(super) static CHECKS: [Check; 13] = checks! {
    "firestore" {
        a_create_of_what_is_there_already_exists,
        a_stale_update_time_is_a_failed_precondition,
        a_check_of_an_absent_document_changes_nothing,
        a_write_that_changes_nothing_keeps_its_update_time,
        an_increment_saturates,
        a_descending_scan_of_names_is_refused,
        batch_write_wants_the_owner,
        partition_query_is_missing,
    }
    "firestore-admin" {
        a_policy_is_creating_until_its_operation_is_done,
        the_default_database_is_there_and_no_other,
        a_misspelt_field_is_a_violation,
        an_unknown_parameter_is_a_violation,
        an_unknown_path_is_a_violation,
    }
};

fn call(method: &str, path: &str, body: &Value) -> Result<Answer> {
    let headers = [("content-type", "application/json"), ("authorization", "Bearer owner")];
    send(method, &format!("{EMULATOR}/{path}"), &headers, Some(body))
}

/// Runs a check on an empty collection.
fn emptied(check: impl FnOnce() -> Result<()>) -> Result<()> {
    let path = format!("emulator/v1/{DATABASE}/documents");
    send("DELETE", &format!("{EMULATOR}/{path}"), &[], None)?.ok()?;
    check()
}

fn document() -> String {
    format!("{DATABASE}/documents/checks/one")
}

fn commit(write: &Value) -> Result<Answer> {
    call("POST", &format!("v1/{DATABASE}/documents:commit"), &json!({ "writes": [write] }))
}

fn write(number: i64) -> Value {
    let fields = json!({ "n": { "integerValue": number.to_string() } });
    json!({ "update": { "name": document(), "fields": fields } })
}

fn written(number: i64) -> Result<Value> {
    Ok(commit(&write(number))?.ok()?["writeResults"][0]["updateTime"].take())
}

fn refused(answer: &Answer, http: u16, status: &str) -> Result<()> {
    let error = match &answer.json {
        // A streaming method answers with a list.
        Value::Array(list) => list.first().map_or(&Value::Null, |first| &first["error"]),
        other => &other["error"],
    };
    if answer.status == http && error["status"] == status {
        Ok(())
    } else {
        Err(answer.surprise(&format!("status {http} and {status}")))
    }
}

fn a_create_of_what_is_there_already_exists() -> Result<()> {
    emptied(|| {
        let mut create = write(1);
        create["currentDocument"] = json!({ "exists": false });
        commit(&create)?.ok()?;
        refused(&commit(&create)?, 409, "ALREADY_EXISTS")
    })
}

fn a_stale_update_time_is_a_failed_precondition() -> Result<()> {
    emptied(|| {
        let first = written(1)?;
        written(2)?;
        let mut third = write(3);
        third["currentDocument"] = json!({ "updateTime": first });
        refused(&commit(&third)?, 400, "FAILED_PRECONDITION")?;
        let found = call("GET", &format!("v1/{}", document()), &Value::Null)?.ok()?;
        expect(&found["fields"]["n"]["integerValue"], "2", "the document")
    })
}

/// How a condition on an absent item is checked in a transaction.
fn a_check_of_an_absent_document_changes_nothing() -> Result<()> {
    emptied(|| {
        let check = json!({ "delete": document(), "currentDocument": { "exists": false } });
        commit(&check)?.ok()?;
        written(1)?;
        refused(&commit(&check)?, 409, "ALREADY_EXISTS")
    })
}

/// Why each write has to change a nonce.
fn a_write_that_changes_nothing_keeps_its_update_time() -> Result<()> {
    emptied(|| {
        let first = written(1)?;
        expect(&written(1)?, first.clone(), "the update time of the same write")?;
        if written(2)? == first { Err("another write kept it, too".to_owned()) } else { Ok(()) }
    })
}

/// Why an increment that overflows has to be refused before it is sent.
fn an_increment_saturates() -> Result<()> {
    emptied(|| {
        written(1)?;
        let step =
            json!({ "fieldPath": "n", "increment": { "integerValue": i64::MAX.to_string() } });
        let answer = commit(&json!({
            "transform": { "document": document(), "fieldTransforms": [step] },
        }))?
        .ok()?;
        let found = &answer["writeResults"][0]["transformResults"][0]["integerValue"];
        expect(found, i64::MAX.to_string(), "1 + the largest number")
    })
}

/// Why descending queries run on a field of their own.
fn a_descending_scan_of_names_is_refused() -> Result<()> {
    let query = json!({ "structuredQuery": {
        "from": [{ "collectionId": "checks" }],
        "orderBy": [{ "field": { "fieldPath": "__name__" }, "direction": "DESCENDING" }],
    } });
    let answer = call("POST", &format!("v1/{DATABASE}/documents:runQuery"), &query)?;
    refused(&answer, 400, "FAILED_PRECONDITION")
}

fn batch_write_wants_the_owner() -> Result<()> {
    emptied(|| {
        let path = format!("v1/{DATABASE}/documents:batchWrite");
        let body = json!({ "writes": [write(1)] });
        let headers = [("content-type", "application/json")];
        let stranger = send("POST", &format!("{EMULATOR}/{path}"), &headers, Some(&body))?;
        refused(&stranger, 403, "PERMISSION_DENIED")?;
        call("POST", &path, &body)?.ok().map(drop)
    })
}

fn partition_query_is_missing() -> Result<()> {
    let answer = call("POST", &format!("v1/{DATABASE}/documents:partitionQuery"), &json!({}))?;
    refused(&answer, 501, "UNIMPLEMENTED")
}

fn admin(method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
    send(method, &format!("{ADMIN}/{path}"), &[("content-type", "application/json")], body)
}

fn field() -> String {
    format!("{DATABASE}/collectionGroups/checks/fields/_x")
}

fn a_policy_is_creating_until_its_operation_is_done() -> Result<()> {
    let path = format!("v1/{}?updateMask=ttlConfig&$alt=json;enum-encoding=int", field());
    let body = json!({ "name": field(), "ttlConfig": {} });
    let operation = admin("PATCH", &path, Some(&body))?.ok()?;
    let name = operation["name"].as_str().unwrap_or_default();
    expect(&operation["done"], Value::Null, "done, at first")?;
    let policy =
        || Ok::<_, String>(get(&format!("{ADMIN}/v1/{}", field()))?.ok()?["ttlConfig"].take());
    expect(&policy()?["state"], "CREATING", "the policy's first state")?;
    for _ in 0..5 {
        let found = get(&format!("{ADMIN}/v1/{name}"))?.ok()?;
        if found["done"] == true {
            expect(&found["response"]["ttlConfig"]["state"], "ACTIVE", "in the operation")?;
            return expect(&policy()?["state"], "ACTIVE", "the policy's last state");
        }
    }
    Err("the operation is not done after 5 polls".to_owned())
}

fn the_default_database_is_there_and_no_other() -> Result<()> {
    let found = get(&format!("{ADMIN}/v1/{DATABASE}"))?.ok()?;
    expect(&found["type"], "FIRESTORE_NATIVE", "its type")?;
    let other = DATABASE.replace("(default)", "other");
    refused(&get(&format!("{ADMIN}/v1/{other}"))?, 404, "NOT_FOUND")
}

/// Makes a request that the document does not allow, and forgets it again.
fn violation(method: &str, path: &str, body: Option<&Value>, wanted: &str) -> Result<()> {
    let count = |wanted: &str| -> Result<usize> {
        let report = get(&format!("{ADMIN}/_violations"))?.ok()?;
        let list = report["violations"].as_array().cloned().unwrap_or_default();
        Ok(list.iter().filter(|line| line.as_str().is_some_and(|l| l.contains(wanted))).count())
    };
    let before = count(wanted)?;
    let answer = admin(method, path, body)?;
    let after = count(wanted)?;
    admin("POST", "_reset", None)?.ok()?;
    if answer.status < 400 {
        return Err(answer.surprise("a refusal"));
    }
    if after == before + 1 {
        Ok(())
    } else {
        Err(format!("{before} violations `{wanted}` before, {after} after"))
    }
}

fn a_misspelt_field_is_a_violation() -> Result<()> {
    let body = json!({ "ttlconfig": {} });
    violation("PATCH", &format!("v1/{}", field()), Some(&body), "body.ttlconfig")
}

fn an_unknown_parameter_is_a_violation() -> Result<()> {
    violation("GET", &format!("v1/{}?mask=x", field()), None, "query mask")
}

fn an_unknown_path_is_a_violation() -> Result<()> {
    violation("GET", &format!("v1/{DATABASE}/tables"), None, "has no GET")
}
