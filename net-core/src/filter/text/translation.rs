//! What a flow is translated to.

use super::TextError;
use super::tokens::Tokens;
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

fn target(
    translation: &mut Translation,
    by_address: bool,
    tokens: &mut Tokens<'_>,
) -> Result<(), TextError> {
    let mut ports = None;
    if tokens.take_sign("[") {
        let word = tokens.word("an address")?;
        translation.addresses = Some(addresses(word, tokens)?);
        tokens.expect_sign("]")?;
        ports = Some(tokens.word("ports")?);
    } else {
        let word = tokens.word("an address or ports")?;
        // Two colons are in every IPv6 address.
        let (front, behind) = match word.split_once(':') {
            Some((front, behind)) if !behind.contains(':') => (front, Some(behind)),
            _ => (word, None),
        };
        if !front.is_empty() {
            translation.addresses = Some(addresses(front, tokens)?);
        }
        ports = behind.or(ports);
    }
    if translation.addresses.is_some() && !by_address {
        return Err(tokens.error("ports go here: :1024-65535"));
    }
    if let Some(word) = ports {
        let word = word.strip_prefix(':').unwrap_or(word);
        let (low, high) = word.split_once('-').unwrap_or((word, word));
        let ends = low.parse().ok().zip(high.parse().ok());
        let ends = ends.filter(|(low, high): &(u16, u16)| low <= high && *low > 0);
        let wrong = || tokens.error("ports go here: 80 or 1024-65535");
        translation.ports = Some(ends.ok_or_else(wrong)?);
    }
    Ok(())
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
        if let Some((first, last)) = self.addresses {
            let brackets = first.is_ipv6() && self.ports.is_some();
            f.write_str(if brackets { "[" } else { "" })?;
            write!(f, "{first}")?;
            if first != last {
                write!(f, "-{last}")?;
            }
            f.write_str(if brackets { "]" } else { "" })?;
        }
        match self.ports {
            Some((low, high)) if low == high => write!(f, ":{low}")?,
            Some((low, high)) => write!(f, ":{low}-{high}")?,
            None => {}
        }
        let independent = if self.endpoint_independent {
            " endpoint-independent"
        } else {
            ""
        };
        f.write_str(independent)
    }
}
