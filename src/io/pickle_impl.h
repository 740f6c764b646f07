#ifndef LT_IO_PICKLE_IMPL_H
#define LT_IO_PICKLE_IMPL_H

#include "io/pickle.h"

/* Shared by the pickle*.c files only. */

enum {
    LT_PICKLE_BYTES = 64 << 20,
    LT_PICKLE_VALUES = 2000000, /* values, list entries, stack and memo, each */
    LT_PICKLE_TENSORS = 100000,
    LT_PICKLE_DEPTH = 64,
    LT_PICKLE_NAME = 4096
};

typedef enum lt_value_kind {
    LT_VALUE_NONE, /* also True, False, floats, bytes: nothing asks for their value */
    LT_VALUE_INT,
    LT_VALUE_TEXT,
    LT_VALUE_LIST, /* also a set of arguments: a tuple */
    LT_VALUE_DICT, /* entries: key, value, key, value; OrderedDict, too */
    LT_VALUE_NAME, /* one of the names that are allowed */
    LT_VALUE_STORAGE,
    LT_VALUE_TENSOR
} lt_value_kind;

typedef enum lt_known_name {
    LT_NAME_ORDERED_DICT,
    LT_NAME_TENSOR_V2,
    LT_NAME_PARAMETER,
    LT_NAME_STORAGE /* type and cell say which */
} lt_known_name;

typedef struct lt_value lt_value;

typedef struct lt_value_text {
    const char *s; /* in the pickle, no zero at its end */
    size_t n;
} lt_value_text;

typedef struct lt_value_list {
    lt_value **v;
    size_t n, cap;
} lt_value_list;

typedef struct lt_value_storage {
    const char *type; /* "F32" */
    int cell;
    lt_value_text key; /* of an instance */
    int64_t count;
} lt_value_storage;

struct lt_value {
    lt_value_kind kind;
    lt_known_name name;
    union {
        int64_t i;
        lt_value_text text;
        lt_value_list list; /* of LIST and DICT; the array is owned */
        lt_value_storage storage;
        lt_pickle_tensor *tensor; /* name and storage are not set yet */
    } u;
    lt_value_text key; /* of a tensor: its storage */
    lt_value *older;   /* all values, for freeing */
};

struct lt_pickle {
    lt_pickle_tensor *t; /* names and keys are owned */
    int64_t n, cap;
};

/* Run the stack machine; *root is what it leaves. *all is the newest of all values, also
 * after a failure: free it with lt_values_free.  Errors: DATA, NOMEM. */
LT_NODISCARD lt_status lt_pickle_run(const uint8_t *data, size_t bytes, const char *where,
                                     lt_value **root, lt_value **all);
void lt_values_free(lt_value *all);

#endif
