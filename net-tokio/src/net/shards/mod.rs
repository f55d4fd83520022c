//! Several stacks with the same addresses, so that several cores serve them.

mod inbox;

pub(super) use inbox::Place;

use super::own_runtime::OwnRuntime;
use super::{Driver, Net, NetBuilder};
use crate::device::Device;
use crate::{TcpListener, UdpSocket};
use inbox::{Inbox, Joined};
use net_core::config::PortShare;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// One host of several stacks, the *shards*: each has the same addresses, a queue of the same device, and
/// a thread of its own with a runtime, on which its driver runs and what is [spawned](Self::spawn) there.
///
/// What belongs to one connection stays on one shard: the device brings the packets of a flow to the queue
/// that answers them. The TUN of Linux with several queues does (`TunBuilder::build_queues`): it brings
/// what it has not heard of to a queue by a hash of addresses and ports, and what it has to the queue
/// that last sent something of it (which it notes only behind a packet: the first answer to a shard that
/// connects comes in anywhere, and is handed over). So each shard accepts a part of the connections, as processes do that
/// listen on one port with `SO_REUSEPORT`, and serves them without a lock that others take.
///
/// ```no_run
/// # #[cfg(target_os = "linux")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_tokio::{Shards, device::Tun};
///
/// let queues = Tun::builder("tun0")
///     .host_address("10.7.0.1".parse().unwrap(), 24)
///     .build_queues(4)?;
/// let shards = Shards::build("eth0", queues, |builder| builder.address("10.7.0.2/24"))?;
/// for (shard, listener) in shards.listen(([0, 0, 0, 0], 80)).await?.into_iter().enumerate() {
///     shards.spawn(shard, async move {
///         while let Ok((mut stream, _)) = listener.accept().await {
///             net_tokio::spawn(async move {
///                 let (mut read, mut write) = stream.split();
///                 tokio::io::copy(&mut read, &mut write).await
///             });
///         }
///     });
/// }
/// # Ok(())
/// # }
/// # #[cfg(not(target_os = "linux"))]
/// # fn main() {}
/// ```
///
/// # What each shard has for itself
///
/// Nothing of a stack is shared: sockets, memory budgets, time-waits, routes, filters, tracked flows, limits
/// of answers and statistics are those of each [`net`](Self::net). Two things follow.
///
/// - *Ports.* Those that a stack chooses are divided among the shards
///   ([`PortShare`](net_core::config::PortShare)), so that connections from all of them never have the same
///   ends. A port that the application names is that shard's own affair: listen with
///   [`listen`](Self::listen) and [`bind_udp`](Self::bind_udp) on all. A socket that is bound to a named
///   port on one shard alone, and is found by no flow of the device, may not get what is for it.
/// - *What comes to the wrong shard.* A device forgets: the TUN after three seconds without a packet from
///   here, or with more than 4,096 flows. It steers fragments by addresses alone, and so it does ICMP. A
///   packet for a port that belongs to another shard, and for no socket here, is handed over to it once
///   the whole of it is there; an ICMP error about no connection from here is offered to all. Such packets
///   count as [`Stats::strays`](net_core::stats::Stats::strays), and at most 1,024, or 4 MiB of memory, wait for
///   a shard. They pass the hooks of `HookPoint::PreRouting` on both: filters and
///   translations that track flows are for a stack that stands alone.
///   Broadcasts and packets to groups stay where they arrive: a socket on one shard hears a part of them.
///
/// The shards begin and end together: with another number of queues the TUN would divide anew. They end by
/// [`shutdown`](Self::shutdown), or when this and every handle and socket of theirs is gone.
#[derive(Debug)]
pub struct Shards {
    shards: Vec<Shard>,
}

/// A stack, and the runtime on its thread.
#[derive(Debug)]
struct Shard {
    net: Net,
    runtime: Handle,
}

impl Shards {
    /// A shard for each of `devices`, which are queues of one device, as the interface `name`. `recipe`
    /// says what else each stack has, and is asked once for each: in the builder that it is given,
    /// the device is there, so that addresses and gateways go to it.
    ///
    /// # Errors
    /// `InvalidInput` for no device or more than 65,535, or where they carry Ethernet frames; as [`NetBuilder::build`]; what the system says
    /// about a thread.
    pub fn build<D: Device>(
        name: impl Into<String>,
        devices: impl IntoIterator<Item = D>,
        mut recipe: impl FnMut(NetBuilder) -> NetBuilder,
    ) -> io::Result<Self> {
        let name = name.into();
        let devices: Vec<D> = devices.into_iter().collect();
        let invalid = |text| io::Error::new(io::ErrorKind::InvalidInput, text);
        let count = u16::try_from(devices.len()).map_err(|_| invalid("too many shards"))?;
        let inboxes: Arc<[Inbox]> = devices.iter().map(|_| Inbox::default()).collect();
        let mut shards = Vec::with_capacity(devices.len());
        for (index, device) in (0..count).zip(devices) {
            let share = PortShare::new(index, count).map_err(|_| invalid("no such shard"))?;
            if device.mac().is_some() {
                return Err(invalid(
                    "shards are for devices of IP packets, such as the queues of a TUN",
                ));
            }
            let place = Place {
                share,
                iface: name.clone(),
                inboxes: inboxes.clone(),
            };
            let device = Joined {
                device,
                inboxes: inboxes.clone(),
                index: index.into(),
            };
            let builder = recipe(Net::builder().device(name.clone(), device));
            shards.push(Shard::start(builder.place(place), index)?);
        }
        if shards.is_empty() {
            return Err(invalid("shards have a device each: there is none"));
        }
        Ok(Self { shards })
    }

    /// How many there are; at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.shards.len()
    }

    /// The stack of the shard number `shard`, counted from 0.
    ///
    /// # Panics
    /// If there are not so many.
    #[must_use]
    pub fn net(&self, shard: usize) -> &Net {
        &self.shards[shard].net
    }

    /// The stacks of all, in their order.
    pub fn nets(&self) -> impl ExactSizeIterator<Item = &Net> {
        self.shards.iter().map(|shard| &shard.net)
    }

    /// Runs `future` on the thread of a shard, where its sockets are woken without another thread; sockets
    /// that it makes belong to that stack. It ends with the stack at the latest.
    ///
    /// # Panics
    /// If there is no shard of that number.
    pub fn spawn<F>(&self, shard: usize, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let Shard { net, runtime } = &self.shards[shard];
        runtime.spawn(net.scope(future))
    }

    /// A listener of each shard at the same address, in their order. For port 0 one is chosen.
    ///
    /// # Errors
    /// As [`TcpListener::bind_on`]; then no shard listens.
    ///
    /// # Cancel safety
    /// Cancel safe: no shard listens when the future is dropped.
    pub async fn listen(&self, addr: impl Into<SocketAddr>) -> io::Result<Vec<TcpListener>> {
        let mut addr = addr.into();
        let mut listeners = Vec::with_capacity(self.len());
        for net in self.nets() {
            let listener = TcpListener::bind_on(net, addr).await?;
            addr = listener.local_addr()?;
            listeners.push(listener);
        }
        Ok(listeners)
    }

    /// A socket of datagrams of each shard at the same address, in their order. For port 0 one is chosen.
    /// The datagrams of one sender come to one of them, until the device forgets it; those in fragments may
    /// come to another than the rest.
    ///
    /// # Errors
    /// As [`UdpSocket::bind_on`]; then no shard has one.
    ///
    /// # Cancel safety
    /// Cancel safe: no socket is left when the future is dropped.
    pub async fn bind_udp(&self, addr: impl Into<SocketAddr>) -> io::Result<Vec<UdpSocket>> {
        let mut addr = addr.into();
        let mut sockets = Vec::with_capacity(self.len());
        for net in self.nets() {
            let socket = UdpSocket::bind_on(net, addr).await?;
            addr = socket.local_addr()?;
            sockets.push(socket);
        }
        Ok(sockets)
    }

    /// Ends all stacks ([`Net::shutdown`]), at the same time.
    ///
    /// # Cancel safety
    /// Cancel safe: the shutdown goes on when the future is dropped.
    pub async fn shutdown(&self) {
        let ending: Vec<_> = self
            .shards
            .iter()
            .map(|Shard { net, runtime }| {
                let net = net.clone();
                runtime.spawn(async move { net.shutdown().await })
            })
            .collect();
        for shard in ending {
            // A runtime that is gone has taken its stack with it.
            let _ = shard.await;
        }
    }
}

impl Shard {
    fn start(builder: NetBuilder, index: u16) -> io::Result<Self> {
        let runtime = OwnRuntime::new()?;
        let handle = runtime.handle().clone();
        let net = {
            let _guard = handle.enter();
            builder.driver(Driver::Task).build()?
        };
        let engine = net.share_engine();
        thread::Builder::new()
            .name(format!("net-tokio shard {index}"))
            .spawn(move || runtime.block_on(engine.ended()))?;
        Ok(Self {
            net,
            runtime: handle,
        })
    }
}
