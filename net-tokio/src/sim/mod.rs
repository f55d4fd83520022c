//! Programs on simulated hosts, joined by a simulated network, under virtual time.
//!
//! The programs are those of production: tokio tasks over this crate's sockets. A [`Sim`] gives each
//! host a stack, puts links, switches and routers between them, and runs everything on one thread
//! with tokio's clock standing still. Time goes from one event to the next: to each packet at its
//! own nanosecond, to each of tokio's timers at its millisecond. Nothing waits, and the same seed
//! gives the same packets.
//!
//! ```
//! use net_core::time::Duration;
//! use net_tokio::device::LinkConfig;
//! use net_tokio::sim::Sim;
//! use net_tokio::{TcpListener, TcpStream};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! let mut sim = Sim::new(7);
//! sim.link(LinkConfig {
//!     rate_bps: Some(10_000_000),
//!     delay: Duration::from_millis(20),
//!     loss_ppm: 10_000, // 1 %
//!     ..LinkConfig::default()
//! });
//! let server = (sim.address("server"), 80);
//! sim.host("server", async move {
//!     let listener = TcpListener::bind(server).await?;
//!     let (mut stream, _) = listener.accept().await?;
//!     let mut request = [0; 5];
//!     stream.read_exact(&mut request).await?;
//!     stream.write_all(&request).await
//! });
//! sim.host("client", async move {
//!     let mut stream = TcpStream::connect(server).await?;
//!     stream.write_all(b"hello").await?;
//!     let mut answer = Vec::new();
//!     stream.read_to_end(&mut answer).await?;
//!     assert_eq!(answer, b"hello");
//!     std::io::Result::Ok(())
//! });
//! sim.run().unwrap();
//! ```
//!
//! # What repeats
//!
//! Everything that draws on the simulation's seed, on tokio's clock and on the order in which one
//! thread runs tasks. What a program takes from elsewhere does not: the host's clock
//! (`std::time`), the iteration order of a `HashMap`, threads of its own (`spawn_blocking`), and
//! `tokio::select!` where several branches are ready, unless it is `biased`.

mod director;
mod error;
mod port;
mod program;
mod topology;
mod world;

pub use error::{Cause, SimError};

use crate::clock::Clock;
use director::Director;
use net_core::Config;
use net_core::seed::Seed;
use net_core::sim::Fabric;
use net_core::time::{Duration, Instant};
use program::Program;
use std::error::Error;
use std::fmt;
use std::fs;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::{self, Runtime};
use topology::Topology;
use world::World;

/// A simulated network with programs on its hosts.
///
/// Say what there is, then [`run`](Self::run) it. Hosts are known by name and come to be where they
/// are first named. One that is not [connected](Self::connect) to anything is joined to a switch
/// that is common to all such, by the link of [`link`](Self::link).
pub struct Sim {
    seed: u64,
    topology: Topology,
    programs: Vec<Program>,
    world: Arc<World>,
    runtime: Option<Runtime>,
    elapsed: Duration,
    limit: Duration,
    captures: PathBuf,
    failed: bool,
}

impl Sim {
    /// A simulation whose chance all comes from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let fabric = Fabric::new(Seed::from_u64(seed).part("simulated fabric", 0));
        Self {
            seed,
            topology: Topology::new(),
            programs: Vec::new(),
            world: Arc::new(World::new(fabric)),
            runtime: None,
            elapsed: Duration::ZERO,
            limit: HOUR,
            captures: std::env::temp_dir(),
            failed: false,
        }
    }

    /// Runs `program` on a host. The simulation goes on until it has ended, and fails if it does.
    ///
    /// The sockets that it makes belong to the host. Tasks that it spawns need a
    /// [`scope`](crate::Net::scope) of their own around [`Net::current`](crate::Net::current) to make
    /// sockets; those that are handed to them work as they are.
    pub fn host<E>(
        &mut self,
        name: &str,
        program: impl Future<Output = Result<(), E>> + Send + 'static,
    ) where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.add(name, program, true);
    }

    /// Runs `program` on a host for as long as others have not ended. If it fails so does the
    /// simulation.
    pub fn service<E>(
        &mut self,
        name: &str,
        program: impl Future<Output = Result<(), E>> + Send + 'static,
    ) where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.add(name, program, false);
    }

    /// Ends the simulation as failed when it has lasted that long, in virtual time. One hour.
    pub fn limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Settings of a host's stack.
    pub fn configure(&mut self, name: &str, config: Config) {
        self.topology.configure(&self.world, name, config);
    }

    /// Where to leave the packets of a simulation that fails. The host's folder for temporary files
    /// by default.
    pub fn leave_captures_in(&mut self, folder: impl Into<PathBuf>) {
        self.captures = folder.into();
    }

    /// How long it lasted, in virtual time.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Runs the programs until all of [`host`](Self::host) have ended.
    ///
    /// # Errors
    /// What went wrong first. The packets are then in a pcapng file, which the error names.
    ///
    /// # Panics
    /// Inside another tokio runtime, and the second time.
    pub fn run(&mut self) -> Result<(), SimError> {
        assert!(self.runtime.is_none(), "a simulation runs once");
        self.topology.complete(&self.world);
        let world = Arc::clone(&self.world);
        let runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .event_interval(u32::MAX)
            .on_thread_park(move || world.on_park())
            .build()
            .expect("a runtime without I/O needs nothing of the host");
        let outcome = runtime.block_on(self.play());
        self.runtime = Some(runtime);
        outcome.map_err(|cause| {
            self.failed = true;
            SimError {
                seed: self.seed,
                at: self.elapsed,
                cause,
                capture: self.leave_capture(),
            }
        })
    }

    /// Every packet that hosts sent and received, as a pcapng file with an interface for each.
    #[must_use]
    pub fn capture(&self) -> Vec<u8> {
        let state = self.world.state();
        state
            .fabric
            .capture(&self.topology.host_ports(&state.fabric))
    }

    /// Writes [`capture`](Self::capture) to a file.
    ///
    /// # Errors
    /// Of writing it.
    pub fn write_capture(&self, file: impl AsRef<Path>) -> io::Result<()> {
        fs::write(file, self.capture())
    }

    fn add<E>(
        &mut self,
        name: &str,
        program: impl Future<Output = Result<(), E>> + Send + 'static,
        awaited: bool,
    ) where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let host = self.topology.host(&self.world, name);
        let program = async move { program.await.map_err(Into::into) };
        self.programs.push(Program::new(host, program, awaited));
    }

    /// Brings the stacks up, runs the programs and moves time on.
    async fn play(&mut self) -> Result<(), Cause> {
        let clock = Clock::new();
        let limit = Instant::ZERO + self.limit;
        let nets = self.topology.build(&self.world, self.seed)?;
        let director = Director::new(Arc::clone(&self.world), clock, limit);
        let programs = program::run(std::mem::take(&mut self.programs), &nets);
        // Biased: no chance but the seed's.
        let outcome = tokio::select! {
            biased;
            outcome = programs => outcome,
            cause = director.run() => Err(cause),
        };
        self.elapsed = clock.now().saturating_since(Instant::ZERO);
        outcome
    }

    /// Writes the capture where failed simulations leave theirs.
    fn leave_capture(&self) -> Option<PathBuf> {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("simulation").replace("::", "-");
        let file = self
            .captures
            .join(format!("{name}-seed-{}.pcapng", self.seed));
        match self.write_capture(&file) {
            Ok(()) => Some(file),
            Err(error) => {
                tracing::warn!(%error, file = %file.display(), "the packets could not be written");
                None
            }
        }
    }
}

/// A test that fails after its simulation leaves the packets too.
impl Drop for Sim {
    fn drop(&mut self) {
        if std::thread::panicking()
            && !self.failed
            && self.runtime.is_some()
            && let Some(file) = self.leave_capture()
        {
            eprintln!("seed {}: packets in {}", self.seed, file.display());
        }
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("seed", &self.seed)
            .field("elapsed", &self.elapsed)
            .finish_non_exhaustive()
    }
}

const HOUR: Duration = Duration::from_secs(3600);
