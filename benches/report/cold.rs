//! Builds from nothing: what depending on MVI costs the first time, beside what one would depend on instead.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use mvi_benches::{Goal, Report, Row, Unit, clock};

use crate::{Result, workspace};

pub(crate) fn run(report: &mut Report) -> Result {
    let root = workspace()?;
    let local = |name: &str| format!("{name} = {{ path = \"{}\"", root.join(name).display());
    let pinned = versions(root)?;
    let object_store = format!(
        "object_store = {{ version = {:?}, default-features = false",
        pinned("object_store")?
    );

    let kernel = format!("{} }}\n{} }}\n", local("mvi-core"), local("mvi-testkit"));
    let ours = build("core-and-testkit", &kernel)?;
    let theirs = build("object-store", &format!("{object_store}, features = [\"aws\"] }}\n"))?;
    report.push(row("cold build: core + testkit", ours, theirs, "`object_store` with S3", 0.5));

    let provider = format!("{}, features = [\"kv\"] }}\n", local("mvi-aws"));
    let lean = format!(
        "aws-config = {{ version = {:?}, default-features = false, features = [\"rt-tokio\", \"credentials-process\", \"sso\"] }}\n\
         aws-sdk-dynamodb = {{ version = {:?}, default-features = false, features = [\"rt-tokio\"] }}\n\
         aws-smithy-http-client = {{ version = {:?}, default-features = false, features = [\"default-client\", \"rustls-ring\"] }}\n",
        pinned("aws-config")?,
        pinned("aws-sdk-dynamodb")?,
        pinned("aws-smithy-http-client")?,
    );
    let ours = build("mvi-aws-kv", &provider)?;
    let theirs = build("aws-sdk-dynamodb", &lean)?;
    report.push(row(
        "cold build: `mvi-aws` with `kv`",
        ours,
        theirs,
        "`aws-sdk-dynamodb`, lean",
        1.15,
    ));
    Ok(())
}

#[derive(Clone, Copy)]
struct Cost {
    cpu: Duration,
    wall: Duration,
}

fn row(what: &str, ours: Cost, theirs: Cost, who: &str, most: f64) -> Row {
    let show =
        |Cost { cpu, wall }| format!("{:.0} s CPU, {:.0} s", cpu.as_secs_f64(), wall.as_secs_f64());
    Row {
        what: format!("{what}, one build"),
        ours: show(ours),
        theirs: format!("{}, {who}", show(theirs)),
        // On a machine with other work, the time on the clock says as much of that work.
        result: ours.cpu.as_secs_f64() / theirs.cpu.as_secs_f64(),
        unit: Unit::Ratio,
        goal: Some(Goal::AtMost(most)),
    }
}

/// Builds a package that only depends on `dependencies`, in a target folder of its own that is removed before and after.
fn build(name: &str, dependencies: &str) -> Result<Cost> {
    let root = workspace()?;
    let folder: PathBuf = root.join("target/bench/cold").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), "//! Nothing.\n")?;
    let manifest = format!(
        "[package]\nname = \"cold\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n{dependencies}"
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    // The same versions as the workspace has.
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;

    let cargo = |words: &[&str]| -> Result {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(words).current_dir(&folder).env("CARGO_TARGET_DIR", folder.join("target"));
        cargo.stdout(Stdio::null()).stderr(Stdio::inherit());
        if !cargo.status()?.success() {
            return Err(format!("cargo {} of {name} failed", words.join(" ")).into());
        }
        Ok(())
    };
    // What is not there yet is not part of the build.
    cargo(&["fetch", "--quiet"])?;
    let (before, mut built) = (children()?, Ok(()));
    let wall = clock::wall(|| built = cargo(&["build", "--quiet", "--offline"]));
    built?;
    let cpu = children()?.saturating_sub(before);
    fs::remove_dir_all(&folder)?;
    Ok(Cost { cpu, wall })
}

/// The CPU time of the processes that this one has waited for, and of theirs.
fn children() -> Result<Duration> {
    /// [What the kernel counts in](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html), on every machine that we know.
    const TICK: Duration = Duration::from_millis(10);
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name, in brackets, may hold anything; the times are the 14th and 15th word after it.
    let (_, words) = stat.rsplit_once(')').ok_or("/proc/self/stat without a name")?;
    let mut times = words.split_whitespace().skip(13).map(str::parse::<u32>);
    let mut time = || times.next().ok_or("/proc/self/stat is short")?.map_err(|e| e.to_string());
    let ticks: u32 = time()? + time()?;
    Ok(TICK * ticks)
}

/// The version of a package in the workspace's lock file.
fn versions(root: &Path) -> Result<impl Fn(&str) -> Result<String>> {
    let lock = fs::read_to_string(root.join("Cargo.lock"))?;
    Ok(move |name: &str| {
        let mut lines = lock.lines().skip_while(|line| *line != format!("name = {name:?}"));
        let version =
            lines.nth(1).and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
        Ok(format!("={}", version.ok_or_else(|| format!("no {name} in Cargo.lock"))?))
    })
}
