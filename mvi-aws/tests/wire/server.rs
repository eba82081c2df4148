//! A server that answers as the test says, and remembers what it was asked.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{
    Request, Response,
    body::{Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use mvi_aws::{Aws, AwsBuilder, Retries, Timeouts};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A call as it came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// As in `PutItem`.
    pub(crate) op: String,
    pub(crate) body: Value,
    /// How many of this operation came before.
    pub(crate) nth: usize,
}

/// What to do with it.
pub(crate) enum Reply {
    Ok(Value),
    /// A code, and what else is in the body.
    Error(u16, &'static str, Value),
    /// The answer is lost: the connection ends without one.
    Lost,
    /// It says yes, and ends in the middle.
    Cut,
    /// Nothing, for ever.
    Never,
}

/// Listens on loopback until dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    calls: Arc<Mutex<Vec<Call>>>,
    task: tokio::task::JoinHandle<()>,
}

type Script = Arc<dyn Fn(&Call) -> Option<Reply> + Send + Sync>;

impl Server {
    /// Answers with what `script` says; where it says nothing, as a table `links` that is there.
    pub(crate) async fn start(
        script: impl Fn(&Call) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let script: Script = Arc::new(script);
        let task = tokio::spawn(listen(listener, Arc::clone(&calls), script));
        Self { url, calls, task }
    }

    /// A client of it that makes two attempts a call, and waits for longer than a busy machine takes.
    pub(crate) async fn aws(&self) -> Aws {
        self.builder().build().await.unwrap()
    }

    /// The same that waits for no longer than 150 ms an attempt, and 400 ms in all.
    pub(crate) async fn hasty(&self) -> Aws {
        let timeouts = Timeouts {
            connect: Duration::from_secs(5),
            read: Duration::from_millis(100),
            attempt: Duration::from_millis(150),
            operation: Duration::from_millis(400),
        };
        self.builder().timeouts(timeouts).build().await.unwrap()
    }

    pub(crate) fn builder(&self) -> AwsBuilder {
        let pause = Duration::from_millis(1);
        Aws::builder()
            .region("eu-central-1")
            .endpoint(&self.url)
            .credentials("test-id", "test-key")
            .timeouts(Timeouts {
                connect: Duration::from_secs(10),
                read: Duration::from_secs(20),
                attempt: Duration::from_secs(20),
                operation: Duration::from_secs(30),
            })
            .retries(Retries { attempts: 2, first_pause: pause, longest_pause: 2 * pause })
    }

    /// All calls of `op` so far.
    pub(crate) fn calls(&self, op: &str) -> Vec<Call> {
        self.calls.lock().unwrap().iter().filter(|it| it.op == op).cloned().collect()
    }

    /// The operations so far, but those that only look at the table.
    pub(crate) fn ops(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        let looks = ["DescribeTable", "ListTagsOfResource"];
        calls.iter().map(|it| it.op.clone()).filter(|it| !looks.contains(&it.as_str())).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(listener: TcpListener, calls: Arc<Mutex<Vec<Call>>>, script: Script) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (calls, script) = (Arc::clone(&calls), Arc::clone(&script));
        let answer =
            service_fn(move |request| answer(request, Arc::clone(&calls), Arc::clone(&script)));
        // A connection that the script ends is no failure.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

type Answer = Response<BoxBody<Bytes, std::io::Error>>;

async fn answer(
    request: Request<Incoming>,
    calls: Arc<Mutex<Vec<Call>>>,
    script: Script,
) -> Result<Answer, std::io::Error> {
    let target = request.headers()["x-amz-target"].to_str().unwrap().to_owned();
    let op = target.rsplit('.').next().unwrap().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let call = {
        let mut calls = calls.lock().unwrap();
        let nth = calls.iter().filter(|it| it.op == op).count();
        let call = Call { op, body: serde_json::from_slice(&body).unwrap(), nth };
        calls.push(call.clone());
        call
    };
    let whole = |status: u16, body: &Value| {
        let body = Full::new(Bytes::from(body.to_string())).map_err(|e: Infallible| match e {});
        Response::builder()
            .status(status)
            .header("x-amzn-requestid", "REQ1")
            .header("content-type", "application/x-amz-json-1.0")
            .body(body.boxed())
            .unwrap()
    };
    match script(&call).unwrap_or_else(|| links(&call)) {
        Reply::Ok(body) => Ok(whole(200, &body)),
        Reply::Error(status, code, mut body) => {
            body["__type"] = json!(format!("com.amazonaws.dynamodb.v20120810#{code}"));
            Ok(whole(status, &body))
        }
        Reply::Lost => Err(std::io::Error::other("lost")),
        Reply::Cut => {
            // The head must be on its way before the end.
            let start = futures::stream::iter([Ok(Frame::data(Bytes::from_static(b"{\"Attrib")))]);
            let end = futures::stream::once(async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(std::io::Error::other("cut"))
            });
            let frames = futures::StreamExt::chain(start, end);
            let body = http_body_util::StreamBody::new(frames);
            let body = body.boxed();
            Ok(Response::builder().status(200).header("content-length", "20").body(body).unwrap())
        }
        Reply::Never => std::future::pending().await,
    }
}

/// What DynamoDB says of a table `links`: text and a number make its key, it has an index, and its records may expire.
fn links(call: &Call) -> Reply {
    match call.op.as_str() {
        "DescribeTable" => Reply::Ok(described(call.body["TableName"].as_str().unwrap())),
        "ListTagsOfResource" => Reply::Ok(json!({"Tags": [
            {"Key": "mvi-stamp", "Value": "v1-00000000000000000000000000000000"},
            {"Key": "mvi-ttl", "Value": "on"},
            {"Key": "app", "Value": "links"},
        ]})),
        _ => Reply::Ok(json!({})),
    }
}

pub(crate) fn described(name: &str) -> Value {
    json!({"Table": {
        "TableName": name,
        "TableArn": format!("arn:aws:dynamodb:eu-central-1:1:table/{name}"),
        "TableId": format!("id-{name}"),
        "TableStatus": "ACTIVE",
        "CreationDateTime": 1_767_323_045.5,
        "AttributeDefinitions": [
            {"AttributeName": "p", "AttributeType": "S"},
            {"AttributeName": "s", "AttributeType": "N"},
            {"AttributeName": "owner", "AttributeType": "S"},
        ],
        "KeySchema": [
            {"AttributeName": "p", "KeyType": "HASH"},
            {"AttributeName": "s", "KeyType": "RANGE"},
        ],
        "GlobalSecondaryIndexes": [{
            "IndexName": "by-owner",
            "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
        }],
    }})
}

/// The version that a put or an update writes.
pub(crate) fn version_in(body: &Value) -> Value {
    if body["Item"].is_object() {
        return body["Item"]["_v"].clone();
    }
    // It is what an update sets first.
    let update = body["UpdateExpression"].as_str().unwrap();
    let placeholder = update.split([' ', ',']).find(|it| it.starts_with(':')).unwrap();
    body["ExpressionAttributeValues"][placeholder].clone()
}
