//! Running in a user and network namespace of our own, so that no privilege is needed and nothing
//! of the host's network is touched.

use anyhow::{Context as _, bail};
use std::env;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Makes sure that this process is in a fresh namespace: the first call starts the program again
/// inside one and does not return.
///
/// # Errors
/// When the host has no `unshare` or no `ip`, or lets this user make no network namespace.
pub fn enter() -> anyhow::Result<()> {
    if env::var_os(MARK).is_none() {
        let program = env::current_exe().context("finding this program")?;
        let error = Command::new("unshare")
            .args(first_allowed(refusal)?)
            .arg(program)
            .args(env::args_os().skip(1))
            .env(MARK, "1")
            .exec();
        return Err(error).context("starting `unshare` (util-linux)");
    }
    super::command::run("ip link set lo up")
        .context("setting the namespace up with `ip` (iproute2)")?;
    for (key, value) in SETTINGS {
        let path = format!("/proc/sys/net/{}", key.replace('.', "/"));
        fs::write(&path, value).with_context(|| format!("setting {key}"))?;
    }
    Ok(())
}

/// The first of [`NAMESPACES`] that is not refused.
fn first_allowed(
    mut refusal: impl FnMut(&[&str]) -> anyhow::Result<Option<String>>,
) -> anyhow::Result<&'static [&'static str]> {
    let mut refusals = Vec::new();
    for flags in NAMESPACES {
        match refusal(flags)? {
            None => return Ok(flags),
            Some(why) => refusals.push(format!("unshare {}: {why}", flags.join(" "))),
        }
    }
    bail!(
        "a network namespace is needed, and the host allows this user none, with a user namespace or \
         without; run as root or allow user namespaces ({})",
        refusals.join("; ")
    )
}

/// Why `unshare` makes no namespace with these flags here; `None` if it does.
fn refusal(flags: &[&str]) -> anyhow::Result<Option<String>> {
    let tried = Command::new("unshare").args(flags).arg("true").output();
    let tried = tried.context("starting `unshare` (util-linux)")?;
    let why = String::from_utf8_lossy(&tried.stderr).trim().to_owned();
    Ok((!tried.status.success()).then_some(why))
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

/// How `unshare` makes a network namespace. In a container root may be allowed one without a user namespace.
const NAMESPACES: [&[&str]; 2] = [&["--user", "--map-root-user", "--net"], &["--net"]];

/// Set in the process that runs inside.
const MARK: &str = "VERSUS_IN_NAMESPACE";

/// Room for short connections by the ten thousand: many ports, few of them kept in TIME_WAIT.
const SETTINGS: [(&str, &str); 2] = [
    ("ipv4.ip_local_port_range", "1024 65535"),
    ("ipv4.tcp_max_tw_buckets", "4096"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_in_a_container_gets_a_network_namespace_alone() {
        let refuse_users = |flags: &[&str]| {
            let asks = flags.contains(&"--user");
            Ok(asks.then(|| "unshare failed: Operation not permitted".into()))
        };
        assert_eq!(first_allowed(refuse_users).expect("one"), ["--net"]);
        let all = first_allowed(|_| Ok(None)).expect("the first");
        assert_eq!(all, NAMESPACES[0]);
    }

    #[test]
    fn who_may_make_no_namespace_is_told_so_and_who_lacks_unshare_is_told_that() {
        let none = first_allowed(|_| Ok(Some("not permitted".into())));
        let text = none.expect_err("none").to_string();
        for words in ["allow user namespaces", "unshare --net: not permitted"] {
            assert!(text.contains(words), "{text}");
        }
        let missing = first_allowed(|_| bail!("starting `unshare` (util-linux)"));
        let text = missing.expect_err("no unshare").to_string();
        assert_eq!(text, "starting `unshare` (util-linux)");
    }
}
