# shellcheck shell=bash disable=SC2034
# Shared by the tests of the program. Sourced; the caller gives
#   LONGTAKE  the program      GOLDEN  tests/golden      WORK  an empty folder to work in
set -u
MODEL=$GOLDEN/models/sd15-tiny
# Small and quick: two steps, one feature pass.
QUICK=(--set sampler.steps=2 --set sampler.inversion_steps=2 --set features.ensemble=1)
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1
unset LONGTAKE_MODELS HF_HUB_CACHE HF_HOME LT_TEST_STOP
n_checks=0

fail() {
    echo "FAIL: $*" >&2
    echo "--- stdout" >&2
    head -20 "$WORK/out" >&2
    echo "--- stderr" >&2
    head -20 "$WORK/err" >&2
    exit 1
}

# run CODE COMMAND...: stdout and stderr go to $WORK/out and $WORK/err.
run() {
    local want=$1 got=0
    shift
    "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || got=$?
    [ "$got" -eq "$want" ] || fail "exit code $got, not $want: $*"
    n_checks=$((n_checks + 1))
}

# refused CODE PATTERN COMMAND...: exactly one error message, in at most three lines, that
# says PATTERN (extended regular expression); nothing on stdout.
refused() {
    local code=$1 pattern=$2
    shift 2
    run "$code" "$@"
    [ "$(grep -c '^longtake: ' "$WORK/err")" -eq \
        $((1 + $(grep -c '^longtake: warning: ' "$WORK/err"))) ] ||
        fail "not one error message: $*"
    [ "$(wc -l <"$WORK/err")" -le 3 ] || fail "more than three lines: $*"
    grep '^longtake: ' "$WORK/err" | grep -v '^longtake: warning: ' |
        grep -Eq -- "$pattern" || fail "no \"$pattern\": $*"
    [ ! -s "$WORK/out" ] || fail "output on stdout: $*"
}

out_has() { grep -Eq -- "$1" "$WORK/out" || fail "stdout lacks \"$1\""; }
err_has() { grep -Eq -- "$1" "$WORK/err" || fail "stderr lacks \"$1\""; }

# json EXPRESSION: of the object `o` that stdout holds; needs python3.
json() {
    python3 -c "
import json, sys
o = json.load(open(sys.argv[1]))
sys.exit(0 if ($1) else 1)" "$WORK/out" || fail "JSON is not $1"
}

# clip FILE FRAMES [options]: a test picture with sound, 12 frames a second.
clip() {
    local file=$1 frames=$2
    shift 2
    ffmpeg -loglevel error -y -f lavfi -i "testsrc2=size=64x48:rate=12" \
        -f lavfi -i "sine=frequency=440" -frames:v "$frames" -shortest -pix_fmt yuv420p \
        -colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv \
        "$@" "$file" </dev/null || exit 77
}

begin() {
    rm -rf "$WORK"
    mkdir -p "$WORK"
    cd "$WORK" || exit 1
}

need() { command -v "$1" >/dev/null || { echo "skip: no $1"; exit 77; }; }
