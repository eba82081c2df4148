//! Installs programs from their ordinary registries at pinned versions, each into a folder of its
//! own with a stamp of what is in it, so that the next run finds it there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::output;
use crate::{Result, root};

/// What an oracle needs on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kit {
    /// Packages of the Python registry, in a virtual environment.
    Python { folder: &'static str, pins: &'static [&'static str] },
    /// A package of the npm registry.
    Node { folder: &'static str, pin: &'static str },
    /// Google's Firestore emulator, which only Google's own installer has.
    FirestoreEmulator,
}

impl Kit {
    /// Installs what is not there yet, and answers where it is.
    pub(super) fn prepare(self) -> Result<PathBuf> {
        match self {
            Self::Python { folder, pins } => python(folder, pins),
            Self::Node { folder, pin } => node(folder, pin),
            Self::FirestoreEmulator => firestore_emulator(),
        }
    }
}

/// The spelling checker.
pub(crate) fn typos() -> Result<PathBuf> {
    python("typos", &["typos==1.52.0"]).map(|folder| folder.join("bin/typos"))
}

/// The checker of licences, bans and sources. No registry has it built: compiling it takes a
/// minute and a half of one core.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    const PIN: &str = "cargo-deny@0.20.2";
    if let Ok(version) = output(Command::new("cargo-deny").arg("--version"))
        && version.trim() == "cargo-deny 0.20.2"
    {
        return Ok("cargo-deny".into());
    }
    let folder = stamped("cargo-deny", PIN, |folder| {
        // One job, unoptimized: it shares the machine with the first compilation of the workspace,
        // and its run takes a second either way. The default features are a native-certificates
        // HTTP client for advisories, which this project's checks leave to the workflow.
        let mut cargo = Command::new("cargo");
        cargo
            .args(["install", "--locked", "--debug", "--no-default-features", "--jobs", "1"])
            .args(["--quiet", "--root"])
            .arg(folder)
            .arg(PIN)
            .env("CARGO_TARGET_DIR", folder.join("build"))
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env_remove("RUSTFLAGS");
        output(&mut cargo)?;
        fs::remove_dir_all(folder.join("build")).map_err(|error| error.to_string())
    })?;
    Ok(folder.join("bin/cargo-deny"))
}

fn python(folder: &str, pins: &[&str]) -> Result<PathBuf> {
    let version = output(Command::new("python3").arg("--version")).map_err(|error| {
        format!("{error}\n    it needs Python 3 (Debian: apt-get install python3 python3-venv)")
    })?;
    let stamp = format!("{version}{}", pins.join("\n"));
    stamped(folder, &stamp, |folder| {
        output(Command::new("python3").args(["-m", "venv"]).arg(folder)).map_err(|error| {
            format!("{error}\n    it needs venv (Debian: apt-get install python3-venv)")
        })?;
        let mut pip = Command::new(folder.join("bin/python"));
        // Not compiled ahead: most of these packages' modules are never imported.
        pip.args(["-m", "pip", "install", "--quiet", "--no-compile"])
            .arg("--disable-pip-version-check")
            .args(pins);
        output(&mut pip).map(drop)
    })
}

fn node(folder: &str, pin: &str) -> Result<PathBuf> {
    let version = output(Command::new("node").arg("--version")).map_err(|error| {
        format!("{error}\n    it needs Node.js (Debian: apt-get install nodejs npm)")
    })?;
    stamped(folder, &format!("{version}{pin}"), |folder| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"])
            .arg(folder)
            .arg(pin);
        output(&mut npm).map(drop)
    })
}

fn firestore_emulator() -> Result<PathBuf> {
    const HOW: &str = "it is part of Google's command line and in no package registry: `gcloud \
        components install cloud-firestore-emulator`, or from Google's apt repository `apt-get \
        install google-cloud-cli-firestore-emulator`";
    output(Command::new("java").arg("-version")).map_err(|error| {
        format!("{error}\n    it needs Java 17 (Debian: apt-get install default-jre-headless)")
    })?;
    let mut gcloud = Command::new("gcloud");
    gcloud
        .args(["info", "--format=value(installation.sdk_root)"])
        .env("CLOUDSDK_CORE_DISABLE_PROMPTS", "1")
        .env("CLOUDSDK_CORE_DISABLE_USAGE_REPORTING", "1");
    let sdk = output(&mut gcloud).map_err(|error| format!("{error}\n    {HOW}"))?;
    let jar = Path::new(sdk.trim())
        .join("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar");
    if jar.is_file() { Ok(jar) } else { Err(format!("no {}: {HOW}", jar.display())) }
}

/// Fills a folder once for each stamp: what an interrupted or older run left is thrown away.
fn stamped(
    folder: &str,
    stamp: &str,
    install: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let all = root::oracles();
    let folder_path = all.join(folder);
    let stamp_path = all.join(format!("{folder}.stamp"));
    // Virtual environments hold their own path, so a moved checkout needs new ones.
    let stamp = format!("{}\n{stamp}\n", folder_path.display());
    let io = |error: std::io::Error| format!("{}: {error}", folder_path.display());
    fs::create_dir_all(&all).map_err(io)?;
    // Two oracles share a kit, and two runs a folder: the second waits and finds it done.
    let lock = File::create(all.join(format!("{folder}.lock"))).map_err(io)?;
    lock.lock().map_err(io)?;
    if fs::read_to_string(&stamp_path).is_ok_and(|found| found == stamp) {
        return Ok(folder_path);
    }
    let _ = fs::remove_file(&stamp_path);
    if folder_path.exists() {
        fs::remove_dir_all(&folder_path).map_err(io)?;
    }
    fs::create_dir_all(&folder_path).map_err(io)?;
    install(&folder_path)?;
    fs::write(&stamp_path, stamp).map_err(io)?;
    Ok(folder_path)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_kit_is_installed_once_for_each_stamp() {
        let name = "xtask-test-kit";
        let _ = fs::remove_file(root::oracles().join(format!("{name}.stamp")));
        let count = Cell::new(0);
        let install = |folder: &Path| {
            count.set(count.get() + 1);
            assert!(fs::read_dir(folder).unwrap().next().is_none(), "an older kit was left");
            fs::write(folder.join("program"), "").map_err(|error| error.to_string())
        };
        stamped(name, "1.0", install).unwrap();
        stamped(name, "1.0", install).unwrap();
        assert_eq!(count.get(), 1);
        stamped(name, "2.0", install).unwrap();
        assert_eq!(count.get(), 2);
        assert!(stamped(name, "3.0", |_| Err("no network".to_owned())).is_err());
        stamped(name, "3.0", install).unwrap();
        assert_eq!(count.get(), 3, "a failed install must not count as done");
        for file in ["stamp", "lock"] {
            fs::remove_file(root::oracles().join(format!("{name}.{file}"))).unwrap();
        }
        fs::remove_dir_all(root::oracles().join(name)).unwrap();
    }
}
