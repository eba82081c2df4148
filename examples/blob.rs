//! Blob on one screen: a bucket, a put that only one can win, a file that goes on after a crash, a listing, a range.
//!
//! `cargo run --example blob -- FILE` sends that file, or this very program, to the simulated cloud; any other [`Blob`] would do.

use std::{env, path::PathBuf, sync::Arc, time::Duration};

use futures::TryStreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use mvi_core::{
    Blob, BlobExt as _, BucketName, Error, ErrorKind, Result,
    blob::{ByteRange, CreateBucket, Get, GetRanges, Key, List, Mode, Put, PutFile},
};
use mvi_testkit::Sim;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let blob: Arc<dyn Blob> = Sim::new(7).cloud().blob;
    let file = match env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => env::current_exe().map_err(|e| Error::invalid("no file").with_source(e))?,
    };

    // Creating what is there already succeeds, as long as it is the same.
    let bucket = BucketName::new("acme-7f3-backup")?;
    blob.create_bucket(CreateBucket::new(bucket.clone())).await?;
    blob.wait_bucket(&bucket, Duration::from_mins(1)).await?;

    // Of many who write where nothing is, exactly one wins.
    let lock = Put::new(bucket.clone(), Key::new("locks/nightly")?).mode(Mode::IfAbsent);
    blob.put_bytes(lock.clone(), "web-1").await?;
    match blob.put_bytes(lock, "web-2").await {
        Err(error) if error.kind() == ErrorKind::Conflict => println!("{error}"),
        other => println!("expected a conflict: {other:?}"),
    }

    // In parts, some at a time. On a real cloud, where this is killed and run again, only what is not stored yet is sent.
    let bar = ProgressBar::new(0).with_style(ProgressStyle::default_bar());
    let shown = bar.clone();
    let name = file.file_name().and_then(|it| it.to_str()).unwrap_or("file").to_owned();
    let put = Put::new(bucket.clone(), Key::new(format!("files/{name}"))?);
    let state = env::temp_dir().join(format!("{name}.upload"));
    let request = PutFile::new(put, file).state(state).progress(move |it| {
        shown.set_length(it.total_bytes);
        shown.set_position(it.done_bytes);
    });
    let meta = blob.put_file(request).await?;
    bar.finish();
    println!("{}: {} bytes, CRC-32C {:?}", meta.key, meta.size, meta.checksum);

    // A stream, lazy, that pages underneath; folded at each `/`, as folders are.
    let mut listed = blob.list(List::new(bucket.clone()).delimiter("/"));
    while let Some(entry) = listed.try_next().await? {
        println!("{}", entry.as_str());
    }

    // Some ranges of one and the same object.
    let ends = GetRanges::new(Get::new(bucket, meta.key)).range(0..4).range(ByteRange::Last(4));
    for bytes in blob.get_ranges(ends).await? {
        println!("{bytes:?}");
    }
    Ok(())
}
