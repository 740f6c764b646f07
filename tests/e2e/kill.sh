#!/bin/bash
# kill -9 at named points of every stage and at random moments: the resumed run ends with
# the bytes of the uninterrupted one. Arguments: number of random kills, and a method other
# than adaflow, of which only the stages of its own are killed.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
random_kills=${1:-6}
stages="config source inversion-state inversion match state edit render mux"
if [ "${2:-adaflow}" != adaflow ]; then
    settings+=(--method "$2" --set attention.kv_budget=0)
    stages="state edit"
fi
make_clip clip.mp4 18
edit ref.mp4 1 1 >/dev/null
digest ref.mp4 >want

# resume_equals NAME: continue job NAME until it ends, compare.
resume_equals() {
    edit "$1.mp4" 1 1 >/dev/null || fail "resuming $1 ended with $?"
    digest "$1.mp4" >got
    diff want got || fail "$1: other bytes after resuming"
    "$LONGTAKE" verify -q "$1.job" >/dev/null || fail "$1: verify finds damage"
    [ -z "$(find "$1.job/shards" -name '*state*')" ] || fail "$1: states are left"
    rm -rf "$1.mp4" "$1.job"
}

n=0
for stage in $stages; do
    for point in before during after; do
        [ "$stage:$point" != mux:during ] || continue # the random kills hit it
        name="at-$stage-$point"
        code=0
        LT_TEST_STOP="$stage:*:$point" edit "$name.mp4" 1 1 >/dev/null 2>&1 || code=$?
        [ "$code" -eq 137 ] || fail "$stage:$point did not kill the run ($code)"
        [ "$stage:$point" = mux:after ] || [ ! -e "$name.mp4" ] ||
            fail "$name: something finished lies at the output"
        resume_equals "$name"
        n=$((n + 1))
    done
done

# A random rank at a random moment; the others are ended by mpirun. Where the moment lies
# before the ranks begin or after they end, another one is tried.
start=$(date +%s%N)
edit time.mp4 2 1 >/dev/null
took=$((($(date +%s%N) - start) / 1000000))
RANDOM=4711
killed=0 i=0
while [ "$killed" -lt "$random_kills" ]; do
    i=$((i + 1))
    [ "$i" -le $((20 * random_kills)) ] || fail "$killed of $i random kills hit a rank"
    wait_ms=$((RANDOM * took / 32768))
    edit "random$i.mp4" 2 1 >/dev/null 2>&1 &
    runner=$!
    sleep "$(awk "BEGIN{print $wait_ms/1000}")"
    mapfile -t ranks < <(pgrep -f "$LONGTAKE edit -q -i clip.mp4 -o random$i.mp4" || true)
    victim=
    for pid in "${ranks[@]}"; do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = longtake ] && victim="$victim $pid"
    done
    # shellcheck disable=SC2086 # a list of words
    set -- $victim
    if [ $# -gt 0 ] && kill -9 "${!#}" 2>/dev/null; then killed=$((killed + 1)); fi
    wait "$runner" 2>/dev/null || true # whatever mpirun makes of it
    for _ in $(seq 100); do # mpirun ends the others within a second or two
        pgrep -f "edit -q -i clip.mp4 -o random$i.mp4" >/dev/null || break
        sleep 0.1
    done
    resume_equals "random$i"
done
echo "ok: $n named points, $killed random kills in $i runs"
