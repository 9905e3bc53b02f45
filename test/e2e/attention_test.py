"""Attentions that are in no model compile, and match their definitions in JAX and the float64 interpreter, forward and backward."""
import unittest

import jax
import jax.numpy as jnp

from attention_case import DIM, HEADS, AttentionTest, clear_widths, sigmoid
from harness import grid
from reference.attentions import causal, delta, mixed, scores, soft_window, top, weights


class UnknownAttentions(AttentionTest):
    lengths = (257, 130, 65, 2, 1)

    def check(self, text, function, parameters=None, widths=None):
        """Queries and keys lie on a grid where scores are exact, and so do x and parameters: an indexer's scores are exact too. Where x
        decides on `widths`, it is drawn again until they are clear of kinks."""
        vectors = text[text.index("(") + 1 : text.index(")")].split(", ")

        def draw(inputs, values):
            for tensors in (inputs, values):
                for name in set(tensors) - {"v"}:
                    tensors[name] = grid(self.generator, tensors[name].shape).astype("float32")
            if widths:
                clear_widths(self.generator, inputs["x"], lambda x: widths(x @ values["reach.weight"].T))

        def defined(p, q, k, v, cfg, layer, tokens, doc, position, **x):
            return function(p, q, k, v, **x)

        self.compare('use "qwen3.mdl"\n' + text + "\nmodel with_mine = qwen3(mix = mine)\n", vectors, parameters, function=defined, name="mine", draw=draw,
                     rows=2)

    def test_top_alone(self):
        def mine(p, q, k, v):
            s = scores(q, k) / 4
            return mixed(weights(s, top(s, causal(len(q)), jnp.full(len(q), 7))), v, HEADS)

        self.check("""
attention mine(q, k, v) {
  score s = dot(q[i], k[j]) / sqrt(q.width)
  return softmax(s over top(7, by = s)) @ v
}""", mine)

    def test_three_branches(self):
        def mine(p, q, k, v, x):
            s, i = scores(q, k) / 4, jnp.arange(len(q))
            gate = jax.nn.sigmoid(x @ p["gate.weight"].T).reshape(len(q), HEADS, 3)
            sets = causal(len(q)) & (delta(len(q)) < 9), top(s, causal(len(q)), jnp.full(len(q), 5)), causal(len(q)) & ((i < 3)[None] | (delta(len(q)) < 2))
            return sum(gate[..., n, None] * mixed(weights(s, member), v, HEADS) for n, member in enumerate(sets))

        self.check("""
attention mine(q, k, v, x) {
  score s = dot(q[i], k[j]) / sqrt(q.width)
  a, b, c = split(sigmoid(linear(x, [q.heads, 3]) as gate), 1, 1, 1)
  return a * softmax(s over window(9)) @ v + b * softmax(s over top(5, by = s)) @ v + c * softmax(s over j < 3 | i - j < 2) @ v
}""", mine, {"gate.weight": (3 * HEADS, DIM)})

    def test_top_by_another_score(self):
        def mine(p, q, k, v, x):
            a, b = x @ p["index_q.weight"].T, x @ p["index_k.weight"].T
            r = jax.lax.stop_gradient(a @ b.T)[None]
            far = top(jnp.broadcast_to(r, (HEADS, *r.shape[1:])), causal(len(q)), jnp.full(len(q), 6))
            all_of_it = weights(jnp.broadcast_to((a @ b.T)[None], far.shape), causal(len(q)))
            return mixed(weights(scores(q, k) / 4 + r / 8, far), v, HEADS) + 0.1 * mixed(all_of_it, v, HEADS)

        self.check("""
attention mine(q, k, v, x) {
  score s = dot(q[i], k[j]) / sqrt(q.width)
  index_q = linear(x, 8)
  index_k = linear(x, 8)
  score r = dot(stop(index_q)[i], stop(index_k)[j])
  set far = top(6, by = r)
  return softmax(s + r / 8 over far) @ v + 0.1 * softmax(dot(index_q[i], index_k[j])) @ v
}""", mine, {"index_q.weight": (8, DIM), "index_k.weight": (8, DIM)})

    def test_top_inside_a_window(self):
        def mine(p, q, k, v):
            s = scores(q, k) / 4
            return mixed(weights(s, top(s, causal(len(q)) & (delta(len(q)) < 40), jnp.full(len(q), 4))), v, HEADS)

        self.check("""
attention mine(q, k, v) {
  score s = dot(q[i], k[j]) / sqrt(q.width)
  set near = window(40)
  set best = top(4, by = s over near)
  return softmax(s over best) @ v
}""", mine)

    def test_a_soft_window_with_a_sink(self):
        def mine(p, q, k, v, x):
            near = soft_window(4 + 30 * jax.nn.sigmoid(x @ p["reach.weight"].T), 8, len(q))
            return mixed(weights(scores(q, k) / 4, near, sink=p["z"][:, :, None]), v, HEADS)

        self.check("""
attention mine(q, k, v, x) {
  z = param([q.heads, 1], init = zeros)
  w = 4 + 30 * sigmoid(linear(x, [q.heads, 1]) as reach)
  return softmax(dot(q[i], k[j]) / sqrt(q.width) over window(w[i], ramp = 8), sink = z) @ v
}""", mine, {"z": (HEADS, 1), "reach.weight": (HEADS, DIM)}, lambda y: 4 + 30 * sigmoid(y))

    def test_a_soft_cap_inside_a_soft_edge_given_by_hand(self):
        def mine(p, q, k, v, x):
            near = soft_window(20 * jax.nn.sigmoid(x @ p["reach.weight"].T), 5, len(q))
            return mixed(weights(3 * jnp.tanh(scores(q, k) / 12), near), v, HEADS)

        self.check("""
attention mine(q, k, v, x) {
  score s = softcap(dot(q[i], k[j]) / sqrt(q.width), 3)
  w = 20 * sigmoid(linear(x, [q.heads, 1]) as reach)
  return softmax(s over soft((w[i] - (i - j)) / 5)) @ v
}""", mine, {"reach.weight": (HEADS, DIM)}, lambda y: 20 * sigmoid(y))

    def test_a_difference_of_two_softmaxes_of_one_score(self):
        def mine(p, q, k, v):
            s = scores(q, k) / 4
            return mixed(weights(s, causal(len(q))) - p["m"][:, :, None] * weights(s, causal(len(q)) & (delta(len(q)) < 6)), v, HEADS)

        self.check("""
attention mine(q, k, v) {
  score s = dot(q[i], k[j]) / sqrt(q.width)
  m = param([q.heads, 1], init = ones)
  return (softmax(s) - m * softmax(s over window(6))) @ v
}""", mine, {"m": (HEADS, 1)})


if __name__ == "__main__":
    unittest.main()
