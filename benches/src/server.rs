//! Servers in other processes, so that what is measured here is the client.

use std::{
    io::{self, BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdin, Command, Stdio},
};

/// A server that prints its port when it is ready, and ends with us.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    _held: Option<ChildStdin>,
}

impl Server {
    /// Starts `program` with `words`, and waits until it is ready.
    pub fn start(program: &str, words: &[&str]) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let held = child.stdin.take();
        let mut server = Self { child, port: 0, _held: held };
        server.port = line.trim().parse().map_err(|_| {
            io::Error::other(format!("{program} printed {line:?}, wanted its port"))
        })?;
        Ok(server)
    }

    /// Where it listens on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// For a server: ends this process with the one that started it, which holds the other end of its standard input.
pub fn until_orphaned() {
    std::thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
}
