"""The JAX references with products as PyTorch computes them in bf16: what error a GPU is allowed."""
import jax
import jax.numpy as jnp

from reference import attentions


class Roundings:
    """How bf16 rounds: to the nearest, or, from a seed on, at random to a near one. What bf16 holds exactly stays exact either way."""

    key = None

    @classmethod
    def seed(cls, seed):
        cls.key = None if seed is None else jax.random.key(seed)


def rounded(x):
    nearest = x.astype(jnp.bfloat16).astype(x.dtype)
    if Roundings.key is None:
        return nearest
    Roundings.key, key = jax.random.split(Roundings.key)
    shaken = x * (1 + jax.random.uniform(key, x.shape, x.dtype, -1, 1) * 2.0**-9)
    return jnp.where(x == nearest, x, shaken.astype(jnp.bfloat16).astype(x.dtype))


@jax.custom_vjp
def rounding(x):
    """Rounds to bf16, forward and backward."""
    return rounded(x)


rounding.defvjp(lambda x: (rounded(x), None), lambda _, d: (rounded(d),))


@jax.custom_vjp
def rounds_backward(x):
    """The gradient that enters a product is an operand too."""
    return x


rounds_backward.defvjp(lambda x: (x, None), lambda _, d: (rounded(d),))


class Bf16Products:
    """The reference with bf16 operands and results of products, all else in its own precision: what PyTorch would compute. With a seed
    the roundings are drawn: one evaluation tells little about a few numbers that cancel, several tell how far off one can be."""

    NAMES = ("linear", "scores", "mixed")

    def __init__(self, seed=None):
        self.seed = seed

    def __enter__(self):
        Roundings.seed(self.seed)
        self.exact = {name: getattr(attentions, name) for name in self.NAMES}
        linear, scores, mixed = (self.exact[name] for name in self.NAMES)
        attentions.linear = lambda x, w: rounds_backward(linear(rounding(x), rounding(w)))
        attentions.scores = lambda q, k: rounds_backward(scores(rounding(q), rounding(k)))
        attentions.mixed = lambda p, v, heads: rounding(mixed(rounding(p), rounding(v), heads))

    def __exit__(self, *_):
        Roundings.seed(None)
        for name, function in self.exact.items():
            setattr(attentions, name, function)
