//! What has to hold when a process is killed, and when memory is short.
//!
//! Each test is a parent, which is a server, and children, which are this very program once more: they call S3 through MVI, and are killed
//! with `SIGKILL` at moments that a seed decides, or live under a limit that the kernel holds.

#[cfg(unix)]
mod child;
#[cfg(unix)]
mod crash;
#[cfg(unix)]
mod memory;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod sink;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    use libtest_mimic::{Arguments, Trial, run};

    type Test = fn() -> Result<(), String>;

    if let Some(code) = child::play() {
        return code;
    }
    let tests: [(&str, Test); 4] = [
        ("a_put_that_is_killed_200_times_sends_no_part_twice", crash::put),
        ("a_get_that_is_killed_200_times_reads_no_range_twice", crash::get),
        ("memory_stays_flat_under_a_limit_whatever_the_size", memory::flat),
        ("the_limit_kills_what_collects", memory::bites),
    ];
    let trials = tests.map(|(name, test)| Trial::test(name, move || Ok(test()?))).into();
    run(&Arguments::from_args(), trials).exit_code()
}

#[cfg(not(unix))]
fn main() {}
