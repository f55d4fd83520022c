//! UDP headers: lengths stay within the packet, and what was read is written as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use net_core::buf::HeadBuf;
use net_core::wire::UdpHeader;

fuzz_target!(|data: &[u8]| {
    let Ok(header) = UdpHeader::parse(data, data.len()) else {
        return;
    };
    assert_eq!(header.payload_len(), usize::from(header.length) - 8);
    assert!(usize::from(header.length) <= data.len());
    let mut head = HeadBuf::new();
    header.emit(&mut head);
    assert_eq!(&head[..], &data[..8]);
});
