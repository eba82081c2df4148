//! Creates that repeat safely by name: for provider authors, written once for every resource.
//!
//! ```text
//!   create(name, settings) ──▶ observe ──▶ ours, same settings ──▶ finish ──▶ the resource
//!                                 │  ▲
//!                            none │  │ lost answer, lost race, not seen yet
//!                                 ▼  │
//!                               create
//! ```
//!
//! A provider says how to look, make, finish and discard ([`Backend`]), and what makes the resource
//! unique ([`Unique`]); [`ensure`] does the rest:
//!
//! - The same name and settings again return the same resource. *The same settings* means the [`Fingerprint`] of the
//!   create request, stamped on the resource when it is created.
//! - The same name with other settings, or on something that is not ours, is [`AlreadyExists`](crate::ErrorKind::AlreadyExists).
//! - Create, delete, create makes a new one, and waits for the old one to be gone.
//! - After an answer that was lost it looks before it asks again, and asks again only where twice is once.
//! - The second calls that complete a resource ([`Backend::finish`]) run on adopting too, as a crash may have come before them.
//! - It removes only what the very same call made. What a crash leaves beside the winner, [`sweep`] reports.
//!
//! ```
//! use std::{collections::BTreeMap, sync::{Mutex, PoisonError}};
//! use mvi_core::{Error, ErrorKind, Result, Timestamp};
//! use mvi_core::ensure::{self, Attempt, Backend, Born, Fingerprint, Life, Marks, Observed, Unique, Wanted};
//!
//! /// A cloud of buckets.
//! #[derive(Default)]
//! struct Buckets(Mutex<BTreeMap<String, Marks>>);
//!
//! /// One of them, or none yet.
//! struct Bucket<'a>(&'a Buckets, &'a str);
//!
//! impl Backend for Bucket<'_> {
//!     type Id = String;
//!     type Resource = String;
//!
//!     fn unique(&self) -> Unique {
//!         Unique::Name
//!     }
//!
//!     async fn observe(&self) -> Result<Vec<Observed<String>>> {
//!         let all = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
//!         let found = all.get_key_value(self.1).into_iter();
//!         Ok(found.map(|(id, marks)| Observed::new(id.clone(), Life::Alive, marks.clone())).collect())
//!     }
//!
//!     async fn create(&self, attempt: &Attempt) -> Result<String> {
//!         let mut all = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
//!         if all.contains_key(self.1) {
//!             return Err(Error::new(ErrorKind::AlreadyExists, "taken"));
//!         }
//!         all.insert(self.1.to_owned(), attempt.marks.clone());
//!         Ok(self.1.to_owned())
//!     }
//!
//!     async fn finish(&self, id: &String) -> Result<String> {
//!         Ok(format!("the bucket {id}"))
//!     }
//!
//!     async fn discard(&self, id: &String) -> Result<()> {
//!         self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
//!         Ok(())
//!     }
//!
//!     fn birth(&self) -> Born {
//!         Born::new(Timestamp::UNIX_EPOCH, 1) // your crate's clock and random numbers
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
//! let cloud = Buckets::default();
//! let settings = Fingerprint::of("blob.bucket").field("region", "eu");
//! for _ in 0..2 {
//!     let wanted = Wanted::new("blob.create_bucket", "acme", &settings);
//!     assert_eq!(ensure::ensure(&Bucket(&cloud, "acme"), &wanted).await?, "the bucket acme");
//! }
//! let other = Wanted::new("blob.create_bucket", "acme", &settings.field("versions", "kept"));
//! let refused = ensure::ensure(&Bucket(&cloud, "acme"), &other).await.unwrap_err();
//! assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
//! # Ok(()) }
//! ```

mod run;
mod stamp;
mod sweep;
#[cfg(test)]
mod tests;

pub use run::ensure;
pub use stamp::{BORN_TAG, Born, Fingerprint, Marks, NAME_TAG, STAMP_TAG, Stamp};
pub use sweep::{Orphan, Reason, sweep};

use std::{fmt, time::Duration};

use crate::Result;

/// What makes a resource unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unique {
    /// Its name: the provider refuses a second with [`AlreadyExists`](crate::ErrorKind::AlreadyExists).
    /// Tables, buckets, whatever has a name on Google Cloud.
    Name,
    /// A [token](Attempt::token) in the request: the provider answers the same token with the same resource, and refuses it with
    /// other parameters. VMs, volumes, tasks on AWS.
    Token,
    /// Nothing: each request makes one more. The [birth](Marks::born) in its tags tells who came first. The SDK's own retry
    /// must be off for the create. VPCs, subnets, addresses on AWS.
    Tag,
    /// An alias that [`Backend::finish`] gives it, which one resource can hold at a time. The SDK's own retry must be off for
    /// the create. KMS keys on AWS.
    Alias,
}

/// How a provider looks for, makes, completes and removes one resource of one name.
///
/// Errors are the provider's own, classified as ever: [`ensure`] acts on their kind and on whether they may have been
/// [applied](crate::Error::may_have_applied). Where a request's settings are wrong it is for `create` to say so.
pub trait Backend: Sync {
    /// What the provider knows the resource by. Its text goes into [tokens](Attempt::token), so it stays as it is.
    type Id: Clone + Ord + fmt::Display + Send + Sync;
    /// What the caller gets.
    type Resource: Send;

    /// What makes the resource unique: always the same.
    fn unique(&self) -> Unique;

    /// Lists all that has the name, ours or not, alive or on its way out; the dead as long as they are known, the oldest first.
    ///
    /// It may lag behind, by less than [`Wanted::settle`]. For [`Unique::Alias`] it has what holds the alias, and, where they can be
    /// found, the resources that are [tagged](NAME_TAG) with the name and do not hold it ([`Observed::unnamed`]).
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) where it can't be told yet whose it is, as when tags are listed late: it is asked again
    /// until [`Wanted::patience`] ends.
    fn observe(&self) -> impl Future<Output = Result<Vec<Observed<Self::Id>>>> + Send;

    /// Makes it, with all of the attempt's [marks](Attempt::marks) in the same request.
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists) where the name is taken, or the token with other parameters.
    /// [`Conflict`](crate::ErrorKind::Conflict) where the name is not free yet, or what the token made is dead.
    fn create(&self, attempt: &Attempt) -> impl Future<Output = Result<Self::Id>> + Send;

    /// Completes it by calls that can be repeated, and returns it as it is: an expiry, a public-access block, the alias, or just a look.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) where it is dead, or can't be seen yet.
    /// [`Conflict`](crate::ErrorKind::Conflict) where it is not ready for it: it is asked again until [`Wanted::patience`] ends.
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists) where something else surely holds the alias.
    fn finish(&self, id: &Self::Id) -> impl Future<Output = Result<Self::Resource>> + Send;

    /// Removes it. Removing what is not there succeeds. Only called for [`Unique::Tag`] and [`Unique::Alias`].
    fn discard(&self, id: &Self::Id) -> impl Future<Output = Result<()>> + Send;

    /// The provider crate's clock, and a fresh random nonce.
    fn birth(&self) -> Born;
}

/// One request to create.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What to write on the resource, as [tags](Marks::tags) or in its [description](Marks).
    ///
    /// It has a birth only for [`Unique::Tag`] and [`Unique::Alias`]: the same token must come with the same request.
    pub marks: Marks,
    /// The client token: 32 hex digits, the same for everyone who asks for this name, until what it made is dead.
    pub token: String,
}

/// One resource, as the provider reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed<Id> {
    /// What the provider knows it by.
    pub id: Id,
    /// Whether it lives.
    pub life: Life,
    /// What is written on it; without a stamp it is not ours.
    pub marks: Marks,
    /// Whether it holds the name: false only for [`Unique::Alias`], where something else or nothing holds the alias.
    pub named: bool,
}

impl<Id> Observed<Id> {
    /// A resource that holds its name.
    pub const fn new(id: Id, life: Life, marks: Marks) -> Self {
        Self { id, life, marks, named: true }
    }

    /// A resource that has been made for a name, whose alias it does not hold.
    pub const fn unnamed(id: Id, life: Life, marks: Marks) -> Self {
        Self { id, life, marks, named: false }
    }
}

/// Whether a resource lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// It works, or will.
    Alive,
    /// It is on its way out, and still in the way of a new one.
    Dying,
    /// It is out, and the provider still tells of it.
    Dead,
}

/// What [`ensure`] is asked for, and how long it may wait.
///
/// ```
/// use std::time::Duration;
/// use mvi_core::ensure::{Fingerprint, Wanted};
///
/// let settings = Fingerprint::of("vpc").field("cidr", "10.0.0.0/16");
/// let wanted = Wanted::new("vpc.create", "web", &settings).patience(Duration::from_mins(5));
/// # let _ = wanted;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The operation, as in `kv.create_table`, for errors.
    pub op: &'static str,
    /// The resource's name, as the caller gave it.
    pub name: String,
    /// What was asked for.
    pub stamp: Stamp,
    /// How long to wait in all, for a dying namesake to be gone or for a resource to be seen and ready: 60 s unless set.
    pub patience: Duration,
    /// How long a request to create may be under way and its resource not be seen by everyone, and how far clocks may be apart, in sum:
    /// 10 s unless set. A race of [`Unique::Tag`] takes this long.
    pub settle: Duration,
    /// How long to wait between two looks: 500 ms unless set.
    pub poll: Duration,
}

impl Wanted {
    /// Asks for `name` with `settings`, on behalf of the operation `op`.
    pub fn new(op: &'static str, name: impl fmt::Display, settings: &Fingerprint) -> Self {
        Self {
            op,
            name: name.to_string(),
            stamp: settings.stamp(),
            patience: Duration::from_mins(1),
            settle: Duration::from_secs(10),
            poll: Duration::from_millis(500),
        }
    }

    /// Waits at most this long in all.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Takes what is older than this as settled.
    #[must_use]
    pub fn settle(mut self, settle: Duration) -> Self {
        self.settle = settle;
        self
    }

    /// Waits this long between two looks.
    #[must_use]
    pub fn poll(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }
}
