"""Attentions that are in no model compile, and match the float64 oracle forward and backward."""
import unittest

import numpy as np

from harness import ModelTest, check, grid

HEADS, KV_HEADS, WIDTH, DIM = 4, 2, 16, 32

ATTENTIONS = {
    "top alone": """
attention mine(q, k, v) {
  score s = dot(q[i], k[j]) / sqrt(q.width)
  return softmax(s over top(7, by = s)) @ v
}""",
    "three branches": """
attention mine(q, k, v, x) {
  score s = dot(q[i], k[j]) / sqrt(q.width)
  a, b, c = split(sigmoid(linear(x, [q.heads, 3]) as gate), 1, 1, 1)
  return a * softmax(s over window(9)) @ v + b * softmax(s over top(5, by = s)) @ v + c * softmax(s over j < 3 | i - j < 2) @ v
}""",
    "top by another score": """
attention mine(q, k, v, x) {
  score s = dot(q[i], k[j]) / sqrt(q.width)
  index_q = linear(x, 8)
  index_k = linear(x, 8)
  score r = dot(stop(index_q)[i], stop(index_k)[j])
  set far = top(6, by = r)
  return softmax(s + r / 8 over far) @ v + 0.1 * softmax(dot(index_q[i], index_k[j])) @ v
}""",
    "top inside a window": """
attention mine(q, k, v) {
  score s = dot(q[i], k[j]) / sqrt(q.width)
  set near = window(40)
  set best = top(4, by = s over near)
  return softmax(s over best) @ v
}""",
    "a soft window with a sink": """
attention mine(q, k, v, x) {
  z = param([q.heads, 1], init = zeros)
  w = 4 + 30 * sigmoid(linear(x, [q.heads, 1]) as reach)
  return softmax(dot(q[i], k[j]) / sqrt(q.width) over window(w[i], ramp = 8), sink = z) @ v
}""",
    "a soft cap inside a soft edge given by hand": """
attention mine(q, k, v, x) {
  score s = softcap(dot(q[i], k[j]) / sqrt(q.width), 3)
  w = 20 * sigmoid(linear(x, [q.heads, 1]) as reach)
  return softmax(s over soft((w[i] - (i - j)) / 5)) @ v
}""",
    "a difference of two softmaxes of one score": """
attention mine(q, k, v) {
  score s = dot(q[i], k[j]) / sqrt(q.width)
  m = param([q.heads, 1], init = ones)
  return (softmax(s) - m * softmax(s over window(6))) @ v
}""",
}


class UnknownAttentions(ModelTest):
    def compare(self, name, text):
        generator = np.random.default_rng()
        vectors = {"q": f"{HEADS}x{WIDTH}", "k": f"{KV_HEADS}x{WIDTH}", "v": f"{KV_HEADS}x{WIDTH}"}
        if "x)" in text.split("{")[0]:
            vectors["x"] = f"1x{DIM}"
        library = self.compile('use "qwen3.mdl"\n' + text + "\nmodel with_mine = qwen3(mix = mine)\n",
                               ["vocab=64", f"dim={HEADS * WIDTH}", f"heads={HEADS}", f"kv_heads={KV_HEADS}", "layers=1", "ffn=64"],
                               [("mine", vectors)])
        for length in (1, 2, 65, 130, 257):
            inputs = {n: grid(generator, (2, length, int(s.split("x")[0]), WIDTH)) for n, s in vectors.items() if n != "x"}
            if "x" in vectors:
                # Integers over a power of two keep the indexer's scores exact too, for weights on the same grid.
                inputs["x"] = grid(generator, (2, length, DIM))
            parameters = {p: grid(generator, shape) for p, shape in self.export_parameters(name).items()}
            gradient = {"out": generator.normal(size=(2, length, HEADS, WIDTH))}
            found = self.call(library, "mine", inputs | parameters, gradient)
            expected = self.call(library, "mine", inputs | parameters, gradient, oracle=True)
            self.assertEqual(set(found), set(expected))
            self.assertEqual(set(found), {"out"} | {"d_" + n for n in inputs | parameters})
            # A gradient that cancels is compared with its natural size; a row of one token leaves nothing but rounding.
            size = np.linalg.norm(gradient["out"]) * (1 if length == 1 else 1e-3)
            for tensor in found:
                check(found[tensor], expected[tensor], 1e-5, f"{name}, length {length}: {tensor}",
                      natural=size if tensor.startswith("d_") else 0)

    @staticmethod
    def export_parameters(name):
        return {
            "three branches": {"gate.weight": (3 * HEADS, DIM)},
            "top by another score": {"index_q.weight": (8, DIM), "index_k.weight": (8, DIM)},
            "a soft window with a sink": {"z": (HEADS, 1), "reach.weight": (HEADS, DIM)},
            "a soft cap inside a soft edge given by hand": {"reach.weight": (HEADS, DIM)},
            "a difference of two softmaxes of one score": {"m": (HEADS, 1)},
        }.get(name, {})


for title, body in ATTENTIONS.items():
    setattr(UnknownAttentions, "test_" + title.replace(" ", "_"), lambda self, n=title, t=body: self.compare(n, t))

if __name__ == "__main__":
    unittest.main()
