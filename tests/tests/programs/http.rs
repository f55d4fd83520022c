//! axum, over HTTP/1.1 and HTTP/2, asked by hyper's client.

use crate::world::{World, everywhere};
use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use bytes::Bytes;
use futures::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use net_tokio::{TcpListener, TcpStream};
use std::io;
use std::net::SocketAddr;

/// A listener of ours as `axum::serve` takes it.
struct Listener(TcpListener);

impl axum::serve::Listener for Listener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let (stream, peer) = self.0.accept().await.expect("the stack lives");
        stream.set_nodelay(true).expect("open");
        (stream, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A server that greets, and gives back what it gets.
async fn serve(world: &World) -> SocketAddr {
    let app = Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/echo", post(|body: Body| async { body }));
    let (listener, to) = world.listen().await;
    tokio::spawn(async move { axum::serve(Listener(listener), app).await });
    to
}

fn hello(to: SocketAddr) -> Request<Full<Bytes>> {
    let uri = format!("http://{to}/hello");
    Request::get(uri)
        .header("host", to.to_string())
        .body(Full::default())
        .expect("a request")
}

fn echo(to: SocketAddr, number: usize) -> (Request<Full<Bytes>>, Bytes) {
    let body = Bytes::from(vec![number.to_le_bytes()[0]; 1 + number * 97 % 20_000]);
    let request = Request::post(format!("http://{to}/echo"))
        .header("host", to.to_string())
        .body(Full::new(body.clone()))
        .expect("a request");
    (request, body)
}

#[test]
fn two_hundred_http_1_clients_get_their_answers() {
    everywhere(|world| async move {
        let to = serve(&world).await;
        let clients = (0..200).map(|number| {
            let world = world.clone();
            tokio::spawn(async move {
                let io = TokioIo::new(world.connect(to).await);
                let (mut client, connection) = hyper::client::conn::http1::handshake(io)
                    .await
                    .expect("HTTP");
                tokio::spawn(connection);
                let answer = client.send_request(hello(to)).await.expect("an answer");
                assert_eq!(answer.status(), StatusCode::OK);
                let body = answer.into_body().collect().await.expect("a body");
                assert_eq!(body.to_bytes(), "hello");
                let (request, sent) = echo(to, number);
                let answer = client.send_request(request).await.expect("an answer");
                let body = answer.into_body().collect().await.expect("a body");
                assert!(body.to_bytes() == sent, "request {number}");
            })
        });
        for client in join_all(clients).await {
            client.expect("no panic");
        }
    });
}

#[test]
fn two_hundred_http_2_requests_share_a_connection() {
    everywhere(|world| async move {
        let to = serve(&world).await;
        let io = TokioIo::new(world.connect(to).await);
        let (client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
            .await
            .expect("HTTP");
        tokio::spawn(connection);
        let requests = (0..200).map(|number| {
            let mut client = client.clone();
            tokio::spawn(async move {
                let (request, sent) = echo(to, number);
                let answer = client.send_request(request).await.expect("an answer");
                assert_eq!(answer.version(), hyper::Version::HTTP_2);
                let body = answer.into_body().collect().await.expect("a body");
                assert!(body.to_bytes() == sent, "request {number}");
            })
        });
        for request in join_all(requests).await {
            request.expect("no panic");
        }
    });
}
