//! Local files that are whole or not there: written beside, then renamed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use futures::lock::Mutex;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::task::spawn_blocking;

use crate::{Applied, Error, ErrorKind, Result, blob::check::invalid};

/// How names of files end that are not whole yet, or were left by a crash.
pub(in crate::blob) const PARTIAL: &str = ".mvi-part";

/// What tells whether a file has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub(super) bytes: u64,
    modified: Option<Timestamp>,
}

impl Stamp {
    pub(super) fn of(meta: &fs::Metadata) -> Self {
        let modified = meta.modified().ok().and_then(|it| Timestamp::try_from(it).ok());
        Self { bytes: meta.len(), modified }
    }
}

/// A path as errors say it, without what would break a line.
pub(in crate::blob) fn named(path: &Path) -> String {
    format!("{:?}", path.to_string_lossy())
}

/// What is told of a local file that failed.
pub(in crate::blob) fn local(what: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Exhausted,
            _ => ErrorKind::Invalid,
        };
        Error::new(kind, format!("{what} {}: {}", named(path), error.kind()))
            .with_applied(Applied::No)
            .with_source(error)
    }
}

/// Runs what may wait for a disk.
pub(in crate::blob) async fn blocking<R: Send + 'static>(
    what: &'static str,
    path: &Path,
    run: impl FnOnce(&Path) -> io::Result<R> + Send + 'static,
) -> Result<R> {
    let owned = path.to_owned();
    match spawn_blocking(move || run(&owned)).await {
        Ok(done) => done.map_err(local(what, path)),
        // It has panicked, or the runtime is going.
        Err(error) => {
            Err(Error::new(ErrorKind::Internal, format!("{what} {}: given up", named(path)))
                .with_applied(Applied::No)
                .with_source(error))
        }
    }
}

/// Held by what changes the names of files, until it is done. A call that is dropped leaves such a change running: the next must
/// not look before it has settled.
static CHANGING: LazyLock<Arc<Mutex<()>>> = LazyLock::new(Arc::default);

/// Waits for what calls that were dropped have left running.
pub(in crate::blob) async fn settled() {
    drop(CHANGING.lock().await);
}

/// Runs what changes the names of files, one at a time.
async fn change<R: Send + 'static>(
    what: &'static str,
    path: &Path,
    run: impl FnOnce(&Path) -> io::Result<R> + Send + 'static,
) -> Result<R> {
    let turn = Arc::clone(&CHANGING).lock_owned().await;
    blocking(what, path, move |path| {
        let _turn = turn;
        run(path)
    })
    .await
}

/// The path of the same name with more behind it.
pub(in crate::blob) fn beside(path: &Path, suffix: &str) -> Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return invalid(format!("{} has no file name", named(path)));
    };
    let mut name = name.to_owned();
    name.push(suffix);
    Ok(path.with_file_name(name))
}

/// Writes a small file whole, in place of what was there, so that a crash at any moment leaves one or the other.
pub(super) async fn replace(path: &Path, bytes: Vec<u8>) -> Result<()> {
    let part = beside(path, PARTIAL)?;
    change("can't write", path, move |path| {
        let mut file = fresh(&part)?;
        io::Write::write_all(&mut file, &bytes)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&part, path)?;
        sync_folder(path)
    })
    .await
}

/// Makes a file that nobody else writes to: what has its name already may be a link, or what a call that was dropped is still at.
fn fresh(path: &Path) -> io::Result<fs::File> {
    gone(fs::remove_file(path))?;
    create_new(path)
}

/// Makes a file where there is nothing, not even a link.
pub(super) fn create_new(path: &Path) -> io::Result<fs::File> {
    fs::File::options().write(true).create_new(true).open(path)
}

/// Makes a file in place of what was there.
pub(super) async fn create(path: &Path) -> Result<fs::File> {
    change("can't write", path, fresh).await
}

/// To remove what is not there succeeds.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

/// A line of a state.
pub(super) fn json(it: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(it).map_err(|e| {
        Error::new(ErrorKind::Internal, "can't write a state")
            .with_applied(Applied::No)
            .with_source(e)
    })
}

/// All is done, whatever became of the state.
pub(super) fn done(removed: Result<()>) -> Result<()> {
    removed.map_err(|e| e.with_applied(Applied::Yes))
}

/// Puts a file that is whole and flushed in the place of another.
pub(in crate::blob) async fn move_to(part: PathBuf, path: &Path) -> Result<()> {
    change("can't write", path, move |path| {
        fs::rename(&part, path)?;
        sync_folder(path)
    })
    .await
}

/// Removes a file. Removing what is not there succeeds.
pub(super) async fn remove(path: &Path) -> Result<()> {
    change("can't remove", path, |path| {
        gone(fs::remove_file(path).and_then(|()| sync_folder(path)))
    })
    .await
}

/// Makes the names in a file's folder as durable as the file. Only Unix can, and only there it is needed.
fn sync_folder(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// A state file as it was found.
#[derive(Debug)]
pub(super) enum Kept<S> {
    /// There is none, or an empty one.
    Nothing,
    /// It can be gone on with.
    State(S),
    /// Another version of MVI wrote it.
    Foreign(serde_json::Value),
}

/// Reads the first line of a state file, and gives the lines behind it.
///
/// # Errors
///
/// [`Invalid`](ErrorKind::Invalid) where it is something else than a state of `format`: it might be dear to somebody.
pub(super) async fn state<S: DeserializeOwned>(
    path: &Path,
    format: &str,
    version: u32,
) -> Result<(Kept<S>, Vec<u8>)> {
    /// More than any state has.
    const MOST_BYTES: u64 = 64 << 20;
    settled().await;
    let text = blocking("can't read", path, |path| match fs::metadata(path) {
        Ok(meta) if meta.len() > MOST_BYTES => Ok(None),
        Ok(_) => fs::read(path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(Vec::new())),
        Err(error) => Err(error),
    });
    let none = || {
        invalid(format!(
            "{} is not a state of {format}: name another file, or remove this one",
            named(path)
        ))
    };
    let Some(mut text) = text.await? else { return none() };
    if text.is_empty() {
        return Ok((Kept::Nothing, text));
    }
    let end = text.iter().position(|it| *it == b'\n').map_or(text.len(), |at| at + 1);
    let rest = text.split_off(end);
    let found: Option<serde_json::Value> = serde_json::from_slice(&text).ok();
    let Some(found) = found.filter(|it| it.get("format").is_some_and(|it| *it == format)) else {
        return none();
    };
    if found.get("version").is_none_or(|it| *it != version) {
        return Ok((Kept::Foreign(found), rest));
    }
    match serde_json::from_value(found.clone()) {
        Ok(state) => Ok((Kept::State(state), rest)),
        Err(_) => Ok((Kept::Foreign(found), rest)),
    }
}
