//! IP headers: what was read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use net_core::buf::HeadBuf;
use net_core::wire::IpHeader;

fuzz_target!(|data: &[u8]| {
    let _ = IpHeader::parse_quoted(data);
    let mut packet = data.to_vec();
    fuzz::repair_ipv4(&mut packet);
    let Ok(header) = IpHeader::parse(&packet, packet.len()) else {
        return;
    };
    assert!(header.header_len <= packet.len() && header.total_len() <= packet.len());
    let mut head = HeadBuf::new();
    header.emit(&mut head);
    let expected = IpHeader {
        header_len: head.len(),
        ..header
    };
    assert_eq!(IpHeader::parse(&head, expected.total_len()), Ok(expected));
});
