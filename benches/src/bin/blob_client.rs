//! One client of an object store in a process of its own, so that its memory and its allocations are its own.
//!
//! ```text
//! blob_client CLIENT PORT down BYTES    reads so many:    prints seconds, CPU seconds, and the most memory in KiB
//! blob_client CLIENT PORT up BYTES      writes so many from memory: the same
//! blob_client CLIENT PORT file FILE     writes a file:    the same
//! blob_client CLIENT PORT get|put       prints how many allocations a call of 1 KiB costs
//! ```

use std::{alloc::System, fs, path::Path};

use bytes::Bytes;
use mvi_benches::{
    clock,
    objects::{LARGE, SMALL, SMALL_BYTES, content},
    stores::{Client, Place, Result, Store},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

// Large transfers allocate so seldom that counting does not show in their times.
#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CALLS: usize = 1_000;

fn main() -> Result {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [client, port, what, rest @ ..] = words.as_slice() else {
        return Err("wanted a client, a port, and what to do".into());
    };
    let client = Client::find(client).ok_or_else(|| format!("no client {client}"))?;
    let place = Place::local(port.parse()?);
    // As `#[tokio::main]` makes it on two cores.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let store = runtime.block_on(client.open(&place))?;
    match (*what, rest) {
        ("get" | "put", []) => {
            let counted = runtime.block_on(allocations(&*store, *what == "put"))?;
            println!("{counted}");
        }
        ("down", [bytes]) => {
            let bytes: usize = bytes.parse()?;
            transfer(&runtime, async || match store.download(LARGE).await? {
                length if length == bytes => Ok(()),
                length => Err(format!("{length} bytes, wanted {bytes}").into()),
            })?;
        }
        ("up", [bytes]) => {
            let body = content(bytes.parse()?);
            transfer(&runtime, async || store.upload(LARGE, body.clone()).await)?;
        }
        ("file", [file]) => {
            transfer(&runtime, async || store.upload_file(LARGE, Path::new(file)).await)?;
        }
        _ => return Err(format!("nothing called {what:?} to do").into()),
    }
    Ok(())
}

fn transfer(runtime: &tokio::runtime::Runtime, work: impl AsyncFnOnce() -> Result) -> Result {
    let mut done = Ok(());
    let cost = clock::both(|| done = runtime.block_on(work()));
    done?;
    println!("{} {} {}", cost.wall.as_secs_f64(), cost.cpu.as_secs_f64(), peak_kib()?);
    Ok(())
}

/// The most memory that the process has held, its program included.
fn peak_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

async fn allocations(store: &dyn Store, writes: bool) -> Result<usize> {
    let body = content(SMALL_BYTES);
    calls(store, writes, &body).await?;
    let region = Region::new(COUNTED);
    calls(store, writes, &body).await?;
    Ok(region.change().allocations / CALLS)
}

async fn calls(store: &dyn Store, writes: bool, body: &Bytes) -> Result {
    for _ in 0..CALLS {
        if writes {
            store.put(SMALL, body.clone()).await?;
        } else {
            store.get(SMALL).await?;
        }
    }
    Ok(())
}
