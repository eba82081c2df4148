//! A `DynamoDB` that knows all of its answers beforehand, for clients to be measured against.
//!
//! Prints its port, and ends when its standard input does. Only a table is remembered: what `CreateTable` was asked for
//! is what `DescribeTable` answers.

use std::{
    convert::Infallible,
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use mvi_benches::{orders, until_orphaned};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[derive(Debug)]
struct Canned {
    item: Bytes,
    query: Bytes,
    batch: Bytes,
    table: Mutex<Value>,
}

impl Canned {
    fn new() -> Self {
        let items: Vec<Value> = (0..orders::MANY).map(orders::wire).collect();
        Self {
            item: json!({ "Item": items[0] }).to_string().into(),
            query: json!({ "Count": items.len(), "ScannedCount": items.len(), "Items": items })
                .to_string()
                .into(),
            batch: json!({ "Responses": { orders::TABLE: items }, "UnprocessedKeys": {} })
                .to_string()
                .into(),
            table: Mutex::default(),
        }
    }

    fn answer(&self, operation: &str, body: &[u8]) -> Bytes {
        let table = || self.table.lock().unwrap_or_else(PoisonError::into_inner);
        match operation {
            "GetItem" => self.item.clone(),
            "Query" => self.query.clone(),
            "BatchGetItem" => self.batch.clone(),
            "CreateTable" => {
                *table() = serde_json::from_slice(body).unwrap_or_default();
                let described = json!({ "TableDescription": describe(&table()) });
                described.to_string().into()
            }
            "DescribeTable" => json!({ "Table": describe(&table()) }).to_string().into(),
            "ListTagsOfResource" => json!({ "Tags": table()["Tags"] }).to_string().into(),
            // A write that went well has nothing to say.
            _ => Bytes::from_static(b"{}"),
        }
    }
}

fn describe(table: &Value) -> Value {
    json!({
        "TableName": table["TableName"],
        "KeySchema": table["KeySchema"],
        "AttributeDefinitions": table["AttributeDefinitions"],
        "TableStatus": "ACTIVE",
        "TableId": "00000000-0000-0000-0000-000000000001",
        "TableArn": "arn:aws:dynamodb:us-east-1:000000000000:table/orders",
    })
}

async fn serve(
    canned: Arc<Canned>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let operation = request.headers().get("x-amz-target").and_then(|it| it.to_str().ok());
    let operation = operation.and_then(|it| it.rsplit('.').next()).unwrap_or_default().to_owned();
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    let is_new = operation == "DescribeTable"
        && canned.table.lock().unwrap_or_else(PoisonError::into_inner).is_null();
    let mut response = if is_new {
        let missing = "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException";
        let body = json!({ "__type": missing, "message": "no such table" }).to_string();
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = hyper::StatusCode::BAD_REQUEST;
        response
    } else {
        Response::new(Full::from(canned.answer(&operation, &body.unwrap_or_default())))
    };
    let headers = response.headers_mut();
    let text = hyper::header::HeaderValue::from_static;
    headers.insert("content-type", text("application/x-amz-json-1.0"));
    headers.insert("x-amzn-requestid", text("4442587FB7D0A2F9"));
    Ok(response)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    until_orphaned();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?.port());
    let canned = Arc::new(Canned::new());
    loop {
        let (socket, _) = listener.accept().await?;
        // Without it an answer may wait 40 ms for an acknowledgement.
        socket.set_nodelay(true)?;
        let canned = Arc::clone(&canned);
        tokio::spawn(async move {
            let answer = service_fn(|request| serve(Arc::clone(&canned), request));
            // A client that hangs up has what it wants.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), answer).await;
        });
    }
}
