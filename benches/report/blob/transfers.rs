//! Bodies of 256 MiB, each in a process of its own: how fast, for how much CPU, and in how much memory.

use std::{fs, path::PathBuf, process::Command};

use mvi_benches::{Goal, Report, Rounds, Row, Unit, objects::content, stores::Client};

use super::{Cloud, Compare, Sample, middle};
use crate::{Result, as_f64, workspace};

#[derive(Clone, Copy, Debug)]
struct Transfer {
    bytes: f64,
    seconds: f64,
    cpu: f64,
    peak_kib: f64,
}

impl Transfer {
    fn mb_second(&self) -> f64 {
        self.bytes / 1e6 / self.seconds
    }

    fn cpu_gib(&self) -> f64 {
        self.cpu * as_f64(1 << 30) / self.bytes
    }

    fn peak_mb(&self) -> f64 {
        self.peak_kib * 1_024.0 / 1e6
    }
}

impl Sample for Transfer {
    fn show(rounds: &[Self]) -> String {
        format!(
            "{:.0} MB/s, {:.2} CPU-s/GiB, peak {:.0} MB",
            middle(rounds, Self::mb_second),
            middle(rounds, Self::cpu_gib),
            middle(rounds, Self::peak_mb),
        )
    }
}

/// The most CPU seconds a GiB may take us.
const CPU_GIB: f64 = 0.20;
/// The most memory that a process of ours may hold, in MB.
const PEAK_MB: f64 = 64.0;

pub(super) fn down(rounds: Rounds, report: &mut Report, cloud: &Cloud, peers: &[Client]) -> Result {
    let goal = |client| match client {
        Client::Hyper => Some(Goal::AtLeast(0.95)),
        _ => None,
    };
    let bytes = cloud.sizes.large.to_string();
    let ours = run(rounds, report, cloud, peers, &["down", &bytes], "down", goal)?;
    limits(report, cloud, "down", &ours, true);
    Ok(())
}

pub(super) fn up(rounds: Rounds, report: &mut Report, cloud: &Cloud, peers: &[Client]) -> Result {
    let goal = |client| match client {
        Client::Hyper => Some(Goal::AtLeast(0.85)),
        Client::Sdk | Client::ObjectStore => Some(Goal::AtLeast(2.2)),
        _ => None,
    };
    let bytes = cloud.sizes.large.to_string();
    let ours = run(rounds, report, cloud, peers, &["up", &bytes], "up from memory", goal)?;
    // The body itself is in memory.
    limits(report, cloud, "up from memory", &ours, false);
    Ok(())
}

pub(super) fn file(rounds: Rounds, report: &mut Report, cloud: &Cloud, peers: &[Client]) -> Result {
    let file = large_file(cloud.sizes.large)?;
    let path = file.to_str().ok_or("the target folder has an odd name")?;
    let ours = run(rounds, report, cloud, peers, &["file", path], "up from a file", |_| None)?;
    limits(report, cloud, "up from a file", &ours, true);
    fs::remove_file(file)?;
    Ok(())
}

/// The goals that are not a ratio.
fn limits(report: &mut Report, cloud: &Cloud, how: &str, ours: &[Transfer], memory: bool) {
    let mut row = |what: &str, value: f64, most: f64, unit: &str| {
        report.push(Row {
            what: format!("{}: {} MiB {how}, {what}", cloud.name, cloud.sizes.large >> 20),
            ours: format!("{value:.2} {unit}"),
            theirs: format!("at most {most:.2} {unit}"),
            result: value / most,
            unit: Unit::Ratio,
            goal: Some(Goal::AtMost(1.0)),
        });
    };
    row("CPU a GiB", middle(ours, Transfer::cpu_gib), CPU_GIB, "s");
    if memory {
        row("the process's most memory", middle(ours, Transfer::peak_mb), PEAK_MB, "MB");
    }
}

fn run(
    rounds: Rounds,
    report: &mut Report,
    cloud: &Cloud,
    peers: &[Client],
    words: &[&str],
    how: &str,
    goal: impl Fn(Client) -> Option<Goal>,
) -> Result<Vec<Transfer>> {
    let clients = cloud.clients(peers);
    let mut sides: Vec<_> = clients.iter().map(|client| || once(*client, cloud, words)).collect();
    let mut sides: Vec<_> =
        sides.iter_mut().map(|it| it as &mut dyn FnMut() -> Result<Transfer>).collect();
    let measured = rounds.each(&mut sides);
    let measured: Vec<Vec<Transfer>> =
        measured.into_iter().map(|it| it.into_iter().collect()).collect::<Result<_>>()?;
    let compare = Compare {
        what: format!("{}: {} MiB {how}", cloud.name, cloud.sizes.large >> 20),
        clients: &clients,
        rounds: &measured,
    };
    compare.push(report, "MB/s", Transfer::mb_second, goal);
    Ok(measured.into_iter().next().unwrap_or_default())
}

fn once(client: Client, cloud: &Cloud, words: &[&str]) -> Result<Transfer> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blob_client"));
    let out = command.arg(client.word()).arg(cloud.port.to_string()).args(words).output()?;
    let text = String::from_utf8(out.stdout)?;
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|it| it.parse().ok()).collect();
    let [seconds, cpu, peak_kib] = numbers[..] else {
        let error = String::from_utf8_lossy(&out.stderr);
        return Err(format!("{client} printed {text:?}, wanted three numbers: {error}").into());
    };
    Ok(Transfer { bytes: as_f64(cloud.sizes.large), seconds, cpu, peak_kib })
}

/// A file of so many bytes, which the first round leaves in the machine's memory.
fn large_file(bytes: usize) -> Result<PathBuf> {
    let folder = workspace()?.join("target/bench");
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("large-object-{}", std::process::id()));
    fs::write(&file, content(bytes))?;
    Ok(file)
}
