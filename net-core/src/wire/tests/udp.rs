use super::{bytes, cases};
use crate::buf::HeadBuf;
use crate::stats::DropReason;
use crate::wire::UdpHeader;
use proptest::prelude::*;

#[test]
fn refuses_lengths_that_cannot_be() {
    let header = [0, 1, 0, 2, 0, 7, 0, 0];
    assert_eq!(
        UdpHeader::parse(&header, 8),
        Err(DropReason::TransportHeader)
    );
    let header = [0, 1, 0, 2, 0, 9, 0, 0];
    assert_eq!(UdpHeader::parse(&header, 8), Err(DropReason::Truncated));
    assert_eq!(
        UdpHeader::parse(&header[..7], 7),
        Err(DropReason::Truncated)
    );
    assert_eq!(
        UdpHeader::parse(&header, 9).map(|header| header.payload_len()),
        Ok(1)
    );
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn what_is_emitted_is_read_back(numbers in any::<(u16, u16, u16)>(), length in 8_u16..) {
        let (source_port, dest_port, checksum) = numbers;
        let header = UdpHeader { source_port, dest_port, length, checksum };
        let mut head = HeadBuf::new();
        header.emit(&mut head);
        prop_assert_eq!(UdpHeader::parse(&head, usize::from(length)), Ok(header));
        let (theirs, _) = etherparse::UdpHeader::from_slice(&head).expect("etherparse reads it");
        prop_assert_eq!(theirs.source_port, source_port);
        prop_assert_eq!(theirs.destination_port, dest_port);
        prop_assert_eq!(theirs.length, length);
        prop_assert_eq!(theirs.checksum, checksum);
    }

    #[test]
    fn no_bytes_make_it_panic(segment in bytes(20), payload_len in any::<usize>()) {
        let _: Result<_, _> = UdpHeader::parse(&segment, payload_len);
    }
}
