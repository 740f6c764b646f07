/* What people and scripts see on stderr, the progress lines, the metrics log. */
#include "core/log.h"

#include <jansson.h>
#include <pthread.h>
#include <string.h>

#include "check.h"
#include "core/metrics_log.h"
#include "core/progress.h"
#include "core/stop.h"
#include "tmpdir.h"

static char dir[64];

/* Everything that one log writes, as text. */
typedef struct capture {
    FILE *f;
    char *text;
    size_t bytes;
    lt_log *log;
} capture;

static void begin(capture *c, lt_log_options o)
{
    memset(c, 0, sizeof(*c));
    c->f = open_memstream(&c->text, &c->bytes);
    CHECK(c->f);
    o.out = c->f;
    CHECK(lt_log_open(&c->log, &o) == LT_OK);
}

static const char *seen(capture *c)
{
    fflush(c->f);
    return c->text;
}

static void end(capture *c)
{
    lt_log_close(c->log);
    fclose(c->f);
    free(c->text);
}

static void test_text(void)
{
    capture c;
    begin(&c, (lt_log_options){ .level = LT_LOG_INFO });
    lt_log_error(c.log, "bad %d (x\ny): mend", 1);
    lt_log_warn(c.log, "careful");
    lt_log_info(c.log, "fine");
    lt_log_debug(c.log, "hidden");
    CHECK(!strcmp(seen(&c), "longtake: bad 1 (x y): mend\n"
                            "longtake: warning: careful\nfine\n"));
    CHECK(!lt_log_shows(c.log, LT_LOG_DEBUG) && lt_log_shows(c.log, LT_LOG_INFO));
    lt_log_warn(NULL, "nobody listens");
    end(&c);
    begin(&c, (lt_log_options){ .level = LT_LOG_ERROR, .color = true });
    lt_log_warn(c.log, "hidden");
    lt_log_line(c.log, "hidden");
    lt_log_error(c.log, "x");
    CHECK(!strcmp(seen(&c), "longtake: \033[31mx\033[0m\n"));
    end(&c);
}

static void test_json(void)
{
    capture c;
    static char big[5000];
    begin(&c, (lt_log_options){ .level = LT_LOG_DEBUG, .json = true, .rank = 3 });
    for (size_t i = 0; i + 2 < sizeof(big); i += 2) memcpy(big + i, "\xc3\xa4", 2);
    lt_log_warn(c.log, "a \"b\" \xff");
    lt_log_debug(c.log, "xx%s", big); /* cut, at the border of a character */
    char *line = strtok((char *)seen(&c), "\n");
    for (int i = 0; i < 2; i++, line = strtok(NULL, "\n")) {
        json_t *j = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        CHECK(j && json_integer_value(json_object_get(j, "rank")) == 3);
        CHECK(json_real_value(json_object_get(j, "t")) > 1.6e9);
        const char *text = json_string_value(json_object_get(j, "message"));
        CHECK(text && (i ? strlen(text) == 2046 : !strcmp(text, "a \"b\" ?")));
        CHECK(!strcmp(json_string_value(json_object_get(j, "level")),
                      i ? "debug" : "warning"));
        json_decref(j);
    }
    end(&c);
}

static void test_file_sink(void)
{
    capture c;
    char text[512] = "";
    begin(&c, (lt_log_options){
                  .level = LT_LOG_NONE, .rank = 2, .file = in(dir, "rank.log") });
    CHECK(lt_log_add_file(c.log, in(dir, "other")) == LT_ERR_ARG);
    lt_log_error(c.log, "oh");
    lt_log_debug(c.log, "detail");
    CHECK(c.bytes == 0 || !*seen(&c)); /* silent on stderr */
    FILE *f = fopen(in(dir, "rank.log"), "r");
    CHECK(f && fread(text, 1, sizeof(text) - 1, f) > 0);
    fclose(f);
    CHECK(strstr(text, "Z rank 2 error: oh\n") && strstr(text, "rank 2 debug: detail\n"));
    lt_log_options bad = { .file = in(dir, "none/rank.log") };
    lt_log *log = NULL;
    CHECK(lt_log_open(&log, &bad) == LT_ERR_CANTCREAT && !log);
    end(&c);
}

static void test_bar(void)
{
    capture c;
    begin(&c, (lt_log_options){ .level = LT_LOG_INFO, .color = true });
    lt_log_bar(c.log, "50%");
    lt_log_info(c.log, "note");
    lt_log_bar(c.log, "");
    CHECK(!strcmp(seen(&c), "50%\r\033[Knote\n50%\r\033[K"));
    end(&c);
}

static void *chatter(void *arg)
{
    for (int i = 0; i < 500; i++) lt_log_info(arg, "abcdefghijklmnopqrstuvwxyz");
    return NULL;
}

static void test_threads(void)
{
    capture c;
    pthread_t t[3];
    begin(&c, (lt_log_options){ .level = LT_LOG_INFO });
    for (int i = 0; i < 3; i++) CHECK(pthread_create(&t[i], NULL, chatter, c.log) == 0);
    for (int i = 0; i < 3; i++) CHECK(pthread_join(t[i], NULL) == 0);
    seen(&c);
    CHECK(c.bytes == 1500 * 27);
    for (size_t i = 0; i < c.bytes; i += 27)
        CHECK(memcmp(c.text + i, "abcdefghijklmnopqrstuvwxyz\n", 27) == 0);
    end(&c);
}

static double fake_clock(void *arg) { return *(double *)arg; }

static void test_progress_lines(void)
{
    capture c;
    double t = 100;
    lt_progress *p = NULL;
    lt_progress_state s;
    begin(&c, (lt_log_options){ .level = LT_LOG_INFO });
    const lt_progress_options o = { .log = c.log, .clock = fake_clock, .clock_arg = &t };
    CHECK(lt_progress_open(&p, &o) == LT_OK);
    lt_progress_stage(p, "invert", 40, 120, 3200, 86400); /* 40 units by an earlier run */
    t = 110;
    lt_progress_add(p, 1, 121);
    for (t = 111; t < 139.5; t++) lt_progress_add(p, 0, 0); /* within 30 s: silent */
    t = 140;
    lt_progress_add(p, 1, 79);
    CHECK(!strcmp(
        seen(&c),
        "progress stage=invert units=41/120 frames=3321/86400 fps=12.1 eta=1h54m\n"
        "progress stage=invert units=42/120 frames=3400/86400 fps=5.0 eta=4h36m\n"));
    lt_progress_get(p, &s);
    CHECK(s.units_done == 42 && s.fps == 5.0 && !strcmp(s.stage, "invert"));
    lt_progress_stage(p, "mux", 0, 2, 0, 0);
    lt_progress_get(p, &s);
    CHECK(isnan(s.fps) && isnan(s.eta));
    t = 150;
    lt_progress_add(p, 1, 0);
    lt_progress_get(p, &s);
    CHECK(s.fps == 0.1 && s.eta == 10);
    lt_progress_add(p, 1, 0);
    lt_progress_get(p, &s);
    CHECK(s.eta == 0);
    lt_progress_add(NULL, 1, 1);
    lt_progress_close(p);
    end(&c);
}

static void test_progress_bar(void)
{
    capture c;
    double t = 0;
    lt_progress *p = NULL;
    begin(&c, (lt_log_options){ .level = LT_LOG_INFO, .color = true });
    const lt_progress_options o = {
        .log = c.log, .clock = fake_clock, .clock_arg = &t, .terminal = true
    };
    CHECK(lt_progress_open(&p, &o) == LT_OK);
    lt_progress_stage(p, "invert", 60, 120, 0, 0);
    CHECK(strstr(seen(&c), "[############............]  50%  60/120 units"));
    lt_progress_close(p);
    CHECK(!strcmp(seen(&c) + c.bytes - 4, "\r\033[K"));
    end(&c);
}

static void test_metrics(void)
{
    lt_metrics_log *m = NULL;
    char line[1024];
    CHECK(lt_metrics_open(&m, in(dir, "none/m.jsonl")) == LT_ERR_CANTCREAT && !m);
    CHECK(lt_metrics_open(&m, in(dir, "m.jsonl")) == LT_OK);
    const lt_metric e = { .event = "unit_done",
                          .stage = "match",
                          .segment = 4,
                          .unit = -1,
                          .seconds = NAN,
                          .bytes_read = 7,
                          .bytes_written = 8,
                          .bytes_gathered = 9,
                          .memory = 10,
                          .rank = 5 };
    CHECK(lt_metrics_write(m, &e) == LT_OK && lt_metrics_write(m, &e) == LT_OK);
    CHECK(lt_metrics_write(NULL, &e) == LT_OK);
    lt_metrics_close(m);
    FILE *f = fopen(in(dir, "m.jsonl"), "r");
    CHECK(f);
    for (int i = 0; i < 2; i++) {
        CHECK(fgets(line, sizeof(line), f));
        json_t *j = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        const char *event = NULL, *stage = NULL;
        int rank = 0, segment = 0, rd = 0, wr = 0, ga = 0, me = 0;
        double t = 0;
        CHECK(j &&
              json_unpack(j, "{s:f,s:i,s:s,s:s,s:i,s:n,s:n,s:i,s:i,s:i,s:i!}", "t", &t,
                          "rank", &rank, "event", &event, "stage", &stage, "segment",
                          &segment, "unit", "seconds", "bytes_read", &rd, "bytes_written",
                          &wr, "bytes_gathered", &ga, "memory", &me) == 0);
        CHECK(t > 1.6e9 && rank == 5 && segment == 4 && rd == 7 && wr == 8 && ga == 9 &&
              me == 10);
        CHECK(!strcmp(event, "unit_done") && !strcmp(stage, "match"));
        json_decref(j);
    }
    CHECK(!fgets(line, sizeof(line), f));
    fclose(f);
}

static void test_stop(void)
{
    lt_stop s = { 0 };
    CHECK(lt_stop_requested(&s) == 0 && lt_stop_requested(NULL) == 0);
    CHECK(lt_stop_request(&s, 15) == 1 && lt_stop_requested(&s) == 15);
    CHECK(lt_stop_request(&s, 2) == 2 && lt_stop_requested(&s) == 15);
}

int main(void)
{
    tmpdir_make(dir);
    test_text();
    test_json();
    test_file_sink();
    test_bar();
    test_threads();
    test_progress_lines();
    test_progress_bar();
    test_metrics();
    test_stop();
    tmpdir_remove(dir);
    return 0;
}
