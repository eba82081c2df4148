//! `cargo xtask`: the workspace's own tool. It sets up what the tests need, runs every check, and
//! writes the support table.

mod bench;
mod checks;
mod clock;
mod emulators;
mod http;
mod matrix;
mod process;
mod require;
mod root;
mod tally;
mod test;

use std::process::ExitCode;

/// What a task answers: an error is one sentence for whoever typed the command.
pub(crate) type Result<T> = std::result::Result<T, String>;

const USAGE: &str = "\
cargo xtask <COMMAND>

  test [--only STEP]... [--skip STEP]... [--keep]
                               start every oracle, run every check and test, stop the oracles
                               (steps: fmt clippy doc test oracles deny typos matrix)
  emulators up [NAME]...       install and start the oracles that the tests run against
  emulators down [NAME]...     stop them
  emulators status             say which of them are up
  matrix [--check]             write the support table from the last run, or fail where it is stale
  bench [ARGUMENT]...          run the benchmarks and print their table

MVI_REQUIRE=all makes a missing oracle a failure; MVI_REQUIRE=NAME,NAME requires some; unset, what
is missing is printed and its tests do not run.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = process::watch_for_interrupts().and_then(|()| match words.as_slice() {
        ["test", rest @ ..] => test::run(rest),
        ["emulators", rest @ ..] => emulators::run(rest),
        ["matrix", rest @ ..] => matrix::run(rest),
        ["bench", rest @ ..] => bench::run(rest),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        [other, ..] => Err(format!("no command `{other}`\n\n{USAGE}")),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // `test` has said it all, and its closing line has to stay the last.
            if !message.is_empty() {
                eprintln!("error: {message}");
            }
            ExitCode::FAILURE
        }
    }
}
