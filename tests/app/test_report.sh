#!/bin/bash
# The page of a job: whole, from nowhere else, the same twice; of unfinished jobs, and of
# jobs whose films have moved.
# shellcheck source-path=SCRIPTDIR
LONGTAKE=$1 GOLDEN=$2 WORK=$3
. "$(dirname "$0")/lib.sh"
need ffmpeg
need python3
begin
clip clip.mp4 12
JOB=(-i clip.mp4 --model "$MODEL" --prompt "a <b>dog</b> & \"cat\"" "${QUICK[@]}"
    --set clips.mode=fixed --set clips.length=3 --set attention.kv_budget=2 -o out.mp4)
PAGE=out.job/report/report.html

has() { grep -qF -- "$1" "$PAGE" || fail "the page lacks: $1"; }
lacks() { ! grep -qE -- "$1" "$PAGE" || fail "the page has: $1"; }

run 0 "$LONGTAKE" edit -q "${JOB[@]}"
run 0 "$LONGTAKE" report out.job
[ "$(cat out)" = "$WORK/$PAGE" ] || fail "stdout is not the page"
cp "$PAGE" first.html

# every part is there
has 'a &lt;b&gt;dog&lt;/b&gt; &amp; &quot;cat&quot;'
has 'data:video/mp4;base64,'
for part in 'Source above edit' 'Clips and keyframes' 'Correspondences and slimming' \
    'Slimming kept 50.0 %' 'Time and memory' 'Command and versions' 'attention.kv_budget' 'HDF5 '; do
    has "$part"
done
[ "$(grep -o 'data:image/jpeg' "$PAGE" | wc -l)" -eq $((1 + 24 + 3 + 4)) ] || fail "pictures"
lacks '<b>dog|<script|<link|(src|poster)="[^d]|href=|url\(|https?:'

# well formed, and every picture and the film decode
python3 - "$PAGE" <<'PY' || fail "the page is not sound"
import base64, html.parser, re, subprocess, sys
VOID = {"meta", "img", "br"}
class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.sources = [], []
    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.sources += [v for k, v in attrs if k in ("src", "poster")]
    def handle_startendtag(self, tag, attrs):
        pass
    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag
page = Page()
page.feed(open(sys.argv[1]).read())
assert not page.open
for i, source in enumerate(page.sources):
    kind, data = re.fullmatch(r"data:(\S+?);base64,(\S+)", source).groups()
    data = base64.b64decode(data, validate=True)
    done = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-show_entries",
                           "stream=nb_read_frames,width,height", "-of", "csv=p=0", "-"],
                          input=data, capture_output=True, text=False)
    shape = done.stdout.decode().strip()
    assert not done.stderr, done.stderr
    if kind == "video/mp4":
        assert shape.split(",")[2] == "12", shape
PY

# again the same bytes
run 0 "$LONGTAKE" report out.job --json
json "o['report'].endswith('report.html') and o['bytes'] > 10000"
cmp -s "$PAGE" first.html || fail "two pages of one job differ"
[ ! -e out.job/report/side-by-side.mp4 ] || fail "the film was left behind"
run 0 "$LONGTAKE" verify out.job

# figures and curves of eval, when they are there
lacks 'How good it is'
run 0 "$LONGTAKE" eval out.mp4 --source clip.mp4 --truth clip.mp4 --mask box:8,8,24x24 --job out.job
run 0 "$LONGTAKE" report out.job
cp "$PAGE" judged.html
run 0 "$LONGTAKE" report out.job
cmp -s "$PAGE" judged.html || fail "two pages with figures differ"
for part in 'How good it is' 'PSNR to the true edit [dB]' 'Frame by frame' \
    'Warp error to the next frame' 'inside the mask'; do
    has "$part"
done
lacks '[^a-z]nan[^a-z]|earlier version'
python3 - out.job/report <<'PY' || fail "the page shows other figures than eval"
import csv, json, re, sys
page = open(sys.argv[1] + "/report.html").read()
o = json.load(open(sys.argv[1] + "/eval.json"))
rows = list(csv.DictReader(open(sys.argv[1] + "/curves.csv")))
row = re.search(r"PSNR to the true edit.*?</tr>", page, re.S).group(0)
cells = [float(x) for x in re.findall(r'class="n">([-0-9.]+)<', row)]
assert cells == [round(o["psnr" + e], 2) for e in ("", "_inside", "_outside")], cells
assert len(rows) == 12 and o["frames"] == 12
panel = re.search(r"<h3>PSNR to the true edit.*?</svg>", page, re.S).group(0)
curves = re.findall(r'<path class="(mean|region|key)" d="([^"]*)"', panel)
assert sorted(k for k, _ in curves) == ["key", "mean", "region"]
points = dict(curves)["mean"][1:].split("L")
assert len(points) == 12, points
best = max(range(12), key=lambda i: float(rows[i]["psnr"]))
high = min(range(12), key=lambda i: float(points[i].split()[1]))
assert best == high, (best, high)
PY
echo '{"psnr": 31.5, "ssim": null, "note": "<i>", "film_sha256": "0"}' >out.job/report/eval.json
run 0 "$LONGTAKE" report out.job
has '31.50'
has '&lt;i&gt;'
has 'earlier version of the edited film'
for bad in '' 'frame' 'frame,psnr' $'frame,psnr\n0,1,2' $'frame,psnr\n0,x' $'psnr,x\n0,1'; do
    printf '%s' "$bad" >out.job/report/curves.csv
    run 0 "$LONGTAKE" report out.job
    has 'not the curves of a film'
    lacks 'Frame by frame'
done
rm out.job/report/curves.csv
echo '[' >out.job/report/eval.json
run 0 "$LONGTAKE" report out.job
has 'not a JSON object'
rm out.job/report/eval.json
refused 66 'no job folder' "$LONGTAKE" eval out.mp4 --source clip.mp4 --job .

# films and pictures for other pages
run 0 "$LONGTAKE" report out.job --film side.mp4 --sheet sheet.jpg
run 0 "$LONGTAKE" report out.job --film side2.mp4 --sheet sheet.png
cmp side.mp4 side2.mp4 || fail "two films side by side differ"
shape() {
    ffprobe -v error -count_frames -show_entries stream=width,height,nb_read_frames \
        -of csv=p=0 "$1"
}
[ "$(shape side.mp4)" = 136,48,12 ] || fail "side by side is $(shape side.mp4)"
[ "$(shape sheet.png)" = 540,100,1 ] || fail "the sheet is $(shape sheet.png)"
[ "$(shape sheet.jpg)" = 540,100,1 ] || fail "the sheet is $(shape sheet.jpg)"
refused 64 'not a picture' "$LONGTAKE" report out.job --sheet sheet.gif
refused 64 'not a film.*avi' "$LONGTAKE" report out.job --film side.avi
ln -s clip.mp4 link.mp4
cp clip.mp4 clip.was
refused 64 'would replace a film' "$LONGTAKE" report out.job --film link.mp4
refused 64 'would replace a film' "$LONGTAKE" report out.job --film out.mp4
cmp clip.mp4 clip.was || fail "the source was replaced"
if [ -e sheet.gif ] || [ -e side.avi ]; then fail "a refused file was made"; fi

# a mask
run 0 "$LONGTAKE" edit -q "${JOB[@]}" --mask box:8,8,24x24
run 0 "$LONGTAKE" report out.job
has 'Red may change'
[ "$(grep -o 'alt="mask, frame' "$PAGE" | wc -l)" -eq 4 ] || fail "mask pictures"

# films that have moved, a folder of another place
mv out.mp4 else.mp4
mv out.job moved.job
PAGE=moved.job/report/report.html
run 0 "$LONGTAKE" report moved.job
has 'no such file'
has 'Time and memory'
lacks 'data:video'

# a method without clips; not finished
rm -rf two.job
run 0 "$LONGTAKE" edit -q "${JOB[@]}" -o two.mp4 --job two.job --method frame
PAGE=two.job/report/report.html
run 0 "$LONGTAKE" report two.job
has 'edits every frame alone'
lacks 'Correspondences'
run 137 env LT_TEST_STOP=render:0:before "$LONGTAKE" edit -q "${JOB[@]}" -o three.mp4 --job three.job
PAGE=three.job/report/report.html
run 0 "$LONGTAKE" report three.job
has 'not written yet'
has 'not finished'
has 'how far it is'
has 'resume'
[ "$(grep -o ', source"' "$PAGE" | wc -l)" -eq 12 ] || fail "the source is not shown"
refused 66 'not written yet' "$LONGTAKE" report three.job --film three.side.mp4
has 'Correspondences'

refused 66 'no such job folder' "$LONGTAKE" report none.job
refused 64 'report' "$LONGTAKE" report
echo "ok, $n_checks commands"
