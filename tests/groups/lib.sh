# Helpers for groups: sourced, not run. See tests/run_groups.py for what a group is.
# shellcheck shell=bash
set -uo pipefail
ROOT=${ISTHMUS_ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
JOBS=${ISTHMUS_JOBS:-$(nproc)}
LOGS=${ISTHMUS_LOGS:-$ROOT/build/test-logs/$(basename "$0")}
cd "$ROOT" || exit 1

pass() { printf 'PASS %s\n' "$1"; }
fail() { printf 'FAIL %s: %s\n' "$1" "$2"; }
skip() { printf 'SKIP %s: %s\n' "$1" "$2"; }

# check NAME COMMAND...: the command's exit code decides; its output goes to the log in front of the verdict.
check() {
    local name=$1 code=0
    shift
    "$@" || code=$?
    if ((code == 0)); then pass "$name"; else fail "$name" "exit code $code from: $*"; fi
    return $code
}

# build PRESET [TARGET...]: ends the group if it does not build.
build() {
    local began=$SECONDS
    ISTHMUS_JOBS=$JOBS ./dev build "$@" || {
        fail "build" "$1 does not build"
        exit 1
    }
    printf 'built %s in %s s\n' "$1" $((SECONDS - began))
}

# run_unit_tests PRESET [NAME...]: all doctest programs of a build, or those of the modules named.
# doctest's summary is what counts; a program that dies before it fails here.
run_unit_tests() {
    local preset=$1 name program out code
    shift
    while IFS=$'\t' read -r name program; do
        [[ $# -eq 0 || " $* " == *" $name "* ]] || continue
        printf '== %s\n' "$name"
        out=$(mktemp)
        "$program" --no-colors=true 2>&1 | tee "$out"
        code=${PIPESTATUS[0]}
        if ! grep -q '^\[doctest\] test cases:' "$out"; then
            fail "test_$name" "ended with code $code before its summary"
        elif ((code != 0)) && ! grep -q '^\[doctest\] Status: FAILURE' "$out"; then
            fail "test_$name" "its tests pass, but it ended with code $code"
        fi
        rm -f "$out"
    done < <(tests_of "$preset" | grep -v '^fuzz_seeds_')
}

# replay_seeds PRESET: each fuzz target over its seeds, as a plain program.
replay_seeds() {
    local name program arguments
    while IFS=$'\t' read -r name program arguments; do
        # shellcheck disable=SC2086
        check "$name" "$program" $arguments
    done < <(tests_of "$1" | grep '^fuzz_seeds_')
}

# Lines of name, program and arguments, as CMake registered them.
tests_of() {
    ctest --test-dir "build/$1" --show-only=json-v1 |
        jq -r '.tests[] | select(.command) | [.name, .command[0], (.command[1:] | join(" "))] | @tsv'
}

# beside COMMAND...: starts it beside what follows, for tests that wait more than they work; what it says is kept.
BESIDE=()
beside() {
    local said
    said=$(mktemp)
    "$@" >"$said" 2>&1 &
    BESIDE+=("$!:$said")
}

# collect: waits for all that `beside` started, and says what each said; fails if one of them did.
collect() {
    local each code=0
    for each in "${BESIDE[@]}"; do
        wait "${each%%:*}" || code=1
        cat "${each#*:}"
        rm -f "${each#*:}"
    done
    BESIDE=()
    return $code
}

# run_system_tests NAME...: programs of tests/system, each printing its own verdicts; "NAME OPTIONS" hands it options.
run_system_tests() {
    local each words code=0
    for each in "$@"; do
        read -ra words <<<"$each"
        printf '== %s\n' "${words[0]}"
        ISTHMUS_BUILD_DIR=$ROOT/build/dev python3 "tests/system/${words[0]}.py" "${words[@]:1}" || code=1
    done
    return $code
}
