//! TCP Fast Open (RFC 7413): data in the SYN.

use super::{TcpSocket, TcpStream};
use bytes::Bytes;
use net_core::socket::TcpOption;
use std::io;
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt;

/// The most that is given to a connection before its SYN leaves; what a SYN can take along is less.
const FIRST: usize = 16 << 10;

impl TcpSocket {
    /// Lets a listener take data in SYNs while no more than `pending` such connections wait for the rest
    /// of their handshake (`TCP_FASTOPEN`); 0: none. The stack's configuration has to allow it
    /// ([`FastOpenConfig::server`](net_core::config::FastOpenConfig)).
    ///
    /// A connection can be accepted and answered before its peer has completed the handshake. A SYN that
    /// the network copies may bring its data twice (RFC 7413 §6.1): this is for protocols that can bear
    /// it. `pending` is cut to [`max_backlog`](net_core::config::TcpConfig::max_backlog).
    ///
    /// # Errors
    /// `Unsupported` where the configuration does not allow it; when the stack has ended.
    pub fn set_fastopen(&self, pending: u32) -> io::Result<()> {
        self.set_option(TcpOption::FastOpen(pending))
    }

    /// How many such connections may wait (`TCP_FASTOPEN`).
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn fastopen(&self) -> io::Result<u32> {
        self.setting(|settings| settings.fast_open)
    }

    /// Connects to `addr` and writes `data`, of which the SYN takes along what fits, if the peer has given
    /// a cookie before (`MSG_FASTOPEN`, `TCP_FASTOPEN_CONNECT`). Otherwise it asks for one, and the data
    /// follows the handshake, as it does where the peer or the path does not care for fast open.
    ///
    /// The peer may get what the SYN took along twice (RFC 7413 §6.1).
    /// [`TcpInfo::syn_data`](net_core::tcp::TcpInfo) says whether it took any.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use net_core::Config;
    /// use net_tokio::{Net, TcpSocket};
    /// use tokio::io::AsyncReadExt;
    ///
    /// let mut config = Config::default();
    /// config.tcp.fast_open.client = true;
    /// config.tcp.fast_open.server = true;
    /// let net = Net::builder().config(config).build()?;
    ///
    /// let socket = TcpSocket::new_v4_on(&net)?;
    /// socket.bind("127.0.0.1:0".parse().unwrap())?;
    /// socket.set_fastopen(16)?;
    /// let listener = socket.listen(16)?;
    /// for known in [false, true] {
    ///     let socket = TcpSocket::new_v4_on(&net)?;
    ///     let client = socket.connect_fastopen(listener.local_addr()?, b"hello").await?;
    ///     let (mut server, _) = listener.accept().await?;
    ///     let mut hello = [0; 5];
    ///     server.read_exact(&mut hello).await?;
    ///     assert_eq!(&hello, b"hello");
    ///     assert_eq!(client.info()?.syn_data, known);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`connect`](Self::connect); `Unsupported` where the stack's configuration does not allow it
    /// ([`FastOpenConfig::client`](net_core::config::FastOpenConfig)).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt; the peer may have seen it, and the data.
    pub async fn connect_fastopen(
        mut self,
        addr: SocketAddr,
        data: &[u8],
    ) -> io::Result<TcpStream> {
        self.set_option(TcpOption::FastOpenConnect(true))?;
        let (first, rest) = data.split_at(data.len().min(FIRST));
        let mut first = Bytes::copy_from_slice(first);
        let mut stream = self.begin_with(addr, &mut first)?;
        stream.conn.established().await?;
        // What there was no room for.
        stream.write_all(&first).await?;
        stream.write_all(rest).await?;
        Ok(stream)
    }
}
