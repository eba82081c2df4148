//! Prints how many allocations a call costs, direct and behind the hooks: `direct hooked`.
//!
//! A program of its own, since counting slows every allocation down and would spoil the times.

use std::{alloc::System, process::ExitCode};

use mvi_benches::calls;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CALLS: usize = 10_000;

fn main() -> ExitCode {
    let counts: mvi_core::Result<Vec<String>> = [calls::direct(), calls::hooked(calls::stack())]
        .iter()
        .map(|kv| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|e| {
                mvi_core::Error::new(mvi_core::ErrorKind::Internal, "no runtime").with_source(e)
            })?;
            runtime.block_on(calls::gets(kv, CALLS))?;
            let region = Region::new(COUNTED);
            runtime.block_on(calls::gets(kv, CALLS))?;
            // The name and the runtime take a few in all, which is none a call.
            Ok((region.change().allocations / CALLS).to_string())
        })
        .collect();
    match counts {
        Ok(counts) => {
            println!("{}", counts.join(" "));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:?}");
            ExitCode::FAILURE
        }
    }
}
