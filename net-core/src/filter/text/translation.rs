//! What a flow is translated to, and whom a packet is given to.

use super::TextError;
use super::tokens::Tokens;
use crate::filter::Tproxy;
use crate::nat::{Translation, TranslationKind};
use core::fmt::{self, Display, Formatter};
use core::net::IpAddr;

/// What the first word of a translation stands for.
pub(super) fn kind_of(word: &str) -> TranslationKind {
    match word {
        "snat" => TranslationKind::Source,
        "masquerade" => TranslationKind::Masquerade,
        "dnat" => TranslationKind::Dest,
        _ => TranslationKind::Redirect,
    }
}

/// `[[ip|ip6] to [ADDRESS[-ADDRESS]][:PORT[-PORT]]] [endpoint-independent]`.
pub(super) fn translation(
    kind: TranslationKind,
    tokens: &mut Tokens<'_>,
) -> Result<Translation, TextError> {
    let mut translation = Translation {
        kind,
        addresses: None,
        ports: None,
        endpoint_independent: false,
    };
    let by_address = matches!(kind, TranslationKind::Source | TranslationKind::Dest);
    if by_address && !tokens.take_word("ip") {
        tokens.take_word("ip6");
    }
    if tokens.take_word("to") {
        target(&mut translation, by_address, tokens)?;
    } else if by_address {
        tokens.next();
        return Err(tokens.error("to goes here"));
    }
    let of_source = matches!(kind, TranslationKind::Source | TranslationKind::Masquerade);
    translation.endpoint_independent = of_source && tokens.take_word("endpoint-independent");
    Ok(translation)
}

/// `tproxy [[ip|ip6] to [ADDRESS][:PORT]]`, behind its first word.
pub(super) fn tproxy(tokens: &mut Tokens<'_>) -> Result<Tproxy, TextError> {
    let named = tokens.take_word("ip") || tokens.take_word("ip6");
    if !tokens.take_word("to") {
        if named {
            tokens.next();
            return Err(tokens.error("to goes here"));
        }
        return Ok(Tproxy::default());
    }
    let (addresses, ports) = place(tokens)?;
    let is_one = addresses.is_none_or(|(first, last)| first == last)
        && ports.is_none_or(|(first, last)| first == last);
    if !is_one {
        return Err(tokens.error("one socket goes here: ADDRESS:PORT"));
    }
    Ok(Tproxy {
        address: addresses.map(|(address, _)| address),
        port: ports.map(|(port, _)| port),
    })
}

fn target(
    translation: &mut Translation,
    by_address: bool,
    tokens: &mut Tokens<'_>,
) -> Result<(), TextError> {
    (translation.addresses, translation.ports) = place(tokens)?;
    if translation.addresses.is_some() && !by_address {
        return Err(tokens.error("ports go here: :1024-65535"));
    }
    Ok(())
}

/// The first and the last of some addresses, and of some ports.
type Place = (Option<(IpAddr, IpAddr)>, Option<(u16, u16)>);

/// `[ADDRESS[-ADDRESS]][:PORT[-PORT]]`, an IPv6 address in brackets if ports follow.
fn place(tokens: &mut Tokens<'_>) -> Result<Place, TextError> {
    let (addressed, ports);
    if tokens.take_sign("[") {
        let word = tokens.word("an address")?;
        addressed = Some(addresses(word, tokens)?);
        tokens.expect_sign("]")?;
        ports = Some(tokens.word("ports")?);
    } else {
        let word = tokens.word("an address or ports")?;
        // Two colons are in every IPv6 address.
        let (front, behind) = match word.split_once(':') {
            Some((front, behind)) if !behind.contains(':') => (front, Some(behind)),
            _ => (word, None),
        };
        addressed = match front {
            "" => None,
            word => Some(addresses(word, tokens)?),
        };
        ports = behind;
    }
    let ports = ports.map(|word| {
        let word = word.strip_prefix(':').unwrap_or(word);
        let (low, high) = word.split_once('-').unwrap_or((word, word));
        let ends = low.parse().ok().zip(high.parse().ok());
        let ends = ends.filter(|(low, high): &(u16, u16)| low <= high && *low > 0);
        ends.ok_or_else(|| tokens.error("ports go here: 80 or 1024-65535"))
    });
    Ok((addressed, ports.transpose()?))
}

fn addresses(word: &str, tokens: &Tokens<'_>) -> Result<(IpAddr, IpAddr), TextError> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let ends = first.parse().ok().zip(last.parse().ok());
    let ends = ends.filter(|(first, last): &(IpAddr, IpAddr)| {
        first.is_ipv4() == last.is_ipv4() && first <= last
    });
    ends.ok_or_else(|| tokens.error(format_args!("\"{word}\" is no address or range")))
}

impl Display for Translation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TranslationKind::Source => "snat",
            TranslationKind::Masquerade => "masquerade",
            TranslationKind::Dest => "dnat",
            TranslationKind::Redirect => "redirect",
        })?;
        if self.addresses.is_some() || self.ports.is_some() {
            f.write_str(" to ")?;
        }
        show_place(self.addresses, self.ports, f)?;
        let independent = if self.endpoint_independent {
            " endpoint-independent"
        } else {
            ""
        };
        f.write_str(independent)
    }
}

impl Display for Tproxy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("tproxy")?;
        if *self != Self::default() {
            f.write_str(" to ")?;
        }
        let address = self.address.map(|address| (address, address));
        show_place(address, self.port.map(|port| (port, port)), f)
    }
}

/// Writes what [`place`] reads.
fn show_place(
    addresses: Option<(IpAddr, IpAddr)>,
    ports: Option<(u16, u16)>,
    f: &mut Formatter<'_>,
) -> fmt::Result {
    if let Some((first, last)) = addresses {
        let brackets = first.is_ipv6() && ports.is_some();
        f.write_str(if brackets { "[" } else { "" })?;
        write!(f, "{first}")?;
        if first != last {
            write!(f, "-{last}")?;
        }
        f.write_str(if brackets { "]" } else { "" })?;
    }
    match ports {
        Some((low, high)) if low == high => write!(f, ":{low}"),
        Some((low, high)) => write!(f, ":{low}-{high}"),
        None => Ok(()),
    }
}
