//! Child processes: each runs in a process group of its own, so that whatever it starts ends with
//! it, also when this program is interrupted.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process_group, test_kill_process_group,
    waitid, waitpid,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::{Result, clock};

/// How long a child may take to end after it was asked to, before it is made to.
const GRACE: Duration = Duration::from_secs(5);

/// How long one command may run: a hanging test has to fail before the machine's own limit.
const LIMIT: Duration = Duration::from_mins(50);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The groups that this program waits for now; the interrupt ends them, and the wait with them.
static FOREGROUND: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// From now on an interrupt ends the running children and lets the task clean up; a second one
/// ends them without grace.
pub(crate) fn watch_for_interrupts() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|error| format!("cannot watch for signals: {error}"))?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            let again = INTERRUPTED.swap(true, Ordering::SeqCst);
            eprintln!("\ninterrupted: stopping what was started");
            signal_foreground(if again { Signal::KILL } else { Signal::TERM });
            if !again {
                std::thread::spawn(|| {
                    let asked = clock::start();
                    while asked.elapsed() < GRACE {
                        clock::tick();
                    }
                    signal_foreground(Signal::KILL);
                });
            }
        }
    });
    Ok(())
}

/// Whether someone asked this program to stop.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

fn signal_foreground(signal: Signal) {
    for pid in FOREGROUND.lock().expect("no panic holds the set").iter() {
        signal_group(*pid, signal);
    }
}

fn signal_group(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may be gone already, which is what was wanted.
        let _ = kill_process_group(pid, signal);
    }
}

/// Runs a command to its end and hands each line that it prints, of either stream, to `each`.
/// Answers whether it succeeded.
pub(crate) fn stream(command: &mut Command, each: &(dyn Fn(Stream, &str) + Sync)) -> Result<bool> {
    let shown = shown(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot run `{shown}`: {error}"))?;
    let pid = child.id().cast_signed();
    FOREGROUND.lock().expect("no panic holds the set").insert(pid);
    if interrupted() {
        // The signal may have come between the spawn and the insert.
        signal_group(pid, Signal::TERM);
    }
    let streams = (child.stdout.take(), child.stderr.take());
    let status = std::thread::scope(|scope| {
        if let (Some(out), Some(err)) = streams {
            scope.spawn(move || lines(out, |line| each(Stream::Out, line)));
            scope.spawn(move || lines(err, |line| each(Stream::Err, line)));
        }
        let ended = wait_without_reaping(pid);
        // Whatever the child left behind would hold its pipes open, and us with them. The child
        // itself is not reaped yet, so the group's number cannot be another's.
        signal_group(pid, Signal::KILL);
        let status = child.wait().map_err(|error| error.to_string());

        ended.and(status)
    });
    FOREGROUND.lock().expect("no panic holds the set").remove(&pid);
    let status = status.map_err(|error| format!("`{shown}`: {error}"))?;
    if interrupted() { Err("interrupted".to_owned()) } else { Ok(status.success()) }
}

/// Waits until a child has ended, or ends it at the limit.
fn wait_without_reaping(pid: i32) -> Result<()> {
    let started = clock::start();
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let pid = Pid::from_raw(pid).ok_or("a child without a number")?;
    loop {
        match waitid(WaitId::Pid(pid), options) {
            Ok(Some(_)) => return Ok(()),
            Ok(None) if started.elapsed() > LIMIT => {
                return Err(format!("it ran for more than {LIMIT:?} and was ended"));
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => clock::tick(),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Which of a child's streams a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Passes a child's line on to the same stream of this program.
pub(crate) fn echo(stream: Stream, line: &str) {
    match stream {
        Stream::Out => println!("{line}"),
        Stream::Err => eprintln!("{line}"),
    }
}

/// Runs a command and answers what it wrote to standard output; an error has the end of all that
/// it wrote.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let written = Mutex::new((String::new(), String::new()));
    let good = stream(command, &|stream, line| {
        let mut written = written.lock().expect("no panic holds the text");
        if stream == Stream::Out {
            written.0.push_str(line);
            written.0.push('\n');
        }
        written.1.push_str(line);
        written.1.push('\n');
    })?;
    let (out, all) = written.into_inner().expect("no panic holds the text");
    if good { Ok(out) } else { Err(format!("`{}` failed:\n{}", shown(command), tail(&all, 15))) }
}

fn lines(stream: impl Read, mut each: impl FnMut(&str)) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    // Bytes, not `lines()`: a child may print what is not UTF-8.
    while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
        each(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
        line.clear();
    }
}

fn shown(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(std::ffi::OsStr::to_string_lossy)
        .collect();
    words.join(" ")
}

/// The last lines of a text, indented.
pub(crate) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let start = lines.len().saturating_sub(count);
    let mut out = String::new();
    for line in &lines[start..] {
        out.push_str("    ");
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// A program that outlives this one, known again by its process id and its time of birth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Daemon {
    pid: i32,
    born: String,
}

impl Daemon {
    /// Starts it in the background, with both its streams in a log file.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let shown = shown(command);
        let out = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        let err = out.try_clone().map_err(|error| format!("{}: {error}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot run `{shown}`: {error}"))?;
        let pid = child.id().cast_signed();
        // One that ended at once has no time of birth; `is_alive` then says so.
        Ok(Self { pid, born: born(pid).unwrap_or_default() })
    }

    /// Reads what `Display` wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (pid, born) = text.trim().split_once(' ')?;
        Some(Self { pid: pid.parse().ok()?, born: born.to_owned() })
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.reap();
        born(self.pid).is_some_and(|born| born == self.born)
    }

    /// Ends it and all that it started: asks first, then makes it.
    pub(crate) fn stop(&self) -> Result<()> {
        self.reap();
        if born(self.pid).is_some_and(|born| born != self.born) {
            return Ok(()); // The number belongs to someone else by now.
        }
        for signal in [Signal::TERM, Signal::KILL] {
            signal_group(self.pid, signal);
            let asked = clock::start();
            while asked.elapsed() < GRACE {
                self.reap();
                if !self.group_exists() {
                    return Ok(());
                }
                clock::tick();
            }
        }
        Err(format!("process group {} survives SIGKILL", self.pid))
    }

    fn group_exists(&self) -> bool {
        Pid::from_raw(self.pid).is_some_and(|pid| test_kill_process_group(pid).is_ok())
    }

    /// A child of ours that ended stays in the process table until someone asks for its status.
    fn reap(&self) {
        let _ = waitpid(Pid::from_raw(self.pid), WaitOptions::NOHANG);
    }
}

impl std::fmt::Display for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.pid, self.born)
    }
}

/// When a living process was started, in the system's own words: numbers of processes come again,
/// but not with the same time of birth.
fn born(pid: i32) -> Option<String> {
    if Path::new("/proc/self/stat").exists() {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The program's name stands in parentheses and may hold anything, so count from its end.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let alive = fields.next().is_some_and(|state| state != "Z" && state != "X");
        return fields.nth(18).filter(|_| alive).map(str::to_owned);
    }
    let ps = Command::new("ps").args(["-o", "lstart=", "-p", &pid.to_string()]).output().ok()?;
    let text = String::from_utf8_lossy(&ps.stdout).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failing_command_shows_the_end_of_what_it_wrote() {
        let error = output(&mut shell("echo first; echo last >&2; exit 3")).unwrap_err();
        assert!(error.contains("last"), "{error}");
    }

    #[test]
    fn a_command_answers_its_standard_output_alone() {
        assert_eq!(output(&mut shell("echo out; echo err >&2")).unwrap(), "out\n");
    }

    #[test]
    fn stopping_a_daemon_ends_the_children_that_it_left() {
        let folder = crate::root::target().join("xtask-tests");
        std::fs::create_dir_all(&folder).unwrap();
        let log = folder.join("daemon.log");
        let daemon =
            Daemon::start(&mut shell("sleep 600 & echo $!; trap '' TERM; wait"), &log).unwrap();
        let child = loop {
            let text = std::fs::read_to_string(&log).unwrap();
            if let Ok(pid) = text.trim().parse::<i32>() {
                break pid;
            }
            clock::tick();
        };
        assert!(daemon.is_alive());
        assert_eq!(Daemon::parse(&daemon.to_string()), Some(daemon.clone()));
        daemon.stop().unwrap();
        assert!(!daemon.is_alive());
        assert_eq!(born(child), None, "the child of the daemon lives on");
    }

    #[test]
    fn a_number_that_belongs_to_someone_else_is_left_alone() {
        let mut other = shell("sleep 600").spawn().unwrap();
        let stale = Daemon { pid: other.id().cast_signed(), born: "0".to_owned() };
        assert!(!stale.is_alive());
        stale.stop().unwrap();
        assert!(other.try_wait().unwrap().is_none(), "a stranger was ended");
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn a_tail_is_the_last_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "    b\n    c\n");
    }
}
