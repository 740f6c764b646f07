#ifndef LT_APP_LIBRARIES_H
#define LT_APP_LIBRARIES_H

/* Versions of the libraries this program runs with, as they report themselves. */
typedef struct lt_library {
    const char *name;
    char version[64]; /* "" = not built in */
} lt_library;

enum { LT_N_LIBRARIES = 12 };

/* Fill list[0 .. n) and return n <= LT_N_LIBRARIES. */
int lt_libraries(lt_library list[LT_N_LIBRARIES]);

/* Is an FFmpeg encoder of this name built in? 0 in a build without media. */
int lt_has_encoder(const char *name);

#endif
