//! IPv6 extension headers (RFC 8200 §4): views of them, and the way along a chain.

use super::ip::Fragment;
use super::ipv6;
use crate::stats::DropReason;

/// Protocol number of the Hop-by-Hop Options header.
pub const HOP_BY_HOP: u8 = 0;
/// Protocol number of the Routing header.
pub const ROUTING: u8 = 43;
/// Protocol number of the Fragment header.
pub const FRAGMENT: u8 = 44;
/// The protocol number that says that nothing follows.
pub const NO_NEXT_HEADER: u8 = 59;
/// Protocol number of the Destination Options header.
pub const DESTINATION: u8 = 60;

/// Protocol number of the Authentication Header (RFC 4302).
pub const AUTHENTICATION: u8 = 51;
/// Protocol number of the Mobility Header (RFC 6275 §6.1).
pub const MOBILITY: u8 = 135;

/// Bytes of a Fragment header.
pub const FRAGMENT_LEN: usize = 8;

/// Headers that one chain may have; RFC 8504 §5.3 leaves the limit to us.
pub const MAX_HEADERS: usize = 8;

/// Bytes that all headers of a chain together may have.
pub const MAX_CHAIN: usize = 1024;

/// Whether the stack knows the extension header with this protocol number. The others, encryption
/// and mobility among them, are taken for protocols.
#[must_use]
pub const fn is_extension(protocol: u8) -> bool {
    matches!(protocol, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION)
}

/// One header of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Its own protocol number.
    pub kind: u8,
    /// Where in the packet the field is that names it.
    pub named_at: usize,
    /// Where in the packet it begins.
    pub at: usize,
    /// All of it, eight bytes at least; in a [whole](Chain::whole) chain what the packet has of it.
    pub bytes: &'a [u8],
}

impl Extension<'_> {
    /// Protocol number of what follows.
    #[must_use]
    pub fn next_header(&self) -> u8 {
        self.byte(0)
    }

    /// The byte at `offset`; 0 if there is none.
    #[must_use]
    pub fn byte(&self, offset: usize) -> u8 {
        self.bytes.get(offset).copied().unwrap_or(0)
    }

    /// Whether the packet ends within it.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.bytes.len() < stated_len(self.kind, self.bytes)
    }

    /// What a Fragment header says (RFC 8200 §4.5).
    #[must_use]
    pub fn fragment(&self) -> Fragment {
        let [high, low] = [self.byte(2), self.byte(3)];
        let field = u16::from_be_bytes([high, low]);
        Fragment {
            offset: field & 0xfff8,
            more: field & 1 == 1,
            id: u32::from_be_bytes([self.byte(4), self.byte(5), self.byte(6), self.byte(7)]),
        }
    }

    /// The options of a Hop-by-Hop or Destination Options header.
    #[must_use]
    pub fn options(&self) -> Options<'_> {
        Options {
            bytes: self.bytes,
            next: 2,
        }
    }
}

/// The headers between the IPv6 header of a packet and its protocol, in order.
///
/// It ends at the first header that is no extension, or, with an error, at one that is cut off or
/// exceeds [`MAX_HEADERS`] or [`MAX_CHAIN`].
#[derive(Debug, Clone)]
pub struct Chain<'a> {
    packet: &'a [u8],
    kind: u8,
    named_at: usize,
    at: usize,
    /// So many headers may come yet; `None` for a [whole](Self::whole) chain.
    left: Option<usize>,
}

impl<'a> Chain<'a> {
    /// The chain of a packet that begins with an IPv6 header, which must be there.
    #[must_use]
    pub fn new(packet: &'a [u8]) -> Self {
        let at = ipv6::NEXT_HEADER_OFFSET;
        let kind = packet.get(at).copied().unwrap_or(NO_NEXT_HEADER);
        Self::behind(packet, kind, at, ipv6::HEADER_LEN)
    }

    /// The chain of such a packet for who looks for something in it, as Linux does it: it has as many headers as
    /// lie in the packet, of eight bytes at least each, and the last may be cut off behind its first bytes.
    #[must_use]
    pub fn whole(packet: &'a [u8]) -> Self {
        let left = None;
        Self {
            left,
            ..Self::new(packet)
        }
    }

    /// The chain from `at` on; its first header is of the protocol `kind`, as the field at
    /// `named_at` says.
    #[must_use]
    pub const fn behind(packet: &'a [u8], kind: u8, named_at: usize, at: usize) -> Self {
        Self {
            packet,
            kind,
            named_at,
            at,
            left: Some(MAX_HEADERS),
        }
    }

    /// Protocol number of what comes next: once the chain has ended, the packet's protocol.
    #[must_use]
    pub const fn protocol(&self) -> u8 {
        self.kind
    }

    /// Where in the packet the field is that names what comes next.
    #[must_use]
    pub const fn named_at(&self) -> usize {
        self.named_at
    }

    /// Where in the packet what comes next begins.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Goes to the end; the chain stands behind its last header then.
    ///
    /// # Errors
    /// As the chain ends with.
    pub fn skip_all(mut self) -> Result<Self, DropReason> {
        for header in self.by_ref() {
            header?;
        }
        Ok(self)
    }
}

impl<'a> Iterator for Chain<'a> {
    type Item = Result<Extension<'a>, DropReason>;

    fn next(&mut self) -> Option<Self::Item> {
        if !is_extension(self.kind) {
            return None;
        }
        let header = self.read();
        match header {
            Ok(header) => {
                self.named_at = header.at;
                self.at += header.bytes.len();
                self.kind = header.next_header();
                self.left = self.left.map(|left| left - 1);
            }
            // Whoever asks again is at the end.
            Err(_) => self.kind = NO_NEXT_HEADER,
        }
        Some(header)
    }
}

impl<'a> Chain<'a> {
    fn read(&self) -> Result<Extension<'a>, DropReason> {
        if self.left == Some(0) {
            return Err(DropReason::ExtensionHeader);
        }
        let rest = self.packet.get(self.at..).ok_or(DropReason::Truncated)?;
        let least = match self.kind {
            ROUTING | FRAGMENT => 4,
            _ => 2,
        };
        if rest.len() < least {
            return Err(DropReason::Truncated);
        }
        let len = stated_len(self.kind, rest);
        let bytes = match (self.left, rest.get(..len)) {
            (Some(_), _) if self.at + len > ipv6::HEADER_LEN + MAX_CHAIN => {
                return Err(DropReason::ExtensionHeader);
            }
            (_, Some(bytes)) => bytes,
            (Some(_), None) => return Err(DropReason::Truncated),
            (None, None) => rest,
        };
        Ok(Extension {
            kind: self.kind,
            named_at: self.named_at,
            at: self.at,
            bytes,
        })
    }
}

/// How long a header of this kind is that begins so; if its second byte is not there, as long as it is at least.
fn stated_len(kind: u8, bytes: &[u8]) -> usize {
    let units = bytes.get(1).copied().map_or(0, usize::from);
    match kind {
        FRAGMENT => FRAGMENT_LEN,
        // In units of four bytes less two (RFC 4302 §2.2).
        AUTHENTICATION => (units + 2) * 4,
        _ => (units + 1) * 8,
    }
}

/// Where in a packet the first header of each kind is: of the extensions, the Authentication Header, past which
/// others are looked for too, and the Mobility Header, the last of its chain.
///
/// They are looked for as Linux does it: to the end of the packet, whatever [`MAX_HEADERS`] says. Behind the
/// header of a later fragment there is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Places {
    /// In the order of [`KINDS`]; 0, where the IPv6 header is, for those that are not there.
    first: [usize; KINDS.len()],
}

impl Places {
    /// Goes along the headers of a packet that begins with an IPv6 header.
    #[must_use]
    pub fn of(packet: &[u8]) -> Self {
        let mut places = Self::default();
        let mut chain = Chain::whole(packet);
        loop {
            for header in chain.by_ref() {
                let Ok(header) = header else {
                    return places;
                };
                places.note(header.kind, header.at);
                if header.kind == FRAGMENT && header.fragment().offset != 0 {
                    return places;
                }
            }
            let (last, at) = (chain.protocol(), chain.position());
            let rest = packet.get(at..).unwrap_or_default();
            match (last, rest) {
                (AUTHENTICATION, &[next, _, ..]) => {
                    places.note(last, at);
                    let behind = (at + stated_len(last, rest)).min(packet.len());
                    chain = Chain {
                        left: None,
                        ..Chain::behind(packet, next, at, behind)
                    };
                }
                (MOBILITY, _) => {
                    places.note(last, at);
                    return places;
                }
                _ => return places,
            }
        }
    }

    /// The first header of a kind in the packet that this was made of, and what is behind it:
    /// who reads beyond the length that it states reads that, as in Linux.
    #[must_use]
    pub fn find<'a>(&self, packet: &'a [u8], kind: u8) -> Option<&'a [u8]> {
        let mut places = KINDS.iter().zip(self.first);
        let (_, at) = places.find(|(known, at)| **known == kind && *at > 0)?;
        packet.get(at..)
    }

    fn note(&mut self, kind: u8, at: usize) {
        let mut places = KINDS.iter().zip(&mut self.first);
        let place = places.find(|(known, _)| **known == kind);
        if let Some((_, first @ 0)) = place {
            *first = at;
        }
    }
}

/// The headers that are looked for.
const KINDS: [u8; 6] = [
    HOP_BY_HOP,
    ROUTING,
    FRAGMENT,
    AUTHENTICATION,
    DESTINATION,
    MOBILITY,
];

/// Where a packet with an IPv6 header at its front may be cut: behind the headers that every router
/// has to see (the "Per-Fragment headers" of RFC 8200 §4.5), and where the field is that names what
/// comes there.
///
/// # Errors
/// As for [`Chain`].
pub fn unfragmentable(packet: &[u8]) -> Result<(usize, usize), DropReason> {
    let mut chain = Chain::new(packet);
    let mut end = (chain.position(), chain.named_at());
    while let Some(header) = chain.next() {
        let header = header?;
        if matches!(header.kind, HOP_BY_HOP | ROUTING) {
            end = (chain.position(), chain.named_at());
        } else if header.kind == FRAGMENT {
            break;
        }
    }
    Ok(end)
}

/// The eight bytes of a Fragment header in front of the protocol `next_header`.
#[must_use]
pub fn fragment_header(next_header: u8, fragment: Fragment) -> [u8; FRAGMENT_LEN] {
    let [high, low] = (fragment.offset & 0xfff8 | u16::from(fragment.more)).to_be_bytes();
    let [a, b, c, d] = fragment.id.to_be_bytes();
    [next_header, 0, high, low, a, b, c, d]
}

/// An option of a Hop-by-Hop or Destination Options header (RFC 8200 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtensionOption<'a> {
    /// Its type; the two highest bits say what to do if nobody knows it.
    pub kind: u8,
    /// Where in its header it begins.
    pub at: usize,
    /// Its data.
    pub data: &'a [u8],
}

/// What to do with a packet that has an option which nobody knows (RFC 8200 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownAction {
    /// Go on behind the option.
    Skip,
    /// Drop the packet.
    Discard,
    /// Drop it, and report a parameter problem to its source.
    Report,
    /// Drop it, and report unless the packet was to many.
    ReportUnicast,
}

impl ExtensionOption<'_> {
    /// One byte of padding.
    pub const PAD1: u8 = 0;
    /// Several bytes of padding.
    pub const PADN: u8 = 1;
    /// Routers are to look at the packet (RFC 2711).
    pub const ROUTER_ALERT: u8 = 5;
    /// The length of a packet of over 65,535 bytes (RFC 2675).
    pub const JUMBO: u8 = 0xc2;

    /// What to do if the option is not known.
    #[must_use]
    pub const fn unknown_action(&self) -> UnknownAction {
        match self.kind >> 6 {
            0 => UnknownAction::Skip,
            1 => UnknownAction::Discard,
            2 => UnknownAction::Report,
            _ => UnknownAction::ReportUnicast,
        }
    }
}

/// The options of a header in order; ends with an error at one that is cut off.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    bytes: &'a [u8],
    next: usize,
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<ExtensionOption<'a>, DropReason>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.next;
        let (&kind, rest) = self.bytes.get(at..)?.split_first()?;
        let data = match rest {
            _ if kind == ExtensionOption::PAD1 => {
                self.next = at + 1;
                Some(&rest[..0])
            }
            [len, data @ ..] => {
                let len = usize::from(*len);
                self.next = at + 2 + len;
                data.get(..len)
            }
            [] => None,
        };
        let Some(data) = data else {
            self.next = self.bytes.len();
            return Some(Err(DropReason::ExtensionHeader));
        };
        Some(Ok(ExtensionOption { kind, at, data }))
    }
}
