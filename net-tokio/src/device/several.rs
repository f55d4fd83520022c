//! Several packets in a system call (Linux).

use net_core::stack::MAX_TX_BATCH;
use rustix::io::Errno;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};
use smallvec::SmallVec;
use std::io::IoSlice;
use std::os::fd::AsFd;

/// Sends packets of these lengths that lie one behind the other in `flat`, by one system call that does
/// not wait; how many the host has taken.
///
/// # Errors
/// What `sendmmsg` says about the first.
pub(super) fn send_each(fd: impl AsFd, flat: &[u8], lens: &[usize]) -> Result<usize, Errno> {
    let mut rest = flat;
    let pieces: SmallVec<[_; MAX_TX_BATCH]> = lens
        .iter()
        .map(|&len| {
            let (packet, behind) = rest.split_at(len);
            rest = behind;
            [IoSlice::new(packet)]
        })
        .collect();
    let mut nothing: SmallVec<[_; MAX_TX_BATCH]> = lens
        .iter()
        .map(|_| SendAncillaryBuffer::default())
        .collect();
    let mut messages: SmallVec<[_; MAX_TX_BATCH]> = pieces
        .iter()
        .zip(&mut nothing)
        .map(|(piece, nothing)| MMsgHdr::new(piece, nothing))
        .collect();
    sendmmsg(fd, &mut messages, SendFlags::DONTWAIT)
}
