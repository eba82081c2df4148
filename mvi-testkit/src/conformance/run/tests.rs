use futures::{FutureExt as _, future::BoxFuture};
use mvi_core::{Error, ErrorKind, kv};

use super::*;
use crate::Sim;

const CASE: &str = "kv::a_put_is_read_back";

fn sound() -> Backend {
    Backend::simulated("sound", "none", async |seed| Ok(Sim::new(seed).cloud()))
}

fn nothing() -> Backend {
    Backend::simulated("nothing", "none", async |_| Ok(Cloud::unsupported("a test")))
}

fn found() -> Found {
    all().find(|(_, service, case)| full_name(service, case) == CASE).unwrap()
}

/// A service of one case, and that case, which does `run`.
fn odd(run: for<'a> fn(&'a Cloud, &'a Scope) -> BoxFuture<'a, Result<()>>) -> Found {
    let cases = Box::leak(Box::new([Case { name: "odd", run }]));
    let sweep = super::super::kv::SERVICE.sweep;
    let service = Box::leak(Box::new(Service { name: "kv", ops: kv::OPS, cases, sweep }));
    (0, service, &service.cases[0])
}

#[test]
fn a_divergence_has_to_fail() {
    assert_eq!(judge(None, Ok(())), Outcome::Pass);
    assert_eq!(judge(None, Err("why".into())), Outcome::Fail("why".into()));
    assert_eq!(judge(Some("known"), Err("why".into())), Outcome::Divergence("known".into()));
    let Outcome::Fail(reason) = judge(Some("known"), Ok(())) else { panic!("it passes") };
    assert!(reason.contains("declared a divergence: known"), "{reason}");
}

#[test]
fn a_divergence_is_of_a_case_that_is_there_and_declared_once() {
    assert_eq!(misdeclared(&sound().diverges(CASE, "a test")), Vec::<String>::new());
    let wrong = sound().diverges_in([CASE, "kv::none", CASE], "a test");
    let problems = misdeclared(&wrong);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("kv::none, which no case is called"), "{problems:?}");
    assert!(problems[1].contains("twice"), "{problems:?}");
}

#[test]
fn only_what_a_backend_has_is_run_and_missed() {
    let without = sound().only(["blob", "log"]);
    assert!(!served(&without).any(|(_, service, _)| service.name == "kv"));
    let error = check(&without, CASE).unwrap_err();
    assert_eq!(error, "sound has no kv");
    // As if another service's case had run: no operation of Kv is missed.
    without.seen().outcomes.insert("log::a_case".to_owned(), Outcome::Pass);
    let problems = left_out(&without);
    assert!(!problems.iter().any(|it| it.contains("kv.")), "{problems:?}");

    let with = sound().only(["kv"]);
    let cases = served(&with).map(|(_, service, case)| full_name(service, case));
    assert!(cases.eq(names().into_iter().filter(|it| it.starts_with("kv::"))));
    assert_eq!(check(&with, CASE), Ok(()));
    with.seen().outcomes.insert(CASE.to_owned(), Outcome::Pass);
    assert!(left_out(&with).iter().any(|it| it == "no case called kv.scan on sound"));
    assert_eq!(served(&sound()).count(), names().len());
}

#[test]
fn a_backend_has_services_that_are_there() {
    assert_eq!(misdeclared(&sound().only(["kv", "blob"])), Vec::<String>::new());
    let problems = misdeclared(&sound().only(["kv", "blobs"]));
    assert_eq!(problems, ["sound has blobs, which no service is called"]);
    let problems = misdeclared(&sound().only(["blob"]).diverges(CASE, "a test"));
    assert_eq!(problems, [format!("sound declares {CASE}, and does not have that service")]);
}

#[test]
fn what_a_backend_does_not_have_is_not_swept() {
    // A case of a service that is not served runs nowhere, so nothing of it is asked at the end either.
    let backend = Backend {
        place: Place::real(|| async { Ok(Cloud::unsupported("it would fail a sweep")) }.boxed()),
        ..sound()
    };
    let Place::Real(shared) = &backend.place else { panic!("it is real") };
    runtime().block_on(shared.cloud()).unwrap();
    shared.scope.name("table").unwrap();
    assert_eq!(clean(&backend).len(), 1, "a sweep of Kv fails");
    assert_eq!(clean(&backend.only(["log"])), Vec::<String>::new());
}

#[test]
fn no_two_cases_have_one_name() {
    let all = names();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
}

#[test]
fn an_error_is_shown_with_its_seed_and_its_causes() {
    let error = check(&nothing(), CASE).unwrap_err();
    assert!(error.starts_with("with MVI_SEED=1: kv.create_table"), "{error}");
    let failing = Backend::simulated("failing", "none", async |_| {
        Err::<Cloud, _>(Error::new(ErrorKind::Unavailable, "nobody").with_source("the cause"))
    });
    let error = check(&failing, CASE).unwrap_err();
    assert!(error.contains("nobody") && error.contains("the cause"), "{error}");
}

#[test]
fn a_panic_is_a_failure_of_its_case() {
    let panics = odd(|_, _| async { panic!("at {}", "the disco") }.boxed());
    let error = attempt(&sound(), panics).unwrap_err();
    assert!(error.contains("at the disco"), "{error}");
}

#[test]
fn a_case_that_never_ends_is_given_up() {
    for never in [
        odd(|_, _| std::future::pending().boxed()),
        // It does not even yield.
        odd(|_, _| {
            async {
                loop {
                    std::hint::spin_loop();
                }
            }
            .boxed()
        }),
    ] {
        let backend = Backend { watchdog: Duration::from_millis(100), ..sound() };
        let error = attempt(&backend, never).unwrap_err();
        assert!(error.contains("no end in 100ms of real time"), "{error}");
    }
}

#[test]
fn a_case_that_succeeds_is_counted_with_what_it_called() {
    let backend = sound();
    assert_eq!(attempt(&backend, found()), Ok(()));
    assert!(backend.seen().ops[CASE].contains("kv.put"));
    let outcome = Outcome::Pass;
    backend.seen().outcomes.insert(CASE.to_owned(), outcome);
    let problems = left_out(&backend);
    assert!(problems.iter().any(|it| it == "no case called kv.scan on sound"), "{problems:?}");
    assert!(!problems.iter().any(|it| it.contains("kv.put")), "{problems:?}");
}

#[test]
fn a_run_without_a_case_is_a_problem() {
    assert_eq!(left_out(&sound()), ["sound ran no case"]);
}

#[test]
fn what_is_missing_is_a_problem_where_it_is_required() {
    let backend = Backend::emulator("moto", "none", "MVI_TEST_THAT_NOBODY_SETS", async |_| {
        Ok(Cloud::unsupported("a test"))
    });
    let missing = missing(&backend).unwrap();
    assert!(missing.contains("MVI_TEST_THAT_NOBODY_SETS is not set"), "{missing}");
    assert!(check(&backend, CASE).is_err());
    assert!(wants("all", "moto", true) && wants("dynalite, moto", "moto", true));
    assert!(!wants("", "moto", true) && !wants("dynalite", "moto", true));
    assert!(!wants("all", "aws", false) && wants("aws", "aws", false));
}

#[test]
fn a_case_must_leave_nothing() {
    let leaves = odd(|cloud, scope| {
        async move {
            // Made in a name that was never given out, so that nobody deletes it.
            let name = scope.name("known")?;
            let hidden = mvi_core::Name::new(format!("{name}-hidden"))?;
            let create = kv::CreateTable::new(hidden, kv::Attr::text("id"));
            cloud.kv.create_table(create).await.map(drop)
        }
        .boxed()
    });
    let error = attempt(&sound(), leaves).unwrap_err();
    assert!(error.contains("it leaves something behind"), "{error}");
}

#[test]
fn scopes_have_names_of_their_own() {
    let all = Arc::new(Scope::for_all("run"));
    let (first, tenth) = (Scope::for_case(&all, 1), Scope::for_case(&all, 10));
    let name = first.name("table").unwrap();
    assert!(first.owns(&name) && all.owns(&name) && !tenth.owns(&name));
    assert!(!first.owns(&tenth.name("table").unwrap()));
    assert_ne!(first.text("a"), tenth.text("a"));
    assert_ne!(first.int(5), tenth.int(5));
}
