#!/usr/bin/env bash
# Runs the router between two network namespaces of the kernel: a client inside, which reaches the
# outside by the router's address, and a server outside, which does not reach the client.
# Needs `unshare` and `nsenter` (util-linux), `ip` (iproute2) and `python3`; not root.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [[ -z ${IN_NAMESPACE:-} ]]; then
    cargo build --release -p examples --example router
    exec unshare --user --map-root-user --net env IN_NAMESPACE=1 bash "$0"
fi

target/release/examples/router >"${TMPDIR:-/tmp}/router.$$" &
router=$!
unshare --net sleep 60 &
outside=$!
trap 'kill $router $outside 2>/dev/null; rm -f "${TMPDIR:-/tmp}/router.$$"' EXIT
outside() { nsenter --target "$outside" --net "$@"; }
until ip link show wan0 >/dev/null 2>&1; do sleep 0.1; done
until [[ $(readlink /proc/$outside/ns/net) != $(readlink /proc/self/ns/net) ]]; do sleep 0.1; done

ip link set lo up
ip link set wan0 netns "$outside"
ip address add 10.7.0.9/24 dev lan0
ip link set lan0 up
ip route add default dev lan0
outside ip link set lo up
outside ip address add 10.9.0.9/24 dev wan0
outside ip link set wan0 up

echo "== the server sees the router's address"
outside python3 -c '
import socket
server = socket.create_server(("10.9.0.9", 8080))
print("listening", flush=True)
connection, peer = server.accept()
connection.sendall(f"hello {peer[0]}\n".encode())
' | { read -r _; python3 -c '
import socket
connection = socket.create_connection(("10.9.0.9", 8080), timeout=5)
answer = connection.makefile().readline().strip()
print(answer)
assert answer == "hello 10.9.0.1", answer
'; }

echo "== and does not reach the client"
outside ip route add 10.7.0.0/24 dev wan0
outside python3 -c '
import socket
try:
    socket.create_connection(("10.7.0.9", 22), timeout=1)
    raise SystemExit("it did")
except TimeoutError:
    print("no answer")
'
kill -TERM "$router"
wait "$router"
cat "${TMPDIR:-/tmp}/router.$$"
