//! Programs that people run on tokio's sockets, on ours: on both kinds of runtime, with both ways of
//! driving the stack, over the loopback and over a link that loses one packet in a hundred.

mod codec;
mod grpc;
mod http;
mod proxy;
mod quic;
mod tls;
mod websocket;
mod world;
