//! Names that no other case or run uses, and waiting.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mvi_core::{BucketName, Error, ErrorKind, Name, Result};
use tokio::{
    sync::OnceCell,
    time::{Instant, sleep},
};

/// What is one case's own, so that many cases and runs share an account. It remembers the names it gave.
#[derive(Debug)]
pub struct Scope {
    prefix: String,
    number: i64,
    names: Given<Name>,
    buckets: Given<BucketName>,
    /// What this case shares with others.
    all: Option<Arc<Scope>>,
}

/// The names of one kind that a scope gave, and those of them that cases share, by role.
#[derive(Debug)]
struct Given<N> {
    given: Mutex<BTreeSet<N>>,
    kept: Mutex<BTreeMap<String, Arc<OnceCell<N>>>>,
}

impl<N> Default for Given<N> {
    fn default() -> Self {
        Self { given: Mutex::default(), kept: Mutex::default() }
    }
}

impl<N: Clone + Ord> Given<N> {
    fn add(&self, name: &N) {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
    }

    fn all(&self) -> Vec<N> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The one name of `role`, made by the first to ask.
    async fn shared<F>(&self, role: &str, make: impl FnOnce() -> F) -> Result<N>
    where
        F: Future<Output = Result<N>>,
    {
        let cell = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(kept.entry(role.to_owned()).or_default())
        };
        cell.get_or_try_init(make).await.cloned()
    }
}

impl Scope {
    /// How long a case waits for what takes effect later.
    pub const PATIENCE: Duration = Duration::from_secs(20);

    /// How long a case waits for a resource to be made or removed: a real cloud may take a minute.
    pub const CHANGE: Duration = Duration::from_mins(2);

    /// What the names of all test buckets begin with.
    const BUCKETS: &str = "mvi-test-";

    /// What the cases of a run share.
    pub(super) fn for_all(run: &str) -> Self {
        Self {
            prefix: format!("t{run}"),
            number: 0,
            names: Given::default(),
            buckets: Given::default(),
            all: None,
        }
    }

    /// What is the own of case `number` of a run.
    pub(super) fn for_case(all: &Arc<Self>, number: u32) -> Self {
        Self {
            prefix: format!("{}-{number}", all.prefix),
            number: number.into(),
            names: Given::default(),
            buckets: Given::default(),
            all: Some(Arc::clone(all)),
        }
    }

    /// A name of this case's own, for what it calls `role`. What has the name is deleted after the case.
    pub fn name(&self, role: &str) -> Result<Name> {
        let name = Name::new(format!("{}-{role}", self.prefix))?;
        self.names.add(&name);
        Ok(name)
    }

    /// A bucket's name of this case's own, for what it calls `role`: no other run in the world has it. The bucket is emptied and deleted
    /// after the case.
    pub fn bucket(&self, role: &str) -> Result<BucketName> {
        let name = BucketName::new(format!("{}{}-{role}", Self::BUCKETS, self.prefix))?;
        self.buckets.add(&name);
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
        self.names.all()
    }

    /// The buckets' names it gave.
    pub(super) fn given_buckets(&self) -> Vec<BucketName> {
        self.buckets.all()
    }

    /// Whether `name` is this case's, or for the scope of a run, any of its cases'.
    pub(super) fn owns(&self, name: &Name) -> bool {
        self.has(name.as_str())
    }

    /// Whether the bucket's `name` is this case's, or for the scope of a run, any of its cases'.
    pub(super) fn owns_bucket(&self, name: &BucketName) -> bool {
        name.as_str().strip_prefix(Self::BUCKETS).is_some_and(|name| self.has(name))
    }

    fn has(&self, name: &str) -> bool {
        name.strip_prefix(&self.prefix).is_some_and(|rest| rest.starts_with('-'))
    }

    /// The name of what cases share as `role`; the first to ask has it made.
    pub(super) async fn shared<F>(&self, role: &str, make: impl FnOnce(Name) -> F) -> Result<Name>
    where
        F: Future<Output = Result<()>>,
    {
        let all = self.all.as_deref().unwrap_or(self);
        let named = all.names.shared(role, || async {
            let name = all.name(role)?;
            make(name.clone()).await.map(|()| name)
        });
        named.await
    }

    /// The name of the bucket that cases share as `role`; the first to ask has it made.
    pub(super) async fn shared_bucket<F>(
        &self,
        role: &str,
        make: impl FnOnce(BucketName) -> F,
    ) -> Result<BucketName>
    where
        F: Future<Output = Result<()>>,
    {
        let all = self.all.as_deref().unwrap_or(self);
        let named = all.buckets.shared(role, || async {
            let name = all.bucket(role)?;
            make(name.clone()).await.map(|()| name)
        });
        named.await
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

/// Eight letters that no other run, in the world, is likely to have.
pub(super) fn run() -> String {
    // The standard library seeds its hash maps from the system: random enough for a name.
    let random = RandomState::new().hash_one(std::process::id());
    let letters = b"abcdefghijklmnopqrstuvwxyz";
    random.to_le_bytes().iter().map(|it| char::from(letters[usize::from(*it) % 26])).collect()
}
