"""Compiled models on a real GPU beside the processor; skipped where there is none. (What needs no GPU is in cuda_test.py.)"""
import ctypes
import json
import sys
import unittest

import numpy as np
from safetensors.numpy import load_file

from harness import MODELS, ModelTest
from programs import run

SIZES = ["vocab=512", "dim=256", "layers=2", "heads=4", "kv_heads=2", "ffn=512", "context=256", "train.batch=6", "train.steps=20",
         "train.optimizer.lr=1e-3", "train.schedule=cosine(warmup = 2)"]
CAA = ["caa.least=16", "caa.most=63.3", "caa.ramp=4"]  # widths start at 39.65: at 40 every row would sit on a kink
SKIPPED = 77  # what ctest takes for it


def missing_gpu():
    """Why there is no GPU to test on; nothing if there is one."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return f"no NVIDIA driver: {error}"
    code = driver.cuInit(0)
    return f"the NVIDIA driver does not start: error {code}" if code else None


def error(ours, theirs):
    """The norm of the difference beside that of the right tensor."""
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


def cosine(ours, theirs):
    ours, theirs = ours.astype(np.float64).ravel(), theirs.astype(np.float64).ravel()
    return ours @ theirs / (np.linalg.norm(ours) * np.linalg.norm(theirs))


class GpuTest(ModelTest):
    def build(self, model, *sets):
        library = self.fresh(".so")
        flags = [flag for item in [*SIZES, *sets] for flag in ("--set", item)]
        run("caac", MODELS / f"{model}.mdl", "-o", library, *flags, *(f for t in ("cpu", "sm_80", "sm_90a") for f in ("--target", t)))
        return library

    def train(self, library, name, *flags):
        run("caa-run", "train", library, "--tokens", "tokens.bin", "--run", name, "--micro-batch", 4, *flags, cwd=self.folder)
        checkpoint = self.folder / name / "last"
        tensors = {**load_file(checkpoint / "model.safetensors"), **load_file(checkpoint / "optimizer.safetensors")}
        rows = [json.loads(line) for line in (self.folder / name / "log.jsonl").read_text().splitlines()]
        return {key: value.tobytes() for key, value in tensors.items()}, [row["loss"] for row in rows if "loss" in row]

    def dump(self, library, device):
        out = self.fresh(".safetensors")
        run("caa-run", "eval", library, "--tokens", "tokens.bin", "--checkpoint", "start", "--dump", out, "--device", device, cwd=self.folder)
        return load_file(out)

    def check(self, model, precision, sets=()):
        library = self.build(model, f"train.precision={precision}", *sets)
        self.tokens(np.random.default_rng().integers(0, 512, 6 * 256)).rename(self.folder / "tokens.bin")
        self.train(library, "start", "--steps", 20, "--stop-at", 1, "--device", "cpu")
        if precision == "fp32":
            ours, theirs = self.dump(library, "cuda"), self.dump(library, "cpu")
            for name, value in theirs.items():
                self.assertLess(error(ours[name], value), 1e-5, name)
        else:
            # Which keys a query selects may hang on a rounding, so that CAA in bf16 is not near to fp32 on any machine. It has to be as
            # near on a GPU as on the processor, over all gradients together.
            exact = self.dump(self.build(model, "train.precision=fp32", *sets), "cpu")
            gradients = sorted(name for name in exact if name.startswith("d_"))
            far = {}
            for device in ("cuda", "cpu"):
                dump = self.dump(library, device)
                far[device] = error(*(np.concatenate([tensors[name].ravel() for name in gradients]) for tensors in (dump, exact)))
                if not sets and device == "cuda":
                    for name, value in exact.items():
                        self.assertGreater(cosine(dump[name], value), 0.999, name)
            self.assertLess(far["cuda"], 1.5 * far["cpu"])

        whole, losses = self.train(library, "whole", "--steps", 20, "--device", "cuda", "--deterministic")
        self.assertEqual(self.train(library, "again", "--steps", 20, "--device", "cuda", "--deterministic"), (whole, losses))
        self.train(library, "halves", "--steps", 20, "--stop-at", 9, "--device", "cuda", "--deterministic")
        self.assertEqual(self.train(library, "halves", "--resume", "auto", "--device", "cuda", "--deterministic")[0], whole)
        _, processors = self.train(library, "cpu", "--steps", 20, "--device", "cpu")
        np.testing.assert_allclose(losses, processors, rtol=1e-4 if precision == "fp32" else 5e-3)

    def test_dense_in_fp32(self):
        self.check("qwen_dense", "fp32")

    def test_dense_in_bf16(self):
        self.check("qwen_dense", "bf16")

    def test_caa_in_fp32(self):
        self.check("qwen_caa", "fp32", CAA)

    def test_caa_in_bf16(self):
        self.check("qwen_caa", "bf16", CAA)


if __name__ == "__main__":
    if reason := missing_gpu():
        print("skipped:", reason)
        sys.exit(SKIPPED)
    unittest.main()
