//! Files, read straight into the memory that they are sent from: each piece by one blocking call, its checksum on the way.

use std::{
    fs::File,
    io,
    ops::Range,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use bytes::Bytes;
use tokio::task::spawn_blocking;

use crate::blob::Crc32c;

/// How much is read at a time: what a processor's cache holds, so that the checksum finds it there.
pub(in crate::blob) const BLOCK_BYTES: usize = 256 << 10;

/// Memory for pieces of one size, which is used again: new memory costs the kernel as much as the reading.
#[derive(Clone, Debug, Default)]
pub(in crate::blob) struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

/// Goes back to its pool when the last of its readers is done, if the pool is still there.
struct Buffer {
    memory: Vec<u8>,
    pool: Weak<Mutex<Vec<Vec<u8>>>>,
}

impl Pool {
    /// At least `length` bytes of anything.
    fn take(&self, length: usize) -> Buffer {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let memory = found.filter(|it| it.len() >= length).unwrap_or_else(|| vec![0; length]);
        Buffer { memory, pool: Arc::downgrade(&self.0) }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            let memory = std::mem::take(&mut self.memory);
            pool.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
        }
    }
}

/// Tells a read that nobody waits for it any more, since a thread can't be taken away from it.
#[derive(Debug)]
pub(in crate::blob) struct Waited(Weak<()>);

impl Waited {
    fn check(&self) -> io::Result<()> {
        if self.0.strong_count() > 0 { Ok(()) } else { Err(io::ErrorKind::Interrupted.into()) }
    }
}

/// Runs what waits for a disk.
pub(in crate::blob) async fn on_disk<R: Send + 'static>(
    run: impl FnOnce(&Waited) -> io::Result<R> + Send + 'static,
) -> io::Result<R> {
    let waits = Arc::new(());
    let waited = Waited(Arc::downgrade(&waits));
    let done = spawn_blocking(move || run(&waited)).await;
    drop(waits);
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// These bytes of the file, and their checksum.
///
/// # Errors
///
/// That of the file; [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) where it is shorter.
pub(in crate::blob) fn part(
    file: &File,
    range: Range<u64>,
    pool: &Pool,
    waited: &Waited,
) -> io::Result<(Bytes, Crc32c)> {
    let length = length(&range)?;
    let (mut buffer, mut checksum) = (pool.take(length), Crc32c::default());
    let mut from = range.start;
    for block in buffer.memory[..length].chunks_mut(BLOCK_BYTES) {
        waited.check()?;
        if fill(file, from, block)? < block.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        checksum = checksum.append(block);
        from += block.len() as u64;
    }
    Ok((Bytes::from_owner(buffer).slice(..length), checksum))
}

/// The first of these bytes of the file, at most a block; fewer where it ends.
pub(in crate::blob) fn block(file: &File, range: Range<u64>, pool: &Pool) -> io::Result<Bytes> {
    let length = length(&range)?.min(BLOCK_BYTES);
    let mut buffer = pool.take(length);
    let found = fill(file, range.start, &mut buffer.memory[..length])?;
    Ok(Bytes::from_owner(buffer).slice(..found))
}

/// The checksum of these bytes of the file.
///
/// # Errors
///
/// As of [`part`].
pub(in crate::blob) fn checksum(
    file: &File,
    range: Range<u64>,
    waited: &Waited,
) -> io::Result<Crc32c> {
    let (mut checksum, mut from) = (Crc32c::default(), range.start);
    let pool = Pool::default();
    while from < range.end {
        waited.check()?;
        let found = block(file, from..range.end, &pool)?;
        if found.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        checksum = checksum.append(&found);
        from += found.len() as u64;
    }
    Ok(checksum)
}

fn length(range: &Range<u64>) -> io::Result<usize> {
    let length = usize::try_from(range.end.saturating_sub(range.start));
    length.map_err(|_| io::ErrorKind::OutOfMemory.into())
}

/// Fills `bytes` from an offset on, and returns how many there were.
fn fill(file: &File, from: u64, bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match read_at(file, &mut bytes[filled..], from + filled as u64) {
            Ok(0) => break,
            Ok(found) => filled += found,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads at an offset, whoever else reads the same file.
#[cfg(unix)]
fn read_at(file: &File, into: &mut [u8], from: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, into, from)
}

/// Reads at an offset, whoever else reads the same file.
#[cfg(windows)]
fn read_at(file: &File, into: &mut [u8], from: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, into, from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::tests::noise;

    fn film(length: usize) -> (tempfile::TempDir, File) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("film");
        std::fs::write(&path, noise(length, 1)).unwrap();
        (dir, File::open(path).unwrap())
    }

    #[test]
    fn a_part_is_what_the_file_has_there_whatever_its_memory_held_before() {
        const LENGTH: usize = 3 * BLOCK_BYTES + 5;
        let (_dir, file) = film(LENGTH);
        let (bytes, pool) = (noise(LENGTH, 1), Pool::default());
        let waits = Arc::new(());
        let waited = Waited(Arc::downgrade(&waits));
        for (from, to) in [(0, LENGTH), (7, LENGTH), (BLOCK_BYTES, BLOCK_BYTES + 1), (5, 5)] {
            let range = from as u64..to as u64;
            let (found, sum) = part(&file, range.clone(), &pool, &waited).unwrap();
            assert!(found == bytes[from..to], "{from} to {to}");
            assert_eq!(sum, Crc32c::of(&bytes[from..to]));
            assert_eq!(checksum(&file, range, &waited).unwrap(), sum);
        }
        let beyond = 1..LENGTH as u64 + 1;
        let error = part(&file, beyond.clone(), &pool, &waited).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        let error = checksum(&file, beyond, &waited).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        drop(waits);
        assert_eq!(
            part(&file, 0..9, &pool, &waited).unwrap_err().kind(),
            io::ErrorKind::Interrupted
        );
    }

    #[test]
    fn memory_is_used_again_once_nobody_has_it_and_goes_with_its_pool() {
        let (_dir, file) = film(1_000);
        let pool = Pool::default();
        let kept = || pool.0.lock().unwrap().len();
        let first = block(&file, 0..1_000, &pool).unwrap();
        let (place, twin) = (first.as_ptr(), first.slice(10..20));
        drop(first);
        assert_eq!(kept(), 0, "a slice of it is still read");
        drop(twin);
        assert_eq!(kept(), 1);
        let again = block(&file, 500..1_000, &pool).unwrap();
        assert_eq!((again.as_ptr(), kept()), (place, 0));
        assert!(again == noise(1_000, 1)[500..]);
        drop(pool);
        assert_eq!(again.len(), 500);
    }
}
