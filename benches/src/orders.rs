//! The records that providers are measured with: some 300 bytes, ten attributes of each common kind.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The table that they are in.
pub const TABLE: &str = "orders";
/// How many of them are many.
pub const MANY: u32 = 100;

/// A record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "what they mean does not matter")]
pub struct Order {
    pub pk: String,
    pub sk: String,
    pub name: String,
    pub email: String,
    pub age: i64,
    pub score: f64,
    pub active: bool,
    pub tags: Vec<String>,
    pub note: String,
    pub number: u32,
}

/// The partition that they are all in.
pub const PARTITION: &str = "user#00000001";

/// The place of record `n` there.
pub fn sort(n: u32) -> String {
    format!("order#2026-01-02#{n:06}")
}

/// Record `n`.
pub fn order(n: u32) -> Order {
    Order {
        pk: PARTITION.into(),
        sk: sort(n),
        name: "Alexandra Example".into(),
        email: "alexandra@example.com".into(),
        age: 42,
        score: 98.6,
        active: true,
        tags: ["a", "bb", "ccc"].map(Into::into).into(),
        note: "x".repeat(100),
        number: n,
    }
}

/// Record `n` as `DynamoDB` sends it, with MVI's own attribute: others do not mind it.
pub fn wire(n: u32) -> Value {
    let Order { pk, sk, name, email, age, score, active, tags, note, number } = order(n);
    let tags: Vec<_> = tags.iter().map(|it| json!({ "S": it })).collect();
    json!({
        "pk": { "S": pk },
        "sk": { "S": sk },
        "name": { "S": name },
        "email": { "S": email },
        "age": { "N": age.to_string() },
        "score": { "N": score.to_string() },
        "active": { "BOOL": active },
        "tags": { "L": tags },
        "note": { "S": note },
        "number": { "N": number.to_string() },
        "_v": { "S": "AbCdEfGhIjKlMnOpQrStUv" },
    })
}
