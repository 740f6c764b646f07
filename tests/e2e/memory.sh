#!/bin/bash
# Peak memory does not grow with the length: (RSS at 1,200 - RSS at 120 frames) / 1,080
# <= 2 KiB a frame; latent bytes read <= 1.05 of those needed.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
peak() { # peak FRAMES -> KiB; the least of three runs: how far decoding is ahead is chance
    make_clip clip.mp4 "$1"
    for run in 1 2 3; do
        /usr/bin/time -f %M -o "rss.$run" "$LONGTAKE" edit -q -i clip.mp4 -o "m$1.$run.mp4" \
            --threads 1 "${settings[@]}" --set size.max_pixels=1024 --set sampler.steps=2 \
            --set sampler.inversion_steps=2 --set features.ensemble=1 >/dev/null
    done
    tail -qn 1 rss.[123] | sort -n | head -n 1
}
[ -x /usr/bin/time ] || skip "no /usr/bin/time"
short=$(peak 120)
long=$(peak 1200)
grown=$(((long - short) * 1024 / 1080))
echo "peak RSS: 120 frames $short KiB, 1,200 frames $long KiB: $grown bytes a frame"
[ "$grown" -le 2048 ] || fail "memory grows by $grown bytes a frame"
