//! Neighbour discovery: what was read means the same after it was written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use net_core::wire::{NdpMessage, NdpOption};

fuzz_target!(|data: &[u8]| {
    let Ok((message, options)) = NdpMessage::parse(data) else {
        return;
    };
    let options: Vec<NdpOption<'_>> = options.into_iter().collect();
    let mut out = Vec::new();
    message.emit(&options, &mut out);
    let (again, read) = NdpMessage::parse(&out).expect("our own");
    assert_eq!(again, message);
    assert_eq!(read.into_iter().collect::<Vec<_>>(), options);
});
