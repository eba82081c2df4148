//! Writes of a whole object.
//!
//! ```text
//!   body ──▶ up to 8 MiB ───────────▶ one PUT, sent again as it is
//!       ├──▶ more, to be read again ─▶ resumable: a cut asks how far it came, and goes on from there
//!       └──▶ more, that comes once ──▶ parts of 8 MiB, sent again from memory, joined in the end
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
        parts::{Cut, PART_BYTES, Parts, Replayable, cut, upload},
    },
};

use super::{
    GcsBlob,
    client::{Client, NewObject, path},
    object::{Made, nonce, nonce_of, wanted},
    resumable,
};

/// Writes an object whole.
pub(super) async fn put(blob: &GcsBlob, request: Put, body: Body) -> Result<Meta> {
    request.check()?;
    let body = match cut(body).await? {
        // What comes once is kept until it is stored, a part at a time.
        Cut::Parts(parts @ Parts::Once(..)) => {
            // A tag that nothing has needs no upload to find out.
            wanted(&request.mode)?;
            return upload(blob, request, parts).await;
        }
        Cut::Parts(Parts::Again(body)) => body,
        Cut::Whole(bytes) => Replayable::Bytes(bytes),
    };
    let client = &blob.client;
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
    let made = write(client, &new, &body, checksum).await?;
    Ok(made.meta(key, new.properties, new.encryption))
}

/// Writes `new`, once, whatever becomes of its answers.
pub(super) async fn write(
    client: &Client,
    new: &NewObject,
    body: &Replayable,
    checksum: Option<Crc32c>,
) -> Result<Made> {
    let length = body.length();
    let made = if length > PART_BYTES {
        Box::pin(resumable::write(client, new, body.clone(), checksum)).await
    } else {
        let bytes = body.bytes(0..length).await.map_err(|e| e.with_applied(Applied::No))?;
        whole(client, new, &bytes, checksum).await
    };
    match made {
        Ok(made) => Ok(made),
        Err(error) => Box::pin(settle(client, new, error)).await.map(|it| Made::from(&it)),
    }
}

/// Writes a body that is in memory.
async fn whole(
    client: &Client,
    new: &NewObject,
    bytes: &Bytes,
    wanted: Option<Crc32c>,
) -> Result<Made> {
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
