#include "models/ldm.h"

#include <stdio.h>
#include <string.h>

typedef struct pair {
    const char *now, *ldm;
} pair;

/* Replace the beginning of `name` by the pair that fits; 0: none does. */
static int replace_head(const pair *p, size_t n, const char *name, char *out)
{
    for (size_t i = 0; i < n; i++) {
        const size_t k = strlen(p[i].now);
        if (strncmp(name, p[i].now, k) != 0) continue;
        return snprintf(out, LT_NAME_MAX, "%s%s", p[i].ldm, name + k) < LT_NAME_MAX;
    }
    return 0;
}

#define REPLACE_HEAD(list, name, out) \
    replace_head(list, sizeof(list) / sizeof(*(list)), name, out)

/* ---- UNet ------------------------------------------------------------------------ */

static const pair unet_ends[] = {
    { "conv_in.", "input_blocks.0.0." },
    { "time_embedding.linear_1.", "time_embed.0." },
    { "time_embedding.linear_2.", "time_embed.2." },
    { "conv_norm_out.", "out.0." },
    { "conv_out.", "out.2." },
};

static const pair unet_resnet[] = {
    { "norm1.", "in_layers.0." },          { "conv1.", "in_layers.2." },
    { "time_emb_proj.", "emb_layers.1." }, { "norm2.", "out_layers.0." },
    { "conv2.", "out_layers.3." },         { "conv_shortcut.", "skip_connection." },
};

static int join(char *out, const char *block, const char *rest)
{
    return snprintf(out, LT_NAME_MAX, "%s%s", block, rest) < LT_NAME_MAX;
}

static int join_resnet(char *out, const char *block, const char *rest)
{
    char part[LT_NAME_MAX];
    return REPLACE_HEAD(unet_resnet, rest, part) && join(out, block, part);
}

static int down_name(const lt_ldm_shape *s, const char *name, char *out)
{
    char block[64];
    int i = 0, j = 0, at = 0;
    if (sscanf(name, "down_blocks.%d.resnets.%d.%n", &i, &j, &at) == 2 && at) {
        snprintf(block, sizeof(block), "input_blocks.%d.0.", 1 + i * (s->layers + 1) + j);
        return join_resnet(out, block, name + at);
    }
    if (sscanf(name, "down_blocks.%d.attentions.%d.%n", &i, &j, &at) == 2 && at) {
        snprintf(block, sizeof(block), "input_blocks.%d.1.", 1 + i * (s->layers + 1) + j);
        return join(out, block, name + at);
    }
    if (sscanf(name, "down_blocks.%d.downsamplers.0.conv.%n", &i, &at) == 1 && at) {
        snprintf(block, sizeof(block), "input_blocks.%d.0.op.",
                 1 + i * (s->layers + 1) + s->layers);
        return join(out, block, name + at);
    }
    return 0;
}

static int up_name(const lt_ldm_shape *s, const char *name, char *out)
{
    char block[64];
    int i = 0, j = 0, at = 0;
    if (sscanf(name, "up_blocks.%d.resnets.%d.%n", &i, &j, &at) == 2 && at) {
        snprintf(block, sizeof(block), "output_blocks.%d.0.", i * (s->layers + 1) + j);
        return join_resnet(out, block, name + at);
    }
    if (sscanf(name, "up_blocks.%d.attentions.%d.%n", &i, &j, &at) == 2 && at) {
        snprintf(block, sizeof(block), "output_blocks.%d.1.", i * (s->layers + 1) + j);
        return join(out, block, name + at);
    }
    if (sscanf(name, "up_blocks.%d.upsamplers.0.conv.%n", &i, &at) == 1 && at) {
        if (i < 0 || i >= 8) return 0;
        snprintf(block, sizeof(block), "output_blocks.%d.%d.conv.",
                 i * (s->layers + 1) + s->layers, s->up_attention[i] ? 2 : 1);
        return join(out, block, name + at);
    }
    return 0;
}

static int unet_name(const lt_ldm_shape *s, const char *name, char *out)
{
    static const pair middle[] = { { "mid_block.attentions.0.", "middle_block.1." } };
    int j = 0, at = 0;
    char block[64];
    if (sscanf(name, "mid_block.resnets.%d.%n", &j, &at) == 1 && at) {
        snprintf(block, sizeof(block), "middle_block.%d.", 2 * j);
        return join_resnet(out, block, name + at);
    }
    return REPLACE_HEAD(middle, name, out) || REPLACE_HEAD(unet_ends, name, out) ||
           down_name(s, name, out) || up_name(s, name, out);
}

/* ---- VAE ------------------------------------------------------------------------- */

/* conv_shortcut, the one part of a resnet that has another name. */
static int vae_resnet(char *out, const char *block, const char *rest)
{
    static const pair shortcut[] = { { "conv_shortcut.", "nin_shortcut." } };
    char part[LT_NAME_MAX];
    return join(out, block, REPLACE_HEAD(shortcut, rest, part) ? part : rest);
}

static int vae_block(const lt_ldm_shape *s, const char *half, const char *rest, char *out)
{
    const char *const ways[2][2] = { { "down", "downsample" }, { "up", "upsample" } };
    char block[64], format[64];
    int i = 0, j = 0, at = 0;
    for (int up = 0; up < 2; up++) {
        const char *way = ways[up][0];
        snprintf(format, sizeof(format), "%s_blocks.%%d.resnets.%%d.%%n", way);
        at = 0;
        if (sscanf(rest, format, &i, &j, &at) == 2 && at) {
            snprintf(block, sizeof(block), "%s.%s.%d.block.%d.", half, way,
                     up ? s->n_levels - 1 - i : i, j);
            return vae_resnet(out, block, rest + at);
        }
        snprintf(format, sizeof(format), "%s_blocks.%%d.%ssamplers.0.conv.%%n", way, way);
        at = 0;
        if (sscanf(rest, format, &i, &at) == 1 && at) {
            snprintf(block, sizeof(block), "%s.%s.%d.%s.conv.", half, way,
                     up ? s->n_levels - 1 - i : i, ways[up][1]);
            return join(out, block, rest + at);
        }
    }
    return 0;
}

static int vae_half(const lt_ldm_shape *s, const char *half, const char *rest, char *out)
{
    static const pair attention[] = {
        { "group_norm.", "norm." },
        { "to_q.", "q." },
        { "to_k.", "k." },
        { "to_v.", "v." },
        { "to_out.0.", "proj_out." },
    };
    char block[64], part[LT_NAME_MAX];
    int j = 0, at = 0;
    if (sscanf(rest, "mid_block.resnets.%d.%n", &j, &at) == 1 && at) {
        snprintf(block, sizeof(block), "%s.mid.block_%d.", half, j + 1);
        return vae_resnet(out, block, rest + at);
    }
    if (!strncmp(rest, "mid_block.attentions.0.", 23)) {
        snprintf(block, sizeof(block), "%s.mid.attn_1.", half);
        return REPLACE_HEAD(attention, rest + 23, part) && join(out, block, part);
    }
    if (!strncmp(rest, "conv_norm_out.", 14)) {
        snprintf(block, sizeof(block), "%s.norm_out.", half);
        return join(out, block, rest + 14);
    }
    if (vae_block(s, half, rest, out)) return 1;
    snprintf(block, sizeof(block), "%s.", half); /* conv_in, conv_out */
    return join(out, block, rest);
}

static int vae_name(const lt_ldm_shape *s, const char *name, char *out)
{
    if (!strncmp(name, "encoder.", 8)) return vae_half(s, "encoder", name + 8, out);
    if (!strncmp(name, "decoder.", 8)) return vae_half(s, "decoder", name + 8, out);
    return join(out, "", name); /* quant_conv, post_quant_conv */
}

/* ---- OpenCLIP -------------------------------------------------------------------- */

static int openclip_name(const char *name, char *out, int *third)
{
    static const pair ends[] = {
        { "text_model.embeddings.token_embedding.", "token_embedding." },
        { "text_model.embeddings.position_embedding.weight", "positional_embedding" },
        { "text_model.final_layer_norm.", "ln_final." },
    };
    static const pair parts[] = {
        { "layer_norm1.", "ln_1." },
        { "layer_norm2.", "ln_2." },
        { "mlp.fc1.", "mlp.c_fc." },
        { "mlp.fc2.", "mlp.c_proj." },
        { "self_attn.out_proj.", "attn.out_proj." },
        { "self_attn.q_proj.", "attn.in_proj_" },
        { "self_attn.k_proj.", "attn.in_proj_" },
        { "self_attn.v_proj.", "attn.in_proj_" },
    };
    char block[64], part[LT_NAME_MAX];
    int i = 0, at = 0;
    if (REPLACE_HEAD(ends, name, out)) return 1;
    if (sscanf(name, "text_model.encoder.layers.%d.%n", &i, &at) != 1 || !at) return 0;
    const char *rest = name + at;
    if (!strncmp(rest, "self_attn.", 10) && rest[11] == '_')
        *third = rest[10] == 'q' ? 0 : rest[10] == 'k' ? 1 : 2;
    snprintf(block, sizeof(block), "transformer.resblocks.%d.", i);
    return REPLACE_HEAD(parts, rest, part) && join(out, block, part);
}

/* ---- all ------------------------------------------------------------------------- */

static void drop_dots(char *name)
{
    char *to = name;
    for (const char *s = name; *s; s++)
        if (*s != '.') *to++ = *s;
    *to = '\0';
}

int lt_ldm_find_place(lt_part part, lt_naming naming, const char *prefix,
                      const lt_ldm_shape *shape, const char *name, lt_ldm_place *place)
{
    static const char bare[] = "text_model.";
    char own[LT_NAME_MAX];
    int ok = 1;
    place->third = -1;
    switch (naming) {
    case LT_NAMES_DIFFUSERS: ok = join(own, "", name); break;
    case LT_NAMES_BARE:
        ok = !strncmp(name, bare, sizeof(bare) - 1) &&
             join(own, "", name + sizeof(bare) - 1);
        break;
    case LT_NAMES_LDM:
    case LT_NAMES_EMA:
        ok = part == LT_PART_UNET ? unet_name(shape, name, own)
                                  : vae_name(shape, name, own);
        if (ok && naming == LT_NAMES_EMA) drop_dots(own);
        break;
    case LT_NAMES_OPENCLIP: ok = openclip_name(name, own, &place->third); break;
    }
    return ok && snprintf(place->name, LT_NAME_MAX, "%s%s", prefix, own) < LT_NAME_MAX;
}
