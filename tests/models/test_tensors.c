/* The tensors that the published configurations need, against the lists in
 * shared/design/tensors; parameter totals and costs of methods/via.md. */
#include "models/expect.h"
#include "models_test.h"

typedef struct list {
    char (*line)[256]; /* "name<TAB>320x4x3x3" */
    int n, cap;
    int64_t parameters;
} list;

static void add(list *l, const char *text)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 256;
        l->line = realloc(l->line, (size_t)l->cap * sizeof(*l->line));
        CHECK(l->line);
    }
    CHECK(strlen(text) < sizeof(*l->line));
    strcpy(l->line[l->n++], text);
}

static void visit(void *self, const char *name, int ndim, const int64_t *shape)
{
    char text[LT_SHAPE_TEXT + 256], dims[LT_SHAPE_TEXT];
    int64_t count = 1;
    for (int i = 0; i < ndim; i++) count *= shape[i];
    ((list *)self)->parameters += count;
    snprintf(text, sizeof(text), "%s\t%s", name, lt_shape_text(ndim, shape, dims));
    add(self, text);
}

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

/* 0 when the file is not there. */
static int read_list(const char *name, list *l)
{
    char path[4096], line[512];
    const char *shared = getenv("LT_SHARED");
    snprintf(path, sizeof(path), "%s/design/tensors/%s",
             shared ? shared : LT_SHARED_DEFAULT, name);
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0]) add(l, line);
    }
    fclose(f);
    return 1;
}

static int compare(const char *name, list *got)
{
    list want = { 0 };
    if (!read_list(name, &want)) return 0;
    CHECK(got->n == want.n);
    qsort(got->line, (size_t)got->n, sizeof(*got->line), by_text);
    qsort(want.line, (size_t)want.n, sizeof(*want.line), by_text);
    for (int i = 0; i < got->n; i++) {
        if (strcmp(got->line[i], want.line[i]))
            fprintf(stderr, "%s: %s | %s\n", name, got->line[i], want.line[i]);
        CHECK(!strcmp(got->line[i], want.line[i]));
    }
    free(want.line);
    return 1;
}

static int close_to(double got, double want, double digits)
{
    return fabs(got - want) <= digits * 0.5001;
}

static const char sd15[] =
    "{\"block_out_channels\":[320,640,1280,1280],\"down_block_types\":["
    "\"CrossAttnDownBlock2D\",\"CrossAttnDownBlock2D\",\"CrossAttnDownBlock2D\","
    "\"DownBlock2D\"],\"up_block_types\":[\"UpBlock2D\",\"CrossAttnUpBlock2D\","
    "\"CrossAttnUpBlock2D\",\"CrossAttnUpBlock2D\"]%s}";

static lt_unet_config unet_config(const char *more)
{
    char text[2048];
    lt_unet_config c;
    const int n = snprintf(text, sizeof(text), sd15, more);
    OK(lt_unet_config_parse(text, (size_t)n, "test", &c));
    return c;
}

static int check_unet(const char *file, const char *more, int64_t parameters, double gmac)
{
    list l = { 0 };
    double all = 0, self = 0;
    const lt_unet_config c = unet_config(more);
    OK(lt_unet_tensors(&c, visit, &l));
    CHECK(l.n == 686 && l.parameters == parameters);
    lt_unet_config_cost(&c, 64, 64, 77, &all, &self);
    printf("unet %.2f GMAC, self-attention %.2f\n", all / 1e9, self / 1e9);
    CHECK(close_to(all / 1e9, gmac, 0.1));
    CHECK(close_to(self / 1e9, 61.2 + 25.6, 0.2));
    const int found = !file || compare(file, &l);
    free(l.line);
    return found;
}

static int check_vae(void)
{
    static const char text[] =
        "{\"block_out_channels\":[128,256,512,512],\"layers_per_block\":2,"
        "\"down_block_types\":[\"DownEncoderBlock2D\",\"DownEncoderBlock2D\","
        "\"DownEncoderBlock2D\",\"DownEncoderBlock2D\"],\"up_block_types\":["
        "\"UpDecoderBlock2D\",\"UpDecoderBlock2D\",\"UpDecoderBlock2D\","
        "\"UpDecoderBlock2D\"]}";
    list l = { 0 };
    lt_vae_config c;
    OK(lt_vae_config_parse(text, sizeof(text) - 1, "test", &c));
    CHECK(c.scaling_factor == 0.18215f);
    OK(lt_vae_tensors(&c, visit, &l));
    CHECK(l.n == 248 && l.parameters == 83653863);
    const double encode = lt_vae_config_cost_encode(&c, 64, 64) / 1e9;
    const double decode = lt_vae_config_cost_decode(&c, 64, 64) / 1e9;
    printf("vae encode %.2f decode %.2f GMAC\n", encode, decode);
    CHECK(close_to(encode, 558, 2) && close_to(decode, 1257, 2));
    const int found = compare("vae.tsv", &l);
    free(l.line);
    return found;
}

static int check_text(void)
{
    list l = { 0 };
    lt_text_config c;
    OK(lt_text_config_parse("{}", 2, "test", &c));
    OK(lt_text_tensors(&c, visit, &l));
    CHECK(l.n == 196 && l.parameters == 123060480);
    const double cost = lt_text_config_cost(&c, 77) / 1e9;
    printf("text %.2f GMAC\n", cost);
    CHECK(close_to(cost, 6.65, 0.02));
    const int found = compare("clip_l_text.tsv", &l);
    free(l.line);
    return found;
}

int main(void)
{
    static const char sd21[] = ",\"attention_head_dim\":[5,10,20,20],"
                               "\"cross_attention_dim\":1024,"
                               "\"use_linear_projection\":true";
    int found = 1;
    /* via.md counts 401.7 with the 8 input channels of InstructPix2Pix */
    found &= check_unet(NULL, "", 859520964, 401.6);
    found &= check_unet("unet_ip2p.tsv", ",\"in_channels\":8", 859532484, 401.7);
    found &= check_unet("unet_sd21.tsv", sd21, 865910724, 402.1);
    found &= check_vae();
    found &= check_text();
    return found ? 0 : TEST_SKIP;
}
