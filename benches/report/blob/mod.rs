//! Blob, beside what one would use instead: small calls, large bodies, listings, and the simulated one.

mod calls;
mod lists;
mod sim;
mod transfers;

use std::fmt;

use mvi_benches::{
    Goal, Report, Rounds, Row, Server, Unit, median,
    objects::Sizes,
    stores::{Client, Place, Store},
};

use crate::Result;

/// What is compared on one cloud.
struct Cloud {
    name: &'static str,
    ours: Client,
    place: Place,
    port: u16,
    sizes: Sizes,
}

/// On S3: a server in another process that knows its answers beforehand, then one that stores, and looks at signatures.
pub(crate) fn s3(rounds: Rounds, report: &mut Report) -> Result {
    let sizes = sizes(rounds);
    let server = canned(sizes)?;
    // What is small is signed by all, so that all do the same.
    let cloud = Cloud::new("S3", Client::MviSigned, &server, sizes);
    let small = [Client::Sdk, Client::ObjectStore, Client::OpenDal, Client::Hyper];
    calls::run(rounds, report, &cloud, &small)?;
    let cloud = Cloud { ours: Client::Mvi, ..cloud };
    transfers::down(rounds, report, &cloud, &small)?;
    let large = [
        Client::Sdk,
        Client::SdkParts,
        Client::ObjectStore,
        Client::ObjectStoreUnsigned,
        Client::OpenDal,
        Client::Hyper,
    ];
    transfers::up(rounds, report, &cloud, &large)?;
    // Parts by hand from a file would be a program of its own.
    let files = [Client::Sdk, Client::ObjectStore, Client::ObjectStoreUnsigned, Client::OpenDal];
    transfers::file(rounds, report, &cloud, &files)?;
    lists::run(rounds, report, &cloud, &small[..3])?;
    #[cfg(feature = "peers")]
    calls::signed(rounds, report)?;
    Ok(())
}

/// On Cloud Storage: a server in another process that knows its answers beforehand.
#[cfg(feature = "google")]
pub(crate) fn google(rounds: Rounds, report: &mut Report) -> Result {
    let sizes = sizes(rounds);
    let server = canned(sizes)?;
    let cloud = Cloud::new("Cloud Storage", Client::MviGoogle, &server, sizes);
    let peers = [Client::Google, Client::ObjectStoreGoogle];
    calls::run(rounds, report, &cloud, &peers)?;
    transfers::down(rounds, report, &cloud, &peers)?;
    transfers::up(rounds, report, &cloud, &peers)?;
    transfers::file(rounds, report, &cloud, &peers)?;
    lists::run(rounds, report, &cloud, &peers[1..])
}

/// The simulated Blob, in this process.
pub(crate) fn simulated(rounds: Rounds, report: &mut Report) -> Result {
    sim::run(rounds, report)
}

fn sizes(rounds: Rounds) -> Sizes {
    if rounds.shrink == 1 { Sizes::FULL } else { Sizes::SMOKE }
}

fn canned(sizes: Sizes) -> Result<Server> {
    let Sizes { large, listed } = sizes;
    let words = [large, listed].map(|it| it.to_string());
    let words = words.each_ref().map(String::as_str);
    Ok(Server::start(env!("CARGO_BIN_EXE_canned_blob"), &words)?)
}

impl Cloud {
    fn new(name: &'static str, ours: Client, server: &Server, sizes: Sizes) -> Self {
        Self { name, ours, place: Place::local(server.port()), port: server.port(), sizes }
    }

    /// Ours, then those of `peers` that are built: ours is compared with each.
    fn clients(&self, peers: &[Client]) -> Vec<Client> {
        let built = peers.iter().copied().filter(|it| *it != self.ours && Client::ALL.contains(it));
        [self.ours].into_iter().chain(built).collect()
    }
}

/// What one client took in one round.
trait Sample: Copy {
    /// Medians of all rounds, as a report shows them.
    fn show(rounds: &[Self]) -> String;
}

/// A row that compares the first of `clients` with another, by the median of the rounds' ratios of `value`.
struct Compare<'a, S> {
    what: String,
    clients: &'a [Client],
    rounds: &'a [Vec<S>],
}

impl<S: Sample> Compare<'_, S> {
    /// The row for each peer, with the goal that there is for it.
    fn push(
        &self,
        report: &mut Report,
        by: &str,
        value: impl Fn(&S) -> f64,
        goal: impl Fn(Client) -> Option<Goal>,
    ) {
        let ours = &self.rounds[0];
        for (client, theirs) in self.clients.iter().zip(self.rounds).skip(1) {
            let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| value(ours) / value(theirs));
            report.push(Row {
                what: format!("{}, {by}", self.what),
                ours: S::show(ours),
                theirs: format!("{}, {client}", S::show(theirs)),
                result: median(ratios),
                unit: Unit::Ratio,
                goal: goal(*client),
            });
        }
    }
}

fn middle<S>(rounds: &[S], value: impl Fn(&S) -> f64) -> f64 {
    median(rounds.iter().map(value))
}

/// Seconds as a person reads them.
struct Seconds(f64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            s if s < 1e-3 => write!(f, "{:.0} µs", s * 1e6),
            s if s < 1.0 => write!(f, "{:.1} ms", s * 1e3),
            s => write!(f, "{s:.2} s"),
        }
    }
}

/// Opens `clients`, each once for all rounds.
fn open(
    runtime: &tokio::runtime::Runtime,
    clients: &[Client],
    place: &Place,
) -> Result<Vec<Box<dyn Store>>> {
    clients.iter().map(|it| runtime.block_on(it.open(place))).collect()
}
