#!/bin/bash
# Makes and judges the edits of the quality bench, and collects the figures:
#     bench/quality/run.sh --suite main|ablation|why --work DIR [options]
#   --only PATTERN  runs whose name, SCENE.SETTING, is like fg*.adaflow
#   --part I/N      the I-th of every N runs: for several machines, each with its own DIR
#   --jobs N        runs side by side, of one thread each (2)
#   --program PATH  of longtake (build/longtake)
#   --results DIR   where the tables and pictures go (bench/results)
#   --collect       run nothing, write the tables of what is there
# The same command goes on after a stop (TERM, Ctrl-C) or a kill. Any number of these may
# work in one DIR at a time.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
suite='' work='' only='*' part=1/1 jobs=2 program=$root/build/longtake collect=''
results=$root/bench/results

usage() {
    [ $# -eq 0 ] || echo "run.sh: $1" >&2
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 64
}

while [ $# -gt 0 ]; do
    case $1 in
    --collect) collect=1 && shift && continue ;;
    --suite | --work | --only | --part | --jobs | --program | --results) ;;
    *) usage "unknown option $1" ;;
    esac
    [ $# -gt 1 ] || usage "$1 needs a value"
    declare "${1#--}=$2"
    shift 2
done
list=$here/$suite.json
case $suite in main | ablation | why) ;; *) usage "--suite is main, ablation or why" ;; esac
[ -n "$work" ] || usage "--work DIR is needed"
[[ $part =~ ^([0-9]+)/([0-9]+)$ ]] || usage "--part is like 1/4"
part=${BASH_REMATCH[1]} parts=${BASH_REMATCH[2]}
if [ "$part" -lt 1 ] || [ "$part" -gt "$parts" ]; then usage "--part is like 1/4"; fi
[[ $jobs =~ ^[1-9][0-9]*$ ]] || usage "--jobs is a number"
command -v "$program" >/dev/null || usage "no program $program: build it, or give --program"
mkdir -p "$work/$suite" "$results"
work=$(cd "$work/$suite" && pwd)
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# Names of the runs, SCENE.SETTING, in the order of the list.
names() {
    awk '/"variants"/ { at = "v" } /"entries"/ { at = "e" }
        at && match($0, /"name": "[^"]*"/) {
            name = substr($0, RSTART + 9, RLENGTH - 10)
            if (at == "v") variant[++n] = name
            else for (i = 1; i <= n; i++) print name "." variant[i]
        }' "$list" |
        awk -v part="$part" -v parts="$parts" '(NR - part) % parts == 0' |
        while read -r name; do
            # shellcheck disable=SC2053
            [[ $name == $only ]] && echo "$name"
        done
}

# Mean PSNR of the frames within three of a cut, and of the others.
beside_cuts() {
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "psnr") column = i; next }
        { value[NR - 2] = $column; if ($2) cut[++n] = NR - 2 }
        END {
            for (t = 0; t < NR - 1; t++) {
                near = 0
                for (i = 1; i <= n; i++) if (t >= cut[i] - 3 && t < cut[i] + 3) near = 1
                sum[near] += value[t]; count[near]++
            }
            if (n) printf "%.4f,%.4f", sum[1] / count[1], sum[0] / count[0]
            else printf ","
        }' "$1"
}

clips() { # number of clips, where h5dump can tell it
    h5dump -H -d /clips/begin "$1/shards/seg-00000.clips.h5" 2>/dev/null |
        sed -n 's/.*SIMPLE { ( \([0-9]*\) ).*/\1/p' || true
}

columns=frames,shots,psnr,psnr_inside,psnr_outside,ssim,ssim_inside,ssim_outside,accuracy
columns=$columns,warp_error,warp_error_truth,warp_error_source,warp_error_inside
columns=$columns,warp_error_outside,flicker,drift,drift_inside,drift_outside,drift_psnr
columns=$columns,strength,strength_truth,strength_outside,seconds_edit
head=suite,scene,class,length,kind,setting,method,$columns,psnr_at_cuts,psnr_elsewhere,clips
head=$head,cpu_seconds,load,whole,path,revision

# row NAME WHOLE CPU: the line of a finished run. Its table has quoted texts in front,
# without commas but for the prompt's and the message's.
row() {
    local name=$1 folder=$work/$1/$1 scene=${1%%.*} setting=${1#*.}
    printf '%s,%s,%s,%s,' "$suite" "$scene" "${scene%%[0-9]*}" "$(cut -d- -f2,3 <<<"$scene" | tr - ,)"
    awk -v want="$columns" -v setting="$setting" '
        function split_row(text, out,    n, i, c, quoted, cell) {
            n = 0; cell = ""
            for (i = 1; i <= length(text); i++) {
                c = substr(text, i, 1)
                if (c == "\"") quoted = !quoted
                else if (c == "," && !quoted) { out[++n] = cell; cell = "" }
                else cell = cell c
            }
            out[++n] = cell
            return n
        }
        NR == 1 { n = split_row($0, head) }
        NR == 2 {
            split_row($0, value)
            for (i = 1; i <= n; i++) of[head[i]] = value[i]
            if (of["status"] != "done") exit 1
            printf "%s,%s", setting, of["method"]
            m = split(want, key, ",")
            for (i = 1; i <= m; i++) {
                v = of[key[i]]
                printf (v ~ /\./ ? ",%.6g" : ",%s"), v
            }
        }
        END { if (NR < 2) exit 1 }' "$work/$name/results.csv" || return 1
    printf ',%s,%s,%s,%s,%s,%s,%s\n' "$(beside_cuts "$folder/curves.csv")" \
        "$(clips "$folder/edited.job")" "$3" "$(cut -d' ' -f1 /proc/loadavg)" "$2" \
        "$(sed -n 's/^ *cpu_path: "\(.*\)"$/\1/p' "$folder/edited.job/job.yaml" | tail -n 1)" \
        "$revision"
}

# Processor time of the runs of this worker so far; a pipe or $( ) would have its own.
cpu_seconds() { awk 'NR == 2 { split($1 "m" $2, t, /[ms]+/)
    printf "%.2f", 60 * t[1] + t[2] + 60 * t[3] + t[4] }' "$work/$1/times"; }

# One run, unless it is done or another process is at it.
run_one() {
    local name=$1 whole=yes before cpu status=0
    mkdir -p "$work/$name"
    exec 9>"$work/$name/run.lock"
    flock -n 9 || return 0
    [ ! -e "$work/$name/row.csv" ] || return 0
    [ ! -e "$work/$name/$name" ] || whole=no
    times >"$work/$name/times"
    before=$(cpu_seconds "$name")
    "$program" eval --suite "$list" --only "$name" --job "$work/$name" --threads 1 -q \
        >/dev/null 2>"$work/$name/errors" 9>&- &
    child=$!
    while kill -0 "$child" 2>/dev/null; do wait "$child" && status=0 || status=$?; done
    child=''
    [ -z "$stopped" ] || exit 75
    times >"$work/$name/times"
    cpu=$(awk -v a="$before" -v b="$(cpu_seconds "$name")" 'BEGIN { printf "%.1f", b - a }')
    if [ $status -eq 0 ] && row "$name" $whole "$cpu" >"$work/$name/row.new"; then
        mv "$work/$name/row.new" "$work/$name/row.csv"
        echo "$(date -u +%H:%M:%S) $name"
    else
        echo "run.sh: $name failed ($status): $(tail -n 1 "$work/$name/errors")" >&2
        failed=1
    fi
}

worker() {
    local name
    child='' stopped='' failed=''
    trap 'stopped=1; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM INT
    while read -r name; do run_one "$name" </dev/null; done < <(names)
    [ -z "$failed" ] || exit 1
}

# All rows that are there, in the order of the list, and what is made of them.
collect() {
    local stem table
    [ -e "$work/date" ] || date -u +%F >"$work/date"
    stem=$results/$(cat "$work/date")-quality-$suite
    table=$stem.csv
    part=1 parts=1 only='*'
    {
        echo "$head"
        names | while read -r name; do cat "$work/$name/row.csv" 2>/dev/null || true; done
    } >"$table.new"
    mv "$table.new" "$table"
    bash "$here/summary.sh" "$table"
}

revision=$("$program" --version | sed -n '1s/.*git \([0-9a-f]*\).*/\1/p')
if [ -n "$collect" ]; then
    collect
    exit
fi
pids=() status=0 stopped=''
[ -e "$work/date" ] || date -u +%F >"$work/date"
for ((i = 0; i < jobs; i++)); do
    worker &
    pids+=($!)
done
trap 'stopped=1; kill -TERM "${pids[@]}" 2>/dev/null || true' TERM INT
for pid in "${pids[@]}"; do
    while kill -0 "$pid" 2>/dev/null; do wait "$pid" || true; done
    wait "$pid" || status=$?
done
collect
[ -z "$stopped" ] || exit 75
exit "$status"
