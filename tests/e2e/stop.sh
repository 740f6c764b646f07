#!/bin/bash
# Signals, changed options, locks, damage, bad output: codes and messages.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
make_clip clip.mp4 18
edit ref.mp4 1 1 >/dev/null
digest ref.mp4 >want

expect() { # expect CODE TEXT COMMAND...: exit code and a part of the message
    local code=0 want_code=$1 text=$2
    shift 2
    "$@" >out.txt 2>err.txt || code=$?
    [ "$code" -eq "$want_code" ] || fail "$*: code $code, not $want_code: $(cat err.txt)"
    grep -q -- "$text" err.txt || fail "$*: no '$text' in: $(cat err.txt)"
    [ "$(grep -c '^longtake: ' err.txt)" -le 1 ] || fail "$*: several messages"
}

# A changed result key, another input: 78, the key named. Changed crf: encoded anew.
expect 78 sampler.guidance edit ref.mp4 1 1 --set sampler.guidance=3
expect 78 prompt.edit edit ref.mp4 1 1 --prompt "something else"
make_clip other.mp4 18 128x64
expect 78 input "$LONGTAKE" edit -q -i other.mp4 -o ref.mp4 --threads 1 "${settings[@]}"
before=$(sha256sum <ref.mp4)
cp -r ref.job ref.copy
edit ref.mp4 1 1 --crf 40 >/dev/null
[ "$(sha256sum <ref.mp4)" != "$before" ] || fail "crf changed nothing"
for f in ref.copy/shards/*.edit.h5; do
    cmp "$f" "ref.job/shards/$(basename "$f")" || fail "crf touched latents"
done
edit ref.mp4 1 1 >/dev/null
[ "$(sha256sum <ref.mp4)" = "$before" ] || fail "the old crf gives other bytes"

# A flipped byte: named by verify, redone by edit.
shard=$(find ref.job/shards -name '*.edit.h5' | sort | head -n 1)
printf '\377' | dd of="$shard" bs=1 seek=2000 conv=notrunc status=none
code=0
"$LONGTAKE" verify ref.job >out.txt 2>err.txt || code=$?
[ "$code" -eq 65 ] || fail "verify of a damaged job: $code"
cat out.txt err.txt | grep -q "$(basename "$shard")" || fail "verify does not name the file"
edit ref.mp4 1 1 >/dev/null 2>&1
digest ref.mp4 | diff want - || fail "a damaged shard was not made again"

# TERM to one process, USR1 to mpirun: 75, and the same bytes later.
begun() { # begun JOB: wait until it has finished a unit
    for _ in $(seq 3000); do
        grep -qs '"source"' "$1/journal.jsonl" && return
        sleep 0.02
    done
    fail "$1 did not begin"
}
stopped() { # stopped PID NAME: it ends with 75, and nothing finished lies there
    local code=0
    wait "$1" || code=$?
    [ "$code" -eq 75 ] || fail "$2: $code instead of 75"
    [ ! -e "$2.mp4" ] || fail "$2: something finished lies at the output"
}
"$LONGTAKE" edit -q -i clip.mp4 -o term.mp4 --threads 1 "${settings[@]}" >/dev/null 2>&1 &
runner=$!
begun term.job
kill -TERM "$runner"
stopped "$runner" term
edit term.mp4 1 1 >/dev/null
digest term.mp4 | diff want - || fail "stopped by TERM: other bytes"

ASAN_OPTIONS=detect_leaks=0 mpirun -n 2 --oversubscribe --bind-to none "$LONGTAKE" \
    edit -q -i clip.mp4 -o usr1.mp4 \
    --threads 1 "${settings[@]}" >/dev/null 2>&1 &
runner=$!
begun usr1.job
kill -USR1 "$runner"
stopped "$runner" usr1
edit usr1.mp4 1 1 >/dev/null
digest usr1.mp4 | diff want - || fail "stopped by USR1, continued on one rank: other bytes"

# A second run on a folder in use.
edit busy.mp4 1 1 >/dev/null 2>&1 &
runner=$!
begun busy.job
pkill -STOP -f -- '-o busy.mp4' # it must not end before the second one looks
expect 73 busy edit busy.mp4 1 1
pkill -CONT -f -- '-o busy.mp4'
wait "$runner" || fail "the first run was disturbed"

# A disk that fills up: 75, continued after space is made. One that is known to be too
# small: 73, before the work.
if [ "$(id -u)" -eq 0 ] && mkdir small && mount -t tmpfs -o size=300k tmpfs small 2>/dev/null; then
    code=0
    edit small/full.mp4 1 1 >/dev/null 2>err.txt || code=$?
    if [ "$code" -ne 73 ] || ! grep -q 'needs about .* of disk' err.txt; then
        umount small
        fail "small disk: $code: $(cat err.txt)"
    fi
    mount -o remount,size=64m small
    code=0
    LT_TEST_STOP=source:0:journal_after edit small/full.mp4 1 1 >/dev/null 2>err.txt || code=$?
    mount -o remount,size=300k small
    [ "$code" -eq 137 ] && code=0
    edit small/full.mp4 1 1 >/dev/null 2>err.txt || code=$?
    [ "$code" -eq 75 ] || {
        umount small
        fail "full disk: $code: $(cat err.txt)"
    }
    mount -o remount,size=64m small
    edit small/full.mp4 1 1 >/dev/null || {
        umount small
        fail "not continued after space was made"
    }
    digest small/full.mp4 >got
    umount small
    diff want got || fail "full disk: other bytes"
else
    echo "no tmpfs here: the full disk was not tried"
fi
echo "ok: changed options, damage, signals, lock, full disk"
