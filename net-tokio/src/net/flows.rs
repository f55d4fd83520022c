//! Being a router: forwarding, and the flows that pass.

use super::Net;
use net_core::SocketError;
use net_core::conntrack::{FlowInfo, TrackConfig, TrackStats};
use std::io;

impl Net {
    /// Lets what comes in over the interface of this name for others go on to them, or not. Off by
    /// default. One that does advertises itself as a router where it is told what
    /// ([`Advertising`](crate::Advertising)).
    ///
    /// # Errors
    /// `NotFound` if there is no interface of that name; or that the stack has ended.
    pub fn set_forwarding(&self, interface: &str, on: bool) -> io::Result<()> {
        let set = self.engine().act(|core, _| {
            let stack = core.stack_mut();
            let found = stack
                .ifaces()
                .find(|(_, config)| config.name == interface)
                .map(|(id, _)| id);
            Ok(match found {
                Some(id) => stack.set_forwarding(id, on),
                None => Err(SocketError::NoSuchInterface),
            })
        })?;
        set.map_err(|_| {
            let text = format!("the stack has no interface {interface}");
            io::Error::new(io::ErrorKind::NotFound, text)
        })
    }

    /// Follows the flows that packets belong to, with these settings, or no longer. Rules that ask
    /// about flows, or translate them, have them followed with default settings.
    ///
    /// # Errors
    /// When the stack has ended.
    pub fn set_tracking(&self, config: Option<TrackConfig>) -> io::Result<()> {
        self.engine().control(|core, _| {
            core.stack_mut().set_tracking(config);
            Ok(())
        })
    }

    /// The flows that are followed, each as it was when it was come to: they are collected in pieces, between
    /// which packets pass. One that was followed all along is there once; one that began or ended meanwhile may
    /// be there or not.
    #[must_use]
    pub fn flows(&self) -> Vec<FlowInfo> {
        self.of_places(|stack, places| Some(stack.flows_in(places)?.collect()))
    }

    /// What following flows has come to; `None` while none are followed.
    #[must_use]
    pub fn track_stats(&self) -> Option<TrackStats> {
        self.engine().look(|core| core.stack().track_stats())
    }
}
