"""The whole training step on the CPU beside PyTorch, interleaved in one run: prints tokens/s and ratios.

    python3 bench/cpu_step.py [--rounds 5] [--steps 4]

Installs PyTorch into build/bench-venv once. Same model, size and work on both sides (4 layers x 256, 4 heads, ffn 1024, vocab
4096, T = 512, 8 rows a step, fp32, AdamW, norm clipped at 1, random tokens); every round runs each rival once, and the median
of rounds is printed. Appends to bench/results/latest.jsonl.
"""
import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

import own_venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / "build" / "bench-venv"
SIZE = {"layers": 4, "dim": 256, "heads": 4, "kv_heads": 4, "ffn": 1024, "vocab": 4096, "context": 512}
ROWS = 8


def torch_step(compiled, threads):
    """A PyTorch training step of the dense model; returns a function that runs n steps and gives tokens/s."""
    import time

    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(threads)
    dim, heads, width = SIZE["dim"], SIZE["heads"], SIZE["dim"] // SIZE["heads"]

    def rope_table():
        angle = torch.arange(SIZE["context"])[:, None] * 1e6 ** (-torch.arange(0, width, 2) / width)
        return torch.cat([angle, angle], -1).cos(), torch.cat([angle, angle], -1).sin()

    cos, sin = rope_table()

    def rotate(x):
        half = torch.cat([-x[..., width // 2 :], x[..., : width // 2]], -1)
        return x * cos + half * sin

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.n1, self.n2 = nn.RMSNorm(dim, 1e-6), nn.RMSNorm(dim, 1e-6)
            self.q, self.k, self.v, self.o = (nn.Linear(dim, dim, bias=False) for _ in range(4))
            self.qn, self.kn = nn.RMSNorm(width, 1e-6), nn.RMSNorm(width, 1e-6)
            self.gate, self.up = nn.Linear(dim, SIZE["ffn"], bias=False), nn.Linear(dim, SIZE["ffn"], bias=False)
            self.down = nn.Linear(SIZE["ffn"], dim, bias=False)

        def forward(self, x):
            h = self.n1(x)
            q, k, v = (p(h).view(ROWS, -1, heads, width) for p in (self.q, self.k, self.v))
            q, k = rotate(self.qn(q).transpose(1, 2)), rotate(self.kn(k).transpose(1, 2))
            a = F.scaled_dot_product_attention(q, k, v.transpose(1, 2), is_causal=True)
            x = x + self.o(a.transpose(1, 2).reshape(ROWS, -1, dim))
            h = self.n2(x)
            return x + self.down(F.silu(self.gate(h)) * self.up(h))

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(SIZE["vocab"], dim)
            nn.init.normal_(self.table.weight, std=0.02)
            self.layers, self.norm = nn.ModuleList(Layer() for _ in range(SIZE["layers"])), nn.RMSNorm(dim, 1e-6)

        def forward(self, tokens):
            x = self.table(tokens)
            for layer in self.layers:
                x = layer(x)
            logits = F.linear(self.norm(x), self.table.weight)
            return F.cross_entropy(logits[:, :-1].reshape(-1, SIZE["vocab"]), tokens[:, 1:].reshape(-1))

    model = Decoder()
    forward = torch.compile(model) if compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, fused=True)

    def run(steps):
        tokens = torch.randint(0, SIZE["vocab"], (steps, ROWS, SIZE["context"]))
        begin = time.perf_counter()
        for batch in tokens:
            optimizer.zero_grad(set_to_none=True)
            forward(batch).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        return steps * ROWS * SIZE["context"] / (time.perf_counter() - begin)

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
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    results = ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    with open(results / "latest.jsonl", "a") as log:
        for rival, rate in medians.items():
            print(f"{rival:24} {rate:8.0f} tokens/s   {rate / best:5.2f}x PyTorch's dense")
            if rival.startswith("qwen"):
                log.write(json.dumps({"name": f"cpu_step_{rival}", "value": round(rate), "ratio": round(rate / best, 3), "commit": commit,
                                      "device": f"CPU, {options.threads} threads", "date": str(datetime.date.today())}) + "\n")


main()
