//! The simulated Kv and Blob keep every promise: in fair weather, in none, where pages are short or empty, and without a cloud around it.

use std::{process::ExitCode, sync::Arc, time::Duration};

use mvi_core::{Cloud, Result};
use mvi_testkit::{
    BlobWeather, KvWeather, Sim, Weather,
    conformance::{self, Backend},
};

fn main() -> ExitCode {
    conformance::main([Backend::simulated("sim", "in memory", world)])
}

async fn world(seed: u64) -> Result<Cloud> {
    let sim = Sim::new(seed);
    Ok(match seed % 4 {
        1 => sim.cloud(),
        2 => sim.weather(slow()).cloud(),
        3 => sim.calm().cloud(),
        _ => {
            let (kv, blob) = (Arc::new(mvi_testkit::kv()), Arc::new(mvi_testkit::blob()));
            Cloud { kv, blob, ..Cloud::unsupported("only Kv and Blob are here") }
        }
    })
}

/// All that a provider may do to a reader: of Kv to one who does not ask for a strong read.
fn slow() -> Weather {
    let fair = Weather::fair();
    let up_to = |seconds| Duration::ZERO..=Duration::from_secs(seconds);
    let kv = KvWeather { lag: up_to(1), page: 5, short_page: 0.5, empty_page: 0.25, ..fair.kv };
    let blob = BlobWeather {
        visibility: up_to(2),
        page: 5,
        short_page: 0.5,
        empty_page: 0.25,
        chunk: 1..=100_000,
        ..fair.blob
    };
    Weather { kv, blob, ..fair }
}
