//! An S3 that stores, and looks at every signature: `s3s` on a folder.
//!
//! `signed_s3 FOLDER ID KEY` prints its port, and ends when its standard input does.

use std::{error::Error, net::Ipv4Addr};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use mvi_benches::until_orphaned;
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    until_orphaned();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, id, key] = words.as_slice() else {
        return Err("wanted a folder, the name of a key, and the key".into());
    };
    let files = FileSystem::new(folder).map_err(|e| format!("{folder}: {e:?}"))?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(id, key.as_str()));
    let service = service.build();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?.port());
        loop {
            let (socket, _) = listener.accept().await?;
            // Without it an answer may wait 40 ms for an acknowledgement: what the program that comes with it does.
            socket.set_nodelay(true)?;
            let service = service.clone();
            tokio::spawn(async move {
                // A client that hangs up has what it wants.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
            });
        }
    })
}
