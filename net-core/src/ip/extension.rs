//! What the destination of an IPv6 packet does with its extension headers (RFC 8200 §4).

use crate::stats::DropReason;
use crate::wire::ip::Fragment;
use crate::wire::ipv6_ext::{
    Chain, DESTINATION, Extension, ExtensionOption, FRAGMENT, HOP_BY_HOP, NO_NEXT_HEADER, ROUTING,
    UnknownAction,
};
use crate::wire::{IpHeader, icmpv6, ip, ipv6, ndp, tcp, udp};

/// Options that one header may have beside padding; RFC 8504 §5.3 leaves the limit to us.
const MAX_OPTIONS: usize = 8;

/// Bytes of padding in a row that a header may have: enough to align anything (RFC 8504 §5.3).
const MAX_PADDING: usize = 7;

/// Where a chain of extension headers has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChainEnd {
    /// The protocol of what is there.
    pub(crate) protocol: u8,
    /// Where in the packet that begins.
    pub(crate) position: usize,
    /// The packet is a fragment, and what is there a part of something.
    pub(crate) fragment: Option<Fragment>,
    /// Which field of the packet names `protocol`, or the Fragment header if it is a fragment.
    pub(crate) named_at: usize,
}

impl ChainEnd {
    /// The header of the packet, whose end is moved behind the chain; `None` where the packet says that it
    /// ends before.
    pub(crate) fn moved(&self, header: &IpHeader) -> Option<IpHeader> {
        Some(IpHeader {
            payload_len: header.total_len().checked_sub(self.position)?,
            header_len: self.position,
            protocol: self.protocol,
            fragment: self.fragment,
            ..*header
        })
    }
}

/// Why a chain led nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What to count the packet under.
    pub(crate) reason: DropReason,
    /// What to tell its source.
    pub(crate) problem: Option<Problem>,
}

/// A parameter problem (RFC 4443 §3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Problem {
    /// What about it.
    pub(crate) code: u8,
    /// The byte of the packet that it is about.
    pub(crate) pointer: usize,
    /// It is reported although the packet was to many.
    pub(crate) although_to_many: bool,
}

impl From<DropReason> for Refusal {
    fn from(reason: DropReason) -> Self {
        Self {
            reason,
            problem: None,
        }
    }
}

impl Refusal {
    fn report(reason: DropReason, code: u8, pointer: usize) -> Self {
        let although_to_many = false;
        Self {
            reason,
            problem: Some(Problem {
                code,
                pointer,
                although_to_many,
            }),
        }
    }
}

/// Reads the extension headers of a packet that has arrived where it was to go, up to its protocol or
/// to a Fragment header. A fragment that is all of its packet is no fragment (RFC 6946), though what it
/// says of neighbours does not count (RFC 6980 §5).
///
/// # Errors
/// Why the packet is to be dropped, and whether its source is to be told.
pub(crate) fn read_chain(frame: &[u8], header: &IpHeader) -> Result<ChainEnd, Refusal> {
    let mut chain = Chain::new(frame);
    let mut has_fragment_header = false;
    while let Some(extension) = chain.next() {
        let extension = extension?;
        match extension.kind {
            // Only directly behind the IPv6 header (RFC 8200 §4.1).
            HOP_BY_HOP if extension.at != ipv6::HEADER_LEN => {
                return Err(Refusal::report(
                    DropReason::ExtensionHeader,
                    icmpv6::UNKNOWN_NEXT_HEADER,
                    extension.named_at,
                ));
            }
            HOP_BY_HOP | DESTINATION => read_options(&extension)?,
            ROUTING => read_routing(&extension)?,
            FRAGMENT => {
                let place = extension.fragment();
                has_fragment_header = true;
                if place.offset == 0 && place.more {
                    check_first(frame, header, chain.clone())?;
                }
                if place.offset != 0 || place.more {
                    return Ok(ChainEnd {
                        protocol: chain.protocol(),
                        position: chain.position(),
                        fragment: Some(place),
                        named_at: extension.named_at,
                    });
                }
            }
            _ => {}
        }
    }
    if chain.protocol() == NO_NEXT_HEADER {
        return Err(DropReason::NoNextHeader.into());
    }
    if has_fragment_header {
        check_no_ndp(frame, &chain)?;
    }
    Ok(ChainEnd {
        protocol: chain.protocol(),
        position: chain.position(),
        fragment: None,
        named_at: chain.named_at(),
    })
}

/// RFC 8200 §4.2. No option beside padding asks for anything of a host that is no router.
fn read_options(extension: &Extension<'_>) -> Result<(), Refusal> {
    let (mut count, mut padding) = (0, 0);
    for option in extension.options() {
        let option = option?;
        match option.kind {
            ExtensionOption::PAD1 => padding += 1,
            ExtensionOption::PADN => padding += 2 + option.data.len(),
            _ => {
                padding = 0;
                count += 1;
                if !is_known(extension, &option) {
                    refuse_unknown(extension, &option)?;
                }
            }
        }
        if count > MAX_OPTIONS || padding > MAX_PADDING {
            return Err(DropReason::ExtensionHeader.into());
        }
    }
    Ok(())
}

/// Whether an option is one to pass over knowingly.
fn is_known(extension: &Extension<'_>, option: &ExtensionOption<'_>) -> bool {
    extension.kind == HOP_BY_HOP && option.kind == ExtensionOption::ROUTER_ALERT
}

fn refuse_unknown(extension: &Extension<'_>, option: &ExtensionOption<'_>) -> Result<(), Refusal> {
    let action = option.unknown_action();
    let although_to_many = action == UnknownAction::Report;
    let problem = Some(Problem {
        code: icmpv6::UNKNOWN_OPTION,
        pointer: extension.at + option.at,
        although_to_many,
    });
    match action {
        UnknownAction::Skip => Ok(()),
        UnknownAction::Discard => Err(DropReason::UnknownOption.into()),
        UnknownAction::Report | UnknownAction::ReportUnicast => Err(Refusal {
            reason: DropReason::UnknownOption,
            problem,
        }),
    }
}

/// RFC 8200 §4.4: a route that has been gone to its end says nothing any more; one that has not is
/// of a type that nobody knows, which type 0 is to be, too (RFC 5095 §3).
fn read_routing(extension: &Extension<'_>) -> Result<(), Refusal> {
    const TYPE: usize = 2;
    const SEGMENTS_LEFT: usize = 3;
    if extension.byte(SEGMENTS_LEFT) == 0 {
        return Ok(());
    }
    Err(Refusal::report(
        DropReason::SourceRoute,
        icmpv6::ERRONEOUS_FIELD,
        extension.at + TYPE,
    ))
}

/// The first fragment has to have every header, so that who sees it alone can tell what it is
/// (RFC 7112 §5).
fn check_first(frame: &[u8], header: &IpHeader, behind: Chain<'_>) -> Result<(), Refusal> {
    let incomplete = Refusal::report(
        DropReason::TinyFragment,
        icmpv6::INCOMPLETE_FIRST_FRAGMENT,
        0,
    );
    let end = match behind.skip_all() {
        Ok(end) => end,
        Err(DropReason::Truncated) => return Err(incomplete),
        Err(reason) => return Err(reason.into()),
    };
    debug_assert!(end.position() <= frame.len());
    let needed = end.position() + transport_header_len(end.protocol());
    if header.total_len() < needed {
        return Err(incomplete);
    }
    check_no_ndp(frame, &end)?;
    Ok(())
}

/// Neighbour discovery never comes in fragments: nobody could watch who says what (RFC 6980 §5). Without
/// the first fragment, which says so, the others are of no use.
fn check_no_ndp(frame: &[u8], end: &Chain<'_>) -> Result<(), DropReason> {
    let kind = frame.get(end.position());
    if end.protocol() == ip::ICMPV6 && kind.is_some_and(|&kind| ndp::is_ndp(kind)) {
        return Err(DropReason::Ndp);
    }
    Ok(())
}

/// Bytes that a header of the protocol has at least.
pub(crate) const fn transport_header_len(protocol: u8) -> usize {
    match protocol {
        ip::TCP => tcp::MIN_HEADER_LEN,
        ip::UDP => udp::HEADER_LEN,
        ip::ICMP | ip::ICMPV6 => crate::wire::icmp::HEADER_LEN,
        _ => 0,
    }
}
