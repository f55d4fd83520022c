//! A server process: started, awaited, watched, ended.

use super::link::{Link, server_address};
use crate::stacks::StackName;
use crate::versus::server::SERVE;
use anyhow::{Context as _, bail};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

/// A running server with its link. Dropping it kills the process.
#[derive(Debug)]
pub struct Server {
    process: Process,
    link: Link,
}

/// A child process that does not outlive this handle.
#[derive(Debug)]
struct Process(Child);

/// How to start a server.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Which stack.
    pub stack: StackName,
    /// Names the link and its network: 1–255, another one for every server.
    pub number: u8,
    /// See [`ServerConfig::at_once`](crate::stacks::ServerConfig::at_once).
    pub at_once: usize,
    /// See [`ServerConfig::buffer`](crate::stacks::ServerConfig::buffer).
    pub buffer: usize,
    /// Worker threads.
    pub threads: usize,
    /// See [`ServerConfig::busy_poll_us`](crate::stacks::ServerConfig::busy_poll_us).
    pub busy_poll_us: Option<u64>,
}

impl Server {
    /// Starts a server and waits until it is ready.
    ///
    /// # Errors
    /// When a link cannot be made or the server ends instead.
    pub fn start(launch: &Launch) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let kernel = launch.stack == StackName::Kernel;
        let tun = if kernel {
            None
        } else {
            Some(Link::tun(launch.number)?)
        };
        let mut command = if kernel {
            let mut command = Command::new("unshare");
            command.arg("--net").arg(program);
            command
        } else {
            Command::new(program)
        };
        command
            .arg(SERVE)
            .args(["--stack", launch.stack.name()])
            .args(["--tun", tun.as_ref().map_or("", Link::name)])
            .args(["--address", &server_address(launch.number).to_string()])
            .args(["--at-once", &launch.at_once.to_string()])
            .args(["--buffer", &launch.buffer.to_string()])
            .args(["--threads", &launch.threads.to_string()])
            .args(
                launch
                    .busy_poll_us
                    .map(|micros| format!("--busy-poll-us={micros}")),
            )
            .stdout(Stdio::piped());
        let mut process = Process(command.spawn().context("starting the server")?);
        wait_until_ready(&mut process.0, launch.stack)?;
        let link = match tun {
            Some(link) => link,
            None => Link::veth(launch.number, process.0.id())?,
        };
        Ok(Self { process, link })
    }

    /// Where it serves.
    #[must_use]
    pub const fn address(&self) -> Ipv4Addr {
        self.link.server_address()
    }

    /// Its link.
    #[must_use]
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// CPU seconds that it has used, in user and kernel mode, in steps of 10 ms.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let text = self.proc("stat")?;
        // The name in parentheses may hold spaces; utime and stime are the 12th and 13th field
        // after it (proc_pid_stat(5)).
        let after_name = text.rsplit(')').next().unwrap_or_default();
        let ticks: u64 = after_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Bytes of memory that it occupies.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        let text = self.proc("smaps_rollup")?;
        let kib = text
            .lines()
            .find_map(|line| line.strip_prefix("Rss:"))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|number| number.parse::<u64>().ok())
            .context("Rss in smaps_rollup")?;
        Ok(kib * 1024)
    }

    fn proc(&self, file: &str) -> anyhow::Result<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.process.0.id()))
            .context("the server process has ended")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

fn wait_until_ready(child: &mut Child, stack: StackName) -> anyhow::Result<()> {
    let stdout = child.stdout.take().context("the server's output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    if line.trim() != "ready" {
        let status = child.wait()?;
        bail!("the {stack} server ended before it was ready: {status}");
    }
    Ok(())
}
