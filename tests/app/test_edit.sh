#!/bin/bash
# A job from end to end: plan, edit, status, verify, damage, stop, resume, preview.
# shellcheck source-path=SCRIPTDIR
LONGTAKE=$1 GOLDEN=$2 WORK=$3 MPIEXEC=${4:-}
. "$(dirname "$0")/lib.sh"
need ffmpeg
need python3
begin
clip clip.mp4 12
JOB=(-i clip.mp4 --model "$MODEL" --prompt "a dog" "${QUICK[@]}"
    --set clips.mode=fixed --set clips.length=4)

# plan
run 0 "$LONGTAKE" plan "${JOB[@]}" --json
json "o['frames'] == 12 and o['clips_most'] == 3 and 0 < o['seconds_most'] < 3600"
json "o['memory'] > 0 and o['disk'] >= o['disk_result'] > 0 and not o['warnings']"
json "o['union_ratio'] is None and len(o['stages']) == 6"
run 0 "$LONGTAKE" plan "${JOB[@]}" --set clips.mode=adaptive --set run.memory=1K \
    --set attention.kv_budget=3
out_has 'from 1 to 12'
out_has '^slim +query'
err_has 'warning: memory: .*run.memory.*segments.keyframes.*size.max_pixels'
[ "$(find . -name '*.job' | wc -l)" -eq 0 ] || fail "plan made a job folder"

# a limit that is too low is named
refused 78 'out of memory \(run.memory\): .* raise the limit' \
    "$LONGTAKE" edit -q "${JOB[@]}" --set run.memory=1K

# edit: result on stdout, default names
run 0 "$LONGTAKE" edit "${JOB[@]}"
[ "$(cat out)" = "$WORK/clip.edited.mp4" ] || fail "stdout is not the output"
[ -d clip.edited.job ] || fail "no job folder"
[ -s clip.edited.job/log/rank-00000.log ] || fail "no log"
frames=$(ffprobe -v error -count_frames -select_streams v \
    -show_entries stream=nb_read_frames -of csv=p=0 clip.edited.mp4)
[ "$frames" -eq 12 ] || fail "$frames frames"
cp clip.edited.mp4 first.mp4

# status and verify
run 0 "$LONGTAKE" status clip.edited.job --json
json "o['finished'] and not o['held'] and o['frames_edited'] == 12"
json "all(s['done'] == s['all'] for s in o['stages'])"
run 0 "$LONGTAKE" status clip.edited.job
out_has '^  finished'
run 0 "$LONGTAKE" verify clip.edited.job
out_has ' 0 damaged'

# the resolved job.yaml makes the same bytes; facts of other files are refused
run 0 "$LONGTAKE" edit clip.edited.job/job.yaml -o again.mp4 --json
json "o['output'].endswith('/again.mp4') and o['frames'] == 12 and not o['resumed']"
cmp -s again.mp4 first.mp4 || fail "job.yaml made other bytes"

# features that cannot be kept are computed again; those that can are removed in the end
mkdir scratch
for temp in clip.mp4/no-folder scratch; do
    run 0 "$LONGTAKE" edit -q "${JOB[@]}" --fresh -o temp.mp4 --set run.temp="$WORK/$temp"
    cmp -s temp.mp4 first.mp4 || fail "other bytes with run.temp in $temp"
done
[ -z "$(ls scratch)" ] || fail "features were left in run.temp"

# a changed prompt is refused and the key named; changed crf only encodes again
refused 78 'prompt.edit' "$LONGTAKE" edit -q "${JOB[@]}" --prompt "a cat"
run 0 "$LONGTAKE" edit -q "${JOB[@]}" --crf 30
cmp -s clip.edited.mp4 first.mp4 && fail "crf changed nothing"
run 0 "$LONGTAKE" edit -q "${JOB[@]}"
cmp -s clip.edited.mp4 first.mp4 || fail "crf 18 again: other bytes"

# a flipped byte is named, and made again
shard=$(find clip.edited.job/shards -name '*.edit.h5' | sort | head -1)
python3 - "$shard" <<'END'
import sys
b = bytearray(open(sys.argv[1], 'rb').read())
b[len(b) // 2] ^= 1
open(sys.argv[1], 'wb').write(b)
END
run 65 "$LONGTAKE" verify clip.edited.job
out_has "^damaged +shards/$(basename "$shard")"
[ "$(grep -c '^longtake: ' err)" -eq 1 ] || fail "not one message"
run 65 "$LONGTAKE" verify clip.edited.job --json
json "not o['whole'] and o['damaged'] == 1"
run 0 "$LONGTAKE" resume clip.edited.job
err_has "$(basename "$shard")"
run 0 "$LONGTAKE" verify clip.edited.job
cmp -s clip.edited.mp4 first.mp4 || fail "mended: other bytes"

# a folder in use; a stop; a second signal
"$LONGTAKE" edit -q "${JOB[@]}" -o slow.mp4 \
    --set sampler.steps=200 --set sampler.inversion_steps=200 2>stopped &
pid=$!
for _ in $(seq 600); do
    [ -s slow.job/log/metrics.jsonl ] && break
    sleep 0.1
done
refused 73 "process $pid" "$LONGTAKE" resume slow.job
run 0 "$LONGTAKE" status slow.job --json
json "o['held'] and o['holder']['pid'] == $pid"
begun=$SECONDS code=0
kill -TERM "$pid"
wait "$pid" || code=$?
[ "$code" -eq 75 ] || fail "TERM: exit code $code"
[ $((SECONDS - begun)) -le 60 ] || fail "TERM: $((SECONDS - begun)) s"
[ "$(grep -c '^longtake: stopped as asked' stopped)" -eq 1 ] || fail "no stop message"
run 0 "$LONGTAKE" status slow.job --json
json "not o['held'] and not o['finished']"
# a frame of 1024 x 1024 on the reference path takes long enough for a second signal
clip large.mp4 1 -vf scale=1024:1024
"$LONGTAKE" edit -q "${JOB[@]}" -i large.mp4 --set run.cpu_path=ref \
    --set size.width=1024 --set size.height=1024 2>/dev/null &
pid=$! code=0
for _ in $(seq 600); do
    [ -s large.edited.job/log/metrics.jsonl ] && break
    sleep 0.1
done
kill -TERM "$pid"
sleep 0.6
kill -TERM "$pid" 2>/dev/null
wait "$pid" || code=$?
[ "$code" -eq 143 ] || fail "second TERM: exit code $code"

# preview
run 0 "$LONGTAKE" preview "${JOB[@]}" --at 0.5 --json
json "o['frame'] == 6 and o['picture'].endswith('/clip.preview.png')"
run 0 "$LONGTAKE" preview "${JOB[@]}" --at 0:00 --compare -o both.png
size=$(ffprobe -v error -show_entries stream=width,height -of csv=p=0 both.png)
[ "$size" = "128,48" ] || fail "picture of $size"
refused 78 '--at' "$LONGTAKE" preview -q "${JOB[@]}" --at 30

# several processes: the same bytes, one message, one exit code
if [ -n "$MPIEXEC" ]; then
    export ASAN_OPTIONS=detect_leaks=0 # Open MPI leaks on purpose
    for n in 1 2; do
        run 0 "$MPIEXEC" -n "$n" "$LONGTAKE" edit -q "${JOB[@]}" -o "np$n.mp4"
        cmp -s "np$n.mp4" first.mp4 || fail "$n processes: other bytes"
    done
    run 0 "$MPIEXEC" -n 2 "$LONGTAKE" plan "${JOB[@]}" --json
    json "o['processes'] == 2"
    # USR1 of mpirun reaches all ranks: saved, and the lock is free
    "$MPIEXEC" -n 2 "$LONGTAKE" edit -q "${JOB[@]}" -o usr1.mp4 \
        --set sampler.steps=100 --set sampler.inversion_steps=100 2>stopped &
    pid=$! code=0
    for _ in $(seq 600); do
        [ -s usr1.job/log/metrics.jsonl ] && break
        sleep 0.1
    done
    kill -USR1 "$pid"
    wait "$pid" || code=$?
    [ "$code" -eq 75 ] || fail "USR1 of mpirun: exit code $code"
    [ "$(grep -c '^longtake: stopped' stopped)" -eq 1 ] || fail "not one stop message"
    run 0 "$LONGTAKE" status usr1.job --json
    json "not o['held'] and not o['finished']"
    run 66 "$MPIEXEC" -n 2 "$LONGTAKE" edit "${JOB[@]}" -i nope.mp4
    [ "$(grep -c '^longtake: ' err)" -eq 1 ] || fail "not one message of two processes"
    run 64 "$MPIEXEC" -n 2 "$LONGTAKE" edti
    [ "$(grep -c '^longtake: ' err)" -eq 1 ] || fail "not one message of two processes"
    run 64 "$MPIEXEC" -n 1 "$LONGTAKE" edit --seed 1 : -n 1 "$LONGTAKE" edit --seed 2
    err_has 'other arguments'
fi

echo "ok, $n_checks commands"
