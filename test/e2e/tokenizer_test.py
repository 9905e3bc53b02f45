"""Our tokenizer against the public `tokenizers` library, id for id, on all of Unicode and on hostile mixtures.

The files are made here: by that library in the shapes of GPT-2, Qwen and Llama 3, and by `caa-run data tokenizer`.
"""
import collections
import json
import random
import re
import unicodedata
import unittest

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from programs import SEED, FolderTest, run

QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+")
LLAMA = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
         r"|\s+(?!\S)|\s+")
UNICODE = [chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
POOLS = [
    [chr(c) for c in (9, 10, 11, 12, 13, 28, 31, 32, 0x85, 0xA0, 0x1680, 0x180E, 0x2000, 0x200B, 0x2028, 0x202F, 0x205F,
                      0x3000, 0xFEFF)],
    UNICODE,
    [c for c in UNICODE if unicodedata.category(c)[0] == "M"],
    [c for c in UNICODE if unicodedata.normalize("NFD", c) != c],
    list("abcdefghijklmnopqrstuvwxyz"),
    list("0123456789²½Ⅷ٣"),
    list("'sStTrReEvVmMlLdDſKé"),
    list("\r\n  "),
    list(".,!?<|>-_/"),
    ["<|endoftext|>", "<|im_start|>", "<extra>"],
    [chr(c) for c in range(0x1100, 0x1200)] + [chr(c) for c in range(0xAC00, 0xD7A4)],
]


def hostile_texts(rng):
    texts = ["", " ", "a"]
    for glue in ["", rng.choice([" ", "a", "'"])]:
        texts += [glue.join(UNICODE[i:i + 500]) for i in range(0, len(UNICODE), 500)]
    for _ in range(800):
        pools = rng.sample(POOLS, rng.randint(1, 4))
        texts.append("".join(rng.choice(rng.choice(pools)) for _ in range(rng.randint(0, 80))))
    for character in "a \n0.é中😀":
        texts += [character * n for n in (1, 2, 47, 48, 49, 50, 3000)]
    texts.append("".join(rng.choice("ab") for _ in range(3000)))
    return texts


def corpus(rng):
    """Words with frequencies as in a language, some beyond ASCII."""
    words = ["".join(rng.choice("etaoinshrdlu") for _ in range(rng.randint(1, 9))) for _ in range(800)]
    words += ["über", "naïve", "мир", "東京", "don't", "we'll", "12345", "x=1;", "e\u0301te\u0301"]
    lines = []
    for _ in range(3000):
        lines.append(" ".join(words[int(len(words) * rng.random() ** 3)] for _ in range(12)) + rng.choice([".", "!\n", "  "]))
    return lines


def library_tokenizer(lines, pre_tokenizer, normalizer=None, ignore_merges=False, vocabulary=1500):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  special_tokens=["<|endoftext|>"], show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.add_special_tokens(["<|im_start|>"])
    tokenizer.add_tokens([AddedToken("<extra>", normalized=False), AddedToken("mé", normalized=True)])
    return tokenizer


class TokenizerTest(FolderTest):
    def setUp(self):
        super().setUp()
        self.rng = random.Random(SEED)
        self.lines = corpus(self.rng)

    def expect_equal(self, path, texts, *loose):
        theirs = Tokenizer.from_file(str(path))
        for mode in ["text", "special"]:
            theirs.encode_special_tokens = mode == "text"
            if mode == "special":
                texts = texts[::4]
            done = run("tokenize", path, mode, *loose, input=json.dumps(texts, ensure_ascii=False))
            expected = [e.ids for e in theirs.encode_batch(texts, add_special_tokens=False)]
            for text, ours, due in zip(texts, json.loads(done.stdout), expected):
                self.assertEqual(ours, due, f"{mode}: {text[:100]!r}")

    def test_files_of_the_public_library_give_its_ids(self):
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        shapes = {
            "gpt2": dict(pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False)),
            "prefix": dict(pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=True)),
            "qwen": dict(pre_tokenizer=pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN), "isolated"), byte_level]),
                         normalizer=normalizers.NFC()),
            "llama": dict(pre_tokenizer=pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA), "isolated"), byte_level]),
                          ignore_merges=True),
            "digits": dict(pre_tokenizer=pre_tokenizers.Sequence([
                pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])),
        }
        texts = hostile_texts(self.rng) + self.lines[:200]
        few = texts[::7]
        for name, shape in shapes.items():
            with self.subTest(name):
                path = self.folder / f"{name}.json"
                library_tokenizer(self.lines, **shape).save(str(path))
                # Spaces that were put in front stay in what is decoded.
                self.expect_equal(path, few if name in ("prefix", "digits") else texts, *["loose"] * (name == "prefix"))

    def test_merges_as_strings_are_the_same_as_merges_as_pairs(self):
        path = self.folder / "pairs.json"
        library_tokenizer(self.lines, pre_tokenizers.ByteLevel(add_prefix_space=False)).save(str(path))
        data = json.loads(path.read_text())
        data["model"]["merges"] = [" ".join(m) if isinstance(m, list) else m for m in data["model"]["merges"]]
        (self.folder / "strings.json").write_text(json.dumps(data))
        texts = json.dumps(self.lines[:50])
        self.assertEqual(run("tokenize", path, "text", input=texts).stdout,
                         run("tokenize", self.folder / "strings.json", "text", input=texts).stdout)

    def test_a_trained_tokenizer_loads_in_the_public_library_and_encodes_the_same(self):
        text = self.folder / "text.txt"
        text.write_text("\n".join(self.lines))
        texts = hostile_texts(self.rng)[::7] + self.lines[:50]
        for vocabulary in [257, 300, 2000]:
            path = self.folder / f"own{vocabulary}.json"
            run("caa-run", "data", "tokenizer", text, "-o", path, "--vocab", vocabulary)
            theirs = Tokenizer.from_file(str(path))
            self.assertEqual(theirs.get_vocab_size(), vocabulary)
            self.assertEqual(sorted(theirs.get_vocab().values()), list(range(vocabulary)))
            self.assertEqual(theirs.token_to_id("<|endoftext|>"), vocabulary - 1)
            self.assertEqual(theirs.decode(theirs.encode(self.lines[0]).ids), self.lines[0])
            self.expect_equal(path, texts)

    def test_training_merges_the_most_frequent_pair_lowest_ids_first(self):
        """The definition, done slowly: recount all pairs of all pieces for each merge."""
        alphabet = pre_tokenizers.ByteLevel(add_prefix_space=False)
        text = "\n".join(self.lines[:60])
        (self.folder / "text.txt").write_text(text)
        run("caa-run", "data", "tokenizer", self.folder / "text.txt", "-o", self.folder / "own.json", "--vocab", 357)
        ours = json.loads((self.folder / "own.json").read_text())["model"]
        by_id = [s for s, _ in sorted(ours["vocab"].items(), key=lambda entry: entry[1])]
        ids = {s: i for i, s in enumerate(by_id[:256])}
        pieces = collections.Counter(piece for piece, _ in alphabet.pre_tokenize_str(text))
        pieces = [([ids[c] for c in piece], count) for piece, count in pieces.items()]
        names, merges = by_id[:256], []
        while len(names) < 356:
            pairs = collections.Counter()
            for symbols, count in pieces:
                for pair in zip(symbols, symbols[1:]):
                    pairs[pair] += count
            pair = min(pairs, key=lambda p: (-pairs[p], p))
            joined = names[pair[0]] + names[pair[1]]
            new = names.index(joined) if joined in names else len(names)
            if new == len(names):
                names.append(joined)
            if (pair_names := [names[pair[0]], names[pair[1]]]) not in merges:
                merges.append(pair_names)
            for symbols, _ in pieces:
                i = 0
                while i + 1 < len(symbols):
                    if (symbols[i], symbols[i + 1]) == pair:
                        symbols[i:i + 2] = [new]
                    i += 1
        self.assertEqual(by_id, names + ["<|endoftext|>"])
        self.assertEqual(ours["merges"], merges)

    def test_training_does_not_depend_on_the_threads(self):
        text = self.folder / "text.jsonl"
        text.write_text("".join(json.dumps({"text": " ".join(self.lines[i:i + 40]) * 4}) + "\n" for i in range(0, 3000, 3)))
        files = []
        for threads in [1, 3]:
            files.append(self.folder / f"{threads}.json")
            run("caa-run", "data", "tokenizer", text, "-o", files[-1], "--vocab", 700, "--threads", threads)
        self.assertEqual(files[0].read_bytes(), files[1].read_bytes())

    def test_bad_input_is_one_clear_message(self):
        small, out = self.folder / "small.txt", self.folder / "t.json"
        small.write_text("only these few words")
        done = run("caa-run", "data", "tokenizer", small, "-o", out, "--vocab", 5000, status=1)
        most = int(re.search(r"it allows (\d+) at most", done.stderr).group(1))
        run("caa-run", "data", "tokenizer", small, "-o", out, "--vocab", most)
        (self.folder / "latin.txt").write_bytes("line one\nna\u00efve".encode("latin-1"))
        done = run("caa-run", "data", "tokenizer", self.folder / "latin.txt", "-o", out, "--vocab", 300, status=1)
        self.assertRegex(done.stderr, r"latin.txt:2:3: error: .*UTF-8")
        self.assertIn("no space", run("caa-run", "data", "tokenizer", small, "-o", "/dev/full", "--vocab", 258, status=1).stderr)
        self.assertIn("nowhere.txt", run("caa-run", "data", "tokenizer", self.folder / "nowhere.txt", "-o", out, "--vocab",
                                         300, status=1).stderr)
        run("caa-run", "data", "tokenizer", small, "-o", out, status=2)
        run("caa-run", "data", "tokenizer", small, "-o", out, "--vocab", 10, status=2)


if __name__ == "__main__":
    unittest.main()
