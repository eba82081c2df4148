//! An upload in parts, as `object_store` has it.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use object_store::{
    Error as StoreError, MultipartUpload, PutPayload, PutResult, Result as StoreResult, UploadPart,
};

use super::{
    error::{Conflict, generic, store_error},
    put_result,
};
use crate::{
    Error,
    blob::{Blob, Body, Complete, Crc32c, MIN_PART_BYTES, Part, PartNumber, Put, Upload, parts},
};

/// An upload under way.
pub(super) struct Writing {
    blob: Arc<dyn Blob>,
    path: String,
    put: Put,
    upload: Arc<Upload>,
    /// What is too little for a part.
    buffer: VecDeque<Bytes>,
    buffered: u64,
    parts: Arc<Mutex<Vec<Part>>>,
    /// How many parts were given out to be sent.
    begun: u32,
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writing").field("upload", &self.upload).finish_non_exhaustive()
    }
}

impl Writing {
    pub(super) fn new(blob: Arc<dyn Blob>, path: String, put: Put, upload: Upload) -> Self {
        Self {
            blob,
            path,
            put,
            upload: Arc::new(upload),
            buffer: VecDeque::new(),
            buffered: 0,
            parts: Arc::default(),
            begun: 0,
        }
    }

    fn wrong(&self) -> impl Fn(Error) -> StoreError + use<> {
        let path = self.path.clone();
        move |e| store_error(e, &path, Conflict::Precondition)
    }

    /// All that is too little for a part, which is kept no longer.
    fn take(&mut self) -> Bytes {
        let bytes = std::mem::take(&mut self.buffered);
        if self.buffer.len() == 1
            && let Some(one) = self.buffer.pop_front()
        {
            return one;
        }
        let mut all = BytesMut::with_capacity(usize::try_from(bytes).unwrap_or_default());
        for chunk in self.buffer.drain(..) {
            all.extend_from_slice(&chunk);
        }
        all.freeze()
    }

    /// It once more, for whoever asks again after a failure.
    fn keep(&mut self, bytes: Bytes) {
        self.buffered = bytes.len() as u64;
        self.buffer.push_back(bytes);
    }

    fn send(&mut self, bytes: Bytes) -> UploadPart {
        self.begun = self.begun.saturating_add(1);
        let number = PartNumber::new(self.begun);
        let (blob, upload) = (Arc::clone(&self.blob), Arc::clone(&self.upload));
        let (stored, wrong) = (Arc::clone(&self.parts), self.wrong());
        async move {
            let number = number.map_err(&wrong)?;
            let checksum = Crc32c::of(&bytes);
            let part = parts::store(&*blob, &upload, number, bytes, checksum).await;
            let part = part.map_err(&wrong)?;
            stored.lock().unwrap_or_else(PoisonError::into_inner).push(part);
            Ok(())
        }
        .boxed()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl MultipartUpload for Writing {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.buffered += data.content_length() as u64;
        self.buffer.extend(data);
        if self.buffered < MIN_PART_BYTES {
            return futures::future::ready(Ok(())).boxed();
        }
        let bytes = self.take();
        self.send(bytes)
    }

    async fn complete(&mut self) -> StoreResult<PutResult> {
        let rest = self.take();
        if self.begun == 0 {
            // What is less than a part needs none; and of nothing there is no part.
            self.keep(rest.clone());
            let meta = self.blob.put(self.put.clone(), Body::Bytes(rest)).await;
            let meta = meta.map_err(self.wrong())?;
            let _ = self.blob.abort_upload(&self.upload).await;
            return Ok(put_result(&meta));
        }
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        parts.sort_unstable_by_key(|it| it.number);
        if parts.len() as u64 != u64::from(self.begun) {
            let (stored, begun) = (parts.len(), self.begun);
            let message = format!("{stored} parts are stored, wanted all {begun} of them");
            return Err(generic(Error::invalid(message)));
        }
        let complete = Complete::new(Upload::clone(&self.upload), parts);
        let meta = self.blob.complete_upload(complete).await.map_err(self.wrong())?;
        Ok(put_result(&meta))
    }

    async fn abort(&mut self) -> StoreResult<()> {
        self.blob.abort_upload(&self.upload).await.map_err(self.wrong())
    }
}
