#!/bin/bash
# Latents are read once: at most 1.05 of the bytes that the steps need, no whole files for
# every chunk.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
make_clip clip.mp4 26
edit out.mp4 1 1 --method frame --set sampler.steps=5 --set sampler.inversion_steps=5 >/dev/null

fact() { sed -n "s/^ *$1: \"\(.*\)\"$/\1/p" out.job/job.yaml; }
frame=$(($(fact latent_height) * $(fact latent_width) * $(fact latent_channels) * 2))
# The noisiest level, then one level for each of the 4 of 5 steps that inject.
needed=$((26 * frame * (1 + 4)))
read=$(sed -n 's/.*"stage":"edit".*"bytes_read":\([0-9]*\).*/\1/p' out.job/log/metrics.jsonl |
    awk '{ s += $1 } END { print s + 0 }')
states=$(sed -n 's/.*"stage":"state".*"bytes_read":\([0-9]*\).*/\1/p' out.job/log/metrics.jsonl |
    awk '{ s += $1 } END { print s + 0 }')
read=$((read + states))
echo "latent bytes read $read, needed $needed"
[ "$read" -gt 0 ] || fail "nothing was counted"
[ $((read * 100)) -le $((needed * 105)) ] || fail "too much is read"
