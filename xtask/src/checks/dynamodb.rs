//! What the three DynamoDB emulators do.

use serde_json::{Value, json};

use super::{Check, expect};
use crate::http::{Answer, dynamodb, dynamodb_as};
use crate::{Result, clock};

const MINISTACK: u16 = 4566;
const MOTO: u16 = 5000;
const DYNALITE: u16 = 4600;

macro_rules! checks {
    ($($oracle:literal $port:ident { $($name:ident),+ $(,)? })+) => {
        &[$($(Check { oracle: $oracle, name: stringify!($name), holds: || $name($port) }),+),+]
    };
}

pub(super) static CHECKS: &[Check] = checks! {
    "ministack" MINISTACK {
        a_failed_condition_shows_the_item,
        a_cancelled_transaction_says_why_for_each_item_and_changes_nothing,
        a_transaction_token_applies_once,
        a_transaction_token_with_other_items_is_refused,
        a_policy_for_time_to_live_is_enabled,
        a_write_batch_over_25_is_refused,
        an_item_over_the_limit_is_refused,
        a_scan_ends_its_page_at_a_megabyte,
        twelve_digits_are_an_account_of_their_own,
    }
    "moto" MOTO {
        a_failed_condition_shows_the_item,
        a_cancelled_transaction_says_why_for_each_item_and_changes_nothing,
        a_policy_for_time_to_live_is_enabled,
        an_item_over_the_limit_is_refused,
        a_read_batch_over_16_megabytes_is_partial,
        a_scan_ends_its_page_at_a_megabyte,
    }
    "dynalite" DYNALITE {
        a_table_is_creating_then_active,
        a_deleted_table_is_deleting_then_gone,
        a_failed_condition_hides_the_item,
        a_read_batch_over_a_megabyte_is_partial,
        a_scan_ends_its_page_at_a_megabyte,
        transactions_are_unknown,
        setting_time_to_live_is_unknown,
    }
};

/// A table of its own for each check, gone afterwards, also where the check failed.
fn with_table(port: u16, check: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    let name = "mvi-oracle-check";
    // An interrupted run may have left one; there mostly is none, which is refused.
    let _ = dynamodb(port, "DeleteTable", &json!({ "TableName": name }));
    wait_for(port, name, "gone")?;
    create(port, name)?;
    let outcome = wait_for(port, name, "ACTIVE").and_then(|()| check(name));
    dynamodb(port, "DeleteTable", &json!({ "TableName": name }))?.ok()?;
    outcome.and(wait_for(port, name, "gone"))
}

fn create(port: u16, table: &str) -> Result<Value> {
    let request = json!({
        "TableName": table,
        "AttributeDefinitions": [{ "AttributeName": "p", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "p", "KeyType": "HASH" }],
        "BillingMode": "PAY_PER_REQUEST",
    });
    dynamodb(port, "CreateTable", &request)?.ok()
}

/// The table's status now; `gone` where there is none.
fn status(port: u16, table: &str) -> Result<String> {
    let answer = dynamodb(port, "DescribeTable", &json!({ "TableName": table }))?;
    match answer.json["Table"]["TableStatus"].as_str() {
        Some(status) => Ok(status.to_owned()),
        None => refused(&answer, "ResourceNotFoundException").map(|()| "gone".to_owned()),
    }
}

fn wait_for(port: u16, table: &str, wanted: &str) -> Result<()> {
    let asked = clock::start();
    loop {
        let found = status(port, table)?;
        if found == wanted {
            return Ok(());
        }
        if asked.elapsed().as_secs() > 10 {
            return Err(format!("{table} is {found} for 10 s, wanted {wanted}"));
        }
        clock::tick();
    }
}

fn put(port: u16, table: &str, item: &Value) -> Result<Value> {
    dynamodb(port, "PutItem", &json!({ "TableName": table, "Item": item }))?.ok()
}

fn get(port: u16, table: &str, key: &str) -> Result<Value> {
    let request =
        json!({ "TableName": table, "Key": { "p": { "S": key } }, "ConsistentRead": true });
    Ok(dynamodb(port, "GetItem", &request)?.ok()?["Item"].take())
}

/// That a call was refused with this code.
fn refused(answer: &Answer, code: &str) -> Result<()> {
    let found = answer.json["__type"].as_str().unwrap_or_default();
    if answer.status == 400 && found.rsplit('#').next() == Some(code) {
        Ok(())
    } else {
        Err(answer.surprise(&format!("status 400 and {code}")))
    }
}

/// A put-if-absent of a key that is taken.
fn losing_put(port: u16, table: &str) -> Result<Answer> {
    put(port, table, &json!({ "p": { "S": "taken" }, "n": { "N": "1" } }))?;
    let request = json!({
        "TableName": table,
        "Item": { "p": { "S": "taken" }, "n": { "N": "2" } },
        "ConditionExpression": "attribute_not_exists(p)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    let answer = dynamodb(port, "PutItem", &request)?;
    refused(&answer, "ConditionalCheckFailedException")?;
    Ok(answer)
}

fn a_failed_condition_shows_the_item(port: u16) -> Result<()> {
    with_table(port, |table| {
        let answer = losing_put(port, table)?;
        expect(&answer.json["Item"]["n"], json!({ "N": "1" }), "the item in the refusal")
    })
}

/// dynalite knows no `ReturnValuesOnConditionCheckFailure`: a lost answer cannot be told there.
fn a_failed_condition_hides_the_item(port: u16) -> Result<()> {
    with_table(port, |table| {
        expect(&losing_put(port, table)?.json["Item"], Value::Null, "the item in the refusal")
    })
}

fn a_cancelled_transaction_says_why_for_each_item_and_changes_nothing(port: u16) -> Result<()> {
    with_table(port, |table| {
        put(port, table, &json!({ "p": { "S": "taken" } }))?;
        let request = json!({ "TransactItems": [
            { "Put": { "TableName": table, "Item": { "p": { "S": "free" } } } },
            { "Put": {
                "TableName": table,
                "Item": { "p": { "S": "taken" } },
                "ConditionExpression": "attribute_not_exists(p)",
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            } },
        ] });
        let answer = dynamodb(port, "TransactWriteItems", &request)?;
        refused(&answer, "TransactionCanceledException")?;
        let reasons = &answer.json["CancellationReasons"];
        expect(&reasons[0]["Code"], "None", "the first reason")?;
        expect(&reasons[1]["Code"], "ConditionalCheckFailed", "the second reason")?;
        expect(&reasons[1]["Item"], json!({ "p": { "S": "taken" } }), "the item in the reason")?;
        expect(&get(port, table, "free")?, Value::Null, "the other item of the transaction")
    })
}

fn increment(table: &str, key: &str) -> Value {
    json!({
        "ClientRequestToken": "mvi-oracle-check",
        "TransactItems": [{ "Update": {
            "TableName": table,
            "Key": { "p": { "S": key } },
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": { ":one": { "N": "1" } },
        } }],
    })
}

fn a_transaction_token_applies_once(port: u16) -> Result<()> {
    with_table(port, |table| {
        let mut request = increment(table, "counter");
        // Tokens outlive a table, so each run brings its own.
        request["ClientRequestToken"] = format!("once-{}", std::process::id()).into();
        dynamodb(port, "TransactWriteItems", &request)?.ok()?;
        dynamodb(port, "TransactWriteItems", &request)?.ok()?;
        expect(&get(port, table, "counter")?["n"], json!({ "N": "1" }), "the counter")
    })
}

fn a_transaction_token_with_other_items_is_refused(port: u16) -> Result<()> {
    with_table(port, |table| {
        let token = format!("other-{}", std::process::id());
        for (key, good) in [("first", true), ("second", false)] {
            let mut request = increment(table, key);
            request["ClientRequestToken"] = token.as_str().into();
            let answer = dynamodb(port, "TransactWriteItems", &request)?;
            if good {
                answer.ok()?;
            } else {
                refused(&answer, "IdempotentParameterMismatchException")?;
            }
        }
        Ok(())
    })
}

fn time_to_live(table: &str) -> Value {
    json!({
        "TableName": table,
        "TimeToLiveSpecification": { "AttributeName": "_x", "Enabled": true },
    })
}

fn a_policy_for_time_to_live_is_enabled(port: u16) -> Result<()> {
    with_table(port, |table| {
        dynamodb(port, "UpdateTimeToLive", &time_to_live(table))?.ok()?;
        let found = dynamodb(port, "DescribeTimeToLive", &json!({ "TableName": table }))?.ok()?;
        let found = &found["TimeToLiveDescription"];
        expect(&found["TimeToLiveStatus"], "ENABLED", "its status")?;
        expect(&found["AttributeName"], "_x", "its attribute")
    })
}

fn setting_time_to_live_is_unknown(port: u16) -> Result<()> {
    with_table(port, |table| {
        let answer = dynamodb(port, "UpdateTimeToLive", &time_to_live(table))?;
        refused(&answer, "UnknownOperationException")
    })
}

fn transactions_are_unknown(port: u16) -> Result<()> {
    with_table(port, |table| {
        let answer = dynamodb(port, "TransactWriteItems", &increment(table, "counter"))?;
        refused(&answer, "UnknownOperationException")
    })
}

fn puts(table: &str, count: usize, payload: &str) -> Value {
    let puts: Vec<Value> = (0..count)
        .map(|n| {
            let item = json!({ "p": { "S": format!("item-{n}") }, "d": { "S": payload } });
            json!({ "PutRequest": { "Item": item } })
        })
        .collect();
    json!({ "RequestItems": { table: puts } })
}

fn a_write_batch_over_25_is_refused(port: u16) -> Result<()> {
    with_table(port, |table| {
        let answer = dynamodb(port, "BatchWriteItem", &puts(table, 26, "d"))?;
        refused(&answer, "ValidationException")
    })
}

fn an_item_over_the_limit_is_refused(port: u16) -> Result<()> {
    with_table(port, |table| {
        let item = json!({ "p": { "S": "big" }, "d": { "S": "d".repeat(409_600) } });
        let request = json!({ "TableName": table, "Item": item });
        refused(&dynamodb(port, "PutItem", &request)?, "ValidationException")
    })
}

/// Writes items of 390 kB and answers how many of them one batch read leaves for the next.
fn unprocessed(port: u16, table: &str, count: usize) -> Result<usize> {
    let payload = "d".repeat(390_000);
    for n in 0..count {
        put(port, table, &json!({ "p": { "S": format!("item-{n}") }, "d": { "S": payload } }))?;
    }
    let keys: Vec<Value> =
        (0..count).map(|n| json!({ "p": { "S": format!("item-{n}") } })).collect();
    let request = json!({ "RequestItems": { table: { "Keys": keys } } });
    let answer = dynamodb(port, "BatchGetItem", &request)?.ok()?;
    let length = |value: &Value| value.as_array().map_or(0, Vec::len);
    let read = length(&answer["Responses"][table]);
    let left = length(&answer["UnprocessedKeys"][table]["Keys"]);
    if read > 0 && read + left == count {
        Ok(left)
    } else {
        Err(format!("{read} read and {left} left of {count}"))
    }
}

fn a_read_batch_over_16_megabytes_is_partial(port: u16) -> Result<()> {
    with_table(port, |table| match unprocessed(port, table, 45)? {
        0 => Err("17.5 MB came in one answer".to_owned()),
        _ => Ok(()),
    })
}

fn a_read_batch_over_a_megabyte_is_partial(port: u16) -> Result<()> {
    with_table(port, |table| match unprocessed(port, table, 4)? {
        0 => Err("1.5 MB came in one answer".to_owned()),
        _ => Ok(()),
    })
}

fn a_scan_ends_its_page_at_a_megabyte(port: u16) -> Result<()> {
    with_table(port, |table| {
        dynamodb(port, "BatchWriteItem", &puts(table, 4, &"d".repeat(390_000)))?.ok()?;
        let page = dynamodb(port, "Scan", &json!({ "TableName": table }))?.ok()?;
        if page["LastEvaluatedKey"].is_object() && page["Count"].as_u64() < Some(4) {
            Ok(())
        } else {
            Err(format!("{} of 4 items of 390 kB came in one page", page["Count"]))
        }
    })
}

fn a_table_is_creating_then_active(port: u16) -> Result<()> {
    let table = "mvi-oracle-states";
    let created = create(port, table)?;
    expect(&created["TableDescription"]["TableStatus"], "CREATING", "its first status")?;
    let early = put(port, table, &json!({ "p": { "S": "early" } }));
    wait_for(port, table, "ACTIVE")?;
    dynamodb(port, "DeleteTable", &json!({ "TableName": table }))?.ok()?;
    wait_for(port, table, "gone")?;
    if early.is_err() { Ok(()) } else { Err("a table in creation took a write".to_owned()) }
}

fn a_deleted_table_is_deleting_then_gone(port: u16) -> Result<()> {
    let table = "mvi-oracle-states";
    create(port, table)?;
    wait_for(port, table, "ACTIVE")?;
    dynamodb(port, "DeleteTable", &json!({ "TableName": table }))?.ok()?;
    expect(&status(port, table)?.into(), "DELETING", "its status")?;
    wait_for(port, table, "gone")
}

fn twelve_digits_are_an_account_of_their_own(port: u16) -> Result<()> {
    with_table(port, |table| {
        let mine = dynamodb(port, "ListTables", &json!({}))?.ok()?;
        let theirs = dynamodb_as("123456789012", port, "ListTables", &json!({}))?.ok()?;
        let has = |list: &Value| {
            list["TableNames"].as_array().is_some_and(|names| names.iter().any(|n| n == table))
        };
        match (has(&mine), has(&theirs)) {
            (true, false) => Ok(()),
            found => Err(format!("seen by (its account, another): {found:?}")),
        }
    })
}
