/* Model folders: configurations, tokenizer, links. */
#include <stddef.h>

#include "mistakes/mistakes.h"

#define RUN EDIT CLIP "--model m"
#define UC  "m/unet/config.json"
#define VC  "m/vae/config.json"
#define TC  "m/text_encoder/config.json"
#define SC  "m/scheduler/scheduler_config.json"
/* A configuration with another value. */
#define SET(file, key, value) "m; js " file " " key " '" value "'"

/* clang-format off */
const mistake mistakes_model[] = {
    { NULL, EDIT CLIP, 78, "no model is given.*--model", 0 },
    { NULL, EDIT CLIP "--model ''", 78, "no model is given", 0 },
    { NULL, EDIT CLIP "--model nowhere", 66, "nowhere", 0 },
    { "mkdir m", EDIT CLIP "--model m", 66, "/m[/ )]", 0 },
    { "mkfifo m", EDIT CLIP "--model m", 66, "/m[/ )]", 0 },
    { "head -c 5000 /dev/urandom >m", EDIT CLIP "--model m", 65, "/m[/ )]", 0 },
    { "put m ''", EDIT CLIP "--model m", 65, "/m[/ )]", 0 },
    { NULL, EDIT CLIP "--model ../clip.mp4", 65, "clip.mp4", 0 },
    { "cp $FUZZ/corpus/torch/two m.ckpt", EDIT CLIP "--model m.ckpt", 65, "m.ckpt.*models convert", 0 },
    { "hdr '{}' 0 >m.safetensors", EDIT CLIP "--model m.safetensors", 65, "m.safetensors", 0 },
    { "mkdir d; cp ../model/unet/*.safetensors d", EDIT CLIP "--model d", 66, "no tokenizer beside.*model.tokenizer", 0 },
    { NULL, EDIT CLIP "--model ../model/unet/diffusion_pytorch_model.safetensors", 66, "no tokenizer beside", 0 },

    /* LoRA */
    { NULL, EDIT CLIP MODEL "--lora nope.safetensors", 66, "nope.safetensors", 0 },
    { "put l.safetensors ''", EDIT CLIP MODEL "--lora l.safetensors", 65, "l.safetensors", 0 },
    { "hdr '{}' 0 >l.safetensors", EDIT CLIP MODEL "--lora l.safetensors", 65, "l.safetensors", 0 },
    { "mkfifo l.safetensors", EDIT CLIP MODEL "--lora l.safetensors", 65, "l.safetensors", 0 },
    { "cp $FUZZ/corpus/torch/two l.ckpt", EDIT CLIP MODEL "--lora l.ckpt", 65, "l.ckpt", 0 },
    { NULL, EDIT CLIP MODEL "--lora ../model/unet/diffusion_pytorch_model.safetensors", 65, "LoRA", 0 },
    { "hdr '{}' 0 >l.safetensors", EDIT CLIP MODEL "--lora l.safetensors:nan", 66, "safetensors:nan.*check the name", 0 },
    { "hdr '{}' 0 >l.safetensors", EDIT CLIP MODEL "--lora l.safetensors:1e400", 66, "safetensors:1e400.*check the name", 0 },
    { NULL, EDIT CLIP "--model ../done.job", 66, "done.job", 0 },
    { "ln -s a b; ln -s b a", EDIT CLIP "--model a", 66, "/a[/ )]", 0 },
    { "m; rm -r m/unet; ln -s unet m/unet", RUN, 66, "m/unet", 0 },
    { "m; rm -r m/unet; ln -s . m/unet", RUN, 66, "unet", 0 },
    { "m; for i in 1 2 3; do ln -s .. m/loop$i; done", "models list -q m", 0, "^$", 0 },
    { NULL, "models list nowhere", 66, "no such folder.*nowhere", 0 },
    { NULL, "models verify nowhere", 66, "nowhere", 0 },
    { "m; rm -r m/vae", "models verify m", 66, "vae", M_OUT },
    /* not needed: the parts say what they are */
    { "m; put m/model_index.json '{'", RUN, 0, "^$", M_FILES },

    /* JSON that is none */
    { "m; rm " UC, RUN, 66, "unet/config.json", 0 },
    { "m; rm " VC, RUN, 66, "vae/config.json", 0 },
    { "m; rm " TC, RUN, 66, "text_encoder/config.json", 0 },
    { "m; rm " SC, RUN, 66, "scheduler/scheduler_config.json", 0 },
    { "m; put " UC " ''", RUN, 65, "unet/config.json", 0 },
    { "m; put " UC " '{ \"sample_size\": '", RUN, 65, "unet/config.json.*line 1", 0 },
    { "m; put " UC " '[1]'", RUN, 65, "not a JSON object.*unet/config.json", 0 },
    { "m; put " UC " 'sample_size: 8'", RUN, 65, "unet/config.json", 0 },
    { "m; put " UC " '\\0377\\0376{}'", RUN, 65, "unet/config.json", 0 },
    { "m; put " UC " '{\"a\":1,\"a\":2}'", RUN, 65, "unet/config.json", 0 },
    { "m; rm " UC "; head -c 900000 /dev/zero | tr '\\0' '[' >" UC, RUN, 65, "unet/config.json", 0 },
    { "m; rm " UC "; (seq -f '{\"a%g\":' 1 5000; echo 1) >" UC, RUN, 65, "unet/config.json", 0 },
    { "m; rm " UC "; head -c 2000000 /dev/zero >" UC, RUN, 65, "unet/config.json.*right one", 0 },
    { "m; rm " UC "; mkdir " UC, RUN, 65, "unet/config.json", 0 },
    { "m; rm " UC "; mkfifo " UC, RUN, 65, "unet/config.json", 0 },
    { "m; put " UC " '{}'", RUN, 65, "unet/config.json.*block_out_channels", 0 },
    { "m; put " VC " '{}'", RUN, 65, "vae/config.json.*block_out_channels", 0 },
    { "m; put " TC " '{}'", RUN, 65, "text_encoder|model.safetensors", 0 },

    /* values */
    { SET(UC, "_class_name", "\"UNet3DConditionModel\""), RUN, 65, "unet/config.json, key _class_name.*UNet3D.*only", 0 },
    { SET(VC, "_class_name", "\"AutoencoderTiny\""), RUN, 65, "vae/config.json, key _class_name", 0 },
    { SET(SC, "_class_name", "\"MagicScheduler\""), RUN, 65, "unsupported scheduler.*MagicScheduler.*supported", 0 },
    { SET(SC, "prediction_type", "\"sample\""), RUN, 65, "key prediction_type.*sample", 0 },
    { SET(SC, "beta_schedule", "\"cosine\""), RUN, 65, "key beta_schedule.*cosine", 0 },
    { SET(SC, "num_train_timesteps", "1000000000"), RUN, 65, "key num_train_timesteps.*outside", 0 },
    { SET(SC, "num_train_timesteps", "0"), RUN, 65, "key num_train_timesteps.*outside", 0 },
    { SET(SC, "num_train_timesteps", "\"many\""), RUN, 65, "key num_train_timesteps.*whole number", 0 },
    { SET(SC, "beta_end", "1e400"), RUN, 65, "scheduler_config.json", 0 },
    { SET(SC, "beta_end", "-1"), RUN, 65, "key beta_end.*outside", 0 },
    { SET(SC, "beta_end", "\"x\""), RUN, 65, "key beta_end.*number", 0 },
    { SET(SC, "steps_offset", "-5"), RUN, 65, "key steps_offset", 0 },
    { SET(SC, "steps_offset", "999"), RUN, 78, "offset of 999.*use fewer", 0 },
    { SET(UC, "norm_num_groups", "7"), RUN, 65, "norm_num_groups.*divide", 0 },
    { SET(UC, "norm_num_groups", "0"), RUN, 65, "norm_num_groups.*outside", 0 },
    { SET(UC, "in_channels", "5"), RUN, 65, "(conv_in|channels|in_channels)", 0 },
    { SET(UC, "in_channels", "9999999999999999999999"), RUN, 65, "unet/config.json", 0 },
    { SET(UC, "in_channels", "4.5"), RUN, 65, "key in_channels.*whole number", 0 },
    { SET(UC, "in_channels", "null"), RUN, 0, "^$", M_FILES },
    { SET(UC, "block_out_channels", "[]"), RUN, 65, "key block_out_channels.*list", 0 },
    { SET(UC, "block_out_channels", "[16384, 16384, 16384, 16384]"), RUN, 65, "(belong together|block_out_channels)", 0 },
    { SET(UC, "block_out_channels", "[32, 64, 64, 64, 64, 64, 64, 64, 64]"), RUN, 65, "key block_out_channels", 0 },
    { SET(UC, "down_block_types", "[\"A\"]"), RUN, 65, "key down_block_types", 0 },
    { SET(UC, "layers_per_block", "1000000"), RUN, 65, "key layers_per_block.*outside", 0 },
    { SET(UC, "cross_attention_dim", "-1"), RUN, 65, "key cross_attention_dim.*outside", 0 },
    { SET(UC, "attention_head_dim", "0"), RUN, 65, "key attention_head_dim", 0 },
    { SET(UC, "act_fn", "\"swish\""), RUN, 65, "key act_fn.*swish", 0 },
    { SET(VC, "scaling_factor", "0"), RUN, 65, "key scaling_factor.*outside", 0 },
    { SET(VC, "latent_channels", "16"), RUN, 65, "(vae|channels)", 0 },
    { SET(TC, "hidden_act", "\"relu\""), RUN, 65, "key hidden_act.*relu", 0 },
    { SET(TC, "num_attention_heads", "7"), RUN, 65, "key num_attention_heads.*divide", 0 },
    { SET(TC, "vocab_size", "4000000"), RUN, 65, "(belong together|vocab_size)", 0 },
    { SET(TC, "num_hidden_layers", "100"), RUN, 65, "(belong together|missing tensor)", 0 },
    { SET(TC, "max_position_embeddings", "10"), RUN, 65, "(belong together|position)", 0 },

    /* the tokenizer */
    { "m; rm m/tokenizer/vocab.json", RUN, 66, "tokenizer/vocab.json", 0 },
    { "m; rm m/tokenizer/merges.txt", RUN, 66, "tokenizer/merges.txt", 0 },
    { "m; rm m/tokenizer/special_tokens_map.json", RUN, 0, "^$", M_FILES },
    { "m; put m/tokenizer/vocab.json '{'", RUN, 65, "tokenizer/vocab.json", 0 },
    { "m; put m/tokenizer/vocab.json '{}'", RUN, 65, "token.*tokenizer/vocab.json.*download", 0 },
    { "m; put m/tokenizer/vocab.json '{\"!\":-1}'", RUN, 65, "token.*tokenizer/vocab.json", 0 },
    { "m; put m/tokenizer/vocab.json '{\"!\":\"x\"}'", RUN, 65, "token.*tokenizer/vocab.json", 0 },
    { "m; put m/tokenizer/merges.txt 'nothing\\n'", RUN, 65, "merges.txt.*line 1|merges.txt.*merge 1", 0 },
    { "m; put m/tokenizer/merges.txt 'a b c\\n'", RUN, 65, "merges.txt", 0 },
    { "m; put m/tokenizer/merges.txt 'zq zq\\n'", RUN, 65, "(vocab.json|merges.txt)", 0 },
    { "m; put m/tokenizer/merges.txt 'a\\0b\\n'", RUN, 65, "merges.txt.*not a text file", 0 },
    { "m; rm m/tokenizer/merges.txt; head -c 70000000 /dev/zero >m/tokenizer/merges.txt", RUN, 65, "merges.txt.*right one", 0 },
    { "m; rm m/tokenizer/vocab.json; mkfifo m/tokenizer/vocab.json", RUN, 65, "vocab.json", 0 },
    { "m; put m/tokenizer/special_tokens_map.json '{\"pad_token\":3}'", RUN, 65, "special_tokens_map.json, key pad_token", 0 },
    { "m; put m/tokenizer/special_tokens_map.json '{\"pad_token\":\"\"}'", RUN, 65, "special_tokens_map.json, key pad_token", 0 },
    { "m; put m/tokenizer/special_tokens_map.json '{\"pad_token\":\"nope\"}'", RUN, 65, "nope", 0 },
    { "m; sub m/tokenizer/vocab.json 's/\"a<.w>\": *[0-9]*/\"a<\\/w>\": 4000000/'; same m/tokenizer/vocab.json", RUN, 65, "(vocab|token|id)", 0 },
    { "m; put m/tokenizer/vocab.json 'version https://git-lfs.github.com/spec/v1\\n'", RUN, 65, "vocab.json", 0 },
    { 0 }
};
/* clang-format on */
