"""`caa-run data prepare` against a plain Python description of the same folder."""
import gzip
import hashlib
import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import time
import unittest
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from programs import BIN, SEED, FolderTest, run

SPLITS = ["train", "val", "test"]


def split_of(text, salt="caa"):
    bucket = int.from_bytes(hashlib.sha256(f"{salt}\0{' '.join(text.split())}".encode()).digest()[:8], "big") % 1000
    return "train" if bucket < 800 else "val" if bucket < 900 else "test"


def read_shard(path):
    raw = path.read_bytes()
    header = np.frombuffer(raw[:1024], "<i4")
    width = {(20240520, 1): "<u2", (20240801, 7): "<u4"}[header[0], header[1]]
    tokens = np.frombuffer(raw[1024:], width)
    assert header[2] == len(tokens) and not header[3:].any()
    return tokens


def read_split(folder, split):
    return np.concatenate([read_shard(p) for p in sorted(folder.glob(f"{split}*.bin"))])


class PrepareTest(FolderTest):
    def setUp(self):
        super().setUp()
        rng = self.rng = random.Random(SEED)
        words = ["".join(rng.choice("abcdefgh éß東") for _ in range(rng.randint(1, 8))) for _ in range(300)]
        words.append("<|endoftext|>")  # a document cannot end itself
        self.documents = [" ".join(rng.choice(words) for _ in range(rng.randint(1, 60))) or "x" for _ in range(400)]
        self.documents = [d for d in self.documents if d.strip()]
        self.text = self.folder / "text.txt"
        self.text.write_text("\n\n".join(self.documents))
        self.tokenizer = self.folder / "tokenizer.json"
        run("caa-run", "data", "tokenizer", self.text, "-o", self.tokenizer, "--vocab", 400)

    def prepare(self, *arguments, output="data", **options):
        return run("caa-run", "data", "prepare", *arguments, "-o", self.folder / output, "--tokenizer", self.tokenizer, **options)

    def expect(self, folder, documents, salt="caa"):
        tokenizer = Tokenizer.from_file(str(self.tokenizer))
        tokenizer.encode_special_tokens = True  # as text
        manifest = json.loads((folder / "manifest.json").read_text())
        end = tokenizer.token_to_id("<|endoftext|>")
        self.assertEqual(manifest["end_of_text"], end)
        for split in SPLITS:
            mine = [d for d in documents if split_of(d, salt) == split]
            ids = [i for d in mine for i in tokenizer.encode(d).ids + [end]]
            np.testing.assert_array_equal(read_split(folder, split), ids)
            part = manifest["splits"][split]
            self.assertEqual(part["documents"], len(mine))
            self.assertEqual(part["tokens"], len(ids))
            self.assertEqual(part["bytes"], sum(len(d.encode()) for d in mine))
            for shard in part["shards"]:
                self.assertEqual(shard["sha256"], hashlib.sha256((folder / shard["file"]).read_bytes()).hexdigest())
            if split == "train":
                entropy = -sum(n / len(ids) * math.log(n / len(ids)) for n in Counter(ids).values())
                self.assertAlmostEqual(manifest["unigram_entropy"], entropy, places=9)
        self.assertEqual(manifest["tokenizer"]["sha256"], hashlib.sha256(self.tokenizer.read_bytes()).hexdigest())
        self.assertEqual((folder / "tokenizer.json").read_bytes(), self.tokenizer.read_bytes())

    def test_text_json_lines_and_compressed_files_give_what_the_description_says(self):
        self.prepare(self.text, "--split-on", r"\n\n")
        self.expect(self.folder / "data", self.documents)
        rows = "".join(json.dumps({"id": i, "text": d}, ensure_ascii=i % 2 == 0) + "\n" for i, d in enumerate(self.documents))
        (self.folder / "a.jsonl").write_text(rows)
        (self.folder / "b.jsonl.gz").write_bytes(gzip.compress(rows.encode()))
        self.prepare(self.folder / "a.jsonl", self.folder / "b.jsonl.gz", output="json")
        self.expect(self.folder / "json", self.documents * 2)
        (self.folder / "c.jsonl.zst").write_bytes(pa.compress(rows.encode(), "zstd", asbytes=True))
        (self.folder / "d.txt.gz").write_bytes(gzip.compress(self.text.read_bytes()))
        self.prepare(self.folder / "c.jsonl.zst", self.folder / "d.txt.gz", "--split-on", r"\n\n", output="compressed")
        self.expect(self.folder / "compressed", self.documents * 2)
        files = []
        for i, document in enumerate(self.documents):
            files.append(self.folder / f"{i}.txt")
            files[-1].write_text(document)
        self.prepare(*files, output="files")
        self.expect(self.folder / "files", self.documents)

    def test_threads_and_shards_change_nothing(self):
        big = self.folder / "big.jsonl"
        big.write_text("".join(json.dumps({"text": f"{i} {d}" * 20}) + "\n" for i in range(10) for d in self.documents))
        self.prepare(big, "--threads", 1, output="one")
        self.prepare(big, "--threads", 5, "--shard-tokens", 50_000, output="five")
        self.assertGreater(len(list((self.folder / "five").glob("train*.bin"))), 2)
        for split in SPLITS:
            np.testing.assert_array_equal(read_split(self.folder / "one", split), read_split(self.folder / "five", split))

    def test_vocabularies_from_65536_ids_on_take_32_bits(self):
        data = json.loads(self.tokenizer.read_text())
        data["added_tokens"].append({"id": 65535, "content": "<last>", "single_word": False, "lstrip": False,
                                     "rstrip": False, "normalized": False, "special": True})
        self.tokenizer.write_text(json.dumps(data))
        self.prepare(self.text, "--split-on", r"\n\n")
        self.assertEqual(np.frombuffer((self.folder / "data/train_000000.bin").read_bytes()[:8], "<i4").tolist(), [20240801, 7])
        self.expect(self.folder / "data", self.documents)

    def test_another_salt_is_another_split(self):
        self.prepare(self.text, "--split-on", r"\n\n", "--salt", "sälz")
        self.expect(self.folder / "data", self.documents, "sälz")

    def test_bad_input_is_one_clear_message_and_leaves_nothing(self):
        before = sorted(os.listdir(self.folder))
        self.assertIn("--split-on", self.prepare(self.text, status=1).stderr)
        bad = self.folder / "bad.jsonl"
        bad.write_bytes(b'{"text": "good"}\n{"text": "b\xe4d"}\n')
        self.assertRegex(self.prepare(bad, status=1).stderr, r"bad.jsonl:2:\d+: error: .*UTF-8")
        bad.write_text('{"text": "good"}\n{"txt": 1}\n')
        self.assertRegex(self.prepare(bad, status=1).stderr, r"bad.jsonl:2: error: .*`text`")
        bad.write_text('{"text": "good"}\n{"text": "good"}\n{"text": null}\n')
        self.assertRegex(self.prepare(bad, status=1).stderr, r"bad.jsonl:3: error: .*`text`")
        bad.unlink()
        rows = "".join(json.dumps({"text": d}) + "\n" for d in self.documents).encode()
        for suffix, packed in [(".gz", gzip.compress(rows)), (".zst", pa.compress(rows, "zstd", asbytes=True))]:
            bad = self.folder / f"bad.jsonl{suffix}"
            for cut in [0, 3, len(packed) // 2, len(packed) - 1]:
                bad.write_bytes(packed[:cut])
                self.assertRegex(self.prepare(bad, status=1).stderr, rf"bad.jsonl{suffix}: error: .*cut short")
            bad.write_bytes(rows)
            self.assertRegex(self.prepare(bad, status=1).stderr, rf"bad.jsonl{suffix}: error: cannot decompress")
            bad.unlink()
        self.assertIn("nowhere.txt", self.prepare(self.folder / "nowhere.txt", status=1).stderr)
        (self.folder / "x.parquet").write_text("PAR1")
        self.assertIn("Parquet", self.prepare(self.folder / "x.parquet", status=1).stderr)
        (self.folder / "x.parquet").unlink()
        good = self.tokenizer.read_bytes()
        self.tokenizer.write_bytes(good[:-100])
        self.assertIn("tokenizer.json:", self.prepare(self.text, "--split-on", r"\n\n", status=1).stderr)
        self.tokenizer.write_bytes(good)
        self.prepare(self.text, "--no-such-option", status=2)
        self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_a_folder_of_other_things_is_never_replaced_and_prepared_data_is(self):
        other = self.folder / "data"
        other.mkdir()
        (other / "thesis.txt").write_text("years of work")
        self.assertIn("will not be replaced", self.prepare(self.text, "--split-on", r"\n\n", status=1).stderr)
        self.assertEqual((other / "thesis.txt").read_text(), "years of work")
        (other / "thesis.txt").unlink()
        for _ in range(2):
            self.prepare(self.text, "--split-on", r"\n\n")
        self.expect(other, self.documents)

    def test_a_kill_at_any_time_costs_no_more_than_the_last_pieces_and_changes_nothing(self):
        texts = [f"{i} {d}" * 20 for i in range(4) for d in self.documents]
        rows = lambda texts: "".join(json.dumps({"text": text}) + "\n" for text in texts)
        files = [self.folder / "a.jsonl", self.folder / "b.jsonl.gz", self.folder / "c.parquet"]
        files[0].write_text(rows(texts))
        files[1].write_bytes(gzip.compress(rows("again " + text for text in texts).encode()))
        pq.write_table(pa.table({"text": [text[::-1] for text in texts]}), files[2], row_group_size=200)
        kinds = files if os.environ["CAA_PARQUET"] == "1" else files[:2]
        flags = ["--shard-tokens", 200_000, "--threads", 2]
        self.prepare(*kinds, *flags, output="whole")
        unfinished = self.folder / ".data.unfinished"
        command = [BIN / "caa-run", "data", "prepare", *kinds, "-o", self.folder / "data", "--tokenizer", self.tokenizer, *map(str, flags)]
        resumed = 0
        for attempt in range(9):
            before = self.progress(unfinished)
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            while attempt < 8 and process.poll() is None and self.progress(unfinished) == before:
                time.sleep(0.002)  # until something was added, so that the test ends
            if attempt < 8:
                time.sleep(random.uniform(0, 0.2))
                process.kill()
            errors = process.communicate()[1]
            resumed += "going on after" in errors
            self.assertIn(process.returncode, (0, -9), errors)
            if process.returncode == 0:
                break
            self.assertFalse((self.folder / "data").exists())
        self.assertEqual(process.returncode, 0)
        self.assertGreater(resumed, 0)
        self.assertFalse(unfinished.exists())
        whole = {p.name: p.read_bytes() for p in (self.folder / "whole").iterdir()}
        self.assertEqual({p.name: p.read_bytes() for p in (self.folder / "data").iterdir()}, whole)
        self.assertGreater(len([name for name in whole if name.startswith("val")]), 3)

    @staticmethod
    def progress(unfinished):
        try:
            return (unfinished / "progress.json").read_text()
        except FileNotFoundError:
            return ""

    def test_what_an_interrupted_run_left_is_gone_on_with_by_the_same_command_only(self):
        big = self.folder / "big.jsonl"
        big.write_text("".join(json.dumps({"text": f"{i} {d}" * 20}) + "\n" for i in range(8) for d in self.documents))
        unfinished = self.folder / ".data.unfinished"

        def interrupt(*flags):
            process = subprocess.Popen([BIN / "caa-run", "data", "prepare", big, "-o", self.folder / "data", "--tokenizer", self.tokenizer,
                                        "--shard-tokens", "50000", *flags], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            while not self.progress(unfinished):
                self.assertIsNone(process.poll(), "it ended before it was interrupted: a larger file would help")
                time.sleep(0.005)
            process.send_signal(signal.SIGTERM)
            errors = process.communicate()[1]
            self.assertEqual(process.returncode, 1, errors)
            self.assertIn("the same command on the same files goes on", errors)

        self.prepare(big, "--shard-tokens", 50_000, output="whole")
        whole = {p.name: p.read_bytes() for p in (self.folder / "whole").iterdir()}
        for change in ("nothing", "salt", "file", "shard", "journal"):
            with self.subTest(change):
                interrupt()
                flags = ["--salt", "other"] if change == "salt" else []
                damaged = unfinished / ("train_000000.bin" if change == "shard" else "progress.json")
                if change == "file":
                    os.utime(big)
                if change in ("shard", "journal"):
                    data = bytearray(damaged.read_bytes())
                    data[len(data) // 2] ^= 1
                    damaged.write_bytes(data)
                done = self.prepare(big, "--shard-tokens", 50_000, *flags)
                self.assertEqual("going on after" in done.stderr, change == "nothing", done.stderr)
                if change != "salt":
                    self.assertEqual({p.name: p.read_bytes() for p in (self.folder / "data").iterdir()}, whole)
                self.assertFalse(unfinished.exists())
                shutil.rmtree(self.folder / "data")

    def test_ctrl_c_leaves_nothing_behind(self):
        fifo = self.folder / "endless.jsonl"
        os.mkfifo(fifo)
        process = subprocess.Popen([BIN / "caa-run", "data", "prepare", fifo, "-o", self.folder / "data", "--tokenizer",
                                    self.tokenizer], stderr=subprocess.PIPE, text=True)
        row = (json.dumps({"text": "some words " * 100}) + "\n").encode()
        with open(fifo, "wb", buffering=0) as pipe:
            deadline, sent = time.monotonic() + 20, False
            try:
                while process.poll() is None and time.monotonic() < deadline:
                    pipe.write(row * 100)
                    if not sent:
                        process.send_signal(signal.SIGINT)
                        sent = True
            except BrokenPipeError:
                pass
        errors = process.communicate(timeout=20)[1]
        self.assertEqual(process.returncode, 1, errors)
        self.assertRegex(errors, r"stopped; nothing was written")
        self.assertFalse([n for n in os.listdir(self.folder) if re.search("data", n)])


if __name__ == "__main__":
    unittest.main()
