#include "comm/transport.h"

lt_status lt_mpi_open(int *argc, char ***argv, lt_comm *c)
{
    (void)argc;
    (void)argv;
    (void)c;
    return LT_FAIL(LT_ERR_UNSUPPORTED,
                   "started under mpirun or srun, but built without MPI: configure with "
                   "-DLT_MPI=ON or run one process");
}

const char *lt_comm_mpi_version(char *out, size_t size)
{
    if (size) out[0] = '\0';
    return out;
}
