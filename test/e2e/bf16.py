"""The JAX references with products as PyTorch computes them in bf16: what error a GPU is allowed."""
import jax
import jax.numpy as jnp

from reference import attentions


def rounded(x):
    return x.astype(jnp.bfloat16).astype(x.dtype)


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
    """The reference with bf16 operands and results of products, all else in its own precision: what PyTorch would compute."""

    NAMES = ("linear", "scores", "mixed")

    def __enter__(self):
        self.exact = {name: getattr(attentions, name) for name in self.NAMES}
        linear, scores, mixed = (self.exact[name] for name in self.NAMES)
        attentions.linear = lambda x, w: rounds_backward(linear(rounding(x), rounding(w)))
        attentions.scores = lambda q, k: rounds_backward(scores(rounding(q), rounding(k)))
        attentions.mixed = lambda p, v, heads: rounding(mixed(rounding(p), rounding(v), heads))

    def __exit__(self, *_):
        for name, function in self.exact.items():
            setattr(attentions, name, function)
