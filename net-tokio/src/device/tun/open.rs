//! Opening or making a TUN, and what stands in the way.

use super::{Asked, Counters, Descriptor, Framing, KernelQueue, Tun};
use crate::device::check_mtu;
use crate::device::{netlink, sys};
use net_core::DeviceCaps;
use net_core::offload::vnet;
use net_core::wire::ethernet;
use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use tun::AbstractDevice;

/// How to open or make a [`Tun`].
///
/// What is not asked for is left as it is, so that a persistent TUN that somebody else has set up
/// (`ip tuntap add dev tun0 mode tun user me`, an address, `up`) can be used without any privilege.
/// Offloads are the exception: the kernel remembers those of the last user, so they are set at
/// every open, also to *off*.
#[derive(Debug, Clone)]
pub struct TunBuilder {
    name: String,
    mtu: Option<u16>,
    host_addresses: Vec<(IpAddr, u8)>,
    offload: bool,
    /// A TAP: Ethernet frames instead of IP packets.
    ethernet: bool,
}

impl TunBuilder {
    pub(super) const fn new(name: String) -> Self {
        Self {
            name,
            mtu: None,
            host_addresses: Vec::new(),
            offload: true,
            ethernet: false,
        }
    }

    /// A builder for a TAP.
    pub(in crate::device) fn tap(name: String) -> Self {
        Self {
            ethernet: true,
            ..Self::new(name)
        }
    }

    /// What kind of device it is.
    const fn kind(&self) -> &'static str {
        if self.ethernet { "TAP" } else { "TUN" }
    }

    /// Largest IP packet in bytes, up to 65535. Left alone if not given: 1500 for a new TUN.
    #[must_use]
    pub fn mtu(mut self, mtu: u16) -> Self {
        self.mtu = Some(mtu);
        self
    }

    /// An address of the *kernel's* side, with the route to its prefix: `10.7.0.1`, 24. Any number
    /// of them, IPv4 and IPv6 (which needs an MTU of 1280). The stack's address is another one
    /// within the prefix and is given to the stack.
    #[must_use]
    pub fn host_address(mut self, address: IpAddr, prefix_len: u8) -> Self {
        self.host_addresses.push((address, prefix_len));
        self
    }

    /// Whether super-segments and checksums may be left to the kernel and taken from it. On; what
    /// the kernel lacks is done without.
    #[must_use]
    pub fn offload(mut self, on: bool) -> Self {
        self.offload = on;
        self
    }

    /// Opens the TUN or makes it, sets it up, and brings it up.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`, `ResourceBusy`, `InvalidInput` …, each with a text that says
    /// what is missing and how to get it.
    pub fn build(self) -> io::Result<Tun> {
        self.check()?;
        drop(open_node()?);
        let device = self.create()?;
        let fd = sys::duplicate(&device)?;
        let mut only = self.set_up(device, vec![fd])?;
        Ok(only.remove(0))
    }

    /// As [`build`](Self::build), with `count` queues, of which each is a device of its own for a stack of
    /// its own: [`Shards`](crate::Shards) says what they are good for. A TUN that is there already must have
    /// been made for several (`ip tuntap add dev tun0 mode tun multi_queue`).
    ///
    /// What the kernel counts it counts for all queues together: the first device tells of it.
    ///
    /// # Errors
    /// As [`build`](Self::build); `InvalidInput` for no queue or more than 256.
    pub fn build_queues(self, count: usize) -> io::Result<Vec<Tun>> {
        self.check()?;
        if !(1..=MAX_QUEUES).contains(&count) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "a {} has 1 to {MAX_QUEUES} queues, not {count}",
                    self.kind()
                ),
            ));
        }
        let vnet = if self.offload { libc::IFF_VNET_HDR } else { 0 };
        let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_MULTI_QUEUE | vnet;
        let mut name = self.name.clone();
        let mut queues = Vec::with_capacity(count);
        for _ in 0..count {
            let queue = open_node()?;
            name =
                sys::attach(&queue, &name, flags).map_err(|error| self.explain_create(&error))?;
            queues.push(queue);
        }
        let mut config = tun::Configuration::default();
        config.tun_name(&name).raw_fd(queues[0].as_raw_fd());
        config.close_fd_on_drop(false);
        let device = tun::create(&config).map_err(io::Error::from)?;
        self.set_up(device, queues)
    }

    /// A device for each of `queues`, which belong to the interface that `device` configures.
    fn set_up(self, mut device: tun::Device, queues: Vec<OwnedFd>) -> io::Result<Vec<Tun>> {
        let name = device.tun_name().map_err(io::Error::from)?;
        for queue in &queues {
            fcntl_setfl(queue, fcntl_getfl(queue)? | OFlags::NONBLOCK)?;
        }
        let caps = negotiate(&queues[0], self.offload)
            .map_err(|error| self.explain(&error, &format!("cannot set the offloads of {name}")))?;
        let socket = control_socket()?;
        let index = name_to_index(&socket, &name)?;
        let mut counted = Some(KernelQueue::of(index));
        let mtu = self.configure(&mut device, &socket, &name, index)?;
        let link_len = if self.ethernet {
            ethernet::HEADER_LEN
        } else {
            0
        };
        let queues = queues.into_iter().map(|queue| {
            let counters = Arc::new(Counters::default());
            let framing = Framing::new(self.offload, link_len, mtu, counters.clone());
            let framing = framing.with_trains(caps.uso);
            Tun {
                descriptor: Descriptor::new(self.kind(), name.clone(), queue, framing),
                mtu,
                caps,
                counters,
                queue: Arc::new(
                    counted
                        .take()
                        .unwrap_or_else(|| KernelQueue::uncounted(Asked::First)),
                ),
            }
        });
        Ok(queues.collect())
    }

    fn check(&self) -> io::Result<()> {
        let bad = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        let name = &self.name;
        if name.is_empty()
            || name.len() > NAME_MAX
            || name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c == '\0')
        {
            return bad(format!(
                "{name:?} is no interface name: 1 to {NAME_MAX} bytes without space, slash or colon"
            ));
        }
        for &(address, prefix_len) in &self.host_addresses {
            let most = if address.is_ipv4() { 32 } else { 128 };
            if prefix_len > most {
                return bad(format!(
                    "{address}/{prefix_len}: a prefix has at most {most} bits"
                ));
            }
        }
        if let Some(mtu) = self.mtu {
            check_mtu(mtu)?;
        }
        Ok(())
    }

    fn create(&self) -> io::Result<tun::Device> {
        let mut config = tun::Configuration::default();
        config.tun_name(&self.name).platform_config(|platform| {
            // Only that keeps it from configuring things by itself.
            platform.ensure_root_privileges(false);
            platform.vnet_hdr(self.offload);
        });
        if self.ethernet {
            config.layer(tun::Layer::L2);
        }
        tun::create(&config).map_err(|error| self.explain_create(&error.into()))
    }

    /// Why there is no device of that name.
    fn explain_create(&self, error: &io::Error) -> io::Error {
        let (kind, name) = (self.kind(), &self.name);
        match Errno::from_io_error(error) {
            Some(Errno::PERM) => {
                self.explain(error, &format!("cannot open or make the {kind} {name}"))
            }
            Some(Errno::BUSY) => said(
                error,
                format!(
                    "another process has the {kind} {name} open; choose another name or end it"
                ),
            ),
            Some(Errno::INVAL) => said(
                error,
                format!(
                    "{name} exists and is no {kind} with such queues (perhaps of another kind, or made \
                     with multi_queue where one is wanted, or without it where several are); choose \
                     another name, or `ip link delete {name}`"
                ),
            ),
            _ => said(error, format!("cannot open or make the {kind} {name}")),
        }
    }

    /// The text for an operation that needs CAP_NET_ADMIN, if that is what it lacked.
    fn explain(&self, error: &io::Error, what: &str) -> io::Error {
        if error.kind() != io::ErrorKind::PermissionDenied {
            return said(error, what.to_owned());
        }
        let mode = if self.ethernet { "tap" } else { "tun" };
        said(
            error,
            format!(
                "{what}: CAP_NET_ADMIN is missing; run as root, or in a namespace of your own with \
                 `unshare -Urn PROGRAM`, or `sudo setcap cap_net_admin+ep PROGRAM`, or let an \
                 administrator prepare the device with `ip tuntap add dev NAME mode {mode} user \
                 USER`, its address and `ip link set NAME up`"
            ),
        )
    }

    /// Brings the interface into the state that was asked for; its MTU.
    fn configure(
        &self,
        device: &mut tun::Device,
        socket: &OwnedFd,
        name: &str,
        index: u32,
    ) -> io::Result<u16> {
        let failed = |what: &str, error: io::Error| self.explain(&error, &format!("cannot {what}"));
        let mut mtu = device.mtu().map_err(io::Error::from)?;
        if let Some(wanted) = self.mtu
            && wanted != mtu
        {
            device
                .set_mtu(wanted)
                .map_err(|error| failed(&format!("set the MTU of {name}"), error.into()))?;
            mtu = wanted;
        }
        if !sys::is_up(socket, name)? {
            device
                .enabled(true)
                .map_err(|error| failed(&format!("bring {name} up"), error.into()))?;
        }
        for &(address, prefix_len) in &self.host_addresses {
            netlink::add_address(index, address, prefix_len).map_err(|error| {
                failed(
                    &format!("give {name} the address {address}/{prefix_len}"),
                    error,
                )
            })?;
        }
        Ok(mtu)
    }
}

/// Sets all that a persistent device keeps from its last user. What the device does for the stack.
pub(super) fn negotiate(fd: &OwnedFd, on: bool) -> io::Result<DeviceCaps> {
    sys::set_vnet_header_len(fd, i32::try_from(vnet::LEN).expect("ten"))?;
    sys::set_vnet_little_endian(fd)?;
    agree(on, |flags| sys::set_offload(fd, flags))
}

/// Asks for as many offloads as the kernel agrees to.
fn agree(on: bool, mut set: impl FnMut(u32) -> io::Result<()>) -> io::Result<DeviceCaps> {
    use sys::offload::{CSUM, TSO_ECN, TSO4, TSO6, USO4, USO6};
    const TSO: u32 = CSUM | TSO4 | TSO6;
    // Kernels refuse a set with a flag that they do not know.
    const WISHES: [u32; 5] = [TSO | TSO_ECN | USO4 | USO6, TSO | USO4 | USO6, TSO, CSUM, 0];
    let wishes = if on { &WISHES[..] } else { &[0] };
    let mut refusal = None;
    for &flags in wishes {
        match set(flags) {
            Ok(()) => {
                return Ok(DeviceCaps {
                    // With a vnet header the kernel always takes these two.
                    tx_checksum: on,
                    tso: on,
                    uso: flags & USO4 != 0,
                    software_gro: flags & TSO4 == 0,
                    one_piece: false,
                });
            }
            Err(error) => refusal = Some(error),
        }
    }
    Err(refusal.expect("at least one set was tried"))
}

/// Opens the device node, or finds out what stands in the way, apart from what comes later.
fn open_node() -> io::Result<OwnedFd> {
    let errno = match rustix::fs::open(NODE, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        Ok(node) => return Ok(node),
        Err(errno) => errno,
    };
    let error = io::Error::from(errno);
    Err(match errno {
        Errno::ACCESS | Errno::PERM => said(
            &error,
            format!(
                "no permission to open {NODE} for reading and writing: CAP_DAC_OVERRIDE is missing, and \
                 then CAP_NET_ADMIN to make a device; run as root, or `sudo setcap \
                 cap_dac_override,cap_net_admin+ep PROGRAM`, or let an administrator `chmod 0666 \
                 {NODE}` and run in a namespace of your own with `unshare -Urn PROGRAM`, or pass the \
                 node into a container with `--device {NODE}`"
            ),
        ),
        Errno::NOENT | Errno::NODEV | Errno::NXIO => said(
            &error,
            format!(
                "there is no {NODE}: load the module with `modprobe tun`, or pass the node into \
                 the container with `--device {NODE}`"
            ),
        ),
        _ => said(&error, format!("cannot open {NODE}")),
    })
}

fn said(error: &io::Error, text: String) -> io::Error {
    io::Error::new(error.kind(), format!("{text} ({error})"))
}

fn control_socket() -> io::Result<OwnedFd> {
    Ok(socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Queues of a TUN (the kernel's `MAX_TAP_QUEUES`).
const MAX_QUEUES: usize = 256;
const NODE: &str = "/dev/net/tun";
/// `IFNAMSIZ` less the final zero.
const NAME_MAX: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a kernel that knows these flags alone, and those that it was asked for in vain.
    fn with_kernel(knows: u32, on: bool) -> (io::Result<DeviceCaps>, Vec<u32>) {
        let mut refused = Vec::new();
        let agreed = agree(on, |flags| {
            if flags & !knows == 0 {
                return Ok(());
            }
            refused.push(flags);
            Err(io::ErrorKind::InvalidInput.into())
        });
        (agreed, refused)
    }

    #[test]
    fn an_older_kernel_is_asked_for_less_until_it_agrees() {
        use sys::offload::{CSUM, TSO_ECN, TSO4, TSO6, USO4, USO6};
        let tso = CSUM | TSO4 | TSO6;
        for (knows, tries, uso, software_gro) in [
            (tso | TSO_ECN | USO4 | USO6, 0, true, false),
            (tso | USO4 | USO6, 1, true, false),
            (tso | TSO_ECN, 2, false, false),
            // It sums for us, and joins no segments: then we do.
            (CSUM, 3, false, true),
            (0, 4, false, true),
        ] {
            let (agreed, refused) = with_kernel(knows, true);
            let expected = DeviceCaps {
                tx_checksum: true,
                tso: true,
                uso,
                software_gro,
                one_piece: false,
            };
            assert_eq!(agreed.expect("an agreement"), expected, "{knows:#x}");
            assert_eq!(refused.len(), tries, "{knows:#x}: {refused:x?}");
        }
    }

    #[test]
    fn who_lacks_the_capability_is_told_how_to_make_the_kind_of_device_that_he_wants() {
        let lacking = io::Error::from(io::ErrorKind::PermissionDenied);
        let tap = TunBuilder::tap("t".into()).explain(&lacking, "cannot");
        let tun = TunBuilder::new("t".into()).explain(&lacking, "cannot");
        for (error, mode) in [(tap, "mode tap user"), (tun, "mode tun user")] {
            assert!(error.to_string().contains(mode), "{error}");
        }
    }

    #[test]
    fn without_offload_nothing_is_asked_for() {
        let (agreed, refused) = with_kernel(u32::MAX, false);
        let expected = DeviceCaps {
            software_gro: true,
            ..DeviceCaps::default()
        };
        assert_eq!((agreed.expect("an agreement"), refused), (expected, vec![]));
        let none = agree(true, |_| Err(io::ErrorKind::PermissionDenied.into()));
        let error = none.expect_err("whatever it was asked for");
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}
