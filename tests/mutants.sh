#!/usr/bin/env bash
# Takes requirements of RFCs away one by one, and sees to it that the test that is to show each fails.
#
#   bash tests/mutants.sh            all of them
#   bash tests/mutants.sh 12         every twelfth
#   bash tests/mutants.sh 'RFC-NAME' one: bash tests/mutants.sh '9293 MUST-36'
#
# They are the rows of docs/rfc that say `yes`; the test is the first that the row names. One build
# serves all: what it does not obey is named by an environment variable (net-core/src/must.rs).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

which=${1:-1}

# Prints the name of each mutant and its test.
mutants() {
    awk -F'|' '
        /^#+ RFC [0-9]+/ { sub(/^#+ RFC /, ""); sub(/[^0-9].*/, ""); rfc = $0 }
        $6 ~ /yes/ {
            gsub(/^ +| +$/, "", $2)
            split($5, tests, "`")
            print rfc " " $2 "|" tests[2]
        }' docs/rfc/*.md
}

build() {
    cargo rustc --quiet --locked -p net-core --lib --profile test --message-format=json -- --cfg mutant |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p'
}

binary=$(build)
tests=$("$binary" --list --format terse | sed -n 's/: test$//p')

count=0 tried=0 survivors=()
while IFS='|' read -r name test; do
    count=$((count + 1))
    if [[ $which =~ ^[0-9]+$ ]]; then
        ((count % which == 0)) || continue
    else
        [[ $which == "$name" ]] || continue
    fi
    tried=$((tried + 1))
    path=$(grep -E "(^|::)$test\$" <<<"$tests" || true)
    if [[ -z $path ]]; then
        survivors+=("$name: no unit test of net-core is called $test")
    elif ! timeout 60 "$binary" --quiet --exact "$path" >/dev/null 2>&1; then
        survivors+=("$name: $test fails although everything is obeyed")
    else
        status=0
        MUTANT=$name timeout 60 "$binary" --quiet --exact "$path" >/dev/null 2>&1 || status=$?
        case $status in
            0) survivors+=("$name: $test passes without it") ;;
            # A test that hangs has not failed: nobody knows what it would have said.
            124) survivors+=("$name: $test does not end without it") ;;
        esac
    fi
done < <(mutants)

echo "$tried of $count mutants tried, ${#survivors[@]} survived"
if ((${#survivors[@]})); then printf '%s\n' "${survivors[@]}"; fi
((tried > 0 && ${#survivors[@]} == 0))
