/* models convert and eval. */
#include <stddef.h>

#include "mistakes/mistakes.h"

#define TORCH "$FUZZ/corpus/torch/"

/* clang-format off */
const mistake mistakes_tools[] = {
    /* models convert: files of torch.save, which may hold any program */
    { "cp " TORCH "two t.ckpt", "models convert -q t.ckpt t.safetensors", 0, "^$", M_FILES },
    { NULL, "models convert", 64, "needs IN and OUT", 0 },
    { NULL, "models convert a", 64, "needs IN and OUT", 0 },
    { NULL, "models convert nope.ckpt o.safetensors", 66, "nope.ckpt.*check", 0 },
    { "cp " TORCH "system t.ckpt", "models convert t.ckpt o.safetensors", 65, "t.ckpt.*(os.system|os system)", 0 },
    { "cp " TORCH "packed t.ckpt", "models convert t.ckpt o.safetensors", 65, "t.ckpt", 0 },
    { "cp " TORCH "no-pickle t.ckpt", "models convert t.ckpt o.safetensors", 65, "t.ckpt", 0 },
    { "cp " TORCH "up t.ckpt", "models convert t.ckpt o.safetensors", 65, "t.ckpt", 0 },
    { "cp " TORCH "two t.ckpt; truncate -s -30 t.ckpt", "models convert t.ckpt o.safetensors", 65, "t.ckpt", 0 },
    { "head -c 1000 " TORCH "two >t.ckpt", "models convert t.ckpt o.safetensors", 65, "t.ckpt", 0 },
    { "put t.ckpt ''", "models convert t.ckpt o.safetensors", 65, "t.ckpt", 0 },
    { "head -c 100000 /dev/urandom >t.ckpt", "models convert t.ckpt o.safetensors", 65, "t.ckpt", 0 },
    { "cp $FUZZ/corpus/pickle/two t.ckpt", "models convert t.ckpt o.safetensors", 65, "t.ckpt", 0 },
    { "mkfifo t.ckpt", "models convert t.ckpt o.safetensors", 65, "t.ckpt", 0 },
    { "mkdir t.ckpt", "models convert t.ckpt o.safetensors", 65, "t.ckpt", 0 },
    { "cp " TORCH "two t.ckpt; put o.safetensors 'mine'", "models convert t.ckpt o.safetensors", 73, "o.safetensors", 0 },
    { "cp " TORCH "two t.ckpt", "models convert t.ckpt t.ckpt", 73, "t.ckpt", 0 },
    { "cp " TORCH "two t.ckpt", "models convert t.ckpt nowhere/o.safetensors", 73, "nowhere.*check", 0 },
    { NULL, "models convert " "../model/unet/diffusion_pytorch_model.safetensors o.safetensors", 65, "safetensors", 0 },

    /* eval */
    { NULL, "eval", 64, "eval needs EDITED", 0 },
    { NULL, "eval nope.mp4 --truth ../clip.mp4", 66, "nope.mp4", 0 },
    { NULL, "eval ../done.mp4 --truth nope.mp4", 66, "nope.mp4", 0 },
    { NULL, "eval ../done.mp4 --source nope.mp4", 66, "nope.mp4", 0 },
    { NULL, "eval ../done.mp4 --source ../clip.mp4 --mask nope.png", 66, "nope.png", 0 },
    { NULL, "eval ../done.mp4 --truht ../clip.mp4", 64, "did you mean `--truth`", 0 },
    { "put e.mp4 'no video'", "eval e.mp4 --truth ../clip.mp4", 65, "e.mp4", 0 },
    { "$LONGTAKE synth -q --seed 3 --frames 6 --size 32x48 -o c.mp4", "eval c.mp4 --truth ../clip.mp4", 65, "(32|size)", 0 },
    { "$LONGTAKE synth -q --seed 3 --frames 4 --size 64x48 -o c.mp4", "eval c.mp4 --truth ../clip.mp4", 65, "(4|frames)", 0 },
    { NULL, "eval ../done.mp4 --truth ../clip.mp4 --ss noon", 64, "--ss|noon", 0 },
    { NULL, "eval ../done.mp4 --seed x", 64, "--seed x", 0 },
    { NULL, "eval ../done.mp4 --seed 3 --edit colour=bleu", 64, "did you mean `blue`", 0 },
    { NULL, "eval ../done.mp4 --scene nope.yaml", 66, "nope.yaml", 0 },
    { "put f.h5 'no hdf5'", "eval ../done.mp4 --source ../clip.mp4 --flow f.h5", 65, "f.h5", 0 },
    { NULL, "eval -q ../done.mp4 --truth ../clip.mp4 --curves nowhere/c.csv", 73, "nowhere", 0 },
    { NULL, "eval -q ../done.mp4 --truth ../clip.mp4 --curves ../clip.mp4", 64, "--curves|end in .csv", 0 },

    /* what this machine does not have */
    { NULL, EDIT CLIP MODEL "--set run.cpu_path=amx_bf16", 69, "lacks the path amx_bf16.*(auto|best)", M_NO_AMX },
    { NULL, "models check -q ../model --golden x --cpu-path amx_bf16", 69, "lacks the path amx_bf16", M_NO_AMX },
    { 0 }
};
/* clang-format on */
