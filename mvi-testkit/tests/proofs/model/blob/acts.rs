//! What is done with a Blob, at random.

use std::num::NonZeroU32;

use bytes::Bytes;
use mvi_core::{
    BucketName,
    blob::{ByteRange, Key, List, Metadata, Properties, Versioning},
};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// How long a sequence is.
const LENGTH: std::ops::Range<usize> = 3..14;

/// A step of a sequence. Tags, versions and uploads are counted back from the last that was made.
#[derive(Clone, Debug)]
pub(super) enum Act {
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
pub(super) struct Copied {
    pub(super) from: Key,
    pub(super) to: Key,
    pub(super) version: Option<usize>,
    pub(super) if_match: Option<usize>,
    pub(super) when: When,
    pub(super) properties: Option<Properties>,
}

/// A mode, by the tag that some earlier write made.
#[derive(Clone, Debug)]
pub(super) enum When {
    Always,
    IfAbsent,
    IfMatch(usize),
}

/// A condition of a read.
#[derive(Clone, Debug)]
pub(super) enum Only {
    Match(usize),
    NoneMatch(usize),
}

/// What a delete is about.
#[derive(Clone, Debug)]
pub(super) enum Which {
    Match(usize),
    Version(usize),
}

/// The bytes of a body, shown only where they are few.
#[derive(Clone, PartialEq)]
pub(super) struct Text(pub(super) Bytes);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.len() > 100 { write!(f, "{} bytes", self.0.len()) } else { self.0.fmt(f) }
    }
}

pub(super) fn bucket() -> BucketName {
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
            content_type: content_type.into(),
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
pub(super) fn sequences() -> BoxedStrategy<Vec<Act>> {
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
