//! What callers do most, in fewer words.

use super::Kv;

/// What callers do most, in fewer words.
pub trait KvExt: Kv {}

impl<T: Kv + ?Sized> KvExt for T {}

/// See `KvExt::lock`.
#[derive(Debug)]
pub struct Lock;

/// See `KvExt::lock`.
#[derive(Debug)]
pub struct Lease;
