//! A DHCP client (RFC 2131): an IPv4 address, its routes, routers and DNS servers from a server of the link
//! (feature `dhcp`).

#[cfg(test)]
mod conflict_tests;
mod lease;
mod link;
mod machine;
mod options;
#[cfg(test)]
mod options_tests;
#[cfg(test)]
mod tests;

pub use lease::Lease;

use crate::driver::Engine;
use crate::error::to_io;
use crate::net::Net;
use link::Link;
use machine::{Act, Machine};
use net_core::autoconf::AddressState;
use net_core::seed::Seed;
use net_core::time::Instant;
use net_core::{IfaceId, SocketError};
use std::collections::HashSet;
use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

/// A client that keeps an interface of Ethernet configured: it asks for an address, checks that nobody
/// else uses it, gives it to the interface with the routes of the lease, has the lease extended, and takes
/// everything away when that comes to nothing. Where no server answers within about twelve seconds the
/// interface chooses an address of its link (RFC 3927) until one does; the client goes on asking. An
/// interface that was told to choose one, lease or not, keeps it. An interface has one client at a time.
///
/// Where it is dropped, the lease is kept, and neither extended nor taken away; see
/// [`release`](Self::release). An address of the link that the interface has chosen for the client goes.
///
/// ```no_run
/// # async fn configure() -> std::io::Result<()> {
/// use net_tokio::device::Tap;
/// use net_tokio::{Dhcp, Net};
/// let net = Net::builder().device("eth0", Tap::builder("tap0").build()?).build()?;
/// let mut dhcp = Dhcp::start(&net, "eth0")?;
/// let lease = dhcp.bound().await?;
/// println!("{} from {}", lease.ip(), lease.server);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Dhcp {
    task: JoinHandle<io::Result<()>>,
    lease: watch::Receiver<Option<Lease>>,
    engine: Arc<Engine>,
    stop: Option<oneshot::Sender<()>>,
    /// That of the client: who drops the handle may start another at once, though the task ends later.
    claim: Claim,
}

impl Dhcp {
    /// Starts a client for an interface, as a task of the runtime.
    ///
    /// # Errors
    /// ENODEV where the stack has no interface of that name, `InvalidInput` for one that is no Ethernet,
    /// `ResourceBusy` for one whose client is at work, ENFILE where the stack has as many sockets as it may.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(net: &Net, interface: &str) -> io::Result<Self> {
        let iface = net.interface_id(interface)?;
        let mac = net.engine().look(|core| {
            let mut all = core.stack().ifaces();
            all.find_map(|(id, config)| config.kind.mac().filter(|_| id == iface))
        });
        let mac = mac.ok_or_else(|| {
            let text = "only an interface of Ethernet is configured by DHCP";
            to_io(SocketError::InvalidInput(text))
        })?;
        let claim = Claim::new(net, interface, iface)?;
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let link = Link::new(net, interface, iface, mac)?;
        let machine = Machine::new(mac, Seed::from_bytes(seed), Instant::ZERO);
        Ok(Self::spawn(net, claim, link, machine))
    }

    fn spawn(net: &Net, claim: Claim, link: Link, machine: Machine) -> Self {
        let (tell, lease) = watch::channel(None);
        let (stop, stopped) = oneshot::channel();
        let client = Client {
            machine,
            link,
            _claim: claim.clone(),
            tell,
            epoch: tokio::time::Instant::now(),
        };
        Self {
            task: tokio::spawn(client.run(stopped)),
            lease,
            engine: net.share_engine(),
            stop: Some(stop),
            claim,
        }
    }

    /// The lease that is in force. One whose address the interface has given up to another host since (RFC
    /// 5227 §2.4, [`Net::set_conflict_detection`]) is none, although its server hears of that only when it is
    /// asked to extend it.
    #[must_use]
    pub fn lease(&self) -> Option<Lease> {
        let known = self.lease.borrow().clone();
        known.filter(|lease| !has_given_up(&self.engine, self.claim.iface, lease))
    }

    /// Waits until there is a [lease](Self::lease); returns at once if there is.
    ///
    /// # Errors
    /// `BrokenPipe` where the client has ended with its stack.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn bound(&mut self) -> io::Result<Lease> {
        let (engine, iface) = (&self.engine, self.claim.iface);
        let is_kept = |lease: &Lease| !has_given_up(engine, iface, lease);
        let found = self
            .lease
            .wait_for(|lease| lease.as_ref().is_some_and(is_kept));
        let found = found.await;
        let found = found.ok().and_then(|lease| lease.clone());
        found.ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// Waits until a lease has come, was extended, or has gone.
    ///
    /// # Errors
    /// `BrokenPipe` where the client has ended with its stack.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn changed(&mut self) -> io::Result<()> {
        let changed = self.lease.changed().await;
        changed.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Takes the address from the interface, gives it back to its server, and ends the client.
    ///
    /// # Errors
    /// What ended the client before.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: where the future is dropped before the client has ended, the client ends at once,
    /// and the server may not hear that the address is free.
    pub async fn release(mut self) -> io::Result<()> {
        if let Some(stop) = self.stop.take() {
            // A client that has ended says so below.
            let _ = stop.send(());
        }
        match (&mut self.task).await {
            Ok(ended) => ended,
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

/// Whether an interface has left the address of a lease to another host that insists on it.
fn has_given_up(engine: &Engine, iface: IfaceId, lease: &Lease) -> bool {
    engine.look(|core| {
        let mut all = core.stack().addresses(iface);
        all.any(|status| {
            status.cidr.address == lease.address.address && status.state == AddressState::Duplicate
        })
    })
}

impl Drop for Dhcp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The right to configure an interface: two clients would take each other's addresses away. It ends for
/// all its holders with the first of them, so that neither a client that has ended nor a handle whose task
/// is about to end keeps others out.
#[derive(Debug, Clone)]
struct Claim {
    clients: Arc<Clients>,
    iface: IfaceId,
    /// Changed under the lock of `clients` only.
    has_ended: Arc<AtomicBool>,
}

/// The interfaces of a stack that have a client.
pub(crate) type Clients = Mutex<HashSet<IfaceId>>;

impl Claim {
    fn new(net: &Net, name: &str, iface: IfaceId) -> io::Result<Self> {
        let clients = net.dhcp_clients().clone();
        if !lock(&clients).insert(iface) {
            let text = format!("interface {name} has a DHCP client: drop that first");
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
        }
        Ok(Self {
            clients,
            iface,
            has_ended: Arc::default(),
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut clients = lock(&self.clients);
        if !self.has_ended.swap(true, Ordering::Relaxed) {
            clients.remove(&self.iface);
        }
    }
}

fn lock(clients: &Clients) -> MutexGuard<'_, HashSet<IfaceId>> {
    clients.lock().expect("its holders do not panic")
}

/// The task's side. Its fields are dropped in this order: where the claim ends, the sockets are closed, and
/// whoever hears of the end through `tell` may start another client.
struct Client {
    machine: Machine,
    link: Link,
    _claim: Claim,
    tell: watch::Sender<Option<Lease>>,
    /// The machine's time begins here.
    epoch: tokio::time::Instant,
}

impl Client {
    /// Serves the interface until it is told to stop, or cannot go on: what it has from a lease it has
    /// then no more.
    async fn run(mut self, stopped: oneshot::Receiver<()>) -> io::Result<()> {
        let mut ended = self.serve(stopped).await;
        if self.tell.send_replace(None).is_some() {
            ended = ended.and(self.link.give());
        }
        ended
    }

    async fn serve(&mut self, mut stopped: oneshot::Receiver<()>) -> io::Result<()> {
        let mut acts = Vec::new();
        loop {
            let now = self.now();
            self.machine.handle_timeout(now, &mut acts);
            self.perform(&mut acts).await?;
            let due = self
                .epoch
                .checked_add(self.machine.next().saturating_since(Instant::ZERO));
            let timer = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = timer => {}
                message = self.link.message() => {
                    let now = self.now();
                    self.machine.handle_message(&message?, now, &mut acts);
                }
                conflict = self.link.conflict() => {
                    conflict?;
                    let now = self.now();
                    self.machine.handle_conflict(now, &mut acts);
                }
                asked = &mut stopped => {
                    if asked.is_ok() {
                        let now = self.now();
                        self.machine.release(now, &mut acts);
                        return self.perform(&mut acts).await;
                    }
                    // Whoever could ask is gone, and with him this task.
                    pending::<()>().await;
                }
            }
            self.perform(&mut acts).await?;
        }
    }

    /// Does what the machine wants done.
    async fn perform(&mut self, acts: &mut Vec<Act>) -> io::Result<()> {
        while !acts.is_empty() {
            for act in std::mem::take(acts) {
                match act {
                    Act::Shout(message) => self.link.shout(&message).await?,
                    Act::Send(message, server) => self.link.send(&message, server).await?,
                    Act::Probe(address) => self.link.probe(address).await?,
                    Act::Take(lease) => match self.link.take(&lease).await {
                        Ok(true) => drop(self.tell.send_replace(Some(lease))),
                        Ok(false) => {
                            let now = self.now();
                            self.machine.handle_conflict(now, acts);
                        }
                        Err(error) => return self.link.give().and(Err(error)),
                    },
                    Act::Give => {
                        self.link.give()?;
                        self.tell.send_replace(None);
                    }
                    Act::LinkLocal(on) => self.link.choose(on)?,
                }
            }
        }
        let frames = self.machine.lease().is_none() || self.machine.extends();
        self.link.attend(frames, self.machine.checked())
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }
}
