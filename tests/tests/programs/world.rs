//! The places that each program runs in.

use net_core::Seed;
use net_tokio::device::{LinkConfig, pair};
use net_tokio::{Driver, Net, TcpListener, TcpStream};
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// One combination.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// The runtime has two threads, else one.
    multi: bool,
    /// The stacks have threads of their own, else tasks.
    thread: bool,
    /// Two stacks on a link that loses packets, else one stack and its loopback.
    lossy: bool,
}

/// A server's stack and a client's, which may be the same.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) client: Net,
    pub(crate) server: Net,
    address: IpAddr,
}

/// Runs `program` in each combination.
pub(crate) fn everywhere<F>(program: impl Fn(World) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    for multi in [false, true] {
        for thread in [false, true] {
            for lossy in [false, true] {
                let row = Row {
                    multi,
                    thread,
                    lossy,
                };
                println!("{row}");
                row.runtime().block_on(async {
                    let world = row.world();
                    let running = tokio::spawn(program(world));
                    timeout(LIMIT, running)
                        .await
                        .unwrap_or_else(|_| panic!("{row}: longer than {LIMIT:?}"))
                        .unwrap_or_else(|error| panic!("{row}: {error}"));
                });
            }
        }
    }
}

impl Row {
    fn runtime(self) -> Runtime {
        let mut builder = match self.multi {
            false => Builder::new_current_thread(),
            true => Builder::new_multi_thread(),
        };
        builder
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime")
    }

    fn world(self) -> World {
        let driver = match self.thread {
            false => Driver::Task,
            true => Driver::Thread,
        };
        if !self.lossy {
            let net = Net::builder().driver(driver).build().expect("a stack");
            return World {
                client: net.clone(),
                server: net,
                address: [127, 0, 0, 1].into(),
            };
        }
        let link = LinkConfig {
            delay: Duration::from_millis(1),
            loss_ppm: 10_000,
            ..LinkConfig::default()
        };
        let (near, far) = pair(link.clone(), link, Seed::from_u64(7));
        let host = |device, address| {
            let builder = Net::builder().driver(driver).device("link0", device);
            builder.address(address).build().expect("a stack")
        };
        World {
            client: host(near, "10.0.0.1/24"),
            server: host(far, "10.0.0.2/24"),
            address: [10, 0, 0, 2].into(),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threads = if self.multi {
            "two threads"
        } else {
            "one thread"
        };
        let driver = if self.thread { "thread" } else { "task" };
        let link = if self.lossy { "a bad link" } else { "loopback" };
        write!(f, "{threads}, driven by a {driver}, over {link}")
    }
}

impl World {
    /// The server's address, with a port for its stack to choose.
    pub(crate) fn any_port(&self) -> SocketAddr {
        SocketAddr::new(self.address, 0)
    }

    /// A listener of the server, and where it listens.
    pub(crate) async fn listen(&self) -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind_on(&self.server, self.any_port()).await;
        let listener = listener.expect("a port");
        let to = listener.local_addr().expect("bound");
        (listener, to)
    }

    /// A connection of the client.
    pub(crate) async fn connect(&self, to: SocketAddr) -> TcpStream {
        let stream = TcpStream::connect_on(&self.client, to).await;
        let stream = stream.expect("a listener");
        stream.set_nodelay(true).expect("open");
        stream
    }
}

/// What one combination may take.
const LIMIT: Duration = Duration::from_secs(60);
