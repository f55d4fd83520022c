//! Network namespaces of others: of a server, of the ports of our router.

use crate::ip_command;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// A namespace; it goes with this.
pub(crate) struct Outside {
    holder: Child,
    namespace: Arc<File>,
}

impl Outside {
    /// One with `wan0` in it, up and with an address.
    pub(crate) fn new() -> Self {
        let outside = Self::holding(&["wan0"]);
        let set_up = outside.run(|| {
            ip_command(["address", "add", "10.9.0.9/24", "dev", "wan0"]);
        });
        set_up.join().expect("set up");
        outside
    }

    /// One with these interfaces in it, all of them up.
    pub(crate) fn holding(links: &[&'static str]) -> Self {
        let mut holder = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo ready; read -r _"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare has just worked");
        let mut line = String::new();
        let output = holder.stdout.take().expect("piped");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("it says so");
        let id = holder.id().to_string();
        let file = format!("/proc/{id}/ns/net");
        let namespace = Arc::new(File::open(file).expect("its namespace"));
        for link in links {
            ip_command(["link", "set", link, "netns", &id]);
        }
        let outside = Self { holder, namespace };
        let links = links.to_vec();
        let set_up = outside.run(move || {
            for link in ["lo"].into_iter().chain(links) {
                ip_command(["link", "set", link, "up"]);
            }
        });
        set_up.join().expect("set up");
        outside
    }

    /// Does something there, on a thread of its own.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let namespace = Arc::clone(&self.namespace);
        thread::spawn(move || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), kind).expect("we made it");
            body()
        })
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
