//! Blob, on the wire as S3 would have it.

mod errors;
mod fields;
mod lane;
mod lost;
mod never;
mod pages;
mod partial;
mod server;
mod signing;

use mvi_aws::blob::S3Blob as S3;
use mvi_core::{
    BucketName,
    blob::{Complete, Copy, Get, Key, Part, PartNumber, Put, Source, Tag, Upload},
};

fn bucket() -> BucketName {
    BucketName::new("acme-7f3-links").unwrap()
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn put() -> Put {
    Put::new(bucket(), key("a.txt"))
}

fn get() -> Get {
    Get::new(bucket(), key("a.txt"))
}

fn tag(text: &str) -> Tag {
    Tag::new(text)
}

fn copy() -> Copy {
    Copy::new(Source::new(bucket(), key("a.txt")), bucket(), key("b.txt"))
}

fn upload() -> Upload {
    let mut upload = Upload::new(bucket(), key("a.txt"), "u1");
    upload.nonce = Some("n1".into());
    upload
}

fn number(number: u32) -> PartNumber {
    PartNumber::new(number).unwrap()
}

fn part(n: u32) -> Part {
    let mut part = Part::new(number(n), 5 << 20, tag("\"p1\""));
    part.checksum = "yZRlqg==".parse().ok();
    part
}

fn complete() -> Complete {
    Complete::new(upload(), vec![part(1)])
}
