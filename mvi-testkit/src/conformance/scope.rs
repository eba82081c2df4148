//! Names that no other case or run uses, and waiting.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mvi_core::{Error, ErrorKind, Name, Result};
use tokio::{
    sync::OnceCell,
    time::{Instant, sleep},
};

/// What is one case's own, so that many cases and runs share an account. It remembers the names it gave.
#[derive(Debug)]
pub struct Scope {
    prefix: String,
    number: i64,
    given: Mutex<BTreeSet<Name>>,
    kept: Mutex<BTreeMap<String, Arc<OnceCell<Name>>>>,
    /// What this case shares with others.
    all: Option<Arc<Scope>>,
}

impl Scope {
    /// How long a case waits for what takes effect later.
    pub const PATIENCE: Duration = Duration::from_secs(20);

    /// How long a case waits for a resource to be made or removed: a real cloud may take a minute.
    pub const CHANGE: Duration = Duration::from_mins(2);

    /// What the cases of a run share.
    pub(super) fn for_all(run: &str) -> Self {
        Self {
            prefix: format!("t{run}"),
            number: 0,
            given: Mutex::default(),
            kept: Mutex::default(),
            all: None,
        }
    }

    /// What is the own of case `number` of a run.
    pub(super) fn for_case(all: &Arc<Self>, number: u32) -> Self {
        Self {
            prefix: format!("{}-{number}", all.prefix),
            number: number.into(),
            given: Mutex::default(),
            kept: Mutex::default(),
            all: Some(Arc::clone(all)),
        }
    }

    /// A name of this case's own, for what it calls `role`. What has the name is deleted after the case.
    pub fn name(&self, role: &str) -> Result<Name> {
        let name = Name::new(format!("{}-{role}", self.prefix))?;
        self.given.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        Ok(name)
    }

    /// `text`, in a form that no other case uses: for keys in what cases share.
    pub fn text(&self, text: &str) -> String {
        format!("{}/{text}", self.prefix)
    }

    /// `n`, below a million, in a form that no other case uses.
    pub fn int(&self, n: i64) -> i64 {
        self.number * 1_000_000 + n
    }

    /// The names it gave.
    pub(super) fn given(&self) -> Vec<Name> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Whether `name` is this case's, or for the scope of a run, any of its cases'.
    pub(super) fn owns(&self, name: &Name) -> bool {
        name.as_str().strip_prefix(&self.prefix).is_some_and(|rest| rest.starts_with('-'))
    }

    /// The name of what cases share as `role`; the first to ask has it made.
    pub(super) async fn shared<F>(&self, role: &str, make: impl FnOnce(Name) -> F) -> Result<Name>
    where
        F: Future<Output = Result<()>>,
    {
        let all = self.all.as_deref().unwrap_or(self);
        let cell = {
            let mut kept = all.kept.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(kept.entry(role.to_owned()).or_default())
        };
        let name = cell.get_or_try_init(|| async {
            let name = all.name(role)?;
            make(name.clone()).await.map(|()| name)
        });
        name.await.cloned()
    }
}

/// Asks until there is an answer; `what` names it. Waits longer each time, in the runtime's time.
///
/// # Errors
///
/// [`Timeout`](ErrorKind::Timeout) where `patience` ran out, and at once whatever `ask` fails with.
///
/// ```
/// use std::time::Duration;
/// use mvi_testkit::conformance::eventually;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> mvi_core::Result<()> {
/// let mut asked = 0;
/// let third = eventually("a third time", Duration::from_secs(5), || {
///     asked += 1;
///     std::future::ready(Ok((asked == 3).then_some("done")))
/// });
/// assert_eq!(third.await?, "done");
/// # Ok(()) }
/// ```
pub async fn eventually<R, F>(
    what: &str,
    patience: Duration,
    mut ask: impl FnMut() -> F,
) -> Result<R>
where
    F: Future<Output = Result<Option<R>>>,
{
    const FIRST: Duration = Duration::from_millis(5);
    const LONGEST: Duration = Duration::from_millis(500);
    let deadline = Instant::now() + patience;
    let mut pause = FIRST;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            return Err(Error::new(ErrorKind::Timeout, format!("no {what} in {patience:?}")));
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Six letters that no other run is likely to have.
pub(super) fn run() -> String {
    // The standard library seeds its hash maps from the system: random enough for a name.
    let random = RandomState::new().hash_one(std::process::id());
    let letters = b"abcdefghijklmnopqrstuvwxyz";
    random.to_le_bytes()[..6].iter().map(|it| char::from(letters[usize::from(*it) % 26])).collect()
}
