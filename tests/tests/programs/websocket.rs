//! tokio-tungstenite.

use crate::world::everywhere;
use futures::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, client_async};

#[test]
fn messages_come_back_in_order() {
    everywhere(|world| async move {
        let (listener, to) = world.listen().await;
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            let (mut outgoing, mut incoming) =
                accept_async(stream).await.expect("a handshake").split();
            while let Some(message) = incoming.next().await {
                let message = message.expect("a message");
                if message.is_close() {
                    break;
                }
                outgoing.send(message).await.expect("open");
            }
        });
        let stream = world.connect(to).await;
        let (socket, _) = client_async(format!("ws://{to}/"), stream)
            .await
            .expect("a handshake");
        let (mut outgoing, mut incoming) = socket.split();
        let sending = tokio::spawn(async move {
            for number in 0..100_usize {
                let text = Message::text(number.to_string());
                outgoing.send(text).await.expect("open");
                let bytes = Message::binary(vec![7; number * 300]);
                outgoing.send(bytes).await.expect("open");
            }
            outgoing
        });
        for number in 0..100_usize {
            let text = incoming.next().await.expect("open").expect("a message");
            assert_eq!(text, Message::text(number.to_string()));
            let bytes = incoming.next().await.expect("open").expect("a message");
            assert_eq!(bytes.into_data().len(), number * 300);
        }
        let mut outgoing = sending.await.expect("no panic");
        outgoing.close().await.expect("open");
        serving.await.expect("no panic");
    });
}
