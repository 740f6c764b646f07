#!/bin/bash
# The clip keeps its clock and its sound: variable rate, two audio tracks.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
ffmpeg -v error -f lavfi -i testsrc2=size=96x64:rate=24000/1001 -frames:v 8 -y a.mkv
ffmpeg -v error -f lavfi -i testsrc2=size=96x64:rate=15 -frames:v 8 -y b.mkv
printf "file a.mkv\nfile b.mkv\n" >list.txt
ffmpeg -v error -f concat -i list.txt -f lavfi -i sine=frequency=440 \
    -f lavfi -i sine=frequency=880 -map 0:v -map 1:a -map 2:a -t 0.85 -fps_mode passthrough \
    -video_track_timescale 90000 -pix_fmt yuv420p -c:v libx264 -c:a aac -y clip.mp4

pts() { ffprobe -v error -select_streams v -show_entries frame=pts -of csv=p=0 "$1" | tr -d , | grep .; }
audio() { ffmpeg -v error -i "$1" -map "0:a:$2" -c copy -f framehash -; }
for method in adaflow frame; do
    edit "$method.mp4" 1 2 --method "$method" >/dev/null
    pts clip.mp4 >want
    pts "$method.mp4" >got
    [ "$(awk 'NR > 1 { print $1 - last } { last = $1 }' want | sort -u | wc -l)" -gt 1 ] ||
        fail "the clip does not change its rate: $(tr '\n' ' ' <want)"
    diff want got || fail "$method: other time stamps"
    for track in 0 1; do
        diff <(audio clip.mp4 $track) <(audio "$method.mp4" $track) ||
            fail "$method: audio track $track was changed"
    done
done
echo "ok: $(wc -l <want) frames of two rates, two audio tracks"
