# shellcheck shell=bash
# Shared by the end-to-end tests: sourced, never run. Each test works in a folder of its
# own below the build folder. LONGTAKE, GOLDEN and SHARED come from CMake.
set -euo pipefail

: "${LONGTAKE:?the program}" "${GOLDEN:?tests/golden}"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_vader_single_copy_mechanism=none

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

skip() {
    echo "skipped: $*" >&2
    exit 77
}

command -v ffmpeg >/dev/null || skip "no ffmpeg program"

work=$(mktemp -d "${TMPDIR:-/tmp}/longtake-e2e.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# A small moving clip with sound: make_clip FILE FRAMES [SIZE]
make_clip() {
    ffmpeg -v error -f lavfi -i "testsrc2=size=${3:-96x64}:rate=24" \
        -f lavfi -i sine=frequency=440 -frames:v "$2" -t "$(awk "BEGIN{print $2/24}")" \
        -pix_fmt yuv420p -c:v libx264 -c:a aac -y "$1"
}

# Settings under which keyframes are gathered and slimmed (issue 3, traps).
settings=(--model "$GOLDEN/models/sd15-tiny" --prompt "a red ball and a wooden boat"
    --source-prompt "a yellow circle" --set sampler.steps=4 --set sampler.inversion_steps=4
    --set clips.mode=fixed --set clips.length=4 --set attention.kv_budget=3
    --set segments.keyframes=5 --set features.ensemble=2 --set size.max_pixels=6144
    --set run.checkpoint_steps=2)

# run_ranks N COMMAND...; Open MPI itself leaks, so leaks count in single processes only
run_ranks() {
    local n=$1
    shift
    ASAN_OPTIONS=detect_leaks=0 mpirun -n "$n" --oversubscribe --bind-to none "$@"
}

# edit OUT RANKS THREADS [options]
edit() {
    local out=$1 ranks=$2 threads=$3
    shift 3
    if [ "$ranks" -eq 1 ]; then
        "$LONGTAKE" edit -q -i clip.mp4 -o "$out" --threads "$threads" "${settings[@]}" "$@"
    else
        run_ranks "$ranks" "$LONGTAKE" edit -q -i clip.mp4 -o "$out" --threads "$threads" \
            "${settings[@]}" "$@"
    fi
}

# The bytes that count: the video, and every latent.
digest() {
    sha256sum <"$1"
    find "${1%.*}.job/shards" -name '*.edit.h5' -print | sort | xargs sha256sum |
        sed 's,  .*/,  ,'
}
