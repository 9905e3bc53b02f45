"""The attention of every model that has more than a softmax of positions, alone: forward and all gradients against its definition
in float64 JAX and against the float64 interpreter, at lengths 1, 2, odd ones and ones beyond a tile, with grouped queries.
"""
import unittest

import jax
import jax.numpy as jnp
import numpy as np

from attention_case import DIM, HEADS, KV_HEADS, WIDTH, AttentionTest, clear_widths, sigmoid
from harness import grid
from reference import attentions

LENGTHS = (130, 33, 2, 1)


class Variants(AttentionTest):
    lengths = LENGTHS

    def test_adaptive_span_with_its_loss(self):
        def draw(inputs, values):  # spans between tokens: a kink of the soft edge lies at each integer
            values["z"] = (self.generator.integers(0, 24, (HEADS, 1)) / 24 + 0.3 / 24).astype(np.float32)

        self.compare("adaptive_span", "qkv", {"z": (HEADS, 1)}, {"adaptive_span.reach": 24, "adaptive_span.ramp": 5, "adaptive_span.price": 0.5},
                     losses=["span"], draw=draw)

    def test_document(self):
        self.compare("document", "qkv", name="by_document", reads=["doc"])

    def test_longformer(self):
        projections = {"global.q_proj.weight": (HEADS * WIDTH, DIM), "global.k_proj.weight": (KV_HEADS * WIDTH, DIM),
                       "global.v_proj.weight": (KV_HEADS * WIDTH, DIM), "global.q_norm.weight": (WIDTH,), "global.k_norm.weight": (WIDTH,)}
        for layer in (0, 2):
            self.compare("longformer", ("q", "k", "v", "x"), projections, {"longformer.mark": 3, "theta": 1e4, "layer": layer},
                         reads=["tokens"])

    def test_forgetting(self):
        self.compare("forgetting", "qkvx", {"f_proj.weight": (HEADS, DIM), "f_proj.bias": (HEADS,)})

    def test_power(self):
        self.compare("power", "qkvx", {"f_proj.weight": (HEADS, DIM), "f_proj.bias": (HEADS,)})

    def test_running_sums_of_vectors(self):
        text = """use "qwen3.mdl"
attention running(q, k, v) {
  return softmax(dot(q[i], cumsum(k)[j]) / q.width) @ cumsum(v)
}
model with_running = qwen3(mix = running)
"""

        def running(q, k, v, **_):
            s = attentions.scores(q, jnp.cumsum(k, 0)) / WIDTH
            return attentions.mixed(attentions.weights(s, attentions.causal(len(q))), jnp.cumsum(v, 0), HEADS)

        self.compare(text, "qkv", name="running", function=running)

    def test_random_numbers_of_pairs_and_tokens_and_counts_of_sets(self):
        text = """use "qwen3.mdl"
attention drawn(q, k, v, x) {
  set lucky = random(i, j - i, head, 7) < 0.3
  w = 3 + 9 * sigmoid(linear(x, [q.heads, 1]) as reach)
  n = count(lucky) + count(window(w[i], ramp = 4) & j % 3 > 0)
  return n / (1 + random(position, head)) * softmax(dot(q[i], k[j]) / 4 over lucky | i == j) @ v
}
model with_drawn = qwen3(mix = drawn)
"""

        def drawn(p, q, k, v, x, **_):
            i, head = np.arange(len(q)), np.arange(HEADS)
            lucky = (attentions.random(i[None, :, None], (i[None, :] - i[:, None])[None], head[:, None, None], 7) < 0.3) & attentions.causal(len(q))
            w = 3 + 9 * jax.nn.sigmoid(x @ p["reach.weight"].T)
            near = attentions.soft_window(w, 4, len(q)) * (i % 3 > 0)
            n = (jnp.sum(lucky, -1) + jnp.sum(near, -1)).T
            out = attentions.mixed(attentions.weights(attentions.scores(q, k) / 4, lucky | np.eye(len(q), dtype=bool)), v, HEADS)
            return (n / (1 + attentions.random(i[:, None], head)))[..., None] * out

        def draw(inputs, values):
            clear_widths(self.generator, inputs["x"], lambda x: 9 * sigmoid(x @ values["reach.weight"].T))

        self.compare(text, "qkvx", {"reach.weight": (HEADS, DIM)}, name="drawn", function=drawn, draw=draw)

    def exact(self, inputs, values):
        """Queries and keys on a grid where every score is exact in any order of summation, so that all sides choose the same."""
        for name in set(inputs) & {"q", "k", "plain_q", "plain_k"}:
            inputs[name] = grid(self.generator, inputs[name].shape).astype(np.float32)

    def test_moba(self):
        for n, odd, picks, lengths in ((16, 1, 3, LENGTHS), (5, 5, 2, (65,)), (48, 3, 1, (130,))):

            def draw(inputs, values, odd=odd):
                self.exact(inputs, values)
                inputs["k"] *= odd / 8  # blocks have means on a grid too: else two of one rank are told apart by rounding

            self.compare("moba", "qkv", name="moba", cfg={"moba.n": n, "moba.picks": picks}, draw=draw, lengths=lengths)

    def test_moba_that_picks_every_block_is_dense(self):
        def dense(q, k, v, **_):
            return attentions.dense({}, q, k, v)

        # A block is ranked once it is past, so the picks are all of those and the own one.
        self.compare("moba", "qkv", name="moba", cfg={"moba.n": 16, "moba.picks": 100}, function=dense, lengths=(65,))

    def test_bigbird(self):
        for n, layer, lengths in ((16, 0, (1, 2, 33, 230)), (6, 3, (99,))):
            self.compare("bigbird", "qkv", name="bigbird", cfg={"bigbird.n": n, "bigbird.chosen": 2, "bigbird.first": 1, "layer": layer}, lengths=lengths)

    def test_vertical_slash(self):
        for n, columns, slashes, lengths in ((16, 7, 2, LENGTHS), (8, 1, 3, (65,))):
            self.compare("vertical_slash", "qkv", draw=self.exact, lengths=lengths,
                         cfg={"vertical_slash.n": n, "vertical_slash.columns": columns, "vertical_slash.slashes": slashes})

    def test_shifts_and_holds_with_their_gradients(self):
        text = """use "qwen3.mdl"
attention moved(q, k, v) {
  return softmax(dot(shift(q, 2)[i], hold(k, 5)[j]) / 4) @ (v + shift(v, 40) + hold(v, 16))
}
model with_moved = qwen3(mix = moved)
"""

        def moved(q, k, v, **_):
            def shift(x, n):
                return jnp.concatenate([jnp.zeros((n, *x.shape[1:])), x])[: len(x)]

            def hold(x, n):
                i = np.arange(len(x)) // n * n - 1
                return jnp.where((i >= 0)[:, None, None], x[np.maximum(i, 0)], 0)

            s = attentions.scores(shift(q, 2), hold(k, 5)) / 4
            return attentions.mixed(attentions.weights(s, attentions.causal(len(q))), v + shift(v, 40) + hold(v, 16), HEADS)

        self.compare(text, "qkv", name="moved", function=moved)

    def test_products_of_two_vectors_of_one_token(self):
        text = """use "qwen3.mdl"
attention lengths(q, k, v) {
  return softmax(dot(q[i], k[j]) / 4 * sigmoid(dot(q[i], q[i]) / 16) - dot(k[j], 2 * v[j]) / 8) @ v
}
model with_lengths = qwen3(mix = lengths)
"""

        def lengths(q, k, v, **_):
            own = jax.nn.sigmoid(jnp.sum(q * q, -1) / 16).T[..., None]
            theirs = attentions.repeat_heads(jnp.sum(k * 2 * v, -1)[..., None], HEADS)[..., 0].T[:, None]
            s = attentions.scores(q, k) / 4 * own - theirs / 8
            return attentions.mixed(attentions.weights(s, attentions.causal(len(q))), v, HEADS)

        self.compare(text, "qkv", name="lengths", function=lengths)

    def test_blocks_ranked_by_their_keys(self):
        text = """use "qwen3.mdl"
attention chosen(q, k, v) {
  score s = dot(q[i], k[j]) / sqrt(q.width)
  set far = top(2, by = s over i - j >= 3, unit = UNIT, reduce = KIND, always = j < 3) & i - j < 60
  return count(far) * softmax(s over far) @ v
}
model with_chosen = qwen3(mix = chosen)
"""
        for n, reduce in ((16, "max"), (7, "sum"), (24, "mean"), (1, "max")):

            def chosen(q, k, v, n=n, reduce=reduce, **_):
                s, back, i = attentions.scores(q, k) / np.sqrt(WIDTH), attentions.delta(len(q)), np.arange(len(q))
                rank, part = attentions.rank_units(s, back >= 3, n, reduce)
                first = attentions.in_units(jnp.broadcast_to((i[None] < 3) & (back >= 0), s.shape), n, False).any(-1)
                far = attentions.best_units(rank, part, first, 2, n, len(q)) & (back >= 0) & (back < 60)
                return jnp.sum(far, -1).T[..., None] * attentions.mixed(attentions.weights(s, far), v, HEADS)

            self.compare(text.replace("UNIT", str(n)).replace("KIND", reduce), "qkv", name="chosen", function=chosen, draw=self.exact,
                         lengths=LENGTHS if n == 16 else (67,))

    def test_forward_and_backward_choose_the_same_blocks_on_ordinary_inputs(self):
        """With v the identity, out is the matrix of weights and d_v its transpose as the backward computes it."""
        length = 200
        identity = np.broadcast_to(np.eye(length, dtype=np.float32)[:, None], (length, 1, length))[None]
        for how in ("by = s, unit = 8, reduce = max", "by = s, unit = 24, reduce = sum", "by = s, unit = 12, reduce = mean",
                    "by = dot(q[i], pool(k, 16, by = mean)[j]), always = i - j < 3"):
            library = self.compile(f"""use "qwen3.mdl"
attention chosen(q, k, v) {{
  score s = dot(q[i], k[j]) / sqrt(q.width)
  return softmax(s over top(3, {how})) @ v
}}
model with_chosen = qwen3(mix = chosen)
""", ["vocab=64", "layers=1", "ffn=32"], [("chosen", {"q": f"1x{WIDTH}", "k": f"1x{WIDTH}", "v": f"1x{length}"})])
            q, k = (self.generator.normal(size=(1, length, 1, WIDTH)).astype(np.float32) for _ in "qk")
            found = self.call(library, "chosen", {"q": q, "k": k, "v": identity}, {"out": identity})
            forward, backward = found["out"].reshape(length, length) > 0, found["d_v"].reshape(length, length).T > 0
            self.assertGreater(forward.sum(), length)
            np.testing.assert_array_equal(forward, backward, how)

    def test_ablations_of_caa(self):
        gate = {"gate_in.weight": (DIM // 8, DIM), "gate_out.weight": (2 * HEADS, DIM // 8), "gate_out.bias": (2 * HEADS,)}
        own = {"far_k_proj.weight": (KV_HEADS * WIDTH, DIM), "far_v_proj.weight": (KV_HEADS * WIDTH, DIM), "far_k_norm.weight": (WIDTH,)}
        norms = {"near_norm.weight": (WIDTH,), "far_norm.weight": (WIDTH,)}

        def draw(inputs, values):  # widths stay away from integers, where the edge has kinks; positions do not turn
            self.exact(inputs, values)
            values["gate_out.weight"][1::2] = 0
            width = self.generator.integers(7, 20, HEADS) + 0.4
            values["gate_out.bias"][1::2] = -np.log(14 / (width - 6) - 1)

        for more, extra in (({}, {}), ({"overlap": False}, {}), ({"unit": 8}, {}), ({"unit": 8, "overlap": False}, {}),
                            ({"unit": 8, "pooled": True}, {}), ({"unit": 8, "pooled": True, "overlap": False, "c": 3}, {}),
                            ({"branch_norm": True}, norms), ({"branch_kv": True, "c": 1000}, own),
                            ({"nope": True, "unit": 8}, {}), ({"fixed_gate": True, "overlap": False}, {"gate_bias": (HEADS, 1)})):
            cfg = {"caa.least": 6, "caa.most": 20, "caa.ramp": 4, "theta": 1e4} | {"caa." + n: v for n, v in more.items()}
            self.compare("caa_ablations", ("plain_q", "plain_k", "v", "x"), gate | extra, cfg, attentions.caa_ablations, "caa", reads=["position"],
                         draw=draw, lengths=(1, 2, 65) if extra == {} and "overlap" not in more else (65,))

    def test_fast_dense(self):
        for p in (1, 2):
            self.compare("fast_dense", "qkv", name="fast", cfg={"fast.p": p})


if __name__ == "__main__":
    unittest.main()
