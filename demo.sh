#!/bin/sh
# Install what is missing, build, and show longtake at work: render a clip of two shots, edit
# it with the models of models/demo, judge the edit against the true one, and write a page about
# it, all into out/. Options go to `longtake edit`, for example
#     ./demo.sh --fresh
# LONGTAKE=PROGRAM takes a program that is there (nothing is installed or built), OUT=DIR another
# folder than out.
set -eu
cd "$(dirname "$0")"
longtake=${LONGTAKE:-build/longtake}
out=${OUT:-out}

if [ -z "${LONGTAKE:-}" ]; then
    cmake/install-packages.sh
    cmake --preset release >/dev/null
    cmake --build --preset release --target longtake | tail -n 1
fi
mkdir -p "$out"

# The clip: 48 frames with a tone, a cut at frame 24, and what only a rendered clip has: the
# exact place of the car, and the true edit.
cat >"$out/scene.yaml" <<'YAML'
shape: car
colour: red
material: plain
place: meadow
time: noon
style: plain
weather: clear
second: none
front: none
shot_frames: 24
places_vary: 1
seed: 35
YAML
"$longtake" synth "$out/scene.yaml" --size 128x128 --frames 48 --edit colour=purple -q \
    --mask "$out/clip.mask.mkv" --truth "$out/clip.true.mp4" -o "$out/clip.mp4" >/dev/null

# The edit.
"$longtake" edit -i "$out/clip.mp4" -o "$out/clip.edited.mp4" --model models/demo/sd \
    --source-prompt "a red car" --prompt "a purple car" \
    --mask "$out/clip.mask.mkv" --set mask.dilate=4 --set mask.feather=5 "$@" >/dev/null

# How good it is, and what was done.
"$longtake" eval "$out/clip.edited.mp4" --source "$out/clip.mp4" --truth "$out/clip.true.mp4" \
    --scene "$out/scene.yaml" --edit colour=purple -q --job "$out/clip.edited.job"
"$longtake" report "$out/clip.edited.job" -q --film "$out/side-by-side.mp4" \
    --sheet "$out/sheet.jpg" >/dev/null

cat <<TEXT

edited video:  $out/clip.edited.mp4
side by side:  $out/side-by-side.mp4, $out/sheet.jpg
page about it: $out/clip.edited.job/report/report.html
TEXT
