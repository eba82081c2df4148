//! The buckets of a simulated Blob, and what each call does to them at its turn.

use std::{
    collections::BTreeMap,
    ops::{Range, RangeInclusive},
    sync::{Arc, Mutex, Weak},
};

use mvi_core::{
    Applied, BucketName, Error, ErrorKind, Labels, Result,
    blob::{
        Bucket, Copy, CreateBucket, Delete, Encryption, Get, Head, Key, Meta, Mode, Put, Rule,
        Source, Target, Versioning,
    },
    ensure::Stamp,
};

use super::{
    content::{Content, Fate},
    objects::{Fall, Objects, Stored, admit, changed},
    uploads::Uploads,
};
use crate::{
    clock::Moment,
    sim::{
        Weather,
        shared::{seen_from, shuffle},
        world::{Turn, World, lock},
    },
};

/// All buckets of one simulated Blob.
#[derive(Debug)]
pub(super) struct Store {
    /// Itself, for the events to come.
    me: Weak<Mutex<Store>>,
    buckets: BTreeMap<BucketName, Room>,
    /// Buckets that are gone, and still listed.
    ghosts: BTreeMap<BucketName, Bucket>,
}

/// A bucket, and what is in it.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) bucket: Bucket,
    /// What it was asked for as.
    stamp: Stamp,
    pub(super) objects: Objects,
    pub(super) uploads: Uploads,
    /// Whether it keeps versions, or ever did.
    keeps: bool,
    /// Whether its next sweep is on the heap.
    pub(super) swept: bool,
    /// No object or version is due before.
    pub(super) idle_until: Moment,
    /// The store that it is in, for the events to come.
    store: Weak<Mutex<Store>>,
    /// Tells it from one of the same name that was there before.
    id: u64,
    /// Before, it is not found; `None` where it always is.
    visible: Option<Moment>,
}

/// What a write made, and whether its bucket says which version it is.
pub(super) struct Made {
    stored: Arc<Stored>,
    keeps: bool,
}

impl Made {
    pub(super) fn meta(&self) -> Meta {
        self.stored.meta(self.keeps)
    }

    pub(super) fn content(&self) -> &Content {
        &self.stored.content
    }
}

/// What a read opened: it is copied where nothing is locked.
pub(super) struct Opened {
    pub(super) made: Made,
    pub(super) range: Range<u64>,
    /// Whether that is all, so that its checksum can be held against it.
    pub(super) whole: bool,
    pub(super) fate: Fate,
    /// How many bytes come at a time.
    pub(super) chunk: RangeInclusive<u32>,
}

impl Store {
    pub(super) fn new() -> Arc<Mutex<Self>> {
        Arc::new_cyclic(|me| {
            let (buckets, ghosts) = (BTreeMap::new(), BTreeMap::new());
            Mutex::new(Self { me: me.clone(), buckets, ghosts })
        })
    }

    /// Whether nothing is kept in the bucket, of the past neither.
    #[cfg(test)]
    pub(super) fn is_forgotten(&self, bucket: &BucketName) -> bool {
        let room = &self.buckets[bucket];
        room.objects.is_forgotten() && room.uploads.is_empty()
    }

    pub(super) fn create_bucket(
        &mut self,
        turn: &Turn<'_>,
        request: CreateBucket,
    ) -> Result<Bucket> {
        let stamp = request.fingerprint().stamp();
        let CreateBucket { name, labels } = request;
        if let Some(found) = self.buckets.get(&name) {
            if found.stamp == stamp {
                return Ok(found.bucket.clone());
            }
            let message = "a bucket of this name has other settings";
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        let mut bucket = Bucket::new(name.clone());
        (bucket.labels, bucket.created) = (labels, Some(turn.now()));
        let room = Room {
            bucket: bucket.clone(),
            stamp,
            objects: Objects::default(),
            uploads: Uploads::default(),
            keeps: false,
            swept: false,
            idle_until: Moment::default(),
            store: Weak::clone(&self.me),
            id: turn.world.token(),
            visible: seen_from(turn, &turn.weather.blob.visibility),
        };
        self.ghosts.remove(&name);
        self.buckets.insert(name, room);
        Ok(bucket)
    }

    pub(super) fn bucket(&mut self, turn: &Turn<'_>, name: &BucketName) -> Result<Bucket> {
        Ok(self.room(turn, name)?.bucket.clone())
    }

    /// In an order that means nothing.
    pub(super) fn list_buckets(&self, turn: &Turn<'_>, labels: &Labels) -> Vec<Bucket> {
        let seen = self.buckets.values().filter(|it| it.is_visible(turn)).map(|it| &it.bucket);
        let listed = seen.chain(self.ghosts.values());
        let mut listed: Vec<_> = listed.filter(|it| it.labels.contains(labels)).cloned().collect();
        shuffle(turn.world, &mut listed, |it| it.name.as_str());
        listed
    }

    pub(super) fn delete_bucket(&mut self, turn: &Turn<'_>, name: &BucketName) -> Result<()> {
        let Some(room) = self.buckets.get(name) else { return Ok(()) };
        if !room.objects.is_empty() {
            return Err(Error::conflict("the bucket has an object, or a version of one"));
        }
        let Some(room) = self.buckets.remove(name) else { return Ok(()) };
        if let Some(until) = seen_from(turn, &turn.weather.blob.visibility) {
            self.ghosts.insert(name.clone(), room.bucket);
            let (me, name, id) = (Weak::clone(&self.me), name.clone(), room.id);
            turn.world.schedule(until, move |_, _| {
                let Some(store) = me.upgrade() else { return };
                let mut store = lock(&store);
                // A new bucket of the same name took the ghost's place, and its own ghost comes later.
                if store.buckets.get(&name).is_none_or(|it| it.id == id) {
                    store.ghosts.remove(&name);
                }
            });
        }
        Ok(())
    }

    pub(super) fn set_versioning(
        &mut self,
        turn: &Turn<'_>,
        (name, to): (BucketName, Versioning),
    ) -> Result<()> {
        let room = self.room(turn, &name)?;
        room.bucket.versioning = to;
        room.keeps |= to == Versioning::On;
        Ok(())
    }

    pub(super) fn set_lifecycle(
        &mut self,
        turn: &Turn<'_>,
        (name, rules): (BucketName, Vec<Rule>),
    ) -> Result<()> {
        let room = self.room(turn, &name)?;
        (room.bucket.lifecycle, room.idle_until) = (rules, Moment::default());
        room.sweep_later(turn.world, turn.at(), turn.weather);
        Ok(())
    }

    /// The bucket `name`, where it is seen.
    pub(super) fn room(&mut self, turn: &Turn<'_>, name: &BucketName) -> Result<&mut Room> {
        let room = self.buckets.get_mut(name).filter(|it| it.is_visible(turn));
        room.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such bucket"))
    }

    /// The bucket `name`, for a call that the weather may refuse.
    pub(super) fn served(&mut self, turn: &Turn<'_>, name: &BucketName) -> Result<&mut Room> {
        if turn.world.chance(turn.weather.blob.throttled) {
            return Err(Error::new(ErrorKind::Throttled, "slow down, as the weather says"));
        }
        self.room(turn, name)
    }

    pub(super) fn put(
        &mut self,
        turn: &Turn<'_>,
        (request, content): (Put, Content),
    ) -> Result<Made> {
        let Put { bucket, key, mode, properties, encryption, checksum } = request;
        let room = self.served(turn, &bucket)?;
        supported(&encryption)?;
        arrive(turn)?;
        if let Some(wanted) = checksum {
            content.expect(wanted)?;
        }
        room.write(turn, &key, &mode, |key, number| {
            Stored::new(turn, key, content, properties, None, number)
        })
    }

    pub(super) fn get(&mut self, turn: &Turn<'_>, request: Get) -> Result<Opened> {
        let Get { bucket, key, range: wanted, if_match, if_none_match, version } = request;
        let room = self.served(turn, &bucket)?;
        let stored = room.objects.find(&key, version.as_ref())?;
        if if_match.is_some_and(|it| it != *stored.tag()) {
            return Err(changed());
        }
        if if_none_match.is_some_and(|it| it == *stored.tag()) {
            return Err(Error::conflict("the object has that very tag"));
        }
        let size = stored.content.size;
        let whole = wanted.is_none();
        let range = wanted.map_or(Ok(0..size), |it| it.resolve(size))?;
        let made = room.made(stored);
        let (fate, chunk) = (fate(turn, &range), turn.weather.blob.chunk.clone());
        Ok(Opened { made, range, whole, fate, chunk })
    }

    pub(super) fn head(&mut self, turn: &Turn<'_>, request: Head) -> Result<Made> {
        let Head { bucket, key, version } = request;
        let room = self.served(turn, &bucket)?;
        Ok(room.made(room.objects.find(&key, version.as_ref())?))
    }

    pub(super) fn delete(&mut self, turn: &Turn<'_>, request: Delete) -> Result<()> {
        let Delete { bucket, key, if_match, version } = request;
        let room = self.served(turn, &bucket)?;
        if let Some(tag) = if_match {
            admit(room.objects.live(&key).map(|it| &**it), &Mode::IfMatch(tag))?;
        }
        room.remove(turn, &Target { key, version });
        Ok(())
    }

    pub(super) fn delete_many(
        &mut self,
        turn: &Turn<'_>,
        (bucket, targets): (BucketName, Vec<Target>),
    ) -> Result<Vec<Result<()>>> {
        let room = self.served(turn, &bucket)?;
        let remove = |target: &Target| {
            turn.partial(turn.weather.blob.partial_batch)?;
            room.remove(turn, target);
            Ok(())
        };
        Ok(targets.iter().map(remove).collect())
    }

    pub(super) fn copy(&mut self, turn: &Turn<'_>, request: Copy) -> Result<Made> {
        let Copy { source, bucket, key, mode, properties, encryption } = request;
        let Source { bucket: from_bucket, key: from, version, if_match } = source;
        supported(&encryption)?;
        let source = self.served(turn, &from_bucket)?.objects.find(&from, version.as_ref())?;
        if if_match.is_some_and(|it| it != *source.tag()) {
            return Err(changed());
        }
        let content = source.content.clone();
        let properties = properties.unwrap_or_else(|| source.properties().clone());
        let room = self.room(turn, &bucket)?;
        room.write(turn, &key, &mode, |key, number| {
            Stored::new(turn, key, content, properties, None, number)
        })
    }
}

impl Room {
    fn is_visible(&self, turn: &Turn<'_>) -> bool {
        self.visible.is_none_or(|it| it <= turn.at())
    }

    /// What a write that was answered made.
    pub(super) fn made(&self, stored: &Arc<Stored>) -> Made {
        Made { stored: Arc::clone(stored), keeps: self.keeps }
    }

    /// Puts an object in its place, if `mode` holds at this very moment.
    pub(super) fn write(
        &mut self,
        turn: &Turn<'_>,
        key: &Key,
        mode: &Mode,
        stored: impl FnOnce(Key, u64) -> Stored,
    ) -> Result<Made> {
        let (fall, at) = (self.fall(turn.weather), turn.at());
        let (stored, lists) =
            self.objects.write(key, mode, fall, at, |number| stored(key.clone(), number))?;
        if lists {
            self.forget_later(turn.world, key, at, turn.weather);
        }
        Ok(Made { stored, keeps: self.keeps })
    }

    fn remove(&mut self, turn: &Turn<'_>, target: &Target) {
        let (Target { key, version }, at) = (target, turn.at());
        let lists = match version {
            None => self.objects.remove(key.as_str(), self.fall(turn.weather), at),
            Some(version) => {
                self.objects.remove_version(key.as_str(), version, lost(turn.weather), at)
            }
        };
        if lists {
            self.forget_later(turn.world, key, at, turn.weather);
        }
    }

    /// What becomes of an object that is replaced or removed.
    pub(super) fn fall(&self, weather: &Weather) -> Fall {
        if self.bucket.versioning == Versioning::On { Fall::Kept } else { lost(weather) }
    }

    /// Forgets what is gone at `at`, when no list can have it any more.
    pub(super) fn forget_later(&self, world: &World, key: &Key, at: Moment, weather: &Weather) {
        let (key, until) = (key.clone(), at.after(*weather.blob.versions_lag.end()));
        self.later(world, until, move |room| room.objects.forget(key.as_str(), at));
    }

    /// Has `event` happen to the bucket, if it is still there then.
    fn later(&self, world: &World, at: Moment, event: impl FnOnce(&mut Self) + Send + 'static) {
        let handle = self.handle();
        world.schedule(at, move |_, _| handle.with(event));
    }

    /// The bucket, for an event to come.
    pub(super) fn handle(&self) -> Handle {
        let (store, name, id) = (Weak::clone(&self.store), self.bucket.name.clone(), self.id);
        Handle { store, name, id }
    }
}

/// Finds a bucket again, if it is still there.
pub(super) struct Handle {
    store: Weak<Mutex<Store>>,
    name: BucketName,
    id: u64,
}

impl Handle {
    pub(super) fn with(self, event: impl FnOnce(&mut Room)) {
        let Some(store) = self.store.upgrade() else { return };
        if let Some(room) = lock(&store).buckets.get_mut(&self.name)
            && room.id == self.id
        {
            event(room);
        }
    }
}

/// What becomes of a version that is removed for good.
pub(super) fn lost(weather: &Weather) -> Fall {
    if weather.blob.versions_lag.end().is_zero() { Fall::Gone } else { Fall::Listed }
}

/// Whether what was sent arrives as it was.
///
/// # Errors
///
/// [`Corrupt`](ErrorKind::Corrupt), now and then.
pub(super) fn arrive(turn: &Turn<'_>) -> Result<()> {
    if turn.world.chance(turn.weather.blob.torn_upload) {
        let message = "the body arrived torn, as the weather says, and is not stored";
        return Err(Error::new(ErrorKind::Corrupt, message).with_applied(Applied::No));
    }
    Ok(())
}

/// # Errors
///
/// [`Unsupported`](ErrorKind::Unsupported) where the caller has the key.
pub(super) fn supported(encryption: &Encryption) -> Result<()> {
    match encryption {
        Encryption::Provider => Ok(()),
        Encryption::Key(_) => {
            let message =
                "a key of one's own needs Crypto, which the simulated cloud does not have yet";
            Err(Error::new(ErrorKind::Unsupported, message))
        }
    }
}

/// What befalls a body of these bytes on its way to its reader.
fn fate(turn: &Turn<'_>, range: &Range<u64>) -> Fate {
    let (world, weather) = (turn.world, &turn.weather.blob);
    let length = u32::try_from(range.end - range.start).unwrap_or(u32::MAX);
    let drawn = || range.start + u64::from(world.pick(length));
    if length > 0 && world.chance(weather.cut_body) {
        return Fate::Cut(drawn());
    }
    if length > 0 && world.chance(weather.bit_flip) {
        return Fate::Flipped(drawn(), world.pick(8));
    }
    Fate::Whole
}
