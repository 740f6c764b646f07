#ifndef LT_METHODS_METHOD_H
#define LT_METHODS_METHOD_H

#include "stages/run.h"

/* A method wires stages: which, in which order, under which policies. One file each. */
typedef struct lt_method {
    const char *name; /* method.name */
    /* Collective. The whole edit, resuming where the job stands.
     * Errors: STOPPED and those of the stages. */
    lt_status (*run)(lt_run *r);
    /* Frame `frame` of the edit in memory, for `preview`: image [1, H, W, 3] f32 in
     * [0, 1] at the padded working size; out like it, allocated here, the caller's. No
     * job folder is touched; other frames are not seen. */
    lt_status (*preview)(lt_run *r, int64_t frame, const lt_tensor *image,
                         lt_tensor *out);
} lt_method;

/* The method of a configuration (method.name is checked by the option table). */
const lt_method *lt_method_get(const lt_config *cfg);

/* 1 if an edit computes diffusion features: for clips, matches or slim lists. */
int lt_method_needs_features(const lt_config *cfg);

/* What a job will need, from counts and measured speeds; see `longtake plan`. */
typedef struct lt_work {
    double macs_source, macs_features, macs_inversion, macs_joint, macs_edit, macs_render;
    double macs_attention; /* of the joint pass: products over long K/V */
    double macs_match;
    int64_t clips; /* known or, with adaptive clips, the bounds: fewest, most */
    int64_t clips_most;
    int64_t memory;      /* [bytes] peak of one rank: weights and activations */
    int64_t disk;        /* [bytes] peak in the job folder */
    int64_t disk_result; /* [bytes] that stay */
} lt_work;
LT_NODISCARD lt_status lt_method_work(lt_run *r, lt_work *work);

extern const lt_method lt_method_adaflow, lt_method_frame, lt_method_tokenflow;

#endif
