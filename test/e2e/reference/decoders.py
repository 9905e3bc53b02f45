"""Decoders in JAX, from their papers and published configurations: the loss of a batch of token rows as a function of parameters."""
import jax
import jax.numpy as jnp

from . import attentions
from .attentions import rms_norm, rope


def within(parameters, prefix):
    """The parameters below a path, by their short names."""
    return {name[len(prefix) + 1 :]: value for name, value in parameters.items() if name.startswith(prefix + ".")}


def swiglu(p, x):
    return (jax.nn.silu(x @ p["gate_proj.weight"].T) * (x @ p["up_proj.weight"].T)) @ p["down_proj.weight"].T


def split_heads(x, width):
    return x.reshape(len(x), -1, width)


def qwen_layer(p, x, tokens, cfg, layer, mix):
    """One Qwen3 layer of one row [T, dim] (Qwen2 where there are biases and no q_norm), and the sum of its attention's losses."""
    width = cfg["head_dim"]
    h = rms_norm(x, p["input_layernorm.weight"])
    own = within(p, "self_attn")

    def project(name):
        return split_heads(h @ own[f"{name}.weight"].T + own.get(f"{name}.bias", 0.0), width)

    if mix == "mla":
        a = mla(own, h, cfg)
    else:
        plain_q, plain_k, v = project("q_proj"), project("k_proj"), project("v_proj")
        if "q_norm.weight" in own:
            plain_q, plain_k = rms_norm(plain_q, own["q_norm.weight"]), rms_norm(plain_k, own["k_norm.weight"])
        theta = cfg.get("theta", 1e6)
        turned = (rope(plain_q, theta), rope(plain_k, theta)) if theta > 0 else (plain_q, plain_k)
        a = getattr(attentions, mix)(p=own, q=turned[0], k=turned[1], v=v, x=h, plain_q=plain_q, plain_k=plain_k,
                                     tokens=tokens, doc=jnp.zeros_like(tokens), layer=layer, cfg=cfg)
    a, losses = a if isinstance(a, tuple) else (a, {})
    x = x + a.reshape(len(x), -1) @ own["o_proj.weight"].T
    return x + swiglu(within(p, "mlp"), rms_norm(x, p["post_attention_layernorm.weight"])), sum(losses.values())


def mla(p, x, cfg):
    """Multi-head latent attention (DeepSeek-V2)."""
    heads, d = cfg["heads"], cfg["dim"] // cfg["heads"]
    r = d // 2
    q = split_heads(rms_norm(x @ p["q_a_proj.weight"].T, p["q_a_layernorm.weight"]) @ p["q_b_proj.weight"].T, d + r)
    kv = split_heads(rms_norm(x @ p["kv_a_proj.weight"].T, p["kv_a_layernorm.weight"]) @ p["kv_b_proj.weight"].T, 2 * d)
    turned = rope(split_heads(x @ p["k_rope.weight"].T, r), cfg.get("theta", 1e6))
    s = attentions.scores(q[..., :d], kv[..., :d]) + attentions.scores(rope(q[..., d:], cfg.get("theta", 1e6)), turned)
    a = attentions.weights(s / jnp.sqrt(d + r), attentions.causal(len(x)))
    return attentions.mixed(a, kv[..., d:], heads)


def qwen_logits(parameters, tokens, cfg, mix):
    """Logits of one row, and what its attentions add to the loss."""
    table = parameters["model.embed_tokens.weight"]
    x, extra = table[tokens], 0.0
    for layer in range(cfg["layers"]):
        x, losses = qwen_layer(within(parameters, f"model.layers.{layer}"), x, tokens, cfg, layer, mix)
        extra += losses
    return rms_norm(x, parameters["model.norm.weight"]) @ parameters.get("lm_head.weight", table).T, extra


def layer_norm(x, p):
    centred = x - jnp.mean(x, -1, keepdims=True)
    return centred / jnp.sqrt(jnp.mean(centred**2, -1, keepdims=True) + 1e-5) * p["weight"] + p["bias"]


def gpt2_logits(parameters, tokens, cfg, mix=None):
    """The same of one row of GPT-2 (linear weights stored [out, in] here)."""
    p = within(parameters, "transformer")
    x = p["wte.weight"][tokens] + p["wpe.weight"][: len(tokens)]
    width = cfg["dim"] // cfg["heads"]
    for layer in range(cfg["layers"]):
        own = within(p, f"h.{layer}")
        h = layer_norm(x, within(own, "ln_1"))
        q, k, v = (split_heads(t, width) for t in jnp.split(h @ own["attn.c_attn.weight"].T + own["attn.c_attn.bias"], 3, -1))
        x = x + attentions.dense({}, q, k, v).reshape(len(x), -1) @ own["attn.c_proj.weight"].T + own["attn.c_proj.bias"]
        h = layer_norm(x, within(own, "ln_2")) @ own["mlp.c_fc.weight"].T + own["mlp.c_fc.bias"]
        x = x + jax.nn.gelu(h, approximate=True) @ own["mlp.c_proj.weight"].T + own["mlp.c_proj.bias"]
    return layer_norm(x, within(p, "ln_f")) @ p["wte.weight"].T, 0.0


def losses_and_logits(parameters, tokens, cfg, mix, logits_of=qwen_logits):
    """What is trained: the mean next-token cross entropy over the rows of `tokens` [B, T] (from token prefix - 1 on in a prefix-LM) plus
    the losses of the attentions; and the cross entropy alone with the logits."""
    logits, extra = jax.vmap(lambda row: logits_of(parameters, row, cfg, mix))(tokens)
    each = -jnp.take_along_axis(jax.nn.log_softmax(logits[:, :-1], -1), tokens[:, 1:, None], -1)[..., 0]
    counted = jnp.arange(each.shape[1]) >= cfg.get("prefix", 0) - 1 if mix == "prefix_lm" else jnp.ones(each.shape[1], bool)
    entropy = jnp.sum(each * counted) / (jnp.sum(counted) * len(tokens))
    return entropy + jnp.mean(extra), (entropy, logits)


def loss_logits_and_gradients(parameters, tokens, cfg, mix, logits_of=qwen_logits):
    """The cross entropy, the logits, and the derivatives of what is trained by parameter."""
    (_, (loss, logits)), gradients = jax.value_and_grad(losses_and_logits, has_aux=True)(parameters, tokens, cfg, mix, logits_of)
    return loss, logits, gradients
