//! From what `socket()` is asked for to the socket, and what the embedder has to say about it.

use super::Stack;
use crate::error::SocketError;
use crate::socket::{
    Domain, Established, Families, Handler, Operation, Options, Policy, Readiness, Request,
    Shutdown, SocketId, SocketKind, SocketOps,
};
use crate::time::Instant;
use alloc::boxed::Box;
use core::fmt;
use core::net::SocketAddr;
use core::task::{Context, Poll};

/// What the embedder has plugged into the socket layer.
pub(crate) struct Dispatch {
    pub(crate) families: Families,
    loader: Option<Loader>,
    policy: Option<Box<dyn Policy>>,
}

/// Registers the family of a number, if it knows it.
type Loader = Box<dyn FnMut(Domain, &mut Families) + Send>;

impl Dispatch {
    pub(crate) fn new() -> Self {
        Self {
            families: Families::new(),
            loader: None,
            policy: None,
        }
    }
}

impl Stack {
    /// Opens a socket of whatever kind the families have for the request.
    ///
    /// # Errors
    /// In this order, the kernel's: `AddressFamily` for a number that is no family's, `InvalidInput`
    /// for one that is no type's; what the [policy](Policy) says; `TooManySockets`; `AddressFamily`
    /// where the family is not registered, nor by the [loader](Self::set_family_loader);
    /// `InvalidInput` for a number that is no protocol's; `SocketTypeNotSupported`,
    /// `ProtocolNotSupported`.
    pub fn socket(&mut self, request: Request) -> Result<SocketId, SocketError> {
        let request = request.checked()?;
        self.permit(&Operation::Create(request))?;
        if self.sockets.is_full() {
            return Err(SocketError::TooManySockets);
        }
        let Dispatch {
            families, loader, ..
        } = &mut self.dispatch;
        if let Some(load) = loader
            && !families.contains(request.domain)
        {
            load(request.domain, families);
        }
        let (handler, request) = families.find(request)?;
        let socket = match handler {
            Handler::Tcp(family) => {
                let family = *family;
                self.tcp_open_socket(family)?
            }
            Handler::Udp(family) => {
                let family = *family;
                self.udp_open_socket(family)?
            }
            Handler::Ping(family) => {
                let family = *family;
                self.ping_open_socket(family)?
            }
            Handler::Raw(family) => {
                let family = *family;
                self.raw_open_socket(family, request.protocol)?
            }
            Handler::Packet(kind) => {
                let kind = *kind;
                self.packet_open_socket(kind, request.ethertype())?
            }
            Handler::Plugged(make) => {
                let socket = make(request)?;
                self.sockets.insert(SocketKind::Plugged(socket))?
            }
        };
        let created = self.permit(&Operation::Created { socket, request });
        if created.is_err() {
            self.close(socket, self.clock);
        }
        created.map(|()| socket)
    }

    /// The address families, to register others.
    pub fn families_mut(&mut self) -> &mut Families {
        &mut self.dispatch.families
    }

    /// Lets `load` register a family that is not there when a socket of it is asked for; once for each
    /// such [`socket`](Self::socket) call.
    pub fn set_family_loader(&mut self, load: impl FnMut(Domain, &mut Families) + Send + 'static) {
        self.dispatch.loader = Some(Box::new(load));
    }

    /// Asks `policy` about everything that sockets do from now on. Sending and receiving through
    /// [`tcp`](Self::tcp) and [`udp`](Self::udp) is not asked about: there [`permit`](Self::permit) is
    /// for whoever acts for the application.
    pub fn set_policy(&mut self, policy: impl Policy + 'static) {
        self.dispatch.policy = Some(Box::new(policy));
    }

    /// Whether there is a policy.
    #[must_use]
    pub fn has_policy(&self) -> bool {
        self.dispatch.policy.is_some()
    }

    /// Asks the policy, if there is one.
    ///
    /// # Errors
    /// The policy's.
    pub fn permit(&mut self, operation: &Operation) -> Result<(), SocketError> {
        match &mut self.dispatch.policy {
            Some(policy) => policy.permit(operation),
            None => Ok(()),
        }
    }

    /// Tells the policy that a connection is established.
    pub(crate) fn tell_established(&mut self, socket: SocketId, now: Instant) {
        let Some(policy) = &mut self.dispatch.policy else {
            return;
        };
        let Some(tcp) = self.sockets.tcp_mut(socket) else {
            return;
        };
        let Some((local, remote)) = tcp.local.zip(tcp.remote) else {
            return;
        };
        let connection = Established {
            socket,
            local,
            remote,
            passive: tcp
                .connection()
                .is_some_and(|connection| connection.passive),
        };
        let mut options = Options {
            settings: &mut tcp.settings,
        };
        policy.established(&connection, &mut options);
        let transparent = tcp.settings.ip.transparent;
        self.sockets.note_transparent(socket, transparent);
        self.with_connection(socket, now, |connection, cx| connection.apply(cx));
    }

    /// Ends one or both directions of a stream. Ending what has ended is no error.
    ///
    /// # Errors
    /// `NotConnected`; `Unsupported` for UDP; what a plugged protocol says.
    pub fn shutdown(
        &mut self,
        id: SocketId,
        how: Shutdown,
        now: Instant,
    ) -> Result<(), SocketError> {
        self.permit(&Operation::Shutdown { socket: id, how })?;
        if let Some(socket) = self.plugged(id) {
            return socket.shutdown(how);
        }
        self.sockets.get(id).ok_or(SocketError::NoSuchSocket)?;
        let mut tcp = self.tcp(id, now).ok_or(SocketError::Unsupported(
            "only streams have directions to shut down",
        ))?;
        if !tcp.is_open() {
            return Err(SocketError::NotConnected);
        }
        if how.writes() {
            tcp.finish();
        }
        if how.reads() {
            tcp.shutdown_read();
        }
        Ok(())
    }

    /// Sends through a socket of a plugged protocol; how many bytes.
    ///
    /// # Errors
    /// The protocol's, or `NoSuchSocket`, also for a socket of another kind.
    pub fn plugged_send(
        &mut self,
        id: SocketId,
        data: &[u8],
        to: Option<SocketAddr>,
    ) -> Result<usize, SocketError> {
        self.permit(&Operation::Send {
            socket: id,
            to,
            source: None,
            source_port: None,
        })?;
        self.plugged(id)
            .ok_or(SocketError::NoSuchSocket)?
            .send(data, to)
    }

    /// Receives through a socket of a plugged protocol; how many bytes, and from whom.
    ///
    /// # Errors
    /// The protocol's, or `NoSuchSocket`, also for a socket of another kind.
    pub fn plugged_recv(
        &mut self,
        id: SocketId,
        buf: &mut [u8],
    ) -> Result<(usize, Option<SocketAddr>), SocketError> {
        self.permit(&Operation::Recv { socket: id })?;
        self.plugged(id).ok_or(SocketError::NoSuchSocket)?.recv(buf)
    }

    /// What a socket of a plugged protocol is ready for; a socket of another kind for nothing it
    /// would wait for here.
    pub fn plugged_poll_ready(
        &mut self,
        id: SocketId,
        interest: Readiness,
        cx: &mut Context<'_>,
    ) -> Poll<Readiness> {
        match self.plugged(id) {
            Some(socket) => socket.poll_ready(interest, cx),
            None => Poll::Ready(Readiness::empty()),
        }
    }

    /// The socket, if it is one of a plugged protocol.
    pub(super) fn plugged(&mut self, id: SocketId) -> Option<&mut (dyn SocketOps + 'static)> {
        match self.sockets.get_mut(id)? {
            SocketKind::Plugged(socket) => Some(&mut **socket),
            _ => None,
        }
    }
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch")
            .field("families", &self.families)
            .field("loads", &self.loader.is_some())
            .field("policy", &self.policy)
            .finish()
    }
}
