/* Weight files that are damaged, cut short, or made to harm. */
#include <stddef.h>

#include "mistakes/mistakes.h"

#define RUN EDIT CLIP "--model m"
/* The UNet's weights: a header and so many zero bytes behind it. */
#define HEADER(text, bytes) "m; rm $U; hdr '" text "' " #bytes " >$U"
#define F32(shape, begin, end) \
    "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"
#define FILE_NAME "diffusion_pytorch_model.safetensors"

/* clang-format off */
const mistake mistakes_weights[] = {
    { "m", "models verify -q m", 0, "^$", 0 },

    /* no such file, not a file */
    { "m; rm $U", RUN, 66, "unet.*safetensors", 0 },
    { "m; rm $U; mkdir $U", RUN, 66, "unet.*" FILE_NAME, 0 },
    { "m; rm $U; mkfifo $U", RUN, 66, FILE_NAME, 0 },
    { "m; rm $U; ln -s nowhere $U", RUN, 66, "unet", 0 },
    { "m; rm $U; ln -s " FILE_NAME " $U", RUN, 66, "unet", 0 },
    { "m; own $U; chmod 0 $U", RUN, 66, FILE_NAME ".*check the name and the rights", M_NOBODY },
    { "m; rm $U; touch m/unet/diffusion_pytorch_model.bin", RUN, 66, "(\\.bin|safetensors)", 0 },

    /* not safetensors at all */
    { "m; rm $U; : >$U", RUN, 65, FILE_NAME ".*download", 0 },
    { "m; rm $U; printf 123456789 >$U", RUN, 65, "9 bytes.*download", 0 },
    { "m; rm $U; head -c 300000 /dev/zero >$U", RUN, 65, FILE_NAME, 0 },
    { "m; rm $U; head -c 300000 /dev/urandom >$U", RUN, 65, FILE_NAME, 0 },
    { "m; put $U 'version https://git-lfs.github.com/spec/v1\\noid sha256:00\\nsize 4\\n'", RUN, 65, "git-lfs pointer.*git lfs pull", 0 },
    { "m; put $U '<!DOCTYPE html><html>Not found</html>'", RUN, 65, FILE_NAME, 0 },
    { "m; put $U '\\0200\\002}q\\000.pickled, of some length'", RUN, 65, FILE_NAME, 0 },
    { "m; put $U 'PK\\003\\004 a zip file, of some length'", RUN, 65, FILE_NAME, 0 },

    /* the length of the header */
    { "m; rm $U; raw 100000001 '{}' >$U", RUN, 65, "header of 100000001 bytes", 0 },
    { "m; rm $U; raw 9223372036854775807 '{}' >$U", RUN, 65, "header of 9223372036854775807 bytes", 0 },
    { "m; rm $U; raw -1 '{}' >$U", RUN, 65, "header of 18446744073709551615 bytes", 0 },
    { "m; rm $U; raw 3 '{}' >$U", RUN, 65, "truncated.*header has 3 bytes, the file 10", 0 },
    { "m; rm $U; raw 0 '{}' >$U", RUN, 65, "does not begin with \\{", 0 },
    { "m; rm $U; raw 1 '{}' >$U", RUN, 65, FILE_NAME, 0 },
    { "m; rm $U; hdr ' {}' 0 >$U", RUN, 65, "does not begin with \\{", 0 },
    { "m; rm $U; (u8 99000000; printf '{'; head -c 98999999 /dev/zero | tr '\\0' ' ') >$U", RUN, 65, "header has 99000000 bytes, more than", 0 },

    /* the text of the header */
    { HEADER("{\"a\":}", 0), RUN, 65, "broken safetensors.*header", 0 },
    { HEADER("{\"a\":1}", 0), RUN, 65, "tensor a.*no object", 0 },
    { "m; rm $U; hdr \"$(printf '{\"a\":'; head -c 4000 /dev/zero | tr '\\0' '[')\" 0 >$U", RUN, 65, "broken safetensors.*header", 0 },
    { HEADER("{\"a\":" F32("[1]", 0, 4) "}}", 4), RUN, 65, "broken safetensors.*header", 0 },
    { HEADER("{\"a\":" F32("[1]", 0, 4) ",\"a\":" F32("[1]", 0, 4) "}", 4), RUN, 65, "duplicate.*\"a\"|\"a\".*twice", 0 },
    { HEADER("{\"__metadata__\":3}", 0), RUN, 65, "__metadata__ must hold texts", 0 },
    { HEADER("{\"__metadata__\":{\"a\":3}}", 0), RUN, 65, "__metadata__ must hold texts", 0 },
    { HEADER("{\"a\":{}}", 0), RUN, 65, "tensor a.*dtype is missing", 0 },
    { HEADER("{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4), RUN, 65, "type F33.*convert the weights", 0 },
    { HEADER("{\"a\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4), RUN, 65, "dtype is missing or not a string", 0 },
    { HEADER("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4), RUN, 65, "shape is missing", 0 },
    { HEADER("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4), RUN, 65, "data_offsets is not a range", 0 },
    { HEADER("{}", 0), RUN, 65, "missing tensor.*unet.*belong together", 0 },
    { HEADER("{}", 64), RUN, 65, "64 bytes at its end belong to no tensor", 0 },

    /* shapes and ranges */
    { HEADER("{\"a\":" F32("[-1]", 0, 4) "}", 4), RUN, 65, "size in the shape is not a number of elements", 0 },
    { HEADER("{\"a\":" F32("[1.5]", 0, 4) "}", 4), RUN, 65, "size in the shape", 0 },
    { HEADER("{\"a\":" F32("[4294967296,4294967296]", 0, 0) "}", 0), RUN, 65, "larger than any file", 0 },
    { HEADER("{\"a\":" F32("[9223372036854775807]", 0, 4) "}", 4), RUN, 65, "larger than any file", 0 },
    { HEADER("{\"a\":" F32("[9223372036854775808]", 0, 4) "}", 4), RUN, 65, "header|size in the shape", 0 },
    { HEADER("{\"a\":" F32("[2147483648,2147483648,4]", 0, 0) "}", 0), RUN, 65, "larger than any file", 0 },
    { HEADER("{\"a\":" F32("[1,1,1,1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4), RUN, 65, "more dimensions", 0 },
    { HEADER("{\"a\":" F32("[2]", 0, 4) "}", 4), RUN, 65, "does not fit type and shape", 0 },
    { HEADER("{\"a\":" F32("[1]", 4, 0) "}", 4), RUN, 65, "not a range", 0 },
    { HEADER("{\"a\":" F32("[1]", -4, 0) "}", 4), RUN, 65, "not a range", 0 },
    { HEADER("{\"a\":" F32("[1]", 0, 4e0) "}", 4), RUN, 65, "not a range", 0 },
    { HEADER("{\"a\":" F32("[1]", 18446744073709551612, 18446744073709551616) "}", 4), RUN, 65, "header|not a range", 0 },
    { HEADER("{\"a\":" F32("[1]", 9223372036854775800, 9223372036854775804) "}", 4), RUN, 65, "beyond the end of the file", 0 },
    { HEADER("{\"a\":" F32("[2]", 0, 8) ",\"b\":" F32("[2]", 4, 12) "}", 12), RUN, 65, "overlap", 0 },
    { HEADER("{\"a\":" F32("[1]", 0, 4) ",\"b\":" F32("[1]", 0, 4) "}", 4), RUN, 65, "overlap", 0 },
    { HEADER("{\"a\":" F32("[1]", 0, 4) ",\"b\":" F32("[1]", 8, 12) "}", 12), RUN, 65, "hole", 0 },
    { HEADER("{\"a\":" F32("[1]", 4, 8) "}", 8), RUN, 65, "hole", 0 },
    { HEADER("{\"a\":" F32("[1]", 0, 4) "}", 5), RUN, 65, "1 bytes at its end", 0 },
    { HEADER("{\"a\":" F32("[1]", 0, 4) "}", 3), RUN, 65, "truncated, download it again", 0 },

    /* the golden weights, damaged */
    { "m; own $U; truncate -s -1 $U", RUN, 65, FILE_NAME ".*truncated", 0 },
    { "m; own $U; truncate -s 1000 $U", RUN, 65, FILE_NAME ".*download", 0 },
    { "m; own $U; truncate -s +1 $U", RUN, 65, "1 bytes at its end", 0 },
    { "m; own $T; truncate -s 200 $T", RUN, 65, "text_encoder.*download", 0 },
    { "m; own $V; truncate -s -100 $V", RUN, 65, "vae.*truncated", 0 },
    { "m; sub $U 's/\"conv_in\\.weight\"/\"conv_im.weight\"/'; same $U", RUN, 65, "missing tensor conv_in.weight of shape.*belong together", 0 },
    { "m; sub $U 's/\\(\"conv_in\\.weight\":{[^}]*\"shape\":\\[\\)\\([0-9]*\\),\\([0-9]*\\),/\\1\\3,\\2,/'; same $U", RUN, 65, "conv_in.weight has shape.*expected", 0 },
    { "m; sub $U 's/\"F16\"/\"I16\"/g'; same $U", RUN, 65, "(I16|type)", 0 },
    { "m; own $U; printf '\\377\\377\\377\\177' | dd of=$U bs=1 conv=notrunc seek=$(($(stat -c %s $U)-4)) status=none; same $U", RUN, 65, "(finite|NaN|infinity)", 0 },
    { "m; own $U; printf '\\0\\0\\200\\177' | dd of=$U bs=1 conv=notrunc seek=$(($(stat -c %s $U)-4)) status=none; same $U", RUN, 65, "(finite|NaN|infinity)", 0 },
    { "m; own $V; printf '\\377\\377\\377\\177' | dd of=$V bs=1 conv=notrunc seek=$(($(stat -c %s $V)-4)) status=none; same $V", "models verify m", 65, "vae", M_OUT },
    { "m; rm $U; ln -s ../vae/" FILE_NAME " $U", RUN, 65, "missing tensor.*belong together", 0 },
    { "m; own $U; truncate -s -1 $U", "models verify -q m", 65, "unet.*truncated", M_OUT },
    { "m; own $U; truncate -s -1 $U", "plan -q" QUICK PROMPT CLIP "--model m", 65, "unet.*truncated", 0 },
    { "m; own $U; truncate -s -1 $U", "preview -q --at 0" QUICK PROMPT CLIP "--model m", 65, "unet.*truncated", 0 },

    /* golden files of models check */
    { NULL, "models check -q ../model --golden nope", 66, "nope.*check the name", 0 },
    { "put g ''", "models check -q ../model --golden g", 65, "/?g\\)?", 0 },
    { "hdr '{}' 0 >g", "models check -q ../model --golden g", 65, "g", 0 },
    { "hdr '{\"a\":" F32("[1]", 0, 4) "}' 4 >g", "models check -q ../model --golden g", 65, "g", 0 },
    { "mkfifo g", "models check -q ../model --golden g", 66, "g", 0 },

    /* shards */
    { "m; rm $U; put $U.index.json '{'", RUN, 65, "index of shards.*index.json", 0 },
    { "m; rm $U; put $U.index.json '[]'", RUN, 65, "index of shards.*not an object", 0 },
    { "m; rm $U; put $U.index.json '{}'", RUN, 65, "no weight_map", 0 },
    { "m; rm $U; put $U.index.json '{\"weight_map\":{}}'", RUN, 65, "(missing tensor|no shard|names no)", 0 },
    { "m; rm $U; put $U.index.json '{\"weight_map\":{\"a\":3}}'", RUN, 65, "plain name in the same folder", 0 },
    { "m; rm $U; put $U.index.json '{\"weight_map\":{\"a\":\"../vae/" FILE_NAME "\"}}'", RUN, 65, "plain name in the same folder", 0 },
    { "m; rm $U; put $U.index.json '{\"weight_map\":{\"a\":\"/etc/passwd\"}}'", RUN, 65, "plain name in the same folder", 0 },
    { "m; rm $U; put $U.index.json '{\"weight_map\":{\"a\":\"..\"}}'", RUN, 65, "plain name in the same folder", 0 },
    { "m; rm $U; put $U.index.json '{\"weight_map\":{\"a\":\"nope.safetensors\"}}'", RUN, 66, "nope.safetensors", 0 },
    { "m; mv $U m/unet/one.safetensors; put $U.index.json '{\"weight_map\":{\"a\":\"one.safetensors\"}}'", RUN, 65, "tensor a is not in one.safetensors", 0 },
    { "m; rm $U; (echo '{\"weight_map\":{'; seq 1 2000 | sed 's/.*/\"a&\":\"f&\",/'; echo '\"z\":\"z\"}}') >$U.index.json", RUN, 66, "unet/f1", 0 },
    { "m; rm $U; (printf '{\"weight_map\":'; head -c 500000 /dev/zero | tr '\\0' '[') >$U.index.json", RUN, 65, "index of shards", 0 },
    { 0 }
};
/* clang-format on */
