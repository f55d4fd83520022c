//! TCP headers: what was read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use net_core::buf::HeadBuf;
use net_core::wire::TcpHeader;
use net_core::wire::transport::QuotedPorts;

fuzz_target!(|data: &[u8]| {
    let quoted = QuotedPorts::parse(data);
    let Ok(header) = TcpHeader::parse(data) else {
        return;
    };
    assert!((20..=data.len().min(60)).contains(&header.header_len));
    let ports = quoted.expect("a whole header has ports");
    assert_eq!(ports.source_port, header.source_port);
    assert_eq!(ports.seq, header.seq);
    let mut head = HeadBuf::new();
    let header_len = header.emit(&mut head);
    let again = TcpHeader::parse(&head).expect("our own header");
    assert_eq!(again.header_len, header_len);
    // Blocks that do not fit beside the other options are left out from the end.
    let kept = again.options.sack.as_slice();
    assert!(header.options.sack.as_slice().starts_with(kept));
    let mut expected = TcpHeader {
        header_len,
        ..header
    };
    expected.options.sack = again.options.sack;
    assert_eq!(again, expected);
});
