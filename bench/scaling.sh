#!/bin/bash
# Strong scaling of a whole edit, 1 rank against several, one thread each, in turn:
#     bench/scaling.sh BUILD/longtake job.yaml RANKS ROUNDS [options of edit]
# CSV on stdout: medians of the rounds; efficiency is t(1) / (RANKS t(RANKS)) of the wall
# time, and of a stage the same of its seconds, which edit.sh sums over the ranks.
set -euo pipefail
[ $# -ge 4 ] || {
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 64
}
program=$1 job=$2 ranks=$3 rounds=$4
shift 4
here=$(dirname "$0")
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT
for ((i = 0; i < rounds; i++)); do
    for n in 1 "$ranks"; do
        "$here/edit.sh" "$program" "$job" "$n" 1 "$@" | tail -n +2 >>"$rows"
    done
done
echo machine,path,revision,ranks,threads,rounds,stage,units,seconds_1,seconds_n,\
efficiency,bytes_gathered
awk -F, -v ranks="$ranks" -v rounds="$rounds" '
function median(list, n,    i, j, t, v) {
    n = split(list, v, " ")
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
    return v[int(n / 2) + 1]
}
{
    stage = $6; head = $1 "," $2 "," $3
    if (!(stage in units)) order[++n] = stage
    units[stage] = $7
    seconds[stage, $4] = seconds[stage, $4] " " ($8 + 0)
    if ($4 == ranks) gathered[stage] = $11
}
END {
    for (i = 1; i <= n; i++) {
        s = order[i]; a = median(seconds[s, 1]); b = median(seconds[s, ranks])
        e = b > 0.05 ? sprintf("%.3f", s == "wall" ? a / (ranks * b) : a / b) : ""
        printf "%s,%d,1,%d,%s,%d,%.2f,%.2f,%s,%s\n", head, ranks, rounds, s, units[s], a, b,
               e, gathered[s]
    }
}' "$rows"
