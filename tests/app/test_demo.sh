#!/bin/bash
# demo.sh, the README's first command, in few steps: everything is there, and a second run
# gives the same bytes, with another number of threads.
# shellcheck source-path=SCRIPTDIR disable=SC2034
LONGTAKE=$1 GOLDEN=$2 WORK=$3 SOURCE=$4
. "$(dirname "$0")/lib.sh"
need ffprobe
need python3
begin
demo() { # demo OUT OPTION...
    run 0 env LONGTAKE="$LONGTAKE" OUT="$WORK/$1" sh "$SOURCE/demo.sh" --set sampler.steps=4 \
        --set sampler.inversion_steps=4 "${@:2}"
}
shape() {
    ffprobe -v error -count_frames -select_streams v \
        -show_entries stream=width,height,nb_read_frames -of csv=p=0 "$1"
}

demo one --threads 1
out_has '48 frames, 2 shots'
out_has 'accuracy '
out_has 'page about it: .*one/clip.edited.job/report/report.html'
[ "$(shape one/clip.mp4)" = 128,128,48 ] || fail "the clip is $(shape one/clip.mp4)"
[ "$(shape one/clip.edited.mp4)" = 128,128,48 ] || fail "the edit is $(shape one/clip.edited.mp4)"
[ "$(shape one/side-by-side.mp4)" = 264,128,48 ] || fail "side by side: $(shape one/side-by-side.mp4)"
[ "$(ffprobe -v error -select_streams a -show_entries stream=codec_name -of csv=p=0 \
    one/clip.edited.mp4)" = aac ] || fail "the edit has no sound"
python3 - one/clip.edited.job/report <<'PY' || fail "the cut is not where it is said to be"
import csv, sys
rows = list(csv.DictReader(open(sys.argv[1] + "/curves.csv")))
sys.exit([r["frame"] for r in rows if r["cut"] == "1"] != ["24"])
PY
grep -q 'How good it is' one/clip.edited.job/report/report.html || fail "a page without figures"

demo two --threads 2
for f in clip.mp4 clip.true.mp4 clip.mask.mkv clip.edited.mp4 side-by-side.mp4 sheet.jpg; do
    cmp "one/$f" "two/$f" || fail "two runs give different $f"
done
python3 - "$WORK" <<'PY' || fail "two runs give different pages, and not only in times"
import re, sys
pages = []
for run in ("one", "two"):
    page = open(f"{sys.argv[1]}/{run}/clip.edited.job/report/report.html").read()
    page = re.sub(r"<h2>Time and memory.*?</section>", "", page, flags=re.S)
    page = re.sub(r'<tr><th scope="row">run.threads<.*?</tr>', "", page) # asked for
    pages.append(page.replace(f"{sys.argv[1]}/{run}/", "/"))
sys.exit(pages[0] != pages[1])
PY

# once more: it goes on, with little left to do
demo one --threads 1
err_has 'continuing'
cmp one/clip.edited.mp4 two/clip.edited.mp4 || fail "a third run gives another film"
echo "ok, $n_checks commands"
