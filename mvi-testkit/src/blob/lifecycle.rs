//! What a bucket does by itself: once a day, at midnight UTC or as late after it as the weather has it.

use std::{sync::Arc, time::Duration};

use mvi_core::blob::{Action, Key, Rule};

use super::{
    objects::Fall,
    store::{Room, lost},
};
use crate::{
    clock::Moment,
    sim::{Outcome, Weather, world::World},
};

const DAY: Duration = Duration::from_hours(24);
/// How old an upload is when it is aborted.
const ABANDONED: Duration = Duration::from_hours(7 * 24);

impl Room {
    /// Has the bucket swept at the first midnight after `at`, where there is something to do.
    pub(super) fn sweep_later(&mut self, world: &World, at: Moment, weather: &Weather) {
        if self.swept || (self.bucket.lifecycle.is_empty() && self.uploads.is_empty()) {
            return;
        }
        self.swept = true;
        let days = u32::try_from(at.since_start().as_secs() / DAY.as_secs()).unwrap_or(u32::MAX);
        // A simulation begins at midnight.
        let midnight = Moment::default().after(DAY.saturating_mul(days.saturating_add(1)));
        let begins = midnight.after(world.draw(&weather.blob.removal));
        let handle = self.handle();
        world.schedule(begins, move |world, at| {
            // Read before the store is locked, as in a call.
            let weather = world.weather().clone();
            handle.with(|room| room.sweep(world, midnight, at, &weather));
        });
    }

    /// Does what was due by `midnight`, and comes back the next day.
    fn sweep(&mut self, world: &Arc<World>, midnight: Moment, at: Moment, weather: &Weather) {
        self.swept = false;
        let log = |room: &Self, event| {
            world.log(at, None, event, room.bucket.name.as_str(), Outcome::Happened);
        };
        for _ in 0..self.uploads.abort(|started| started.after(ABANDONED) <= midnight) {
            log(self, "blob.aborted");
        }
        if self.idle_until <= midnight {
            let rules = self.bucket.lifecycle.clone();
            let Due { live, kept } = self.due(&rules, midnight);
            for key in kept {
                let due = |since| due(&rules, &key, since, noncurrent) <= midnight;
                let fall = lost(weather);
                for _ in 0..self.objects.drop_kept(key.as_str(), due, fall, at) {
                    log(self, "blob.version_expired");
                }
                // What no list has is gone at once.
                if fall == Fall::Listed {
                    self.forget_later(world, &key, at, weather);
                }
            }
            for key in live {
                if self.objects.remove(key.as_str(), self.fall(weather), at) {
                    self.forget_later(world, &key, at, weather);
                }
                log(self, "blob.expired");
            }
        }
        self.sweep_later(world, midnight, weather);
    }

    /// What is due by `midnight`; and until when nothing else can be, so that a large bucket is not looked through every day.
    fn due(&mut self, rules: &[Rule], midnight: Moment) -> Due {
        // What is written or replaced from now on waits the shortest rule's days at least.
        let days = rules.iter().filter_map(|it| current(it.action).or(noncurrent(it.action))).min();
        let mut next = days.map_or(Moment::NEVER, |days| midnight.after(DAY.saturating_mul(days)));
        let mut found = Due { live: Vec::new(), kept: Vec::new() };
        let mut look = |keys: &mut Vec<Key>, key: &Key, when: Moment| {
            if when > midnight {
                next = next.min(when);
            } else if keys.last() != Some(key) {
                keys.push(key.clone());
            }
        };
        for (key, slot) in self.objects.iter() {
            if let Some(live) = &slot.live {
                look(&mut found.live, key, due(rules, key, live.born, current));
            }
            for kept in &slot.kept {
                look(&mut found.kept, key, due(rules, key, kept.since, noncurrent));
            }
        }
        self.idle_until = next;
        found
    }
}

/// The keys that have something to be removed.
struct Due {
    live: Vec<Key>,
    kept: Vec<Key>,
}

/// After how many days an object is removed.
fn current(action: Action) -> Option<u32> {
    match action {
        Action::Expire { days } => Some(days),
        Action::ExpireNoncurrent { .. } => None,
    }
}

/// After how many days a version that is not current is removed.
fn noncurrent(action: Action) -> Option<u32> {
    match action {
        Action::ExpireNoncurrent { days } => Some(days),
        Action::Expire { .. } => None,
    }
}

/// When what is so since then is due by the first of `rules`; never, where none concerns it.
fn due(rules: &[Rule], key: &Key, since: Moment, days: fn(Action) -> Option<u32>) -> Moment {
    let concerned = rules.iter().filter(|it| key.as_str().starts_with(&it.prefix));
    let days = concerned.filter_map(|it| days(it.action)).min();
    days.map_or(Moment::NEVER, |days| since.after(DAY.saturating_mul(days)))
}
