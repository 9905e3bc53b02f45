"""An attention alone, called by name, against its definition in JAX and against the float64 interpreter: output, losses, all gradients."""
import jax
import numpy as np

from harness import ModelTest
from programs import SEED
from reference import attentions
from reference.definition import Definition

HEADS, KV_HEADS, WIDTH, DIM = 4, 2, 16, 24
VECTORS = {"q": (HEADS, WIDTH), "k": (KV_HEADS, WIDTH), "v": (KV_HEADS, WIDTH), "x": (1, DIM),
           "plain_q": (HEADS, WIDTH), "plain_k": (KV_HEADS, WIDTH)}
SIZES = ["layers=1", "vocab=64", "ffn=32"]


def definition(function, inputs, parameters, d_out, d_losses, **constants):
    """`function` of one row, mapped over rows; losses are means."""
    def run(inputs, parameters):
        def row(inputs):
            result = function(p=parameters, **{n: v[:, 0] if n == "x" else v for n, v in inputs.items()}, **constants)
            return result if isinstance(result, tuple) else (result, {})

        out, losses = jax.vmap(row)(inputs)
        return out, {n: v.mean() for n, v in losses.items()}

    def all_of_it(inputs, parameters, d_out, d_losses):
        (out, losses), pull = jax.vjp(run, inputs, parameters)
        d_inputs, d_parameters = pull((d_out, d_losses))
        return {"out": out, **losses, **{"d_" + n: g for n, g in (d_inputs | d_parameters).items()}}

    return Definition(all_of_it, inputs, parameters, d_out, d_losses)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def clear_widths(generator, x, widths):
    """Draws rows of x [.., 1, DIM] again until no width is within 1e-3 of an integer, where a soft edge has a kink."""
    while True:
        w = widths(x)
        bad = np.any(np.abs(w - np.round(w)) < 1e-3, axis=-1)
        if not bad.any():
            return
        x[bad] = generator.normal(size=x[bad].shape)


class AttentionTest(ModelTest):
    lengths = ()  # the longest first: what cannot be compiled there fails soonest

    def setUp(self):
        super().setUp()
        self.generator = np.random.default_rng(SEED)

    def compare(self, model, vectors, parameters=None, cfg=None, function=None, name=None, losses=(), reads=(), lengths=None, draw=None, sets=(), rows=1):
        """`parameters`: shapes by short names. `cfg`: constants, of the attention `name` where they do not say whose they are. `reads`: which
        of tokens, doc and position the attention reads. `draw(inputs, values)` may change random inputs and parameters."""
        name, cfg, parameters = name or model, cfg or {}, parameters or {}
        constants = (f"{n if '.' in n else name + '.' + n}={v}" for n, v in cfg.items())
        library = self.compile(model, [*SIZES, *sets, *(c.replace("True", "true").replace("False", "false") for c in constants)],
                               [(name, {n: "{}x{}".format(*VECTORS[n]) for n in vectors})])
        for length in lengths or self.lengths:
            normal = self.generator.normal
            inputs = {n: normal(size=(rows, length, *VECTORS[n])).astype(np.float32) for n in vectors}
            values = {n: (normal(size=shape) * 0.3).astype(np.float32) for n, shape in parameters.items()}
            if draw:
                draw(inputs, values)
            integers = {"tokens": self.generator.integers(0, 6, length), "doc": np.cumsum(self.generator.random(length) < 0.1),
                        "position": np.zeros(length, int)}
            d_out = normal(size=(rows, length, HEADS, WIDTH)).astype(np.float32)
            d_losses = {n: np.float32(normal()) for n in losses}
            expected = definition(function or getattr(attentions, name), inputs, values, d_out, d_losses, layer=cfg.get("layer", 0), cfg=cfg, **integers)
            given = inputs | values | {n: np.broadcast_to(v[None, :, None, None], (rows, length, 1, 1)) for n, v in integers.items() if n in reads}
            gradients = {"out": d_out, **{n: np.reshape(v, (1,)) for n, v in d_losses.items()}}
            for oracle in (False, True):
                found = self.call(library, name, given, gradients, oracle=oracle)
                self.assertEqual(set(found), set(expected.results))
                for tensor, value in expected.results.items():
                    expected.check(tensor, found[tensor].reshape(value.shape),
                                   f"{name}, length {length}, {'interpreter' if oracle else 'compiled'}: {tensor}", 2e-7 if oracle else 1e-5)
