//! Running in a user and network namespace of our own, so that no privilege is needed and nothing
//! of the host's network is touched.

use anyhow::Context as _;
use std::env;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Makes sure that this process is in a fresh namespace: the first call starts the program again
/// inside one and does not return.
///
/// # Errors
/// When the host has no `unshare` or forbids user namespaces.
pub fn enter() -> anyhow::Result<()> {
    if env::var_os(MARK).is_none() {
        let program = env::current_exe().context("finding this program")?;
        let error = Command::new("unshare")
            .args(["--user", "--map-root-user", "--net"])
            .arg(program)
            .args(env::args_os().skip(1))
            .env(MARK, "1")
            .exec();
        return Err(error).context("starting `unshare` (util-linux)");
    }
    super::command::run("ip link set lo up")
        .context("a user and network namespace is needed; the host seems to forbid them")?;
    for (key, value) in SETTINGS {
        let path = format!("/proc/sys/net/{}", key.replace('.', "/"));
        fs::write(&path, value).with_context(|| format!("setting {key}"))?;
    }
    Ok(())
}

/// The congestion control of the kernel's sockets here.
#[must_use]
pub fn congestion_control() -> String {
    fs::read_to_string(CONGESTION_CONTROL)
        .map_or_else(|_| "unknown".into(), |name| name.trim().into())
}

/// Makes `name` the congestion control of the kernel's sockets here.
///
/// # Errors
/// When the kernel has none of that name, or does not let this namespace use it.
pub fn set_congestion_control(name: &str) -> anyhow::Result<()> {
    fs::write(CONGESTION_CONTROL, name).with_context(|| {
        let allowed = fs::read_to_string("/proc/sys/net/ipv4/tcp_allowed_congestion_control");
        format!(
            "setting the kernel's congestion control to {name:?}; it allows {}",
            allowed.as_deref().unwrap_or("nobody knows what").trim()
        )
    })
}

const CONGESTION_CONTROL: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

/// Set in the process that runs inside.
const MARK: &str = "VERSUS_IN_NAMESPACE";

/// Room for short connections by the ten thousand: many ports, few of them kept in TIME_WAIT.
const SETTINGS: [(&str, &str); 2] = [
    ("ipv4.ip_local_port_range", "1024 65535"),
    ("ipv4.tcp_max_tw_buckets", "4096"),
];
