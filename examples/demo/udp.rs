//! UDP echo over the same link: datagrams may get lost, but none may come back changed.

use super::link::Link;
use examples::digest::Pattern;
use examples::services::udp_echo;
use indicatif::ProgressBar;
use net_tokio::UdpSocket;
use std::time::Duration;
use tokio::time::timeout;

/// What the echo came to.
#[derive(Debug)]
pub(crate) struct Udp {
    /// Datagrams sent.
    pub(crate) sent: u64,
    /// Came back as they were sent.
    pub(crate) right: u64,
    /// Came back changed.
    pub(crate) wrong: u64,
}

/// Sends datagrams in small bursts and compares what comes back.
pub(crate) async fn run(link: &Link, bar: &ProgressBar) -> anyhow::Result<Udp> {
    let address = Link::server_address(PORT);
    let server = UdpSocket::bind_on(&link.server, address).await?;
    let echo = tokio::spawn(udp_echo(server));
    let socket = UdpSocket::bind_on(&link.client, "0.0.0.0:0").await?;
    socket.connect(address).await?;

    let mut udp = Udp {
        sent: 0,
        right: 0,
        wrong: 0,
    };
    let mut buf = [0; 2048];
    while udp.sent < DATAGRAMS {
        let burst = BURST.min(DATAGRAMS - udp.sent);
        for number in udp.sent..udp.sent + burst {
            socket.send(&datagram(number)).await?;
        }
        udp.sent += burst;
        bar.inc(burst);
        let mut missing = burst;
        while missing > 0 {
            let Ok(received) = timeout(PATIENCE, socket.recv(&mut buf)).await else {
                break;
            };
            let bytes = &buf[..received?];
            if is_as_sent(bytes) {
                udp.right += 1;
            } else {
                udp.wrong += 1;
            }
            missing -= 1;
        }
    }
    echo.abort();
    Ok(udp)
}

/// The datagram of that number: the number, then its pattern, 8 to 1,400 bytes.
fn datagram(number: u64) -> Vec<u8> {
    let length = usize::try_from(number * 37 % 1393).expect("below 1393");
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend(Pattern::bytes(number, length));
    bytes
}

fn is_as_sent(bytes: &[u8]) -> bool {
    bytes
        .first_chunk()
        .map(|number| u64::from_be_bytes(*number))
        .is_some_and(|number| number < DATAGRAMS && datagram(number) == bytes)
}

/// How many are sent.
pub(crate) const DATAGRAMS: u64 = 500;
const BURST: u64 = 50;
const PORT: u16 = 7;
/// What has not come back by then is lost.
const PATIENCE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_changed_byte_makes_a_datagram_wrong() {
        let sent = datagram(100);
        assert!(sent.len() > 900 && is_as_sent(&sent));
        for at in [0, 7, 8, 500, sent.len() - 1] {
            let mut changed = sent.clone();
            changed[at] ^= 1;
            assert!(!is_as_sent(&changed), "byte {at}");
        }
    }

    #[test]
    fn another_length_or_a_number_that_was_not_sent_makes_a_datagram_wrong() {
        let sent = datagram(100);
        assert!(!is_as_sent(&sent[..sent.len() - 1]));
        assert!(!is_as_sent(&[&sent[..], &[0]].concat()));
        assert!(!is_as_sent(&datagram(DATAGRAMS)));
        assert!(!is_as_sent(&[]));
    }
}
