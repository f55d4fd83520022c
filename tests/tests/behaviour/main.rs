//! The same calls, once on the kernel's sockets through `tokio::net` and once on ours: the same
//! results, the same `ErrorKind`s and numbers, but for what `docs/differences.md` lists.
//!
//! A row is an async function that does something with sockets and notes what came of it. The files
//! in `rows` are compiled twice, against each crate.
#![cfg(target_os = "linux")]

mod compare;
mod log;
mod wire;
mod world;

/// The rows on the kernel's sockets.
#[path = "."]
mod kernel {
    #[path = "kernel.rs"]
    mod host;
    pub(crate) use tokio::net;

    #[path = "rows/mod.rs"]
    pub(crate) mod rows;
}

/// The rows on ours.
#[path = "."]
mod ours {
    #[path = "ours.rs"]
    mod host;
    pub(crate) use net_tokio as net;

    #[path = "rows/mod.rs"]
    #[expect(clippy::duplicate_mod, reason = "compiled against two crates")]
    pub(crate) mod rows;
}

/// One test for each file of rows.
macro_rules! table {
    ($($name:ident: $file:ident)+) => {
        $(#[test]
        fn $name() {
            compare::files(
                stringify!($name),
                (stringify!($file), kernel::rows::$file::ROWS, ours::rows::$file::ROWS),
            );
        }
    )+

        #[test]
        fn every_listed_difference_is_of_a_file_of_rows() {
            compare::lines_of(&[$(stringify!($file)),+]);
        }
    };
}

table! {
    connecting_is_as_with_the_kernel: connect
    binding_is_as_with_the_kernel: bind
    accepting_is_as_with_the_kernel: accept
    streams_are_as_with_the_kernel: stream
    readiness_is_as_with_the_kernel: ready
    ends_are_as_with_the_kernel: ends
    options_are_as_with_the_kernel: options
    datagrams_are_as_with_the_kernel: udp
    groups_are_as_with_the_kernel: multicast
    datagram_errors_are_as_with_the_kernel: udp_errors
    packets_are_as_with_the_kernel: packets
}
