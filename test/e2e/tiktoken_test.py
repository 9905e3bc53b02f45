"""Tokenizers as tiktoken files against the public `tiktoken` library, id for id, and `data prepare` with them."""
import base64
import json
import random
import re
import unittest

import tiktoken
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from programs import SEED, FolderTest, run
from tokenizer_test import QWEN, corpus, hostile_texts

GPT2 = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def trained_ranks(lines, size):
    """Tokens in the order in which they were merged, as published vocabularies have them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=size, show_progress=False,
                                                             initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = {chr(b): b for b in printable}
    symbols.update({chr(256 + i): b for i, b in enumerate(b for b in range(256) if b not in printable)})
    return {bytes(symbols[c] for c in token): rank for token, rank in tokenizer.get_vocab().items()}


def wild_ranks(rng, size, lines):
    """Tokens that no training made: pieces of text and random bytes in any order, many of which no merge reaches."""
    text = "".join(lines).encode()
    tokens = [bytes([b]) for b in range(256)]
    rng.shuffle(tokens)
    known = set(tokens)
    while len(tokens) < size:
        at, length = rng.randrange(len(text)), rng.choice([2, 2, 2, 3, 3, 4, 5, 7])
        token = text[at:at + length] if rng.random() < 0.7 else bytes(rng.choices(b"ab \n'se1.", k=length))
        if rng.random() < 0.05 or len(tokens) > 3000:
            token = bytes(rng.randrange(256) for _ in range(length))
        if token not in known:
            known.add(token)
            tokens.append(token)
    return {token: rank for rank, token in enumerate(tokens)}


class TiktokenTest(FolderTest):
    def setUp(self):
        super().setUp()
        self.rng = random.Random(SEED)
        self.lines = corpus(self.rng)

    def write(self, ranks, name="t.tiktoken"):
        rows = [base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items()]
        (self.folder / name).write_bytes(b"".join(rows))
        return self.folder / name

    def expect_equal(self, ranks, pattern, special, nfc, texts):
        path = self.write(ranks)
        theirs = tiktoken.Encoding("t", pat_str=pattern, mergeable_ranks=ranks,
                                   special_tokens={name: len(ranks) + i for i, name in enumerate(special)})
        for mode, encode in [("text", theirs.encode_ordinary), ("special", lambda t: theirs.encode(t, allowed_special="all"))]:
            ours = json.loads(run("tokenize", path, mode, input=json.dumps(texts, ensure_ascii=False)).stdout)
            for text, found in zip(texts, ours):
                # A special token is found in the raw text: `>` and a combining stroke after it must not make it `≯` first.
                pieces = re.split("(" + "|".join(map(re.escape, special)) + ")", text) if mode == "special" else [text]
                normal = [normalizers.NFC().normalize_str(piece) if nfc else piece for piece in pieces]
                self.assertEqual(found, [id for piece in normal for id in encode(piece)], f"{mode}: {text[:100]!r}")

    def test_a_vocabulary_in_qwens_form_gives_the_ids_of_the_public_library(self):
        texts = hostile_texts(self.rng)[::3] + self.lines[:200]
        self.expect_equal(trained_ranks(self.lines, 1500), QWEN, SPECIAL, True, texts)

    def test_a_vocabulary_that_no_training_made_does_too(self):
        texts = hostile_texts(self.rng)[::5] + self.lines[:200]
        texts += ["".join(self.rng.choices("ab \n'se1.", k=self.rng.randint(1, 200))) for _ in range(300)]
        self.expect_equal(wild_ranks(self.rng, 2500, self.lines), QWEN, SPECIAL, True, texts)

    def test_a_vocabulary_of_gpt2s_size_has_its_pattern_and_one_special_token(self):
        texts = hostile_texts(self.rng)[::7] + self.lines[:100]
        self.expect_equal(wild_ranks(self.rng, 50256, self.lines), GPT2, SPECIAL[:1], False, texts)

    def test_prepared_data_holds_a_tokenizer_json_that_the_public_library_loads(self):
        ranks = trained_ranks(self.lines, 1000)
        rows = self.folder / "rows.jsonl"
        rows.write_text("".join(json.dumps({"text": line}) + "\n" for line in self.lines))
        run("caa-run", "data", "prepare", rows, "-o", self.folder / "data", "--tokenizer", self.write(ranks))
        manifest = json.loads((self.folder / "data/manifest.json").read_text())
        self.assertEqual(manifest["end_of_text"], len(ranks))
        self.assertEqual(manifest["vocab_size"], len(ranks) + 3)
        json_path = self.folder / "data/tokenizer.json"
        theirs, encoding = Tokenizer.from_file(str(json_path)), tiktoken.Encoding(
            "t", pat_str=QWEN, mergeable_ranks=ranks, special_tokens={})
        texts = self.lines[:300]
        ours = json.loads(run("tokenize", json_path, "text", input=json.dumps(texts)).stdout)
        for text, found in zip(texts, ours):
            normal = normalizers.NFC().normalize_str(text)
            self.assertEqual(found, encoding.encode_ordinary(normal))
            self.assertEqual(theirs.encode(text).ids, found)

    def test_a_file_that_contradicts_itself_is_refused_with_the_reason(self):
        ranks = trained_ranks(self.lines, 400)
        good = self.write(ranks).read_text().splitlines()
        line = next(i for i, row in enumerate(good) if row.endswith(" 300"))
        token = good[line].split()[0]

        def refused(rows, *said):
            path = self.folder / "bad.tiktoken"
            path.write_text("\n".join(rows) + "\n")
            done = run("caa-run", "data", "prepare", path, "-o", self.folder / "data", "--tokenizer", path, status=1)
            for words in ["bad.tiktoken", *said]:
                self.assertIn(words, done.stderr)
            self.assertFalse((self.folder / "data").exists())

        def changed(row):
            return good[:line] + [row] + good[line + 1:]

        refused(changed(f"{token} 301"), "two tokens have the rank 301")
        refused(changed(f"{token} 400"), "there is a rank 400")
        refused(changed(f"{token} 3x"), f"bad.tiktoken:{line + 1}: error: not a token in base64")
        refused(changed("a?bc 300"), f"bad.tiktoken:{line + 1}: error: not a token in base64")
        refused(changed(token), f"bad.tiktoken:{line + 1}: error: not a token in base64")
        twice = next(row for row in good if row.endswith(" 299")).split()[0]
        refused(changed(f"{twice} 300"), "has the same bytes as the token of rank")
        refused(changed(base64.b64encode(b"<|im_end|>").decode() + " 300"), "rank 300 is `<|im_end|>`")
        refused([row for row in good if row.split()[0] != base64.b64encode(b"q").decode()], "there is a rank 399")
        whole = base64.b64encode(b"q").decode()
        refused([row.replace(whole + " ", base64.b64encode(b"qqqqq").decode() + " ") if row.startswith(whole + " ") else row
                 for row in good], "no token for the byte 0x71")
        refused(["{}"], "not a token in base64")
        refused([], "no token for the byte 0x00")
        tokens = list(wild_ranks(self.rng, 100256, self.lines))
        refused([f"{base64.b64encode(token).decode()} {rank}" for rank, token in enumerate(tokens)], "cl100k_base", "tokenizer.json")


if __name__ == "__main__":
    unittest.main()
