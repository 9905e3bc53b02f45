"""Encoding text with our tokenizer beside the public `tokenizers` library, interleaved in one run: prints MB/s and ratios.

    python3 bench/tokenizer.py [TEXT ...] [--tokenizer T.json] [--rounds 5] [--threads N] [--megabytes 20]

TEXT: .parquet or .jsonl with `text`, or plain text cut at blank lines; by default the King James Bible (scripts/bible.sh). Without
--tokenizer, one of 16,384 entries is trained on it by `caa-run data tokenizer`. Both sides encode the same documents from memory on the
same number of threads, each from an empty cache of words, and must give the same tokens; `data prepare` is the whole command on
the documents as JSON lines, reading, splitting, hashing and writing included. The median of rounds is printed, and appended to
bench/results/latest.jsonl. Installs `tokenizers` and `pyarrow` into build/bench-tokenizer-venv once; needs build/bin/tokenize (a test tool).
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import own_venv
import result_rows

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / "build" / "bench-tokenizer-venv"
BIN = ROOT / "build" / "bin"


def documents(paths, limit):
    """Texts of the files, about `limit` bytes of them."""
    texts, size = [], 0
    for path in paths:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq
            found = (row for batch in pq.ParquetFile(path).iter_batches(1000, columns=["text"]) for row in batch["text"].to_pylist())
        elif path.suffix == ".jsonl":
            found = (json.loads(line)["text"] for line in path.open(encoding="utf-8"))
        else:
            found = (text for text in path.read_text(encoding="utf-8").split("\n\n") if text.strip())
        for text in found:
            if size >= limit:
                return texts, size
            texts.append(text)
            size += len(text.encode())
    return texts, size


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", type=pathlib.Path)
    parser.add_argument("--tokenizer", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--megabytes", type=float, default=20)
    options = parser.parse_args()
    own_venv.run_in(VENV, ["tokenizers==0.23.3", "pyarrow==26.0.1"])
    os.environ["RAYON_NUM_THREADS"] = str(options.threads)  # read when the library starts its threads
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if options.threads > 1 else "false"
    from tokenizers import Tokenizer

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        paths = options.texts
        if not paths:
            paths = [folder / "bible.txt"]
            subprocess.run([ROOT / "scripts/bible.sh", paths[0]], check=True)
        texts, size = documents(paths, options.megabytes * 1e6)
        rows = folder / "texts.jsonl"
        rows.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts), encoding="utf-8")
        file = options.tokenizer
        if not file:
            file = folder / "tokenizer.json"
            subprocess.run([BIN / "caa-run", "data", "tokenizer", rows, "-o", file, "--vocab", "16384"], check=True, capture_output=True)
        listed = json.dumps(texts, ensure_ascii=False).encode()
        counts = {}

        def ours():
            done = subprocess.run([BIN / "tokenize", file, "speed", str(options.threads)], input=listed, capture_output=True, check=True)
            seconds, counts["ours"] = done.stdout.split()
            return size / float(seconds)

        def library():
            tokenizer = Tokenizer.from_file(str(file))  # afresh: its cache is empty
            tokenizer.encode_special_tokens = True
            begin = time.perf_counter()
            found = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
            seconds = time.perf_counter() - begin
            counts["library"] = sum(len(encoding) for encoding in found)
            return size / seconds

        def prepare():
            begin = time.perf_counter()
            subprocess.run([BIN / "caa-run", "data", "prepare", rows, "-o", folder / "data", "--tokenizer", file, "--threads",
                            str(options.threads)], check=True, capture_output=True)
            return size / (time.perf_counter() - begin)

        sides = {"tokenizers library": library, "tokenizer_encode": ours, "data_prepare": prepare}
        rates = {side: [] for side in sides}
        for _ in range(options.rounds):
            for side, measure in sides.items():
                rates[side].append(measure())
        if int(counts["ours"]) != counts["library"]:
            sys.exit(f"the two disagree: {int(counts['ours'])} and {counts['library']} tokens")
    medians = {side: statistics.median(found) for side, found in rates.items()}
    rival = medians["tokenizers library"]
    print(f"{len(texts)} documents, {size / 1e6:.1f} MB, {counts['library']} tokens, {options.threads} threads")
    for side, rate in medians.items():
        print(f"{side:20} {rate / 1e6:8.1f} MB/s   {rate / rival:5.2f}x the library")
    result_rows.append([(f"{side}_mb_per_s", round(rate / 1e6, 1), rate / rival) for side, rate in medians.items() if side != "tokenizers library"],
                       f"CPU, {options.threads} threads")


main()
