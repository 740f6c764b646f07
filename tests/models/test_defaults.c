/* longtake.json: a model's values take the place of defaults, never of what was set. */
#include "check.h"
#include "core/config.h"
#include "models/defaults.h"
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/lt-defaults-XXXXXX";

static lt_status with(const char *text, lt_config *c)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/longtake.json", dir);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
    const lt_status st = lt_model_defaults(dir, c);
    CHECK(unlink(path) == 0);
    return st;
}

static void test_values(lt_config *c)
{
    CHECK(lt_config_set(c, "clips.region_threshold=0.5") == LT_OK);
    CHECK(with("{\"clips\":{\"mean_threshold\":0.9,\"region_threshold\":0.8},"
               "\"sampler\":{\"steps\":20,\"guidance\":4},\"features\":{\"range\":"
               "\"signed\"}}",
               c) == LT_OK);
    CHECK(c->clips.mean_threshold == 0.9 && c->clips.region_threshold == 0.5);
    CHECK(c->sampler.steps == 20 && c->sampler.guidance == 4);
    CHECK(c->features.range == LT_RANGE_SIGNED);
    CHECK(with("{}", c) == LT_OK && c->sampler.steps == 20);
}

static void refused(lt_config *c, const char *text, lt_status st, const char *named)
{
    CHECK(with(text, c) == st);
    CHECK(strstr(lt_error_message(), "longtake.json") &&
          strstr(lt_error_message(), named));
}

static void test_faults(lt_config *c)
{
    refused(c, "[]", LT_ERR_DATA, "object");
    refused(c, "{\"clips\":3}", LT_ERR_DATA, "clips");
    refused(c, "{\"clips\":{\"mean_threshold\":[1]}}", LT_ERR_DATA, "mean_threshold");
    refused(c, "{\"clips\":{\"length\":9}}", LT_ERR_DATA, "clips.length");
    refused(c, "{\"input\":{\"path\":\"x\"}}", LT_ERR_DATA, "input.path");
    refused(c, "{\"sampler\":{\"inversion_steps\":0}}", LT_ERR_CONFIG, "inversion_steps");
    refused(c, "{\"features\":{\"range\":\"wide\"}}", LT_ERR_CONFIG, "range");
    refused(c, "{\"clips\":", LT_ERR_DATA, "line");
}

int main(void)
{
    lt_config c;
    CHECK(mkdtemp(dir));
    CHECK(lt_config_default(&c) == LT_OK);
    CHECK(lt_model_defaults("", &c) == LT_OK && lt_model_defaults(dir, &c) == LT_OK);
    test_values(&c);
    test_faults(&c);
    lt_config_free(&c);
    CHECK(rmdir(dir) == 0);
    return 0;
}
