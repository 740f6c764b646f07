#!/bin/sh
# Replay the corpus of a fuzz target, then look further for LT_FUZZ_SECONDS (60).
#     run.sh PROGRAM CORPUS
# What it finds stays under ./<target>.found: keep it as a file of the corpus. New inputs
# that only reach further are thrown away, unless LT_FUZZ_KEEP names a folder for them.
set -eu
program=$1
corpus=$2
seconds=${LT_FUZZ_SECONDS:-60}
[ -x "$program" ] || {
    echo "skip: fuzz targets were not built (clang with its runtime is missing, or a" \
        "sanitizer build)"
    exit 77
}

found=$PWD/$(basename "$program").found
reached=${LT_FUZZ_KEEP:-$(mktemp -d "${TMPDIR:-/tmp}/fuzz.XXXXXX")}
[ -n "${LT_FUZZ_KEEP:-}" ] || trap 'rm -rf "$reached"' EXIT
mkdir -p "$found"
# the same seed: with the same number of runs, the same inputs
set -- -seed=1 -max_len=16384 -timeout=10 -rss_limit_mb=1024 -artifact_prefix="$found/" \
    -verbosity=0 -print_final_stats=1

"$program" "$@" -runs=0 "$corpus" || exit 1
"$program" "$@" -max_total_time="$seconds" "$reached" "$corpus" || exit 1
rmdir --ignore-fail-on-non-empty "$found"
