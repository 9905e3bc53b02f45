"""Compiling, calling and evaluating models in the end-to-end tests, and comparing tensors."""
import hashlib
import json
import os
import pathlib

import numpy as np
from safetensors.numpy import load_file, save_file

from programs import SOURCE, FolderTest, run

MODELS = SOURCE / "models"


class ModelTest(FolderTest):
    """A test that compiles models and runs them."""

    def fresh(self, suffix):
        """A path in the test's folder that nothing has yet."""
        self.count = getattr(self, "count", 0) + 1
        return self.folder / f"{self.count}{suffix}"

    def compile(self, model, sets=(), exports=(), target="cpu", **options):
        """Compiles a model file (a name in models/, or the text of one) for a target and returns the .so's path."""
        if "\n" in model:
            source = self.fresh(".mdl")
            source.write_text(model.replace('use "', f'use "{MODELS}/'))
        else:
            source = MODELS / (model + ".mdl")
        library = self.fresh(".so")
        flags = [flag for item in sets for flag in ("--set", item)]
        for name, vectors in exports:
            flags += ["--export", name]
            for vector, shape in vectors.items():
                flags += ["--arg", f"{vector}={shape}"]
        kept = self.kept_library(source, target, flags)
        if kept is not None and kept.exists():
            return kept
        run("caac", source, "-o", kept or library, "--target", target, *flags, **options)
        return kept or library

    @staticmethod
    def kept_library(source, target, flags):
        """Where $CAA_LIBRARIES keeps what was compiled, for machines without the compiler; none if it is not set."""
        folder = os.environ.get("CAA_LIBRARIES")
        text = "\0".join([source.read_text().replace(str(SOURCE), ""), target, *flags])
        return folder and pathlib.Path(folder) / (hashlib.sha256(text.encode()).hexdigest()[:16] + ".so")

    def tokens(self, tokens):
        """Writes token rows as a token file."""
        flat = np.asarray(tokens).reshape(-1)
        header = np.zeros(256, np.int32)
        wide = flat.max(initial=0) >= 65536
        header[:3] = [20240801, 7, flat.size] if wide else [20240520, 1, flat.size]
        path = self.fresh(".bin")
        path.write_bytes(header.tobytes() + flat.astype(np.uint32 if wide else np.uint16).tobytes())
        return path

    def save(self, tensors):
        path = self.fresh(".safetensors")
        save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, path)
        return path

    def call(self, library, name, inputs, gradients=None, oracle=False, device="cpu", flags=()):
        """caa-run call: every tensor of the answer by name."""
        out = self.fresh(".safetensors")
        flags = [*flags, *(["--oracle"] if oracle else [])]
        if gradients is not None:
            flags += ["--grad-outputs", self.save(f32(gradients))]
        run("caa-run", "call", library, name, "--inputs", self.save(f32(inputs)), "--outputs", out, "--device", device, *flags)
        return load_file(out)

    def evaluate(self, library, weights, tokens, device="cpu"):
        """caa-run eval on rows of tokens: loss, logits and d_<parameter>."""
        out = self.fresh(".safetensors")
        run("caa-run", "eval", library, "--weights", self.save(f32(weights)), "--tokens", self.tokens(tokens), "--dump", out,
            "--device", device)
        return load_file(out)

    def parameters(self, library):
        """Names and shapes of the model's parameters, as `inspect --json` tells them."""
        listing = json.loads(run("caa-run", "inspect", library, "--json").stdout)
        return {p["name"]: tuple(p["shape"]) for p in listing["parameters"]}


def f32(tensors):
    """Everything in the files is float32, but for int32 tokens, positions and documents."""
    integers = ("tokens", "doc", "position")
    return {name: np.asarray(value).astype(np.int32 if name in integers else np.float32) for name, value in tensors.items()}


def error(actual, expected, natural=0.0):
    """Norm-wise relative error; `natural` is the size that a value has before it cancels."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    assert np.all(np.isfinite(actual)), "not finite"
    size = max(np.linalg.norm(expected), natural)
    return np.linalg.norm(actual - expected) / size if size > 0 else np.linalg.norm(actual)


def check(actual, expected, limit, what, natural=0.0):
    """Asserts that the norm-wise relative error is at most `limit`."""
    found = error(actual, expected, natural)
    assert found <= limit, f"{what}: relative error {found:.3g}, more than {limit:.3g}"
    return found


def grid(generator, shape):
    """Multiples of 1/32 of norm at most 1: every score is exact in any order of summation."""
    x = np.round(generator.normal(size=shape) * 8) / 32
    norm = np.linalg.norm(x, axis=-1, keepdims=True)
    return np.where(norm > 1, np.trunc(x / np.maximum(norm, 1) * 31) / 32, x)


def random_parameters(shapes, generator, scale=0.2):
    """Random values for every parameter: norms near 1, everything else normal; float32 values, so that all sides read the same."""
    values = {}
    for name, shape in shapes.items():
        value = generator.normal(size=shape) * scale
        if "norm" in name and name.endswith("weight") or name.split(".")[-2].startswith("ln_") and name.endswith("weight"):
            value += 1
        values[name] = value.astype(np.float32)
    return values
