//! Writes of a whole object: a small body in one request, a large one in the chunks of a resumable upload.
//!
//! ```text
//!   body ──▶ up to 8 MiB ──▶ objects.insert, sent again as it is
//!       └──▶ more ──▶ session ──▶ chunk ──▶ chunk ──▶ last chunk: the object is there
//!                                   └─ cut: ask how far it came, go on from there
//! ```
//!
//! Each write notes a nonce on the object. A write that was not answered, or that was refused after such a one, reads back: its own
//! nonce says that it has won.

use bytes::Bytes;
use google_cloud_storage::model::{GetObjectRequest, Object};
use mvi_core::{
    Applied, Error, ErrorKind, Result,
    blob::{
        Body, Crc32c, Meta, Put,
        parts::{Cut, Parts, cut},
    },
};

use super::{
    client::{Client, NewObject, path},
    object::{self, nonce, nonce_of, wanted},
    resumable,
};

/// Writes an object whole.
pub(super) async fn put(client: &Client, request: Put, body: Body) -> Result<Meta> {
    request.check()?;
    let Put { bucket, key, mode, properties, encryption, checksum } = request;
    let new = NewObject {
        bucket,
        name: key.as_str().to_owned(),
        properties,
        encryption,
        nonce: nonce()?,
        notes: Vec::new(),
        wanted: wanted(&mode)?,
    };
    let made = write(client, &new, cut(body).await?, checksum).await?;
    Ok(object::meta(key, &made))
}

/// Writes `new`, once, whatever becomes of its answers.
pub(super) async fn write(
    client: &Client,
    new: &NewObject,
    body: Cut,
    checksum: Option<Crc32c>,
) -> Result<Object> {
    let made = match body {
        Cut::Whole(bytes) => whole(client, new, &bytes, checksum).await,
        Cut::Parts(Parts::Again(body)) => {
            let length = body.length();
            let bytes = body.read(0..length);
            resumable::write(client, new, bytes, Some(length), checksum).await
        }
        Cut::Parts(Parts::Once(first, rest, body)) => {
            let body = resumable::joined([first, rest], body);
            resumable::write(client, new, body, None, checksum).await
        }
    };
    match made {
        Ok(object) => Ok(object),
        Err(error) => settle(client, new, error).await,
    }
}

/// Writes a body that is in memory.
async fn whole(
    client: &Client,
    new: &NewObject,
    bytes: &Bytes,
    wanted: Option<Crc32c>,
) -> Result<Object> {
    let checksum = Crc32c::of(bytes);
    if let Some(wanted) = wanted {
        checksum.check(wanted).map_err(|e| e.with_applied(Applied::No))?;
    }
    let deadline = client.deadline_for(bytes.len() as u64);
    client.insert(deadline, new, bytes, checksum).await
}

/// What became of a write that may have been applied: our own nonce, where it still is, says that it was.
///
/// Where it is not, the `error` stands: others may have written since, or the write may still be under way.
pub(super) async fn settle(client: &Client, new: &NewObject, error: Error) -> Result<Object> {
    if !error.may_have_applied() || error.kind() == ErrorKind::Corrupt {
        return Err(error);
    }
    let read = GetObjectRequest::new().set_bucket(path(&new.bucket)).set_object(&new.name);
    // The time for the call may be up; finding out gets a call's worth of its own.
    let found = match client.get_object(client.deadline(), &read).await {
        Ok(found) if nonce_of(&found) == Some(&new.nonce) => return Ok(found),
        Ok(_) => true,
        Err(_) => false,
    };
    Err(match error.kind() {
        ErrorKind::Conflict if found => {
            Error::conflict("another write came between, or after ours")
                .with_applied(Applied::Unknown)
                .with_source(error)
        }
        _ => error,
    })
}
