"""A JAX function as float32 arithmetic might evaluate it: in float64, where whatever reads a number sees it off by about what float32 rounds
off in making it.

One evaluation in float32 tells little about a few numbers that cancel: by chance it is much nearer than float32 has any right to be. Several
with other random errors tell how far one can be. Each reader sees another error, so that what cancels in one formula, yet not in another
that is as good (a softmax's gradient and its row sums), leaves as much as it may. A sum is off by a rounding of each term. What float32
computes exactly (masks, counts, scores on a grid) stays exact; comparisons all see the same error, so that ties stay ties.
"""
import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

STEP = 2.0**-24  # the most that rounding to float32 changes a number by
SUMS = ("dot_general", "reduce_sum", "cumsum")
READERS = (*SUMS, "add", "sub", "mul", "div", "add_any", "scatter-add", "exp", "log", "log1p", "tanh", "logistic", "sqrt", "rsqrt", "pow", "integer_pow",
           "square", "sin", "cos", "erf")
MOVES = ("broadcast_in_dim", "reshape", "transpose", "squeeze", "slice", "concatenate", "pad", "rev", "gather", "select_n", "neg", "copy", "dynamic_slice",
         "expand_dims")
CALLS = ("jit", "pjit", "closed_call", "custom_jvp_call", "custom_vjp_call", "remat", "checkpoint")


def is_real(x):
    return jnp.issubdtype(jnp.result_type(x), jnp.floating)


@jax.jit
def shaken(x, error, seed):
    """x + u error, u between -1 and 1 by the size of x and the seed."""
    bits = jax.lax.bitcast_convert_type(jnp.abs(x), jnp.uint64) ^ seed
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
        bits = (bits ^ (bits >> 31)) * jnp.uint64(factor)
    return x + ((bits >> 11).astype(jnp.float64) * 2.0**-52 - 1) * error


@jax.jit
def rounding(x, size):
    """The most that a result is off by, `size` what it was before it cancelled."""
    return jnp.where((x == x.astype(jnp.float32)) | ~jnp.isfinite(x), 0.0, STEP * jnp.maximum(jnp.abs(x), size))


def evaluate(jaxpr, constants, arguments, seeds, seed):
    """Results of a jaxpr, operation by operation: to compile them together would take longer than to run them. Every real number is a pair of
    a value and its error; `seed` is that of comparisons."""
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *arguments]))
    last = {x: n for n, equation in enumerate(jaxpr.eqns) for x in equation.invars if not isinstance(x, core.Literal)}
    last.update((x, len(jaxpr.eqns)) for x in jaxpr.outvars if not isinstance(x, core.Literal))

    def value(x):
        return (x.val, None) if isinstance(x, core.Literal) else values[x]

    def seen(pair, seed):
        return pair[0] if pair[1] is None else shaken(*pair, seed)

    for n, equation in enumerate(jaxpr.eqns):
        inputs, name = [value(x) for x in equation.invars], equation.primitive.name

        def run(inputs):
            found = equation.primitive.bind(*inputs, **equation.params)
            return found if equation.primitive.multiple_results else [found]

        if name in CALLS:
            inner = next(equation.params[n] for n in ("jaxpr", "call_jaxpr") if n in equation.params)
            results = evaluate(inner.jaxpr, [(c, None) for c in inner.consts], inputs, seeds, seed)
        elif name in MOVES:
            errors = [None]
            if any(e is not None for _, e in inputs):
                errors = run([x if not is_real(x) else jnp.zeros_like(x) if e is None else e for x, e in inputs])
            results = [(run([x for x, _ in inputs])[0], None if errors[0] is None else jnp.abs(errors[0]))]
        else:
            own = seeds.integers(2**64, size=len(inputs), dtype=np.uint64) if name in READERS else [seed] * len(inputs)
            read = [seen(pair, s) for pair, s in zip(inputs, own)]
            results = run(read)
            if name in READERS and is_real(results[0]):
                size = jnp.sqrt(run([jnp.square(x) for x in read])[0]) if name in SUMS else 0.0
                results = [(results[0], rounding(results[0], size))]
            else:
                results = [(r, None) for r in results]
        values.update(zip(equation.outvars, results))
        for x in equation.invars:
            if not isinstance(x, core.Literal) and last.get(x) == n:  # large ones do not all fit in memory together
                values.pop(x, None)
    return [value(x) for x in jaxpr.outvars]


def float32_errors(function, arguments, exact, draws):
    """Of every result of function(*arguments), a dictionary, the largest norm of its error in some evaluations in float32. Arguments and
    the exact results are float64."""
    traced, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
    tree, flat = jax.tree.structure(shape), jax.tree.leaves(arguments)
    most = dict.fromkeys(exact, 0.0)
    for draw in range(draws):
        seeds = np.random.default_rng(draw)
        seed = seeds.integers(2**64, dtype=np.uint64)
        results = evaluate(traced.jaxpr, [(c, None) for c in traced.consts], [(x, None) for x in flat], seeds, seed)
        results = jax.tree.unflatten(tree, [x if e is None else shaken(x, e, seed) for x, e in results])
        most = {name: max(most[name], np.linalg.norm(np.asarray(results[name]) - exact[name])) for name in exact}
    return most
