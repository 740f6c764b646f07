/* Whole models against what diffusers and transformers computed. */
#include "models_test.h"

typedef struct count {
    int lines;
    const char *table, *model;
} count;

static void print(void *self, const lt_check_line *line)
{
    count *c = self;
    c->lines++;
    printf("%-12s %-10s %-10s %-18s %.2e\n", c->table, c->model, line->model,
           line->output, line->error);
}

int main(void)
{
    const lt_kernels *k[16];
    const int n = tables(k);
    for (int i = 0; i < n; i++) {
        for (int m = 0; m < N_TEST_MODELS; m++) {
            char dir[4096], path[4096], name[64];
            lt_exec x = open_exec(k[i]);
            count c = { .table = k[i]->name, .model = test_models[m] };
            snprintf(name, sizeof(name), "check-%s.safetensors", test_models[m]);
            model_dir(test_models[m], dir);
            OK(lt_model_check(&x, dir, golden_path(name, path), print, &c));
            CHECK(c.lines == 5);
            close_exec(&x);
        }
    }
    return 0;
}
