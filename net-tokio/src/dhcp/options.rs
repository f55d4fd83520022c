//! Reading a server's message so that an option which is wrong spoils no other (RFC 2131 §4.1, RFC 3396).

use super::lease::REQUESTED;
use dhcproto::v4::{DhcpOption, Message, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable};
use std::collections::BTreeMap;

/// Reads a message of a server; `None` for what is none. It has the options that a client reads, and those
/// of them that make sense.
pub(super) fn read(bytes: &[u8]) -> Option<Message> {
    let (fixed, options) = bytes.split_at_checked(FIXED_LEN)?;
    let is_reply = fixed.first() == Some(&BOOTREPLY) && fixed.get(2) == Some(&HARDWARE_LEN);
    if !is_reply || !fixed.ends_with(&MAGIC_COOKIE) {
        return None;
    }
    let mut message = Message::decode(&mut Decoder::new(fixed)).ok()?;
    let mut all = Parts::new();
    collect(options, &mut all);
    // Where there was no room, options are in the fields of the boot file and the server's name (RFC 2132 §9.3).
    let overload = all.remove(&OPTION_OVERLOAD).unwrap_or_default();
    let overload = overload.first().copied().unwrap_or(0);
    for (bit, field) in [(1, BOOT_FILE), (2, SERVER_NAME)] {
        if overload & bit != 0 {
            collect(fixed.get(field).unwrap_or_default(), &mut all);
        }
    }
    let known = [OptionCode::MessageType, OptionCode::ServerIdentifier];
    for code in known.into_iter().chain(REQUESTED) {
        let option = all.get(&code.into()).and_then(|data| option(code, data));
        if let Some(option) = option {
            message.opts_mut().insert(option);
        }
    }
    Some(message)
}

/// What belongs to each option, in the order in which it came: parts of one follow each other (RFC 3396 §5).
type Parts = BTreeMap<u8, Vec<u8>>;

/// Collects the options in one field, up to its end, or to one that does not fit in.
fn collect(mut field: &[u8], all: &mut Parts) {
    while let Some((&code, rest)) = field.split_first() {
        field = match code {
            PAD => rest,
            END => return,
            _ => {
                let Some((&len, rest)) = rest.split_first() else {
                    return;
                };
                let Some((data, rest)) = rest.split_at_checked(len.into()) else {
                    return;
                };
                all.entry(code).or_default().extend_from_slice(data);
                rest
            }
        };
    }
}

/// An option of that content; `None` where that is too short, or has something behind it. Names may be written
/// in several ways.
fn option(code: OptionCode, data: &[u8]) -> Option<DhcpOption> {
    let parts = data.chunks(usize::from(u8::MAX)).map(|part| {
        let len = u8::try_from(part.len()).unwrap_or(u8::MAX);
        [&[code.into(), len], part].concat()
    });
    let bytes: Vec<u8> = parts.flatten().collect();
    let option = DhcpOption::decode(&mut Decoder::new(&bytes)).ok()?;
    let is_whole =
        code == OptionCode::DomainSearch || option.to_vec().is_ok_and(|again| again == bytes);
    is_whole.then_some(option)
}

/// Bytes in front of the options, with the magic cookie.
const FIXED_LEN: usize = 240;
const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];
const BOOTREPLY: u8 = 2;
/// Bytes of an address of Ethernet.
const HARDWARE_LEN: u8 = 6;
const SERVER_NAME: std::ops::Range<usize> = 44..108;
const BOOT_FILE: std::ops::Range<usize> = 108..236;
const PAD: u8 = 0;
const END: u8 = 255;
const OPTION_OVERLOAD: u8 = 52;
