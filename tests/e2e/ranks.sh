#!/bin/bash
# The same bytes for every number of ranks and threads. Arguments: run.cpu_path, and what
# is edited with: adaflow, neighbours (adaflow with two keyframes a frame), tokenflow,
# own (adaflow with three keyframes a clip that keep their trajectory).
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
path=${1:-auto}
combinations=("1 2" "1 3" "2 1" "3 1" "3 2")
frames=26 shards=8
if [ "$path" = ref ]; then # the reference is a hundred times slower
    frames=13 shards=5 combinations=("1 2" "2 1" "3 2")
    settings+=(--set size.max_pixels=1536 --set features.ensemble=1)
fi
case "${2:-adaflow}" in
    tokenflow) # matches in the pass; keyframes pass between ranks
        settings+=(--method tokenflow --set attention.kv_budget=0 --set sampler.strength=0.9)
        combinations=("1 2" "2 1" "3 2") ;;
    neighbours) settings+=(--set propagate.blend=neighbours) combinations=("3 1") ;;
    own) # keyframes keep their latents, and tokens without a good match attend to them
        settings+=(--set keyframes.trajectory=own --set keyframes.per_clip=3)
        settings+=(--set propagate.min_similarity=0.8)
        combinations=("3 1") ;;
esac
make_clip clip.mp4 "$frames"

edit ref.mp4 1 1 --set "run.cpu_path=$path" >/dev/null || {
    code=$?
    [ "$code" -eq 69 ] && skip "this CPU lacks $path"
    fail "edit ended with $code"
}
digest ref.mp4 >want
[ "$(wc -l <want)" -ge "$shards" ] || fail "too few shards: $(cat want)"
for combination in "${combinations[@]}"; do
    # shellcheck disable=SC2086 # two words
    set -- $combination
    edit "r$1t$2.mp4" "$1" "$2" --set "run.cpu_path=$path" >/dev/null
    digest "r$1t$2.mp4" >got
    diff want got || fail "$1 ranks with $2 threads give other bytes on $path"
    gathered=$(sed -n 's/.*"bytes_gathered": *\([0-9]*\).*/\1/p' "r$1t$2.job/log/metrics.jsonl" |
        awk '{ s += $1 } END { print s + 0 }')
    [ "$1" -eq 1 ] || [ "$gathered" -gt 0 ] || fail "$1 ranks gathered nothing"
done
echo "ok: ${#combinations[@]} combinations of ranks and threads on $path, ${2:-adaflow}"
