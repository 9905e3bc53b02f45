"""Context-Adaptive Attention alone, through `caa-run call`, against its definition in float64.

Queries and keys come from a grid on which every score is exact in any order of summation, so that both sides select the
same keys; rows whose threshold has a near neighbour that is no tie are drawn again, and widths stay clear of integers.
"""
import functools
import os
import tempfile
import unittest

import jax
import jax.numpy as jnp
import numpy as np

from harness import MODELS, ModelTest, check, grid
from programs import SEED
from reference import attentions
from reference.definition import Definition

HEADS, KV_HEADS, WIDTH, DIM = 4, 2, 16, 64
LENGTHS = (1, 2, 17, 255, 256, 257, 511, 513, 1000, 1024, 2048)
EXPORT = [("caa", {"q": f"{HEADS}x{WIDTH}", "k": f"{KV_HEADS}x{WIDTH}", "v": f"{KV_HEADS}x{WIDTH}", "x": f"1x{DIM}"})]
PARAMETERS = {"gate_in.weight": (DIM // 8, DIM), "gate_out.weight": (2 * HEADS, DIM // 8), "gate_out.bias": (2 * HEADS,)}


def thresholds_are_clear(q, k, rows):
    """Which rows' thresholds have no neighbour nearer than 1e-4 that is not a tie."""
    clear = np.ones(len(q), bool)
    kv = np.repeat(k, HEADS // KV_HEADS, axis=1)
    for h in range(HEADS):
        s = q[:, h] @ kv[:, h].T / np.sqrt(WIDTH)
        for i in rows:
            row = np.sort(s[i, : i + 1])[::-1]
            kept = int(np.ceil(np.sqrt(i + 1)))
            apart = np.abs(row - row[min(kept, len(row)) - 1])
            clear[i] &= not np.any((apart > 0) & (apart < 1e-4))
    return clear


def widths_are_clear(x, weights):
    """Which rows' windows have all widths at least 1e-3 away from integers: a kink of the soft edge lies at each integer."""
    z = x @ weights["gate_in.weight"].T
    z = (z / (1 + np.exp(-z))) @ weights["gate_out.weight"].T + weights["gate_out.bias"]
    w = 256 + 256 / (1 + np.exp(-z[:, 1::2]))
    return np.all(np.abs(w - np.round(w)) >= 1e-3, axis=1)


def draw(generator, length, rows=2):
    """Random inputs and parameters as caa.md's section on comparing asks for."""
    q, k = grid(generator, (length, HEADS, WIDTH)), grid(generator, (length, KV_HEADS, WIDTH))
    unclear = range(length)
    for _ in range(20):
        clear = thresholds_are_clear(q, k, unclear)
        unclear = [i for i in unclear if not clear[i]]
        if not unclear:
            break
        q[unclear] = grid(generator, (len(unclear), HEADS, WIDTH))
    inputs = {"q": q, "k": k, "v": generator.normal(size=(length, KV_HEADS, WIDTH)), "x": generator.normal(size=(length, DIM))}
    weights = {name: generator.normal(size=shape) * 0.3 for name, shape in PARAMETERS.items()}
    while len(unclear := np.flatnonzero(~widths_are_clear(inputs["x"], weights))):
        inputs["x"][unclear] = generator.normal(size=(len(unclear), DIM))
    return ({n: v.astype(np.float32)[None] for n, v in inputs.items()}, {n: w.astype(np.float32) for n, w in weights.items()})


@functools.cache  # so that JAX compiles it once for a length
def with_gradients(attention):
    """Output and gradients of every input and parameter of one row."""
    def run(inputs, parameters, d_out):
        out, pull = jax.vjp(lambda inputs, parameters: attention(parameters, cfg={}, **inputs), inputs, parameters)
        d_inputs, d_parameters = pull(d_out)
        return {"out": out, **{"d_" + n: d for n, d in (d_inputs | d_parameters).items()}}

    return run


def setUpModule():
    """One library serves several tests."""
    folder = tempfile.TemporaryDirectory(prefix="caa-e2e-")
    unittest.addModuleCleanup(folder.cleanup)
    os.environ.setdefault("CAA_LIBRARIES", folder.name)


class ContextAdaptiveAttention(ModelTest):
    def setUp(self):
        super().setUp()
        self.generator = np.random.default_rng(SEED)

    def compare(self, library, inputs, parameters, what, attention=attentions.caa):
        d_out = self.generator.normal(size=(inputs["q"].shape[1], HEADS, WIDTH)).astype(np.float32)
        found = self.call(library, "caa", inputs | parameters, {"out": d_out[None]})
        expected = Definition(with_gradients(attention), {n: v[0] for n, v in inputs.items()}, parameters, d_out)
        self.assertEqual(set(found), set(expected.results))
        for tensor, value in expected.results.items():
            expected.check(tensor, found[tensor].reshape(value.shape), f"{what}: {tensor}")

    def test_forward_and_all_gradients_at_every_length(self):
        library = self.compile("qwen_caa", exports=EXPORT)
        for length in LENGTHS:
            inputs, parameters = draw(self.generator, length)
            self.compare(library, inputs, parameters, f"length {length}")

    def test_at_the_start_of_training_every_row_sits_on_the_kinks(self):
        library = self.compile("qwen_caa", exports=EXPORT)
        inputs, parameters = draw(self.generator, 600)
        parameters["gate_out.weight"] *= 0
        parameters["gate_out.bias"] *= 0
        self.compare(library, inputs, parameters, "w = 384")

    def test_ties_sorted_scores_a_huge_score_and_negative_zero(self):
        library = self.compile("qwen_caa", exports=EXPORT)
        length = 300
        for kind in ("ties", "rising", "falling", "huge", "zeros"):
            inputs, parameters = draw(self.generator, length)
            q, k = inputs["q"], inputs["k"]
            if kind == "ties":
                k[:] = k[:, :1]
            elif kind in ("rising", "falling"):
                q[:] = 0
                q[..., 0] = 1
                k[:] = 0
                steps = np.arange(length) / 1024
                k[..., 0] = (steps if kind == "rising" else steps[::-1])[None, :, None]
            elif kind == "huge":
                k[:, 7] *= 1024
            else:
                q[..., 0] = -0.0
                q[..., 1:] = 0
                k[:, ::2] *= -1
            self.compare(library, inputs, parameters, kind)

    def test_gate_one_is_the_window_gate_zero_is_top_k_large_c_is_dense(self):
        source = (MODELS / "qwen_caa.mdl").read_text()
        inputs, parameters = draw(self.generator, 700)
        zero, one = source.replace("g = sigmoid(softcap(zg, 8))", "g = 0 * zg"), source.replace("g = sigmoid(softcap(zg, 8))", "g = 0 * zg + 1")
        self.assertNotEqual(source, zero)

        def window(p, q, k, v, x, cfg):
            z = (jax.nn.silu(x @ p["gate_in.weight"].T) @ p["gate_out.weight"].T + p["gate_out.bias"]).reshape(len(x), HEADS, 2)
            member = attentions.soft_window(256 + 256 * jax.nn.sigmoid(z[..., 1]), 32, len(x))
            return attentions.mixed(attentions.weights(attentions.scores(q, k) / np.sqrt(WIDTH), member), v, HEADS)

        def selected(p, q, k, v, x, cfg):
            s = attentions.scores(q, k) / np.sqrt(WIDTH)
            kept = jnp.ceil(jnp.sqrt(jnp.arange(1, len(x) + 1)))
            return attentions.mixed(attentions.weights(s, attentions.top(s, attentions.causal(len(x)), kept)), v, HEADS)

        def plain(p, q, k, v, x, cfg):
            return attentions.dense(p, q, k, v)

        self.compare(self.compile(one, exports=EXPORT), inputs, parameters, "g = 1", attention=window)
        self.compare(self.compile(zero, exports=EXPORT), inputs, parameters, "g = 0", attention=selected)
        self.compare(self.compile(zero, ["caa.c=1000"], exports=EXPORT), inputs, parameters, "c large", attention=plain)

    def test_a_prefix_sees_no_later_token(self):
        library = self.compile("qwen_caa", exports=EXPORT)
        inputs, parameters = draw(self.generator, 700)
        whole = self.call(library, "caa", inputs | parameters)["out"]
        for length in (1, 63, 64, 65, 300, 699):
            part = self.call(library, "caa", {n: v[:, :length] for n, v in inputs.items()} | parameters)["out"]
            check(part, whole[:, :length], 1e-6, f"the first {length} tokens alone")

    def test_forward_and_backward_select_the_same_keys_on_ordinary_inputs(self):
        """With v the identity, out is the matrix of probabilities and d_v its transpose as the backward computes it."""
        length = 256
        library = self.compile("""use "qwen3.mdl"
attention chosen(q, k, v) {
  n = count(visible)
  score s = dot(q[i], k[j]) / sqrt(q.width)
  return softmax(s over top(ceil(sqrt(n[i])), by = s)) @ v
}
model with_chosen = qwen3(mix = chosen)
""", ["vocab=64", "dim=64", "layers=1"], [("chosen", {"q": f"1x{WIDTH}", "k": f"1x{WIDTH}", "v": f"1x{length}"})])
        identity = np.eye(length, dtype=np.float32)[None]
        for _ in range(5):
            q, k = (self.generator.normal(size=(1, length, WIDTH)).astype(np.float32) for _ in "qk")
            found = self.call(library, "chosen", {"q": q, "k": k, "v": identity}, {"out": identity})
            forward, backward = found["out"][0] > 0, found["d_v"][0].T > 0
            self.assertGreater(forward.sum(), length)
            np.testing.assert_array_equal(forward, backward)


if __name__ == "__main__":
    unittest.main()
