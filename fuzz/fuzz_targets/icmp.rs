//! ICMP and ICMPv6: what was read means the same after it was written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use net_core::buf::HeadBuf;
use net_core::wire::{icmpv4, icmpv6};

fuzz_target!(|data: &[u8]| {
    if let Ok(message) = icmpv4::parse(data) {
        let mut head = HeadBuf::new();
        icmpv4::emit(&message, &mut head);
        assert_eq!(icmpv4::parse(&head), Ok(message));
    }
    if let Ok(message) = icmpv6::parse(data) {
        let mut head = HeadBuf::new();
        icmpv6::emit(&message, &mut head);
        assert_eq!(icmpv6::parse(&head), Ok(message));
    }
});
