"""A tiny CLIP byte-pair vocabulary, trained from a few sentences, in the Hugging Face layout."""

import json
import re
from collections import Counter

from common import save_json

BOS, EOS = "<|startoftext|>", "<|endoftext|>"

SENTENCES = """
a photo of a cat sitting on the grass in the sun
a photo of a dog running along the beach at night
a red car drives down the street in the rain
a blue square moves over a green background
a yellow circle and a white triangle on a black wall
an oil painting of a man walking in the forest in winter
a watercolour painting of a small house near the mountains
the camera moves slowly over the city at sunset
a woman is dancing in front of a stone wall, cinematic light
ugly, blurry, low res, unrealistic, unaesthetic
a silver ball turns into a golden ball
a wooden boat on the river in the style of van gogh
make it snow, it's the dog's ball and they're playing
the shape is made of glass, metal, wood and stone
""".strip().split("\n")

SENTENCES_ODD = """
eine rote kugel rollt über die straße im schnee
la petite maison près de la forêt, l'été à la plage
un círculo azul se mueve despacio sobre la pared
a red ball and a blue ball in the snow
""".strip().split("\n")


def byte_table():
    """GPT-2's printable character for each byte, in the order CLIP numbers them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(rest)}


def words_of(sentences):
    """Words with their counts; letters only, since Python's re has no \\p{L}."""
    table = byte_table()
    count = Counter()
    for line in sentences:
        for word in re.findall(r"'s|'re|[^\W\d_]+|\d|[^\s\w]+", line.lower()):
            chars = [table[b] for b in word.encode("utf-8")]
            count[(*chars[:-1], chars[-1] + "</w>")] += 1
    return count


def merge(word, pair):
    out, i = [], 0
    while i < len(word):
        if word[i : i + 2] == pair:
            out.append(pair[0] + pair[1])
            i += 2
        else:
            out.append(word[i])
            i += 1
    return tuple(out)


def train(sentences, limit):
    """The merges, most frequent pair first; the alphabetically first pair wins a tie."""
    words = words_of(sentences)
    merges = []
    while len(merges) < limit:
        pairs = Counter()
        for word, n in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += n
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        merged = Counter()
        for word, n in words.items():
            merged[merge(word, best)] += n
        words = merged
    return merges


def vocabulary(merges):
    chars = list(byte_table().values())
    tokens = chars + [c + "</w>" for c in chars] + [a + b for a, b in merges] + [BOS, EOS]
    return {t: i for i, t in enumerate(tokens)}


def write_folder(folder, sentences, limit, pad):
    """vocab.json, merges.txt and the two small files that real folders have. Returns the size."""
    merges = train(sentences, limit)
    vocab = vocabulary(merges)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), "utf-8")
    lines = ["#version: 0.2"] + [f"{a} {b}" for a, b in merges]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
    token = lambda t: {"content": t, "lstrip": False, "normalized": True, "rstrip": False,
                       "single_word": False}
    save_json(folder / "special_tokens_map.json",
              {"bos_token": token(BOS), "eos_token": token(EOS), "pad_token": pad,
               "unk_token": token(EOS)}, 2)
    # As in the published SD 2.1 folder, this file does not know about the other padding.
    save_json(folder / "tokenizer_config.json",
              {"add_prefix_space": False, "bos_token": token(BOS), "do_lower_case": True,
               "eos_token": token(EOS), "errors": "replace", "model_max_length": 77,
               "pad_token": EOS, "tokenizer_class": "CLIPTokenizer",
               "unk_token": token(EOS)}, 2)
    return len(vocab)
