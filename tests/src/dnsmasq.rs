//! A real `dnsmasq` that leases addresses over an interface of the kernel's.

use crate::netns;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Whether there is one; says that the test is skipped if not.
#[must_use]
pub fn is_there(test_name: &str) -> bool {
    let found = Command::new("dnsmasq").arg("--version").output().is_ok();
    if !found {
        netns::missing(test_name, &"there is no dnsmasq");
    }
    found
}

/// One that runs; it ends with this.
#[derive(Debug)]
pub struct Dnsmasq {
    child: Child,
    folder: PathBuf,
}

impl Dnsmasq {
    /// Starts one that leases the addresses .50 to .60 of the /24 network of `server`, which is the
    /// kernel's address on `interface`, for two minutes. It names `server` as the router, .53 as the DNS
    /// server, and `example.test` as the domain. Where the interface has the address .53, it is the DNS
    /// server there, and knows `db.example.test` as .99.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(interface: &str, server: Ipv4Addr) -> Self {
        Self::start_with(interface, server, &[])
    }

    /// The same, with more arguments.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start_with(interface: &str, server: Ipv4Addr, more: &[&str]) -> Self {
        let name = format!("dnsmasq-{}-{interface}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let [a, b, c, _] = server.octets();
        let network = format!("{a}.{b}.{c}");
        let child = Command::new("dnsmasq")
            .args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv"])
            .args([
                "--pid-file=",
                "--bind-interfaces",
                "--no-ping",
                "--no-hosts",
            ])
            .arg(format!("--address=/db.example.test/{network}.99"))
            .arg("--dhcp-authoritative")
            .arg(format!("--interface={interface}"))
            .arg(format!(
                "--dhcp-range={network}.50,{network}.60,255.255.255.0,2m"
            ))
            .arg(format!("--dhcp-option=option:router,{server}"))
            .arg(format!("--dhcp-option=option:dns-server,{network}.53"))
            .arg("--dhcp-option=option:domain-name,example.test")
            .arg(format!(
                "--dhcp-leasefile={}",
                folder.join("leases").display()
            ))
            .args(more)
            .stdin(Stdio::null())
            .spawn()
            .expect("there is one");
        Self { child, folder }
    }

    /// What it has leased, as it says itself.
    #[must_use]
    pub fn leases(&self) -> String {
        fs::read_to_string(self.folder.join("leases")).unwrap_or_default()
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
