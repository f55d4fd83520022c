//! What is polled with a stack of its own around it.

use super::Net;
use super::ambient::SCOPE;
use futures_core::Stream;
use pin_project::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future or stream whose sockets belong to a stack; from [`Net::scope`].
#[pin_project]
#[derive(Debug)]
#[must_use = "it does nothing unless polled"]
pub struct Scoped<T> {
    net: Net,
    #[pin]
    inner: T,
}

impl<T> Scoped<T> {
    pub(super) fn new(net: Net, inner: T) -> Self {
        Self { net, inner }
    }

    /// The stack.
    #[must_use]
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// What is inside, without its stack.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        SCOPE.sync_scope(this.net.clone(), || this.inner.poll(cx))
    }
}

impl<S: Stream> Stream for Scoped<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        SCOPE.sync_scope(this.net.clone(), || this.inner.poll_next(cx))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}
