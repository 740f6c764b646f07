#!/bin/bash
# Time per stage of a whole edit, as CSV on stdout:
#     bench/edit.sh BUILD/longtake job.yaml RANKS THREADS [options of edit]
# Seconds are those of the units, summed over ranks; the last row is the wall time.
set -euo pipefail
[ $# -ge 4 ] || {
    sed -n '2,4s/^# \{0,1\}//p' "$0" >&2
    exit 64
}
program=$1 job=$2 ranks=$3 threads=$4
shift 4
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1

folder=$(mktemp -d "${TMPDIR:-/tmp}/longtake-bench.XXXXXX")
trap 'rm -rf "$folder"' EXIT
start=$(date +%s.%N)
if [ "$ranks" -eq 1 ]; then
    "$program" edit "$job" -q -o "$folder/out.mp4" --threads "$threads" "$@" >/dev/null
else
    mpirun -n "$ranks" --bind-to none "$program" edit "$job" -q -o "$folder/out.mp4" \
        --threads "$threads" "$@" >/dev/null
fi
wall=$(awk "BEGIN { print $(date +%s.%N) - $start }")

head=machine,path,revision,ranks,threads,stage,units,seconds
head=$head,bytes_read,bytes_written,bytes_gathered
machine=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1 | tr -d ,)
path=$(sed -n 's/^ *cpu_path: "\(.*\)"$/\1/p' "$folder/out.job/job.yaml" | tail -n 1)
revision=$("$program" --version | sed -n '1s/.*git \([0-9a-f]*\).*/\1/p')
awk -v machine="$machine" -v path="$path" -v revision="$revision" -v wall="$wall" \
    -v ranks="$ranks" -v threads="$threads" -v head="$head" '
function field(name) {
    if (!match($0, "\"" name "\": *[0-9.e+-]+")) return 0
    return substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 3) + 0
}
{
    match($0, /"stage": *"[^"]*"/)
    stage = substr($0, RSTART, RLENGTH)
    gsub(/"stage": *|"/, "", stage)
    if (!(stage in units)) order[++n] = stage
    units[stage]++
    seconds[stage] += field("seconds")
    read[stage] += field("bytes_read")
    written[stage] += field("bytes_written")
    gathered[stage] += field("bytes_gathered")
}
END {
    print head
    for (i = 1; i <= n; i++) {
        s = order[i]
        printf "%s,%s,%s,%d,%d,", machine, path, revision, ranks, threads
        printf "%s,%d,%.2f,", s, units[s], seconds[s]
        printf "%d,%d,%d\n", read[s], written[s], gathered[s]
    }
    printf "%s,%s,%s,%d,%d,wall,1,%.2f,,,\n", machine, path, revision, ranks, threads, wall
}' "$folder/out.job/log/metrics.jsonl"
