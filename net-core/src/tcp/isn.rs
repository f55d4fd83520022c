//! Initial sequence numbers (RFC 6528) and timestamp offsets, both keyed by the stack's secret.

use super::SeqNum;
use crate::config::TcpConfig;
use crate::must::must;
use crate::seed::{Key, Seed};
use crate::socket::FlowKey;
use crate::time::Instant;
use crate::wire::FastOpenCookie;

/// The secrets of TCP's numbers.
#[derive(Debug)]
pub(crate) struct Secrets {
    isn: Key,
    timestamps: Key,
    cookies: Key,
    fast_open: Key,
}

impl Secrets {
    pub(crate) fn new(seed: Seed) -> Self {
        Self {
            isn: seed.key("tcp isn"),
            timestamps: seed.key("tcp timestamps"),
            cookies: seed.key("tcp syn cookies"),
            fast_open: seed.key("tcp fast open"),
        }
    }

    /// ISN = M + F(localip, localport, remoteip, remoteport, secretkey), M ticking every 4 µs.
    pub(crate) fn isn(&self, key: &FlowKey, now: Instant) -> SeqNum {
        #[expect(clippy::cast_possible_truncation, reason = "both wrap at 32 bits")]
        let (secret, clock) = (
            self.isn.prf(key.as_bytes()) as u32,
            (now.as_micros() / 4) as u32,
        );
        let secret = if must("9293 MUST-9") { secret } else { 0 };
        let clock = if must("9293 MUST-8") { clock } else { 0 };
        SeqNum::new(secret.wrapping_add(clock))
    }

    /// A SYN cookie (RFC 4987 appendix A): 5 bits of `tick`, 3 bits of `index`, and 24 bits of a hash
    /// over all that it stands for.
    pub(crate) fn cookie(&self, key: &FlowKey, irs: SeqNum, index: u32, tick: u64) -> SeqNum {
        let mut bytes = [0; 52];
        let parts = [
            key.as_bytes(),
            &irs.get().to_be_bytes(),
            &index.to_be_bytes(),
            &tick.to_be_bytes(),
        ];
        let mut place = bytes.iter_mut();
        for (byte, to) in parts.into_iter().flatten().zip(&mut place) {
            *to = *byte;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
        let (hash, time) = (self.cookies.prf(&bytes) as u32, tick as u32);
        SeqNum::new(time << 27 | (index & 7) << 24 | hash & 0xff_ffff)
    }

    /// The fast open cookie of a peer's address (RFC 7413 §4.1.2) in so many a life of cookies.
    pub(crate) fn fast_open_cookie(&self, key: &FlowKey, life: u64) -> FastOpenCookie {
        let mut bytes = [0; 40];
        let (addresses, tick) = bytes.split_at_mut(32);
        addresses.copy_from_slice(key.address_bytes());
        tick.copy_from_slice(&life.to_be_bytes());
        let cookie = self.fast_open.prf(&bytes).to_be_bytes();
        FastOpenCookie::new(&cookie).expect("eight is an even number up to sixteen")
    }

    /// The offset of our timestamps towards one peer: the same for all ports, so that a reused
    /// port's timestamps go on rising (RFC 7323 §5.4, RFC 6191).
    pub(crate) fn timestamp_offset(&self, key: &FlowKey, config: &TcpConfig) -> u32 {
        if !config.timestamp_offsets {
            return 0;
        }
        #[expect(clippy::cast_possible_truncation, reason = "any 32 bits will do")]
        {
            self.timestamps.prf(key.address_bytes()) as u32
        }
    }
}
