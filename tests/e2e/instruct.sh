#!/bin/bash
# Method `frame` with an InstructPix2Pix model: the same bytes for every number of ranks
# and threads and after kill -9, and what the other commands make of such a job.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
: "${MAKE_INSTRUCT_MODEL:?the program that writes the model}"
"$MAKE_INSTRUCT_MODEL" model
settings=(--model model --method frame --prompt "turn the circle red" --set sampler.steps=4
    --set size.max_pixels=1536 --set run.checkpoint_steps=2)
make_clip clip.mp4 34 # 3 blocks, the last of 2 frames
edit ref.mp4 1 1 >/dev/null
digest ref.mp4 >want
[ "$(wc -l <want)" -eq 4 ] || fail "not a video and 3 shards: $(cat want)"

for combination in "1 3" "2 1" "3 2"; do
    # shellcheck disable=SC2086 # two words
    set -- $combination
    edit "r$1t$2.mp4" "$1" "$2" >/dev/null
    digest "r$1t$2.mp4" | diff want - || fail "$1 ranks with $2 threads give other bytes"
done

for point in state:*:during state:1:after edit:*:before; do
    name=${point//[:*]/-}
    code=0
    LT_TEST_STOP=$point edit "$name.mp4" 1 1 >/dev/null 2>&1 || code=$?
    [ "$code" -eq 137 ] || fail "$point did not kill the run ($code)"
    edit "$name.mp4" 2 1 >/dev/null || fail "resuming $name ended with $?"
    digest "$name.mp4" | diff want - || fail "$name: other bytes after resuming"
    "$LONGTAKE" verify -q "$name.job" >/dev/null || fail "$name: verify finds damage"
done
states=$(find ref.job/shards -name '*.state.*')
[ -z "$states" ] || fail "states are left: $states"

expect() { # expect CODE TEXT COMMAND...: exit code and a part of the message
    local code=0 want_code=$1 text=$2
    shift 2
    "$@" >out.txt 2>err.txt || code=$?
    [ "$code" -eq "$want_code" ] || fail "$*: code $code, not $want_code: $(cat err.txt)"
    grep -q -- "$text" err.txt || fail "$*: no '$text' in: $(cat err.txt)"
}
expect 78 "method frame" edit other.mp4 1 1 --method adaflow \
    --set sampler.inversion_steps=4
[ ! -e other.job ] || fail "a refused model made a job folder"
expect 78 sampler.name edit ref.mp4 1 1 --set sampler.name=euler
expect 66 nowhere edit other.mp4 1 1 --set sampler.latents=nowhere
expect 65 "no tensor" edit other.mp4 1 1 \
    --set sampler.latents=model/unet/diffusion_pytorch_model.safetensors
expect 78 sampler.inversion_steps edit other.mp4 1 1 --model "$GOLDEN/models/sd15-tiny"

"$LONGTAKE" status --json ref.job 2>/dev/null | grep -q inversion &&
    fail "status knows of an inversion"
"$LONGTAKE" plan --json -i clip.mp4 "${settings[@]}" -o plan.mp4 >plan.json 2>/dev/null ||
    fail "plan ended with $?"
"$LONGTAKE" preview -q -i clip.mp4 "${settings[@]}" --at 1 -o one.png >/dev/null 2>&1 ||
    fail "preview ended with $?"
[ -s one.png ] || fail "no picture"
echo "ok: 3 combinations of ranks and threads, 3 kills, messages"
