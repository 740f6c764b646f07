#!/bin/bash
# Command line, help, exit codes, doctor: no video needed.
# shellcheck source-path=SCRIPTDIR disable=SC2016
LONGTAKE=$1 GOLDEN=$2 WORK=$3
. "$(dirname "$0")/lib.sh"
begin

# help and version
run 0 "$LONGTAKE" --help
out_has '^Examples:'
out_has '^  edit '
for c in edit resume plan status verify preview synth models bench doctor; do
    run 0 "$LONGTAKE" "$c" --help
    [ "$(sed -n 3p out)" = "Examples:" ] || fail "help of $c does not begin with examples"
    out_has "^  longtake $c|^  mpirun -n 8 longtake $c"
    out_has '-h, --help'
done
run 0 "$LONGTAKE" edit --help
out_has '--negative-prompt TEXT'
out_has 'attention.kv_budget=20'
run 0 "$LONGTAKE" -h
run 0 "$LONGTAKE" --version
out_has '^longtake [0-9.]+ \(git '
out_has '^HDF5: [0-9.]+'
run 0 "$LONGTAKE" plan --version

# what does not exist
refused 64 'no command' "$LONGTAKE"
refused 64 'unknown command edti \(did you mean `edit`\?\)' "$LONGTAKE" edti
refused 64 'unknown command zzzzzz: ' "$LONGTAKE" zzzzzz
for c in redo mask; do
    refused 64 "unknown command $c" "$LONGTAKE" "$c" x
done
refused 64 'unknown option --promt \(did you mean `--prompt`\?\)' "$LONGTAKE" edit --promt x
refused 64 'unknown option --flow' "$LONGTAKE" edit --flow m.png
refused 64 'unknown option --mask' "$LONGTAKE" resume DIR --mask m.png
refused 64 'unknown option -z' "$LONGTAKE" edit -z
refused 64 'unknown option --seed' "$LONGTAKE" status --seed 1
refused 64 'unknown option --seed' "$LONGTAKE" --seed 1 edit
refused 64 'unknown command models chekc \(did you mean `check`\?\)' "$LONGTAKE" models chekc
refused 64 'models needs list' "$LONGTAKE" models
refused 64 'models verify needs one folder' "$LONGTAKE" models verify
refused 64 'needs --golden' "$LONGTAKE" models check "$MODEL"
refused 64 'status needs DIR' "$LONGTAKE" status
refused 64 'unexpected argument b' "$LONGTAKE" status a b
refused 64 'unexpected argument --json' "$LONGTAKE" status a -- --json
refused 64 '--prompt needs a value' "$LONGTAKE" edit --prompt
refused 64 '--fresh takes no value' "$LONGTAKE" edit --fresh=yes
refused 64 'preview needs --at' "$LONGTAKE" preview -i x.mp4
refused 64 '--at noon is not a time' "$LONGTAKE" preview -i x.mp4 --at noon
refused 64 '--job is empty' "$LONGTAKE" edit -i x.mp4 --job ''

# values of the configuration
refused 78 'sampler.stesp.*sampler.steps' "$LONGTAKE" edit --set sampler.stesp=5
refused 78 'samplr.*sampler' "$LONGTAKE" edit --set samplr.steps=5
refused 78 'sampler.steps' "$LONGTAKE" edit --set sampler.steps=0
refused 78 'sampler.steps' "$LONGTAKE" edit --set sampler.steps=5O
refused 78 'section.key=value|=' "$LONGTAKE" edit --set sampler.steps
refused 78 '--seed' "$LONGTAKE" edit --seed -1
refused 78 '--ss' "$LONGTAKE" edit --ss 1:99
refused 78 'method' "$LONGTAKE" edit --method magic
refused 78 'inversion_steps' "$LONGTAKE" edit --set sampler.inversion_steps=51
refused 78 'no model is given' "$LONGTAKE" edit
refused 78 'no input is given' "$LONGTAKE" edit --model "$MODEL"
refused 66 'nope.yaml' "$LONGTAKE" edit nope.yaml
printf 'sampler:\n  stepz: 3\n' >bad.yaml
refused 78 'bad.yaml:2' "$LONGTAKE" edit bad.yaml
printf 'sampler: [1, 2\n' >bad.yaml
refused 78 'bad.yaml' "$LONGTAKE" edit bad.yaml
head -c 4000 /dev/urandom >bad.yaml
refused 78 'bad.yaml' "$LONGTAKE" edit bad.yaml
refused 66 'no such job folder' "$LONGTAKE" resume nowhere.job
refused 66 'no such job folder' "$LONGTAKE" status nowhere.job
refused 66 'no such job folder' "$LONGTAKE" verify nowhere.job
mkdir empty
refused 66 'no job in this folder' "$LONGTAKE" verify empty

# a failed write of a result is no success
if [ -c /dev/full ]; then
    code=0
    "$LONGTAKE" --version >/dev/full 2>err || code=$?
    [ $code -eq 74 ] || fail "--version on a full disk: $code"
fi

# doctor: without FFmpeg an edit cannot run
media=1
"$LONGTAKE" --version | grep -q '^FFmpeg: not built in' && media=0
if [ $media -eq 0 ]; then
    run 69 "$LONGTAKE" doctor
    out_has '^missing +FFmpeg '
    run 69 "$LONGTAKE" edit -i "$LONGTAKE" --model "$MODEL" --prompt x
    err_has '^longtake: built without video'
fi
doctor_code=$((media ? 0 : 69))
run $doctor_code "$LONGTAKE" doctor
out_has '^ok +HDF5 '
out_has '^ok +CPU path '
out_has 'sbatch'
run $doctor_code "$LONGTAKE" doctor --json
json "o['ok'] == bool($media) and any(c['name'] == 'mpirun' for c in o['checks'])"

# bench
run 0 "$LONGTAKE" bench --cpu-path ref --threads 2 --seconds 0 --model "$MODEL"
out_has '^path     ref, f32, 2 threads$'
out_has '^roof     [1-9][0-9]* GFLOP/s in registers'
out_has '^attention  .* GFLOP/s +[0-9]+ %$'
out_has '^unet  .* 1x8x8 '
out_has '^text  .* 1/s$'
run 0 "$LONGTAKE" bench --cpu-path ref --seconds 0 --threads 1 --csv
out_has '^machine,revision,path,compute,threads,clock,op,shape,median_ms,'
out_has ',ref,f32,1,wall,geglu,1x1024x64,[0-9.]+,[0-9.]+,[0-9.]+,[0-9.]+,GB/s,'
run 0 "$LONGTAKE" bench --cpu-path ref --seconds 0 --threads 1 --json
json "o['cpu_path'] == 'ref' and o['roof']['triad_gb_s'] > 0 and len(o['cases']) == 7"
json "all(c['p10_ms'] <= c['median_ms'] <= c['p90_ms'] for c in o['cases'])"
refused 64 'unknown option --calibrate' "$LONGTAKE" bench --calibrate
refused 64 'exclude each other' "$LONGTAKE" bench --csv --json
refused 64 '--seconds soon' "$LONGTAKE" bench --seconds soon
refused 64 '--threads 0' "$LONGTAKE" bench --threads 0
refused 64 '--dtype f8' "$LONGTAKE" bench --dtype f8
refused 78 'no such CPU path' "$LONGTAKE" bench --cpu-path sse
refused 78 'bf16' "$LONGTAKE" bench --cpu-path avx2_f32 --dtype bf16
refused 64 'unexpected argument' "$LONGTAKE" bench kernels

# models
run 0 "$LONGTAKE" models list "$GOLDEN"
out_has 'models/sd15-tiny$'
run 0 env LONGTAKE_MODELS="$WORK/empty:$GOLDEN/models" HOME="$WORK" "$LONGTAKE" models list --json
json "len(o['models']) == 3 and o['models'][1]['parameters'] > 0"
mkdir -p hub/models--x--y/snapshots
ln -s "$MODEL" hub/models--x--y/snapshots/0123abc
run 0 env HF_HUB_CACHE="$WORK/hub" "$LONGTAKE" models list
out_has 'snapshots/0123abc$'
refused 66 'no such folder' "$LONGTAKE" models list nowhere
run 0 "$LONGTAKE" models verify "$MODEL"
out_has '^[0-9a-f]{64}  unet/config.json$'
refused 66 'nowhere' "$LONGTAKE" models verify nowhere
for m in sd15 sd21 odd; do
    run 0 "$LONGTAKE" models check "$GOLDEN/models/$m-tiny" \
        --golden "$GOLDEN/check-$m-tiny.safetensors"
    out_has '^unet .* ok$'
done
if "$LONGTAKE" doctor | grep -q 'CPU path.*_bf16'; then
    # random weights amplify rounding: above the limit for trained ones, not far above
    "$LONGTAKE" models check "$MODEL" --dtype bf16 --json \
        --golden "$GOLDEN/check-sd15-tiny.safetensors" >out 2>err
    json "all(1e-7 < c['error'] < 5e-2 and c['limit'] == 2e-2 for c in o['list'])"
    json "o['ok'] == all(c['ok'] for c in o['list']) and len(o['list']) == 5"
fi
run 0 "$LONGTAKE" models check "$MODEL" --golden "$GOLDEN/check-sd15-tiny.safetensors" \
    --cpu-path ref --threads 2 --json
json "o['ok'] and len(o['list']) == 5"
refused 66 'nope' "$LONGTAKE" models check "$MODEL" --golden nope.safetensors

# models convert, and pickles elsewhere
TORCH=$GOLDEN/../io/data
run 0 "$LONGTAKE" models convert "$TORCH/sd.bin" sd.safetensors
out_has 'sd.safetensors: 4 tensors'
refused 73 'is there already' "$LONGTAKE" models convert "$TORCH/sd.bin" sd.safetensors
run 0 "$LONGTAKE" models convert --json "$TORCH/pl.ckpt" pl.safetensors
json "o['tensors'] == 1 and o['bytes'] == 8"
refused 64 'needs IN and OUT' "$LONGTAKE" models convert "$TORCH/sd.bin"
refused 65 'before 1.6' "$LONGTAKE" models convert "$TORCH/old.pth" old.safetensors
refused 66 'nope.ckpt' "$LONGTAKE" models convert nope.ckpt out.safetensors
refused 65 'models convert IN OUT' "$LONGTAKE" models verify "$TORCH/sd.bin"
refused 65 'no part of a model' "$LONGTAKE" models verify sd.safetensors
test ! -e old.safetensors || fail "a refused conversion left its output"
refused 64 '--dtype f8' "$LONGTAKE" models check "$MODEL" --golden x --dtype f8
refused 78 'no such CPU path' "$LONGTAKE" models check "$MODEL" --golden x --cpu-path sse
refused 64 '--threads 0' "$LONGTAKE" models check "$MODEL" --golden x --threads 0
# another model than the golden file's: every line is printed, then the failure
run 65 "$LONGTAKE" models check "$GOLDEN/models/sd21-tiny" \
    --golden "$GOLDEN/check-sd15-tiny.safetensors"

echo "ok, $n_checks commands"
