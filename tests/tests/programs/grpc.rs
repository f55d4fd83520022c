//! tonic, streaming both ways at once.

use crate::world::everywhere;
use bytes::{Buf, BufMut, Bytes};
use futures::{Stream, StreamExt};
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use net_tokio::TcpStream;
use net_tokio::stream::Connections;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::transport::server::Connected;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

/// Messages are bytes as they are.
#[derive(Default, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(bytes.copy_to_bytes(bytes.remaining())))
    }
}

/// Answers each message with its length, as it comes.
#[derive(Clone)]
struct Measure;

type Answers = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

impl StreamingService<Bytes> for Measure {
    type Response = Bytes;
    type ResponseStream = Answers;
    type Future = std::future::Ready<Result<Response<Answers>, Status>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let answers = request.into_inner().map(|message| {
            let len = u64::try_from(message?.len()).expect("it fits");
            Ok(Bytes::copy_from_slice(&len.to_be_bytes()))
        });
        std::future::ready(Ok(Response::new(Box::pin(answers))))
    }
}

impl NamedService for Measure {
    const NAME: &'static str = "test.Measure";
}

impl<B> tower::Service<http::Request<B>> for Measure
where
    B: http_body::Body<Data = Bytes, Error: Into<tonic::codegen::StdError> + Send> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        Box::pin(async { Ok(Grpc::new(Raw).streaming(Self, request).await) })
    }
}

/// A stream of ours as tonic's server takes it.
struct Io(TcpStream);

impl Connected for Io {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[test]
fn messages_stream_both_ways_at_once() {
    everywhere(|world| async move {
        let (listener, to) = world.listen().await;
        let incoming = Connections::new(listener).map(|stream| stream.map(Io));
        tokio::spawn(
            Server::builder()
                .add_service(Measure)
                .serve_with_incoming(incoming),
        );
        let connector = tower::service_fn(move |_| {
            let world = world.clone();
            async move { Ok::<_, io::Error>(TokioIo::new(world.connect(to).await)) }
        });
        let channel = Endpoint::from_static("http://server")
            .connect_with_connector(connector)
            .await
            .expect("a server");
        let mut client = tonic::client::Grpc::new(channel);
        client.ready().await.expect("a server");
        let (sender, receiver) = futures::channel::mpsc::channel(4);
        let path = PathAndQuery::from_static("/test.Measure/Measure");
        let request = Request::new(receiver);
        let answers = client.streaming(request, path, Raw).await;
        let mut answers = answers.expect("a service").into_inner();
        let mut sender = sender;
        // Each message is sent when the one before it is answered: both directions are open.
        for number in 0..100_usize {
            let message = Bytes::from(vec![7; number * number]);
            futures::SinkExt::send(&mut sender, message)
                .await
                .expect("open");
            let answer = answers.next().await.expect("open").expect("an answer");
            let expected = u64::try_from(number * number).expect("it fits");
            assert_eq!(answer[..], expected.to_be_bytes());
        }
        drop(sender);
        assert!(answers.next().await.is_none());
    });
}
