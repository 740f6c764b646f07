#!/bin/bash
# The quality bench on one scene with as few steps as there can be: stopped, continued,
# collected, summed up and drawn.
# shellcheck source-path=SCRIPTDIR disable=SC2016
LONGTAKE=$1 GOLDEN=$2 WORK=$3 BENCH=$4
. "$(dirname "$0")/lib.sh"
need python3
need flock
begin

cat >quick <<SH
#!/bin/bash
[ "\$1" = eval ] || exec "$LONGTAKE" "\$@"
exec "$LONGTAKE" "\$@" --set sampler.steps=1 --set sampler.inversion_steps=1 \\
    --set features.ensemble=1
SH
chmod +x quick
RUN=(bash "$BENCH/run.sh" --suite main --work "$WORK/w" --results "$WORK/r" --program ./quick)

run 64 bash "$BENCH/run.sh" --suite nix --work w
run 64 "${RUN[@]}" --part 3/2
run 0 "${RUN[@]}" --only 'nix*'
err_has 'no runs yet'

"${RUN[@]}" --only 'fg01*' >out 2>err </dev/null &
pid=$!
sleep 1.5
kill -TERM $pid
wait $pid
status=$?
[ $status -eq 75 ] || [ $status -eq 0 ] || fail "exit code $status after TERM"
run 0 "${RUN[@]}" --only 'fg01*'
run 0 "${RUN[@]}" --only 'fg01*.frame' # nothing is left
[ ! -s out ] || fail "a run was made twice"
table=$(echo r/*-quality-main.csv)
python3 - "$table" "${table%.csv}-summary.csv" "${table%.csv}.svg" <<'PY' || fail "the tables are not as they should be"
import csv, sys, xml.dom.minidom
rows = list(csv.DictReader(open(sys.argv[1])))
assert [r["setting"] for r in rows] == ["frame", "tokenflow", "adaflow", "adaflow-neighbours"]
for r in rows:
    assert r["scene"] == "fg01-short-plain" and (r["class"], r["length"], r["kind"]) == ("fg", "short", "plain")
    assert r["method"] == r["setting"].split("-")[0] and r["frames"] == "24" and None not in r and None not in r.values()
    assert 5 < float(r["psnr"]) < 50 and float(r["warp_error"]) > 0 and r["psnr_at_cuts"] == ""
    assert float(r["cpu_seconds"]) > 0 and r["whole"] in ("yes", "no") and r["load"]
of = {(r["group"], r["setting"], r["figure"]): r for r in csv.DictReader(open(sys.argv[2]))}
one = of["all", "adaflow", "psnr"]
assert one["n"] == "1" and of["fg", "adaflow", "psnr"]["mean"] == one["mean"]
gain = float(rows[2]["psnr"]) - float(rows[0]["psnr"])
assert abs(float(one["mean"]) - float(rows[2]["psnr"])) < 1e-3
assert abs(float(one["difference"]) - gain) < 1e-3 and (one["better"] == "1") == (gain > 0)
assert ("bg", "adaflow", "psnr") not in of
xml.dom.minidom.parse(sys.argv[3])
PY

# the same figures as of an ablation: differences are to base
sed 's/^main,/ablation,/; s/,frame,frame,/,base,frame,/' "$table" >abl.csv
run 0 bash "$BENCH/summary.sh" abl.csv
python3 - "${table%.csv}-summary.csv" abl-summary.csv <<'PY' || fail "an ablation is not compared with base"
import csv, sys
main, ablation = ({(r["group"], r["setting"], r["figure"]): r["difference"]
                   for r in csv.DictReader(open(f))} for f in sys.argv[1:])
for name in "psnr", "warp_error", "drift":
    key = "all", "adaflow", name
    assert ablation[key] == main[key] and float(main[key]) != 0
PY

printf 'before\n<!-- begin main -->\nold\n<!-- end -->\nafter\n' >t.md
run 0 bash "$BENCH/summary.sh" "$table" t.md
grep -q '^| PSNR \[dB\] | [0-9.]* | [0-9.]* ([01]/[01]) |' t.md || fail "no row in the page"
[ "$(sed -n '1p;$p' t.md | tr '\n' ' ')" = "before after " ] || fail "the page lost its text"
! grep -q '^old' t.md || fail "the old table is still there"
echo "$n_checks commands checked"
