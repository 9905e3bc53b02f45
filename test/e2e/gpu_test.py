"""Compiled models on a GPU beside the processor: a real one, or an emulated one and smaller models. (What the runtime asks of a
driver is in cuda_test.py.)"""
import json
import unittest

import numpy as np
from safetensors.numpy import load_file

import gpus
from harness import MODELS, ModelTest
from programs import SEED, run

ROWS, CONTEXT, STEPS, HALF = (3, 128, 4, 2) if gpus.EMULATED else (6, 256, 20, 9)
SIZES = [*(["dim=128", "layers=1", "heads=2", "kv_heads=1", "ffn=128"] if gpus.EMULATED else
           ["dim=256", "layers=2", "heads=4", "kv_heads=2", "ffn=512"]),
         "vocab=512", f"context={CONTEXT}", f"train.batch={ROWS}", f"train.steps={STEPS}", "train.optimizer.lr=1e-3",
         "train.schedule=cosine(warmup = 2)"]
CAA = ["caa.least=16", "caa.most=63.3", "caa.ramp=4"]  # widths start at 39.65: at 40 every row would sit on a kink


def error(ours, theirs):
    """The norm of the difference beside that of the right tensor."""
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


def cosine(ours, theirs):
    ours, theirs = ours.astype(np.float64).ravel(), theirs.astype(np.float64).ravel()
    return ours @ theirs / (np.linalg.norm(ours) * np.linalg.norm(theirs))


class GpuTest(ModelTest):
    def build(self, model, targets, *sets):
        library = self.fresh(".so")
        flags = [flag for item in [*SIZES, *sets] for flag in ("--set", item)]
        run("caac", MODELS / f"{model}.mdl", "-o", library, *flags, *(f for t in targets for f in ("--target", t)))
        return library

    def train(self, library, name, *flags):
        run("caa-run", "train", library, "--tokens", "tokens.bin", "--run", name, "--micro-batch", ROWS - 2, *flags, cwd=self.folder)
        checkpoint = self.folder / name / "last"
        tensors = {**load_file(checkpoint / "model.safetensors"), **load_file(checkpoint / "optimizer.safetensors")}
        rows = [json.loads(line) for line in (self.folder / name / "log.jsonl").read_text().splitlines()]
        return {key: value.tobytes() for key, value in tensors.items()}, [row["loss"] for row in rows if "loss" in row]

    def dump(self, library, device):
        out = self.fresh(".safetensors")
        run("caa-run", "eval", library, "--tokens", "tokens.bin", "--checkpoint", "start", "--dump", out, "--device", device, cwd=self.folder)
        return load_file(out)

    def check(self, model, precision, target, sets=()):
        gpus.use(target)  # a real one takes what it is
        library = self.build(model, ("cpu", target) if gpus.EMULATED else ("cpu", "sm_80", "sm_90a"), f"train.precision={precision}", *sets)
        self.tokens(np.random.default_rng(SEED).integers(0, 512, ROWS * CONTEXT)).rename(self.folder / "tokens.bin")
        self.train(library, "start", "--steps", STEPS, "--stop-at", 1, "--device", "cpu")
        if precision == "fp32":
            ours, theirs = self.dump(library, "cuda"), self.dump(library, "cpu")
            for name, value in theirs.items():
                self.assertLess(error(ours[name], value), 1e-5, name)
        else:
            # Which keys a query selects may hang on a rounding, so that CAA in bf16 is not near to fp32 on any machine. It has to be as
            # near on a GPU as on the processor, over all gradients together.
            exact = self.dump(self.build(model, ("cpu",), "train.precision=fp32", *sets), "cpu")
            gradients = sorted(name for name in exact if name.startswith("d_"))
            far = {}
            for device in ("cuda", "cpu"):
                dump = self.dump(library, device)
                far[device] = error(*(np.concatenate([tensors[name].ravel() for name in gradients]) for tensors in (dump, exact)))
                if not sets and device == "cuda":
                    for name, value in exact.items():
                        self.assertGreater(cosine(dump[name], value), 0.999, name)
            self.assertLess(far["cuda"], 1.5 * far["cpu"])

        whole, losses = self.train(library, "whole", "--steps", STEPS, "--device", "cuda", "--deterministic")
        if not gpus.EMULATED:
            self.assertEqual(self.train(library, "again", "--steps", STEPS, "--device", "cuda", "--deterministic"), (whole, losses))
        self.train(library, "halves", "--steps", STEPS, "--stop-at", HALF, "--device", "cuda", "--deterministic")
        self.assertEqual(self.train(library, "halves", "--resume", "auto", "--device", "cuda", "--deterministic")[0], whole)
        _, processors = self.train(library, "cpu", "--steps", STEPS, "--device", "cpu")
        np.testing.assert_allclose(losses, processors, rtol=1e-4 if precision == "fp32" else 5e-3)

    def test_dense_in_fp32(self):
        self.check("qwen_dense", "fp32", "sm_80")

    def test_dense_in_bf16(self):
        self.check("qwen_dense", "bf16", "sm_90a")

    def test_caa_in_fp32(self):
        self.check("qwen_caa", "fp32", "sm_90a", CAA)

    def test_caa_in_bf16(self):
        self.check("qwen_caa", "bf16", "sm_80", CAA)


if __name__ == "__main__":
    unittest.main()
