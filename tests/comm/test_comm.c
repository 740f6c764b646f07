/* Collectives over the group that the program was started in: one process or mpirun. */
#include <string.h>

#include "check.h"
#include "comm/comm.h"

static void test_gather(lt_comm *c)
{
    const int n = lt_comm_size(c), me = lt_comm_rank(c);
    int32_t mine[2] = { me, me * me }, all[2 * 16];
    CHECK(lt_comm_gather_bytes(c, mine, sizeof(mine), all) == LT_OK);
    for (int r = 0; r < n; r++) CHECK(all[2 * r] == r && all[2 * r + 1] == r * r);
}

/* Rank r contributes r rows, rank 0 none: counts differ and one is empty. */
static void test_gather_rows(lt_comm *c)
{
    const int n = lt_comm_size(c), me = lt_comm_rank(c);
    int32_t part[16 * 3], whole[16 * 16 * 3];
    int64_t rows[16], total = 0;
    for (int r = 0; r < n; r++) total += rows[r] = r;
    for (int i = 0; i < me * 3; i++) part[i] = 1000 * me + i;
    const lt_tensor p = lt_tensor_wrap(part, LT_HOST, LT_I32, 2, (int64_t[]){ me, 3 });
    lt_tensor w = lt_tensor_wrap(whole, LT_HOST, LT_I32, 2, (int64_t[]){ total, 3 });
    CHECK(lt_comm_gather_rows(c, &p, rows, &w, NULL) == LT_OK);
    for (int r = 0, at = 0; r < n; r++)
        for (int i = 0; i < r * 3; i++, at++) CHECK(whole[at] == 1000 * r + i);
    w.shape[0] = total + 1;
    CHECK(lt_comm_gather_rows(c, &p, rows, &w, NULL) == LT_ERR_SHAPE);
}

static void test_messages(lt_comm *c)
{
    const int n = lt_comm_size(c), me = lt_comm_rank(c);
    int64_t token = me == 0 ? 42 : -1;
    if (n > 1 && me > 0)
        CHECK(lt_comm_receive(c, &token, sizeof(token), me - 1) == LT_OK);
    CHECK(token == 42 + me);
    token++;
    if (me + 1 < n) CHECK(lt_comm_send(c, &token, sizeof(token), me + 1) == LT_OK);
    CHECK(lt_comm_send(c, &token, sizeof(token), me) == LT_ERR_ARG);
}

static void test_max_and_broadcast(lt_comm *c)
{
    int64_t m = -1;
    CHECK(lt_comm_max(c, 10 - lt_comm_rank(c), &m) == LT_OK && m == 10);
    int root = lt_comm_size(c) - 1, value = lt_comm_rank(c);
    CHECK(lt_comm_broadcast_bytes(c, &value, sizeof(value), root) == LT_OK);
    CHECK(value == root);
    CHECK(lt_comm_broadcast_bytes(c, &value, sizeof(value), root + 1) == LT_ERR_ARG);
}

/* The last rank fails: everybody must learn its status and its words. */
static void test_agree(lt_comm *c)
{
    CHECK(lt_comm_agree(c, LT_OK) == LT_OK && !lt_comm_failed_together(c));
    lt_status st = LT_OK;
    if (lt_comm_rank(c) == lt_comm_size(c) - 1)
        st = LT_FAIL(LT_ERR_DATA, "spoilt (milk)");
    CHECK(lt_comm_agree(c, st) == LT_ERR_DATA);
    CHECK(lt_comm_failed_together(c));
    CHECK(!strcmp(lt_error_message(), "spoilt (milk)"));
}

int main(int argc, char **argv)
{
    lt_comm *c = NULL;
    CHECK(getenv("OMPI_COMM_WORLD_SIZE") ? lt_comm_open_world(&argc, &argv, &c) == LT_OK
                                         : lt_comm_open_self(&c) == LT_OK);
    CHECK(lt_comm_size(c) <= 16);
    test_gather(c);
    test_gather_rows(c);
    test_messages(c);
    test_max_and_broadcast(c);
    test_agree(c);
    lt_comm_close(&c);
    lt_comm_close(&c);
    return 0;
}
