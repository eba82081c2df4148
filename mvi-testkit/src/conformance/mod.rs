//! What every provider must do, as cases that any provider can run.
//!
//! ```text
//!   promise ──▶ case ──▶ sim · every emulator · a live cloud ──▶ pass │ divergence │ fail
//!                                                                     └▶ target/conformance/NAME.json
//! ```
//!
//! A provider says where it can be reached and what it is known not to do. The cases are listed
//! here, once, so that nobody can run a part of them and call it the whole.
//!
//! - A **divergence** is a case that a backend is known not to pass, with the reason. It runs all the
//!   same and has to fail; one that passes is a failure, so that the list cannot grow stale.
//! - A **simulated** backend is a new world for each case and seed, on a paused clock: a day of simulated
//!   time takes as long as its events. A failure names its seed, and `MVI_SEED` runs that one alone.
//! - An **emulator** is there where its variable says so, and its cases share one connection. Where it is
//!   missing the run says so and goes on, unless `MVI_REQUIRE` (`all`, or names with commas between) wants it.
//! - A backend that has only some services says which it [serves](Backend::only).
//! - Each case has a limit of real time, deletes what it made, and must leave nothing.
//! - A whole run must have called every operation of the service, and writes what came of it to
//!   `target/conformance/`.
//!
//! A test target without a harness is one call of [`main`]:
//!
//! ```no_run
//! use std::process::ExitCode;
//! use mvi_core::{Cloud, Error};
//! use mvi_testkit::conformance::{self, Backend};
//!
//! async fn connect(endpoint: String) -> Result<Cloud, Error> {
//!     Ok(Cloud::unsupported(format!("nothing speaks to {endpoint} yet")))
//! }
//!
//! fn main() -> ExitCode {
//!     conformance::main([Backend::emulator("moto", "moto 5.2.5", "MVI_MOTO", connect)
//!         .diverges("kv::a_get_of_nothing_is_none", "an example of a reason")])
//! }
//! ```

mod backend;
mod blob;
mod help;
mod kv;
mod report;
mod run;
mod scope;

pub use backend::Backend;
pub use run::{check, main, names};
pub use scope::{Scope, eventually};

use futures::future::BoxFuture;
use mvi_core::{Cloud, Result, hook::Op};

/// The services that have cases.
static SERVICES: &[&Service] = &[&kv::SERVICE, &blob::SERVICE];

/// Every service that a backend may have, with cases or not yet.
const ROOMS: [&str; 11] = [
    "vm",
    "vpc",
    "crypto",
    "image",
    "container",
    "load_balancer",
    "database",
    "log",
    "metric",
    "kv",
    "blob",
];

/// One service's promises.
struct Service {
    /// As its operations are named: `kv`.
    name: &'static str,
    /// Every operation it has.
    ops: &'static [&'static Op],
    cases: &'static [Case],
    /// Deletes what a case made, and sees that nothing of it is left.
    sweep: for<'a> fn(&'a Cloud, &'a Scope) -> BoxFuture<'a, Result<()>>,
}

/// One promise. Its name is the promise.
struct Case {
    name: &'static str,
    run: for<'a> fn(&'a Cloud, &'a Scope) -> BoxFuture<'a, Result<()>>,
}

/// Lists a service's cases by module, once: a case that is not in the list is dead code, which does not build.
macro_rules! cases {
    ($field:ident: $($module:ident { $($case:ident),+ $(,)? })+) => {
        &[$($($crate::conformance::Case {
            name: stringify!($case),
            run: |cloud, scope| Box::pin($module::$case(&cloud.$field, scope)),
        }),+),+]
    };
}
use cases;
