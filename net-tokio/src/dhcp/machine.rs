//! The states of a DHCP client (RFC 2131 §4.4, figure 5), without I/O.

use super::lease::{Lease, Times, answer_to_all, message};
use dhcproto::v4::{DhcpOption, Message, MessageType, OptionCode};
use net_core::seed::{Rng, Seed};
use net_core::time::{Duration, Instant};
use net_core::wire::MacAddr;
use std::net::Ipv4Addr;

/// What the machine wants done.
#[derive(Debug)]
pub(super) enum Act {
    /// Send it to every server, from no address.
    Shout(Message),
    /// Send it from the leased address, to one server, or to every.
    Send(Message, Option<Ipv4Addr>),
    /// Ask the link who has the address.
    Probe(Ipv4Addr),
    /// The lease is there, or what belongs to it may have changed.
    Take(Lease),
    /// It is gone.
    Give,
    /// Have the interface choose an address of its link, as nobody gives it one, or give that up (RFC
    /// 3927 §1.9).
    LinkLocal(bool),
}

/// The client of one interface.
#[derive(Debug)]
pub(super) struct Machine {
    mac: MacAddr,
    rng: Rng,
    xid: u32,
    state: State,
    /// When something is to be done, unless an answer comes first.
    due: Instant,
    /// How often has been asked in this state.
    tries: u32,
    /// When the client began to look for a lease.
    began: Instant,
    /// When it asked last.
    asked: Instant,
    /// The interface chooses an address of its link.
    has_fallen_back: bool,
}

#[derive(Debug, Clone)]
enum State {
    /// It is about to ask who has an address for it.
    Init,
    /// It has asked, and takes the first offer.
    Selecting,
    /// It has asked for what was offered.
    Requesting(Lease),
    /// It has got it, and asks the link whether somebody else uses the address.
    Checking(Lease, Times),
    Bound(Lease, Times),
    Renewing(Lease, Times),
    Rebinding(Lease, Times),
}

impl Machine {
    /// A client that asks within a second (RFC 2131 §4.4.1).
    pub(super) fn new(mac: MacAddr, seed: Seed, now: Instant) -> Self {
        let mut rng = seed.rng("dhcp");
        let delay = Duration::from_nanos(rng.below(1_000_000_000));
        Self {
            mac,
            xid: rng.next_u32(),
            rng,
            state: State::Init,
            due: now + delay,
            tries: 0,
            began: now,
            asked: now,
            has_fallen_back: false,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called; [`Instant::MAX`]: never.
    pub(super) const fn next(&self) -> Instant {
        self.due
    }

    /// Names what is being asked now.
    #[cfg(test)]
    pub(super) const fn xid(&self) -> u32 {
        self.xid
    }

    /// The lease that is in force.
    pub(super) const fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Bound(lease, _) | State::Renewing(lease, _) | State::Rebinding(lease, _) => {
                Some(lease)
            }
            State::Init | State::Selecting | State::Requesting(_) | State::Checking(..) => None,
        }
    }

    /// Whether a server is asked to extend the lease.
    pub(super) const fn extends(&self) -> bool {
        matches!(self.state, State::Renewing(..) | State::Rebinding(..))
    }

    /// The address that the link is asked about.
    pub(super) const fn checked(&self) -> Option<Ipv4Addr> {
        match &self.state {
            State::Checking(lease, _) => Some(lease.ip()),
            _ => None,
        }
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant, acts: &mut Vec<Act>) {
        if self.due > now {
            return;
        }
        match self.state.clone() {
            State::Init | State::Selecting => {
                self.state = State::Selecting;
                if self.tries >= UNANSWERED && !self.has_fallen_back {
                    self.has_fallen_back = true;
                    acts.push(Act::LinkLocal(true));
                }
                let mut discover = self.message(MessageType::Discover, now);
                answer_to_all(&mut discover);
                acts.push(Act::Shout(discover));
                self.wait_longer(now);
            }
            State::Requesting(_) if self.tries >= MAX_REQUESTS => self.begin_anew(now, now),
            State::Requesting(offer) => self.request(&offer, now, acts),
            State::Checking(lease, times) if self.tries >= PROBES => {
                acts.push(Act::Take(lease.clone()));
                self.withdraw(acts);
                self.due = times.renew;
                self.state = State::Bound(lease, times);
            }
            State::Checking(lease, _) => {
                acts.push(Act::Probe(lease.ip()));
                self.tries += 1;
                self.due = now + PROBE_INTERVAL;
            }
            State::Bound(lease, times) | State::Renewing(lease, times) if now < times.rebind => {
                self.state = State::Renewing(lease.clone(), times);
                self.extend(&lease, Some(lease.server), times.rebind, now, acts);
            }
            State::Bound(lease, times)
            | State::Renewing(lease, times)
            | State::Rebinding(lease, times)
                if now < times.end =>
            {
                self.state = State::Rebinding(lease.clone(), times);
                self.extend(&lease, None, times.end, now, acts);
            }
            State::Bound(..) | State::Renewing(..) | State::Rebinding(..) => {
                acts.push(Act::Give);
                self.begin_anew(now, now);
            }
        }
    }

    /// Takes in a message for this client.
    pub(super) fn handle_message(&mut self, told: &Message, now: Instant, acts: &mut Vec<Act>) {
        if told.xid() != self.xid {
            return;
        }
        let Some(&DhcpOption::MessageType(kind)) = told.opts().get(OptionCode::MessageType) else {
            return;
        };
        match (self.state.clone(), kind) {
            (State::Selecting, MessageType::Offer) => {
                if let Some(offer) = Lease::read(told) {
                    self.tries = 0;
                    self.request(&offer, now, acts);
                    self.state = State::Requesting(offer);
                }
            }
            (State::Requesting(offer), MessageType::Ack) => {
                let lease = Lease::read(told).filter(|lease| lease.server == offer.server);
                if let Some(lease) = lease {
                    self.check(told, lease, now);
                }
            }
            (State::Renewing(old, _) | State::Rebinding(old, _), MessageType::Ack) => {
                match Lease::read(told) {
                    Some(lease) if lease.address == old.address => {
                        let times = Times::read(told, &lease, self.asked);
                        acts.push(Act::Take(lease.clone()));
                        self.due = times.renew;
                        self.state = State::Bound(lease, times);
                    }
                    Some(lease) => {
                        acts.push(Act::Give);
                        self.check(told, lease, now);
                    }
                    None => {}
                }
            }
            (State::Requesting(offer), MessageType::Nak)
                if server_of(told) == Some(offer.server) =>
            {
                self.begin_anew(now + NAK_WAIT, now);
            }
            (State::Renewing(..) | State::Rebinding(..), MessageType::Nak) => {
                acts.push(Act::Give);
                self.begin_anew(now + NAK_WAIT, now);
            }
            _ => {}
        }
    }

    /// Somebody else on the link uses the address that is being checked, or leased: the server is told, and
    /// another one is asked for (RFC 2131 §3.1, 5).
    pub(super) fn handle_conflict(&mut self, now: Instant, acts: &mut Vec<Act>) {
        let lease = match &self.state {
            State::Checking(lease, _) => lease.clone(),
            State::Bound(lease, _) => {
                let lease = lease.clone();
                acts.push(Act::Give);
                lease
            }
            _ => return,
        };
        let mut decline = self.message(MessageType::Decline, now);
        let options = decline.opts_mut();
        options.insert(DhcpOption::RequestedIpAddress(lease.ip()));
        options.insert(DhcpOption::ServerIdentifier(lease.server));
        acts.push(Act::Shout(decline));
        self.begin_anew(now + DECLINE_WAIT, now);
    }

    /// Gives the lease back (RFC 2131 §4.4.6); the client does nothing any more.
    pub(super) fn release(&mut self, now: Instant, acts: &mut Vec<Act>) {
        if let Some(lease) = self.lease().cloned() {
            let mut release = self.message(MessageType::Release, now);
            release.set_ciaddr(lease.ip());
            let options = release.opts_mut();
            options.insert(DhcpOption::ServerIdentifier(lease.server));
            acts.push(Act::Send(release, Some(lease.server)));
            acts.push(Act::Give);
        }
        self.withdraw(acts);
        self.state = State::Init;
        self.due = Instant::MAX;
    }

    /// The interface needs no address of its link any more (RFC 3927 §2.11).
    fn withdraw(&mut self, acts: &mut Vec<Act>) {
        if std::mem::take(&mut self.has_fallen_back) {
            acts.push(Act::LinkLocal(false));
        }
    }

    /// Asks for what a server has offered.
    fn request(&mut self, offer: &Lease, now: Instant, acts: &mut Vec<Act>) {
        let mut request = self.message(MessageType::Request, now);
        answer_to_all(&mut request);
        let options = request.opts_mut();
        options.insert(DhcpOption::RequestedIpAddress(offer.ip()));
        options.insert(DhcpOption::ServerIdentifier(offer.server));
        acts.push(Act::Shout(request));
        self.asked = now;
        self.wait_longer(now);
    }

    /// Asks for more time, and again after half of what is left until `end`, but not before a minute
    /// (RFC 2131 §4.4.5).
    fn extend(
        &mut self,
        lease: &Lease,
        server: Option<Ipv4Addr>,
        end: Instant,
        now: Instant,
        acts: &mut Vec<Act>,
    ) {
        let mut request = self.message(MessageType::Request, now);
        request.set_ciaddr(lease.ip());
        acts.push(Act::Send(request, server));
        self.asked = now;
        let half = end.saturating_since(now) / 2;
        self.due = (now + half.max(MIN_EXTEND_WAIT)).min(end);
    }

    fn check(&mut self, told: &Message, lease: Lease, now: Instant) {
        let times = Times::read(told, &lease, self.asked);
        self.state = State::Checking(lease, times);
        self.tries = 0;
        self.due = now;
    }

    fn begin_anew(&mut self, due: Instant, now: Instant) {
        self.state = State::Init;
        self.xid = self.rng.next_u32();
        self.tries = 0;
        self.due = due;
        self.began = now;
    }

    /// Waits 4, 8, 16, 32, then 64 seconds, give or take one (RFC 2131 §4.1).
    fn wait_longer(&mut self, now: Instant) {
        let seconds = 4_u64 << self.tries.min(4);
        self.tries += 1;
        let nanos = (seconds - 1) * 1_000_000_000 + self.rng.below(2_000_000_000);
        self.due = now + Duration::from_nanos(nanos);
    }

    fn message(&self, kind: MessageType, now: Instant) -> Message {
        let secs = now.saturating_since(self.began).as_secs();
        message(
            self.mac,
            self.xid,
            u16::try_from(secs).unwrap_or(u16::MAX),
            kind,
        )
    }
}

fn server_of(told: &Message) -> Option<Ipv4Addr> {
    match told.opts().get(OptionCode::ServerIdentifier) {
        Some(&DhcpOption::ServerIdentifier(server)) => Some(server),
        _ => None,
    }
}

/// Questions without an answer, after about 12 seconds, upon which the interface chooses an address of its
/// link. RFC 3927 leaves that open.
const UNANSWERED: u32 = 2;
/// Requests for one offer, until others are asked for.
const MAX_REQUESTS: u32 = 4;
/// Questions whether somebody uses the address, and the time that each leaves for an answer. RFC 2131
/// §4.4.1 asks for a check, and leaves open how thorough it is.
const PROBES: u32 = 2;
const PROBE_INTERVAL: Duration = Duration::from_millis(500);
/// Between two questions for more time.
const MIN_EXTEND_WAIT: Duration = Duration::from_secs(60);
/// After an address that somebody else used (RFC 2131 §3.1, 5).
const DECLINE_WAIT: Duration = Duration::from_secs(10);
/// After a refusal, so that client and server do not refuse each other in a loop.
const NAK_WAIT: Duration = Duration::from_secs(1);
