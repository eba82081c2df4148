//! Calls of 1 KiB: what they cost this process, how many a second, how long they take, and how often they allocate.

use std::{process::Command, sync::Mutex};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use mvi_benches::{
    Goal, Report, Rounds, Row, Unit, clock,
    objects::{SMALL, SMALL_BYTES, content},
    stores::{Client, Store},
};

use super::{Cloud, Compare, Sample, Seconds, middle, open};
use crate::{Result, as_f64, per_second, runtime};

/// How many calls are a round.
const CALLS: usize = 2_000;
/// How many are where a store writes files.
#[cfg(feature = "peers")]
const STORED_CALLS: usize = 500;

#[derive(Clone, Copy, Debug)]
struct Calls {
    /// CPU seconds of this process for each.
    cpu: f64,
    /// How many a second.
    speed: f64,
    /// The time that half of them took at most.
    p50: f64,
    /// The time that 99 of 100 took at most.
    p99: f64,
}

impl Sample for Calls {
    fn show(rounds: &[Self]) -> String {
        format!(
            "{:.1} µs CPU, {:.0} calls/s, p50 {}, p99 {}",
            middle(rounds, |it| it.cpu) * 1e6,
            middle(rounds, |it| it.speed),
            Seconds(middle(rounds, |it| it.p50)),
            Seconds(middle(rounds, |it| it.p99)),
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Get,
    Put,
}

impl What {
    const ALL: [Self; 2] = [Self::Get, Self::Put];

    fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
        }
    }
}

/// No more than the SDK alone, and in time three quarters of `object_store`.
fn goal(client: Client) -> Option<Goal> {
    match client {
        Client::Sdk | Client::Google => Some(Goal::AtMost(1.0)),
        Client::ObjectStore | Client::ObjectStoreGoogle => Some(Goal::AtMost(0.75)),
        _ => None,
    }
}

pub(super) fn run(rounds: Rounds, report: &mut Report, cloud: &Cloud, peers: &[Client]) -> Result {
    let clients = cloud.clients(peers);
    for what in What::ALL {
        for at_once in [1, 16, 64] {
            measure(rounds, report, cloud, &clients, (what, CALLS, at_once))?;
        }
    }
    for what in What::ALL {
        allocations(report, cloud, &clients, what)?;
    }
    Ok(())
}

fn measure(
    rounds: Rounds,
    report: &mut Report,
    cloud: &Cloud,
    clients: &[Client],
    (what, calls, at_once): (What, usize, usize),
) -> Result {
    let runtime = runtime()?;
    let stores = open(&runtime, clients, &cloud.place)?;
    let calls = rounds.times(calls).max(at_once);
    let mut sides: Vec<_> =
        stores.iter().map(|store| || measured(&runtime, &**store, what, calls, at_once)).collect();
    let mut sides: Vec<_> = sides.iter_mut().map(|it| it as &mut dyn FnMut() -> Calls).collect();
    let measured = rounds.each(&mut sides);
    let compare = Compare {
        what: format!("{}: {} 1 KiB, {at_once} at once", cloud.name, what.word()),
        clients,
        rounds: &measured,
    };
    compare.push(report, "CPU", |it| it.cpu, goal);
    Ok(())
}

fn measured(
    runtime: &tokio::runtime::Runtime,
    store: &dyn Store,
    what: What,
    calls: usize,
    at_once: usize,
) -> Calls {
    let body = content(SMALL_BYTES);
    let times = Mutex::new(Vec::with_capacity(calls));
    let call = async |_| -> Result {
        let watch = clock::watch();
        match what {
            What::Get => assert_eq!(store.get(SMALL).await?.len(), SMALL_BYTES),
            What::Put => store.put(SMALL, body.clone()).await?,
        }
        times.lock().map_err(|e| e.to_string())?.push(watch().as_secs_f64());
        Ok(())
    };
    let all = async {
        let calls = stream::iter(0..calls).map(call).buffer_unordered(at_once);
        calls.try_for_each(async |()| Ok(())).await
    };
    let cost = clock::both(|| runtime.block_on(all).expect("the server never fails"));
    let mut times = times.into_inner().unwrap_or_default();
    times.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    Calls {
        cpu: cost.cpu.as_secs_f64() / as_f64(calls),
        speed: per_second(calls, cost.wall),
        p50: at(50),
        p99: at(99),
    }
}

fn allocations(report: &mut Report, cloud: &Cloud, clients: &[Client], what: What) -> Result {
    let port = cloud.port.to_string();
    let count = |client: &Client| -> Result<f64> {
        let words = [client.word(), &port, what.word()];
        let out = Command::new(env!("CARGO_BIN_EXE_blob_client")).args(words).output()?;
        let text = String::from_utf8(out.stdout)?;
        text.trim().parse().map_err(|_| {
            let error = String::from_utf8_lossy(&out.stderr);
            format!("{client} printed {text:?}, wanted a count: {error}").into()
        })
    };
    let counts: Vec<f64> = clients.iter().map(count).collect::<Result<_>>()?;
    for (client, theirs) in clients.iter().zip(&counts).skip(1) {
        report.push(Row {
            what: format!("{}: {} 1 KiB, allocations", cloud.name, what.word()),
            ours: format!("{:.0}", counts[0]),
            theirs: format!("{theirs:.0}, {client}"),
            result: counts[0] - theirs,
            unit: Unit::Count,
            goal: None,
        });
    }
    Ok(())
}

/// The same against a server that stores what it is given, and looks at every signature.
#[cfg(feature = "peers")]
pub(super) fn signed(rounds: Rounds, report: &mut Report) -> Result {
    use mvi_benches::{Server, objects::BUCKET, stores::Place};

    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join(BUCKET))?;
    let path = folder.path().to_str().ok_or("the temporary folder has an odd name")?;
    let known = Place::local(0);
    let words = [path, known.id.as_str(), known.key.as_str()];
    let server = Server::start(env!("CARGO_BIN_EXE_signed_s3"), &words)?;
    let cloud =
        Cloud::new("S3 that checks signatures", Client::MviSigned, &server, super::sizes(rounds));
    let clients = cloud.clients(&[Client::Sdk, Client::ObjectStore, Client::OpenDal]);

    // What one wrote the others read: nobody is measured who does it wrong.
    let runtime = runtime()?;
    let stores = open(&runtime, &clients, &cloud.place)?;
    let body = content(SMALL_BYTES);
    for (client, writer) in clients.iter().zip(&stores) {
        runtime.block_on(writer.put(SMALL, body.clone()))?;
        for (other, reader) in clients.iter().zip(&stores) {
            if runtime.block_on(reader.get(SMALL))? != body {
                return Err(format!("{other} did not read what {client} wrote").into());
            }
        }
    }
    for what in What::ALL {
        measure(rounds, report, &cloud, &clients, (what, STORED_CALLS, 16))?;
    }
    Ok(())
}
