#!/bin/bash
# Masks: outside them the planes of the output are the source's; only rendering depends
# on them; what does not fit is refused before anything runs.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
frames=70 # two parts
settings=(--model "$GOLDEN/models/sd15-tiny" --prompt "a red ball" --method frame
    --set sampler.steps=2 --set sampler.inversion_steps=2 --set size.max_pixels=1536)
make_clip clip.mp4 $frames

# A square that moves by two pixels a frame: even, so that chroma needs no rounding here.
square="if(between(X,4+2*mod(N,20),27+2*mod(N,20))*between(Y,10,41),255,0)"
ffmpeg -v error -f lavfi -i "color=black:s=96x64:r=24" -frames:v $frames \
    -vf "format=gray,geq=lum='$square'" -c:v ffv1 -y mask.mkv
mkdir masks
ffmpeg -v error -i mask.mkv masks/frame_%d.png

# The same planes as from the source where the mask is black, others where it is white:
# check OUTPUT MASK.mkv [FIRST]
check_planes() {
    local out=$1 mask=$2 first=${3:-0} by="settb=1/24,setpts=N" merge
    merge="[1]trim=start_frame=$first,$by,format=gray,split[a][b];"
    merge+="[b]scale=48:32:flags=neighbor,split[u][v];"
    merge+="[a][u][v]mergeplanes=0x001020:yuv420p,split[m][n];"
    merge+="[0]trim=start_frame=$first,$by,split[s][t];[2]$by,split=3[o][p][q];"
    merge+="[s][o][m]maskedmerge[x];[p][t][n]maskedmerge[y]"
    ffmpeg -v error -i clip.mp4 -i "$mask" -i "$out" -filter_complex "$merge" \
        -map '[x]' -fps_mode passthrough -f framemd5 -y outside.md5 \
        -map '[y]' -fps_mode passthrough -f framemd5 -y inside.md5 \
        -map '[q]' -fps_mode passthrough -f framemd5 -y all.md5
    for f in all outside inside; do # the source may be longer than the output
        sed -n 's/.*, *\([0-9a-f]\{32\}\)$/\1/p' $f.md5 >$f
        head -n "$(wc -l <all)" $f >shorter && mv shorter $f
    done
    [ -s all ] || fail "no frames in $out"
    diff -q all outside >/dev/null || fail "$out differs from the source outside $mask"
    [ "$(paste all inside | awk '$1 == $2' | wc -l)" -eq 0 ] ||
        fail "$out is the source inside $mask"
}

units() { grep -c "\"unit_done\".*\"stage\": *\"$1\"" "$2.job/log/metrics.jsonl" || true; }

# ---- planes, by every form of the same mask; without loss, and through libx264
edit a.mkv 1 2 --mask masks --codec ffv1
check_planes a.mkv mask.mkv
sha256sum <a.mkv >want
edit x.mp4 1 2 --mask mask.mkv --crf 0 --set output.preset=ultrafast
check_planes x.mp4 mask.mkv
ffmpeg -v error -i mask.mkv -vf negate -y black.mkv
edit b.mkv 1 1 --mask black.mkv --set mask.invert=true --codec ffv1
sha256sum <b.mkv | diff want - || fail "an inverted black mask is not a white one"

# ---- ranks, a kill, going on
edit c.mkv 3 1 --mask mask.mkv --codec ffv1
sha256sum <c.mkv | diff want - || fail "3 ranks give other bytes"
if LT_TEST_STOP=render:1:during edit d.mkv 1 1 --mask masks --codec ffv1 2>/dev/null; then
    echo "no test points in this build" >&2
else
    [ ! -e d.mkv ] || fail "a killed run left an output"
    "$LONGTAKE" resume -q d.job >/dev/null
    sha256sum <d.mkv | diff want - || fail "a resumed run gives other bytes"
fi

# ---- another mask: only rendered again
before=$(units edit a) rendered=$(units render a)
edit a.mkv 1 1 --mask masks --set mask.dilate=4 --set mask.feather=4 --codec ffv1
[ "$(units edit a)" -eq "$before" ] || fail "another mask edited again"
[ "$(units render a)" -eq $((rendered * 2)) ] || fail "another mask was not rendered"
sha256sum <a.mkv | cmp -s want - && fail "dilation and feather change nothing"
edit a.mkv 1 1 --mask masks --set mask.feather=4 --codec ffv1
sha256sum <a.mkv | cmp -s want - && fail "feather changes nothing"
mv masks/frame_9.png keep.png && cp masks/frame_30.png masks/frame_9.png
"$LONGTAKE" resume -q a.job >/dev/null
sha256sum <a.mkv | cmp -s want - && fail "a changed picture changes nothing"
cp a.job/job.yaml changed.yaml
mv keep.png masks/frame_9.png
got=0
"$LONGTAKE" edit -q changed.yaml -o y.mkv 2>err || got=$?
{ [ "$got" -eq 78 ] && grep -q "masks, job.mask_sha256" err; } ||
    fail "exit code $got for a job.yaml of another mask: $(cat err)"
rendered=$(units render a)
edit a.mkv 1 1 --mask masks --codec ffv1
sha256sum <a.mkv | diff want - || fail "the first mask again gives other bytes"
[ "$(units edit a)" -eq "$before" ] || fail "a mask edited again"
edit a.mkv 1 1 --mask masks --codec ffv1
[ "$(units render a)" -eq $((rendered + 2)) ] || fail "the same mask was rendered again"

# ---- outside, feather or not: the ramp lies inside
edit f.mkv 1 2 --mask mask.mkv --set mask.feather=5 --codec ffv1
check_planes f.mkv mask.mkv

# ---- a part: masks of the whole video, or of the part
mkdir part
i=1
for n in $(seq 13 24); do
    cp "masks/frame_$n.png" "part/$i.png"
    i=$((i + 1))
done
edit p.mkv 1 2 --mask masks --ss 0.5 --to 1 --codec ffv1
check_planes p.mkv mask.mkv 12
edit q.mkv 1 2 --mask part --ss 0.5 --to 1 --codec ffv1
cmp p.mkv q.mkv || fail "masks of the part give other bytes"

# ---- a box; a preview
ffmpeg -v error -f lavfi -i "color=black:s=96x64:r=24" -frames:v $frames -vf \
    "format=gray,drawbox=24:16:48:32:white:t=fill" -c:v ffv1 -y box.mkv
edit e.mkv 1 2 --mask 'box:25%,25%,48x50%' --to 0.5 --codec ffv1
check_planes e.mkv box.mkv
"$LONGTAKE" preview -q -i clip.mp4 "${settings[@]}" --set size.max_pixels=6144 --at 0 \
    --mask 'box:24,16,48x32' --compare -o look.png >/dev/null
ffmpeg -v error -i look.png -vf crop=96:64:0:0 -y left.png
ffmpeg -v error -i look.png -vf crop=96:64:96:0 -y right.png
for f in left right; do
    ffmpeg -v error -i $f.png -vf "drawbox=24:16:48:32:black:t=fill" -f md5 - >$f.md5
done
cmp left.md5 right.md5 || fail "the preview changes what lies outside"
cmp -s left.png right.png && fail "the preview changes nothing"

# ---- plan
"$LONGTAKE" plan -q --json -i clip.mp4 "${settings[@]}" --mask masks >plan.json
grep -q "\"mask_pictures\": *$frames\b" plan.json || fail "the plan does not count the mask"
"$LONGTAKE" plan -q -i clip.mp4 "${settings[@]}" --mask masks |
    grep -q "$frames pictures of 96x64" || fail "the plan does not tell the mask"

# ---- what does not fit, before anything runs: refused CODE TEXT [options]
refused() {
    local code=$1 text=$2 got=0
    shift 2
    timeout 60 "$LONGTAKE" edit -q -i clip.mp4 -o no.mkv "${settings[@]}" "$@" 2>err >out ||
        got=$?
    [ "$got" -eq "$code" ] || fail "exit code $got, not $code: $* ($(cat err))"
    [ "$(wc -l <err)" -eq 1 ] || fail "not one message: $(cat err)"
    grep -q "^longtake: .*$text" err || fail "no \"$text\" for $*: $(cat err)"
    { [ ! -e no.mkv ] && [ ! -e no.job ]; } || fail "left something behind: $*"
}
refused 66 nowhere --mask nowhere
refused 65 'for 12 frames and the video has 70' --mask part
refused 65 'for 12 frames, the video has 70 and the part of it 24' --mask part --to 1
ffmpeg -v error -i masks/frame_1.png -vf scale=96:80 -y tall.png
refused 65 '96 x 80 and the video 96 x 64' --mask tall.png
ffmpeg -v error -f lavfi -i "color=black:s=96x64:d=0.04" -pix_fmt gray -y nothing.png
refused 65 'nothing would be edited' --mask nothing.png
refused 65 'nothing would be edited' --mask masks --set mask.dilate=-20
refused 65 'clip.mp4.job\|mask' --mask "$GOLDEN/adaflow.json"
cp -r masks gap && rm gap/frame_33.png
refused 65 'frame_32.png and frame_34.png' --mask gap
head -c 60 masks/frame_33.png >gap/frame_33.png
refused 65 'gap/frame_33.png' --mask gap
ln -s loop loop
refused 66 loop --mask loop
mkfifo pipe pipe.png
refused 65 pipe --mask pipe
refused 65 pipe.png --mask pipe.png
refused 78 'does not lie within the frame of 96 x 64' --mask box:90,0,10x10
refused 78 'not a rectangle' --mask box:1,2,nan
refused 78 'mask.feather without a mask' --set mask.feather=3
refused 78 'mask.dilate is out of range' --mask masks --set mask.dilate=5000
got=0
run_ranks 2 "$LONGTAKE" edit -q -i clip.mp4 -o no.mkv "${settings[@]}" --mask part 2>err ||
    got=$?
[ "$got" -eq 65 ] || fail "exit code $got of two ranks"
[ "$(grep -c '^longtake: ' err)" -eq 1 ] || fail "two ranks, not one message: $(cat err)"
echo "ok: masks"
