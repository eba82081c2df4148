//! The tables of a simulated Kv, and what each call does to them at its turn.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use mvi_core::{
    Error, ErrorKind, Labels, Name, Result, Timestamp, When,
    ensure::Stamp,
    kv::{
        Check, Condition, Consistency, CreateTable, Delete, Expiry, Found, Get, GetMany, Item, Key,
        KeyValue, Put, Record, Step, Table, TableState, Transact, Update, Version, Write, apply,
    },
};

use super::records::{Place, Records, Stored};
use crate::{
    clock::Moment,
    sim::{
        Outcome,
        shared::{hex, seen_from, shuffle},
        world::{Turn, World, lock},
    },
};

/// All tables of one simulated Kv.
#[derive(Debug)]
pub(super) struct Store {
    /// Itself, for the events to come.
    me: Weak<Mutex<Store>>,
    tables: BTreeMap<Name, Room>,
    /// Tables that are gone, and still listed.
    ghosts: BTreeMap<Name, Table>,
    heat: Heat,
}

/// A table, its records, and its life.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) table: Table,
    /// What it was asked for as.
    stamp: Stamp,
    pub(super) records: Records,
    /// The store that it is in, for the events to come.
    store: Weak<Mutex<Store>>,
    /// Tells it from one of the same name that was there before.
    id: u64,
    /// Before, it is not found; `None` where it always is.
    visible: Option<Moment>,
    /// When it is gone, where it is going.
    gone: Moment,
}

/// How often each partition was used in the present second.
#[derive(Debug, Default)]
struct Heat {
    second: u64,
    uses: BTreeMap<(Name, KeyValue), u32>,
}

/// What a create made.
pub(super) enum Made {
    Table(Table),
    /// A namesake is going; ask again when it is gone.
    Dying(Moment),
}

/// What a write will do, once all that could refuse it has been asked.
struct Plan {
    place: Place,
    effect: Effect,
}

enum Effect {
    Nothing,
    Remove,
    Write(Record),
}

impl Store {
    pub(super) fn new() -> Arc<Mutex<Self>> {
        Arc::new_cyclic(|me| {
            let (tables, ghosts) = (BTreeMap::new(), BTreeMap::new());
            Mutex::new(Self { me: me.clone(), tables, ghosts, heat: Heat::default() })
        })
    }

    /// The table called `name`, whatever its state: what a client remembers of it.
    pub(super) fn known(&self, name: &Name) -> Option<&Table> {
        self.tables.get(name).map(|it| &it.table)
    }

    #[cfg(test)]
    pub(super) fn records(&self, table: &Name) -> Option<&Records> {
        self.tables.get(table).map(|it| &it.records)
    }

    pub(super) fn create_table(&mut self, turn: &Turn<'_>, request: CreateTable) -> Result<Made> {
        let stamp = request.fingerprint().stamp();
        let CreateTable { name, partition, sort, indexes, ttl, labels } = request;
        if let Some(Room { table: found, stamp: made_by, gone, .. }) = self.tables.get(&name) {
            if found.state == TableState::Deleting {
                return Ok(Made::Dying(*gone));
            }
            if stamp == *made_by {
                return Ok(Made::Table(found.clone()));
            }
            let message = "a table of this name has other settings";
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        let mut table = Table::new(name.clone(), partition, sort, TableState::Active);
        (table.indexes, table.ttl, table.labels) = (indexes, ttl, labels);
        table.created = Some(turn.now());
        let id = turn.world.token();
        let active = turn.at().after(turn.world.draw(&turn.weather.kv.change));
        let visible = seen_from(turn, &turn.weather.kv.visibility);
        if active > turn.at() {
            table.state = TableState::Creating;
        }
        let records = Records::new(turn.world.seed(), &table);
        let (store, gone) = (Weak::clone(&self.me), Moment::NEVER);
        let room = Room { table: table.clone(), stamp, records, store, id, visible, gone };
        if table.state == TableState::Creating {
            room.later(turn.world, active, |room, world, at| {
                if room.table.state == TableState::Creating {
                    room.table.state = TableState::Active;
                    world.log(at, None, "kv.active", room.table.name.as_str(), Outcome::Happened);
                }
            });
        }
        self.ghosts.remove(&name);
        self.tables.insert(name, room);
        Ok(Made::Table(table))
    }

    pub(super) fn table(&self, turn: &Turn<'_>, name: &Name) -> Result<Table> {
        match self.tables.get(name) {
            Some(room) if room.is_visible(turn) => Ok(room.table.clone()),
            _ => Err(no_table()),
        }
    }

    /// In an order that means nothing.
    pub(super) fn list_tables(&self, turn: &Turn<'_>, labels: &Labels) -> Vec<Table> {
        let tables = self.tables.values().filter(|it| it.is_visible(turn)).map(|it| &it.table);
        let listed = tables.chain(self.ghosts.values());
        let mut listed: Vec<_> = listed.filter(|it| it.labels.contains(labels)).cloned().collect();
        shuffle(turn.world, &mut listed, |it| it.name.as_str());
        listed
    }

    pub(super) fn delete_table(&mut self, turn: &Turn<'_>, name: &Name) {
        let Some(room) = self.tables.get_mut(name) else { return };
        if room.table.state == TableState::Deleting {
            return;
        }
        room.table.state = TableState::Deleting;
        let (id, gone) = (room.id, turn.at().after(turn.world.draw(&turn.weather.kv.change)));
        room.gone = gone;
        let listed = turn.world.draw(&turn.weather.kv.visibility);
        if gone <= turn.at() {
            self.remove_table(turn.world, name, id, turn.at(), listed);
            return;
        }
        let (me, name) = (Weak::clone(&self.me), name.clone());
        turn.world.schedule(gone, move |world, at| {
            if let Some(store) = me.upgrade() {
                lock(&store).remove_table(world, &name, id, at, listed);
                world.log(at, None, "kv.gone", name.as_str(), Outcome::Happened);
            }
        });
    }

    fn remove_table(&mut self, world: &World, name: &Name, id: u64, at: Moment, listed: Duration) {
        let Some(room) = self.tables.remove(name) else { return };
        if listed.is_zero() {
            return;
        }
        self.ghosts.insert(name.clone(), room.table);
        let (me, name) = (Weak::clone(&self.me), name.clone());
        world.schedule(at.after(listed), move |_, _| {
            let Some(store) = me.upgrade() else { return };
            let mut store = lock(&store);
            // A new table of the same name took the ghost's place, and its own ghost comes later.
            if store.tables.get(&name).is_none_or(|it| it.id == id) {
                store.ghosts.remove(&name);
            }
        });
    }

    /// The table `name`, where its records can be used.
    pub(super) fn room(&mut self, turn: &Turn<'_>, name: &Name) -> Result<&mut Room> {
        let room = self.tables.get_mut(name).filter(|it| it.is_visible(turn));
        let room = room.ok_or_else(no_table)?;
        match room.table.state {
            TableState::Creating | TableState::Deleting => {
                let state = room.table.state;
                let message = format!("the table is {state:?}, wanted it Active");
                Err(Error::new(ErrorKind::NotFound, message))
            }
            _ => Ok(room),
        }
    }

    /// Refuses a partition that is used more often than the weather allows.
    pub(super) fn pace(&mut self, turn: &Turn<'_>, table: &Name, key: &KeyValue) -> Result<()> {
        let Some(rate) = turn.weather.kv.partition_rate else { return Ok(()) };
        let second = turn.at().since_start().as_secs();
        if self.heat.second != second {
            self.heat = Heat { second, uses: BTreeMap::new() };
        }
        let uses = self.heat.uses.entry((table.clone(), key.clone())).or_default();
        *uses += 1;
        if *uses > rate {
            let message = format!("more than {rate} calls of one partition in a second");
            return Err(Error::new(ErrorKind::Throttled, message));
        }
        Ok(())
    }

    pub(super) fn get(&mut self, turn: &Turn<'_>, request: Get) -> Result<Option<Arc<Stored>>> {
        let Get { table, key, consistency } = request;
        self.pace(turn, &table, &key.partition)?;
        let room = self.room(turn, &table)?;
        room.table.check_key(&key)?;
        Ok(room.find(turn, &key, turn.as_of(consistency)))
    }

    pub(super) fn get_many(
        &mut self,
        turn: &Turn<'_>,
        request: &GetMany,
    ) -> Result<Vec<Result<Option<Arc<Stored>>>>> {
        let GetMany { table, keys, consistency } = request;
        request.check(&self.room(turn, table)?.table)?;
        let moment = turn.as_of(*consistency);
        let mut read = |key: &Key| {
            turn.partial(turn.weather.kv.partial_batch)?;
            self.pace(turn, table, &key.partition)?;
            Ok(self.room(turn, table)?.find(turn, key, moment))
        };
        Ok(keys.iter().map(&mut read).collect())
    }

    pub(super) fn put(&mut self, turn: &Turn<'_>, request: Put) -> Result<Version> {
        let version = |it: &Record| it.version.clone();
        self.write(turn, Step::Put(request), version)?.ok_or_else(nothing_written)
    }

    pub(super) fn update(&mut self, turn: &Turn<'_>, request: Update) -> Result<Record> {
        self.write(turn, Step::Update(request), Record::clone)?.ok_or_else(nothing_written)
    }

    pub(super) fn delete(&mut self, turn: &Turn<'_>, request: Delete) -> Result<()> {
        self.write(turn, Step::Delete(request), |_| ()).map(drop)
    }

    /// One write of a batch.
    pub(super) fn write_one(&mut self, turn: &Turn<'_>, write: Write) -> Result<Option<Version>> {
        turn.partial(turn.weather.kv.partial_batch)?;
        match write {
            Write::Put(put) => self.put(turn, put).map(Some),
            Write::Delete(delete) => self.delete(turn, delete).map(|()| None),
        }
    }

    pub(super) fn transact(
        &mut self,
        turn: &Turn<'_>,
        request: Transact,
    ) -> Result<Vec<Option<Version>>> {
        if turn.world.chance(turn.weather.kv.transaction_conflict) {
            return Err(Error::conflict("another write came between"));
        }
        let mut plans = Vec::with_capacity(request.steps.len());
        for step in request.steps {
            let table = step.target().0.clone();
            self.pace(turn, &table, &step.target().1.partition)?;
            let plan = self.room(turn, &table)?.plan(turn, step)?;
            plans.push((table, plan));
        }
        // All of them hold: from here on nothing fails.
        let mut versions = Vec::with_capacity(plans.len());
        for (table, plan) in plans {
            versions.push(match &plan.effect {
                Effect::Write(record) => Some(record.version.clone()),
                Effect::Nothing | Effect::Remove => None,
            });
            if let Some(room) = self.tables.get_mut(&table) {
                room.commit(turn, plan);
            }
        }
        Ok(versions)
    }

    /// Returns what `answer` makes of the record as it is now, where there is one.
    fn write<R>(
        &mut self,
        turn: &Turn<'_>,
        step: Step,
        answer: impl FnOnce(&Record) -> R,
    ) -> Result<Option<R>> {
        let (table, key) = step.target();
        self.pace(turn, table, &key.partition)?;
        let room = self.room(turn, table)?;
        let plan = room.plan(turn, step)?;
        let answer = match &plan.effect {
            Effect::Write(record) => Some(answer(record)),
            Effect::Nothing | Effect::Remove => None,
        };
        room.commit(turn, plan);
        Ok(answer)
    }
}

impl Room {
    fn is_visible(&self, turn: &Turn<'_>) -> bool {
        self.visible.is_none_or(|it| it <= turn.at())
    }

    /// The record at `key`, where nobody would say that it has expired.
    pub(super) fn find(
        &self,
        turn: &Turn<'_>,
        key: &Key,
        moment: Option<Moment>,
    ) -> Option<Arc<Stored>> {
        let found = self.records.get(&self.records.place(key), moment)?;
        (!is_expired(&found.record, turn)).then(|| Arc::clone(found))
    }

    /// Decides what `step` does, and changes nothing.
    fn plan(&self, turn: &Turn<'_>, step: Step) -> Result<Plan> {
        step.check(&self.table)?;
        let place = self.records.place(step.target().1);
        // A put that is not conditional asks nothing of what is there.
        let blind = matches!(&step, Step::Put(Put { only_if: None, .. }));
        let found = if blind { None } else { self.records.get(&place, None) };
        let found = found.map(|it| &it.record).filter(|it| !is_expired(it, turn));
        let holds = |condition: Option<&Condition>| {
            let Some(condition) = condition else { return Ok(()) };
            let found = found.map(|it| Found { item: &it.item, version: &it.version });
            if condition.holds(found, turn.now())? {
                return Ok(());
            }
            Err(Error::conflict("the condition does not hold"))
        };
        let effect = match step {
            Step::Check(Check { condition, .. }) => {
                holds(Some(&condition))?;
                Effect::Nothing
            }
            Step::Delete(Delete { only_if, .. }) => {
                holds(only_if.as_ref())?;
                Effect::Remove
            }
            Step::Put(Put { table: _, key, item, only_if, expires }) => {
                holds(only_if.as_ref())?;
                let mut record = Record::new(key, item, turn.version());
                record.expires = expires.map(|it| whole_second(it, turn)).transpose()?;
                Effect::Write(record)
            }
            Step::Update(Update { table: _, key, changes, only_if, expires }) => {
                holds(only_if.as_ref())?;
                let mut item = found.map_or_else(Item::new, |it| it.item.clone());
                apply(&changes, &mut item, turn.now())?;
                self.table.check_item(&key, &item)?;
                let mut record = Record::new(key, item, turn.version());
                record.expires = match expires {
                    None => found.and_then(|it| it.expires),
                    Some(Expiry::Never) => None,
                    Some(Expiry::At(when)) => Some(whole_second(when, turn)?),
                };
                Effect::Write(record)
            }
        };
        Ok(Plan { place, effect })
    }

    /// Does what was planned.
    fn commit(&mut self, turn: &Turn<'_>, plan: Plan) {
        let Plan { place, effect } = plan;
        let record = match effect {
            Effect::Nothing => return,
            Effect::Remove => None,
            Effect::Write(record) => Some(record),
        };
        let lag = *turn.weather.kv.lag.end();
        let keep = (!lag.is_zero()).then(|| turn.at());
        let expiry = record.as_ref().and_then(|it| Some((it.expires?, it.version.clone())));
        let event = (keep.is_some() || expiry.is_some()).then(|| place.clone());
        self.records.write(&self.table, place, record, keep);
        let Some(place) = event else { return };
        if let Some((expires, version)) = expiry {
            let removed = turn.world.draw(&turn.weather.kv.removal);
            let place = place.clone();
            self.later(turn.world, Moment::from(expires).after(removed), move |room, world, at| {
                room.expire(place, &version, world, at);
            });
        }
        if let Some(until) = keep {
            self.later(turn.world, until.after(lag), move |room, _, _| {
                room.records.forget(&place, until);
            });
        }
    }

    /// Has `event` happen to the table, if it is still there then.
    fn later(
        &self,
        world: &World,
        at: Moment,
        event: impl FnOnce(&mut Self, &Arc<World>, Moment) + Send + 'static,
    ) {
        let (store, name, id) = (Weak::clone(&self.store), self.table.name.clone(), self.id);
        world.schedule(at, move |world, at| {
            let Some(store) = store.upgrade() else { return };
            if let Some(room) = lock(&store).tables.get_mut(&name)
                && room.id == id
            {
                event(room, world, at);
            }
        });
    }

    /// Removes an expired record, unless it has been written since.
    fn expire(&mut self, place: Place, version: &Version, world: &Arc<World>, at: Moment) {
        let found = self.records.get(&place, None);
        if found.is_some_and(|it| it.record.version == *version) {
            // No reader sees it, whatever its lag: there is no past to keep.
            self.records.write(&self.table, place, None, None);
            world.log(at, None, "kv.expired", self.table.name.as_str(), Outcome::Happened);
        }
    }
}

impl Turn<'_> {
    /// At which moment a read sees the records; as they are, where it is `None`.
    pub(super) fn as_of(&self, consistency: Consistency) -> Option<Moment> {
        let lag = &self.weather.kv.lag;
        let lags = consistency == Consistency::Eventual && !lag.end().is_zero();
        lags.then(|| self.at().before(self.world.draw(lag)))
    }

    fn version(&self) -> Version {
        let digits = hex(self.world.token());
        Version::new(str::from_utf8(&digits).expect("hexadecimal digits are text"))
    }
}

pub(super) fn is_expired(record: &Record, turn: &Turn<'_>) -> bool {
    record.expires.is_some_and(|it| it <= turn.now())
}

fn whole_second(when: When, turn: &Turn<'_>) -> Result<Timestamp> {
    let time = when.resolve(turn.now())?;
    Timestamp::from_second(time.as_second())
        .map_err(|e| Error::invalid("an expiry that is not a time").with_source(e))
}

fn no_table() -> Error {
    Error::new(ErrorKind::NotFound, "no such table")
}

fn nothing_written() -> Error {
    Error::new(ErrorKind::Internal, "a write that wrote nothing")
}
