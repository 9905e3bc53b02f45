"""Every attention of models/ on a GPU: output and all gradients against float64, for sm_80 and sm_90a.

A Hopper GPU runs all shapes; without one the kernels are emulated, which also finds races and missing waits, on few and small shapes.

An error may be twice that of the same formula with bf16 operands and fp32 softmax (JAX), plus one bf16 rounding; where that is
missed, twice the largest of several such evaluations that round at random. Queries and keys lie on a grid on which scores are
exact, so that all sides select the same keys.
"""
import functools
import unittest

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

import gpus  # noqa: E402
from bf16 import Bf16Products  # noqa: E402
from harness import ModelTest, error, grid  # noqa: E402
from programs import SEED  # noqa: E402
from reference import attentions  # noqa: E402

DIM = 64
ONE_ROUNDING = 2.0**-9
DRAWS = 16  # of roundings, before anything is found wrong
# Query heads, key heads, width; a length below a tile, some that end within one, one with tiles that are skipped.
HEADS, LENGTHS = (((4, 2, 64),), (65, 257)) if gpus.EMULATED else (((2, 2, 64), (4, 2, 64), (2, 1, 128)), (2, 65, 129, 600))
SOFT_CAPPED = """use "qwen3.mdl"
attention soft_capped(q, k, v, w = 100, cap = 2) {
  return softmax(softcap(dot(q[i], k[j]) / sqrt(q.width), cap) over window(w)) @ v
}
model qwen_soft_capped = qwen3(mix = soft_capped)
"""
# model, attention, the vectors that it takes beside v, its parameters by shape, constants
CASES = {
    "dense": ("qwen_dense", "qk", {}, {}),
    "local": ("qwen_local", "qk", {}, {"local.w": 200}),
    "caa": ("qwen_caa", "qkx", {"gate_in.weight": lambda h, d: (DIM // 8, DIM), "gate_out.weight": lambda h, d: (2 * h, DIM // 8),
                                "gate_out.bias": lambda h, d: (2 * h,)}, {}),
    "gated": ("gated", "qkx", {"g_proj.weight": lambda h, d: (h * d, DIM)}, {}),
    "streaming": ("streaming", "qk", {}, {"streaming.w": 100}),
    "sink": ("sink_logit", "qk", {"z": lambda h, d: (h, 1)}, {}),
    "alibi": ("alibi", "qk", {}, {}),
    "soft_capped": (SOFT_CAPPED, "qk", {}, {"soft_capped.w": 100}),
}


def definition(name, cfg):
    def run(inputs, parameters):
        return getattr(attentions, name)(parameters, cfg=cfg, **inputs)

    def all_of(inputs, parameters, d_out):
        out, pull = jax.vjp(run, inputs, parameters)
        d_inputs, d_parameters = pull(d_out)
        return {"out": out, **{"d_" + n: d for n, d in {**d_inputs, **d_parameters}.items()}}

    return all_of


class AttentionsOnTheGpu(ModelTest):
    def shapes(self, name, heads, kv_heads, width):
        """Heads and width of each vector that the attention takes."""
        shapes = {"q": (heads, width), "k": (kv_heads, width), "v": (kv_heads, width), "x": (1, DIM)}
        return {n: s for n, s in shapes.items() if n in CASES[name][1] + "v"}

    def library(self, name, target, shapes):
        model, _, _, cfg = CASES[name]
        exports = [(name, {n: f"{h}x{w}" for n, (h, w) in shapes.items()})]
        return self.compile(model, ["layers=1", "vocab=64", *(f"{n}={v}" for n, v in cfg.items())], exports, target)

    def compare(self, library, name, target, heads, kv_heads, width, length):
        """What is too far from float64; nothing if all is well."""
        _, _, parameter_shapes, cfg = CASES[name]
        generator = np.random.default_rng(SEED)
        shapes = self.shapes(name, heads, kv_heads, width)
        bf16 = lambda x: np.asarray(jnp.asarray(x, jnp.bfloat16), np.float64)  # noqa: E731
        inputs = {n: grid(generator, (length, *s)) if n in "qk" else bf16(generator.normal(size=(length, *s))) for n, s in shapes.items()}
        parameters = {n: bf16(generator.normal(size=shape(heads, width)) * 0.3) for n, shape in parameter_shapes.items()}
        d_out = bf16(generator.normal(size=(length, heads, width)))
        batched = {n: (x[None, :, 0] if n == "x" else x[None]) for n, x in inputs.items()}
        found = self.call(library, name, batched | parameters, {"out": d_out[None]}, device="cuda", flags=["--deterministic"])
        again = found
        if length == LENGTHS[-1] and not gpus.EMULATED:
            again = self.call(library, name, batched | parameters, {"out": d_out[None]}, device="cuda", flags=["--deterministic"])
        flat = {n: jnp.asarray(x[:, 0] if n == "x" else x) for n, x in inputs.items()}
        weights = {n: jnp.asarray(w) for n, w in parameters.items()}
        exact = jax.jit(definition(name, cfg))(flat, weights, jnp.asarray(d_out))

        @functools.cache
        def plain(seed=None):
            with Bf16Products(seed):
                return jax.jit(definition(name, cfg))(*jax.tree.map(lambda x: x.astype(jnp.float32), (flat, weights, jnp.asarray(d_out))))

        faults = []
        for tensor, value in exact.items():
            actual = (found[tensor] if tensor[2:] in parameters else found[tensor][0]).reshape(value.shape)
            # Gradients cancel; those of a few numbers (a bias) over all rows do so by chance.
            natural = (0 if tensor == "out" else 1e-2 if value.size > 16 else 1e-1) * np.linalg.norm(d_out)
            try:
                was, limit = error(actual, value, natural), 2 * error(plain()[tensor], value, natural) + ONE_ROUNDING
                if was > limit:
                    limit = 2 * max(error(plain(seed)[tensor], value, natural) for seed in range(DRAWS)) + ONE_ROUNDING
                if was > limit:
                    faults.append(f"{tensor} {was:.2g} > {limit:.2g}")
            except AssertionError as fault:
                faults.append(f"{tensor} {fault}")
            if not np.array_equal(found[tensor], again[tensor]):
                faults.append(f"{tensor} differs from run to run")
        return [f"{target} {name} {heads}/{kv_heads} heads of {width}, length {length}: {', '.join(faults)}"] if faults else []

    def check_all(self, name):
        faults = []
        for target in ("sm_80", "sm_90a"):
            gpus.use(target)
            for heads in HEADS:
                library = self.library(name, target, self.shapes(name, *heads))
                for length in LENGTHS:
                    faults += self.compare(library, name, target, *heads, length)
        self.assertFalse(faults, "\n".join(faults))


for case in CASES:
    setattr(AttentionsOnTheGpu, f"test_{case}_forward_and_backward", lambda self, name=case: self.check_all(name))

if __name__ == "__main__":
    unittest.main()
