#!/bin/bash
# What a table of run.sh says, in short:
#     bench/quality/summary.sh TABLE.csv [README.md]
# writes TABLE-summary.csv and TABLE.svg beside it, and refreshes the tables of README.md
# that stand between <!-- begin main --> (ablation, why) and <!-- end -->.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2 && exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
table=$1 readme=${2:-}
stem=${table%.csv}
suite=$(sed -n '2s/,.*//p' "$table")
[ -n "$suite" ] || { echo "summary.sh: no runs yet ($table)" >&2 && exit 0; }
case $suite in ablation) reference=base ;; *) reference=frame ;; esac

awk -F, -v reference="$reference" -f "$here/summary.awk" "$table" >"$stem-summary.csv"
awk -F, -v reference="$reference" -f "$here/draw.awk" "$table" >"$stem.svg"
[ -n "$readme" ] || exit 0

new=$(mktemp)
trap 'rm -f "$new"' EXIT
awk -F, -v suite="$suite" -v file="$(basename "$table")" -f "$here/tables.awk" \
    "$stem-summary.csv" >"$new"
awk -v suite="$suite" -v new="$new" '
    /^<!-- end/ { inside = 0 }
    !inside
    $0 == "<!-- begin " suite " -->" {
        inside = 1
        while ((getline line < new) > 0) print line
    }' "$readme" >"$readme.new"
mv "$readme.new" "$readme"
