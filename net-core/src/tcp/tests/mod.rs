//! TCP against a peer that the test plays: one file for each area of the RFCs.
//!
//! A test is a story: the peer `sends` and `expects` segments, the application acts, time passes.
//! Sequence numbers are relative to each side's SYN, and every payload byte follows a pattern that
//! both directions are checked against.

mod accecn;
mod accecn_coverage;
mod accecn_handshake;
mod accept;
mod addresses;
mod app;
mod autotune;
mod close;
mod copies;
mod data;
mod delayed_ack;
mod dsack;
mod ecn;
mod eifel;
mod fast_open;
mod fast_open_client;
mod fast_open_queue;
mod frto;
mod fuzz;
mod handshake;
mod icmp;
mod info;
mod ip_options;
mod limited;
mod limits;
mod memory;
mod misbehaving;
mod mtu_probe;
mod mtu_verdicts;
mod nagle;
mod newreno;
mod pacing;
mod peer;
mod prr;
mod queue;
mod rack;
mod repair;
mod reset;
mod rto;
mod sack;
mod segment;
mod successive_losses;
mod switches;
mod syn_cookies;
mod time_wait;
mod timers;
mod timestamps;
mod tlp;
mod transmit_times;
mod urgent;
mod user_timeout;
mod validation;
mod window;

use core::time::Duration;
use peer::Peer;
use segment::{
    ACK, CWR, ECE, FIN, FIN_ACK, RST, RST_ACK, SYN, SYN_ACK, Seg, URG, ms, secs, syn, tcp,
};
