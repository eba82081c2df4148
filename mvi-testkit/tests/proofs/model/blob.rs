//! Random sequences on Blob, beside a list of objects.

mod acts;
mod list;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::TryStreamExt as _;
use mvi_core::{
    Blob, ErrorKind, Result,
    blob::{
        ByteRange, Complete, Copy, Crc32c, CreateBucket, Delete, DeleteMany, Entry, Get, Head, Key,
        List, Meta, Mode, ObjectVersion, Part, PartNumber, Properties, Put, Source, StartUpload,
        Tag, Target, Upload, VersionId, VersionState, Versioning, Versions,
    },
};
use mvi_testkit::{BlobWeather, Sim, Weather};

use self::{
    acts::{Act, Copied, Only, Text, When, Which, bucket, sequences},
    list::{Failed, Object, Shelf},
};
use super::SEQUENCES;
use crate::meta::blob::{Broken, Flaw};

/// What a call gave, without what only a provider can make up.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Failed(ErrorKind),
    Done,
    /// An object, its checksum, and the bytes of it that were asked for, if any were.
    Object(Key, Tag, u64, Option<Crc32c>, Properties, Option<Text>),
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
    Seen::Object(meta.key, meta.tag, meta.size, meta.checksum, meta.properties, bytes.map(Text))
}

fn told<R>(answer: std::result::Result<R, Failed>, view: impl FnOnce(R) -> Seen) -> Seen {
    answer.map_or_else(|e| Seen::Failed(e.0), view)
}

fn object(found: &Object, bytes: Option<Bytes>) -> Seen {
    let (key, properties) = (found.key.clone(), found.properties.clone());
    let checksum = Some(Crc32c::of(&found.bytes()));
    Seen::Object(key, found.tag.clone(), found.size(), checksum, properties, bytes.map(Text))
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
                let fresh = self.made(&answer);
                let wanted = self.shelf.put(key, vec![body], properties, &mode, fresh);
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
        let fresh = self.made(&answer);
        let wanted = if from == to && version.is_none() && properties.is_none() {
            Err(Failed(ErrorKind::Invalid))
        } else {
            self.shelf.find(&from, version.as_ref()).and_then(|it| {
                list::read(&it, None, if_match.as_ref(), None)?;
                let properties = properties.unwrap_or(it.properties);
                self.shelf.put(to, it.pieces, properties, &mode, fresh)
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
        let fresh = if already.is_some() { None } else { self.made(&answer) };
        let wanted = self.shelf.complete(&upload.id, &parts, &mode, fresh);
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
