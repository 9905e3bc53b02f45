"""Attention alone on a GPU beside PyTorch's (cuDNN, FlashAttention-2, FlexAttention), in one run: TFLOP/s and ratios.

    python3 bench/gpu_attention.py --compile FOLDER     # where caac is
    python3 bench/gpu_attention.py --libraries FOLDER   # where the GPU is; needs PyTorch; CAA_RUN is the path of caa-run

Causal, bf16, 32,768 tokens, 16 heads, T = 1k to 16k, random normal inputs; rounds are interleaved, medians count. Ours are the kernels of
`caa-run bench` on NAME.gradient: those named `attend`, and the token-wise ones that the attention's last line makes and that run once (the
backward's row sums, CAA's mixture); conversions of the export's float32 inputs and outputs are left out. FLOPs: 4 B H T^2 d / 2 forward, 2.5
times that backward. A row's ratio is the least over all lengths; appended to bench/results/latest.jsonl.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUN = os.environ.get("CAA_RUN", str(ROOT / "build/bin/caa-run"))
TOKENS, HEADS, LENGTHS = 32768, 16, (1024, 2048, 4096, 8192, 16384)
# library: model, attention, width of a head, target
LIBRARIES = {
    "dense_d64_sm90a": ("qwen_dense", "dense", 64, "sm_90a"),
    "dense_d128_sm90a": ("qwen_dense", "dense", 128, "sm_90a"),
    "dense_d64_portable": ("qwen_dense", "dense", 64, "sm_80"),
    "window_d64_sm90a": ("qwen_local", "local", 64, "sm_90a"),
    "caa_d64_sm90a": ("qwen_caa", "caa", 64, "sm_90a"),
}


def compile_all(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for library, (model, attention, width, target) in LIBRARIES.items():
        vectors = [f"{name}={HEADS}x{width}" for name in "qkv"] + ([f"x=1x{HEADS * width}"] if attention == "caa" else [])
        subprocess.run([ROOT / "build/bin/caac", ROOT / f"models/{model}.mdl", "-o", folder / f"{library}.so", "--target", target, "--set", "layers=1",
                        "--set", "vocab=512", "--export", attention, *(flag for vector in vectors for flag in ("--arg", vector))], check=True)


def ours(folder, library, length):
    """(forward, backward) milliseconds of our kernels."""
    attention = LIBRARIES[library][1]
    listing = subprocess.run([RUN, "bench", folder / f"{library}.so", "--entry", f"{attention}.gradient", "--batch", str(TOKENS // length), "--length",
                              str(length), "--device", "cuda", "--runs", "7", "--json"], check=True, capture_output=True, text=True).stdout
    kernels = json.loads(listing)["kernels"]
    lines = [k["location"] for k in kernels if "attend" in k["name"]]
    last = max(lines, key=lambda line: int(line.rsplit(":", 1)[1]))
    counted = {k["name"]: 1e3 * k["seconds"] for k in kernels
               if "attend" in k["name"] or k["location"] == last and k["calls"] == 1 and not k["name"].startswith("product")}
    forward_names = {k["name"] for k in json.loads(forward_listing(folder, library, length))["kernels"]}
    forward = sum(time for name, time in counted.items() if name in forward_names)
    return forward, sum(counted.values()) - forward


def forward_listing(folder, library, length):
    """The kernels of NAME.forward, by name: which of the gradient's belong to the forward pass."""
    attention = LIBRARIES[library][1]
    path = folder / f"{library}.forward.json"
    if not path.exists():
        path.write_text(subprocess.run([RUN, "bench", folder / f"{library}.so", "--entry", f"{attention}.forward", "--batch", "1", "--length", "1024",
                                        "--device", "cuda", "--runs", "1", "--json"], check=True, capture_output=True, text=True).stdout)
    return path.read_text()


def timed(function, repeats):
    import torch

    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(repeats):
        function()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / repeats


def rivals(width, length, flex):
    """Functions that give (forward, backward) milliseconds, by rival."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.functional import scaled_dot_product_attention

    q, k, v, d = (torch.randn(TOKENS // length, HEADS, length, width, device="cuda", dtype=torch.bfloat16) for _ in range(4))
    for tensor in (q, k, v):
        tensor.requires_grad_()

    def measure(run):
        out = run()
        repeats = max(5, int(2e7 / length / width))
        return (timed(run, repeats), timed(lambda: torch.autograd.grad(out, (q, k, v), d, retain_graph=True), repeats))

    def sdpa(backend):
        def run():
            with sdpa_kernel(backend):
                return scaled_dot_product_attention(q, k, v, is_causal=True)
        return run

    found = {"cudnn": lambda: measure(sdpa(SDPBackend.CUDNN_ATTENTION)), "fa2": lambda: measure(sdpa(SDPBackend.FLASH_ATTENTION))}
    if flex:
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        mask = create_block_mask(lambda b, h, i, j: (i >= j) & (i - j < 512), None, None, length, length)
        compiled = torch.compile(flex_attention)
        found["flex_window"] = lambda: measure(lambda: compiled(q, k, v, block_mask=mask))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compile", type=pathlib.Path)
    parser.add_argument("--libraries", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flex", action="store_true", help="FlexAttention's window at 4k too (compiles for a while)")
    options = parser.parse_args()
    if options.compile:
        return compile_all(options.compile)
    import torch

    import result_rows

    medians = {}
    flops = {(width, length): 2.0 * TOKENS * HEADS * length * width for width in (64, 128) for length in LENGTHS}
    for width in (64, 128):
        for length in LENGTHS:
            sides = rivals(width, length, options.flex and (width, length) == (64, 4096))
            for library, (_, attention, d, _) in LIBRARIES.items():
                if d == width and (attention == "dense" or length in (1024, 4096)):
                    sides[library] = lambda library=library: ours(options.libraries, library, length)
            times = {side: [] for side in sides}
            for side in [*sides, *(side for _ in range(options.rounds) for side in sides)]:  # the first round warms up
                times[side].append(sides[side]())
            for side, runs in times.items():
                forward, backward = medians[side, width, length] = tuple(statistics.median(run[n] for run in runs[1:]) for n in (0, 1))
                work, cudnn = flops[width, length] / 1e9, medians["cudnn", width, length]
                print(f"d {width:3} T {length:5} {side:20} forward {forward:7.3f} ms {work / forward:5.0f} TFLOP/s {cudnn[0] / forward:5.2f}x cuDNN   "
                      f"backward {backward:7.3f} ms {2.5 * work / backward:5.0f} TFLOP/s {cudnn[1] / backward:5.2f}x", flush=True)
    figures = []
    for library, rival in (("dense_d64_sm90a", "cudnn"), ("dense_d128_sm90a", "cudnn"), ("dense_d64_portable", "fa2")):
        width = LIBRARIES[library][2]
        for n, name, factor in ((0, "fwd", 1), (1, "bwd", 2.5)):
            kind = library.replace("dense_", f"dense_{name}_")
            ratio = min(medians[rival, width, length][n] / medians[library, width, length][n] for length in LENGTHS)
            figures.append((f"{kind}_vs_{rival}", round(factor * flops[width, 4096] / 1e9 / medians[library, width, 4096][n], 1), ratio))
    for length, label in ((1024, "1k"), (4096, "4k")):
        time, dense = (sum(medians[side, 64, length]) for side in ("caa_d64_sm90a", "cudnn"))
        figures.append((f"caa_fwd_bwd_{label}_vs_dense_cudnn", round(time, 3), time / dense))
    if options.flex:
        time, flex = (sum(medians[side, 64, 4096]) for side in ("window_d64_sm90a", "flex_window"))
        figures.append(("window512_fwd_bwd_4k_vs_flex", round(time, 3), flex / time))
    for name, value, ratio in figures:
        print(f"{name:40} {value:8} {ratio:6.3f}")
    result_rows.append(figures, torch.cuda.get_device_name())


main()
