"""The whole training step on the CPU beside PyTorch, interleaved in one run: prints tokens/s and ratios.

    python3 bench/cpu_step.py [--rounds 5] [--steps 4]

Installs PyTorch into build/bench-venv once. Same model, size and work on both sides (4 layers x 256, 4 heads, ffn 1024, vocab
4096, T = 512, 8 rows a step, fp32, AdamW, norm clipped at 1, random tokens); every round runs each rival once, and the median
of rounds is printed. Appends to bench/results/latest.jsonl.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import own_venv
import result_rows

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / "build" / "bench-venv"
SIZE = {"layers": 4, "dim": 256, "heads": 4, "kv_heads": 4, "ffn": 1024, "vocab": 4096, "context": 512}
ROWS = 8


def torch_step(compiled, threads):
    """A PyTorch training step of the dense model; returns a function that runs n steps and gives tokens/s."""
    import torch

    import torch_qwen

    torch.set_num_threads(threads)
    step = torch_qwen.training_step(torch_qwen.Decoder(**SIZE), compiled)

    def run(steps):
        tokens = torch.randint(0, SIZE["vocab"], (steps, ROWS, SIZE["context"]))
        begin = time.perf_counter()
        for batch in tokens:
            step([batch])
        return tokens.numel() / (time.perf_counter() - begin)

    return run


def our_step(model, folder, threads):
    """Compiles a model of ours; returns a function that trains n steps on a token file and gives tokens/s of the later ones."""
    import numpy as np

    sets = [flag for name, value in SIZE.items() for flag in ("--set", f"{name}={value}")]
    library = folder / f"{model}.so"
    subprocess.run([ROOT / "build/bin/caac", ROOT / f"models/{model}.mdl", "-o", library, *sets, "--target", "cpu",
                    "--set", f"train.batch={ROWS}", "--set", "train.precision=fp32", "--set", "train.optimizer.clip=1.0"], check=True)

    def run(steps):
        header = np.zeros(256, np.int32)
        tokens = np.random.randint(0, SIZE["vocab"], ROWS * SIZE["context"]).astype(np.uint16)
        header[:3] = [20240520, 1, tokens.size]
        (folder / "tokens.bin").write_bytes(header.tobytes() + tokens.tobytes())
        run_folder = folder / f"run-{model}"
        subprocess.run(["rm", "-rf", run_folder], check=True)
        subprocess.run([ROOT / "build/bin/caa-run", "train", library, "--tokens", folder / "tokens.bin", "--run", run_folder, "--steps",
                        str(steps + 1), "--threads", str(threads), "--micro-batch", str(ROWS)], check=True, capture_output=True)
        rows = [json.loads(line) for line in (run_folder / "log.jsonl").read_text().splitlines()]
        rates = [row["tokens_per_s"] for row in rows if "tokens_per_s" in row][1:]
        return statistics.harmonic_mean(rates)

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--compiled", action="store_true", help="torch.compile beside eager (half a minute of compiling)")
    options = parser.parse_args()
    own_venv.run_in(VENV, ["torch", "numpy"])
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        rivals = {"pytorch_dense": torch_step(False, options.threads)}
        if options.compiled:
            rivals["pytorch_dense_compiled"] = torch_step(True, options.threads)
        for model in ("qwen_dense", "qwen_caa"):
            rivals[model] = our_step(model, folder, options.threads)
        rates = {rival: [] for rival in rivals}
        for run in rivals.values():
            run(1)  # warm-up
        for _ in range(options.rounds):
            for rival, run in rivals.items():
                rates[rival].append(run(options.steps))
    medians = {rival: statistics.median(found) for rival, found in rates.items()}
    best = max(rate for rival, rate in medians.items() if rival.startswith("pytorch"))
    for rival, rate in medians.items():
        print(f"{rival:24} {rate:8.0f} tokens/s   {rate / best:5.2f}x PyTorch's dense")
    result_rows.append([(f"cpu_step_{rival}", round(rate), rate / best) for rival, rate in medians.items() if rival.startswith("qwen")],
                       f"CPU, {options.threads} threads")


main()
