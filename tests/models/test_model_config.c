/* config.json: each wrong value is refused by file and key; whole folders that are
 * damaged. */
#include <sys/stat.h>
#include <unistd.h>

#include "models/expect.h"
#include "models_test.h"

static lt_status unet(const char *text)
{
    lt_unet_config c;
    return lt_unet_config_parse(text, strlen(text), "u/config.json", &c);
}

static lt_status vae(const char *text)
{
    lt_vae_config c;
    return lt_vae_config_parse(text, strlen(text), "v/config.json", &c);
}

static lt_status text_encoder(const char *text)
{
    lt_text_config c;
    return lt_text_config_parse(text, strlen(text), "t/config.json", &c);
}

/* A small valid UNet with more keys behind. */
static lt_status unet_with(const char *more)
{
    char text[1024];
    snprintf(text, sizeof(text),
             "{\"block_out_channels\":[32,64],\"norm_num_groups\":8,"
             "\"down_block_types\":[\"CrossAttnDownBlock2D\",\"DownBlock2D\"],"
             "\"up_block_types\":[\"UpBlock2D\",\"CrossAttnUpBlock2D\"]%s%s}",
             *more ? "," : "", more);
    return unet(text);
}

static void check_unet_keys(void)
{
    static const char *const bad[][2] = {
        { "act_fn", "\"gelu\"" },
        { "addition_embed_type", "\"text_time\"" },
        { "attention_head_dim", "0" },
        { "attention_head_dim", "3" },
        { "attention_head_dim", "[8]" /* one for all is allowed */ },
        { "attention_head_dim", "[8,8,8]" },
        { "attention_head_dim", "[8,\"8\"]" },
        { "attention_head_dim", "\"8\"" },
        { "center_input_sample", "true" },
        { "class_embed_type", "\"timestep\"" },
        { "conv_in_kernel", "1" },
        { "cross_attention_dim", "0" },
        { "cross_attention_dim", "99999999999999999999" },
        { "cross_attention_dim", "[768,768]" },
        { "downsample_padding", "0" },
        { "dual_cross_attention", "true" },
        { "encoder_hid_dim", "4096" },
        { "flip_sin_to_cos", "1" },
        { "freq_shift", "1e9" },
        { "freq_shift", "\"0\"" },
        { "in_channels", "-4" },
        { "in_channels", "4.5" },
        { "in_channels", "1e30" },
        { "layers_per_block", "1000000" },
        { "layers_per_block", "[2,2]" },
        { "mid_block_type", "\"UNetMidBlock2D\"" },
        { "norm_eps", "-1" },
        { "norm_eps", "\"1e-5\"" },
        { "norm_num_groups", "7" },
        { "num_attention_heads", "8" },
        { "num_class_embeds", "10" },
        { "only_cross_attention", "true" },
        { "resnet_time_scale_shift", "\"scale_shift\"" },
        { "sample_size", "1000000" },
        { "time_embedding_type", "\"fourier\"" },
        { "transformer_layers_per_block", "2" },
        { "upcast_attention", "\"yes\"" },
        { "use_linear_projection", "0" },
        { "_class_name", "\"UNetMotionModel\"" },
        { "up_block_types", "[\"UpBlock2D\"]" },
        { "up_block_types", "[\"UpBlock2D\",\"ResnetUpsampleBlock2D\"]" },
        { "up_block_types", "\"UpBlock2D\"" },
        { "down_block_types", "[1,2]" },
        { "block_out_channels", "[]" },
        { "block_out_channels", "[32,64,64,64,64,64,64,64,64]" },
        { "block_out_channels", "[32,9223372036854775807]" },
        { "block_out_channels", "[32,0]" },
        { "block_out_channels", "64" },
    };
    OK(unet_with(""));
    OK(unet_with("\"in_channels\":8.0,\"sample_size\":null,\"only_in_new_files\":[1]"));
    OK(unet_with("\"transformer_layers_per_block\":1,\"mid_block_scale_factor\":1.0"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char more[256], whole[1024];
        /* a key of the base text is replaced, any other is added */
        snprintf(more, sizeof(more), "\"%s\":%s", bad[i][0], bad[i][1]);
        const char *groups = strcmp(bad[i][0], "norm_num_groups") ? "8" : bad[i][1];
        const char *channels =
            strcmp(bad[i][0], "block_out_channels") ? "[32,64]" : bad[i][1];
        const char *down = strcmp(bad[i][0], "down_block_types")
                               ? "[\"DownBlock2D\",\"DownBlock2D\"]"
                               : bad[i][1];
        const char *up = strcmp(bad[i][0], "up_block_types")
                             ? "[\"UpBlock2D\",\"UpBlock2D\"]"
                             : bad[i][1];
        const int base = strstr("norm_num_groups block_out_channels down_block_types "
                                "up_block_types",
                                bad[i][0]) != NULL;
        snprintf(whole, sizeof(whole),
                 "{\"norm_num_groups\":%s,\"block_out_channels\":%s,"
                 "\"down_block_types\":%s,\"up_block_types\":%s%s%s}",
                 groups, channels, down, up, base ? "" : ",", base ? "" : more);
        const int allowed = !strcmp(bad[i][1], "[8]");
        const lt_status st = unet(whole);
        if (st != (allowed ? LT_OK : LT_ERR_DATA))
            fprintf(stderr, "%s: status %d %s\n", more, (int)st, lt_error_message());
        CHECK(st == (allowed ? LT_OK : LT_ERR_DATA));
        if (st == LT_OK) continue;
        /* a number beyond 64 bits is no JSON of ours: then the file is named alone */
        CHECK(strstr(lt_error_message(), bad[i][0]) || strlen(bad[i][1]) == 20);
        CHECK(strstr(lt_error_message(), "u/config.json"));
    }
    FAILS(LT_ERR_DATA, "block_out_channels", unet("{}"));
    FAILS(LT_ERR_DATA, "u/config.json", unet("null"));
    FAILS(LT_ERR_DATA, "line 1", unet("{"));
}

static void check_other_keys(void)
{
#define VAE(channels, types, more)                                      \
    "{\"block_out_channels\":" channels ",\"down_block_types\":[" types \
    "],\"up_block_types\":[\"UpDecoderBlock2D\"],\"norm_num_groups\":4" more "}"
    OK(vae(VAE("[8]", "\"DownEncoderBlock2D\"", "")));
    FAILS(LT_ERR_DATA, "down_block_types",
          vae(VAE("[8,8]", "\"DownEncoderBlock2D\"", "")));
    FAILS(LT_ERR_DATA, "down_block_types",
          vae(VAE("[8]", "\"AttnDownEncoderBlock2D\"", "")));
    FAILS(LT_ERR_DATA, "norm_num_groups", vae(VAE("[9]", "\"DownEncoderBlock2D\"", "")));
    static const char *const bad[][2] = {
        { "use_quant_conv", "false" },
        { "shift_factor", "0.1" },
        { "latents_mean", "[1]" },
        { "mid_block_add_attention", "false" },
        { "scaling_factor", "0" },
        { "scaling_factor", "\"1\"" },
        { "latent_channels", "1000" },
        { "in_channels", "4" },
        { "_class_name", "\"AutoencoderKLWan\"" },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char text[512];
        snprintf(text, sizeof(text), VAE("[8]", "\"DownEncoderBlock2D\"", ",\"%s\":%s"),
                 bad[i][0], bad[i][1]);
        FAILS(LT_ERR_DATA, bad[i][0], vae(text));
    }
    OK(text_encoder("{\"hidden_act\":\"gelu\",\"num_attention_heads\":16}"));
    FAILS(LT_ERR_DATA, "hidden_act", text_encoder("{\"hidden_act\":\"relu\"}"));
    FAILS(LT_ERR_DATA, "hidden_act", text_encoder("{\"hidden_act\":[]}"));
    FAILS(LT_ERR_DATA, "num_attention_heads", text_encoder("{\"hidden_size\":770}"));
    FAILS(LT_ERR_DATA, "vocab_size", text_encoder("{\"vocab_size\":0}"));
    FAILS(LT_ERR_DATA, "num_hidden_layers", text_encoder("{\"num_hidden_layers\":-1}"));
    FAILS(LT_ERR_DATA, "model_type", text_encoder("{\"model_type\":\"t5\"}"));
}

/* ---- folders ---------------------------------------------------------------------- */

static int shell(const char *format, const char *a, const char *b)
{
    char command[8192];
    snprintf(command, sizeof(command), format, a, b);
    return system(command);
}

/* A copy of a tiny model, to be damaged. */
static void copy_model(char *dir)
{
    char from[4096];
    strcpy(dir, "/tmp/lt-model-XXXXXX");
    CHECK(mkdtemp(dir));
    CHECK(shell("cp -r %s/. %s", model_dir("odd-tiny", from), dir) == 0);
}

static void lose(const char *dir, const char *file, lt_status st, const char *message)
{
    char path[4096], hidden[4200];
    lt_exec x = open_exec(NULL);
    const lt_kernels *k[16];
    tables(k);
    x.k = k[0];
    lt_model *m = NULL;
    snprintf(path, sizeof(path), "%s/%s", dir, file);
    snprintf(hidden, sizeof(hidden), "%s.gone", path);
    CHECK(rename(path, hidden) == 0);
    FAILS(st, message, lt_model_load(&x, dir, LT_MODEL_ALL, &m));
    CHECK(!m);
    CHECK(rename(hidden, path) == 0);
    close_exec(&x);
}

static void check_folders(void)
{
    char dir[64], hex[65], again[65], command[256];
    copy_model(dir);
    lose(dir, "unet/config.json", LT_ERR_NOINPUT, "unet/config.json");
    lose(dir, "vae/config.json", LT_ERR_NOINPUT, "vae/config.json");
    lose(dir, "scheduler/scheduler_config.json", LT_ERR_NOINPUT, "scheduler_config.json");
    lose(dir, "tokenizer/vocab.json", LT_ERR_NOINPUT, "vocab.json");
    lose(dir, "unet/diffusion_pytorch_model.safetensors", LT_ERR_NOINPUT,
         "unet/diffusion_pytorch_model.safetensors");
    lose(dir, "text_encoder", LT_ERR_NOINPUT, "text_encoder/config.json");
    OK(lt_model_sha256(dir, hex));
    CHECK(strlen(hex) == 64);
    snprintf(command, sizeof(command), "sed -i s/1.0/1.00/ %s/unet/config.json", dir);
    CHECK(system(command) == 0);
    OK(lt_model_sha256(dir, again));
    CHECK(strcmp(hex, again) != 0);
    /* the UNet of another model: a shape of the weights does not fit */
    snprintf(command, sizeof(command), "cp %s/models/sd15-tiny/unet/config.json %s/unet",
             LT_GOLDEN, dir);
    CHECK(system(command) == 0);
    const lt_kernels *k[16];
    tables(k);
    lt_exec x = open_exec(k[0]);
    lt_model *m = NULL;
    FAILS(LT_ERR_DATA, "expected 16x4x3x3", lt_model_load(&x, dir, LT_MODEL_UNET, &m));
    CHECK(strstr(lt_error_message(), "tensor conv_in.weight has shape 8x4x3x3"));
    snprintf(command, sizeof(command), "cp -r %s/models/sd15-tiny/unet %s", LT_GOLDEN,
             dir);
    CHECK(system(command) == 0);
    FAILS(LT_ERR_DATA, "different models", lt_model_load(&x, dir, LT_MODEL_ALL, &m));
    OK(lt_model_load(&x, dir, LT_MODEL_VAE, &m)); /* a part alone is fine */
    CHECK(m->vae && !m->unet && !m->text && m->dir[0] == '/');
    lt_model_free(&m);
    FAILS(LT_ERR_NOINPUT, "/no/such", lt_model_load(&x, "/no/such", LT_MODEL_ALL, &m));
    close_exec(&x);
    CHECK(shell("rm -r %s%s", dir, "") == 0);
}

static void check_whole(void)
{
    const lt_kernels *k[16];
    char dir[4096];
    tables(k);
    lt_exec x = open_exec(k[0]);
    lt_model *m = NULL;
    lt_tokens t;
    lt_tensor embeds = { 0 };
    OK(lt_model_load(&x, model_dir("sd21-tiny", dir), LT_MODEL_ALL, &m));
    CHECK(lt_model_training_pixels(m) == 64 * 64);
    OK(lt_model_encode_prompt(&x, m, "a red ball", &t, &embeds));
    CHECK(t.n == 3 && embeds.shape[0] == 77 && embeds.shape[1] == 40);
    lt_tensor_free(&embeds);
    lt_model_free(&m);
    lt_model_free(&m);
    close_exec(&x);
}

int main(void)
{
    check_unet_keys();
    check_other_keys();
    check_folders();
    check_whole();
    return 0;
}
