#!/bin/bash
# Rendered clips with their ground truth.
# shellcheck source-path=SCRIPTDIR disable=SC2016
LONGTAKE=$1 GOLDEN=$2 WORK=$3
. "$(dirname "$0")/lib.sh"
need ffmpeg
need ffprobe
need python3
begin

# same seed, same bytes; another seed, others
for c in one two; do
    run 0 "$LONGTAKE" synth --seed 7 --size 96x64 --frames 30 -o $c.mp4 --edit colour=blue \
        --truth $c.truth.mp4 --mask $c.mask.mkv --flow $c.h5 --captions $c.json
    out_has "/$c.mp4\$"
done
for e in mp4 truth.mp4 mask.mkv h5 json; do
    cmp one.$e two.$e || fail "$e is not the same twice"
done
run 0 "$LONGTAKE" synth --seed 8 --size 96x64 --frames 30 -o three.mp4
cmp -s one.mp4 three.mp4 && fail "another seed makes the same clip"

# frames, rate, sound
run 0 "$LONGTAKE" synth --seed 7 --size 51x35 --frames 40 --rate 30000/1001 --json -o a.mov
json "o['frames'] == 40 and o['width'] == 51 and o['rate'] == '30000/1001'"
ffprobe -v error -count_frames -select_streams v -of csv=p=0 \
    -show_entries stream=width,height,r_frame_rate,nb_read_frames a.mov >probe
[ "$(cat probe)" = "51,35,30000/1001,40" ] || fail "the video is $(cat probe)"
ffmpeg -v error -i a.mov -map 0:a -f f32le -ac 1 a.raw </dev/null || fail "no sound"
python3 - a.raw <<'PY' || fail "the sound is not a tone with ticks"
import array, sys
a = array.array("f", open(sys.argv[1], "rb").read())
rate = 48000
loud = lambda f, t: max(abs(v) for v in a[int(f * rate):int(t * rate)])
crossings = sum(a[i] < 0 <= a[i + 1] for i in range(rate // 4, rate // 2))
sys.exit(not (abs(len(a) - 40 * 1001 / 30000 * rate) <= 1024 and 0.08 < loud(0.2, 0.8) < 0.15
              and loud(0, 0.05) > 0.3 and loud(0.99, 1.05) > 0.3
              and abs(crossings - 110) <= 2))
PY

# a scene of one's own; the true edit is the source, outside the mask; captions; motion
cat >scene.yaml <<'YAML'
# a scene
place: meadow
time: noon
shape: ball
colour: red
material: plain
style: plain
weather: clear
second: none
front: none
shot_frames: 8
seed: 5
YAML
run 0 "$LONGTAKE" synth scene.yaml --size 64x48 --frames 20 --codec ffv1 --edit colour=blue \
    --truth t.mkv --mask m.mkv --flow f.h5 --captions c.json
out_has '/scene.mkv$'
for v in scene t m; do
    ffmpeg -v error -i $v.mkv -map 0:v -f rawvideo -pix_fmt rgb24 $v.rgb </dev/null ||
        fail "$v.mkv cannot be read"
done
python3 - <<'PY' || fail "the true edit is not the source outside the mask"
import sys
s, t, m = (open(f + ".rgb", "rb").read() for f in ("scene", "t", "m"))
assert len(s) == len(t) == len(m) == 64 * 48 * 3 * 20
assert any(s[i] != t[i] for i in range(len(s))) and 0 < sum(v > 0 for v in m) < len(m) / 2
sys.exit(any(s[i] != t[i] and not m[i] for i in range(len(s))))
PY
cp c.json out
json "sorted(o) == ['edit', 'instruction', 'source'] and 'red' in o['source']"
json "'blue' in o['edit'] and 'blue' in o['instruction'] and 'red' not in o['edit']"
py=python3
[ -x /opt/ltvenv/bin/python ] && py=/opt/ltvenv/bin/python
if $py -c "import h5py" 2>err; then
    $py - <<'PY' || fail "the motion is not right"
import h5py, numpy, sys
with h5py.File("f.h5") as f:
    flow, seen = f["flow"], f["visible"]
    assert flow.shape == (19, 48, 64, 2) and flow.dtype == "f4", flow
    assert seen.shape == (19, 48, 64) and seen.dtype == "u1", seen
    flow, seen = flow[:], seen[:]
    assert numpy.isfinite(flow).all() and numpy.abs(flow).max() > 0
    cuts = [t for t in range(19) if not seen[t].any()]
    assert 1 <= len(cuts) <= 4, cuts  # shots of 8 frames
PY
else
    echo "without h5py: the motion is not looked at"
fi
run 0 "$LONGTAKE" synth scene.yaml --seed 6 --size 32x32 --frames 1 --edit material -o x.mp4 \
    --json --rate 23.976
json "o['rate'] == '24000/1001' and o['captions']['instruction']"

# memory does not grow with the length
peak() {
    python3 - "$LONGTAKE" synth scene.yaml --size 32x32 -o long.mp4 --flow long.h5 \
        --mask long.mkv --frames "$1" <<'PY'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL,
               stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
PY
}
slack=2048
if grep -q -a __asan_init "$LONGTAKE"; then
    export ASAN_OPTIONS=${ASAN_OPTIONS:-}:quarantine_size_mb=1
    slack=16384
fi
short=$(peak 300) long=$(peak 4000)
[ "$long" -lt $((short + slack)) ] || fail "memory: $short KiB, then $long KiB"

# a stop leaves nothing
mkdir stop
"$LONGTAKE" synth --seed 1 --frames 1000000 -o stop/a.mp4 --mask stop/m.mkv --flow stop/f.h5 \
    --captions stop/c.json >out 2>err &
pid=$!
for _ in $(seq 600); do
    ls stop/a.mp4.tmp.* >/dev/null 2>&1 && break
    sleep 0.1
done
sleep 0.3
kill -TERM $pid
code=0
wait $pid || code=$?
[ $code -eq 75 ] || fail "a stopped synth exits with $code"
err_has '^longtake: stopped at frame'
[ -z "$(ls -A stop)" ] || fail "a stopped synth leaves $(ls stop)"

# bad requests
refused 64 'needs SCENE.yaml or --seed' "$LONGTAKE" synth
refused 64 '--seed -1' "$LONGTAKE" synth --seed -1
for s in 128 x128 0x64 128x -64x64 8x8 20000x64 64x64x3; do
    refused 64 '--size' "$LONGTAKE" synth --seed 1 --size $s
done
refused 64 '--frames 0' "$LONGTAKE" synth --seed 1 --frames 0
for r in 0 -3 fast 24/0 1/2 1000 24/x 99999999999/1; do
    refused 64 '--rate' "$LONGTAKE" synth --seed 1 --rate=$r
done
refused 64 'unknown factor colur \(did you mean `colour`\?\)' "$LONGTAKE" synth --seed 1 --edit colur=red
refused 64 'no value bleu.*`blue`' "$LONGTAKE" synth --seed 1 --edit colour=bleu
refused 64 'edit is refused' "$LONGTAKE" synth scene.yaml --edit colour=red
refused 64 'edited twice' "$LONGTAKE" synth scene.yaml --edit colour=blue --edit colour=green
refused 64 '--truth needs an edit' "$LONGTAKE" synth --seed 1 --truth t.mp4
refused 64 '--flow needs two' "$LONGTAKE" synth --seed 1 --frames 1 --flow x.h5
refused 64 'one name' "$LONGTAKE" synth --seed 1 -o a.mp4 --mask ./a.mp4
refused 64 'unknown container' "$LONGTAKE" synth --seed 1 -o a.webm
refused 64 'ffv1 needs .mkv' "$LONGTAKE" synth --seed 1 -o a.mp4 --codec ffv1
refused 64 'unknown codec libx265 \(did you mean `libx264`' "$LONGTAKE" synth --seed 1 --codec libx265
refused 73 'nodir' "$LONGTAKE" synth --seed 1 -o nodir/a.mp4
refused 73 'nodir' "$LONGTAKE" synth --seed 1 -o b.mp4 --flow nodir/f.h5
refused 73 'nodir' "$LONGTAKE" synth --seed 1 -o b.mp4 --captions nodir/c.json
[ ! -e b.mp4 ] || fail "a refused request made a clip"
refused 66 'nope.yaml' "$LONGTAKE" synth nope.yaml
bad_scene() { # PATTERN TEXT
    printf '%b' "$2" >bad.yaml
    refused 78 "$1" "$LONGTAKE" synth bad.yaml
}
bad_scene 'unknown key colur \(did you mean `colour`\?\) \(bad.yaml:2\)' 'size: 0.2\ncolur: red\n'
bad_scene 'colour has no value reed \(bad.yaml:1\).*`red`' 'colour: reed\n'
bad_scene 'size: 9 is refused' 'size: 9\n'
bad_scene 'set twice' 'size: 0.2\nsize: 0.3\n'
bad_scene 'shown at night' 'time: noon\nplace: city\n'
bad_scene "not a scene" 'red\n'
bad_scene 'not a word' 'colour: [red]\n'
bad_scene 'bad.yaml:1' 'colour: *x\n'
bad_scene 'not YAML' 'colour: "red\n'
bad_scene 'second document' 'colour: red\n---\ncolour: blue\n'
bad_scene 'seed: -4' 'seed: -4\n'

# combinations for judging, in training
printf 'shape: ball\ncolour: purple\n' >judged.yaml
run 0 "$LONGTAKE" synth judged.yaml --size 16x16 --frames 1 -o s.mp4
refused 78 'kept for judging \(judged.yaml\)' "$LONGTAKE" synth judged.yaml --training
run 0 "$LONGTAKE" synth scene.yaml --size 16x16 --frames 1 -o s.mp4 --edit colour=purple
refused 64 'edit is refused' "$LONGTAKE" synth scene.yaml --training --edit colour=purple

echo "ok, $n_checks commands"
