//! What a bucket does by itself: once a day, at midnight UTC or as late after it as the weather has it.

use std::{sync::Arc, time::Duration};

use mvi_core::blob::{Action, Key, Rule};

use super::store::{Room, lost};
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
        let rules = self.bucket.lifecycle.clone();
        let log = |event| world.log(at, None, event, self.bucket.name.as_str(), Outcome::Happened);
        for _ in 0..self.uploads.abort(|started| started.after(ABANDONED) <= midnight) {
            log("blob.aborted");
        }
        let after = |it: Moment, days: u32| it.after(DAY.saturating_mul(days)) <= midnight;
        let replaced = |key: &Key, since| {
            rules.iter().any(|it| match it.action {
                Action::ExpireNoncurrent { days } => after(since, days) && concerns(it, key),
                Action::Expire { .. } => false,
            })
        };
        let old = |key: &Key, born| {
            rules.iter().any(|it| match it.action {
                Action::Expire { days } => after(born, days) && concerns(it, key),
                Action::ExpireNoncurrent { .. } => false,
            })
        };
        let due = self.objects.due(|key, slot| slot.kept.iter().any(|it| replaced(key, it.since)));
        for key in due {
            let due = |since| replaced(&key, since);
            for _ in 0..self.objects.drop_kept(key.as_str(), due, lost(weather), at) {
                log("blob.version_expired");
            }
            self.forget_later(world, &key, at, weather);
        }
        let due = self.objects.due(|key, slot| slot.live.iter().any(|it| old(key, it.born)));
        for key in due {
            if self.objects.remove(key.as_str(), self.fall(weather), at) {
                self.forget_later(world, &key, at, weather);
            }
            log("blob.expired");
        }
        self.sweep_later(world, midnight, weather);
    }
}

fn concerns(rule: &Rule, key: &Key) -> bool {
    key.as_str().starts_with(&rule.prefix)
}
