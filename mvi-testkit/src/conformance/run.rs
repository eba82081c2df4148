//! Running cases: each in its place, in a limit of real time, with its panics caught.

use std::{
    any::Any,
    cell::RefCell,
    collections::BTreeSet,
    env,
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
    sync::{
        Arc, OnceLock,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use futures::FutureExt as _;
use libtest_mimic::{Arguments, Failed, Trial};
use mvi_core::{Cloud, Result, hook::Record};
use tokio::runtime::{Builder, Runtime};

use super::{
    Backend, Case, ROOMS, SERVICES, Scope, Service, backend::Place, report, report::Outcome,
};

/// The cases of a real backend mostly wait: more of them run at a time than there are processors.
const THREADS: usize = 8;

/// What a case, its number, and the service it belongs to are.
type Found = (u32, &'static Service, &'static Case);

/// Runs every case on every backend, as the command line says, and writes the reports of a whole run.
///
/// It is the `main` of a test target with `harness = false`, and takes the arguments of any test program.
pub fn main(backends: impl IntoIterator<Item = Backend>) -> ExitCode {
    let mut args = Arguments::from_args();
    let whole = args.filter.is_none() && args.skip.is_empty() && !args.ignored && !args.list;
    let backends: Vec<_> = backends.into_iter().map(Arc::new).collect();
    if backends.iter().any(|it| matches!(it.place, Place::Real(_))) {
        args.test_threads.get_or_insert(THREADS);
    }
    let required = env::var("MVI_REQUIRE").unwrap_or_default();
    let mut problems: Vec<String> = backends.iter().flat_map(|it| misdeclared(it)).collect();
    if backends.is_empty() {
        problems.push("there is no backend to run a case on".to_owned());
    }
    let mut trials = Vec::new();
    for backend in &backends {
        if let Some(missing) = missing(backend) {
            // All is all there can be for free: a real cloud is required by name alone.
            let all = !matches!(backend.place, Place::Unasked);
            if wants(&required, backend.name, all) {
                problems.push(format!("{missing} (MVI_REQUIRE={required})"));
            } else if !args.list {
                println!("{missing}");
            }
            continue;
        }
        trials.extend(served(backend).map(|found| trial(Arc::clone(backend), found)));
    }
    if trials.is_empty() && problems.is_empty() {
        return ExitCode::SUCCESS;
    }

    // The report has each panic with the case's name; printed as it happens it has neither.
    let printing = panic::take_hook();
    panic::set_hook(Box::new(|info| {
        LAST_PANIC.set(Some(info.to_string()));
    }));
    let conclusion = libtest_mimic::run(&args, trials);
    panic::set_hook(printing);

    for backend in backends.iter().filter(|it| missing(it).is_none()) {
        problems.extend(clean(backend));
        if whole {
            problems.extend(left_out(backend));
            let report = report::write(backend);
            problems.extend(report.err().map(|e| format!("no report on {}: {e}", backend.name)));
        }
    }
    for problem in &problems {
        eprintln!("error: {problem}");
    }
    if conclusion.has_failed() || !problems.is_empty() {
        ExitCode::from(101)
    } else {
        ExitCode::SUCCESS
    }
}

/// The names of all cases, as in `kv::a_get_of_nothing_is_none`.
pub fn names() -> Vec<String> {
    all().map(|(_, service, case)| full_name(service, case)).collect()
}

/// Runs the one case called `name` on `backend`, in as many worlds as a whole run would, or says what failed.
///
/// # Errors
///
/// What the case failed with, and in a simulated world the seed.
///
/// ```
/// use mvi_core::Cloud;
/// use mvi_testkit::conformance::{Backend, check};
///
/// let nothing = Backend::simulated("nothing", "nothing", async |_seed| {
///     Ok(Cloud::unsupported("an example"))
/// });
/// let failure = check(&nothing, "kv::a_get_of_nothing_is_none").unwrap_err();
/// assert!(failure.contains("Unsupported"), "{failure}");
/// ```
pub fn check(backend: &Backend, name: &str) -> std::result::Result<(), String> {
    let found = all().find(|(_, service, case)| full_name(service, case) == name);
    let found = found.ok_or_else(|| format!("no case is called {name}"))?;
    let (_, service, _) = found;
    if !backend.serves(service.name) {
        return Err(format!("{} has no {}", backend.name, service.name));
    }
    attempt(backend, found)
}

fn all() -> impl Iterator<Item = Found> {
    let cases =
        SERVICES.iter().flat_map(|service| service.cases.iter().map(move |it| (*service, it)));
    (0..).zip(cases).map(|(number, (service, case))| (number, service, case))
}

/// The cases of the services that the backend has.
fn served(backend: &Backend) -> impl Iterator<Item = Found> {
    all().filter(|(_, service, _)| backend.serves(service.name))
}

fn full_name(service: &Service, case: &Case) -> String {
    format!("{}::{}", service.name, case.name)
}

fn wants(required: &str, name: &str, all: bool) -> bool {
    required.split(',').map(str::trim).any(|it| (all && it == "all") || it == name)
}

/// That the backend is nowhere to be run on, and why.
fn missing(backend: &Backend) -> Option<String> {
    let reason = match &backend.place {
        Place::Missing(reason) => reason,
        Place::Unasked => "MVI_LIVE does not name it",
        Place::Simulated(_) | Place::Real(_) => return None,
    };
    Some(format!("{} is missing: {reason}", backend.name))
}

/// What is declared of cases or services that are not there, or twice.
fn misdeclared(backend: &Backend) -> Vec<String> {
    let name = backend.name;
    let known: BTreeSet<String> = names().into_iter().collect();
    let unknown = backend.divergences.keys().filter(|it| !known.contains(**it));
    let unknown = unknown.map(|it| format!("{name} declares {it}, which no case is called"));
    let twice = backend.twice.iter().map(|it| format!("{name} declares {it} twice"));
    let strange = backend.only.iter().flatten().filter(|it| !ROOMS.contains(*it));
    let strange = strange.map(|it| format!("{name} has {it}, which no service is called"));
    let cases = all().filter(|(_, service, _)| !backend.serves(service.name));
    let idle = cases.map(|(_, service, case)| full_name(service, case));
    let idle = idle.filter(|it| backend.divergences.contains_key(&**it));
    let idle = idle.map(|it| format!("{name} declares {it}, and does not have that service"));
    unknown.chain(twice).chain(strange).chain(idle).collect()
}

fn trial(backend: Arc<Backend>, found: Found) -> Trial {
    let (_, service, case) = found;
    let name = full_name(service, case);
    let title = format!("{}::{name}", backend.name);
    let declared = backend.divergences.get(&*name).copied();
    let trial = Trial::test(title, move || {
        let outcome = judge(declared, attempt(&backend, found));
        backend.seen().outcomes.insert(name, outcome.clone());
        match outcome {
            Outcome::Pass | Outcome::Divergence(_) => Ok(()),
            Outcome::Fail(reason) => Err(Failed::from(reason)),
        }
    });
    if declared.is_some() { trial.with_kind("divergence") } else { trial }
}

fn judge(declared: Option<&str>, result: std::result::Result<(), String>) -> Outcome {
    match (declared, result) {
        (None, Ok(())) => Outcome::Pass,
        (None, Err(reason)) => Outcome::Fail(reason),
        (Some(reason), Err(_)) => Outcome::Divergence(reason.to_owned()),
        (Some(reason), Ok(())) => {
            Outcome::Fail(format!("it passes, and is declared a divergence: {reason}"))
        }
    }
}

/// Runs a case where the backend is.
fn attempt(backend: &Backend, found: Found) -> std::result::Result<(), String> {
    match &backend.place {
        Place::Simulated(connect) => Backend::seeds()?.into_iter().try_for_each(|seed| {
            let world = connect(seed);
            let (send, receive) = mpsc::channel();
            // A thread, so that a case that never yields can be given up too.
            thread::spawn(move || {
                let runtime =
                    Builder::new_current_thread().enable_time().start_paused(true).build();
                let played = runtime.map_err(|e| e.to_string()).and_then(|runtime| {
                    runtime.block_on(async {
                        let cloud = caught(world).await?;
                        let all = Arc::new(Scope::for_all("sim"));
                        Ok(play(cloud, found, &all).await)
                    })
                });
                // Nobody waits any more where the case was given up.
                let _ = send.send(played);
            });
            let played = wait(&receive, backend.watchdog).and_then(|it| it);
            let played = played.and_then(|played| note(backend, found, played));
            played.map_err(|it| format!("with MVI_SEED={seed}: {it}"))
        }),
        Place::Real(shared) => {
            let (send, receive) = mpsc::channel();
            let shared = Arc::clone(shared);
            let task = runtime().spawn(async move {
                let played = match caught(shared.cloud()).await {
                    Ok(cloud) => Ok(play(cloud.clone(), found, &shared.scope).await),
                    Err(error) => Err(error),
                };
                // Nobody waits any more where the case was given up.
                let _ = send.send(played);
            });
            let played = wait(&receive, backend.watchdog).and_then(|it| it);
            task.abort();
            note(backend, found, played?)
        }
        Place::Missing(_) | Place::Unasked => Err(missing(backend).unwrap_or_default()),
    }
}

/// A case's result, and the operations it called.
struct Played {
    result: std::result::Result<(), String>,
    ops: BTreeSet<&'static str>,
}

fn note(backend: &Backend, found: Found, played: Played) -> std::result::Result<(), String> {
    let (_, service, case) = found;
    backend.seen().ops.entry(full_name(service, case)).or_default().extend(played.ops);
    played.result
}

async fn play(cloud: Cloud, found: Found, all: &Arc<Scope>) -> Played {
    let (number, service, case) = found;
    let calls = Arc::new(Record::default());
    let recorded = cloud.clone().hooked(Arc::clone(&calls));
    let scope = Scope::for_case(all, number);
    let result = caught((case.run)(&recorded, &scope)).await;
    let swept = caught((service.sweep)(&cloud, &scope)).await;
    let result = result.and(swept.map_err(|it| format!("it leaves something behind: {it}")));
    Played { result, ops: calls.take().into_iter().map(|it| it.op).collect() }
}

fn wait<R>(receive: &mpsc::Receiver<R>, limit: Duration) -> std::result::Result<R, String> {
    receive.recv_timeout(limit).map_err(|e| match e {
        RecvTimeoutError::Timeout => format!("no end in {limit:?} of real time"),
        RecvTimeoutError::Disconnected => "it ended without a result".to_owned(),
    })
}

/// The runtime that all real backends share: connections belong to it, and must outlive a case.
fn runtime() -> &'static Runtime {
    static SHARED: OnceLock<Runtime> = OnceLock::new();
    SHARED.get_or_init(|| {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("without threads there is no test")
    })
}

thread_local! {
    /// The last panic on this thread: a future's panic is caught on the thread that polled it.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Awaits `future`; its error with its causes, or its panic, as text.
async fn caught<R>(future: impl Future<Output = Result<R>>) -> std::result::Result<R, String> {
    match AssertUnwindSafe(future).catch_unwind().await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(format!("{error:?}")),
        Err(panic) => Err(LAST_PANIC.take().unwrap_or_else(|| text(&*panic))),
    }
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|it| (*it).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}

/// Removes what the cases shared.
fn clean(backend: &Backend) -> Vec<String> {
    let Place::Real(shared) = &backend.place else { return Vec::new() };
    let Some(cloud) = shared.connected() else { return Vec::new() };
    let services = SERVICES.iter().filter(|it| backend.serves(it.name));
    let swept = services.filter_map(|service| {
        let swept = async { caught((service.sweep)(cloud, &shared.scope)).await };
        runtime().block_on(swept).err()
    });
    swept.map(|it| format!("{} has something left: {it}", backend.name)).collect()
}

/// What a whole run has left out.
fn left_out(backend: &Backend) -> Vec<String> {
    let seen = backend.seen();
    if seen.outcomes.is_empty() {
        return vec![format!("{} ran no case", backend.name)];
    }
    let called: BTreeSet<_> = seen.ops.values().flatten().copied().collect();
    let services = SERVICES.iter().filter(|it| backend.serves(it.name));
    let ops = services.flat_map(|it| it.ops).map(|it| it.name());
    let uncalled = ops.filter(|it| !called.contains(it));
    uncalled.map(|it| format!("no case called {it} on {}", backend.name)).collect()
}

#[cfg(test)]
mod tests;
