#include <stdio.h>
#include <string.h>

#include "models/expect.h"

/* Old VAE files name the middle attention's projections otherwise. */
static const struct {
    const char *now, *before;
} parts[] = {
    { ".to_q.", ".query." },
    { ".to_k.", ".key." },
    { ".to_v.", ".value." },
    { ".to_out.0.", ".proj_attn." },
};

static int replace(const char *name, const char *now, const char *before, char *other)
{
    const char *at = strstr(name, now);
    if (!at) return 0;
    const int head = (int)(at - name);
    return snprintf(other, LT_NAME_MAX, "%.*s%s%s", head, name, before,
                    at + strlen(now)) < LT_NAME_MAX;
}

const char *lt_resolve_name(const lt_weights *w, const char *name, char *other)
{
    static const char prefix[] = "text_model.";
    if (lt_weights_find(w, name)) return name;
    if (!strncmp(name, prefix, sizeof(prefix) - 1)) {
        const char *bare = name + sizeof(prefix) - 1;
        return lt_weights_find(w, bare) ? strcpy(other, bare) : name;
    }
    if (!strstr(name, "coder.mid_block.attentions.")) return name;
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        if (replace(name, parts[i].now, parts[i].before, other) &&
            lt_weights_find(w, other))
            return other;
    return name;
}
