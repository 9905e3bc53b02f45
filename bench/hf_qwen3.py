"""The dense model on a GPU against Hugging Face's Qwen3ForCausalLM in bf16: loss, and the cosine of every gradient with fp32's.

    build/bin/caac models/qwen_dense.mdl -o small.so --set vocab=4096 --set layers=4 --set kv_heads=4
    python3 bench/hf_qwen3.py small.so [--tokens ROWSxCONTEXT]

Ours passes where the loss is within 1e-3 of Hugging Face's bf16 loss and each cosine is at least 0.999, or not more than 1e-3 below
the cosine of Hugging Face's own bf16 gradient. Needs PyTorch with CUDA, transformers and safetensors; CAA_RUN is the path of caa-run.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from transformers import Qwen3Config, Qwen3ForCausalLM

RUN = os.environ.get("CAA_RUN", str(pathlib.Path(__file__).resolve().parent.parent / "build/bin/caa-run"))


def reference(config, weights, tokens, dtype):
    """Loss and gradients by name in `dtype`."""
    model = Qwen3ForCausalLM(config).to(dtype)
    missing, extra = model.load_state_dict({n: torch.from_numpy(w).to(dtype) for n, w in weights.items()}, strict=False)
    assert not extra and set(missing) <= {"lm_head.weight"}, (missing, extra)
    model.tie_weights()
    model.cuda()
    rows = torch.from_numpy(tokens.astype(np.int64)).cuda()
    loss = model(input_ids=rows, labels=rows).loss
    loss.backward()
    return float(loss), {n: p.grad.float().cpu().numpy() for n, p in model.named_parameters()}


def cosine(a, b):
    a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library")
    parser.add_argument("--tokens", default="2x1024", help="rows and the model's context")
    options = parser.parse_args()
    listing = json.loads(subprocess.run([RUN, "inspect", options.library, "--json"], check=True, capture_output=True, text=True).stdout)
    shapes = {p["name"]: p["shape"] for p in listing["parameters"]}
    generator = np.random.default_rng()
    weights = {n: ((1 if len(s) == 1 else 0) + generator.normal(size=s) * 0.02).astype(np.float32) for n, s in shapes.items()}
    weights = {n: torch.from_numpy(w).bfloat16().float().numpy() for n, w in weights.items()}
    vocab, dim = shapes["model.embed_tokens.weight"]
    width = shapes["model.layers.0.self_attn.q_norm.weight"][0]
    config = Qwen3Config(
        vocab_size=vocab, hidden_size=dim, head_dim=width, intermediate_size=shapes["model.layers.0.mlp.gate_proj.weight"][0],
        num_hidden_layers=1 + max(int(n.split(".")[2]) for n in shapes if n.startswith("model.layers.")),
        num_attention_heads=shapes["model.layers.0.self_attn.q_proj.weight"][0] // width,
        num_key_value_heads=shapes["model.layers.0.self_attn.k_proj.weight"][0] // width,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6}, rms_norm_eps=1e-6, tie_word_embeddings=True, attention_bias=False)
    rows, length = map(int, options.tokens.split("x"))
    tokens = generator.integers(0, vocab, (rows, length))
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        save_file(weights, folder / "w.safetensors")
        header = np.zeros(256, np.int32)
        header[:3] = [20240520, 1, tokens.size]
        (folder / "t.bin").write_bytes(header.tobytes() + tokens.astype(np.uint16).tobytes())
        subprocess.run([RUN, "eval", options.library, "--weights", folder / "w.safetensors", "--tokens", folder / "t.bin", "--dump",
                        folder / "o.safetensors", "--device", "cuda"], check=True)
        ours = load_file(folder / "o.safetensors")
    loss32, exact = reference(config, weights, tokens, torch.float32)
    loss16, plain = reference(config, weights, tokens, torch.bfloat16)
    loss = float(ours["loss"].reshape(()))
    off = abs(loss - loss16) / loss16
    print(f"loss: ours {loss:.6f}, Hugging Face bf16 {loss16:.6f}, fp32 {loss32:.6f}; relative difference {off:.2e}")
    faults = ["loss"] if off > 1e-3 else []
    worst = 1.0
    for name, gradient in exact.items():
        mine, theirs = cosine(ours["d_" + name], gradient), cosine(plain[name], gradient)
        worst = min(worst, mine)
        if mine < 0.999 and mine < theirs - 1e-3:
            faults.append(f"{name}: cosine {mine:.6f}, Hugging Face's own {theirs:.6f}")
    print(f"{len(exact)} gradients, least cosine {worst:.6f}")
    sys.exit("\n".join(faults) if faults else 0)


main()
