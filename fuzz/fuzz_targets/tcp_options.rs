//! TCP options: any bytes are read, and what was read is written in at most 40 bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use net_core::buf::HeadBuf;
use net_core::wire::TcpOptions;

fuzz_target!(|data: &[u8]| {
    let options = TcpOptions::parse(data);
    let mut head = HeadBuf::new();
    let len = options.emit(&mut head);
    assert_eq!(len, head.len());
    assert_eq!(len, options.emitted_len());
    assert!(len <= 40 && len.is_multiple_of(4));
    let again = TcpOptions::parse(&head);
    let kept = again.sack.as_slice();
    assert!(options.sack.as_slice().starts_with(kept));
    assert!(again.accurate_ecn.is_none() || again.accurate_ecn == options.accurate_ecn);
    assert!(again.fast_open.is_none() || again.fast_open == options.fast_open);
    assert_eq!(
        again,
        TcpOptions {
            sack: again.sack,
            fast_open: again.fast_open,
            accurate_ecn: again.accurate_ecn,
            ..options
        }
    );
});
