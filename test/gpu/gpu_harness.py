"""What the tests on a GPU share: when they are skipped, and what error bf16 allows."""
import ctypes
import pathlib
import sys

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

from reference import attentions  # noqa: E402

SKIPPED = 77  # the exit status that CTest reads as skipped


def compute_capability():
    """(major, minor) of the first GPU; none without a driver or a GPU."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    major, minor = ctypes.c_int(), ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetAttribute(ctypes.byref(major), 75, 0) or driver.cuDeviceGetAttribute(ctypes.byref(minor), 76, 0):
        return None
    return major.value, minor.value


def targets():
    """The targets whose code runs on this machine's GPU."""
    capability = compute_capability()
    if capability is None or capability < (8, 0):
        return []
    return ["sm_80", "sm_90a"] if capability == (9, 0) else ["sm_80"]


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
