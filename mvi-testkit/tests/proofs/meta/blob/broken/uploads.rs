//! What is broken of uploads.

use bytes::BytesMut;
use futures::TryStreamExt as _;
use mvi_core::{
    Error, ErrorKind, Result,
    blob::{
        Body, Complete, Delete, Meta, Mode, Part, PartNumber, Properties, Put, StartUpload, Tag,
        Upload,
    },
};

use super::{super::Flaw, Broken};

impl Broken {
    pub(super) async fn start(&self, mut start: StartUpload) -> Result<Upload> {
        match self.flaw {
            Some(Flaw::UploadsPropertiesAreDropped) => start.properties = Properties::default(),
            Some(Flaw::UploadIsOfItsKey) => {
                let all: Vec<_> = self.blob.uploads(&start.bucket).try_collect().await?;
                if let Some(found) = all.into_iter().find(|it| it.key == start.key) {
                    return Ok(found);
                }
            }
            _ => {}
        }
        self.blob.start_upload(start).await
    }

    pub(super) async fn part(
        &self,
        upload: &Upload,
        number: PartNumber,
        body: Body,
    ) -> Result<Part> {
        let body = match (self.flaw, body) {
            (
                Some(
                    Flaw::PartsAreJoinedAsTheyCame | Flaw::LeftOutPartsAreKept | Flaw::PartsAreSeen,
                ),
                Body::Bytes(bytes),
            ) => {
                let part = (number, bytes.clone());
                self.remember(|it| it.parts.entry(upload.id.clone()).or_default().push(part));
                Body::Bytes(bytes)
            }
            (_, body) => body,
        };
        match self.flaw {
            Some(Flaw::TheLastNumberIsRefused) if number.get() == 10_000 => {
                return Err(Error::invalid("part 10000").at("blob.upload_part", &upload.bucket));
            }
            Some(Flaw::TheFirstPartStays) => {
                let all: Vec<_> = self.blob.parts(upload).try_collect().await?;
                if let Some(first) = all.into_iter().find(|it| it.number == number) {
                    return Ok(first);
                }
            }
            Some(Flaw::PartsAreSeen) => {
                let Body::Bytes(bytes) = &body else { return Err(Error::invalid("a test's own")) };
                let put = Put::new(upload.bucket.clone(), upload.key.clone());
                self.blob.put(put, bytes.clone().into()).await?;
            }
            Some(Flaw::AbortedUploadsTakeParts) => {
                let size = match &body {
                    Body::Bytes(bytes) => bytes.len() as u64,
                    _ => 0,
                };
                return match self.blob.upload_part(upload, number, body).await {
                    Err(e) if e.kind() == ErrorKind::NotFound => {
                        Ok(Part::new(number, size, Tag::new("none")))
                    }
                    answer => answer,
                };
            }
            _ => {}
        }
        self.blob.upload_part(upload, number, body).await
    }

    pub(super) async fn complete(&self, mut complete: Complete) -> Result<Meta> {
        let upload = complete.upload.clone();
        match self.flaw {
            Some(Flaw::CompleteForgetsItsMode) => complete.mode = Mode::Always,
            Some(Flaw::WholeChecksumIsNotChecked) => complete.checksum = None,
            Some(Flaw::CompleteLooksThenWrites) => {
                self.looks(&upload.bucket, &upload.key, &complete.mode).await?;
                complete.mode = Mode::Always;
            }
            Some(Flaw::CompletingAgainFails)
                if self.remember(|it| it.completed.contains(&upload)) =>
            {
                let error = Error::new(ErrorKind::NotFound, "no such upload");
                return Err(error.at("blob.complete_upload", &upload.bucket));
            }
            Some(flaw @ (Flaw::PartsAreJoinedAsTheyCame | Flaw::LeftOutPartsAreKept)) => {
                let mut parts = self.remember(|it| it.parts.remove(&upload.id)).unwrap_or_default();
                if flaw == Flaw::LeftOutPartsAreKept {
                    parts.sort_by_key(|it| it.0);
                }
                let mut all = BytesMut::new();
                for (_, bytes) in parts {
                    all.extend_from_slice(&bytes);
                }
                let put = Put::new(upload.bucket.clone(), upload.key.clone());
                let made = self.blob.put(put, all.freeze().into()).await?;
                self.blob.abort_upload(&upload).await?;
                return Ok(made);
            }
            _ => {}
        }
        let answer = self.blob.complete_upload(complete).await;
        match &answer {
            Ok(_) => self.remember(|it| it.completed.push(upload)),
            Err(e)
                if e.kind() == ErrorKind::Conflict && self.has(Flaw::AConflictAbortsTheUpload) =>
            {
                self.blob.abort_upload(&upload).await?;
            }
            Err(_) => {}
        }
        answer
    }

    pub(super) async fn abort(&self, upload: &Upload) -> Result<()> {
        match self.flaw {
            Some(Flaw::AbortLeavesTheUpload) => return Ok(()),
            Some(Flaw::AbortTakesTheObject) => {
                self.blob.delete(Delete::new(upload.bucket.clone(), upload.key.clone())).await?;
            }
            _ => {}
        }
        self.blob.abort_upload(upload).await
    }
}
