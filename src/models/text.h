#ifndef LT_MODELS_TEXT_H
#define LT_MODELS_TEXT_H

#include "io/weights.h"
#include "kernels/kernels.h"

/* CLIP's tokenizer and text encoder (methods/via.md 4.5 and 6). */

typedef struct lt_tokenizer lt_tokenizer;

/* Load DIR/tokenizer (vocab.json, merges.txt, special_tokens_map.json when there).
 * The padding id follows special_tokens_map.json: end-of-text for SD 1.x, "!" (0) for
 * SD 2.x. As with Hugging Face's tokenizers, start, end and padding tokens that stand in
 * a text are those tokens: with SD 2.x every "!" of a prompt is token 0.
 * Errors: NOINPUT, DATA, NOMEM. */
LT_NODISCARD lt_status lt_tokenizer_load(const char *dir, lt_tokenizer **tok);
void lt_tokenizer_free(lt_tokenizer **tok);

/* The largest id that lt_tokenize can give. */
int32_t lt_tokenizer_largest_id(const lt_tokenizer *tok);

/* The same from texts in memory, for tests and fuzzing; `where` is for messages. */
typedef struct lt_tokenizer_texts {
    const char *vocab, *merges; /* of vocab.json and merges.txt */
    const char *specials;       /* of special_tokens_map.json; NULL: no such file */
} lt_tokenizer_texts;
LT_NODISCARD lt_status lt_tokenizer_parse(const lt_tokenizer_texts *texts,
                                          const char *where, lt_tokenizer **tok);

enum { LT_MAX_TEXT_TOKENS = 77 };

typedef struct lt_tokens {
    int32_t id[LT_MAX_TEXT_TOKENS]; /* start, tokens, end, padding */
    int n;      /* tokens between start and end that were kept, 0 .. 75 */
    int n_cut;  /* tokens that did not fit                              */
    int cut_at; /* byte of the text where the first cut token begins, or -1 */
} lt_tokens;

/* text: UTF-8, any length; invalid bytes are DATA. */
LT_NODISCARD lt_status lt_tokenize(const lt_tokenizer *tok, const char *text,
                                   lt_tokens *out);

typedef struct lt_text_encoder lt_text_encoder;

/* Load DIR/text_encoder. hidden_act quick_gelu or gelu.  Errors as lt_unet_load. */
LT_NODISCARD lt_status lt_text_encoder_load(const lt_exec *x, const char *dir,
                                            lt_text_encoder **te);
void lt_text_encoder_free(lt_text_encoder **te);
int64_t lt_text_encoder_width(const lt_text_encoder *te);
int64_t lt_text_encoder_vocabulary(const lt_text_encoder *te); /* ids are below it */

/* On a host table computed in f32 whatever the compute dtype: it runs once a prompt, and
 * everything inherits its rounding.
 * ids [n_tokens] -> out [n_tokens, width] f32: the last layer after final_layer_norm.
 * Errors: DATA (an id outside the vocabulary), NOMEM. */
LT_NODISCARD lt_status lt_text_encode(const lt_exec *x, const lt_text_encoder *te,
                                      const int32_t *ids, int n_tokens, lt_tensor *out);

#endif
