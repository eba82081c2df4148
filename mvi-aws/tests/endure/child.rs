//! The side that is killed, or lives under a limit.

use std::{
    env,
    path::PathBuf,
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use mvi_aws::{Aws, Payloads, Retries, Timeouts, blob::S3Blob};
use mvi_core::{
    Blob as _, BlobExt as _, BucketName, Error, Result,
    blob::{Body, Get, GetFile, Key, Put, PutFile, Replay},
};
use rustix::process::{Resource, Rlimit, setrlimit};

/// What a child is to do. It travels in the child's environment.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) role: &'static str,
    pub(crate) endpoint: String,
    pub(crate) path: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) bytes: u64,
    /// The most bytes of data that the child may have; as many as it likes, where it is none.
    pub(crate) limit: Option<u64>,
}

const ROLES: [&str; 7] = ["put", "get", "file", "replay", "once", "down", "collect"];

pub(crate) fn bucket() -> BucketName {
    BucketName::new("acme-7f3-films").expect("it is a bucket's name")
}

pub(crate) fn key() -> Key {
    Key::new("film").expect("it is a key")
}

/// S3, as the children and the parent call it: once, and with time for a machine that has other things to do.
pub(crate) async fn s3(endpoint: &str) -> Result<S3Blob> {
    let minute = Duration::from_mins(1);
    let aws = Aws::builder()
        .region("us-east-1")
        .endpoint(endpoint)
        .credentials("AKIAENDURE", "secretsecretsecret")
        .retries(Retries { attempts: 1, ..Retries::default() })
        .timeouts(Timeouts { connect: minute, read: minute, attempt: minute, operation: minute })
        .loopback_payloads(Payloads::Unsigned)
        .build()
        .await?;
    Ok(aws.blob)
}

impl Job {
    /// Starts the child.
    pub(crate) fn start(&self) -> std::io::Result<Child> {
        Command::new(env::current_exe()?)
            .env("MVI_ENDURE", self.role)
            .env("MVI_ENDURE_ENDPOINT", &self.endpoint)
            .env("MVI_ENDURE_PATH", &self.path)
            .env("MVI_ENDURE_STATE", &self.state)
            .env("MVI_ENDURE_BYTES", self.bytes.to_string())
            .env("MVI_ENDURE_LIMIT", self.limit.map(|it| it.to_string()).unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }

    fn from_env() -> Option<Self> {
        let role = env::var("MVI_ENDURE").ok()?;
        let text = |name: &str| env::var(format!("MVI_ENDURE_{name}")).unwrap_or_default();
        Some(Self {
            role: ROLES.into_iter().find(|it| **it == *role)?,
            endpoint: text("ENDPOINT"),
            path: text("PATH").into(),
            state: text("STATE").into(),
            bytes: text("BYTES").parse().ok()?,
            limit: text("LIMIT").parse().ok(),
        })
    }

    async fn play(self) -> Result<()> {
        let blob = s3(&self.endpoint).await?;
        let put = Put::new(bucket(), key());
        let get = Get::new(bucket(), key());
        let bytes = self.bytes;
        // From here on the parent may kill it.
        println!("ready");
        match self.role {
            "put" => {
                let file = PutFile::new(put, self.path).state(self.state).part_bytes(5 << 20);
                blob.put_file(file).await?;
            }
            "get" => {
                let file = GetFile::new(get, self.path).state(self.state).part_bytes(1 << 20);
                blob.get_file(file).await?;
            }
            "file" => drop(blob.put_file(PutFile::new(put, self.path)).await?),
            "replay" => {
                let body = Replay::new(bytes, |range| zeros(range.end - range.start));
                blob.put(put, Body::Replay(body)).await?;
            }
            "once" => drop(blob.put(put, Body::Once(zeros(bytes))).await?),
            "down" => {
                let mut object = blob.get(get).await?;
                let mut seen = 0;
                while let Some(chunk) = object.body.try_next().await? {
                    seen += chunk.len() as u64;
                }
                if seen != bytes {
                    return Err(Error::invalid(format!("{seen} bytes, wanted {bytes}")));
                }
            }
            // What nobody should do.
            "collect" => {
                let all: Vec<Bytes> = zeros(bytes).try_collect().await?;
                blob.put(put, Body::from(all.concat())).await?;
            }
            other => return Err(Error::invalid(format!("no such role: {other}"))),
        }
        Ok(())
    }
}

/// So many zeros, each chunk in memory of its own.
fn zeros(bytes: u64) -> stream::BoxStream<'static, Result<Bytes>> {
    const CHUNK: u64 = 256 << 10;
    stream::unfold(bytes, |left| async move {
        let next = left.min(CHUNK);
        let length = usize::try_from(next).unwrap_or(0);
        (next > 0).then(|| (Ok(Bytes::from(vec![0; length])), left - next))
    })
    .boxed()
}

/// Is the child, where this process is one.
pub(crate) fn play() -> Option<ExitCode> {
    let job = Job::from_env()?;
    if let Some(limit) = job.limit {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        setrlimit(Resource::Data, limit).expect("a limit may always be lowered");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    Some(match runtime.block_on(job.play()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    })
}
