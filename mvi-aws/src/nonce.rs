//! Names for single writes: what was written with ours, we wrote.

use std::cell::RefCell;

use data_encoding::BASE64URL_NOPAD;
use mvi_core::{Applied, Error, ErrorKind, Result};

/// A name for one write, that no other has.
pub(crate) fn nonce() -> Result<String> {
    const BYTES: usize = 16;
    const AT_ONCE: usize = 32;
    thread_local! {
        // To ask the system for each would cost as much as all else that MVI does for a write.
        static POOL: RefCell<Vec<[u8; BYTES]>> = const { RefCell::new(Vec::new()) };
    }
    POOL.with_borrow_mut(|pool| {
        if pool.is_empty() {
            let mut random = [[0; BYTES]; AT_ONCE];
            getrandom::fill(random.as_flattened_mut()).map_err(|e| {
                Error::new(ErrorKind::Internal, "the operating system has no random bytes")
                    .with_applied(Applied::No)
                    .with_source(e)
            })?;
            pool.extend(random);
        }
        Ok(BASE64URL_NOPAD.encode(&pool.pop().expect("it has just been filled")))
    })
}
