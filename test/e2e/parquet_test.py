"""`caa-run data prepare` on Parquet files as FineWeb publishes them, written here by pyarrow, beside the same texts as JSON lines.

Where the build left Parquet out ($CAA_PARQUET is 0), only the message that says what to install is tested.
"""
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import time
import unittest

import pyarrow as pa
import pyarrow.parquet as pq

from programs import BIN, SEED, FolderTest, run

BUILT = os.environ["CAA_PARQUET"] == "1"


def fineweb(texts):
    """A table in FineWeb's schema."""
    n = len(texts)
    return pa.table({
        "text": pa.array(texts, pa.string()),
        "id": [f"<urn:uuid:{i}>" for i in range(n)],
        "dump": ["CC-MAIN-2013-20"] * n,
        "url": [f"http://example.com/{i}" for i in range(n)],
        "date": ["2013-05-18T05:48:54Z"] * n,
        "file_path": ["s3://commoncrawl/x.warc.gz"] * n,
        "language": ["en"] * n,
        "language_score": [0.9] * n,
        "token_count": pa.array(range(n), pa.int64()),
    })


class ParquetTest(FolderTest):
    def setUp(self):
        super().setUp()
        rng = self.rng = random.Random(SEED)
        words = ["".join(rng.choice("abcdefgh éß東") for _ in range(rng.randint(1, 8))) for _ in range(300)]
        self.texts = [" ".join(rng.choice(words) for _ in range(rng.randint(1, 90))) + str(i) for i in range(1000)]
        self.tokenizer = self.folder / "tokenizer.json"
        (self.folder / "text.txt").write_text("\n".join(self.texts))
        run("caa-run", "data", "tokenizer", self.folder / "text.txt", "-o", self.tokenizer, "--vocab", 300)

    def write(self, name, table, **options):
        pq.write_table(table, self.folder / name, **options)
        return self.folder / name

    def prepare(self, *arguments, output="data", **options):
        return run("caa-run", "data", "prepare", *arguments, "-o", self.folder / output, "--tokenizer", self.tokenizer, **options)

    def shards(self, output):
        """Of each split the tokens, and the header's first two numbers: where shards end depends on the pieces that files are read in."""
        found = {}
        for split in ("train", "val", "test"):
            shards = [path.read_bytes() for path in sorted((self.folder / output).glob(f"{split}_*.bin"))]
            found[split] = hashlib.sha256(b"".join(raw[1024:] for raw in shards)).hexdigest(), {raw[:8] for raw in shards}
        return found

    def expected(self, texts):
        """The shards of the same texts as JSON lines."""
        (self.folder / "same.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
        self.prepare(self.folder / "same.jsonl", output="same")
        return self.shards("same")

    def refused(self, path, *said):
        """One message that names the file, exit status 1, and nothing left behind."""
        before = sorted(os.listdir(self.folder))
        done = self.prepare(path, output="none", status=1)
        self.assertEqual(sorted(os.listdir(self.folder)), before)
        message = done.stderr.strip().splitlines()[-1]  # progress may stand before it
        for words in [path.name + ": error:", *said]:
            self.assertIn(words, message)


@unittest.skipIf(BUILT, "Parquet is built in")
class WithoutArrow(ParquetTest):
    def test_the_message_says_what_to_install(self):
        self.refused(self.write("a.parquet", fineweb(self.texts)), "pip install pyarrow", "scripts/install.sh")


@unittest.skipUnless(BUILT, "this build has no Parquet")
class WithArrow(ParquetTest):
    def test_every_compression_and_layout_gives_the_tokens_of_the_same_texts(self):
        texts = self.texts[:990] + ["", " \n", "same text"] * 3 + ["x" * 300_000 + " end"]
        due = self.expected(texts)
        table = fineweb(texts)
        layouts = [
            dict(compression="snappy", row_group_size=100),
            dict(compression="zstd", row_group_size=333),
            dict(compression="none", row_group_size=1),
            dict(compression="gzip", data_page_size=500),
            dict(compression="snappy", use_dictionary=False, data_page_version="2.0"),
            dict(compression="zstd", write_page_checksum=True, column_encoding={"text": "DELTA_BYTE_ARRAY"}, use_dictionary=False),
        ]
        for layout in layouts:
            with self.subTest(layout):
                self.prepare(self.write("a.parquet", table, **layout), "--threads", self.rng.randint(1, 4))
                self.assertEqual(self.shards("data"), due)
        required = pa.schema([pa.field("text", pa.string(), nullable=False)])
        for name, other in {"large": pa.table({"text": pa.array(texts, pa.large_string())}),
                            "dictionary": pa.table({"text": pa.array(texts).dictionary_encode()}),
                            "required": pa.table({"text": texts}, schema=required)}.items():
            with self.subTest(name):
                self.prepare(self.write("a.parquet", other))
                self.assertEqual(self.shards("data"), due)

    def test_files_follow_each_other_in_the_order_given_and_mix_with_json_lines(self):
        parts = [self.texts[:300], self.texts[300:310], self.texts[310:]]
        due = self.expected(self.texts)
        (self.folder / "b.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in parts[1]))
        empty = self.write("empty.parquet", fineweb([]))
        self.prepare(self.write("a.parquet", fineweb(parts[0])), empty, self.folder / "b.jsonl",
                     self.write("c.parquet", fineweb(parts[2]), row_group_size=50))
        self.assertEqual(self.shards("data"), due)

    def test_a_row_group_far_larger_than_a_batch_is_read_in_parts_and_bounded_memory(self):
        rng = self.rng
        texts = ["".join(rng.choices("abcdefgh \n", k=rng.randint(1, 40_000))) for _ in range(20)]
        texts = [f"{i} {texts[i % 20]}" for i in range(6000)]
        due = self.expected(texts)
        path = self.write("large.parquet", fineweb(texts), row_group_size=len(texts), use_dictionary=False, compression="zstd",
                          write_batch_size=64)  # so many rows at least are a page, which must fit
        size = sum(map(len, texts))
        self.assertGreater(size, 100_000_000)
        command = [BIN / "caa-run", "data", "prepare", path, "-o", self.folder / "data", "--tokenizer", self.tokenizer, "--threads", "2"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peak = 0
        while process.poll() is None:
            # Without files that are mapped: those are cache. (A child's figure in getrusage starts with its parent's.)
            found = re.search(r"RssAnon:\s*(\d+) kB", pathlib.Path(f"/proc/{process.pid}/status").read_text())
            peak = max(peak, int(found[1]) * 1024 if found else 0)
            time.sleep(0.005)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(self.shards("data"), due)
        self.assertGreater(peak, 0)
        self.assertLess(peak, 0.9 * size, "the row group was held in memory")

    def test_a_tokenizer_learns_from_parquet_too(self):
        path = self.write("a.parquet", pa.table({"text": ["\n".join(self.texts)]}))
        run("caa-run", "data", "tokenizer", path, "-o", self.folder / "again.json", "--vocab", 300)
        self.assertEqual((self.folder / "again.json").read_bytes(), self.tokenizer.read_bytes())

    def test_nulls_and_bytes_that_are_not_utf8_name_row_group_and_row(self):
        texts = list(self.texts)
        texts[725] = None
        self.refused(self.write("a.parquet", fineweb(texts), row_group_size=100), "row group 7: row 25 ", "null")
        table = pa.table({"text": pa.array([t.encode() for t in self.texts[:50]] + [b"caf\xe9"], pa.binary())})
        self.refused(self.write("a.parquet", table, row_group_size=20), "row group 2: row 10: ", "UTF-8", "0xe9 at offset 3")

    def test_wrong_columns_are_named(self):
        table = fineweb(self.texts[:10])
        self.refused(self.write("a.parquet", table.rename_columns(["content", *table.column_names[1:]])), "no column `text`", "content, id")
        for values in [list(range(5)), [0.5] * 3, [["a"], ["b", "c"]], [{"a": "b"}]]:
            self.refused(self.write("a.parquet", pa.table({"text": values})), "`text` does not hold strings")

    def test_files_that_are_cut_or_no_parquet_are_refused(self):
        good = self.write("good.parquet", fineweb(self.texts), row_group_size=200).read_bytes()
        path = self.folder / "a.parquet"
        for damaged in [b"", b"PAR1", good[:100], good[:len(good) // 2], good[:-1], good[1:], b"PAR1" + bytes(len(good)) + b"PAR1",
                        b'{"text": "no"}\n']:
            path.write_bytes(damaged)
            self.refused(path, "Parquet")
        path.write_bytes(good[:4] + bytes(len(good) // 2) + good[4 + len(good) // 2:])  # pages gone, footer whole
        self.refused(path, "row group")
        path.unlink()
        self.refused(self.folder / "nowhere.parquet", "no such file")
        os.mkdir(path)
        self.refused(path, "folder")

    def test_bits_that_flip_anywhere_end_in_a_message_or_in_text_never_in_a_crash(self):
        for layout in [dict(compression="snappy"), dict(compression="zstd"), dict(compression="none", use_dictionary=False)]:
            good = self.write("good.parquet", fineweb(self.texts[:300]), row_group_size=60, **layout).read_bytes()
            path = self.folder / "a.parquet"
            for _ in range(20):
                bad = bytearray(good)
                start = 0 if self.rng.random() < 0.5 else len(bad) - 3000  # the footer is small and counts most
                for _ in range(self.rng.randint(1, 4)):
                    bad[self.rng.randrange(start, len(bad))] ^= 1 << self.rng.randrange(8)
                path.write_bytes(bad)
                done = subprocess.run([BIN / "caa-run", "data", "prepare", path, "-o", self.folder / "data", "--tokenizer", self.tokenizer],
                                      capture_output=True, text=True, errors="replace")
                self.assertIn(done.returncode, [0, 1], done.stderr)
                if done.returncode == 1:
                    self.assertFalse((self.folder / "data").exists())
                    self.assertIn("error", done.stderr)
                shutil.rmtree(self.folder / "data", ignore_errors=True)

    def test_page_checksums_are_checked_where_the_writer_left_them(self):
        path = self.write("a.parquet", pa.table({"text": ["plain words " * 50] * 40}), compression="none", use_dictionary=False,
                          write_statistics=False, write_page_checksum=True)
        raw = path.read_bytes()
        path.write_bytes(raw.replace(b"plain words", b"plain sword", 1))
        self.refused(path, "row group 0", "CRC")


if __name__ == "__main__":
    unittest.main()
