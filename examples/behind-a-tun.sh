#!/usr/bin/env bash
# Runs the examples `echo` and `serve` as one calls them, each behind a TUN in a namespace of its own: waits
# for what they print when they are ready, asks them, ends them with Ctrl-C, and looks at how they end.
# Needs `unshare` (util-linux) and leave to open /dev/net/tun; root only where others may make no namespaces.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -z ${IN_NAMESPACE:-} ]]; then
    cargo build --locked --release -p examples --example echo --example serve
    namespaces=(--user --map-root-user --net)
    unshare "${namespaces[@]}" true 2>/dev/null || namespaces=(--net)
    exec unshare "${namespaces[@]}" env IN_NAMESPACE=1 bash "$PWD/examples/behind-a-tun.sh"
fi

examples=${CARGO_TARGET_DIR:-target}/release/examples
said=$(mktemp)
program=
trap 'kill $program 2>/dev/null || true; rm -f "$said"' EXIT

fail() {
    cat "$said"
    echo "$1"
    exit 1
}

# begin LINE PROGRAM ARGUMENTS...: starts an example and waits until it prints the line.
begin() {
    local line=$1
    shift
    echo "== $*"
    "$examples/$1" "${@:2}" >"$said" 2>&1 &
    program=$!
    for _ in {1..200}; do
        if grep -qxF "$line" "$said"; then return; fi
        kill -0 "$program" 2>/dev/null || fail "it ended before it said: $line"
        sleep 0.1
    done
    fail "it did not say: $line"
}

# Ends it as Ctrl-C does; it has to end well.
finish() {
    kill -INT "$program"
    local status=0
    wait "$program" || status=$?
    ((status == 0)) || fail "it ended with $status"
}

# answer PORT REQUEST: what comes back from 10.7.0.2 until the end of the stream or of the line.
answer() {
    exec 3<>"/dev/tcp/10.7.0.2/$1"
    printf '%s' "$2" >&3
    timeout 10 head -n 1 <&3
    exec 3>&-
}

begin ready echo --tun tun0 --address 10.7.0.2/24 --port 7 --udp 7
[[ $(answer 7 $'and back\n') == "and back" ]] || fail "no echo"
finish

begin http://10.7.0.2:8080/ serve --tun tun1 --address 10.7.0.2/24 --gateway 10.7.0.1 --port 8080
[[ $(answer 8080 $'GET / HTTP/1.0\r\n\r\n') == HTTP/1.?" 200 OK"* ]] || fail "no page"
finish

echo "== without a service or a device"
if "$examples/echo" --tun tun0 --address 10.7.0.2/24 >"$said" 2>&1; then fail "it does nothing"; fi
if "$examples/serve" --address 10.7.0.2/24 >"$said" 2>&1; then fail "it has no device"; fi
echo "both end, and are asked"
