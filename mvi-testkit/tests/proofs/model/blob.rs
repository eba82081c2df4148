//! Random sequences on Blob, beside a list of objects.

mod list;

use std::{collections::BTreeSet, num::NonZeroU32, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::TryStreamExt as _;
use mvi_core::{
    Blob, BucketName, ErrorKind, Result,
    blob::{
        ByteRange, Complete, Copy, CreateBucket, Delete, DeleteMany, Entry, Get, Head, Key, List,
        Meta, Metadata, Mode, ObjectVersion, Part, PartNumber, Properties, Put, Source,
        StartUpload, Tag, Target, Upload, VersionId, VersionState, Versioning, Versions,
    },
};
use mvi_testkit::{BlobWeather, Sim, Weather};
use proptest::{collection::vec, option, prelude::*, sample::select};

use self::list::{Failed, Object, Shelf};
use super::SEQUENCES;
use crate::meta::blob::{Broken, Flaw};

/// How long a sequence is.
const LENGTH: std::ops::Range<usize> = 3..14;

/// A step of a sequence. Tags, versions and uploads are counted back from the last that was made.
#[derive(Clone, Debug)]
enum Act {
    Put(Key, Text, When, Properties),
    Get(Key, Option<ByteRange>, Option<Only>, Option<usize>),
    Head(Key, Option<usize>),
    Delete(Key, Option<Which>),
    DeleteMany(Vec<(Key, Option<usize>)>),
    Copy(Box<Copied>),
    List(Box<List>),
    Versions(String, Option<NonZeroU32>),
    Start(Key, Properties),
    Part(usize, u32, Text),
    /// As often as it says, as whoever lost the answer does.
    Complete(usize, Vec<u32>, When, usize),
    Abort(usize),
    Parts(usize),
    Uploads,
    Versioning(Versioning),
}

#[derive(Clone, Debug)]
struct Copied {
    from: Key,
    to: Key,
    version: Option<usize>,
    if_match: Option<usize>,
    when: When,
    properties: Option<Properties>,
}

/// A mode, by the tag that some earlier write made.
#[derive(Clone, Debug)]
enum When {
    Always,
    IfAbsent,
    IfMatch(usize),
}

/// A condition of a read.
#[derive(Clone, Debug)]
enum Only {
    Match(usize),
    NoneMatch(usize),
}

/// What a delete is about.
#[derive(Clone, Debug)]
enum Which {
    Match(usize),
    Version(usize),
}

/// The bytes of a body, shown only where they are few.
#[derive(Clone, PartialEq)]
struct Text(Bytes);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.len() > 100 { write!(f, "{} bytes", self.0.len()) } else { self.0.fmt(f) }
    }
}

fn bucket() -> BucketName {
    BucketName::new("model").unwrap()
}

fn keys() -> BoxedStrategy<Key> {
    // In another order as UTF-16, folded, and prefixes of each other.
    let texts = vec!["a", "a/", "a/b", "a/c/d", "a//b", "ab", "b--c", "b/c", "\u{ff5e}", "🦀"];
    select(texts).prop_map(|it| Key::new(it).unwrap()).boxed()
}

fn bodies() -> BoxedStrategy<Text> {
    prop_oneof![
        1 => Just(Text(Bytes::new())),
        // The same bytes are written again.
        2 => select(vec!["1", "2"]).prop_map(|it| Text(it.into())),
        3 => vec(any::<u8>(), 1..40).prop_map(|it| Text(it.into())),
    ]
    .boxed()
}

/// Few are large enough to be no last part: each costs as much as thousands of calls.
fn part_bodies() -> BoxedStrategy<Text> {
    let large = Text(vec![7; 5 << 20].into());
    prop_oneof![6 => bodies(), 1 => Just(large)].boxed()
}

fn properties() -> BoxedStrategy<Properties> {
    let metadata = option::weighted(0.3, select(vec!["ann", "bob"])).prop_map(|owner| {
        let all = Metadata::new();
        owner.map_or(Metadata::new(), |it| all.with("owner", it).unwrap())
    });
    (
        select(vec![Properties::BINARY, "text/plain"]),
        option::weighted(0.2, Just("no-store")),
        metadata,
    )
        .prop_map(|(content_type, cache_control, metadata)| Properties {
            content_type: content_type.to_owned(),
            cache_control: cache_control.map(str::to_owned),
            metadata,
            ..Properties::default()
        })
        .boxed()
}

fn whens() -> BoxedStrategy<When> {
    prop_oneof![
        3 => Just(When::Always),
        2 => Just(When::IfAbsent),
        2 => (0_usize..4).prop_map(When::IfMatch),
    ]
    .boxed()
}

fn ranges() -> BoxedStrategy<ByteRange> {
    prop_oneof![
        (0_u64..40, 0_u64..50).prop_map(|(start, end)| ByteRange::Between(start, end)),
        (0_u64..40).prop_map(ByteRange::From),
        (0_u64..50).prop_map(ByteRange::Last),
    ]
    .boxed()
}

fn page() -> BoxedStrategy<Option<NonZeroU32>> {
    option::of((1_u32..4).prop_map(|it| NonZeroU32::new(it).unwrap())).boxed()
}

fn lists() -> BoxedStrategy<Act> {
    let prefixes = select(vec!["", "", "a", "a/", "a//", "b", "b-", "b--", "x"]);
    let delimiters = option::weighted(0.6, select(vec!["/", "--", "b", "//"]));
    let starts = select(vec!["a", "a/", "a/b", "a/b/", "a0", "b--", "b-", "~", "\u{ff5e}"]);
    (prefixes, delimiters, option::weighted(0.4, starts), option::weighted(0.3, 0_u64..5), page())
        .prop_map(|(prefix, delimiter, start_after, limit, page)| {
            Act::List(Box::new(List {
                prefix: prefix.to_owned(),
                delimiter: delimiter.map(str::to_owned),
                start_after: start_after.map(str::to_owned),
                limit,
                page,
                ..List::new(bucket())
            }))
        })
        .boxed()
}

fn copies() -> BoxedStrategy<Act> {
    let source = (keys(), option::weighted(0.3, 0_usize..4), option::weighted(0.3, 0_usize..4));
    (source, keys(), whens(), option::weighted(0.4, properties()))
        .prop_map(|((from, version, if_match), to, when, properties)| {
            Act::Copy(Box::new(Copied { from, to, version, if_match, when, properties }))
        })
        .boxed()
}

fn acts() -> BoxedStrategy<Act> {
    let only =
        prop_oneof![(0_usize..4).prop_map(Only::Match), (0_usize..4).prop_map(Only::NoneMatch)];
    let which = prop_oneof![
        1 => (0_usize..4).prop_map(Which::Match),
        1 => (0_usize..4).prop_map(Which::Version)
    ];
    let get = (
        keys(),
        option::weighted(0.4, ranges()),
        option::weighted(0.3, only),
        option::weighted(0.3, 0_usize..5),
    );
    let numbers = || select(vec![1_u32, 1, 2, 2, 10_000]);
    let chosen = prop_oneof![3 => vec(numbers(), 1..2), 2 => vec(numbers(), 0..4)];
    let upload = || 0_usize..3;
    prop_oneof![
        5 => (keys(), bodies(), whens(), properties())
            .prop_map(|(key, body, when, it)| Act::Put(key, body, when, it)),
        4 => get.prop_map(|(key, range, only, version)| Act::Get(key, range, only, version)),
        2 => (keys(), option::weighted(0.4, 0_usize..5))
            .prop_map(|(key, version)| Act::Head(key, version)),
        2 => (keys(), option::of(which)).prop_map(|(key, which)| Act::Delete(key, which)),
        1 => vec((keys(), option::weighted(0.3, 0_usize..5)), 0..4).prop_map(Act::DeleteMany),
        3 => copies(),
        4 => lists(),
        2 => (select(vec!["", "", "a", "a/"]), page())
            .prop_map(|(prefix, page)| Act::Versions(prefix.to_owned(), page)),
        2 => (keys(), properties()).prop_map(|(key, it)| Act::Start(key, it)),
        3 => (upload(), numbers(), part_bodies())
            .prop_map(|(which, number, body)| Act::Part(which, number, body)),
        3 => (upload(), chosen, whens(), 1_usize..3)
            .prop_map(|(which, numbers, when, times)| Act::Complete(which, numbers, when, times)),
        1 => upload().prop_map(Act::Abort),
        1 => upload().prop_map(Act::Parts),
        2 => Just(Act::Uploads),
        1 => select(vec![Versioning::On, Versioning::On, Versioning::Off])
            .prop_map(Act::Versioning),
    ]
    .boxed()
}

/// Some objects, in a bucket that mostly keeps versions, and what is then done with them.
fn sequences() -> BoxedStrategy<Vec<Act>> {
    let put = (keys(), bodies(), properties())
        .prop_map(|(key, body, it)| Act::Put(key, body, When::Always, it));
    let versions = option::weighted(0.6, Just(Act::Versioning(Versioning::On)));
    // An upload with a part, so that what is done with uploads is mostly done with one.
    let upload = option::weighted(0.6, (keys(), properties(), bodies()));
    let upload = upload.prop_map(|it| {
        let both = |(key, it, body)| [Act::Start(key, it), Act::Part(0, 1, body)];
        it.map(both).into_iter().flatten().collect::<Vec<_>>()
    });
    (versions, vec(put, 0..7), upload, vec(acts(), LENGTH))
        .prop_map(|(versions, first, upload, then)| {
            versions.into_iter().chain(first).chain(upload).chain(then).collect()
        })
        .boxed()
}

/// What a call gave, without what only a provider can make up.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Failed(ErrorKind),
    Done,
    /// An object, and the bytes of it that were asked for, if any were.
    Object(Key, Tag, u64, Properties, Option<Text>),
    /// Entries: a prefix, or an object with its tag and size.
    Entries(Vec<(String, Option<(Tag, u64)>)>),
    Versions(Vec<(Key, VersionState, u64, Option<Tag>)>),
    Parts(Vec<(u32, u64, Tag)>),
    /// Each key's, since nobody promises an order among them.
    Uploads(Vec<(Key, BTreeSet<String>)>),
    Each(Vec<Seen>),
}

fn seen<R>(answer: Result<R>, view: impl FnOnce(R) -> Seen) -> Seen {
    answer.map_or_else(|e| Seen::Failed(e.kind()), view)
}

fn met(meta: Meta, bytes: Option<Bytes>) -> Seen {
    Seen::Object(meta.key, meta.tag, meta.size, meta.properties, bytes.map(Text))
}

fn told<R>(answer: std::result::Result<R, Failed>, view: impl FnOnce(R) -> Seen) -> Seen {
    answer.map_or_else(|e| Seen::Failed(e.0), view)
}

fn object(found: &Object, bytes: Option<Bytes>) -> Seen {
    let (key, properties) = (found.key.clone(), found.properties.clone());
    Seen::Object(key, found.tag.clone(), found.size(), properties, bytes.map(Text))
}

/// Both of them, and what the provider has made up.
struct Pair {
    blob: Arc<dyn Blob>,
    shelf: Shelf,
    tags: Vec<Tag>,
    versions: Vec<(Key, VersionId)>,
    uploads: Vec<Upload>,
    /// Every part that was stored, with the upload it is of.
    parts: Vec<(usize, Part)>,
}

/// The one before the last, say; `none` where so many were not made yet.
fn back<T: Clone>(made: &[T], which: usize, none: T) -> T {
    made.iter().rev().nth(which).cloned().unwrap_or(none)
}

impl Pair {
    async fn new(flaw: Option<Flaw>, weather: Weather) -> Self {
        let sim = Sim::new(1).calm();
        sim.blob.create_bucket(CreateBucket::new(bucket())).await.unwrap();
        let sim = sim.weather(weather);
        let blob: Arc<dyn Blob> = match flaw {
            None => Arc::new(sim.blob.clone()),
            Some(_) => Arc::new(Broken::new(Arc::new(sim.blob.clone()), flaw)),
        };
        let (tags, versions, uploads, parts) = (vec![], vec![], vec![], vec![]);
        Self { blob, shelf: Shelf::default(), tags, versions, uploads, parts }
    }

    fn tag(&self, which: usize) -> Tag {
        back(&self.tags, which, Tag::new("none"))
    }

    /// A version that there was, mostly of the key; of no other key is it the same.
    fn version(&self, key: &Key, which: usize) -> VersionId {
        let own: Vec<_> =
            self.versions.iter().filter(|it| it.0 == *key).map(|it| it.1.clone()).collect();
        back(&own, which, VersionId::new("none"))
    }

    fn mode(&self, when: &When) -> Mode {
        match when {
            When::Always => Mode::Always,
            When::IfAbsent => Mode::IfAbsent,
            When::IfMatch(which) => Mode::IfMatch(self.tag(*which)),
        }
    }

    /// Remembers what a write made up, for the model and for what is to come.
    fn made(&mut self, answer: &Result<Meta>) -> Option<(Tag, Option<VersionId>)> {
        let meta = answer.as_ref().ok()?;
        self.tags.push(meta.tag.clone());
        if let Some(version) = &meta.version {
            self.versions.push((meta.key.clone(), version.clone()));
        }
        Some((meta.tag.clone(), meta.version.clone()))
    }

    /// Does it with both, and gives what both gave.
    async fn both(&mut self, act: Act) -> (Seen, Seen) {
        match act {
            Act::Put(key, Text(body), when, properties) => {
                let mode = self.mode(&when);
                let put = Put::new(bucket(), key.clone()).mode(mode.clone());
                let put = put.properties(properties.clone());
                let answer = self.blob.put(put, body.clone().into()).await;
                let made = self.made(&answer);
                let wanted = self.shelf.put(key, vec![body], properties, &mode, made);
                (seen(answer, |it| met(it, None)), told(wanted, |it| object(&it, None)))
            }
            Act::Get(key, range, only, version) => self.get(key, range, only, version).await,
            Act::Head(key, version) => {
                let version = version.map(|it| self.version(&key, it));
                let head = Head { version: version.clone(), ..Head::new(bucket(), key.clone()) };
                let wanted = self.shelf.find(&key, version.as_ref());
                let found = self.blob.head(head).await;
                (seen(found, |it| met(it, None)), told(wanted, |it| object(&it, None)))
            }
            Act::Delete(key, which) => {
                let mut delete = Delete::new(bucket(), key.clone());
                match which {
                    None => {}
                    Some(Which::Match(tag)) => delete.if_match = Some(self.tag(tag)),
                    Some(Which::Version(it)) => delete.version = Some(self.version(&key, it)),
                }
                let wanted =
                    self.shelf.delete(&key, delete.if_match.as_ref(), delete.version.as_ref());
                let found = self.blob.delete(delete).await;
                (seen(found, |()| Seen::Done), told(wanted, |()| Seen::Done))
            }
            Act::DeleteMany(targets) => {
                let targets: Vec<_> = targets
                    .into_iter()
                    .map(|(key, version)| {
                        let version = version.map(|it| self.version(&key, it));
                        Target { key, version }
                    })
                    .collect();
                let many = DeleteMany::new(bucket(), targets.clone());
                let found = seen(self.blob.delete_many(many).await, |all| {
                    Seen::Each(all.into_iter().map(|it| seen(it, |()| Seen::Done)).collect())
                });
                let wanted = targets.iter().map(|it| {
                    told(self.shelf.delete(&it.key, None, it.version.as_ref()), |()| Seen::Done)
                });
                (found, Seen::Each(wanted.collect()))
            }
            Act::Copy(copy) => self.copy(*copy).await,
            Act::List(list) => {
                let found: Result<Vec<Entry>> =
                    self.blob.list(List::clone(&list)).try_collect().await;
                let found = seen(found, |all| Seen::Entries(all.into_iter().map(entry).collect()));
                (found, Seen::Entries(self.shelf.list(&list)))
            }
            Act::Versions(prefix, page) => {
                let list = Versions { page, ..Versions::new(bucket()).prefix(&*prefix) };
                let found: Result<Vec<ObjectVersion>> =
                    self.blob.versions(list).try_collect().await;
                let view = |it: ObjectVersion| (it.key, it.state, it.size, it.tag);
                let found = seen(found, |all| Seen::Versions(all.into_iter().map(view).collect()));
                (found, Seen::Versions(self.shelf.versions(&prefix)))
            }
            Act::Versioning(to) => {
                let answer = self.blob.set_versioning(&bucket(), to).await;
                self.shelf.keeps = to == Versioning::On;
                (seen(answer, |()| Seen::Done), Seen::Done)
            }
            other => self.upload(other).await,
        }
    }

    async fn get(
        &mut self,
        key: Key,
        range: Option<ByteRange>,
        only: Option<Only>,
        version: Option<usize>,
    ) -> (Seen, Seen) {
        let version = version.map(|it| self.version(&key, it));
        let (if_match, if_none_match) = match only {
            None => (None, None),
            Some(Only::Match(it)) => (Some(self.tag(it)), None),
            Some(Only::NoneMatch(it)) => (None, Some(self.tag(it))),
        };
        let get = Get::new(bucket(), key.clone());
        let get = Get {
            range,
            if_match: if_match.clone(),
            if_none_match: if_none_match.clone(),
            version: version.clone(),
            ..get
        };
        let found = match self.blob.get(get).await {
            Err(e) => Seen::Failed(e.kind()),
            Ok(object) => {
                let meta = object.meta.clone();
                seen(object.bytes(64 << 20).await, |bytes| met(meta, Some(bytes)))
            }
        };
        let wanted = if list::is_range(range) {
            self.shelf.find(&key, version.as_ref()).and_then(|it| {
                let range = list::read(&it, range, if_match.as_ref(), if_none_match.as_ref())?;
                let bytes = it.bytes().slice(range);
                Ok((it, bytes))
            })
        } else {
            Err(Failed(ErrorKind::Invalid))
        };
        (found, told(wanted, |(it, bytes)| object(&it, Some(bytes))))
    }

    async fn copy(&mut self, copy: Copied) -> (Seen, Seen) {
        let Copied { from, to, version, if_match, when, properties } = copy;
        let mode = self.mode(&when);
        let version = version.map(|it| self.version(&from, it));
        let if_match = if_match.map(|it| self.tag(it));
        let source = Source {
            version: version.clone(),
            if_match: if_match.clone(),
            ..Source::new(bucket(), from.clone())
        };
        let asked = Copy {
            mode: mode.clone(),
            properties: properties.clone(),
            ..Copy::new(source, bucket(), to.clone())
        };
        let answer = self.blob.copy(asked).await;
        let made = self.made(&answer);
        let wanted = if from == to && version.is_none() && properties.is_none() {
            Err(Failed(ErrorKind::Invalid))
        } else {
            self.shelf.find(&from, version.as_ref()).and_then(|it| {
                list::read(&it, None, if_match.as_ref(), None)?;
                let properties = properties.unwrap_or(it.properties);
                self.shelf.put(to, it.pieces, properties, &mode, made)
            })
        };
        (seen(answer, |it| met(it, None)), told(wanted, |it| object(&it, None)))
    }

    async fn complete(&mut self, which: usize, numbers: &[u32], when: &When) -> (Seen, Seen) {
        let none = Upload::new(bucket(), Key::new("none").unwrap(), "none");
        let upload = back(&self.uploads, which, none);
        let at = self.uploads.len().checked_sub(which + 1);
        let mode = self.mode(when);
        let own = self.parts.iter().filter(|it| Some(it.0) == at);
        let own: Vec<_> = own.map(|it| it.1.clone()).collect();
        // The last that was stored of each number, or the first, which may have been replaced.
        let part = |number: u32| {
            let mut of = own.iter().filter(|it| it.number.get() == number);
            let found = if numbers.len() == 2 { of.next() } else { of.next_back() };
            found
                .cloned()
                .unwrap_or_else(|| Part::new(PartNumber::new(number).unwrap(), 1, Tag::new("none")))
        };
        let parts: Vec<_> = numbers.iter().map(|it| part(*it)).collect();
        let complete = Complete::new(upload.clone(), parts.clone()).mode(mode.clone());
        let answer = self.blob.complete_upload(complete).await;
        let already = self.shelf.completed(&upload.id);
        let made = if already.is_some() { None } else { self.made(&answer) };
        let wanted = self.shelf.complete(&upload.id, &parts, &mode, made);
        (seen(answer, |it| met(it, None)), told(wanted, |it| object(&it, None)))
    }

    async fn upload(&mut self, act: Act) -> (Seen, Seen) {
        let none = || Upload::new(bucket(), Key::new("none").unwrap(), "none");
        let at = |which: usize, made: usize| made.checked_sub(which + 1);
        let made = self.uploads.len();
        match act {
            Act::Start(key, properties) => {
                let start = StartUpload::new(bucket(), key.clone()).properties(properties.clone());
                let answer = self.blob.start_upload(start).await;
                if let Ok(upload) = &answer {
                    self.uploads.push(upload.clone());
                    self.shelf.start(key, upload.id.clone(), properties);
                }
                (seen(answer, |_| Seen::Done), Seen::Done)
            }
            Act::Part(which, number, Text(body)) => {
                let upload = back(&self.uploads, which, none());
                let number = PartNumber::new(number).unwrap();
                let answer = self.blob.upload_part(&upload, number, body.clone().into()).await;
                if let (Ok(part), Some(at)) = (&answer, at(which, made)) {
                    self.parts.push((at, part.clone()));
                }
                let tag = answer.as_ref().ok().map(|it| it.tag.clone());
                let size = body.len() as u64;
                let wanted = self.shelf.part(&upload.id, number.get(), body, tag);
                let view =
                    |number: u32, size| Seen::Parts(vec![(number, size, Tag::new("made up"))]);
                (
                    seen(answer, |it| view(it.number.get(), it.size)),
                    told(wanted, |()| view(number.get(), size)),
                )
            }
            Act::Complete(which, numbers, when, times) => {
                let (mut found, mut wanted) = (Vec::new(), Vec::new());
                for _ in 0..times {
                    let (one, other) = self.complete(which, &numbers, &when).await;
                    found.push(one);
                    wanted.push(other);
                }
                (Seen::Each(found), Seen::Each(wanted))
            }
            Act::Abort(which) => {
                let upload = back(&self.uploads, which, none());
                let answer = self.blob.abort_upload(&upload).await;
                self.shelf.abort(&upload.id);
                (seen(answer, |()| Seen::Done), Seen::Done)
            }
            Act::Parts(which) => {
                let upload = back(&self.uploads, which, none());
                let found: Result<Vec<Part>> = self.blob.parts(&upload).try_collect().await;
                let view = |it: Part| (it.number.get(), it.size, it.tag);
                let found = seen(found, |all| Seen::Parts(all.into_iter().map(view).collect()));
                (found, told(self.shelf.parts(&upload.id), Seen::Parts))
            }
            Act::Uploads => {
                let found: Result<Vec<Upload>> = self.blob.uploads(&bucket()).try_collect().await;
                let view = |it: Upload| (it.key, it.id);
                let found = seen(found, |all| grouped(all.into_iter().map(view)));
                (found, grouped(self.shelf.uploads()))
            }
            other => unreachable!("{other:?} is about no upload"),
        }
    }
}

fn grouped(all: impl IntoIterator<Item = (Key, String)>) -> Seen {
    let mut groups: Vec<(Key, BTreeSet<String>)> = Vec::new();
    for (key, id) in all {
        match groups.last_mut() {
            Some((last, ids)) if *last == key => drop(ids.insert(id)),
            _ => groups.push((key, BTreeSet::from([id]))),
        }
    }
    Seen::Uploads(groups)
}

fn entry(entry: Entry) -> (String, Option<(Tag, u64)>) {
    match entry {
        Entry::Object(it) => (it.key.as_str().to_owned(), Some((it.tag, it.size))),
        Entry::Prefix(it) => (it, None),
    }
}

impl super::Pair for Pair {
    type Act = Act;
    type Seen = Seen;

    async fn act(&mut self, act: Act) -> (Seen, Seen) {
        self.both(act).await
    }
}

/// All that may happen to a reader.
fn rough() -> Weather {
    let fair = Weather::fair();
    let blob =
        BlobWeather { page: 3, short_page: 0.5, empty_page: 0.25, chunk: 1..=7, ..fair.blob };
    Weather { blob, latency: Duration::from_millis(1)..=Duration::from_millis(50), ..fair }
}

/// Runs so many sequences on the simulated Blob, sound or with a flaw.
fn run(
    cases: u32,
    flaw: Option<Flaw>,
    weather: fn() -> Weather,
) -> std::result::Result<(), String> {
    super::run(cases, flaw.is_some(), &sequences(), async || Pair::new(flaw, weather()).await)
}

#[test]
fn random_sequences_give_what_a_list_gives() {
    for (cases, weather) in [
        (SEQUENCES, Weather::calm as fn() -> Weather),
        (SEQUENCES / 10, Weather::fair),
        (SEQUENCES / 10, rough),
    ] {
        if let Err(failure) = run(cases, None, weather) {
            panic!("{failure}");
        }
    }
}

/// Else the sequences may never come to what matters.
#[test]
fn random_sequences_find_what_is_broken() {
    for flaw in [
        Flaw::MetadataIsMerged,
        Flaw::PutForgetsItsMode,
        Flaw::IfMatchMeansPresent,
        Flaw::IfMatchOfNothingWrites,
        Flaw::GetForgetsIfMatch,
        Flaw::GetForgetsIfNoneMatch,
        Flaw::DeleteForgetsItsCondition,
        Flaw::DeleteIfMatchOfNothingSucceeds,
        Flaw::DeleteTakesThePrefix,
        Flaw::DeleteIgnoresTheVersion,
        Flaw::DeleteManyIgnoresVersions,
        Flaw::RangeEndIsIncluded,
        Flaw::RangeIsNotCut,
        Flaw::LastIsFirst,
        Flaw::SlashesAreMerged,
        Flaw::TrailingSlashIsDropped,
        Flaw::PagesLoseAnEntry,
        Flaw::PagesRepeatAnEntry,
        Flaw::ListIsSortedAsUtf16,
        Flaw::DelimiterIsOneCharacter,
        Flaw::DelimiterIsFoundInThePrefix,
        Flaw::FoldsRepeatAtPages,
        Flaw::FoldsComeLast,
        Flaw::FoldsComeAgainBehindThemselves,
        Flaw::StartAfterIsIncluded,
        Flaw::StartAfterNeedsItsEntry,
        Flaw::LimitIsIgnored,
        Flaw::LimitCountsKeys,
        Flaw::GetIgnoresTheVersion,
        Flaw::HeadIgnoresTheVersion,
        Flaw::AVersionThatIsNotThereIsTheCurrent,
        Flaw::VersionsAreOldestFirst,
        Flaw::VersionsIgnoreThePrefix,
        Flaw::VersioningOffForgets,
        Flaw::TheSameBytesAreNoVersion,
        Flaw::CopyDropsProperties,
        Flaw::CopyForgetsItsMode,
        Flaw::CopyIgnoresSourceIfMatch,
        Flaw::CopyIgnoresTheVersion,
        Flaw::TheFirstPartStays,
        Flaw::AbortLeavesTheUpload,
        Flaw::AbortTakesTheObject,
        Flaw::CompletingAgainFails,
        Flaw::CompleteForgetsItsMode,
        Flaw::AConflictAbortsTheUpload,
        Flaw::UploadsPropertiesAreDropped,
        Flaw::UploadsListWhatIsCompleted,
        Flaw::UploadsAreListedAsTheyCame,
    ] {
        assert!(run(SEQUENCES / 2, Some(flaw), Weather::calm).is_err(), "{flaw:?} is not found");
    }
}
