//! Many tasks that wait for connections.

use net_tokio::{Net, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use tokio::task::yield_now;

/// Counts how often a task is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// SPEC 29: ten wait, one connection comes, one is woken.
#[tokio::test]
async fn a_connection_wakes_one_of_those_who_wait() {
    let net = Net::builder().build().expect("a stack");
    let listener = TcpListener::bind_on(&net, "127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let to = listener.local_addr().expect("bound");
    let mut waiting: Vec<_> = (0..10)
        .map(|_| (Box::pin(listener.accept()), Arc::new(Count::default())))
        .collect();
    for (accept, count) in &mut waiting {
        let waker = Waker::from(Arc::clone(count));
        let polled = accept.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    let client = TcpStream::connect_on(&net, to).await.expect("a listener");
    let woken = |count: &Arc<Count>| count.0.load(Ordering::Relaxed);
    while waiting.iter().all(|(_, count)| woken(count) == 0) {
        yield_now().await;
    }
    let at = waiting.iter().position(|(_, count)| woken(count) > 0);
    let (accept, _) = waiting.remove(at.expect("it was found"));
    let (_server, from) = accept.await.expect("it is its own");
    assert_eq!(from, client.local_addr().expect("open"));
    // Its turn comes to do what is left, and that is to wake nobody.
    for _ in 0..100 {
        yield_now().await;
    }
    assert_eq!(
        waiting.iter().map(|(_, count)| woken(count)).sum::<usize>(),
        0
    );
    // A connection for each of the others, one of whom has gone after it was woken.
    let second = TcpStream::connect_on(&net, to).await.expect("a listener");
    while waiting.iter().all(|(_, count)| woken(count) == 0) {
        yield_now().await;
    }
    let at = waiting.iter().position(|(_, count)| woken(count) > 0);
    drop(waiting.remove(at.expect("it was found")));
    while waiting.iter().all(|(_, count)| woken(count) == 0) {
        yield_now().await;
    }
    let at = waiting.iter().position(|(_, count)| woken(count) > 0);
    let (accept, _) = waiting.remove(at.expect("it was found"));
    let (_server, from) = accept.await.expect("handed on");
    assert_eq!(from, second.local_addr().expect("open"));
}
