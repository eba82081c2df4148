//! A bucket of 100,000 objects, listed in pages of 1,000.

use mvi_benches::{
    Goal, Report, Rounds, clock,
    stores::{Client, Store},
};

use super::{Cloud, Compare, Sample, middle, open};
use crate::{Result, per_second, rate, runtime};

#[derive(Clone, Copy, Debug)]
struct Listed {
    speed: f64,
    cpu: f64,
}

impl Sample for Listed {
    fn show(rounds: &[Self]) -> String {
        let speed = rate(middle(rounds, |it| it.speed), "keys");
        format!("{speed}, {:.2} µs CPU a key", middle(rounds, |it| it.cpu) * 1e6)
    }
}

pub(super) fn run(rounds: Rounds, report: &mut Report, cloud: &Cloud, peers: &[Client]) -> Result {
    let clients = cloud.clients(peers);
    let runtime = runtime()?;
    let stores = open(&runtime, &clients, &cloud.place)?;
    let list = |store: &dyn Store| {
        let cost = clock::both(|| {
            let count = runtime.block_on(store.list()).expect("the server never fails");
            assert_eq!(count, cloud.sizes.listed, "all are listed");
        });
        let listed = cloud.sizes.listed;
        Listed { speed: per_second(listed, cost.wall), cpu: 1.0 / per_second(listed, cost.cpu) }
    };
    let mut sides: Vec<_> = stores.iter().map(|store| || list(&**store)).collect();
    let mut sides: Vec<_> = sides.iter_mut().map(|it| it as &mut dyn FnMut() -> Listed).collect();
    let measured = rounds.each(&mut sides);
    let compare = Compare {
        what: format!("{}: list {} in pages of 1,000", cloud.name, cloud.sizes.listed),
        clients: &clients,
        rounds: &measured,
    };
    compare.push(
        report,
        "keys/s",
        |it| it.speed,
        |client| match client {
            Client::ObjectStore | Client::ObjectStoreGoogle => Some(Goal::AtLeast(1.5)),
            _ => None,
        },
    );
    Ok(())
}
