"""Every built-in that can be compiled means what the language says: forward against its formula in NumPy float64, gradients
against central differences of that formula. Each case is a block or an attention of its own, called alone."""
import unittest

import numpy as np

from harness import ModelTest, check
from programs import SEED
from reference.attentions import random

HEADS, WIDTH, BATCH, LENGTH = 4, 6, 2, 5


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def groups(x, to, reduce):
    """Consecutive heads together: [.., H, n] to [.., to, n]."""
    return reduce(x.reshape(*x.shape[:2], to, -1, x.shape[-1]), axis=3)


def rope(x, theta):
    half = x.shape[-1] // 2
    angle = np.arange(x.shape[1])[:, None] * theta ** (-np.arange(half) / half)
    c, s = np.cos(angle)[None, :, None], np.sin(angle)[None, :, None]
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * c - b * s, b * c + a * s], axis=-1)


def serve(x, heads):
    """Each of the fewer heads serves a consecutive group."""
    return np.repeat(x, heads // x.shape[2], axis=2)


def position():
    return np.arange(LENGTH)[None, :, None, None]


HEAD = np.arange(HEADS)[None, None, :, None]

# body -> formula of x, y [batch, length, HEADS, WIDTH] and z [batch, length, 2, 1]
BLOCKS = {
    "x + y * 2 - 3 / y": lambda x, y, z: x + y * 2 - 3 / y,
    "-x ^ 2 + 2 ^ -x ^ 2": lambda x, y, z: -(x**2) + 2.0 ** -(x**2),
    "abs(y) ^ x + y ^ 3 + y ^ -2": lambda x, y, z: np.abs(y) ** x + y**3 + y**-2,
    "exp(x) + log(abs(y)) + sqrt(abs(y)) + log2(abs(y))":
        lambda x, y, z: np.exp(x) + np.log(np.abs(y)) + np.sqrt(np.abs(y)) + np.log2(np.abs(y)),
    "floor(3 * x) + ceil(3 * y) * x": lambda x, y, z: np.floor(3 * x) + np.ceil(3 * y) * x,
    "x div y + x % y": lambda x, y, z: np.floor(x / y) + x - y * np.floor(x / y),
    "min(x, y) * max(x, y, 0.25)": lambda x, y, z: np.minimum(x, y) * np.maximum(np.maximum(x, y), 0.25),
    "sigmoid(x) * log_sigmoid(y)": lambda x, y, z: sigmoid(x) * np.log(sigmoid(y)),
    "silu(x) + gelu(y)": lambda x, y, z: x * sigmoid(x) + gelu(y),
    "relu(x) + elu(y) + tanh(x) + softplus(y)":
        lambda x, y, z: np.maximum(x, 0) + np.where(y > 0, y, np.expm1(np.minimum(y, 0))) + np.tanh(x) + np.log1p(np.exp(y)),
    "softcap(x, 2) + softcap(y, abs(x) + 1)":
        lambda x, y, z: 2 * np.tanh(x / 2) + (np.abs(x) + 1) * np.tanh(y / (np.abs(x) + 1)),
    "where(x > y & !(y < 0.5) | x == y, x * y, log(abs(y)))":
        lambda x, y, z: np.where((x > y) & (y >= 0.5), x * y, np.log(np.abs(y))),
    "x * z + where(head < 2, 1, head / 3) * y":
        lambda x, y, z: x * serve(z, HEADS) + np.where(HEAD < 2, 1, HEAD / 3) * y,
    "x * (position % 3) + y * (position div 2) + (position - 2) % 3 / 4":
        lambda x, y, z: x * (position() % 3) + y * (position() // 2) + (position() - 2) % 3 / 4,
    "unit_norm(x) + y": lambda x, y, z: x / np.sqrt(np.sum(x**2, -1, keepdims=True) + 1e-6) + y,
    "dot(x, y) * x": lambda x, y, z: np.sum(x * y, -1, keepdims=True) * x,
    "dot(x, z) + sum(y)": lambda x, y, z: np.sum(x * serve(z, HEADS) + y, -1, keepdims=True),
    "rope(x, 100) * y": lambda x, y, z: rope(x, 100.0) * y,
    "concat(x, 2, z, y)":
        lambda x, y, z: np.concatenate([x, np.full_like(x[..., :1], 2), serve(z, HEADS), y], axis=-1),
    "reshape(x, [3, 8]) * 2": lambda x, y, z: x.reshape(BATCH, LENGTH, 3, 8) * 2,
    "sum_heads(x, to = 2) + mean_heads(y)": lambda x, y, z: groups(x, 2, np.sum) + groups(y, 1, np.mean),
    "pick(x, 2) + pick(y, 17)": lambda x, y, z: x[..., 2:3] + y[..., -1:],
    "x + fp32(x * y)": lambda x, y, z: x + x * y,
}


def causal(i, j):
    return j <= i


def softmax(s, member):
    """Over the last axis; 0 where nothing is a member."""
    member = member * np.ones_like(s)
    e = np.exp(np.where(member > 0, s, -np.inf)) * member
    total = np.sum(e, -1, keepdims=True)
    return e / np.where(total == 0, 1, total)


def apply(p, v):
    return np.einsum("bhij,bjhn->bihn", p, v)


def scores(x, y):
    return np.einsum("bihn,bjhn->bhij", x, y)


I, J = np.arange(LENGTH)[None, None, :, None], np.arange(LENGTH)[None, None, None, :]


def by_query(x):
    """[batch, length, heads, 1] as [batch, heads, i, 1]."""
    return np.moveaxis(x[..., 0], 1, 2)[..., None]


def by_key(x):
    return np.moveaxis(x[..., 0], 1, 2)[..., None, :]


def back(x):
    """[batch, heads, i, 1] as [batch, length, heads, 1]."""
    return np.moveaxis(x, 1, 2)


def z4(z):
    return serve(z, HEADS)


def soft_window(z):
    return np.clip((by_query(z4(z)) + 2.3 - (I - J)) / 2, 0, 1) * causal(I, J)


# body -> formula; s is dot(x[i], y[j]) / 2
ATTENTIONS = {
    "softmax(s) @ y": lambda x, y, z, s: apply(softmax(s, causal(I, J)), y),
    "softmax(s over window(2) | j < 1) @ y":
        lambda x, y, z, s: apply(softmax(s, causal(I, J) & ((I - J < 2) | (J < 1))), y),
    "softmax(s over !window(2) & i % 2 == 0) @ y":
        lambda x, y, z, s: apply(softmax(s, causal(I, J) & (I - J >= 2) & (I % 2 == 0)), y),
    "softmax(s over window(z[i] + 2.3, ramp = 2)) @ y": lambda x, y, z, s: apply(softmax(s, soft_window(z)), y),
    "softmax(s over soft(z[i] + 1) | window(z[i] + 2.3, ramp = 2)) @ y": lambda x, y, z, s: apply(
        softmax(s, (lambda a, b: (a + b - a * b) * causal(I, J))(np.clip(by_query(z4(z)) + 1, 0, 1), soft_window(z))), y),
    "softmax(s over !soft(z[j] + 0.5) & i - j < 4) @ y": lambda x, y, z, s: apply(
        softmax(s, (1 - np.clip(by_key(z4(z)) + 0.5, 0, 1)) * causal(I, J) * (I - J < 4)), y),
    "softmax(tanh(s) - (i - j) * (head + 1) / 8 + z[j], sink = z[i]) @ y": lambda x, y, z, s: (
        lambda t: apply(np.where(causal(I, J), np.exp(t), 0) /
                        (np.exp(by_query(z4(z))) + np.sum(np.where(causal(I, J), np.exp(t), 0), -1, keepdims=True)), y))(
        np.tanh(s) - (I - J) * (np.arange(HEADS)[:, None, None] + 1) / 8 + by_key(z4(z))),
    "normalize(1 + s ^ 2 over j > 0) @ y": lambda x, y, z, s: (
        lambda w: apply(w / np.where(w.sum(-1, keepdims=True) == 0, 1, w.sum(-1, keepdims=True)), y))(
        (1 + s**2) * causal(I, J) * (J > 0)),
    "(s over window(3)) @ y": lambda x, y, z, s: apply(s * causal(I, J) * (I - J < 3), y),
    "(2 * softmax(s) - z[i] * softmax(s over window(2)) / 3) @ y": lambda x, y, z, s: apply(
        2 * softmax(s, causal(I, J)) - by_query(z4(z)) * softmax(s, causal(I, J) & (I - J < 2)) / 3, y),
    "sum(s over window(3)) * x": lambda x, y, z, s: back(np.sum(s * causal(I, J) * (I - J < 3), -1, keepdims=True)) * x,
    "max(s) + x": lambda x, y, z, s: back(np.max(np.where(causal(I, J), s, -np.inf), -1, keepdims=True)) + x,
    "logsumexp(s) * x":
        lambda x, y, z, s: back(np.log(np.sum(np.where(causal(I, J), np.exp(s), 0), -1, keepdims=True))) * x,
    "(count(visible) + count(i - j < 3 & j % 2 == 0)) * x": lambda x, y, z, s: back(np.broadcast_to(
        np.sum(causal(I, J) * (1 + (I - J < 3) * (J % 2 == 0)), -1, keepdims=True), (BATCH, HEADS, LENGTH, 1))) * x,
    "count(window(z[i] + 2.3, ramp = 2)) * x":
        lambda x, y, z, s: back(np.sum(soft_window(z), -1, keepdims=True)) * x,
}


def numeric(f, inputs, gradient, step=1e-6):
    """Central differences of sum(f * gradient) by every component of every input."""
    result = {}
    for name, value in inputs.items():
        slope = np.zeros_like(value)
        for at in np.ndindex(value.shape):
            old = value[at]
            value[at] = old + step
            above = np.sum(f(**inputs) * gradient)
            value[at] = old - step
            below = np.sum(f(**inputs) * gradient)
            value[at] = old
            slope[at] = (above - below) / (2 * step)
        result[name] = slope
    return result


class Functions(ModelTest):
    def setUp(self):
        super().setUp()
        self.generator = np.random.default_rng(SEED)

    def inputs(self):
        """Random inputs, none within 1e-3 of a kink or a jump of a formula above."""
        draw = self.generator.normal
        x, y, z = draw(size=(BATCH, LENGTH, HEADS, WIDTH)), draw(size=(BATCH, LENGTH, HEADS, WIDTH)), draw(size=(BATCH, LENGTH, 2, 1)) / 3
        whole = lambda v: np.abs(v - np.round(v)) < 1e-3
        while True:
            bad = whole(3 * x) | whole(3 * y) | whole(x / y) | (np.abs(y) < 0.2) | (np.abs(x - 0.25) < 1e-3) | \
                (np.abs(y - 0.25) < 1e-3) | (np.abs(y - 0.5) < 1e-3) | (np.abs(x) < 1e-3)
            off = whole(z + 0.3) | whole(2 * z)
            if not bad.any() and not off.any():
                break
            x[bad], y[bad], z[off] = draw(size=bad.sum()), draw(size=bad.sum()), draw(size=off.sum()) / 3
        return {n: v.astype(np.float32).astype(np.float64) for n, v in (("x", x), ("y", y), ("z", z))}

    def compare(self, library, name, body, formula):
        inputs = self.inputs()
        expected = formula(**inputs)
        gradient = self.generator.normal(size=expected.shape).astype(np.float32).astype(np.float64)
        flat = lambda v: v[:, :, 0] if v.shape[2] == 1 and v.shape[3] != 1 else v
        answer = self.call(library, name, inputs, {"out": flat(gradient)})
        with self.subTest(body):
            check(answer["out"], flat(expected), 2e-6, f"out of {body}")
            for variable, slope in numeric(formula, inputs, gradient).items():
                found = answer.get(f"d_{variable}", np.zeros_like(slope))
                natural = np.linalg.norm(gradient) if not slope.any() else 0
                check(found, slope, 2e-5, f"d_{variable} of {body}", natural)

    def compile_all(self, kind, bodies, score=""):
        text = "".join(f"{kind} f{n}(x, y, z) {{\n{score}  return {body}\n}}\n" for n, body in enumerate(bodies))
        vectors = {"x": f"{HEADS}x{WIDTH}", "y": f"{HEADS}x{WIDTH}", "z": "2x1"}
        return self.compile(text, (), [(f"f{n}", vectors) for n in range(len(bodies))])

    def test_functions_at_one_token_follow_their_formulas(self):
        library = self.compile_all("block", BLOCKS)
        for n, (body, formula) in enumerate(BLOCKS.items()):
            self.compare(library, f"f{n}", body, formula)

    def test_reductions_over_keys_follow_their_formulas(self):
        library = self.compile_all("attention", ATTENTIONS, "  score s = dot(x[i], y[j]) / 2\n")
        for n, (body, formula) in enumerate(ATTENTIONS.items()):
            self.compare(library, f"f{n}", body, lambda x, y, z, f=formula: f(x, y, z, scores(x, y) / 2))

    def test_each_of_several_outputs_has_a_gradient_which_is_0_where_not_given(self):
        library = self.compile("block f0(x, y, z) {\n  return x * y, y + z\n}\n", (),
                               [("f0", {"x": f"{HEADS}x{WIDTH}", "y": f"{HEADS}x{WIDTH}", "z": "2x1"})])
        inputs = self.inputs()
        x, y, z = (inputs[name] for name in "xyz")
        first, second = (self.generator.normal(size=x.shape).astype(np.float32) for _ in range(2))
        for oracle in (False, True):
            both = self.call(library, "f0", inputs, {"out": first, "out.1": second}, oracle)
            check(both["out"], x * y, 1e-6, "out")
            check(both["out.1"], y + serve(z, HEADS), 1e-6, "out.1")
            check(both["d_y"], first * x + second, 1e-6, "d_y")
            alone = self.call(library, "f0", inputs, {"out.1": second}, oracle)
            self.assertFalse(alone["d_x"].any())
            check(alone["d_y"], second, 1e-6, "d_y of the second output alone")

    def test_a_value_may_be_returned_twice_and_in_part(self):
        library = self.compile("block f0(x, y, z) {\n  t = where(x > 0.25 | head == 0, y, x)\n  return t, t, pick(t * random(position), 2)\n}\n", (),
                               [("f0", {"x": f"{HEADS}x{WIDTH}", "y": f"{HEADS}x{WIDTH}", "z": "2x1"})])
        inputs = self.inputs()
        chosen = (inputs["x"] > 0.25) | (HEAD == 0)
        t = np.where(chosen, inputs["y"], inputs["x"])
        first, second = (self.generator.normal(size=t.shape).astype(np.float32) for _ in range(2))
        for oracle in (False, True):
            found = self.call(library, "f0", inputs, {"out": first, "out.1": second}, oracle)
            check(found["out.1"], t, 1e-6, "out.1")
            check(found["out.2"], t[..., 2:3] * random(position()), 1e-6, "out.2")
            check(found["d_y"], np.where(chosen, first + second, 0), 1e-6, "d_y")

    def test_a_stopped_score_weighs_and_sends_no_gradient(self):
        library = self.compile_all("attention", ["softmax(s + stop(s)) @ y"], "  score s = dot(x[i], y[j]) / 2\n")
        inputs = self.inputs()
        frozen = scores(inputs["x"], inputs["y"]) / 2  # a constant of the formula

        def formula(x, y, z):
            return apply(softmax(scores(x, y) / 2 + frozen, causal(I, J)), y)

        gradient = self.generator.normal(size=inputs["x"].shape).astype(np.float32).astype(np.float64)
        answer = self.call(library, "f0", inputs, {"out": gradient})
        check(answer["out"], formula(**inputs), 2e-6, "out")
        slopes = numeric(formula, inputs, gradient)
        for variable in ("x", "y"):
            check(answer[f"d_{variable}"], slopes[variable], 2e-5, f"d_{variable}")


if __name__ == "__main__":
    unittest.main()
