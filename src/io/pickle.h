#ifndef LT_IO_PICKLE_H
#define LT_IO_PICKLE_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/tensor.h"

/* The files of torch.save (.ckpt, .pth, .pt, .bin), read without trusting them.
 *
 * Such a file is a zip archive: NAME/data.pkl is a pickle that describes the tensors, and
 * NAME/data/<key> holds the bytes of each storage. A pickle is a program for a stack
 * machine that may name any Python function. This reader runs the stack machine and
 * nothing else: it knows None, truth values, numbers, texts, bytes, lists, tuples, dicts,
 * OrderedDict, torch's storages and torch._utils._rebuild_tensor_v2 / _rebuild_parameter,
 * and refuses every other name with that name. Nothing is imported, called or executed.
 *
 * Bounds: 64 MiB of pickle, 2,000,000 values, list entries and memo numbers, 100,000
 * tensors, containers 64 deep, names of 4,096 bytes. */

typedef struct lt_pickle_tensor {
    const char *name;    /* keys from the root joined by dots; owned by the lt_pickle */
    const char *storage; /* key of the storage: "17"; owned by the lt_pickle */
    const char *type;    /* as in safetensors: "F32", "BF16" ...; static */
    int cell;            /* bytes of an element */
    int ndim;            /* 0 .. LT_MAX_DIMS */
    int64_t shape[LT_MAX_DIMS], stride[LT_MAX_DIMS]; /* elements, >= 0 */
    int64_t count;                                   /* elements, <= storage_count */
    int64_t offset;        /* of the first element in the storage */
    int64_t storage_count; /* elements; every element of the tensor lies inside */
} lt_pickle_tensor;

typedef struct lt_pickle lt_pickle;

/* Read a pickle in memory. The tensors are those of the root dict, or of its entry
 * "state_dict" when that is a dict; dicts and lists inside are walked, everything that is
 * no tensor is left out. `where` is for messages. Never reads outside the bytes given.
 * Errors: DATA (not a pickle, truncated, a name that is not allowed, over a bound, a
 * tensor outside its storage, two tensors of one name, no tensor at all), NOMEM. */
LT_NODISCARD lt_status lt_pickle_parse(const void *data, size_t bytes, const char *where,
                                       lt_pickle **p);

/* Accepts NULL. */
void lt_pickle_close(lt_pickle **p);

/* The tensors, in the order of the file. */
int64_t lt_pickle_count(const lt_pickle *p);
const lt_pickle_tensor *lt_pickle_at(const lt_pickle *p, int64_t i);

/* A whole file: the archive, its pickle, and the bytes of every tensor. */
typedef struct lt_torch_file lt_torch_file;

/* Map and check a file: a zip archive whose members are stored (not compressed, not
 * encrypted), with a pickle, and for every tensor a storage of the right size inside the
 * file. Members are looked up by name inside the archive only; nothing is unpacked.
 * Errors: NOINPUT, IO, NOMEM; DATA, also for a file of torch before 1.6 (no archive). */
LT_NODISCARD lt_status lt_torch_open(const char *path, lt_torch_file **t);

/* The same from memory; `data` is borrowed and must outlive *t. */
LT_NODISCARD lt_status lt_torch_parse(const void *data, size_t bytes, const char *where,
                                      lt_torch_file **t);

/* Accepts NULL. */
void lt_torch_close(lt_torch_file **t);

int64_t lt_torch_count(const lt_torch_file *t);
const lt_pickle_tensor *lt_torch_at(const lt_torch_file *t, int64_t i);

/* Element 0 of the storage of tensor i; little-endian, perhaps unaligned, read only. */
const uint8_t *lt_torch_storage(const lt_torch_file *t, int64_t i);

/* 1: the first bytes of a file are those of a file of torch.save, old or new. */
int lt_torch_looks(const void *data, size_t bytes);

typedef struct lt_torch_report {
    int64_t tensors;
    int64_t bytes; /* of the tensors */
} lt_torch_report;

/* Write the tensors of IN as the safetensors file OUT, names and element types kept, rows
 * made contiguous; whole or not at all. The file is mapped, so memory is used only for
 * tensors that are not contiguous. report: NULL or written.
 * Errors: as lt_torch_open; CANTCREAT (OUT exists already), IO, NOSPACE. */
LT_NODISCARD lt_status lt_torch_convert(const char *in, const char *out,
                                        lt_torch_report *report);

#endif
