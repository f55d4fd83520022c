//! Interfaces that configure themselves on an Ethernet with the kernel: addresses that one side has and
//! the other wants, and a real `radvd`.
#![cfg(target_os = "linux")]

use net_core::Config;
use net_core::autoconf::{AddressState, Defence};
use net_core::iface::IpCidr;
use net_tokio::device::Tap;
use net_tokio::{InterfaceStatus, Net, TcpStream, UdpSocket};
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn an_address_that_the_kernel_has_is_not_used_and_the_other_way_round() {
    in_namespace(
        "an_address_that_the_kernel_has_is_not_used_and_the_other_way_round",
        conflicts(),
    );
}

#[test]
fn a_real_radvd_configures_our_interface() {
    let works = Command::new("radvd").arg("--version").output();
    if works.is_err() {
        tests::netns::missing(
            "a_real_radvd_configures_our_interface",
            &"there is no radvd",
        );
        return;
    }
    in_namespace("a_real_radvd_configures_our_interface", advertised());
}

/// RFC 5227.
#[test]
fn an_ipv4_address_that_the_kernel_has_is_not_used_and_a_free_one_is_announced() {
    in_namespace(
        "an_ipv4_address_that_the_kernel_has_is_not_used_and_a_free_one_is_announced",
        probed(),
    );
}

/// RFC 3927.
#[test]
fn an_address_of_169_254_that_the_kernel_has_is_left_to_it() {
    in_namespace(
        "an_address_of_169_254_that_the_kernel_has_is_left_to_it",
        chosen_for_the_link(),
    );
}

fn in_namespace(name: &str, body: impl Future<Output = ()>) {
    tests::netns::run(name, || {
        // The kernel waits so long at random before it checks an address.
        let delay = "/proc/sys/net/ipv6/conf/default/router_solicitation_delay";
        fs::write(delay, "0").expect("a namespace of our own");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(body);
    });
}

/// Checks addresses quickly.
fn hasty() -> Config {
    let mut config = Config::default();
    config.neighbor.retrans_timer = Duration::from_millis(100);
    config
}

async fn conflicts() {
    let tap = Tap::builder("tap0")
        .host_address(ip("fd07::1"), 64)
        .build()
        .expect("a TAP");
    let net = Net::builder()
        .config(hasty())
        .device("eth0", tap)
        .address("fe80::2/64")
        .address("fd07::2/64")
        .build()
        .expect("a stack");
    net.wait_for_addresses().await;
    // The kernel must be sure of its own address before it defends it.
    // 40 is "tentative".
    let is_sure = |flags: u32| flags & 0x40 == 0;
    wait(&net, |_| {
        kernel_flags("fd070000000000000000000000000001").is_some_and(is_sure)
    })
    .await;
    // An address is asked for once (RFC 4862 §5.1), so the kernel has to hear that; one that refuses a
    // connection does.
    let connecting = TcpStream::connect_on(&net, (ip("fd07::1"), 9));
    let refused = tokio::time::timeout(LIMIT, connecting).await;
    let refused = refused.expect("in time").expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    net.add_address("eth0", "fd07::1/64").expect("an address");
    net.add_address("eth0", "fd07::3/64").expect("an address");
    wait(&net, |eth0| {
        state(eth0, "fd07::1") == Some(AddressState::Duplicate)
    })
    .await;
    wait(&net, |eth0| {
        state(eth0, "fd07::3") == Some(AddressState::Preferred)
    })
    .await;
    let added = Command::new("ip")
        .args(["-6", "address", "add", "fd07::2/64", "dev", "tap0"])
        .status();
    assert!(added.expect("iproute2").success());
    // 8 is "dadfailed" (IFA_F_DADFAILED).
    wait(&net, |_| {
        kernel_flags("fd070000000000000000000000000002").is_some_and(|flags| flags & 8 != 0)
    })
    .await;
    net.shutdown().await;
}

async fn probed() {
    let tap = Tap::builder("tap0")
        .host_address(ip("10.7.0.1"), 24)
        .build()
        .expect("a TAP");
    // The kernel is to learn from announcements alone.
    fs::write("/proc/sys/net/ipv4/conf/tap0/arp_accept", "1").expect("a namespace of our own");
    let net = Net::builder()
        .device("eth0", tap)
        .address("10.7.0.1/24")
        .address("10.7.0.2/24")
        .detect_conflicts(Defence::GiveUp)
        .build()
        .expect("a stack");
    let checked = tokio::time::timeout(LIMIT, net.wait_for_addresses()).await;
    checked.expect("in time");
    wait(&net, |eth0| {
        let states = ["10.7.0.1", "10.7.0.2"].map(|address| state(eth0, address));
        states == [AddressState::Duplicate, AddressState::Preferred].map(Some)
    })
    .await;
    let interfaces = net.interfaces();
    let eth0 = interfaces.iter().find(|each| each.name == "eth0");
    let mac = eth0.and_then(|eth0| eth0.mac).expect("an Ethernet");
    wait(&net, |_| {
        neighbors_of_the_kernel().contains(&format!("10.7.0.2 dev tap0 lladdr {mac}"))
    })
    .await;
    // The kernel takes the address without asking, and says so whenever it looks for somebody from it.
    let added = Command::new("ip")
        .args(["address", "add", "10.7.0.2/24", "dev", "tap0"])
        .status();
    assert!(added.expect("iproute2").success());
    let kernel = std::net::UdpSocket::bind("10.7.0.2:0").expect("a port");
    kernel.send_to(b"x", "10.7.0.77:9").expect("sent");
    wait(&net, |eth0| {
        state(eth0, "10.7.0.2") == Some(AddressState::Duplicate)
    })
    .await;
    assert!(net.stats().address_conflicts >= 3);
    net.shutdown().await;
}

/// What `ip neigh` says.
fn neighbors_of_the_kernel() -> String {
    let told = Command::new("ip").args(["neigh", "show"]).output();
    String::from_utf8(told.expect("iproute2").stdout).expect("text")
}

async fn advertised() {
    let tap = Tap::builder("tap0")
        .host_address(ip("2001:db8:7::1"), 64)
        .build()
        .expect("a TAP");
    let net = Net::builder()
        .config(hasty())
        .device("eth0", tap)
        .autoconfigure()
        .build()
        .expect("a stack");
    fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").expect("a namespace of our own");
    let _radvd = Radvd::start();
    wait(&net, |eth0| {
        let mut all = eth0.states.iter();
        let usable = all.any(|each| {
            let prefix = IpCidr {
                address: ip("2001:db8:7::"),
                prefix_len: 64,
            };
            prefix.contains(each.cidr.address) && each.state == AddressState::Preferred
        });
        usable && eth0.dns_servers == [ip("2001:db8:7::53")]
    })
    .await;
    wait(&net, |eth0| eth0.dns_search == ["example.test", "lan"]).await;
    // Over the default route, as nothing else says where that is.
    let added = Command::new("ip")
        .args(["-6", "address", "add", "2001:db8:99::1/128", "dev", "lo"])
        .status();
    assert!(added.expect("iproute2").success());
    let listener = std::net::TcpListener::bind("[::]:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let connecting = TcpStream::connect_on(&net, (ip("2001:db8:99::1"), port));
    let stream = tokio::time::timeout(LIMIT, connecting).await;
    stream.expect("in time").expect("connected");
    net.shutdown().await;
}

async fn chosen_for_the_link() {
    let tap = Tap::builder("tap0").build().expect("a TAP");
    let net = Net::builder().device("eth0", tap).link_local();
    let net = net.build().expect("a stack");
    let chosen = |state| {
        let all = net.interfaces();
        let eth0 = all.into_iter().find(|each| each.name == "eth0");
        let mut states = eth0.expect("it is there").states.into_iter();
        let status = states.find(|each| each.state == state);
        status.map(|status| status.cidr.address)
    };
    let first = chosen(AddressState::Tentative).expect("it is asked about");
    let added = Command::new("ip")
        .args(["address", "add", &format!("{first}/16"), "dev", "tap0"])
        .status();
    assert!(added.expect("iproute2").success());
    wait(&net, |_| chosen(AddressState::Preferred).is_some()).await;
    let ours = chosen(AddressState::Preferred).expect("it is used");
    assert_ne!(ours, first);
    let socket = UdpSocket::bind_on(&net, (ours, 0)).await.expect("a port");
    let kernel = std::net::UdpSocket::bind((first, 0)).expect("a port");
    kernel.set_nonblocking(true).expect("a socket");
    let kernel = tokio::net::UdpSocket::from_std(kernel).expect("a socket");
    let to = socket.local_addr().expect("bound");
    kernel.send_to(b"question", to).await.expect("sent");
    let mut buffer = [0; 64];
    let received = tokio::time::timeout(LIMIT, socket.recv_from(&mut buffer)).await;
    let (len, from) = received.expect("in time").expect("received");
    assert_eq!((&buffer[..len], from.ip()), (&b"question"[..], first));
    net.shutdown().await;
}

/// A router advertisement daemon on the kernel's side.
struct Radvd(Child, std::path::PathBuf);

impl Radvd {
    fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("radvd-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let config = folder.join("radvd.conf");
        fs::write(&config, RADVD_CONF).expect("a file");
        let child = Command::new("radvd")
            .args(["-n", "-m", "stderr", "-C"])
            .arg(&config)
            .arg("-p")
            .arg(folder.join("radvd.pid"))
            .stdin(Stdio::null())
            .spawn()
            .expect("there is one");
        Self(child, folder)
    }
}

impl Drop for Radvd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = fs::remove_dir_all(&self.1);
    }
}

const RADVD_CONF: &str = "
interface tap0 {
    AdvSendAdvert on;
    MinRtrAdvInterval 3;
    MaxRtrAdvInterval 4;
    AdvDefaultPreference high;
    prefix 2001:db8:7::/64 {
        AdvValidLifetime 600;
        AdvPreferredLifetime 300;
    };
    AdvLinkMTU 1400;
    route 2001:db8:88::/48 { };
    RDNSS 2001:db8:7::53 { };
    DNSSL example.test lan { };
};
";

/// How far an address of ours is.
fn state(eth0: &InterfaceStatus, address: &str) -> Option<AddressState> {
    let mut all = eth0.states.iter();
    let status = all.find(|each| each.cidr.address == ip(address))?;
    Some(status.state)
}

/// The flags of an address of the kernel's.
fn kernel_flags(digits: &str) -> Option<u32> {
    let addresses = fs::read_to_string("/proc/net/if_inet6").expect("the kernel has IPv6");
    let line = addresses.lines().find(|line| line.starts_with(digits))?;
    let flags = line.split_whitespace().nth(4)?;
    u32::from_str_radix(flags, 16).ok()
}

/// Waits until something holds.
async fn wait(net: &Net, mut holds: impl FnMut(&InterfaceStatus) -> bool) {
    let end = Instant::now() + LIMIT;
    loop {
        let all = net.interfaces();
        let eth0 = all.iter().find(|each| each.name == "eth0");
        let eth0 = eth0.expect("it is there");
        if holds(eth0) {
            return;
        }
        assert!(Instant::now() < end, "{eth0:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

const LIMIT: Duration = Duration::from_secs(30);
