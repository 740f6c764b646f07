#!/bin/bash
# The README's picture is what demo.sh gives (another CPU path rounds otherwise, hence PSNR).
# shellcheck source-path=SCRIPTDIR disable=SC2034
LONGTAKE=$1 GOLDEN=$2 WORK=$3 SOURCE=$4
. "$(dirname "$0")/lib.sh"
need ffmpeg
begin
PICTURE=$SOURCE/docs/demo.jpg
grep -q 'docs/demo.jpg' "$SOURCE/README.md" || fail "the README shows no docs/demo.jpg"
[ "$(stat -c %s "$PICTURE")" -le 153600 ] || fail "docs/demo.jpg is larger than 150 KB"
run 0 env LONGTAKE="$LONGTAKE" OUT="$WORK/out.d" sh "$SOURCE/demo.sh"
ffmpeg -hide_banner -i out.d/sheet.jpg -i "$PICTURE" -lavfi psnr -f null - >out 2>&1 </dev/null ||
    fail "the pictures have different sizes"
psnr=$(sed -n 's/.*average:\([0-9a-z.]*\).*/\1/p' out)
echo "PSNR $psnr dB"
[ "$psnr" = inf ] || awk -v x="$psnr" 'BEGIN { exit !(x > 30) }' ||
    fail "docs/demo.jpg is not of this version: ./demo.sh --fresh && cp out/sheet.jpg docs/demo.jpg"
echo "ok"
