"""A JAX function as float32 arithmetic might evaluate it: every result of an operation that float32 cannot hold is rounded at random, and so
is every term of a sum; all else is float64.

One evaluation in float32 tells little about a few numbers that cancel: by chance it is much nearer than float32 has any right to be. Several
with other random roundings tell how far one can be. What float32 computes exactly (masks, counts, scores on a grid) stays exact, and
equal numbers are rounded alike, so that ties stay ties.
"""
import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

SUMS = ("dot_general", "reduce_sum", "cumsum", "add_any", "scatter-add")
CALLS = ("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call", "remat", "checkpoint")
STEP = 2.0**-25  # the root mean square of a rounding to float32, more or less


@jax.jit
def shaken(x, seed):
    """x times 1 + u STEP, u between -1 and 1 by the bits of x and the seed."""
    bits = jax.lax.bitcast_convert_type(x, jnp.uint64) ^ seed
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
        bits = (bits ^ (bits >> 31)) * jnp.uint64(factor)
    return x * (1 + ((bits >> 11).astype(jnp.float64) * 2.0**-52 - 1) * STEP)


@jax.jit
def rounded(exact, terms_rounded, seed):
    return jnp.where(exact == exact.astype(jnp.float32), exact, shaken(terms_rounded, seed))


def is_real(x):
    return jnp.issubdtype(jnp.result_type(x), jnp.floating)


def evaluate(jaxpr, constants, arguments, seeds):
    """Results of a jaxpr, operation by operation: to compile them together would take longer than to run them."""
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *arguments]))
    last = {x: n for n, equation in enumerate(jaxpr.eqns) for x in equation.invars if not isinstance(x, core.Literal)}
    last.update((x, len(jaxpr.eqns)) for x in jaxpr.outvars if not isinstance(x, core.Literal))

    def value(x):
        return x.val if isinstance(x, core.Literal) else values[x]

    for n, equation in enumerate(jaxpr.eqns):
        inputs, name = [value(x) for x in equation.invars], equation.primitive.name
        if name in CALLS:
            inner = next(equation.params[n] for n in ("jaxpr", "call_jaxpr") if n in equation.params)
            results = evaluate(inner.jaxpr, inner.consts, inputs, seeds)
        else:
            def run(inputs):
                found = equation.primitive.bind(*inputs, **equation.params)
                return found if equation.primitive.multiple_results else [found]

            results = run(inputs)
            seed = seeds.integers(2**64, dtype=np.uint64)
            if any(is_real(r) for r in results):
                terms = run([shaken(x, seed ^ np.uint64(n)) if is_real(x) else x for n, x in enumerate(inputs, 1)]) if name in SUMS else results
                results = [rounded(r, t, seed) if is_real(r) else r for r, t in zip(results, terms)]
        values.update(zip(equation.outvars, results))
        for x in equation.invars:
            if not isinstance(x, core.Literal) and last.get(x) == n:  # large ones do not all fit in memory together
                values.pop(x, None)
    return [value(x) for x in jaxpr.outvars]


def float32_errors(function, arguments, draws=8):
    """Of every result of function(*arguments), the largest norm of its error in some evaluations in float32; arguments are float64."""
    closed, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
    flat = jax.tree.leaves(arguments)
    exact = jax.core.eval_jaxpr(closed.jaxpr, closed.consts, *flat)
    most = np.zeros(len(exact))
    for draw in range(draws):
        results = evaluate(closed.jaxpr, closed.consts, flat, np.random.default_rng(draw))
        most = np.maximum(most, [np.linalg.norm(np.asarray(r - e)) for r, e in zip(results, exact)])
    return jax.tree.unflatten(jax.tree.structure(shape), most)
