//! Tests that talk to the Linux kernel, each in a network namespace of its own.
//!
//! Such a test starts itself again inside a new user and network namespace, where it may make
//! interfaces without being root and disturbs nobody:
//!
//! ```no_run
//! // in a file below tests/:
//! // #[test]
//! fn pings_the_kernel() {
//!     tests::netns::run("pings_the_kernel", || {
//!         // in the namespace, with `lo` up
//!     });
//! }
//! ```

mod link;

pub use link::{index_of, set_up};

use std::env;
use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio, exit};
use std::thread;
use std::time::{Duration, Instant};

/// Runs `body` as the test `test_name` in a fresh namespace with `lo` up; it has two minutes.
///
/// `test_name` is the test's full name, with the names of its modules. Where the host allows no
/// namespaces or no TUN this prints `skipped: <test name>: <why>`, or fails if the environment has
/// `NET_TESTS_REQUIRE_KERNEL=1`.
///
/// # Panics
/// If `body` does, if it takes too long, or if no test has that name.
pub fn run(test_name: &str, body: impl FnOnce()) {
    run_for(test_name, Duration::from_secs(120), body);
}

/// [`run`] with another time limit.
///
/// # Panics
/// As [`run`] does.
pub fn run_for(test_name: &str, limit: Duration, body: impl FnOnce()) {
    if env::var(INSIDE).as_deref() == Ok(test_name) {
        if let Err(why) = prepare() {
            println!("{why}");
            exit(UNABLE);
        }
        return body();
    }
    let unshare = match usable_unshare() {
        Ok(flags) => flags,
        Err(why) => return skip(test_name, &why),
    };
    let program = env::current_exe().expect("a test knows where it lies");
    let child = Command::new("unshare")
        .args([unshare, "--"])
        .arg(program)
        .args([test_name, "--exact", "--nocapture"])
        .env(INSIDE, test_name)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("unshare has just worked");
    let (status, output) = finish(child, limit);
    println!("{output}");
    match status {
        None => panic!("{test_name} took longer than {limit:?} in its namespace and was killed"),
        Some(status) if status.code() == Some(UNABLE) => {
            skip(test_name, output.lines().next_back().unwrap_or_default());
        }
        Some(status) => {
            assert!(status.success(), "{test_name} failed in its namespace");
            assert!(
                output.contains("1 passed"),
                "no test has the name {test_name:?}: it needs the names of its modules"
            );
        }
    }
}

/// Runs `body`, all that the program has to do, in a fresh namespace with `lo` up; what the program is to
/// end with. Where that is impossible it says why.
#[must_use]
pub fn run_program(body: impl FnOnce()) -> ExitCode {
    let done = if env::var(INSIDE).as_deref() == Ok(PROGRAM) {
        prepare().map(|()| {
            body();
            true
        })
    } else {
        usable_unshare().and_then(start_program)
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Starts this program again with the same arguments, inside; whether it succeeded.
fn start_program(unshare: &str) -> Result<bool, String> {
    let failed = |error: io::Error| format!("cannot start again in a namespace: {error}");
    let status = Command::new("unshare")
        .args([unshare, "--"])
        .arg(env::current_exe().map_err(failed)?)
        .args(env::args_os().skip(1))
        .env(INSIDE, PROGRAM)
        .status();
    Ok(status.map_err(failed)?.success())
}

/// Makes the namespace usable, and finds out whether a TUN may be opened at all and whether `ip`, which
/// tests call, is there.
fn prepare() -> Result<(), String> {
    set_up("lo").map_err(|error| format!("cannot bring lo up: {error}"))?;
    OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
        .map_err(|error| format!("cannot open /dev/net/tun: {error}"))?;
    runs("ip", "iproute2")
}

/// Whether there is the program of a package.
fn runs(program: &str, package: &str) -> Result<(), String> {
    let asked = Command::new(program).arg("-V").output();
    asked.map_err(|error| format!("cannot run {program}, install {package}: {error}"))?;
    Ok(())
}

/// The flags with which `unshare` (util-linux) makes a network namespace here.
fn usable_unshare() -> Result<&'static str, String> {
    let mut why = String::new();
    // In a container root may be allowed a network namespace without a user namespace.
    for flags in ["-Urn", "-n"] {
        match Command::new("unshare").args([flags, "--", "true"]).output() {
            Ok(output) if output.status.success() => return Ok(flags),
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stderr);
                why = format!("no namespace: {}", text.trim());
            }
            Err(error) => return Err(format!("cannot run unshare: {error}")),
        }
    }
    Err(why)
}

/// Says that a test cannot run here, or fails it if the environment has `NET_TESTS_REQUIRE_KERNEL=1`.
///
/// # Panics
/// Then.
pub fn skip(test_name: &str, why: &str) {
    assert!(
        env::var("NET_TESTS_REQUIRE_KERNEL").as_deref() != Ok("1"),
        "{test_name} cannot run here, and NET_TESTS_REQUIRE_KERNEL forbids skipping: {why}"
    );
    missing(test_name, &why);
}

/// Says that a test, or a part of it, cannot run here, which is no failure even where kernel tests are required:
/// on the standard output, and in the file that `NET_TESTS_SKIPPED` names, as nobody sees what tests print that
/// pass.
pub fn missing(test_name: &str, why: &impl Display) {
    let line = format!("skipped: {test_name}: {why}");
    println!("{line}");
    let Some(path) = env::var_os("NET_TESTS_SKIPPED") else {
        return;
    };
    let file = OpenOptions::new().create(true).append(true).open(&path);
    // At once, so that no other test's line comes between.
    let written = file.and_then(|mut file| file.write_all((line + "\n").as_bytes()));
    if let Err(error) = written {
        println!("{} takes no line: {error}", path.display());
    }
}

/// Waits for the child, or kills it at the limit; its status and all that it printed.
fn finish(mut child: Child, limit: Duration) -> (Option<ExitStatus>, String) {
    let printed = collect(child.stdout.take());
    let complained = collect(child.stderr.take());
    let deadline = Instant::now() + limit;
    let status = loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
            Ok(None) => {
                // It may have ended by itself; either way it is gone after this.
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            Ok(status) => break status,
            Err(error) => panic!("cannot wait for the test: {error}"),
        }
    };
    let mut output = complained();
    output += &printed();
    (status, output)
}

/// Reads to the end on a thread of its own; the result is a function that waits for it.
fn collect<R: Read + Send + 'static>(source: Option<R>) -> impl FnOnce() -> String {
    let reader = thread::spawn(move || -> io::Result<String> {
        let mut bytes = Vec::new();
        if let Some(mut source) = source {
            source.read_to_end(&mut bytes)?;
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    });
    move || {
        reader
            .join()
            .expect("reading does not panic")
            .unwrap_or_default()
    }
}

/// Says to the test that it is inside, by its name.
const INSIDE: &str = "NET_TESTS_INSIDE";
/// What says it to a program.
const PROGRAM: &str = "a program";
/// Exit status of a test that finds in its namespace that it cannot run.
const UNABLE: i32 = 77;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_told_with_its_package() {
        let why = runs("no-such-program", "a-package").expect_err("not there");
        assert!(
            why.starts_with("cannot run no-such-program, install a-package"),
            "{why}"
        );
        runs("true", "coreutils").expect("there");
    }
}
