/* The JSON configurations of the parts of a model: every reader sees every input. */
#include "fuzz.h"
#include "models/expect.h"
#include "models/scheduler.h"

static void count(void *self, const char *name, int ndim, const int64_t *shape)
{
    (void)shape;
    MUST(strlen(name) < LT_NAME_MAX && ndim > 0 && ndim <= LT_MAX_DIMS);
    ++*(int *)self;
}

static void unet(const char *text, size_t size)
{
    lt_unet_config c;
    double all = 0, attention = 0;
    int n = 0;
    const lt_status st = lt_unet_config_parse(text, size, "unet/config.json", &c);
    fuzz_refused(st);
    if (st != LT_OK) return;
    MUST(lt_unet_tensors(&c, count, &n) != LT_OK || n > 20);
    lt_unet_config_cost(&c, 8, 8, 77, &all, &attention);
    MUST(all > 0 && attention >= 0 && attention <= all);
}

static void vae(const char *text, size_t size)
{
    lt_vae_config c;
    int n = 0;
    const lt_status st = lt_vae_config_parse(text, size, "vae/config.json", &c);
    fuzz_refused(st);
    if (st != LT_OK) return;
    MUST(lt_vae_tensors(&c, count, &n) == LT_OK && n > 20);
    MUST(lt_vae_config_cost_encode(&c, 8, 8) > 0);
    MUST(lt_vae_config_cost_decode(&c, 8, 8) > 0);
}

static void text_encoder(const char *text, size_t size)
{
    lt_text_config c;
    int n = 0;
    const lt_status st = lt_text_config_parse(text, size, "text/config.json", &c);
    fuzz_refused(st);
    if (st != LT_OK) return;
    MUST(lt_text_tensors(&c, count, &n) == LT_OK && n > 4);
    MUST(lt_text_config_cost(&c, 77) > 0);
}

static void scheduler(const char *text, size_t size)
{
    lt_scheduler s;
    int t[1000];
    const lt_status st = lt_scheduler_parse(text, size, "scheduler_config.json", &s);
    fuzz_refused(st);
    if (st != LT_OK) return;
    for (int steps = 1; steps <= s.n_train; steps = 3 * steps + 1) {
        if (lt_scheduler_timesteps(&s, steps, t) != LT_OK) continue;
        for (int i = 0; i < steps; i++)
            MUST(t[i] >= 0 && t[i] < s.n_train && (i == 0 || t[i] > t[i - 1]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unet((const char *)data, size);
    vae((const char *)data, size);
    text_encoder((const char *)data, size);
    scheduler((const char *)data, size);
    return 0;
}
