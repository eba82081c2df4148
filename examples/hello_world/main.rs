//! Short links, to addresses or files, with their owners and hits: a small web app that runs on any cloud.
//!
//! ```text
//!   browser, curl ──▶ app.rs ─────▶ links.rs ──▶ Kv ────▶ simulated cloud, AWS or Google Cloud
//!                     transfer.rs ▶ files.rs ──▶ Blob ──▶
//!                     page.rs         health.rs ▲ watches every call
//! ```
//!
//! `cargo run --example hello_world` prints where it listens. Then, in a browser or with curl:
//!
//! ```text
//! curl localhost:PORT/links -d code=mvi -d url=https://example.com -d owner=ann
//! curl -i localhost:PORT/mvi                 # leads to https://example.com, and counts
//! curl localhost:PORT/links/mvi              # how often
//! curl 'localhost:PORT/links?owner=ann'      # hers, the newest first
//! curl localhost:PORT/links -F file=@film.mp4 -F code=film -F owner=ann -F expires_in=3600
//! curl -L localhost:PORT/film -o film.mp4    # all of it; -r 0-99 the start; -C - the rest of a download that broke
//! ```

mod app;
mod cloud;
pub(crate) mod files;
mod health;
mod links;
mod page;
mod patience;
mod transfer;

use std::{
    error::Error as StdError,
    fmt,
    future::pending,
    io::{self, Write as _},
    net::Ipv4Addr,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use futures::FutureExt as _;
use mvi_core::{BucketName, Error, ErrorKind, hook::Timeout};
use tokio::{net::TcpListener, signal::ctrl_c, time::sleep};

use self::{
    app::App,
    cloud::{Choice, Endpoints, Trouble},
    files::Files,
    health::Health,
    links::Links,
};

/// Short links and files, kept in any cloud's Kv and Blob
#[derive(Debug, Parser)]
#[command(name = "hello_world")]
struct Args {
    /// Where the links are kept
    #[arg(long, value_enum, default_value_t = Choice::Sim)]
    cloud: Choice,
    /// Sends the cloud's calls to another server; over plain http it is taken for an emulator
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    endpoint: Option<String>,
    /// Sends the calls for files to yet another server, as Google's emulators are several
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    blob_endpoint: Option<String>,
    /// Decides what is left to chance, in the simulated cloud and in faults
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Lets something go wrong, again and again
    #[arg(long, value_enum)]
    fault: Option<Trouble>,
    /// The bucket that the files are kept in, whose name nobody else in the world may have
    #[arg(long, value_name = "NAME", default_value = "mvi-hello-world-files")]
    bucket: BucketName,
    /// Listens on this port of 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> ExitCode {
    let error = match run(Args::parse()).await {
        Ok(()) => return ExitCode::SUCCESS,
        Err(error) => error,
    };
    let _ = writeln!(io::stderr(), "error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = writeln!(io::stderr(), "  caused by: {error}");
        cause = error.source();
    }
    // What was asked for can't be, as clap says it of a wrong argument.
    let wrong = |it: &Error| matches!(it.kind(), ErrorKind::Invalid | ErrorKind::Unsupported);
    ExitCode::from(if error.downcast_ref().is_some_and(wrong) { 2 } else { 1 })
}

async fn run(args: Args) -> Result<(), Box<dyn StdError>> {
    let Args { cloud, endpoint, blob_endpoint, seed, fault, bucket, port } = args;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|e| format!("can't listen on port {port}: {e}"))?;

    let endpoints = Endpoints { all: endpoint, blob: blob_endpoint };
    let cloud = cloud::open(cloud, endpoints, seed).await?;
    let table = links::create_table(&*cloud.kv).await?;
    files::create_bucket(&*cloud.blob, &bucket).await?;
    let cloud = match fault {
        Some(trouble) => {
            say(format_args!("fault: {trouble}"));
            cloud.hooked(trouble.faults(seed))
        }
        None => cloud,
    };
    let health = Arc::new(Health::default());
    let cloud = cloud.hooked((health.clone(), Timeout::after(Duration::from_secs(10))));
    let links = Links::new(cloud.kv, &table)?;
    let files = Files::new(cloud.blob, bucket);

    say(format_args!("http://{}", listener.local_addr()?));
    serve(listener, App { links, files, health: health.clone() }).await?;
    say(format_args!("{}", health.report()));
    Ok(())
}

/// Serves until Ctrl-C, and then ends what is under way.
async fn serve(listener: TcpListener, app: App) -> io::Result<()> {
    const GRACE: Duration = Duration::from_secs(3);
    let stop = async {
        if ctrl_c().await.is_err() {
            // Nobody can tell us to stop: the process then ends as any other does.
            pending::<()>().await;
        }
        say(format_args!("stopping"));
    };
    let stop = stop.boxed().shared();
    let server = axum::serve(listener, app::router(app)).with_graceful_shutdown(stop.clone());
    let late = async {
        stop.await;
        sleep(GRACE).await;
    };
    tokio::select! {
        biased;
        end = server => end,
        () = late => Ok(()),
    }
}

fn endpoint(text: &str) -> Result<String, &'static str> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() && !host.starts_with('/') => Ok(text.to_owned()),
        _ => Err("wanted http:// or https:// and a host"),
    }
}

/// Prints a line. Where nobody reads any more, nobody misses it.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}
