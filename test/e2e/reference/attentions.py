"""Every attention of models/, written again from its paper in JAX: one function each, dense masks, no cleverness.

Arguments: p (the layer's parameters by their short names), q, k, v after norm and rotation and plain_q, plain_k before it
([T, heads, width]), x ([T, dim]), tokens and doc ([T]), cfg (the model's constants), layer. Result: [T, heads, width], or that
and a dictionary of the losses of the layer.
"""
import jax
import jax.numpy as jnp
import numpy as np


def rope(x, theta, positions=None):
    """Half-split rotation of [T, heads, width]."""
    width = x.shape[-1]
    positions = jnp.arange(x.shape[0]) if positions is None else positions
    angle = positions[:, None] * theta ** (-2.0 * jnp.arange(width // 2) / width)
    cos, sin = jnp.cos(angle)[:, None], jnp.sin(angle)[:, None]
    a, b = x[..., : width // 2], x[..., width // 2 :]
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def rms_norm(x, weight, eps=1e-6):
    return x / jnp.sqrt(jnp.mean(x * x, -1, keepdims=True) + eps) * weight


def repeat_heads(x, heads):
    return jnp.repeat(x, heads // x.shape[1], axis=1)


def linear(x, weight):
    return x @ weight.T


def scores(q, k):
    """<q_i, k_j> per head: [heads, T, T]."""
    return jnp.einsum("ihd,jhd->hij", q, repeat_heads(k, q.shape[1]))


def delta(length):
    """i - j."""
    return jnp.arange(length)[:, None] - jnp.arange(length)[None, :]


def causal(length):
    return delta(length) >= 0


def weights(s, member, sink=None):
    """softmax of s where member (truth values or weights in [0, 1]); all 0 over an empty set."""
    member = jnp.broadcast_to(member, s.shape).astype(s.dtype)
    most = jnp.max(jnp.where(member > 0, s, -jnp.inf), -1, keepdims=True)
    most = jax.lax.stop_gradient(jnp.where(jnp.isfinite(most), most, 0.0))
    if sink is not None:
        most = jnp.maximum(most, jax.lax.stop_gradient(sink))
    e = member * jnp.exp(jnp.where(member > 0, s - most, 0.0))
    total = jnp.sum(e, -1, keepdims=True) + (0 if sink is None else jnp.exp(sink - most))
    return e / jnp.where(total > 0, total, 1.0)


def mixed(p, v, heads):
    return jnp.einsum("hij,jhd->ihd", p, repeat_heads(v, heads))


def soft_window(w, ramp, length):
    """clip((w_i - (i - j)) / ramp, 0, 1) for j <= i, with slope 0 at both kinks. w: [T, heads]."""
    t = (w.T[:, :, None] - delta(length)[None]) / ramp
    inside = (t > 0) & (t < 1)
    return jnp.where(causal(length)[None], jnp.where(inside, t, jax.lax.stop_gradient(jnp.clip(t, 0, 1))), 0.0)


def top(s, member, k):
    """{j : s_ij >= the k_i-th largest member}, ties kept. k: [T] or [T, heads]."""
    member = jnp.broadcast_to(member, s.shape)
    k = jnp.broadcast_to(jnp.asarray(k).T, s.shape[:2]) if jnp.ndim(k) == 2 else jnp.broadcast_to(jnp.asarray(k), s.shape[:2])
    ranked = -jnp.sort(-jnp.where(member, s, -jnp.inf), -1)
    place = jnp.clip(k.astype(int) - 1, 0, s.shape[-1] - 1)
    tau = jnp.take_along_axis(ranked, place[..., None], -1)
    tau = jnp.where((k < 1)[..., None], jnp.inf, tau)
    return jax.lax.stop_gradient((s >= tau) & member)


def dense(p, q, k, v, **_):
    s = scores(q, k) / jnp.sqrt(q.shape[-1])
    return mixed(weights(s, causal(len(q))), v, q.shape[1])


def local(p, q, k, v, cfg, **_):
    s = scores(q, k) / jnp.sqrt(q.shape[-1])
    near = causal(len(q)) & (delta(len(q)) < cfg.get("local.w", 512))
    return mixed(weights(s, near), v, q.shape[1])


def caa(p, q, k, v, x, cfg, **_):
    length, heads, width = q.shape
    least, most = cfg.get("caa.least", 256), cfg.get("caa.most", 512)
    ramp, c = cfg.get("caa.ramp", 32), cfg.get("caa.c", 1)
    s = scores(q, k) / jnp.sqrt(width)
    hidden = jax.nn.silu(linear(x, p["gate_in.weight"]))
    z = (linear(hidden, p["gate_out.weight"]) + p["gate_out.bias"]).reshape(length, heads, 2)
    g = jax.nn.sigmoid(8 * jnp.tanh(z[..., 0] / 8))
    w = least + (most - least) * jax.nn.sigmoid(z[..., 1])
    near = mixed(weights(s, soft_window(w, ramp, length)), v, heads)
    kept = jnp.ceil(c * jnp.sqrt(jnp.arange(1, length + 1)))
    far = mixed(weights(s, top(s, causal(length), kept)), v, heads)
    return g[..., None] * near + (1 - g[..., None]) * far


def gated(p, q, k, v, x, **_):
    gate = jax.nn.sigmoid(linear(x, p["g_proj.weight"])).reshape(len(q), q.shape[1], v.shape[2])
    return gate * dense(p, q, k, v)


def streaming(p, q, k, v, cfg, **_):
    s = scores(q, k) / jnp.sqrt(q.shape[-1])
    length = len(q)
    kept = (delta(length) < cfg.get("streaming.w", 512)) | (jnp.arange(length) < cfg.get("streaming.kept", 4))[None]
    return mixed(weights(s, causal(length) & kept), v, q.shape[1])


def sink(p, q, k, v, cfg, **_):
    s = scores(q, k) / jnp.sqrt(q.shape[-1])
    near = causal(len(q)) & (delta(len(q)) < cfg.get("sink.w", 128))
    return mixed(weights(s, near, sink=p["z"][:, :, None]), v, q.shape[1])


def capped(p, plain_q, plain_k, v, layer, cfg, **_):
    full = layer % cfg.get("capped.every", 6) == cfg.get("capped.every", 6) - 1
    base = 1e6 if full else 1e4
    q, k = rope(plain_q, base), rope(plain_k, base)
    cap = cfg.get("capped.cap", 50)
    s = cap * jnp.tanh(scores(q, k) / jnp.sqrt(q.shape[-1]) / cap)
    reach = cfg["context"] if full else cfg.get("capped.local", 512)
    return mixed(weights(s, causal(len(q)) & (delta(len(q)) < reach)), v, q.shape[1])


def soft_capped(p, q, k, v, cfg, **_):
    s = 2 * jnp.tanh(scores(q, k) / jnp.sqrt(q.shape[-1]) / 2)
    return mixed(weights(s, causal(len(q)) & (delta(len(q)) < cfg["soft_capped.w"])), v, q.shape[1])


def alibi(p, q, k, v, **_):
    slope = 2.0 ** (-8.0 * (jnp.arange(q.shape[1]) + 1) / q.shape[1])
    s = scores(q, k) / jnp.sqrt(q.shape[-1]) - slope[:, None, None] * delta(len(q))[None]
    return mixed(weights(s, causal(len(q))), v, q.shape[1])


def prefix_lm(p, q, k, v, cfg, **_):
    s = scores(q, k) / jnp.sqrt(q.shape[-1])
    seen = causal(len(q)) | (jnp.arange(len(q)) < cfg["prefix"])[None]
    return mixed(weights(s, seen), v, q.shape[1])


def differential(p, plain_q, plain_k, v, layer, cfg, **_):
    d = plain_q.shape[-1] // 2
    theta = cfg.get("theta", 1e6)
    parts = [rope(part, theta) for part in (plain_q[..., :d], plain_q[..., d:], plain_k[..., :d], plain_k[..., d:])]
    q1, q2, k1, k2 = parts
    start = 0.8 - 0.6 * jnp.exp(-0.3 * layer)
    lam = (jnp.exp(jnp.sum(p["lambda_q1"] * p["lambda_k1"])) - jnp.exp(jnp.sum(p["lambda_q2"] * p["lambda_k2"])) + start)
    seen = causal(len(v))
    a = weights(scores(q1, k1) / jnp.sqrt(d), seen)
    b = weights(scores(q2, k2) / jnp.sqrt(d), seen)
    return (1 - start) * rms_norm(mixed(a - lam * b, v, plain_q.shape[1]), p["subln.weight"])


def adaptive_span(p, q, k, v, cfg, **_):
    """A reach per head, z between 0 and 1 times the most it can be, with a soft edge; longer reaches cost."""
    reach, ramp = cfg.get("adaptive_span.reach", 1024), cfg.get("adaptive_span.ramp", 32)
    s = scores(q, k) / jnp.sqrt(q.shape[-1])
    span = jnp.broadcast_to(reach * p["z"].T + ramp, q.shape[:2])
    out = mixed(weights(s, soft_window(span, ramp, len(q))), v, q.shape[1])
    return out, {"span": jnp.mean(cfg.get("adaptive_span.price", 2e-6) * reach * p["z"])}


def by_document(p, q, k, v, doc, **_):
    s = scores(q, k) / jnp.sqrt(q.shape[-1])
    return mixed(weights(s, causal(len(q)) & (doc[:, None] == doc[None])), v, q.shape[1])


def longformer(p, q, k, v, x, tokens, layer, cfg, **_):
    """Ordinary queries see a window and the special keys; special ones see everything before, by projections of their own."""
    length, heads, width = q.shape
    theta = cfg.get("theta", 1e6)

    def project(name):
        return (x @ p[f"global.{name}.weight"].T).reshape(length, -1, width)

    a = rope(rms_norm(project("q_proj"), p["global.q_norm.weight"]), theta)
    b = rope(rms_norm(project("k_proj"), p["global.k_norm.weight"]), theta)
    window = 32 * (1 + layer // 2)
    special = tokens == cfg.get("longformer.mark", 198)
    rate = jnp.where(jnp.arange(heads) < heads / 4, 2, 1)[:, None, None]
    near = (delta(length)[None] < window * rate) & (delta(length)[None] % rate == 0)
    mine = causal(length) & (near | special[None, None, :]) & ~special[None, :, None]
    everything = causal(length) & special[:, None]
    local = mixed(weights(scores(q, k) / jnp.sqrt(width), mine), v, heads)
    return local + mixed(weights(scores(a, b) / jnp.sqrt(width), everything), project("v_proj"), heads)


def unit(x):
    return x / jnp.sqrt(jnp.sum(x * x, -1, keepdims=True) + 1e-6)


def normalised(w, member):
    """m w / sum m w, 0 where that is 0 / 0."""
    mw = jnp.where(member, w, 0.0)
    total = jnp.sum(mw, -1, keepdims=True)
    return mw / jnp.where(total != 0, total, 1.0)


def fast(p, q, k, v, cfg, **_):
    """The exponential of <q, k> of unit vectors, as its Taylor polynomial."""
    x = scores(unit(q), unit(k))
    f = 1 + x + x * x / 2 if cfg.get("fast.p", 2) == 2 else 1 + x
    return mixed(normalised(f, causal(len(q))), v, q.shape[1])


def forgotten(p, x):
    """The running sum of log sigmoid(f), f a number per token and head."""
    return jnp.cumsum(jax.nn.log_sigmoid(x @ p["f_proj.weight"].T + p["f_proj.bias"]), axis=0)


def forgetting(p, q, k, v, x, **_):
    total = forgotten(p, x).T
    s = scores(q, k) / jnp.sqrt(q.shape[-1]) + total[:, :, None] - total[:, None, :]
    return mixed(weights(s, causal(len(q))), v, q.shape[1])


def power(p, q, k, v, x, **_):
    total = forgotten(p, x).T
    fade = jnp.exp(jnp.where(causal(len(q)), total[:, :, None] - total[:, None, :], 0.0))
    return mixed(normalised(scores(q, k) ** 2 / q.shape[-1] * fade, causal(len(q))), v, q.shape[1])


def random(*integers):
    """The language's random numbers of broadcast integers: splitmix64, chained."""
    h = np.uint64(0)
    with np.errstate(over="ignore"):
        for integer in integers:
            z = (h ^ np.asarray(integer, np.int64).astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            h = z ^ (z >> np.uint64(31))
    return (h >> np.uint64(40)).astype(np.float64) / 2**24


def in_units(x, n, fill):
    """The last axis in units of n: [..., units, n], the last one filled up."""
    short = -x.shape[-1] % n
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, short)], constant_values=fill).reshape(*x.shape[:-1], -1, n)


def best_units(rank, takes_part, first, k, n, length):
    """The keys of the units that fewer than k units come before, ties kept: truth [heads, T, T]. Of each query and unit ([heads, T, units]):
    its rank, whether it takes part, whether it comes before all that do not."""
    part = takes_part | first
    rank = jnp.where(part, jnp.where(first, jnp.inf, rank), -jnp.inf)
    before = jnp.sum(rank[..., None, :] > rank[..., :, None], -1)
    chosen = part & (before < jnp.broadcast_to(k, rank.shape[:2])[..., None])
    return jax.lax.stop_gradient(jnp.repeat(chosen, n, -1)[..., :length])


def rank_units(s, member, n, reduce):
    """Rank of each query's units by their members' scores, and which have any."""
    member = jnp.broadcast_to(member, s.shape)
    inside = in_units(member, n, False)
    if reduce == "max":
        return jnp.max(in_units(jnp.where(member, s, -jnp.inf), n, -jnp.inf), -1), jnp.any(inside, -1)
    total = jnp.sum(in_units(jnp.where(member, s, 0.0), n, 0.0), -1)
    return total / jnp.maximum(jnp.sum(inside, -1), 1) if reduce == "mean" else total, jnp.any(inside, -1)


def mean_keys(k, n):
    """The mean key of each block of n tokens, the last one maybe shorter: [blocks, heads, width]."""
    return jnp.stack([jnp.mean(k[t : t + n], 0) for t in range(0, len(k), n)])


def moba(p, q, k, v, cfg, **_):
    n, length = cfg.get("moba.n", 512), len(q)
    r = scores(q, mean_keys(k, n))
    i, u = jnp.arange(length)[:, None], jnp.arange(r.shape[-1])[None]
    past = jnp.broadcast_to((u + 1) * n - 1 <= i, r.shape)
    far = best_units(r, past, jnp.broadcast_to(i // n == u, r.shape), cfg.get("moba.picks", 3), n, length)
    return mixed(weights(scores(q, k) / jnp.sqrt(q.shape[-1]), far & causal(length)), v, q.shape[1])


def bigbird(p, q, k, v, layer, cfg, **_):
    n, first, length = cfg.get("bigbird.n", 64), cfg.get("bigbird.first", 2), len(q)
    i, u = np.arange(length)[:, None], np.arange(-(-length // n))[None]
    drawn = random((i // n)[None], u[None], np.arange(q.shape[1])[:, None, None], layer)
    part = np.broadcast_to((i // n - u >= 2) & (u >= first), drawn.shape)
    rand = best_units(drawn, part, np.zeros(drawn.shape, bool), cfg.get("bigbird.chosen", 3), n, length)
    j = np.arange(length)[None]
    seen = causal(length) & ((i // n - j // n < 2) | (j < first * n) | rand)
    return mixed(weights(scores(q, k) / jnp.sqrt(q.shape[-1]), seen), v, q.shape[1])


def caa_ablations(p, plain_q, plain_k, v, x, cfg, position=None, **_):
    length, heads, width = plain_q.shape
    least, most, ramp = cfg.get("caa.least", 256), cfg.get("caa.most", 512), cfg.get("caa.ramp", 32)
    theta, unit = cfg.get("theta", 1e6), cfg.get("caa.unit", 1)
    q, k = rope(plain_q, theta, position), rope(plain_k, theta, position)
    q2, k2, v2 = q, k, v
    if cfg.get("caa.nope"):
        q2, k2 = plain_q, plain_k
    if cfg.get("caa.branch_kv"):
        k2 = rms_norm((x @ p["far_k_proj.weight"].T).reshape(plain_k.shape), p["far_k_norm.weight"])
        k2 = k2 if cfg.get("caa.nope") else rope(k2, theta, position)
        v2 = (x @ p["far_v_proj.weight"].T).reshape(v.shape)
    s, t = scores(q, k) / jnp.sqrt(width), scores(q2, k2) / jnp.sqrt(width)
    z = (jax.nn.silu(x @ p["gate_in.weight"].T) @ p["gate_out.weight"].T + p["gate_out.bias"]).reshape(length, heads, 2)
    w = least + (most - least) * jax.nn.sigmoid(z[..., 1])
    gate = jnp.broadcast_to(p["gate_bias"][:, 0], z.shape[:2]) if cfg.get("caa.fixed_gate") else 8 * jnp.tanh(z[..., 0] / 8)
    away = (delta(length)[None] >= jax.lax.stop_gradient(w).T[:, :, None]) | cfg.get("caa.overlap", True)
    other = causal(length) & away
    count = jnp.ceil(cfg.get("caa.c", 1) * jnp.sqrt(jnp.arange(1, length + 1)) / unit)
    if unit == 1:
        far = top(t, other, count)
    else:
        if cfg.get("caa.pooled"):
            rank = scores(q2, mean_keys(k2, unit))
            last = jnp.arange(rank.shape[-1]) * unit + unit - 1
            back = (jnp.arange(length)[:, None] - last[None])[None]
            part = (back >= 0) & ((back >= jax.lax.stop_gradient(w).T[:, :, None]) | cfg.get("caa.overlap", True))
            part = jnp.broadcast_to(part, rank.shape)
        else:
            rank, part = rank_units(t, other, unit, "max")
        far = best_units(rank, part, jnp.zeros(rank.shape, bool), count, unit, length) & other
    g = jnp.where(jnp.any(far, -1).T, jax.nn.sigmoid(gate), 1.0)
    a, b = mixed(weights(s, soft_window(w, ramp, length)), v, heads), mixed(weights(t, far), v2, heads)
    if cfg.get("caa.branch_norm"):
        a, b = rms_norm(a, p["near_norm.weight"]), rms_norm(b, p["far_norm.weight"])
    return g[..., None] * a + (1 - g[..., None]) * b


def vertical_slash(p, q, k, v, cfg, **_):
    """Columns and diagonals of blocks, by the mean query of the block before the query's own."""
    n, length, heads = cfg.get("vertical_slash.n", 64), len(q), q.shape[1]
    i = jnp.arange(length)
    means = jnp.concatenate([jnp.zeros((1, *q.shape[1:])), mean_keys(q, n)])
    e = means[i // n]  # of block i div n - 1
    past = i[None] // n < i[:, None] // n
    vertical = top(scores(e, k), past & causal(length), jnp.full(length, cfg.get("vertical_slash.columns", 512)))
    blocks = mean_keys(k, n)
    rank = scores(e, jnp.concatenate([jnp.zeros((1, *k.shape[1:])), blocks])[: len(blocks)])
    u = jnp.arange(len(blocks))[None]
    own, before = u == i[:, None] // n, u < i[:, None] // n
    slash = best_units(rank, jnp.broadcast_to(before, rank.shape), jnp.broadcast_to(own, rank.shape), cfg.get("vertical_slash.slashes", 8), n, length)
    return mixed(weights(scores(q, k) / jnp.sqrt(q.shape[-1]), (vertical | slash) & causal(length)), v, heads)
