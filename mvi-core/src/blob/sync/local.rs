//! The side of a sync that is a directory.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::{
    PARTIAL, Skipped,
    disk::{self, local},
};
use crate::{
    Result,
    blob::{Crc32c, file::read},
};

/// A file below the directory.
#[derive(Clone, Debug)]
pub(super) struct Local {
    /// Its path below the directory, with `/` between its parts.
    pub(super) below: String,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// What a directory has.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) files: Vec<Local>,
    pub(super) skipped: Vec<Skipped>,
    /// What has a name that is not UTF-8.
    pub(super) nameless: Vec<PathBuf>,
}

/// Finds the files below `dir`, and follows no symlink. There is nothing where there is no such directory.
pub(super) async fn walk(dir: &Path) -> Result<Option<Walked>> {
    disk::blocking("can't read", dir, |dir| {
        let mut walked = Walked::default();
        let mut folders = vec![(dir.to_owned(), String::new())];
        match fs::metadata(dir) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(io::Error::from(io::ErrorKind::NotADirectory)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        while let Some((folder, above)) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let Ok(name) = entry.file_name().into_string() else {
                    walked.nameless.push(entry.path());
                    continue;
                };
                let below = format!("{above}{name}");
                // It is that of a symlink itself, where it is one.
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    folders.push((entry.path(), format!("{below}/")));
                } else if kind.is_symlink() {
                    walked.skipped.push(Skipped::new(below, "it is a symlink"));
                } else if !kind.is_file() {
                    walked
                        .skipped
                        .push(Skipped::new(below, "it is neither a file nor a directory"));
                } else if name.ends_with(PARTIAL) {
                    walked.skipped.push(Skipped::new(below, "it is what a transfer has left"));
                } else {
                    let bytes = entry.metadata()?.len();
                    walked.files.push(Local { below, path: entry.path(), bytes });
                }
            }
        }
        Ok(Some(walked))
    })
    .await
}

/// The checksum of a file; none, where there is no such file any more.
pub(super) async fn checksum(path: &Path) -> Result<Option<Crc32c>> {
    let owned = path.to_owned();
    let checksum = read::on_disk(move |waited| {
        let file = match fs::File::open(owned) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let bytes = file.metadata()?.len();
        read::checksum(&file, 0..bytes, waited).map(Some)
    });
    checksum.await.map_err(local("can't read", path))
}

/// The path, below a directory, of what the rest of a key says; or why there is none.
pub(super) fn below(rest: &str) -> Result<PathBuf, &'static str> {
    /// What file systems take.
    const MOST_BYTES: usize = 255;
    if rest.ends_with(PARTIAL) {
        return Err("its name is kept for transfers");
    }
    let mut path = PathBuf::new();
    for part in rest.split('/') {
        let mut found = Path::new(part).components();
        let is_plain = matches!(found.next(), Some(Component::Normal(it)) if it == part);
        if !is_plain || found.next().is_some() || cfg!(windows) && part.contains(['\\', ':']) {
            return Err("it can't be a path below the directory");
        }
        if part.len() > MOST_BYTES {
            return Err("its name is too long for a file");
        }
        path.push(part);
    }
    Ok(path)
}

/// Where a file goes; makes what is above it, where that is to be. Or says why it can't go there. What is `gone` is as if it were not
/// there, or would not be where this is made.
pub(super) async fn place(
    dir: &Path,
    below: &Path,
    make: bool,
    gone: &Arc<BTreeSet<PathBuf>>,
) -> Result<Result<PathBuf, &'static str>> {
    let (below, gone) = (below.to_owned(), Arc::clone(gone));
    disk::blocking("can't write below", dir, move |dir| {
        let mut path = dir.to_owned();
        if make {
            fs::create_dir_all(dir)?;
        }
        let mut parts = below.components().peekable();
        while let Some(part) = parts.next() {
            path.push(part);
            let is_last = parts.peek().is_none();
            let kind = match fs::symlink_metadata(&path) {
                Ok(_) if !make && gone.contains(&path) => continue,
                Ok(meta) => meta.file_type(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if make && !is_last {
                        match fs::create_dir(&path) {
                            // Another file of the same directory may have come first.
                            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                                return Err(error);
                            }
                            _ => {}
                        }
                    }
                    continue;
                }
                // In a dry run a file may be in the way of a directory, and of what is below it.
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => continue,
                Err(error) => return Err(error),
            };
            if kind.is_symlink() {
                return Ok(Err("a symlink is where it would go"));
            }
            if is_last && kind.is_dir() {
                // An empty one is nothing that anybody would miss.
                let is_free = if make { clear(&path).is_ok() } else { is_hollow(&path, &gone)? };
                if !is_free {
                    return Ok(Err("a directory is where it would go"));
                }
            } else if is_last && !kind.is_file() {
                return Ok(Err("what is no file is where it would go"));
            } else if !is_last && !kind.is_dir() {
                return Ok(Err("a file is where its directory would be"));
            }
        }
        Ok(Ok(path))
    })
    .await
}

/// Whether a directory has nothing but directories, once what is `gone` is.
fn is_hollow(dir: &Path, gone: &BTreeSet<PathBuf>) -> io::Result<bool> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let is_hollow = if entry.file_type()?.is_dir() {
            is_hollow(&path, gone)?
        } else {
            gone.contains(&path)
        };
        if !is_hollow {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes a directory that has nothing but directories; one that has more stays, with all of them.
fn clear(dir: &Path) -> io::Result<()> {
    if !is_hollow(dir, &BTreeSet::new())? {
        return Err(io::ErrorKind::DirectoryNotEmpty.into());
    }
    for entry in fs::read_dir(dir)? {
        clear(&entry?.path())?;
    }
    fs::remove_dir(dir)
}
