#!/bin/bash
# Edits judged, one and many.
# shellcheck source-path=SCRIPTDIR disable=SC2016
LONGTAKE=$1 GOLDEN=$2 WORK=$3 MPIEXEC=${4:-}
. "$(dirname "$0")/lib.sh"
need ffmpeg
need python3
need flock
begin

# ---- one film ---------------------------------------------------------------------------
run 0 "$LONGTAKE" synth --seed 7 --size 96x80 --frames 12 --codec ffv1 -o s.mkv \
    --edit colour=blue --truth t.mkv --mask m.mkv --flow f.h5
FILES=(--truth t.mkv --source s.mkv --mask m.mkv --flow f.h5)

# the true edit against itself is perfect
run 0 "$LONGTAKE" eval t.mkv "${FILES[@]}" --json
json "o['psnr'] is None and o['psnr_inside'] is None and o['psnr_outside'] is None"
json "all(o[a + b] == 1 for a in ('ssim', 'ms_ssim') for b in ('', '_inside', '_outside'))"
json "o['warp_error'] == o['warp_error_truth'] < 1 and o['flicker'] == 0 and o['drift'] == 0"
json "o['strength'] == o['strength_truth'] and o['strength_inside'] > 20"
json "o['accuracy'] is None and o['frames'] == 12 and o['shots'] == 1"
run 0 "$LONGTAKE" eval t.mkv "${FILES[@]}" --threads 1
out_has 'PSNR to the truth \[dB\] +equal +equal +equal'
grep -q accuracy out && fail "accuracy without a scene"

# the source against it is not; a scene says the same as the files that were rendered of it
run 0 "$LONGTAKE" eval s.mkv "${FILES[@]}" --seed 7 --edit colour=blue --json --threads 3
json "o['psnr_inside'] < 15 and o['accuracy'] == 0 and o['strength'] == 0"
json "o['psnr_outside'] > 40 and o['kept_psnr'] is None and o['kept_ssim'] == 1"
cp out files.json
run 0 "$LONGTAKE" eval s.mkv --seed 7 --edit colour=blue --json --threads 1
cmp out files.json || fail "the scene gives other figures than its files"
run 0 "$LONGTAKE" eval t.mkv --seed 7 --edit colour=blue --json
json "o['accuracy'] == 1 and o['psnr'] is None and o['ssim'] == 1"

# another container rounds times: the frames belong together all the same
ffmpeg -v error -y -i t.mkv -an -c:v libx264 -crf 4 -pix_fmt yuv444p t.mp4 </dev/null || exit 77
run 0 "$LONGTAKE" eval t.mp4 "${FILES[@]}" --json
json "30 < o['psnr'] < 60 and o['ssim'] > 0.95"

# real footage, and the figures of every frame
run 0 "$LONGTAKE" eval t.mkv --source s.mkv --mask box:25%,25%,50%x50% --curves c.csv --json
json "o['psnr'] is None and o['warp_error'] > 0 and o['kept_ssim'] > 0.5"
json "o['warp_error_source'] > 0 and o['strength'] > 1"
python3 - <<'PY' || fail "the curves are not one row a frame"
import csv, sys
rows = list(csv.DictReader(open("c.csv")))
sys.exit(not (len(rows) == 12 and rows[3]["frame"] == "3" and float(rows[0]["warp_error"]) > 0
              and rows[11]["warp_error"] == "" and float(rows[5]["strength"]) > 1))
PY

# similarity by the features of a model: a film that stands still has it, noise has not
run 0 "$LONGTAKE" synth --seed 3 --size 64x64 --frames 3 --codec ffv1 -o v.mkv
ffmpeg -v error -y -i v.mkv -frames:v 1 -c:v png v.png </dev/null || exit 77
ffmpeg -v error -y -loop 1 -framerate 8 -i v.png -frames:v 3 -c:v ffv1 still.mkv </dev/null || exit 77
ffmpeg -v error -y -i still.mkv -vf noise=alls=90:allf=t:all_seed=4 -c:v ffv1 noise.mkv \
    </dev/null || exit 77
run 0 "$LONGTAKE" eval still.mkv --model "$MODEL" --json
json "abs(o['similarity'] - 1) < 1e-5"
run 0 "$LONGTAKE" eval noise.mkv --model "$MODEL" --json
json "0 < o['similarity'] < 0.95"
refused 66 'nix' "$LONGTAKE" eval still.mkv --model nix

# what does not belong together is refused
run 0 "$LONGTAKE" synth --seed 7 --size 96x80 --frames 11 -o short.mp4
run 0 "$LONGTAKE" synth --seed 7 --size 80x96 --frames 12 -o tall.mp4
run 0 "$LONGTAKE" synth --seed 7 --size 96x80 --frames 12 --rate 7 -o slow.mp4
refused 65 't.mkv has 12 frames, .*short.mp4 11' "$LONGTAKE" eval t.mkv --source short.mp4
refused 65 '96 x 80 pixels, .*tall.mp4 80 x 96' "$LONGTAKE" eval t.mkv --truth tall.mp4
refused 65 'frame 1 is shown at .*slow.mp4' "$LONGTAKE" eval t.mkv --source slow.mp4
refused 65 'not an HDF5 file' "$LONGTAKE" eval t.mkv --source s.mkv --flow t.mkv
run 0 "$LONGTAKE" synth --seed 7 --size 96x80 --frames 11 -o short.mp4 --flow short.h5
refused 65 'no motion of this film' "$LONGTAKE" eval t.mkv --flow short.h5 --source s.mkv
refused 66 'no such file' "$LONGTAKE" eval nix.mkv
refused 66 'no such file' "$LONGTAKE" eval t.mkv --flow nix.h5 --source s.mkv
refused 64 'needs EDITED or --suite' "$LONGTAKE" eval
refused 64 'needs a scene' "$LONGTAKE" eval t.mkv --edit colour=blue
refused 64 'no value nix' "$LONGTAKE" eval t.mkv --seed 7 --edit colour=nix
refused 64 'take one out' "$LONGTAKE" eval t.mkv --suite l.json
refused 64 'needs --suite' "$LONGTAKE" eval t.mkv --set sampler.steps=2
refused 64 'for one film' "$LONGTAKE" eval --suite l.json --truth t.mkv
refused 64 '--ss' "$LONGTAKE" eval t.mkv --ss nix

# ---- many -------------------------------------------------------------------------------
list() { # list FILE BAD: three entries, two variants; BAD is a film that may not exist
    cat >"$1" <<JSON
{"defaults": {"model": "$MODEL", "size": "64x64", "frames": 4,
              "settings": {"sampler.steps": 2, "sampler.inversion_steps": 2,
                           "features.ensemble": 1}},
 "variants": [{"name": "f", "method": "frame"}, {"name": "a", "method": "adaflow"}],
 "entries": [{"seed": 7, "edit": "colour=blue", "use_mask": true},
             {"name": "film", "video": "s.mkv", "prompt": "a \"blue\" thing, yes",
              "mask": "m.mkv", "truth": "t.mkv", "settings": {"input.to": 0.2}},
             {"name": "other", "video": "$2", "prompt": "a thing"}]}
JSON
}
columns() { # what of a table must not depend on the run
    python3 - "$1" <<'PY'
import csv, sys
for r in csv.DictReader(open(sys.argv[1])):
    print({k: v for k, v in r.items() if not k.startswith("seconds")})
PY
}

list l.json nix.mp4
run 66 "$LONGTAKE" eval --suite l.json
out_has '/l.suite/results.csv$'
err_has '2 of 6 entries failed \(other.f: no such file'
python3 - <<'PY' || fail "the table is not as it should be"
import csv, sys
r = list(csv.DictReader(open("l.suite/results.csv")))
ok = [x["name"] for x in r] == [a + "." + b for a in ("seed-7", "film", "other") for b in "fa"]
ok = ok and [x["status"] for x in r] == ["done"] * 4 + ["failed"] * 2
ok = ok and r[2]["prompt"] == 'a "blue" thing, yes' and "blue" in r[0]["prompt"]
ok = ok and r[0]["accuracy"] in ("0", "1") and r[2]["accuracy"] == "" and float(r[2]["psnr"]) > 0
ok = ok and float(r[0]["kept_psnr"]) > float(r[2]["kept_psnr"]) and "nix.mp4" in r[4]["message"]
sys.exit(not ok)
PY

# mended: only what failed is made; then there is nothing left to do
list l.json s.mkv
run 0 "$LONGTAKE" eval --suite l.json --json
json "o['entries'] == 6 and o['failed'] == 0"
[ "$(grep -c '^entry ' err)" -eq 2 ] || fail "entries were made twice"
run 0 "$LONGTAKE" eval --suite l.json
[ "$(grep -c '^entry ' err)" -eq 0 ] || fail "a suite that is done was made again"
columns l.suite/results.csv >whole

# killed in the middle, and again, it goes on to the same films and figures
for n in 1 3; do
    "$LONGTAKE" eval --suite l.json --job killed >out 2>err </dev/null &
    pid=$!
    for _ in $(seq 600); do
        [ -e killed/results.csv ] && [ "$(wc -l <killed/results.csv)" -gt $n ] && break
        kill -0 $pid 2>/dev/null || break
        sleep 0.1
    done
    sleep 0.2
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
done
run 0 "$LONGTAKE" eval --suite l.json --job killed
columns killed/results.csv | cmp - whole || fail "a killed suite has other figures"
for e in seed-7.f film.a; do
    cmp l.suite/$e/edited.mkv killed/$e/edited.mkv || fail "$e is another film after a kill"
done

# the report of an entry's job shows its figures
run 0 "$LONGTAKE" report l.suite/film.a/edited.job
grep -q 'warp error of the source' l.suite/film.a/edited.job/report/report.html ||
    fail "the report lacks the figures"

# a part of the list, with the figures of every frame
run 0 "$LONGTAKE" eval --suite l.json --job part --only 'seed-7.*'
[ "$(cut -d, -f1 part/results.csv | tr '\n' ' ')" = 'name "seed-7.f" "seed-7.a" ' ] ||
    fail "--only made something else"
[ ! -e part/seed-7.f/curves.csv ] || fail "curves that nobody wants"
sed -i '1s/"defaults": {/"defaults": {"curves": true, /' l.json
run 0 "$LONGTAKE" eval --suite l.json --job part --only '*-7.f'
[ "$(wc -l <part/seed-7.f/curves.csv)" -eq 5 ] || fail "no row a frame"
refused 64 'no entry has such a name .--only nix.' "$LONGTAKE" eval --suite l.json --only nix
refused 64 'needs --suite' "$LONGTAKE" eval t.mkv --only nix
list l.json s.mkv

# another run is told to wait; other settings are refused by the job, and named
flock killed/lock sleep 60 &
until ! flock -n killed/lock true; do sleep 0.1; done
refused 73 'another run is at this suite' "$LONGTAKE" eval --suite l.json --job killed
kill $!
run 78 "$LONGTAKE" eval --suite l.json --job l.suite --set sampler.guidance=3
err_has 'sampler.guidance.*--fresh'
run 0 "$LONGTAKE" eval --suite l.json --job l.suite --set sampler.guidance=3 --fresh -o g.csv
[ "$(grep -c ,done, g.csv)" -eq 6 ] || fail "--fresh did not make all anew"

# all ranks take part, and nobody is left waiting for an entry that fails
if [ -n "$MPIEXEC" ]; then
    list l.json nix.mp4
    run 66 "$MPIEXEC" -n 2 --oversubscribe "$LONGTAKE" eval --suite l.json --job ranks
    list l.json s.mkv
    run 0 "$MPIEXEC" -n 2 --oversubscribe "$LONGTAKE" eval --suite l.json --job ranks
    columns ranks/results.csv | cmp - whole || fail "two ranks have other figures"
fi

# ---- suites of others -------------------------------------------------------------------
mkdir -p long/videos long/style long/foreground five/data/videos five/data/edit_prompt
cp s.mkv s0.mkv
ffmpeg -v error -y -i s.mkv -an -frames:v 3 -c:v libx264 -pix_fmt yuv420p long/videos/00025.mp4 \
    </dev/null || exit 77
printf '"A painting of a thing"\n' >long/style/00025.txt
printf ' A red "car"\r\n' >long/foreground/00025.txt
TINY=(--model "$MODEL" --method frame "${QUICK[@]}")
run 0 "$LONGTAKE" eval --suite long "${TINY[@]}"
columns long.suite/results.csv >rows
grep -q "'name': '00025-foreground', 'group': 'foreground'.*'prompt': 'A red \"car\"'" rows ||
    fail "LongV-EVAL: foreground"
grep -q "'prompt': 'A painting of a thing', 'status': 'done'" rows || fail "LongV-EVAL: style"

cp long/videos/00025.mp4 five/data/videos/0001_bus.mp4
mkdir -p five/data/bmasks/0001_bus
ffmpeg -v error -y -f lavfi -i "color=black:size=96x80:rate=8,drawbox=20:20:40:40:white:fill" \
    -frames:v 3 five/data/bmasks/0001_bus/%05d.jpg </dev/null || exit 77
cat >five/data/edit_prompt/edit3_FiVE.json <<'JSON'
[{"video_name": "0001_bus", "editing_type_id": 3, "save_dir": "x",
  "source_prompt": "a [red] bus", "target_prompt": "a [blue] bus"}]
JSON
run 0 "$LONGTAKE" eval --suite five "${TINY[@]}" --json
columns five.suite/results.csv >rows
grep -q "'name': '0001_bus-edit3-001', 'group': '3'.*'a blue bus', 'status': 'done'" rows ||
    fail "FiVE-Bench"
grep -q "'kept_psnr': '[0-9]" rows || fail "FiVE-Bench: masks are not used"

# lists that are wrong
wrong() { # wrong CODE PATTERN JSON
    printf '%s' "$3" >w.json
    refused "$1" "$2" "$LONGTAKE" eval --suite w.json --job w
}
wrong 65 'not JSON' '{'
wrong 78 'no entries' '{}'
wrong 78 'unknown key promt.*did you mean `prompt`.*entry 1' '[{"video":"s.mkv","promt":"x"}]'
wrong 78 'no prompt' '[{"video":"s.mkv"}]'
wrong 78 'two entries are named s' '[{"video":"s.mkv","prompt":"x"},{"video":"s.mkv","prompt":"y"}]'
wrong 78 'is no name' '[{"name":"../x","video":"s.mkv","prompt":"x"}]'
wrong 78 'frames is no whole number' '[{"frames":"x","seed":1,"edit":"colour"}]'
wrong 78 'edit is no list of texts' '[{"seed":1,"edit":[1]}]'
wrong 78 'neither video nor edit' '[{"prompt":"x"}]'
wrong 78 'settings is no object' '[{"video":"s.mkv","prompt":"x","settings":3}]'
wrong 78 'unknown key nix' '{"nix":1,"entries":[{"video":"s.mkv","prompt":"x"}]}'
refused 66 'nix.json' "$LONGTAKE" eval --suite nix.json
mkdir empty
refused 65 'no suite' "$LONGTAKE" eval --suite empty
[ ! -e w ] || fail "a wrong list leaves a folder"
echo "$n_checks commands checked"
