#!/usr/bin/env bash
# Runs the router between two network namespaces of the kernel: a client inside, which reaches the
# outside by the address that a DHCP server there has leased to the router, and a server outside, which
# does not reach the client; the client also forms an address of IPv6 from the prefix that the router
# advertises.
# Needs `unshare` and `nsenter` (util-linux), `ip` (iproute2), `dnsmasq` and `python3`; root only where
# others may make no namespaces.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [[ -z ${IN_NAMESPACE:-} ]]; then
    command -v dnsmasq >/dev/null || { echo "install dnsmasq first"; exit 1; }
    cargo build --locked --release -p examples --example router
    namespaces=(--user --map-root-user --net)
    unshare "${namespaces[@]}" true 2>/dev/null || namespaces=(--net)
    exec unshare "${namespaces[@]}" env IN_NAMESPACE=1 bash "$PWD/examples/router/two-namespaces.sh"
fi

folder=$(mktemp -d)
"${CARGO_TARGET_DIR:-target}"/release/examples/router --outside-address dhcp \
    --inside-prefix6 fd07::/64 >"$folder/router" 2>&1 &
router=$!
unshare --net sleep 300 &
outside=$!
dnsmasq=
trap 'kill $router $outside $dnsmasq 2>/dev/null; rm -rf "$folder"' EXIT
outside() { nsenter --target "$outside" --net "$@"; }
# Waits until a command succeeds; ends the script where that takes long, or a process is gone before.
until_while() {
    local process=$1
    shift
    for _ in {1..200}; do
        if "$@" >/dev/null 2>&1; then return; fi
        if ! kill -0 "$process" 2>/dev/null; then break; fi
        sleep 0.1
    done
    cat "$folder/router"
    echo "in vain: $*"
    exit 1
}
is_apart() { [[ $(readlink "/proc/$outside/ns/net") != $(readlink /proc/self/ns/net) ]]; }
until_while "$router" ip link show wan0
until_while "$outside" is_apart

ip link set lo up
ip link set wan0 netns "$outside"
ip address add 10.7.0.9/24 dev lan0
ip link set lan0 up
ip route add default via 10.7.0.1 dev lan0
outside ip link set lo up
outside ip address add 10.9.0.9/24 dev wan0
outside ip link set wan0 up
# Not by the function: what is ended below is dnsmasq itself.
nsenter --target "$outside" --net dnsmasq --no-daemon --conf-file=/dev/null --pid-file= --port=0 \
    --interface=wan0 --bind-interfaces --dhcp-authoritative --no-ping \
    --dhcp-range=10.9.0.50,10.9.0.60,255.255.255.0,2m --dhcp-option=option:router,10.9.0.9 \
    --dhcp-leasefile="$folder/leases" 2>"$folder/dnsmasq" &
dnsmasq=$!

for _ in {1..200}; do
    if grep -q ^leased "$folder/router"; then break; fi
    sleep 0.1
done
grep ^leased "$folder/router" || { cat "$folder/dnsmasq"; echo "no lease"; exit 1; }
leased=$(awk '/^leased/ { print $2; exit }' "$folder/router")

echo "== the client has an address of IPv6, and reaches the router by it"
has_address() { ip -6 address show dev lan0 scope global -tentative | grep -q fd07:; }
until_while "$router" has_address
ip -6 address show dev lan0 scope global | awk '/inet6/ { print $2 }'
python3 -c '
import socket
echo = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
echo.settimeout(5)
echo.sendto(bytes([128, 0, 0, 0, 7, 7, 0, 1]), ("fd07::1", 0))
while True:
    answer, peer = echo.recvfrom(1500)
    if answer[0] == 129 and answer[4:6] == bytes([7, 7]):
        break
print("answered by", peer[0])
'

echo "== the server sees the address that is leased"
outside python3 -c '
import socket
server = socket.create_server(("10.9.0.9", 8080))
print("listening", flush=True)
connection, peer = server.accept()
connection.sendall(f"hello {peer[0]}\n".encode())
' | { read -r _; python3 -c '
import socket, sys
connection = socket.create_connection(("10.9.0.9", 8080), timeout=5)
answer = connection.makefile().readline().strip()
print(answer)
assert answer == f"hello {sys.argv[1]}", answer
' "$leased"; }

echo "== and does not reach the client"
outside ip route add 10.7.0.0/24 via "$leased"
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
cat "$folder/router"
for _ in {1..50}; do
    if [[ ! -s $folder/leases ]]; then break; fi
    sleep 0.1
done
if [[ -s $folder/leases ]]; then echo "the lease was not given back"; exit 1; fi
echo "== and the lease is given back"
