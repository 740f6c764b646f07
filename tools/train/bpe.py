"""A byte-pair vocabulary in the layout of CLIP's: bytes, bytes ending a word, merges,
start and end of text."""

from collections import Counter

START, END = "<|startoftext|>", "<|endoftext|>"


def byte_characters():
    """The 256 printable stand-ins for bytes that CLIP and GPT-2 use, in their order."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1),
             *range(ord("®"), ord("ÿ") + 1)]
    rest = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(rest))]


def learn_merges(captions, n_merges):
    """The most frequent neighbours first; ties go to the lexically first pair."""
    words = Counter(w for c in captions for w in c.lower().replace(",", " , ").split())
    pieces = {w: (*w[:-1], w[-1] + "</w>") for w in words}
    merges = []
    while len(merges) < n_merges:
        pairs = Counter()
        for w, p in pieces.items():
            for pair in zip(p, p[1:]):
                pairs[pair] += words[w]
        if not pairs:
            break
        best = min(pairs, key=lambda q: (-pairs[q], q))
        merges.append(best)
        pieces = {w: tuple(_join(p, best)) for w, p in pieces.items()}
    return merges


def _join(pieces, pair):
    out, i = [], 0
    while i < len(pieces):
        if tuple(pieces[i:i + 2]) == pair:
            out.append(pieces[i] + pieces[i + 1])
            i += 2
        else:
            out.append(pieces[i])
            i += 1
    return out


def vocabulary(merges):
    base = byte_characters()
    tokens = base + [c + "</w>" for c in base] + ["".join(m) for m in merges]
    return {t: i for i, t in enumerate([*tokens, START, END])}
