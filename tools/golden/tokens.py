"""(text, ids) pairs for the tiny vocabularies and for the real CLIP vocabulary."""

from transformers import CLIPTokenizer

import common
from models import MODELS, read_tokenizer

PLAIN = [
    "",
    " ",
    " \t\n  ",
    "a photo of a cat",
    "A Photo Of A CAT",
    "  a   photo\tof\n a cat  ",
    "a red ball and a blue ball in the snow",
    "ugly, blurry, low res, unrealistic, unaesthetic",
    "an astronaut riding a horse, 8k, highly detailed, trending on artstation",
    "in the style of Van Gogh",
    "cinematic, 35mm f/1.4, bokeh!!!",
    "(masterpiece:1.2), [best quality], {ultra-detailed}",
    "3.14159 is not 22/7",
    "2024-05-17 at 12:30",
    "1234567890",
    "v2.1-base 512x512",
    "100% cotton & 50$ or 50€",
    "e-mail: a_b@c.example #hashtag ~/path/to/file.png",
    "https://example.org/a?b=c&d=e#f",
    "it's the dog's ball; they're here, I've seen, we'll go, I'd say, I'm sure, don't",
    "IT'S THE DOG'S BALL, THEY'RE, I'VE, WE'LL, I'D, I'M, DON'T",
    "'s 't 're 've 'm 'll 'd",
    "rock'n'roll 'quoted' \"double\" `back`",
    "''' \"\"\" ... --- ___ ***",
    "it’s a curly apostrophe, “quoted”",
    "a\u00a0non-breaking\u2003space\u3000here\u2028line",
    "zero\u200bwidth\u200djoiner\ufeffmark",
    "café crème brûlée",
    "cafe\u0301 cre\u0300me bru\u0302le\u0301e",
    "Ångström \u212bngstro\u0308m",
    "straße STRASSE Große",
    "naïve façade déjà vu",
    "İstanbul Iğdır ılık",
    "ΣΊΣΥΦΟΣ Οδυσσεύς",
    "Привет, Мир",
    "שלום עולם",
    "مرحبا بالعالم ٣٤٥",
    "हिन्दी में नमस्ते १२३",
    "ภาษาไทย",
    "한국어 문장 \u1112\u1161\u11ab",
    "一只猫坐在草地上",
    "東京タワー、夜景。",
    "ｆｕｌｌｗｉｄｔｈ １２３ ＡＢＣ",
    "😀 a happy face 🎉🎉",
    "👩‍👩‍👧‍👦 family 👍🏽 🇩🇪",
    "❤️ ♥ ☀︎ ★",
    "x² + y³ = ½ · Ⅷ ① ٪",
    "→ ← ↑ ↓ ∑ ∫ √ ∞ ≠",
    "Zalgo h\u0335e\u0337l\u0336l\u0338o",
    "\U00020000 \U0001d4d0 𝒜𝓁𝓅𝒽𝒶",
    "ǅ ǈ ﬁ ﬂ ŉ",
    "tab\tseparated\tvalues\r\nwindows lines\x0b\x0cend",
    "control\x01\x02\x7fcharacters",
    "<|startoftext|>",
    "<|endoftext|>",
    "a <|endoftext|> in the middle<|startoftext|>glued",
    "<|ENDOFTEXT|> <|StartOfText|> < |endoftext| >",
    "<|endoftext|><|endoftext|> twice",
    "a</w> b</w>",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "a cat " * 37 + "x",
    "a cat " * 37 + "x y",
    "a cat " * 60,
    "a very long prompt that goes on and on, " * 12,
    "一只猫" * 40,
    "!" * 200,
    "! ! !",
    ".",
    "é",
    "qwxzjk vbnmp",
]


def cases(tokenizer):
    """77 tokens at most, as pipelines ask for; without the padding."""
    return [{"text": t, "ids": tokenizer(t, truncation=True, max_length=77).input_ids}
            for t in PLAIN]


def as_json(tokenizer, where):
    """One case a line, so that a difference shows as one line."""
    return {"vocabulary": where, "length": 77, "bos": tokenizer.bos_token_id,
            "eos": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id,
            "cases": cases(tokenizer)}


def save(path, value):
    import json

    dump = lambda v: json.dumps(v, ensure_ascii=False, separators=(",", ":"))
    lines = ",\n".join(dump(c) for c in value["cases"])
    head = ",\n".join(f"{dump(k)}:{dump(v)}" for k, v in value.items() if k != "cases")
    path.write_text("{" + head + ',\n"cases":[\n' + lines + "\n]}\n", "utf-8")


def write(root):
    for name in MODELS:
        tokenizer = read_tokenizer(root / "models" / name / "tokenizer")
        save(root / f"tokens-{name}.json", as_json(tokenizer, f"models/{name}/tokenizer"))
    tokenizer = CLIPTokenizer.from_pretrained(common.SHARED / "tokenizers" / "clip")
    save(root / "tokens-clip.json", as_json(tokenizer, "shared/tokenizers/clip"))
