#!/bin/bash
# Everything that bench/ measures, in one command:
#     bench/run.sh [--quick] [--clock cpu] [--build DIR] [--python EXE] [-o FOLDER]
# CSV files, a table and a picture <date>-<vendor>* in FOLDER (bench/results; with --quick,
# which rehearses everything in some minutes, out/bench). About 16 minutes on two cores;
# the machine should do nothing else. --python: one with tools/peers/requirements.txt
# (default: $LT_BENCH_PYTHON or python3); the random networks of SD 1.5's size, 2.1 GB, are
# made in $LT_BENCH_NETS (default /var/tmp/longtake-nets) once. --clock cpu takes processor
# time where it can, for busy machines.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
quick=0 clock=wall build=$top/build python=${LT_BENCH_PYTHON:-python3} out=
nets=${LT_BENCH_NETS:-/var/tmp/longtake-nets}
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=1 ;;
    --clock | --build | --python | -o)
        [ $# -ge 2 ] || { echo "run.sh: $1 needs a value" >&2; exit 64; }
        case $1 in
        --clock) clock=$2 ;;
        --build) build=$2 ;;
        --python) python=$2 ;;
        -o) out=$2 ;;
        esac
        shift
        ;;
    -h | --help)
        sed -n '2,10s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *)
        echo "run.sh: unknown option $1: see bench/run.sh --help" >&2
        exit 64
        ;;
    esac
    shift
done
[ -n "$out" ] || out=$([ $quick -eq 1 ] && echo "$top/out/bench" || echo "$top/bench/results")
mkdir -p "$out"
began=$(date +%s)
say() { echo "run.sh: $(($(date +%s) - began)) s: $*" >&2; }

if [ $quick -eq 1 ]; then
    kernel_seconds=0.02 rounds=3 seconds=0.02 slim=(models/demo/sd 16 20 3) edits=1
    peers=(--quick) frames=48
else
    kernel_seconds=0.1 rounds=5 seconds=0.15 slim=("$nets" 32 20 2) edits=2
    peers=() frames=360
fi

# ---- build, and what can run here ----------------------------------------------------------
cmake -G Ninja -B "$build" -S "$top" -DCMAKE_BUILD_TYPE=Release >/dev/null
ninja -C "$build" longtake bench_kernels bench_serve bench_slim bench_threading >&2
"$python" -c 'import torch, diffusers, transformers' || {
    echo "run.sh: $python lacks torch or diffusers: pip install -r" \
        "tools/peers/requirements.txt, and give --python" >&2
    exit 69
}
[ -f "$nets/model_index.json" ] || {
    say "making random networks of SD 1.5's size in $nets"
    "$python" tools/peers/make_nets.py "$nets"
}
threads=$(nproc) counts=(1)
[ "$threads" -eq 1 ] || counts+=("$threads")
[ $quick -eq 0 ] || counts=("$threads")
path=$("$build/longtake" doctor | sed -n 's/^ok *CPU path *\([a-z0-9_]*\),.*/\1/p')
possible=$("$build/longtake" doctor | sed -n 's/.*(possible: \(.*\))$/\1/p')
case $(sed -n 's/^vendor_id[^:]*: //p' /proc/cpuinfo | head -n 1) in
GenuineIntel) vendor=intel ;;
AuthenticAMD) vendor=amd ;;
*) vendor=other ;;
esac
base=$(date -u +%F)-$vendor
name=$out/$base-$path
f32=avx2_f32 bf16=
for p in $possible; do
    case $p in
    avx512_f32) f32=$p ;;
    avx512_bf16 | amx_bf16) bf16=$p ;;
    esac
done

# ---- is the machine idle? Two minutes to become so. ----------------------------------------
busy() { # share of time that others take, [%], and steal, over two seconds
    read -r _ u1 n1 s1 i1 w1 q1 r1 t1 _ </proc/stat
    sleep 2
    read -r _ u2 n2 s2 i2 w2 q2 r2 t2 _ </proc/stat
    local all=$((u2 + n2 + s2 + i2 + w2 + q2 + r2 + t2 - u1 - n1 - s1 - i1 - w1 - q1 - r1 - t1))
    echo "$((100 - 100 * (i2 - i1 + w2 - w1) / all)) $((100 * (t2 - t1) / all))"
}
read -r load steal < <(busy)
for ((i = 0; i < 30 && load > 10 && quick == 0; i++)); do
    sleep 2
    read -r load steal < <(busy)
done
say "$load % busy before the start ($steal % stolen); expected: $([ $quick -eq 1 ] &&
    echo "3 minutes when idle" || echo "18 minutes")"

# ---- measure -------------------------------------------------------------------------------
say "kernels, threads: ${counts[*]}"
for t in "${counts[@]}"; do
    "$build/bench/bench_kernels" auto "$t" $kernel_seconds "$clock" |
        if [ "$t" -eq "${counts[0]}" ]; then cat; else tail -n +2; fi
done >"$name-kernels.csv"

say "one thread a tile against the library's own threads"
"$build/bench/bench_threading" "$threads" "$rounds" "$clock" >"$name-threading.csv"

say "peers: operations and networks against PyTorch, in turn"
failed=0
[ "$clock" = wall ] || export OMP_WAIT_POLICY=passive # waiting would count as work
OMP_NUM_THREADS=$threads "$python" tools/peers/compare.py --serve "$build/bench/bench_serve" \
    -o "$name-peers.csv" --nets "$nets" --threads "$threads" --best-path "$path" \
    --f32-path "$f32" --bf16-path "$bf16" --clock "$clock" --rounds $rounds \
    --seconds $seconds "${peers[@]}" >&2 || failed=1

say "slimming"
"$build/bench/bench_slim" "${slim[@]}" "$threads" "$clock" >"$name-slim.csv"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1
mpirun -n 2 --bind-to none "$build/bench/bench_slim" models/demo/sd 16 20 1 1 "$clock" |
    tail -n +2 >>"$name-slim.csv"

say "whole edits: stages, then 1 rank against 2"
work=$(mktemp -d "${TMPDIR:-/tmp}/longtake-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$build/longtake" synth -q --seed 7 --size 128x128 --frames $frames -o "$work/clip.mp4" >/dev/null
cat >"$work/job.yaml" <<EOF
input:
  path: $work/clip.mp4
model:
  path: $top/models/demo/sd
prompt:
  edit: a mosaic of a blue mushroom before a brick wall
sampler:
  steps: 5
  inversion_steps: 5
features:
  ensemble: 2
EOF
bench/edit.sh "$build/longtake" "$work/job.yaml" 1 "$threads" >"$name-edit.csv"
bench/scaling.sh "$build/longtake" "$work/job.yaml" 2 $edits >"$name-scaling.csv"

say "table and picture"
python3 tools/peers/table.py "$out" "$base" --path "$path" --busy "$load" \
    --stolen "$steal" --seconds $(($(date +%s) - began)) "${peers[@]}"
say "done: $out/$base.md"
[ $failed -eq 0 ] || {
    echo "run.sh: results of ours and the peer disagree: see the table" >&2
    exit 1
}
