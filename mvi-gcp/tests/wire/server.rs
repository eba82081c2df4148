//! A gRPC server and a REST server of our own: what they answer is scripted, what they are asked is kept.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use h2::{RecvStream, server::SendResponse};
use http::{HeaderMap, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinHandle,
};

/// How a call is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// With these messages.
    Messages(Vec<Vec<u8>>),
    /// With these, and then not another word.
    Stall(Vec<Vec<u8>>),
    /// With an error: its code, its message and its binary details.
    Status(i32, &'static str, Vec<u8>),
    /// Never.
    Never,
    /// By closing the connection.
    Close,
}

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The method, as in `Commit`; of REST, the verb and the path with its query.
    pub(crate) method: String,
    /// The message, or the body.
    pub(crate) body: Bytes,
    /// The metadata.
    pub(crate) headers: HeaderMap,
}

/// A server on loopback, until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// A gRPC server.
    pub(crate) async fn grpc(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(move |socket, answer| tokio::spawn(serve_grpc(socket, answer)), answer).await
    }

    /// A REST server, which answers with a status and a body.
    pub(crate) async fn rest(
        answer: impl Fn(&Call) -> Option<(u16, String)> + Send + Sync + 'static,
    ) -> Self {
        let run = move |socket, answer| tokio::spawn(serve_rest(socket, answer));
        Self::start(run, answer).await
    }

    async fn start<R: 'static>(
        run: impl Fn(TcpStream, Arc<dyn Fn(Call) -> R + Send + Sync>) -> JoinHandle<()> + Send + 'static,
        answer: impl Fn(&Call) -> R + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&calls);
        let answer: Arc<dyn Fn(Call) -> R + Send + Sync> = Arc::new(move |call| {
            let reply = answer(&call);
            kept.lock().unwrap().push(call);
            reply
        });
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // Else an answer's second part waits for the first to be acknowledged.
                socket.set_nodelay(true).unwrap();
                run(socket, Arc::clone(&answer));
            }
        });
        Self { address, calls, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap()
    }

    /// What was asked so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.locked().clone()
    }

    /// How often `method` was asked so far.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.locked().iter().filter(|it| it.method == method).count()
    }

    /// Forgets what was asked so far.
    pub(crate) fn forget(&self) {
        self.locked().clear();
    }
}

/// A network on the way, which may forget its connections: they stay open, and nothing passes any more.
pub(crate) struct Relay {
    address: SocketAddr,
    passes: watch::Sender<usize>,
    made: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Relay {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (passes, seen) = watch::channel(0);
        let made = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&made);
        let task = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let mut seen = seen.clone();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(target).await.unwrap();
                    let forgotten = async { seen.wait_for(|it| *it > number).await.map(drop) };
                    let passing = tokio::io::copy_bidirectional(&mut near, &mut far);
                    let is_forgotten = tokio::select! {
                        biased;
                        forgotten = forgotten => forgotten.is_ok(),
                        _ = passing => false,
                    };
                    if is_forgotten {
                        // Held open, and silent.
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Self { address, passes, made, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many there have been.
    pub(crate) fn connections(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    /// Lets nothing pass on those that are there.
    pub(crate) fn forget_connections(&self) {
        self.passes.send_replace(self.connections());
    }
}

async fn serve_grpc(socket: TcpStream, answer: Arc<dyn Fn(Call) -> Reply + Send + Sync>) {
    let Ok(mut connection) = h2::server::handshake(socket).await else { return };
    let close = Arc::new(Notify::new());
    loop {
        tokio::select! {
            biased;
            () = close.notified() => return,
            next = connection.accept() => {
                let Some(Ok((request, respond))) = next else { return };
                let (answer, close) = (Arc::clone(&answer), Arc::clone(&close));
                tokio::spawn(async move {
                    let (parts, body) = request.into_parts();
                    let method = parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
                    let body = message(body).await;
                    let reply = answer(Call { method, body, headers: parts.headers });
                    respond_grpc(respond, reply, &close).await;
                });
            }
        }
    }
}

/// The one message of a request, without the five bytes before it.
async fn message(mut body: RecvStream) -> Bytes {
    let mut whole = BytesMut::new();
    while let Some(Ok(chunk)) = body.data().await {
        body.flow_control().release_capacity(chunk.len()).unwrap();
        whole.extend_from_slice(&chunk);
    }
    whole.freeze().split_off(5)
}

async fn respond_grpc(mut respond: SendResponse<Bytes>, reply: Reply, close: &Notify) {
    let head = || Response::builder().header("content-type", "application/grpc");
    let (messages, stalls) = match reply {
        Reply::Messages(messages) => (messages, false),
        Reply::Stall(messages) => (messages, true),
        Reply::Status(code, message, details) => {
            let head = head()
                .header("grpc-status", code.to_string())
                .header("grpc-message", message)
                .header("grpc-status-details-bin", base64(&details));
            respond.send_response(head.body(()).unwrap(), true).ok();
            return;
        }
        Reply::Never => return std::future::pending().await,
        Reply::Close => return close.notify_one(),
    };
    let Ok(mut stream) = respond.send_response(head().body(()).unwrap(), false) else { return };
    for message in messages {
        let mut frame = BytesMut::from(&[0][..]);
        frame.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(&message);
        stream.send_data(frame.freeze(), false).ok();
    }
    if stalls {
        return std::future::pending().await;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    stream.send_trailers(trailers).ok();
}

/// As gRPC's binary headers want it: without padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            let place = bits >> (18 - 6 * digit) & 63;
            text.push(char::from(DIGITS[place as usize]));
        }
    }
    text
}

async fn serve_rest(
    mut socket: TcpStream,
    answer: Arc<dyn Fn(Call) -> Option<(u16, String)> + Send + Sync>,
) {
    let mut read = BytesMut::new();
    loop {
        let end = loop {
            if let Some(end) = read.windows(4).position(|it| it == b"\r\n\r\n") {
                break end + 4;
            }
            if !matches!(socket.read_buf(&mut read).await, Ok(1..)) {
                return;
            }
        };
        let head = String::from_utf8(read.split_to(end).to_vec()).unwrap();
        let mut lines = head.lines();
        let method = lines.next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
        let headers: HeaderMap = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect::<Vec<(http::HeaderName, http::HeaderValue)>>()
            .into_iter()
            .collect();
        let length =
            headers.get("content-length").map_or(0, |it| it.to_str().unwrap().parse().unwrap());
        while read.len() < length {
            if !matches!(socket.read_buf(&mut read).await, Ok(1..)) {
                return;
            }
        }
        let body = read.split_to(length).freeze();
        let Some((status, text)) = answer(Call { method, body, headers }) else {
            return std::future::pending().await;
        };
        let head = format!(
            "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        socket.write_all((head + &text).as_bytes()).await.unwrap();
    }
}
