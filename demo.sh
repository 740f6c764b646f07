#!/bin/sh
# Install what is missing, build, and edit a clip: the result lies under out/.
set -eu
cd "$(dirname "$0")"

cmake/install-packages.sh
cmake --preset release >/dev/null
cmake --build --preset release --target longtake | tail -n 1

mkdir -p out
clip=out/clip.mp4
[ -f "$clip" ] || ffmpeg -v error -f lavfi -i testsrc2=size=128x128:rate=24:duration=2 \
    -f lavfi -i sine=frequency=440:duration=2 -pix_fmt yuv420p -c:v libx264 -c:a aac \
    -shortest -y "$clip"

# The models of the demo world once they are there; until then random weights, which show
# the machinery and no art.
model=models/demo/sd
[ -f "$model/model_index.json" ] || model=tests/golden/models/sd15-tiny

build/longtake edit configs/draft.yaml -i "$clip" -o out/clip.edited.mp4 \
    --model "$model" --prompt "a red ball in the snow"
echo "edited video: out/clip.edited.mp4 (job folder: out/clip.edited.job)"
