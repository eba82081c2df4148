//! One table's records: in order, with a little of their past for the reads that lag behind.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, btree_map::Entry},
    ops::{Bound, ControlFlow},
    sync::Arc,
};

use mvi_core::kv::{Key, KeyValue, Query, Record, Scan, Segment, Table, codec};

use crate::{clock::Moment, sim::world::mix};

/// Where a record is: a hash of its partition, then the bytes by which its key sorts. So a scan finds partitions in an
/// order that means nothing, and a partition's records together and in order; and few bytes are compared.
pub(super) type Place = (u32, Sorted);

/// Where a record is in an index: the bytes by which it sorts there.
type IndexPlace = Sorted;

/// The most bytes that are compared where they lie.
const SHORT_BYTES: usize = 22;

/// Bytes by which a key sorts. Few of them need no memory of their own: keys are in as many places of it as there are records.
#[derive(Clone, Debug)]
pub(super) enum Sorted {
    Short(u8, [u8; SHORT_BYTES]),
    Long(Box<[u8]>),
}

impl Sorted {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(length, bytes) => &bytes[..usize::from(*length)],
            Self::Long(bytes) => bytes,
        }
    }
}

impl From<Vec<u8>> for Sorted {
    fn from(bytes: Vec<u8>) -> Self {
        let mut short = [0; SHORT_BYTES];
        match (short.get_mut(..bytes.len()), u8::try_from(bytes.len())) {
            (Some(start), Ok(length)) => {
                start.copy_from_slice(&bytes);
                Self::Short(length, short)
            }
            _ => Self::Long(bytes.into()),
        }
    }
}

impl Ord for Sorted {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl PartialOrd for Sorted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sorted {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Sorted {}

/// A record, and where it is in each of the table's indexes.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) record: Record,
    places: Box<[Option<IndexPlace>]>,
}

/// What is at a place, and what was.
#[derive(Debug, Default)]
struct Slot {
    live: Option<Arc<Stored>>,
    /// The oldest first.
    past: Vec<Past>,
}

#[derive(Debug)]
struct Past {
    until: Moment,
    was: Option<Arc<Stored>>,
}

impl Slot {
    /// What was there at that moment; what is, where it is `None`.
    fn at(&self, moment: Option<Moment>) -> Option<&Arc<Stored>> {
        let past = moment.and_then(|moment| self.past.iter().find(|it| it.until > moment));
        past.map_or(&self.live, |it| &it.was).as_ref()
    }

    fn has_ever(&self, index: usize, place: &IndexPlace) -> bool {
        let past = self.past.iter().map(|it| &it.was);
        past.chain([&self.live]).flatten().any(|it| it.places[index].as_ref() == Some(place))
    }
}

#[derive(Debug)]
pub(super) struct Records {
    seed: u64,
    slots: BTreeMap<Place, Slot>,
    indexes: Vec<BTreeMap<IndexPlace, Place>>,
}

/// What a stream reads, as a range of places.
#[derive(Clone, Debug)]
pub(super) enum Reads {
    /// Of the table.
    Slots(Bound<Place>, Bound<Place>),
    /// Of one of its indexes.
    Index(usize, Bound<IndexPlace>, Bound<IndexPlace>),
}

/// The last place that a page read: the next goes on after it.
#[derive(Clone, Debug)]
pub(super) enum Last {
    Slot(Place),
    Index(IndexPlace),
}

/// A place that a page reads: most are passed by, so it is only borrowed.
#[derive(Clone, Copy, Debug)]
pub(super) enum At<'a> {
    Slot(&'a Place),
    Index(&'a IndexPlace),
}

impl From<At<'_>> for Last {
    fn from(at: At<'_>) -> Self {
        match at {
            At::Slot(place) => Self::Slot(place.clone()),
            At::Index(place) => Self::Index(place.clone()),
        }
    }
}

impl Records {
    pub(super) fn new(seed: u64, table: &Table) -> Self {
        let indexes = table.indexes.iter().map(|_| BTreeMap::new()).collect();
        Self { seed, slots: BTreeMap::new(), indexes }
    }

    pub(super) fn place(&self, key: &Key) -> Place {
        (self.hash(&key.partition), codec::sort_bytes(key).into())
    }

    /// [FNV-1a](http://www.isthe.com/chongo/tech/comp/fnv/), then spread by the seed: what is unordered is so in each simulation in its own way.
    fn hash(&self, partition: &KeyValue) -> u32 {
        let fnv = |bytes: &[u8]| {
            bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
            })
        };
        let hash = match partition {
            KeyValue::Text(text) => fnv(text.as_bytes()),
            KeyValue::Int(int) => fnv(&int.to_be_bytes()),
            KeyValue::Bytes(bytes) => fnv(bytes),
        };
        let [a, b, c, d, ..] = mix(hash ^ self.seed).to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// What was at `place` at that moment; what is there, where it is `None`.
    pub(super) fn get(&self, place: &Place, moment: Option<Moment>) -> Option<&Arc<Stored>> {
        self.slots.get(place)?.at(moment)
    }

    /// Puts `record` at `place`, or nothing. With `keep` what was there stays to be read, until it is
    /// [forgotten](Self::forget).
    pub(super) fn write(
        &mut self,
        table: &Table,
        place: Place,
        record: Option<Record>,
        keep: Option<Moment>,
    ) {
        let new = record.map(|record| {
            let indexed = |it| {
                let there = table.place(it, &record.key, &record.item)?;
                Some(codec::index_bytes(&there, &record.key).into())
            };
            let places = table.indexes.iter().map(indexed).collect();
            Arc::new(Stored { record, places })
        });
        if let Some(new) = &new {
            for (index, at) in self.indexes.iter_mut().zip(&new.places) {
                if let Some(at) = at {
                    index.insert(at.clone(), place.clone());
                }
            }
        }
        let mut entry = match self.slots.entry(place) {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) => {
                if new.is_some() || keep.is_some() {
                    let past = keep.map(|until| Past { until, was: None }).into_iter().collect();
                    entry.insert(Slot { live: new, past });
                }
                return;
            }
        };
        let slot = entry.get_mut();
        let old = std::mem::replace(&mut slot.live, new);
        if let Some(until) = keep {
            slot.past.push(Past { until, was: old });
            return;
        }
        let stays = slot.live.is_some() || !slot.past.is_empty();
        if let Some(old) = &old {
            tidy(&mut self.indexes, slot, old);
        }
        if !stays {
            entry.remove();
        }
    }

    /// Forgets what was at `place` until `moment`, and before.
    pub(super) fn forget(&mut self, place: &Place, moment: Moment) {
        let Some(slot) = self.slots.get_mut(place) else { return };
        let known = slot.past.iter().take_while(|it| it.until <= moment).count();
        let gone: Vec<_> = slot.past.drain(..known).filter_map(|it| it.was).collect();
        for old in &gone {
            tidy(&mut self.indexes, slot, old);
        }
        if slot.live.is_none() && slot.past.is_empty() {
            self.slots.remove(place);
        }
    }

    /// Whether nothing is kept of any record, of the past neither.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.indexes.iter().all(BTreeMap::is_empty)
    }

    /// What `query` reads; `None` where its range can hold nothing.
    pub(super) fn query(&self, table: &Table, query: &Query) -> Option<Reads> {
        if query.range.is_empty() {
            return None;
        }
        let (from, to) = codec::byte_range(&query.partition, &query.range);
        let (from, to) = (Sorted::from(from), Sorted::from(to));
        if let Some(name) = &query.index {
            let number = table.indexes.iter().position(|it| it.name == *name)?;
            return Some(Reads::Index(number, Bound::Included(from), Bound::Excluded(to)));
        }
        let hash = self.hash(&query.partition);
        Some(Reads::Slots(Bound::Included((hash, from)), Bound::Excluded((hash, to))))
    }

    /// What `scan` reads.
    pub(super) fn scan(scan: &Scan) -> Reads {
        let Some(Segment { number, of }) = scan.segment else {
            return Reads::Slots(Bound::Unbounded, Bound::Unbounded);
        };
        // Each segment has its share of the hashes.
        let start = |part: u64| (part << 32) / u64::from(of.max(1));
        let bound = |part| u32::try_from(start(part)).ok().map(|hash| (hash, Vec::new().into()));
        let from = bound(number.into()).map_or(Bound::Unbounded, Bound::Included);
        let to = bound(u64::from(number) + 1).map_or(Bound::Unbounded, Bound::Excluded);
        Reads::Slots(from, to)
    }

    /// The last place of a reader whose cursor is at `key`, in an index at `place`.
    pub(super) fn last(&self, key: &Key, place: Option<&Key>) -> Last {
        match place {
            None => Last::Slot(self.place(key)),
            Some(place) => Last::Index(codec::index_bytes(place, key).into()),
        }
    }

    /// Calls `each` with what `reads` holds as it was at `moment`, in order, after `last`, until it breaks off.
    pub(super) fn read<'a>(
        &'a self,
        reads: &Reads,
        last: Option<&Last>,
        descending: bool,
        moment: Option<Moment>,
        mut each: impl FnMut(At<'a>, &'a Arc<Stored>) -> ControlFlow<()>,
    ) {
        match reads {
            Reads::Slots(from, to) => {
                let last = match last {
                    Some(Last::Slot(place)) => Some(place),
                    _ => None,
                };
                let Some(range) = rest(from, to, last, descending) else { return };
                let range = self.slots.range(range);
                let found = range.filter_map(|(place, slot)| Some((place, slot.at(moment)?)));
                let _ = walk(found, descending, |(place, found)| each(At::Slot(place), found));
            }
            Reads::Index(number, from, to) => {
                let last = match last {
                    Some(Last::Index(place)) => Some(place),
                    _ => None,
                };
                let Some(range) = rest(from, to, last, descending) else { return };
                let range = self.indexes[*number].range(range);
                let found = range.filter_map(|(at, place)| {
                    let found = self.slots.get(place)?.at(moment)?;
                    // The index holds the places of the past as well.
                    (found.places[*number].as_ref() == Some(at)).then_some((at, found))
                });
                let _ = walk(found, descending, |(at, found)| each(At::Index(at), found));
            }
        }
    }
}

/// Takes the places of `old`, which nobody can read any more in its slot, out of the indexes.
fn tidy(indexes: &mut [BTreeMap<IndexPlace, Place>], slot: &Slot, old: &Stored) {
    for (number, index) in indexes.iter_mut().enumerate() {
        if let Some(at) = &old.places[number]
            && !slot.has_ever(number, at)
        {
            index.remove(at);
        }
    }
}

fn walk<T>(
    items: impl DoubleEndedIterator<Item = T>,
    descending: bool,
    mut each: impl FnMut(T) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut items = items;
    if descending { items.rev().try_for_each(each) } else { items.try_for_each(&mut each) }
}

/// What of a range is left after `last`; `None` where nothing can be.
fn rest<P: Ord + Clone>(
    from: &Bound<P>,
    to: &Bound<P>,
    last: Option<&P>,
    descending: bool,
) -> Option<(Bound<P>, Bound<P>)> {
    use std::ops::RangeBounds as _;
    let whole = (from.as_ref(), to.as_ref());
    let range = match last {
        None => (from.clone(), to.clone()),
        // A cursor may be made of any key: one before the range starts it, one after it ends it.
        Some(last) if whole.contains(last) && descending => {
            (from.clone(), Bound::Excluded(last.clone()))
        }
        Some(last) if whole.contains(last) => (Bound::Excluded(last.clone()), to.clone()),
        Some(last) => {
            let before = match from {
                Bound::Included(from) | Bound::Excluded(from) => last <= from,
                Bound::Unbounded => false,
            };
            if before == descending {
                return None;
            }
            (from.clone(), to.clone())
        }
    };
    // `BTreeMap::range` panics where a range ends before it starts.
    let backwards = match (&range.0, &range.1) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Excluded(from), Bound::Excluded(to)) => from >= to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => from > to,
    };
    (!backwards).then_some(range)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, ops::RangeBounds as _};

    use super::*;

    #[test]
    fn places_sort_as_their_bytes_do_however_many_they_are() {
        let lengths = [0, 1, SHORT_BYTES - 1, SHORT_BYTES, SHORT_BYTES + 1, 255, 256, 700];
        let all = [0, 7, 255].into_iter().flat_map(|byte| lengths.map(|length| vec![byte; length]));
        let all: Vec<_> = all.map(|bytes| (Sorted::from(bytes.clone()), bytes)).collect();
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |it| (one, it))) {
            assert_eq!(one.0.cmp(&other.0), one.1.cmp(&other.1));
            assert_eq!(one.0 == other.0, one.1 == other.1);
        }
    }

    #[test]
    fn what_is_left_of_a_range_is_what_no_page_has_read() {
        let ends = || {
            let bounds = (0..6).flat_map(|it| [Bound::Included(it), Bound::Excluded(it)]);
            bounds.chain([Bound::Unbounded])
        };
        for (from, to) in ends().flat_map(|from| ends().map(move |to| (from, to))) {
            for last in (-1..7).map(Some).chain([None]) {
                for descending in [false, true] {
                    let unread = |it: &i32| match last {
                        None => true,
                        Some(last) if descending => *it < last,
                        Some(last) => *it > last,
                    };
                    let wanted: Vec<_> =
                        (-2..9).filter(|it| (from, to).contains(it) && unread(it)).collect();
                    let left = rest(&from, &to, last.as_ref(), descending);
                    let all: BTreeSet<_> = (-2..9).collect();
                    let found = left.map(|it| all.range(it).copied().collect());
                    let found: Vec<_> = found.unwrap_or_default();
                    assert_eq!(found, wanted, "{from:?} to {to:?} after {last:?}, {descending}");
                }
            }
        }
    }
}
