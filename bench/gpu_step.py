"""The 134M training step on a GPU beside PyTorch's compiled dense one, in one run: tokens/s, peak memory, ratios.

    build/bin/caac models/qwen_dense.mdl -o dense.so --set vocab=50304 && build/bin/caac models/qwen_caa.mdl -o caa.so --set vocab=50304
    python3 bench/gpu_step.py --data DIR --model dense=dense.so --model caa=caa.so [--rounds 3] [--steps 4]

Both sides train 512 rows of 1,024 real tokens a step in micro-batches of 32 rows: forward, backward, clip, AdamW, data. Rounds are
interleaved; the median of rounds is printed and appended to bench/results/latest.jsonl. Needs PyTorch with CUDA; DIR is what
`caa-run data prepare` wrote, CAA_RUN the path of caa-run.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

import numpy as np
import torch

import result_rows
import torch_qwen

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUN = os.environ.get("CAA_RUN", str(ROOT / "build/bin/caa-run"))
SIZE = {"layers": 32, "dim": 512, "heads": 8, "kv_heads": 8, "ffn": 2048, "vocab": 50304, "context": 1024}
BATCH, MICRO = 512, 32


def rival(data):
    """PyTorch's compiled dense step on the same tokens: n steps give (tokens/s, peak bytes)."""
    shard = np.memmap(sorted(data.glob("train*.bin"))[0], np.uint16, offset=1024)
    step = torch_qwen.training_step(torch_qwen.Decoder(**SIZE).cuda(), True, torch.bfloat16)

    def run(steps):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(steps):
            first = np.random.randint(0, shard.size // SIZE["context"] - BATCH) * SIZE["context"]
            rows = torch.from_numpy(shard[first : first + BATCH * SIZE["context"]].astype(np.int64)).view(-1, MICRO, SIZE["context"])
            step(rows.pin_memory().cuda(non_blocking=True))
        torch.cuda.synchronize()
        return steps * BATCH * SIZE["context"] / (time.perf_counter() - begin), torch.cuda.max_memory_allocated()

    return run


def ours(library, data, folder):
    """caa-run train: n steps after the first give (tokens/s, peak bytes)."""

    def run(steps):
        out = folder / "run"
        shutil.rmtree(out, ignore_errors=True)
        subprocess.run([RUN, "train", library, "--data", data, "--run", out, "--steps", str(steps + 2), "--micro-batch", str(MICRO), "--eval-every",
                        "0", "--device", "cuda"], check=True, stdout=subprocess.DEVNULL)
        rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        rates = [row["tokens_per_s"] for row in rows if "tokens_per_s" in row][2:]
        return statistics.harmonic_mean(rates), max(row.get("memory_bytes", 0) for row in rows)

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--model", action="append", default=[], help="NAME=FILE.so, compiled with vocab=50304")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        sides = {"torch_compile_dense": rival(options.data)}
        for model in options.model:
            label, _, library = model.partition("=")
            sides[label] = ours(library, options.data, pathlib.Path(name))
        sides["torch_compile_dense"](1)  # compiles
        found = {side: [] for side in sides}
        for _ in range(options.rounds):
            for side, run in sides.items():
                found[side].append(run(options.steps))
                torch.cuda.empty_cache()
    rates = {side: statistics.median(rate for rate, _ in runs) for side, runs in found.items()}
    peaks = {side: max(peak for _, peak in runs) / 1e9 for side, runs in found.items()}
    base, base_peak = rates["torch_compile_dense"], peaks["torch_compile_dense"]
    figures = []
    for side, rate in rates.items():
        print(f"{side:22} {rate:9.0f} tokens/s {rate / base:6.2f}x   {peaks[side]:6.1f} GB {peaks[side] / base_peak:6.2f}x")
        figures += [(f"{side}_step_tokens_per_s", round(rate), rate / base), (f"{side}_step_peak_gb", round(peaks[side], 2), peaks[side] / base_peak)]
    result_rows.append(figures, torch.cuda.get_device_name())


main()
