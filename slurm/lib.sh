# shellcheck shell=bash
# Shared by the batch scripts: sourced, never run. All places come from variables:
#
#   LONGTAKE               the program; default: build/longtake of this checkout, else PATH
#   LONGTAKE_MPI           what `srun --mpi` gets; default: pmix
#   LONGTAKE_MAX_RESTARTS  how often a job may be requeued; default: 20

# lt_find_program FOLDER: the program, FOLDER being the checkout. The nodes must see it.
lt_find_program() {
    local program=${LONGTAKE:-$1/build/longtake}
    [ -x "$program" ] || program=$(command -v longtake) || {
        echo "no longtake found: build it first, or set LONGTAKE" >&2
        return 69
    }
    printf '%s\n' "$program"
}

# lt_run PROGRAM ARGS...: one process a task; returns the highest exit code. srun hands the
# signal of --signal to every process.
lt_run() {
    # Since 22.05 srun does not take --cpus-per-task over from sbatch.
    export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
    srun --mpi="${LONGTAKE_MPI:-pmix}" --kill-on-bad-exit=0 "$@"
}

# lt_end CODE: leave the batch script. 75 means "stopped early, nothing lost": back into
# the queue, but not for ever, since a full disk ends with 75 as well.
lt_end() {
    local code=$1 restarts=${SLURM_RESTART_COUNT:-0} most=${LONGTAKE_MAX_RESTARTS:-20}
    [ "$code" -eq 75 ] || exit "$code"
    if [ "$restarts" -ge "$most" ]; then
        echo "requeued $restarts times already (LONGTAKE_MAX_RESTARTS): giving up." \
            "Nothing is lost; look at the last messages, then submit again" >&2
        exit 75
    fi
    scontrol requeue "$SLURM_JOB_ID" ||
        echo "this job cannot be requeued: submit it again to continue" >&2
    exit 75
}
