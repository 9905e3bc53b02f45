"""A compiled model's run, stopped and resumed, gives the bits of one that never stopped; so does a run repeated."""
import json
import random
import unittest

from safetensors.numpy import load_file

from harness import ModelTest
from programs import SEED, run

SIZES = ["vocab=300", "dim=32", "layers=2", "heads=2", "kv_heads=1", "ffn=48", "context=32", "train.batch=4", "train.steps=400",
         "train.optimizer.lr=3e-3", "train.schedule=cosine(warmup = 20)"]


class ResumeTest(ModelTest):
    def prepare(self):
        rng = random.Random(SEED)
        words = ["".join(rng.choice("abcdefgh") for _ in range(rng.randint(1, 7))) for _ in range(60)]
        documents = [" ".join(rng.choice(words) for _ in range(rng.randint(30, 100))) for _ in range(150)]
        (self.folder / "text.txt").write_text("\n\n".join(documents))
        run("caa-run", "data", "tokenizer", "text.txt", "-o", "t.json", "--vocab", 300, cwd=self.folder)
        run("caa-run", "data", "prepare", "text.txt", "-o", "data", "--tokenizer", "t.json", "--split-on", r"\n\n", cwd=self.folder)

    def train(self, library, name, *flags):
        run("caa-run", "train", library, "--data", "./data", "--run", name, "--threads", 2, *flags, cwd=self.folder)
        checkpoint = self.folder / name / "last"
        tensors = {**load_file(checkpoint / "model.safetensors"), **load_file(checkpoint / "optimizer.safetensors")}
        rows = [json.loads(line) for line in (self.folder / name / "log.jsonl").read_text().splitlines()]
        return {key: value.tobytes() for key, value in tensors.items()}, [(r["step"], r["loss"]) for r in rows if "loss" in r]

    def check(self, model, sets):
        library = self.compile(model, [*SIZES, *sets])
        whole, rows = self.train(library, "whole")
        self.assertEqual([step for step, _ in rows], list(range(1, 401)))
        self.assertLess(sum(loss for _, loss in rows[-10:]) / 10, rows[0][1] - 1, "it learns")
        self.assertEqual(self.train(library, "again"), (whole, rows))
        half, _ = self.train(library, "halves", "--stop-at", 200)
        self.assertNotEqual(half, whole)
        self.assertEqual(self.train(library, "halves", "--resume", "auto"), (whole, rows))

    def test_dense_200_and_200_steps_are_400(self):
        self.prepare()
        self.check("qwen_dense", [])

    def test_caa_200_and_200_steps_are_400(self):
        self.prepare()
        self.check("qwen_caa", ["caa.least=4", "caa.most=16", "caa.ramp=4"])


if __name__ == "__main__":
    unittest.main()
