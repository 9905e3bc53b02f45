"""A formula in JAX that something of ours is to compute: its results in float64, and how near to them a float32 computation has to be."""
import jax
import jax.numpy as jnp
import numpy as np

from .rounding import float32_errors

jax.config.update("jax_enable_x64", True)


def in_float64(x):
    x = jnp.asarray(x)
    return x.astype(jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x


class Definition:
    """`function(*arguments)`, a dictionary of results, in float64."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, jax.tree.map(in_float64, arguments)
        self.results = {name: np.asarray(value) for name, value in jax.jit(function)(*self.arguments).items()}
        self.plain = {}

    def check(self, name, actual, what, limit=1e-5):
        """Asserts that the norm of the error is at most `limit` times that of the result, or at most four times that of a plain
        evaluation in float32. What cancels has errors beside which little remains; the second limit is for that, and evaluated on demand:
        a few times, and some more before anything is found wrong (a selection may hang on a rounding that is rarely drawn).
        """
        exact, actual = self.results[name], np.asarray(actual, np.float64)
        assert actual.shape == exact.shape, (what, actual.shape, exact.shape)
        assert np.all(np.isfinite(actual)), f"{what}: not finite"
        error, size = np.linalg.norm(actual - exact), np.linalg.norm(exact)
        if error <= limit * size:
            return
        for draws in (8, 50):
            if draws not in self.plain:
                self.plain[draws] = float32_errors(self.function, self.arguments, self.results, draws)
            plain = self.plain[draws][name]
            if error <= 4 * plain:
                return
        raise AssertionError(f"{what}: an error of norm {error:.3g} in {size:.3g}, more than {limit:.3g} of that and more than four times "
                             f"{plain:.3g} as of plain float32")
