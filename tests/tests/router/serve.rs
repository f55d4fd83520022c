//! The example `serve` as its command line has it, asked by the kernel over HTTP.

use crate::tools::options;
use crate::{LIMIT, ip, limit};
use examples::serve::ServeOptions;
use rustix::process::Uid;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities, set_thread_res_uid};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;

const ARGUMENTS: &str = "--tun web0 --address 10.7.0.2/24 --address fd07::2/64 --port 8080";

#[test]
fn serve_says_hello_streams_counts_and_tells_its_counters() {
    let name = "serve::serve_says_hello_streams_counts_and_tells_its_counters";
    tests::netns::run(name, || {
        let serve: ServeOptions = options(ARGUMENTS);
        let runtime = crate::runtime();
        let (net, addresses) = runtime.block_on(serve.start()).expect("it serves");
        let expected = ["10.7.0.2", "fd07::2"].map(|text| SocketAddr::new(ip(text), 8080));
        assert_eq!(addresses, expected);
        for at in expected {
            let hello = ask(at, "GET / HTTP/1.1", b"");
            assert_eq!(hello.body, b"Hello from a TCP/IP stack in user space.\n");
            for bytes in [0, 1, 3_000_000] {
                let download = ask(at, &format!("GET /download?bytes={bytes} HTTP/1.1"), b"");
                let length = format!("content-length: {bytes}");
                assert!(download.head.contains(&length), "{}", download.head);
                assert_eq!(download.body.len(), bytes);
                assert!(download.body.iter().all(|byte| *byte == b'.'));
            }
            let upload = ask(at, "POST /upload HTTP/1.1", &[b'a'; 1_000_000]);
            let said = String::from_utf8(upload.body).expect("text");
            assert_eq!(said, format!("1000000 bytes, SHA-256 {MILLION}\n"));
        }
        let stats = ask(expected[0], "GET /stats HTTP/1.1", b"");
        let stats = String::from_utf8(stats.body).expect("text");
        let counter = |name: &str| {
            let mut lines = stats.lines().filter_map(|line| line.split_once(' '));
            let (_, value) = lines
                .find(|(counter, _)| *counter == name)
                .expect("a counter");
            value.parse::<u64>().expect("a number")
        };
        assert_eq!(counter("tcp_passive_opens"), 11);
        assert!(counter("rx_bytes") > 2_000_000 && counter("tx_bytes") > 6_000_000);
        assert!(!stats.contains("dropped_transport"), "{stats}");
        let shown: Vec<_> = stats
            .lines()
            .filter_map(|line| line.split_once(' '))
            .collect();
        assert!(net.stats().fields().count() > 40);
        for (name, _) in net.stats().fields() {
            assert!(shown.iter().any(|(counter, _)| *counter == name), "{name}");
        }
        runtime.block_on(net.shutdown());
    });
}

/// Each network of the stack has its route on the host: also the half of a /24, the pair of a /31, and a
/// second network beside that of the gateway.
#[test]
fn the_host_reaches_every_address_that_serve_is_given() {
    let name = "serve::the_host_reaches_every_address_that_serve_is_given";
    tests::netns::run(name, || {
        let runtime = crate::runtime();
        let arguments = "--tun web0 --address 10.7.0.130/25 --address 10.9.0.4/31 \
             --address 10.8.0.2/24 --gateway 10.7.0.200 --address fd07::2/64 --gateway fe80::1";
        let serve: ServeOptions = options(arguments);
        let (net, addresses) = runtime.block_on(serve.start()).expect("it serves");
        assert_eq!(addresses.len(), 4);
        for at in addresses {
            let hello = ask(at, "GET / HTTP/1.1", b"");
            assert_eq!(hello.body, b"Hello from a TCP/IP stack in user space.\n");
        }
        assert_eq!(serve.tun.hints("web0"), Vec::<String>::new());
        runtime.block_on(net.shutdown());
    });
}

#[test]
fn who_prepares_a_device_without_an_address_is_told_of_it() {
    let name = "serve::who_prepares_a_device_without_an_address_is_told_of_it";
    tests::netns::run(name, || {
        let runtime = crate::runtime();
        crate::ip_command(["tuntap", "add", "web0", "mode", "tun"]);
        let serve: ServeOptions = options("--tun web0 --address 10.7.0.2/24 --gateway 10.7.0.9");
        let (net, _) = runtime.block_on(serve.start()).expect("it serves");
        let hints = serve.tun.hints("web0");
        assert_eq!(hints.len(), 1, "{hints:?}");
        let way_out = "`ip address add 10.7.0.9/24 dev web0`";
        assert!(hints[0].contains(way_out), "{hints:?}");
        // Two addresses of one network lack one address of the host, two networks lack two.
        let several: ServeOptions = options(
            "--tun web0 --address 10.7.0.2/24 --address 10.7.0.3/24 --address 10.8.0.2/24 --gateway 10.7.0.9",
        );
        let hints = several.tun.hints("web0");
        assert_eq!(hints.len(), 2, "{hints:?}");
        let other = "`ip address add 10.8.0.1/24 dev web0`";
        assert!(
            hints[0].contains(way_out) && hints[1].contains(other),
            "{hints:?}"
        );
        crate::ip_command(["address", "add", "10.7.0.9/24", "dev", "web0"]);
        assert_eq!(serve.tun.hints("web0"), Vec::<String>::new());
        runtime.block_on(net.shutdown());
    });
}

/// SHA-256 of a million times `a` (FIPS 180-2, appendix B.3).
const MILLION: &str = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

struct Answer {
    head: String,
    body: Vec<u8>,
}

/// One request on a connection of its own.
fn ask(at: SocketAddr, request: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect_timeout(&at, LIMIT).expect("connected");
    limit(&stream);
    let len = body.len();
    let head =
        format!("{request}\r\nhost: {at}\r\nconnection: close\r\ncontent-length: {len}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("asked");
    stream.write_all(body).expect("asked");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let body = answer.split_off(end.expect("a head") + 4);
    let head = String::from_utf8(answer).expect("text").to_lowercase();
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    Answer { head, body }
}

/// Who may open the node but not make a device is told of the capability, whatever else he is.
#[test]
fn without_permission_serve_names_the_capability_and_how_to_get_it() {
    let name = "serve::without_permission_serve_names_the_capability_and_how_to_get_it";
    tests::netns::run(name, || {
        for kind in ["tun", "tap"] {
            let arguments = ARGUMENTS.replace("--tun", &format!("--{kind}"));
            let said = said_to(arguments, || {
                let mut sets = capabilities(None).expect("those of this thread");
                sets.effective.remove(CapabilitySet::NET_ADMIN);
                sets.permitted.remove(CapabilitySet::NET_ADMIN);
                set_capabilities(None, sets).expect("fewer");
            });
            for words in [
                "CAP_NET_ADMIN is missing",
                "unshare -Urn",
                "setcap cap_net_admin+ep",
                &format!("mode {kind} user"),
            ] {
                assert!(said.contains(words), "{said}");
            }
        }
    });
}

/// A node that is root's alone, in a mount namespace of its own.
#[test]
fn without_a_right_to_the_node_serve_names_what_opens_it() {
    let name = "serve::without_a_right_to_the_node_serve_names_what_opens_it";
    if std::env::var_os("NET_TESTS_NODE").is_none() {
        return with_a_node_of_roots(name);
    }
    let become_nobody = || {
        let nobody = Uid::from_raw(65_534);
        set_thread_res_uid(nobody, nobody, nobody)
    };
    let tried = thread::spawn(become_nobody).join().expect("no panic");
    if let Err(error) = tried {
        // No failure where kernel tests are required: who has no other users can give up no right.
        tests::netns::missing(name, &format!("cannot become another user: {error}"));
        return;
    }
    let said = said_to(ARGUMENTS.into(), move || {
        become_nobody().expect("it has just been tried");
    });
    for words in [
        "no permission to open /dev/net/tun",
        "CAP_DAC_OVERRIDE is missing",
        "CAP_NET_ADMIN",
        "setcap cap_dac_override,cap_net_admin+ep",
        "chmod 0666",
        "unshare -Urn",
    ] {
        assert!(said.contains(words), "{said}");
    }
}

/// Runs the test again where `/dev/net/tun` has the mode 0600.
fn with_a_node_of_roots(name: &str) {
    if !Path::new("/dev/net/tun").exists() {
        return tests::netns::skip(name, "there is no /dev/net/tun");
    }
    let program = std::env::current_exe().expect("a test knows where it lies");
    let script = "touch \"$0.node\" && chmod 0600 \"$0.node\" && \
        mount --bind \"$0.node\" /dev/net/tun && exec \"$0\" \"$1\" --exact --nocapture";
    let node = program.with_extension("node");
    let output = Command::new("unshare")
        .args([
            "--mount",
            "sh",
            "-c",
            &script.replace("$0.node", &node.display().to_string()),
        ])
        .arg(&program)
        .arg(name)
        .env("NET_TESTS_NODE", "1")
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return tests::netns::skip(name, &format!("cannot run unshare: {error}")),
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let _ = std::fs::remove_file(node);
    if text.contains("1 passed") {
        print!("{text}");
        return;
    }
    // Where nobody may mount, as without root, there is nobody to give up a right either.
    let is_refused = [
        "unshare failed: Operation not permitted",
        "permission denied",
    ];
    assert!(
        is_refused.iter().any(|words| text.contains(words)),
        "{text}"
    );
    tests::netns::missing(name, &text.trim());
}

/// What `serve` ends with, on a thread that has given up a right.
fn said_to(arguments: String, give_up: impl FnOnce() + Send + 'static) -> String {
    let ended = thread::spawn(move || {
        give_up();
        let serve: ServeOptions = options(&arguments);
        let started = crate::runtime().block_on(async { serve.start().await.map(drop) });
        format!("{:#}", started.expect_err("it must not"))
    });
    ended.join().expect("an error")
}
