#!/bin/bash
# Everything a user can give that is wrong: one message, the right exit code, no crash.
# shellcheck source-path=SCRIPTDIR
LONGTAKE=$1 GOLDEN=$2 WORK=$3
. "$(dirname "$0")/lib.sh"
need ffmpeg
begin
clip clip.mp4 12

edit() { "$LONGTAKE" edit -q --model "$MODEL" --prompt "a dog" "${QUICK[@]}" "$@"; }
# edit with the model of this folder
edit_model() { "$LONGTAKE" edit -q -i clip.mp4 --prompt "a dog" "${QUICK[@]}" --model "$1"; }

# videos
refused 66 'no such file.*nope.mp4' edit -i nope.mp4
echo "this is no video" >text.mp4
refused 65 'text.mp4' edit -i text.mp4
: >empty.mp4
refused 65 'empty.mp4' edit -i empty.mp4
refused 65 "$WORK" edit -i .
head -c 2000 clip.mp4 >cut.mp4
refused 65 'cut.mp4' edit -i cut.mp4
printf 'YUV4MPEG2 W64 H48 F12:1 Ip A1:1 C420jpeg\n' >noframes.y4m
refused 65 'noframes.y4m' edit -i noframes.y4m
ffmpeg -loglevel error -y -f lavfi -i sine=duration=1 sound.m4a </dev/null
refused 65 'sound.m4a' edit -i sound.m4a
refused 78 'input.ss' edit -i clip.mp4 --ss 100
refused 78 'no model is given' "$LONGTAKE" edit -q -i clip.mp4 --prompt x

# outputs
refused 73 'no such folder' edit -i clip.mp4 -o nowhere/out.mp4
refused 78 'out.txt' edit -i clip.mp4 -o out.txt
refused 78 'would replace the input' edit -i clip.mp4 -o clip.mp4
refused 73 'text.mp4' edit -i clip.mp4 --job text.mp4/job
mkdir foreign && echo hello >foreign/file
refused 73 'not a job folder' edit -i clip.mp4 --job foreign
refused 78 'codec' edit -i clip.mp4 --codec magic
refused 78 'crf' edit -i clip.mp4 --crf 99
refused 78 'pix_fmt' edit -i clip.mp4 --set output.pix_fmt=odd
if [ "$(id -u)" -ne 0 ]; then
    mkdir closed && chmod 555 closed
    refused 73 'closed' edit -i clip.mp4 -o closed/out.mp4
else # root writes everywhere but here
    refused 73 '/proc' edit -i clip.mp4 -o /proc/out.mp4
fi
[ -z "$(find . -name '*.edited.mp4')" ] || fail "a refused edit left an output"

# models
broken() {
    rm -rf broken
    cp -r "$MODEL" broken
}
unet=broken/unet/diffusion_pytorch_model.safetensors
refused 66 'nowhere' edit_model nowhere
broken && rm broken/unet/config.json
refused 66 'unet/config.json' edit_model broken
broken && rm "$unet"
refused 66 'unet' edit_model broken
broken && echo '{ "sample_size": ' >broken/unet/config.json
refused 65 'unet/config.json' edit_model broken
broken && sed -i 's/"norm_num_groups": *[0-9]*/"norm_num_groups": 7/' broken/unet/config.json
refused 65 'norm_num_groups|unet' edit_model broken
broken && truncate -s -5 "$unet"
refused 65 'diffusion_pytorch_model.safetensors' edit_model broken
broken && truncate -s 100 "$unet"
refused 65 'diffusion_pytorch_model.safetensors' edit_model broken
broken && LC_ALL=C sed -i 's/"conv_in\.weight"/"conv_im.weight"/' "$unet"
refused 65 'conv_in.weight' edit_model broken
broken && LC_ALL=C sed -i 's/\("conv_in\.weight":{[^}]*"shape":\[\)\([0-9]*\),\([0-9]*\),/\1\3,\2,/' "$unet"
cmp -s "$unet" "$MODEL/unet/$(basename "$unet")" && fail "the shape was not changed"
refused 65 'conv_in.weight' edit_model broken
broken && printf '\377\377' | dd of="$unet" bs=1 conv=notrunc status=none \
    seek=$(($(stat -c %s "$unet") - 2))
refused 65 'finite|NaN' edit_model broken
run 65 "$LONGTAKE" models verify broken
out_has 'DAMAGED'
broken && echo 'nothing' >broken/tokenizer/merges.txt
refused 65 'merges.txt|vocab' edit_model broken

# a prompt that does not fit is cut, and the user is told what is not seen
long=$(printf 'word%d ' $(seq 1 90))
run 0 "$LONGTAKE" preview -i clip.mp4 --model "$MODEL" --prompt "$long the very end" \
    "${QUICK[@]}" --at 0 -o look.png
err_has '^longtake: warning: the edit prompt is longer than 77 tokens.*the very end'
[ -s look.png ] || fail "no picture"

echo "ok, $n_checks commands"
