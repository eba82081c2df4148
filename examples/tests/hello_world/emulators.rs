//! The same app on emulators, where the environment says that they listen: `cargo xtask test` starts them all.

use std::{env, process};

use libtest_mimic::{Failed, Trial};

use super::{App, files};

/// What `variable` holds. Where nothing is set, that is said, and is wrong only where everything is wanted.
fn endpoint(variable: &str) -> Option<String> {
    match env::var(variable) {
        Ok(endpoint) if endpoint.contains("://") => Some(endpoint),
        Ok(endpoint) => Some(format!("http://{endpoint}")),
        Err(_) => {
            eprintln!("{variable} is not set: hello_world is not tried there");
            None
        }
    }
}

fn test(
    name: &str,
    variables: &[&str],
    run: impl FnOnce(&[String]) + Send + 'static,
) -> Option<Trial> {
    let endpoints: Option<Vec<String>> = variables.iter().map(|it| endpoint(it)).collect();
    let all = env::var("MVI_REQUIRE").is_ok_and(|it| it == "all");
    let variables = variables.join(" and ");
    match endpoints {
        Some(endpoints) => Some(Trial::test(name, move || {
            run(&endpoints);
            Ok(())
        })),
        None if all => {
            Some(Trial::test(name, move || Err(Failed::from(format!("{variables}: not set")))))
        }
        None => None,
    }
}

/// A code that no other run takes.
fn code(name: &str) -> String {
    format!("{name}{}", process::id())
}

/// S3 and `DynamoDB`. A file in parts is not tried: ministack refuses the right checksum of the whole.
#[cfg(feature = "aws")]
pub(super) fn ministack() -> Option<Trial> {
    test("a_file_is_sent_and_fetched_on_ministack", &["MVI_MINISTACK"], |endpoints| {
        let app = App::start(&["--cloud", "aws", "--endpoint", &endpoints[0]]);
        files::one_file(&app, &code("cat"));
    })
}

/// Cloud Storage and Firestore.
#[cfg(feature = "gcp")]
pub(super) fn google() -> Option<Trial> {
    let variables = ["MVI_FIRESTORE", "MVI_GCS"];
    test("files_are_sent_and_fetched_on_googles_emulators", &variables, |endpoints| {
        let (firestore, gcs) = (&endpoints[0], &endpoints[1]);
        let places = ["--endpoint", firestore, "--blob-endpoint", gcs];
        let app = App::start(&[&["--cloud", "gcp"][..], &places].concat());
        files::one_file(&app, &code("cat"));
        files::large_files(&app, &code("film"));
    })
}
