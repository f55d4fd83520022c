//! A client and a server of the redis protocol (RESP), over `tokio_util::codec`.

use crate::world::everywhere;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use std::collections::HashMap;
use std::io;
use tokio_util::codec::{Decoder, Encoder, Framed};

/// What is said in either direction: an array of strings.
struct Resp;

type Words = Vec<Bytes>;

impl Decoder for Resp {
    type Item = Words;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<Words>> {
        let mut rest = &bytes[..];
        let Some(count) = number(&mut rest, b'*')? else {
            return Ok(None);
        };
        let mut words = Vec::new();
        for _ in 0..count {
            let Some(len) = number(&mut rest, b'$')? else {
                return Ok(None);
            };
            if rest.len() < len + 2 {
                return Ok(None);
            }
            words.push(Bytes::copy_from_slice(&rest[..len]));
            rest = &rest[len + 2..];
        }
        let used = bytes.len() - rest.len();
        bytes.advance(used);
        Ok(Some(words))
    }
}

/// A line that begins with `mark` and goes on with a number, if it is there.
fn number(rest: &mut &[u8], mark: u8) -> io::Result<Option<usize>> {
    let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else {
        return Ok(None);
    };
    let line = rest[..end].strip_prefix(&[mark]);
    let number = line.and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
    *rest = &rest[end + 2..];
    number
        .map(Some)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

impl Encoder<Words> for Resp {
    type Error = io::Error;

    fn encode(&mut self, words: Words, out: &mut BytesMut) -> io::Result<()> {
        out.put_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            out.put_slice(format!("${}\r\n", word.len()).as_bytes());
            out.put(word);
            out.put_slice(b"\r\n");
        }
        Ok(())
    }
}

#[test]
fn a_thousand_pipelined_commands_are_answered_in_order() {
    everywhere(|world| async move {
        let (listener, to) = world.listen().await;
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            let mut framed = Framed::new(stream, Resp);
            let mut table = HashMap::new();
            while let Some(command) = framed.next().await {
                let answer = match &command.expect("a command")[..] {
                    [name, key, value] if name == "SET" => {
                        table.insert(key.clone(), value.clone());
                        "OK".into()
                    }
                    [name, key] if name == "GET" => table[key].clone(),
                    other => panic!("no command: {other:?}"),
                };
                framed.send(vec![answer]).await.expect("open");
            }
            table.len()
        });
        let value = |number: usize| Bytes::from(vec![b'v'; number % 700]);
        let key = |number: usize| Bytes::from(format!("key-{number}"));
        let framed = Framed::new(world.connect(to).await, Resp);
        let (mut commands, mut answers) = framed.split();
        let sending = tokio::spawn(async move {
            for number in 0..500 {
                let set = vec!["SET".into(), key(number), value(number)];
                commands.feed(set).await.expect("open");
                let get = vec!["GET".into(), key(number)];
                commands.feed(get).await.expect("open");
            }
            commands.flush().await.expect("open");
            commands
        });
        for number in 0..500 {
            let ok = answers.next().await.expect("open").expect("an answer");
            assert_eq!(ok, [Bytes::from("OK")]);
            let got = answers.next().await.expect("open").expect("an answer");
            assert_eq!(got, [value(number)]);
        }
        sending
            .await
            .expect("no panic")
            .close()
            .await
            .expect("open");
        drop(answers);
        assert_eq!(serving.await.expect("no panic"), 500);
    });
}
