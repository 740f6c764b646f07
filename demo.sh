#!/bin/sh
# Install what is missing, build, and edit a clip: the result lies under out/.
set -eu
cd "$(dirname "$0")"

cmake/install-packages.sh
cmake --preset release >/dev/null
cmake --build --preset release --target longtake | tail -n 1

mkdir -p out
if [ -f models/demo/sd/unet/diffusion_pytorch_model.safetensors ]; then
    # A clip of the demo world and the models that live in it.
    cat >out/scene.yaml <<'YAML'
shape: ball
colour: red
material: plain
place: beach
time: noon
style: plain
weather: clear
second: none
front: none
seed: 11
YAML
    build/longtake synth out/scene.yaml --size 128x128 --frames 48 -q \
        --edit colour=blue --truth out/clip.true.mp4 -o out/clip.mp4
    build/longtake edit -i out/clip.mp4 -o out/clip.edited.mp4 --model models/demo/sd \
        --source-prompt "a red ball on the beach" --prompt "a blue ball on the beach"
else
    # Random weights, which show the machinery and no art.
    [ -f out/clip.mp4 ] || ffmpeg -v error -f lavfi -i testsrc2=size=128x128:rate=24:duration=2 \
        -f lavfi -i sine=frequency=440:duration=2 -pix_fmt yuv420p -c:v libx264 -c:a aac \
        -shortest -y out/clip.mp4
    build/longtake edit configs/draft.yaml -i out/clip.mp4 -o out/clip.edited.mp4 \
        --model tests/golden/models/sd15-tiny --prompt "a red ball in the snow"
fi
build/longtake report out/clip.edited.job >/dev/null
echo "edited video: out/clip.edited.mp4"
echo "page about it: out/clip.edited.job/report/report.html"
