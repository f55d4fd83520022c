//! The kernel's end of a connection: blocking sockets on threads of their own.

use rustix::net::sockopt::{Timeout, set_socket_linger, set_socket_timeout};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tests::hosts::pattern;

/// A connected socket of the kernel. Nothing that it does takes longer than five seconds.
#[derive(Debug, Clone)]
pub(crate) struct Peer(Arc<TcpStream>);

impl Peer {
    /// Connects; call it on a thread that may block.
    pub(crate) fn connect(to: SocketAddr) -> io::Result<Self> {
        TcpStream::connect_timeout(&to, LIMIT).map(Self::new)
    }

    /// A listener on a free port.
    pub(crate) fn listen(on: IpAddr) -> TcpListener {
        let listener = TcpListener::bind((on, 0)).expect("a port");
        set_socket_timeout(&listener, Timeout::Recv, Some(LIMIT)).expect("a limit");
        listener
    }

    /// Accepts; call it on a thread that may block.
    pub(crate) fn accept(listener: &TcpListener) -> (Self, SocketAddr) {
        let (stream, from) = listener.accept().expect("a connection");
        (Self::new(stream), from)
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        stream.set_write_timeout(Some(LIMIT)).expect("a limit");
        Self(Arc::new(stream))
    }

    /// The socket itself.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.0
    }

    /// Sends all of `data`, beginning now.
    pub(crate) fn send(&self, data: &'static [u8]) -> impl Future<Output = ()> + use<> {
        self.run(move |mut stream| stream.write_all(data).expect("sent"))
    }

    /// Receives just `data`, beginning now.
    pub(crate) fn receive(&self, data: &'static [u8]) -> impl Future<Output = ()> + use<> {
        self.run(move |mut stream| {
            let (mut at, mut buf) = (0, vec![0; 1 << 17]);
            while at < data.len() {
                let want = buf.len().min(data.len() - at);
                let got = stream.read(&mut buf[..want]).expect("received");
                assert_ne!(got, 0, "the stream ended after {at} bytes");
                assert!(buf[..got] == data[at..at + got], "bytes {at}..{}", at + got);
                at += got;
            }
        })
    }

    /// Closes the sending side.
    pub(crate) fn finish(&self) {
        self.0.shutdown(Shutdown::Write).expect("connected");
    }

    /// Receives the end of the stream.
    pub(crate) fn end(&self) -> impl Future<Output = ()> + use<> {
        self.run(|mut stream| assert_eq!(stream.read(&mut [0]).expect("the end"), 0))
    }

    /// Receives an error.
    pub(crate) fn error(&self) -> impl Future<Output = ErrorKind> + use<> {
        self.run(|mut stream| stream.read(&mut [0]).expect_err("an error").kind())
    }

    /// Closes with a RST.
    pub(crate) fn reset(self) {
        set_socket_linger(&*self.0, Some(Duration::ZERO)).expect("an option");
        Arc::try_unwrap(self.0).expect("nobody else uses it");
    }

    fn run<R, W>(&self, work: W) -> impl Future<Output = R> + use<R, W>
    where
        R: Send + 'static,
        W: FnOnce(&TcpStream) -> R + Send + 'static,
    {
        let stream = Arc::clone(&self.0);
        blocking(move || work(&stream))
    }
}

/// Begins `work` on a thread of its own at once; the future waits for it.
pub(crate) fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> impl Future<Output = R> {
    let work = tokio::task::spawn_blocking(work);
    async { work.await.expect("the kernel's side failed") }
}

/// The first `len` bytes of what our stack sends.
pub(crate) fn upward(len: usize) -> &'static [u8] {
    &PATTERN[..len]
}

/// The first `len` bytes of what the kernel sends.
pub(crate) fn downward(len: usize) -> &'static [u8] {
    &PATTERN[7_777..7_777 + len]
}

static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| (0..9 << 20).map(pattern).collect());

const LIMIT: Duration = Duration::from_secs(5);
