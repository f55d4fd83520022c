//! TCP over links from the narrowest to the widest.

use crate::kernel::{downward, upward};
use crate::matrix::{Row, rows};
use crate::transfer::{end, receive};
use tokio::io::AsyncWriteExt;
use tokio::join;

/// Links from IPv6's least MTU to the most that IPv4 can say.
pub(crate) const MTUS: [u16; 4] = [1280, 1500, 9000, 65535];

#[test]
fn segments_fit_the_link() {
    const LEN: usize = 1 << 20;
    rows("mtu::segments_fit_the_link", &each_mtu(), async |world| {
        let (mut ours, peer) = world.pair().await;
        let (sent, ()) = join!(ours.write_all(upward(LEN)), peer.receive(upward(LEN)));
        sent.expect("sent");
        join!(peer.send(downward(LEN)), receive(&mut ours, downward(LEN)));
        // The TCP header with timestamps has 32 bytes.
        let whole = u32::from(world.row.mtu - world.row.ip_header() - 32);
        let info = ours.info().expect("connected");
        assert_eq!(info.send_mss, whole);
        assert!(info.receive_mss <= whole + 12, "{info:?}");
        let (longest, mtu) = (world.longest.len(), usize::from(world.row.mtu));
        assert!((1..=mtu).contains(&longest), "{longest} {info:?}");
        peer.finish();
        end(&mut ours).await;
    });
}

/// Every MTU with every combination on one thread.
pub(crate) fn each_mtu() -> Vec<Row> {
    let rows = Row::on_one_thread();
    MTUS.iter()
        .flat_map(|&mtu| rows.iter().map(move |&row| Row { mtu, ..row }))
        .collect()
}
