"""Every model of models/ against its independent JAX definition: loss, logits and every gradient, at small sizes."""
import unittest

import jax.numpy as jnp
import numpy as np

from harness import ModelTest, check, random_parameters
from programs import SEED
from reference import decoders
from reference.definition import Definition

SMALL = {"vocab": 97, "dim": 32, "layers": 2, "heads": 4, "kv_heads": 2, "head_dim": 8, "ffn": 48, "context": 64}


def settings(cfg, names):
    return [f"{name}={cfg[name]}" for name in names]


class Models(ModelTest):
    def compare(self, model, cfg, mix, names=tuple(SMALL), lengths=(33,), logits_of=decoders.qwen_logits, sets=(),
                scale=0.2):
        generator = np.random.default_rng(SEED)
        library = self.compile(model, [*settings(cfg, names), "train.precision=fp32", *sets])
        weights = random_parameters(self.parameters(library), generator, scale)
        for length in lengths:
            tokens = generator.integers(0, cfg["vocab"], (2, cfg["context"] if length is None else length))
            found = self.evaluate(library, weights, tokens if length is None else tokens[:1])
            self.compare_one(f"{model} at length {length}", found, weights, jnp.asarray(tokens if length is None else tokens[:1]),
                             cfg, mix, logits_of)

    def compare_one(self, what, found, weights, tokens, cfg, mix, logits_of):
        def run(weights, tokens):
            loss, logits, gradients = decoders.loss_logits_and_gradients(weights, tokens, cfg, mix, logits_of)
            return {"loss": loss, "logits": logits, **{"d_" + name: g for name, g in gradients.items()}}

        definition = Definition(run, weights, tokens)
        self.assertEqual(set(found), set(definition.results), what)
        for name, value in definition.results.items():
            definition.check(name, found[name].reshape(value.shape), f"{what}: {name}")

    def test_qwen_dense_with_grouped_queries(self):
        self.compare("qwen_dense", SMALL, "dense", lengths=(2, 3, 33, None))

    def test_a_single_token_has_logits_and_no_loss(self):
        generator = np.random.default_rng(SEED)
        library = self.compile("qwen_dense", [*settings(SMALL, SMALL), "train.precision=fp32"])
        weights = random_parameters(self.parameters(library), generator)
        tokens = generator.integers(0, SMALL["vocab"], (1, 1))
        found = self.evaluate(library, weights, tokens)
        exact = decoders.qwen_logits({n: jnp.asarray(w, jnp.float64) for n, w in weights.items()}, jnp.asarray(tokens[0]), SMALL, "dense")[0]
        check(found["logits"][0], exact, 1e-5, "logits of one token")
        for name in weights:
            self.assertEqual(np.abs(found["d_" + name]).max(), 0, name)

    def test_qwen_dense_untied_with_its_own_head_dim(self):
        self.compare("qwen_dense", SMALL | {"head_dim": 12, "kv_heads": 4}, "dense", sets=["tied=false"])

    def test_qwen_local_inside_and_beyond_its_window(self):
        self.compare("qwen_local", SMALL | {"context": 200, "local.w": 50}, "local", lengths=(150,), sets=["local.w=50"])

    def test_qwen_caa(self):
        cfg = SMALL | {"caa.least": 12, "caa.most": 24, "caa.ramp": 4}
        self.compare("qwen_caa", cfg, "caa", lengths=(7, 61), sets=["caa.least=12", "caa.most=24", "caa.ramp=4"])

    def test_gpt2(self):
        cfg = {"vocab": 97, "dim": 32, "layers": 2, "heads": 4, "context": 64}
        self.compare("gpt2", cfg, None, tuple(cfg), (33,), decoders.gpt2_logits)

    def test_qwen2_dense(self):
        cfg = {n: v for n, v in SMALL.items() if n != "head_dim"}
        self.compare("qwen2_dense", SMALL, "dense", tuple(cfg))

    def test_gated(self):
        self.compare("gated", SMALL, "gated")

    def test_mla(self):
        names = ("vocab", "dim", "layers", "heads", "ffn", "context")
        # Through two products of rank 128, weights of 0.2 make scores so sharp that float32 itself is at its limit.
        self.compare("mla", SMALL, "mla", names, scale=0.08)

    def test_streaming(self):
        self.compare("streaming", SMALL | {"streaming.w": 9, "streaming.kept": 3}, "streaming",
                     sets=["streaming.w=9", "streaming.kept=3"])

    def test_sink_logit(self):
        self.compare("sink_logit", SMALL | {"sink.w": 11}, "sink", sets=["sink.w=11"])

    def test_gemma(self):
        self.compare("gemma", SMALL | {"capped.local": 7, "capped.every": 2}, "capped", sets=["capped.local=7", "capped.every=2"])

    def test_alibi(self):
        self.compare("alibi", SMALL | {"theta": 0}, "alibi")

    def test_prefix_lm(self):
        cfg = {n: v for n, v in SMALL.items() if n != "head_dim"}
        self.compare("prefix_lm", SMALL | {"prefix": 9}, "prefix_lm", tuple(cfg), sets=["prefix=9"])

    def test_differential(self):
        names = ("vocab", "dim", "layers", "ffn", "context", "heads", "kv_heads", "head_dim")
        self.compare("differential", SMALL | {"kv_heads": 4}, "differential", names)

    def test_adaptive_span(self):
        cfg = SMALL | {"adaptive_span.reach": 24, "adaptive_span.ramp": 5, "adaptive_span.price": 0.01}
        self.compare("adaptive_span", cfg, "adaptive_span", sets=[f"{n}={v}" for n, v in cfg.items() if "." in n])

    def test_longformer(self):
        # Every eighth token or so is a global one; two of eight heads are dilated.
        cfg = SMALL | {"heads": 8, "longformer.mark": 5, "vocab": 11, "context": 128}
        self.compare("longformer", cfg, "longformer", lengths=(33, 97), sets=["longformer.mark=5"])

    def test_document(self):
        self.compare("document", SMALL, "by_document")

    def test_forgetting(self):
        self.compare("forgetting", SMALL | {"theta": 0}, "forgetting", lengths=(33, None))

    def test_power(self):
        self.compare("power", SMALL, "power")

    def test_bigbird(self):
        cfg = SMALL | {"bigbird.n": 8, "bigbird.first": 1, "bigbird.chosen": 2, "context": 128}
        self.compare("bigbird", cfg, "bigbird", lengths=(97,), sets=["bigbird.n=8", "bigbird.first=1", "bigbird.chosen=2"])

    def test_fast_dense(self):
        self.compare("fast_dense", SMALL | {"theta": 0}, "fast")


if __name__ == "__main__":
    unittest.main()
