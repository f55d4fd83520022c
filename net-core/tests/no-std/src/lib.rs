//! Proof that net-core needs no standard library.
//!
//! This static library brings its own panic handler and global allocator. Any crate in the graph
//! that links `std` brings a second panic handler, and the build fails with E0152 (duplicate lang
//! item `panic_impl`). That the proof can fail is shown by `cargo build --features std`, which
//! turns on `bytes/std` and must not build; `.ci/run` checks both.
#![no_std]

extern crate alloc;

use alloc::vec;
use bytes::BytesMut;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};
use net_core::buf::{RxBatch, RxPacket, TxBatch};
use net_core::iface::{IfaceKind, IpCidr};
use net_core::{Config, DeviceCaps, IfaceConfig, Instant, Seed, Stack};

const ARENA: usize = 1 << 20;

/// Hands out pieces of a fixed arena and never takes one back.
struct Bump {
    arena: UnsafeCell<[u8; ARENA]>,
    used: AtomicUsize,
}

// SAFETY: `used` gives every caller its own part of the arena.
unsafe impl Sync for Bump {}

// SAFETY: pieces are aligned, lie in the arena and never overlap.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.arena.get() as usize;
        let mut begin = 0;
        let claimed = self
            .used
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                begin = (base + used).next_multiple_of(layout.align()) - base;
                let end = begin.checked_add(layout.size())?;
                (end <= ARENA).then_some(end)
            });
        match claimed {
            Ok(_) => self.arena.get().cast::<u8>().wrapping_add(begin),
            Err(_) => core::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Bump = Bump {
    arena: UnsafeCell::new([0; ARENA]),
    used: AtomicUsize::new(0),
};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Brings one packet of `len` bytes at `frame` into a fresh stack; how many packets it answers.
///
/// # Safety
/// `frame` points to `len` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn net_core_answer(frame: *const u8, len: usize) -> usize {
    // SAFETY: promised by the caller.
    let frame = unsafe { core::slice::from_raw_parts(frame, len) };
    let now = Instant::ZERO;
    let mut stack = Stack::new(Config::default(), Seed::from_u64(1), now);
    let config = IfaceConfig {
        name: "tun0".into(),
        kind: IfaceKind::PointToPoint,
        mtu: 1500,
        addresses: vec![IpCidr {
            address: [10, 0, 0, 1].into(),
            prefix_len: 24,
        }],
    };
    let Ok(iface) = stack.add_iface(config, DeviceCaps::default()) else {
        return 0;
    };
    let mut received = RxBatch::default();
    received.push(RxPacket::from_frame(BytesMut::from(frame)));
    stack.handle_batch(iface, &mut received, now);
    stack.handle_timeout(now);
    let mut answers = TxBatch::default();
    stack.poll_transmit(iface, &mut answers, now);
    answers.len()
}
