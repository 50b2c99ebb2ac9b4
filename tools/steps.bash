# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts in tools/. One step is one line on standard error; its output goes to a log.
# On a terminal the line moves while the step works.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"
export PATH=$PATH:/usr/sbin:/sbin
# What one clone has compiled serves the next: paths below the tree are relative to the compiler cache.
export CCACHE_BASEDIR=$top CCACHE_NOHASHDIR=true CCACHE_SLOPPINESS=pch_defines,time_macros

# step NAME LOG CMD…: runs CMD into LOG and says how it went; ends the script when it failed.
step() {
    local name=$1 log=$2 began=$SECONDS code=0
    shift 2
    mkdir -p "$(dirname "$log")"
    : > "$log"
    [[ -t 2 ]] || printf '%s ... ' "$name" >&2
    watch "$name" "$log"
    "$@" > "$log" 2>&1 < /dev/null || code=$?
    unwatch
    [[ ! -t 2 ]] || printf '%s ... ' "$name" >&2
    if [[ $code -eq 0 ]]; then
        echo "done in $((SECONDS - began)) s" >&2
    else
        echo "FAILED: $(why_failed "$log"); all of it is in $log" >&2
        exit 1
    fi
}

# watch NAME LOG … unwatch: on a terminal, a line that shows NAME, its seconds and the newest line of LOG.
watcher=''
watch() {
    [[ -t 2 ]] || return 0
    : > "$2"
    watch_log "$1" "$2" &
    watcher=$!
}
unwatch() {
    [[ -n $watcher ]] || return 0
    kill "$watcher" 2> /dev/null || true
    wait "$watcher" 2> /dev/null || true
    watcher=''
    printf '\r\e[K' >&2
}
watch_log() {
    local began=$SECONDS last width
    width=$(tput cols 2> /dev/null || echo 80)
    while sleep 0.3; do
        last=$(tail -n 1 "$2" | tr -cd '[:print:]')
        last="$1 ... $((SECONDS - began)) s  $last"
        printf '\r\e[K%s' "${last:0:width-1}" >&2
    done
}

# The first line of LOG that names an error, or else its last.
why_failed() {
    { grep -m 1 -E '(error|Error|^E):' "$1" || tail -n 1 "$1"; } | tr -cd '[:print:]' | cut -c1-200
}

# build PRESET [TARGET…]: configures once, then lets ninja do what is needed; silent when that is nothing. The files of a
# folder are compiled together, which is sooner done where all is new; WAGGLE_UNITY=OFF compiles each alone.
build() {
    local preset=$1 dir=build/$1
    shift
    if [[ ! -e $dir/build.ninja ]] ||
        { [[ -n ${WAGGLE_UNITY:-} ]] && ! grep -qx "WAGGLE_UNITY:BOOL=$WAGGLE_UNITY" "$dir/CMakeCache.txt"; }; then
        step "configure $preset" "$dir/configure.log" cmake --preset "$preset" -DWAGGLE_UNITY="${WAGGLE_UNITY:-ON}"
    fi
    if ! ninja -C "$dir" -n "$@" 2> /dev/null | grep -q '^ninja: no work to do'; then
        step "build $preset" "$dir/build.log" ninja -C "$dir" "$@"
    fi
}

# run_tests PRESET LABEL JOBS: the tests of that label, a line each; what failed is printed in full.
# The log build/PRESET/test-LABEL.log is what tools/count_tests.py reads.
run_tests() {
    local dir=build/$1 label=$2 jobs=$3 code=0
    (cd "$dir" && ctest -L "^$label\$" -j "$jobs" --output-on-failure --no-tests=error --no-label-summary) < /dev/null || code=$?
    cp "$dir/Testing/Temporary/LastTest.log" "$dir/test-$label.log"
    return $code
}

# name_skipped PRESET REGEX: names the tests whose label matches as skipped, for want of root.
name_skipped() {
    (cd "build/$1" && ctest -N -L "$2") | sed -n 's/^ *Test *#[0-9]*: \(.*\)/skipped \1: needs root/p' |
        tee "build/$1/test-skipped.log"
}
