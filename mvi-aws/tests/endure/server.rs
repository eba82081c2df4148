//! An S3 server that others wrote, and what it was asked.
//!
//! `s3s-fs` keeps files on the disk, and has no list of uploads, no tags or checksums in its list of parts, and no `NoSuchUpload`: what S3's
//! documentation says of those three is answered here, from what passed by. A call that has begun to complete an upload goes on when its client
//! is gone, as it does at S3, and others wait for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use hyper_util::rt::TokioIo;
use s3s::{
    S3, S3Request, S3Response, S3Result,
    auth::SimpleAuth,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
        CompleteMultipartUploadOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput,
        ETag, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
        ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput,
        MultipartUpload, Part, Range, UploadPartInput, UploadPartOutput,
    },
    s3_error,
    service::S3ServiceBuilder,
};
use s3s_fs::FileSystem;
use tokio::{net::TcpListener, sync::Mutex as Turn};

#[derive(Clone)]
pub(crate) struct Server {
    fs: Arc<FileSystem>,
    seen: Arc<Mutex<Seen>>,
    turn: Arc<Turn<()>>,
}

/// What the server was asked.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Which child is alive.
    pub(crate) life: u32,
    /// A clock that each event moves.
    now: u64,
    pub(crate) started: BTreeSet<String>,
    pub(crate) uploads: BTreeMap<String, Started>,
    pub(crate) completed: u32,
    /// How many parts were stored.
    pub(crate) stored: u32,
    /// Parts that came again although the client had been told that they are stored.
    pub(crate) again: Vec<(String, i32)>,
    /// The first byte of each range that was read, in this life.
    pub(crate) read: Vec<u64>,
}

#[derive(Debug)]
pub(crate) struct Started {
    key: String,
    /// When its parts were listed last.
    listed: u64,
    parts: BTreeMap<i32, Stored>,
}

#[derive(Clone, Debug)]
struct Stored {
    life: u32,
    at: u64,
    tag: Option<ETag>,
    size: i64,
    checksum: Option<String>,
}

impl Seen {
    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }
}

impl Server {
    /// Listens on a port of its own, with its files below `root`; returns where.
    pub(crate) async fn start(root: &Path) -> (Self, String) {
        let fs = FileSystem::new(root).expect("the folder is there");
        let server = Self { fs: Arc::new(fs), seen: Arc::default(), turn: Arc::new(Turn::new(())) };
        let mut builder = S3ServiceBuilder::new(server.clone());
        builder.set_auth(SimpleAuth::from_single("AKIAENDURE", "secretsecretsecret"));
        let service = builder.build();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // Without it each answer waits for an acknowledgement that waits too.
                let _ = socket.set_nodelay(true);
                let service = service.clone();
                tokio::spawn(async move {
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        (server, format!("http://{address}"))
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no panic holds it")
    }

    fn known(&self, id: &str) -> S3Result<()> {
        if self.seen().uploads.contains_key(id) {
            return Ok(());
        }
        Err(s3_error!(NoSuchUpload))
    }
}

#[async_trait::async_trait]
impl S3 for Server {
    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let key = req.input.key.clone();
        let answer = self.fs.create_multipart_upload(req).await?;
        let id = answer.output.upload_id.clone().unwrap_or_default();
        let mut seen = self.seen();
        seen.started.insert(id.clone());
        seen.uploads.insert(id, Started { key, listed: 0, parts: BTreeMap::new() });
        drop(seen);
        Ok(answer)
    }

    async fn upload_part(
        &self,
        req: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let UploadPartInput { upload_id: id, part_number: number, .. } = &req.input;
        let (id, number) = (id.clone(), *number);
        self.known(&id)?;
        let size = req.input.content_length.unwrap_or_default();
        let checksum = req.input.checksum_crc32c.clone();
        let life = {
            let mut seen = self.seen();
            let life = seen.life;
            let told = seen.uploads.get(&id).is_some_and(|upload| {
                let stored = upload.parts.get(&number);
                stored.is_some_and(|it| it.life == life || it.at < upload.listed)
            });
            if told {
                seen.again.push((id.clone(), number));
            }
            life
        };
        let answer = self.fs.upload_part(req).await?;
        let tag = answer.output.e_tag.clone();
        let mut seen = self.seen();
        let at = seen.tick();
        seen.stored += 1;
        if let Some(upload) = seen.uploads.get_mut(&id) {
            upload.parts.insert(number, Stored { life, at, tag, size, checksum });
        }
        drop(seen);
        Ok(answer)
    }

    async fn list_parts(
        &self,
        req: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        let _turn = self.turn.lock().await;
        self.known(&req.input.upload_id)?;
        let mut seen = self.seen();
        let now = seen.tick();
        let Some(upload) = seen.uploads.get_mut(&req.input.upload_id) else {
            return Err(s3_error!(NoSuchUpload));
        };
        upload.listed = now;
        let part = |(number, it): (&i32, &Stored)| Part {
            part_number: Some(*number),
            size: Some(it.size),
            e_tag: it.tag.clone(),
            checksum_crc32c: it.checksum.clone(),
            ..Part::default()
        };
        let parts = upload.parts.iter().map(part).collect();
        Ok(S3Response::new(ListPartsOutput { parts: Some(parts), ..ListPartsOutput::default() }))
    }

    async fn list_multipart_uploads(
        &self,
        _: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let upload = |(id, it): (&String, &Started)| MultipartUpload {
            key: Some(it.key.clone()),
            upload_id: Some(id.clone()),
            ..MultipartUpload::default()
        };
        let uploads = self.seen().uploads.iter().map(upload).collect();
        let output = ListMultipartUploadsOutput { uploads: Some(uploads), ..Default::default() };
        Ok(S3Response::new(output))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let server = self.clone();
        let going = tokio::spawn(async move {
            let _turn = server.turn.lock().await;
            let id = req.input.upload_id.clone();
            server.known(&id)?;
            let answer = server.fs.complete_multipart_upload(req).await?;
            let mut seen = server.seen();
            seen.uploads.remove(&id);
            seen.completed += 1;
            drop(seen);
            Ok(answer)
        });
        going.await.map_err(|_| s3_error!(InternalError))?
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let _turn = self.turn.lock().await;
        let id = req.input.upload_id.clone();
        self.known(&id)?;
        let answer = self.fs.abort_multipart_upload(req).await?;
        self.seen().uploads.remove(&id);
        Ok(answer)
    }

    async fn get_object(
        &self,
        req: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        if let Some(Range::Int { first, .. }) = req.input.range {
            self.seen().read.push(first);
        }
        self.fs.get_object(req).await
    }

    async fn head_object(
        &self,
        req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        self.fs.head_object(req).await
    }
}
