//! Which stack a socket belongs to when none is named.
//!
//! Looked for in this order: the [`scope`](Net::scope) that the task runs in, the innermost
//! [`enter`](Net::enter) of the thread, the [default](Net::set_default) of the process, and at last
//! a loopback stack that comes up on first use.

use super::{Net, Scoped, builder::NetBuilder};
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError, RwLock};
use tokio::task::JoinHandle;

impl Net {
    /// Polls `inner`, a future or a stream, with this stack as the one that its sockets belong to.
    ///
    /// It holds wherever it is polled, also across threads. It does not reach tasks that are given to
    /// `tokio::spawn` in there: give those to [`spawn`] instead.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use net_tokio::{Net, TcpListener};
    /// let net = Net::builder().build()?;
    /// let listener = net.scope(TcpListener::bind("127.0.0.1:0")).await?;
    /// assert!(listener.local_addr()?.ip().is_loopback());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As cancel safe as `inner`.
    pub fn scope<T>(&self, inner: T) -> Scoped<T> {
        Scoped::new(self.clone(), inner)
    }

    /// Spawns a task whose sockets belong to this stack: [`scope`](Self::scope) in `tokio::spawn`.
    ///
    /// # Panics
    /// Outside of a tokio runtime, as `tokio::spawn`.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        tokio::spawn(self.scope(future))
    }

    /// Makes this stack the one that sockets made on this thread belong to, until the guard drops.
    ///
    /// A guard must not be held across an `await`, where the task may move to another thread; the
    /// compiler refuses that for tasks that can move. Guards may be dropped in any order.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use net_tokio::{Net, TcpSocket};
    /// let net = Net::builder().build()?;
    /// let guard = net.enter();
    /// let socket = TcpSocket::new_v4()?;
    /// drop(guard);
    /// assert_eq!(net.sockets(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// ```compile_fail
    /// fn move_away(guard: net_tokio::EnterGuard) {
    ///     std::thread::spawn(move || drop(guard));
    /// }
    /// ```
    #[must_use = "the stack is left when the guard drops"]
    pub fn enter(&self) -> EnterGuard {
        let ticket = ENTERED.with_borrow_mut(|entered| {
            let ticket = entered.last().map_or(0, |(ticket, _)| ticket + 1);
            entered.push((ticket, self.clone()));
            ticket
        });
        EnterGuard {
            ticket,
            not_send: PhantomData,
        }
    }

    /// Makes `net` the stack of sockets that are made outside any [`scope`](Self::scope) and
    /// [`enter`](Self::enter), in the whole process. `None` takes the default away again.
    ///
    /// The previous default is returned.
    pub fn set_default(net: impl Into<Option<Self>>) -> Option<Self> {
        let net = net.into();
        let mut default = DEFAULT.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *default, net)
    }

    /// From now on a socket for which no stack was set up is an error instead of landing on the
    /// process-wide loopback stack. There is no way back.
    pub fn require_explicit() {
        EXPLICIT.store(true, Ordering::Relaxed);
    }

    /// The stack that a socket made here and now would belong to.
    ///
    /// # Errors
    /// Where none was set up: `NotFound` after [`require_explicit`](Self::require_explicit), or the
    /// error of starting the loopback stack's thread.
    pub fn current() -> io::Result<Self> {
        if let Some(net) = Self::surrounding() {
            return Ok(net);
        }
        let default = DEFAULT.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(net) = &*default {
            return Ok(net.clone());
        }
        drop(default);
        if EXPLICIT.load(Ordering::Relaxed) {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "no network stack here: use net.scope(..), net.enter() or Net::set_default, or name the stack with the *_on functions",
            ));
        }
        process_wide()
    }

    /// The stack of the scope or of the guard that this is called in.
    fn surrounding() -> Option<Self> {
        SCOPE.try_with(Self::clone).ok().or_else(|| {
            ENTERED
                .try_with(|entered| entered.borrow().last().map(|(_, net)| net.clone()))
                .unwrap_or_default()
        })
    }

    /// Warns once where an address is bound on the process-wide stack that nothing can reach.
    pub(crate) fn warn_unreachable(&self, address: SocketAddr) {
        static WARNED: Once = Once::new();
        if self.engine().is_process_wide() && !address.ip().to_canonical().is_loopback() {
            WARNED.call_once(|| {
                tracing::warn!(
                    %address,
                    "bound on the process-wide loopback stack: nothing outside this process can reach it; build a Net with a device, and use net.scope(..) or Net::set_default"
                );
            });
        }
    }
}

/// Spawns a task in the [scope](Net::scope) of the caller, or with the stack that the caller has
/// [entered](Net::enter); without either it is `tokio::spawn`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use net_tokio::{Net, TcpListener};
/// let net = Net::builder().build()?;
/// let task = net.scope(async { net_tokio::spawn(TcpListener::bind("127.0.0.1:0")) });
/// let listener = task.await.await.expect("no panic")?;
/// assert_eq!(net.sockets(), 1);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// Outside of a tokio runtime, as `tokio::spawn`.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    match Net::surrounding() {
        Some(net) => net.spawn(future),
        None => tokio::spawn(future),
    }
}

/// Leaves the stack that [`Net::enter`] entered when it drops.
pub struct EnterGuard {
    ticket: u64,
    /// The stack was entered on this thread only.
    not_send: PhantomData<*const ()>,
}

impl Drop for EnterGuard {
    fn drop(&mut self) {
        // Where the thread is ending, so is what was entered. The stack is dropped outside the
        // borrow: its end may look for the current one.
        let _left = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            let at = entered
                .iter()
                .rposition(|(ticket, _)| *ticket == self.ticket)?;
            Some(entered.remove(at))
        });
        let _ = self.not_send;
    }
}

impl fmt::Debug for EnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnterGuard").finish_non_exhaustive()
    }
}

/// The loopback stack of the process, on a thread of its own: it belongs to no runtime, so it
/// outlives them all.
fn process_wide() -> io::Result<Net> {
    static PROCESS_WIDE: Mutex<Option<Net>> = Mutex::new(None);
    let mut place = PROCESS_WIDE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(net) = &*place {
        return Ok(net.clone());
    }
    let net = NetBuilder::process_wide().build()?;
    *place = Some(net.clone());
    Ok(net)
}

tokio::task_local! {
    pub(super) static SCOPE: Net;
}

thread_local! {
    static ENTERED: RefCell<Vec<(u64, Net)>> = const { RefCell::new(Vec::new()) };
}

static DEFAULT: RwLock<Option<Net>> = RwLock::new(None);
static EXPLICIT: AtomicBool = AtomicBool::new(false);
