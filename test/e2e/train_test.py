"""`caa-run train` and `eval` on a hand-made compiled model (test/codegen/SampleProgram.h), whose formulas fit in NumPy.

The model: x = table[token], y = x W^T, z = y U^T, loss = the mean of sum z^2 over all tokens; U is in group "gate", W is clamped
to [-0.9, 0.9], the table does not decay (and gets no gradient).
"""
import json
import os
import random
import signal
import subprocess
import time
import unittest

import numpy as np
from safetensors.numpy import load_file, save_file

from programs import BIN, SEED, FolderTest, run

SAMPLE = BIN.parent / "test" / "sample.so"
LENGTH, VOCAB = 64, 512
SHAPES = {"table": (VOCAB, 8), "first.weight": (8, 8), "head.weight": (24, 8)}


def gradients(weights, tokens):
    """Loss and gradients in float64."""
    x = weights["table"][tokens.reshape(-1)]
    y = x @ weights["first.weight"].T
    z = y @ weights["head.weight"].T
    dz = 2 * z / len(x)
    dy = dz @ weights["head.weight"]
    return (z**2).sum() / len(x), {"first.weight": dy.T @ x, "head.weight": dz.T @ y, "table": np.zeros((VOCAB, 8))}


def adamw(weights, batches, lr, steps, warmup=0, beta1=0.9, beta2=0.95, eps=1e-8, decay=0.1, clip=1.0, gate=None):
    """The language's AdamW; `gate` is (lr factor, weight decay, clip) of the group. Returns weights and the losses."""
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    m = {name: np.zeros_like(value) for name, value in weights.items()}
    v = {name: np.zeros_like(value) for name, value in weights.items()}
    losses = []
    for t, tokens in enumerate(batches, 1):
        rate = lr * t / warmup if t <= warmup else lr * (1 + np.cos(np.pi * (t - warmup) / (steps - warmup))) / 2
        loss, slopes = gradients(weights, tokens)
        losses.append(loss)
        norm = lambda names: np.sqrt(sum((slopes[name]**2).sum() for name in names))
        own = {"head.weight"} if gate else set()
        scales = {name: min(1, clip / (norm(set(SHAPES) - own) + 1e-6)) for name in SHAPES}
        if gate:
            scales["head.weight"] = min(1, gate[2] / (norm(own) + 1e-6))
        for name in SHAPES:
            factor, fall = (gate[0], gate[1]) if gate and name == "head.weight" else (1, 0 if name == "table" else decay)
            g = slopes[name] * scales[name]
            m[name] = beta1 * m[name] + (1 - beta1) * g
            v[name] = beta2 * v[name] + (1 - beta2) * g * g
            step = m[name] / (1 - beta1**t) / (np.sqrt(v[name] / (1 - beta2**t)) + eps)
            weights[name] = weights[name] - rate * factor * (step + fall * weights[name])
        weights["first.weight"] = np.clip(weights["first.weight"], -0.9, 0.9)
    return weights, losses


class TrainTest(FolderTest):
    def setUp(self):
        super().setUp()
        self.rng = np.random.default_rng(SEED)
        self.weights = {name: self.rng.normal(size=shape).astype(np.float32) * 0.4 for name, shape in SHAPES.items()}
        save_file(self.weights, self.folder / "w.safetensors")

    def tokens(self, count, name="t.bin"):
        tokens = self.rng.integers(0, VOCAB, size=count)
        header = np.zeros(256, np.int32)
        header[:3] = [20240520, 1, count]
        (self.folder / name).write_bytes(header.tobytes() + tokens.astype(np.uint16).tobytes())
        return tokens

    def train(self, *flags, **options):
        return run("caa-run", "train", SAMPLE, *flags, cwd=self.folder, **options)

    def log(self, name):
        return [json.loads(line) for line in (self.folder / name / "log.jsonl").read_text().splitlines()]

    def model(self, name, file="model.safetensors"):
        return load_file(self.folder / name / "last" / file)

    def assert_same_bits(self, first, second):
        for file in ("model.safetensors", "optimizer.safetensors"):
            a, b = self.model(first, file), self.model(second, file)
            self.assertEqual(set(a), set(b))
            for name in a:
                self.assertEqual(a[name].tobytes(), b[name].tobytes(), name)

    def test_ten_steps_follow_the_formula(self):
        rows = self.tokens(7 * LENGTH + 5)[:7 * LENGTH].reshape(7, LENGTH)
        for name, flags, options in [
                ("plain", [], {}),
                ("groups", ["--set", "train.groups=[group(\"gate\", lr = 0.5, weight_decay = 0.3, clip = 0.05)]",
                            "--set", "train.schedule=cosine(warmup = 4)", "--set", "train.optimizer.beta2=0.98"],
                 {"gate": (0.5, 0.3, 0.05), "warmup": 4, "beta2": 0.98})]:
            self.train("--tokens", "t.bin", "--weights", "w.safetensors", "--steps", 10, "--run", name, "--micro-batch", 2, "--set",
                       "train.batch=3", "--set", "train.optimizer.lr=0.01", *flags)
            # Rows in order, three a step, from the start again after the last.
            batches = [rows[np.arange(3 * t, 3 * t + 3) % 7] for t in range(10)]
            expected, losses = adamw(self.weights, batches, 0.01, 10, **options)
            actual = self.model(name)
            for parameter in SHAPES:
                error = np.linalg.norm(actual[parameter] - expected[parameter]) / np.linalg.norm(expected[parameter])
                self.assertLess(error, 1e-5, parameter)
            np.testing.assert_allclose([row["loss"] for row in self.log(name)], losses, rtol=1e-5)

    def test_stopping_and_resuming_gives_the_same_bits(self):
        self.tokens(9 * LENGTH)
        common = ["--tokens", "t.bin", "--steps", 40, "--set", "train.batch=4", "--threads", 2]
        self.train(*common, "--run", "whole")
        self.train(*common, "--run", "again")
        self.assert_same_bits("whole", "again")
        self.train(*common, "--run", "halves", "--stop-at", 13)
        done = self.train("--tokens", "t.bin", "--run", "halves", "--resume", "auto", "--threads", 2)  # the rest is remembered
        self.assertNotIn("note", done.stderr)
        self.assert_same_bits("whole", "halves")
        pick = lambda rows: [(row["step"], row["loss"], row["lr"], row["grad_norm"]) for row in rows]
        self.assertEqual(pick(self.log("whole")), pick(self.log("halves")))

    def test_ctrl_c_finishes_the_step_saves_and_says_how_to_go_on(self):
        self.tokens(9 * LENGTH)
        steps = 10**6  # more than it can make before the signal, however late that comes
        common = ["--tokens", "t.bin", "--steps", steps, "--set", "train.batch=4", "--checkpoint-every", 0, "--threads", 1]
        for number, sent in enumerate((signal.SIGINT, signal.SIGTERM)):
            name = f"stopped{number}"
            process = subprocess.Popen([BIN / "caa-run", "train", SAMPLE, *map(str, common), "--run", name], cwd=self.folder,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            log = self.folder / name / "log.jsonl"
            while not log.exists() or log.read_text().count("\n") < 20:
                time.sleep(0.01)
            process.send_signal(sent)
            _, errors = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, errors)
            self.assertIn("--resume", errors)
            state = json.loads((self.folder / name / "last" / "state.json").read_text())
            self.assertEqual(state["step"], self.log(name)[-1]["step"])
            self.assertLess(state["step"], steps)

    def test_kill_9_at_any_instant_leaves_a_run_that_goes_on_to_the_same_bits(self):
        self.tokens(9 * LENGTH)
        common = ["--tokens", "t.bin", "--steps", 60, "--set", "train.batch=2", "--checkpoint-every", 1, "--threads", 1]
        self.train(*common, "--run", "whole")
        for _ in range(12):
            process = subprocess.Popen([BIN / "caa-run", "train", SAMPLE, *map(str, common), "--run", "killed", "--resume", "auto"],
                                       cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random.uniform(0.2, 0.6))
            process.kill()
            process.wait()
            for checkpoint in (self.folder / "killed").glob("checkpoint-*"):
                run("caa-run", "eval", SAMPLE, "--checkpoint", checkpoint, "--tokens", "t.bin", cwd=self.folder)
        self.train(*common, "--run", "killed", "--resume", "auto")
        self.assert_same_bits("whole", "killed")
        self.assertEqual([row["step"] for row in self.log("killed")], list(range(1, 61)))
        self.assertEqual(len(list((self.folder / "killed").glob("checkpoint-*"))), 3)

    def test_a_nan_never_reaches_the_weights(self):
        self.tokens(9 * LENGTH)
        bad = {name: value.copy() for name, value in self.weights.items()}
        bad["head.weight"][3, 3] = 3e30  # its square leaves float32
        save_file(bad, self.folder / "bad.safetensors")
        done = self.train("--tokens", "t.bin", "--weights", "bad.safetensors", "--steps", 40, "--run", "nan", status=1)
        self.assertIn("skipped", done.stderr)
        self.assertIn("last good checkpoint", done.stderr)
        rows = self.log("nan")
        self.assertTrue(all(row["skipped"] for row in rows))
        self.assertLess(len(rows), 10)

    def test_eval_dumps_loss_logits_and_gradients(self):
        for count in (5 * LENGTH + 7, 20):
            tokens = self.tokens(count)
            done = run("caa-run", "eval", SAMPLE, "--weights", "w.safetensors", "--tokens", "t.bin", "--dump", "d.safetensors",
                       cwd=self.folder)
            rows = tokens[:5 * LENGTH].reshape(-1, LENGTH) if count > LENGTH else tokens.reshape(1, count)
            dump = load_file(self.folder / "d.safetensors")
            weights = {name: value.astype(np.float64) for name, value in self.weights.items()}
            loss, slopes = gradients(weights, rows)
            self.assertAlmostEqual(dump["loss"].item() / loss, 1, places=5)
            self.assertAlmostEqual(float(done.stdout.split()[2]) / loss, 1, places=5)
            self.assertEqual(dump["logits"].shape, (*rows.shape, 24))
            np.testing.assert_allclose(dump["logits"], weights["table"][rows] @ weights["first.weight"].T @ weights["head.weight"].T,
                                       rtol=1e-4, atol=1e-5)
            for name in SHAPES:
                np.testing.assert_allclose(dump["d_" + name], slopes[name], rtol=1e-3, atol=1e-5)

    def prepare(self):
        """A prepared folder of made-up text, `self.folder/text`."""
        rng = random.Random(SEED)
        words = ["".join(rng.choice("abcdefghij é") for _ in range(rng.randint(1, 8))) for _ in range(200)]
        documents = [" ".join(rng.choice(words) for _ in range(rng.randint(50, 200))) for _ in range(200)]
        (self.folder / "text.txt").write_text("\n\n".join(documents))
        run("caa-run", "data", "tokenizer", "text.txt", "-o", "t.json", "--vocab", VOCAB, cwd=self.folder)
        run("caa-run", "data", "prepare", "text.txt", "-o", "data/text", "--tokenizer", "t.json", "--split-on", "\\n\\n", cwd=self.folder)

    def test_prepared_text_trains_validates_and_generates(self):
        self.prepare()
        common = ["--data", "text", "--steps", 12, "--set", "train.batch=8", "--eval-every", 4, "--micro-batch", 3, "--threads", 2]
        done = self.train(*common, "--run", "whole", "--sample-every", 5)
        self.assertEqual([row["step"] for row in self.log("whole") if "sample" in row], [5, 10, 12])
        self.assertIn("step 5: a sample:", done.stderr)
        rows = [row for row in self.log("whole") if "loss" in row]
        self.assertEqual([row["step"] for row in rows], list(range(1, 13)))
        for row in rows:
            self.assertEqual({"step", "loss", "lr", "grad_norm", "tokens_per_s", "mfu"} - set(row), set())
            self.assertEqual("val_loss" in row and "val_bpb" in row, row["step"] % 4 == 0)
        self.assertIn("val loss", done.stdout)
        self.assertIn("a sample:", done.stdout)
        self.assertIn("<svg", (self.folder / "whole" / "report.html").read_text())
        self.assertTrue(list((self.folder / "whole").glob("events.out.tfevents*")))
        self.assertEqual(os.readlink(self.folder / "whole" / "last"), "checkpoint-12")
        self.assertTrue((self.folder / "runs" / "last").samefile(self.folder / "whole"))
        checkpoint = {path.name for path in (self.folder / "whole" / "last").iterdir()}
        self.assertEqual(checkpoint, {"model.safetensors", "optimizer.safetensors", "config.json", "tokenizer.json", "state.json"})

        # Shuffled data, interrupted in the middle: the same rows, the same bits.
        self.train(*common, "--run", "halves", "--stop-at", 5)
        self.train("--run", "halves", "--resume", "auto", "--threads", 2, "--eval-every", 4)
        self.assert_same_bits("whole", "halves")

        # eval: every row of both splits, against NumPy on the token files.
        evaluated = run("caa-run", "eval", SAMPLE, cwd=self.folder).stdout.splitlines()  # runs/last, the run's data
        weights = {name: value.astype(np.float64) for name, value in self.model("halves").items()}
        manifest = json.loads((self.folder / "data" / "text" / "manifest.json").read_text())
        for line, split in zip(evaluated, ("val", "test"), strict=True):
            tokens = np.concatenate([np.frombuffer(path.read_bytes()[1024:], np.uint16)
                                     for path in sorted((self.folder / "data" / "text").glob(f"{split}*.bin"))]).astype(np.int64)
            loss, _ = gradients(weights, tokens[:len(tokens) // LENGTH * LENGTH])
            words = line.split()
            self.assertEqual(words[0], split)
            self.assertAlmostEqual(float(words[2]) / loss, 1, places=4)
            bytes_per_token = float(words[2]) / (np.log(2) * float(words[words.index("bits") - 1]))
            self.assertTrue(0.5 < bytes_per_token < 10)
        self.assertIn("val", json.dumps(manifest))

        greedy = ["--temperature", 0, "--length", 20]
        texts = [run("caa-run", "generate", SAMPLE, "-p", "ab", *flags, cwd=self.folder).stdout
                 for flags in (greedy, greedy, ["--seed", 1], ["--seed", 1], ["--seed", 2])]
        self.assertTrue(all(text.startswith("ab") for text in texts))
        self.assertEqual(texts[0], texts[1])
        self.assertEqual(texts[2], texts[3])
        self.assertNotEqual(texts[2], texts[4])

    def test_ids_beyond_the_vocabulary_refuse_the_start(self):
        (self.folder / "text.txt").write_text("\n\n".join(f"text {i} of many words {i * i}" for i in range(900)))
        run("caa-run", "data", "tokenizer", "text.txt", "-o", "t.json", "--vocab", VOCAB + 1, cwd=self.folder)
        run("caa-run", "data", "prepare", "text.txt", "-o", "data/text", "--tokenizer", "t.json", "--split-on", "\\n\\n", cwd=self.folder)
        done = self.train("--data", "text", "--steps", 3, status=1)
        self.assertIn("--set vocab=513", done.stderr)

    def test_call_runs_an_export(self):
        a, b = (self.rng.normal(size=(2, 5, 2, 4)).astype(np.float32) for _ in range(2))
        out = self.rng.normal(size=(2, 5, 2, 4)).astype(np.float32)
        save_file({"a": a, "b": b}, self.folder / "in.safetensors")
        save_file({"out": out}, self.folder / "grad.safetensors")
        run("caa-run", "call", SAMPLE, "add", "--inputs", "in.safetensors", "--outputs", "o.safetensors", cwd=self.folder)
        np.testing.assert_array_equal(load_file(self.folder / "o.safetensors")["out"], a + b)
        run("caa-run", "call", SAMPLE, "add", "--inputs", "in.safetensors", "--outputs", "o.safetensors", "--grad-outputs",
            "grad.safetensors", cwd=self.folder)
        answer = load_file(self.folder / "o.safetensors")
        self.assertEqual(set(answer), {"out", "d_a", "d_b"})
        np.testing.assert_array_equal(answer["d_a"], out)
        for tensors, text in [({"a": a}, "`b`"), ({"a": a, "b": b[:1]}, "[1, 5, 2, 4]"), ({"a": a, "b": b, "c": a}, "`c`")]:
            save_file(tensors, self.folder / "bad.safetensors")
            done = run("caa-run", "call", SAMPLE, "add", "--inputs", "bad.safetensors", "--outputs", "none", cwd=self.folder, status=1)
            self.assertIn("bad.safetensors", done.stderr)
            self.assertIn(text, done.stderr)
        done = run("caa-run", "call", SAMPLE, "sub", "--inputs", "in.safetensors", "--outputs", "none", cwd=self.folder, status=1)
        self.assertIn("it exports add", done.stderr)

    def test_inspect_tells_what_is_inside_without_running_it(self):
        listing = json.loads(run("caa-run", "inspect", SAMPLE, "--json").stdout)
        self.assertEqual({p["name"]: tuple(p["shape"]) for p in listing["parameters"]}, SHAPES)
        self.assertEqual(listing["parameters_in_all"], 512 * 8 + 256)
        self.assertIn("micro_step", run("caa-run", "inspect", SAMPLE).stdout)

    def test_bad_input_is_one_clear_message(self):
        self.tokens(9 * LENGTH)
        cases = [
            (["train", SAMPLE, "--tokens", "t.bin", "--steps", 3, "--set", "layers=2"], 2, "caac --set layers=2"),
            (["train", SAMPLE, "--tokens", "t.bin", "--steps", 3, "--device", "cuda:0"], 1, "cuda:0"),
            (["train", SAMPLE, "--tokens", "t.bin", "--steps", 3, "--device", "tpu"], 2, "tpu"),
            (["train", SAMPLE, "--tokens", "t.bin"], 2, "--steps"),
            (["train", SAMPLE, "--steps", 3, "--data", "nowhere"], 1, "data prepare"),
            (["train", SAMPLE, "--tokens", "none.bin", "--steps", 3], 1, "none.bin"),
            (["train", "none.so", "--tokens", "t.bin", "--steps", 3], 1, "none.so"),
            (["train", "t.bin", "--tokens", "t.bin", "--steps", 3], 1, "t.bin"),
            (["train", SAMPLE, "--tokens", "wide.bin", "--steps", 3], 1, "wide.bin"),
            (["train", SAMPLE, "--tokens", "t.bin", "--steps", 3, "--resume", "nowhere"], 1, "nowhere"),
            (["eval", SAMPLE, "--tokens", "t.bin"], 1, "--checkpoint"),
            (["generate", SAMPLE, "-p", "x", "--checkpoint", "nowhere"], 1, "nowhere"),
            (["train", SAMPLE, "--tokens", "t.bin", "--steps", 0], 2, "--steps"),
            (["teach"], 2, "subcommand"),
            ([], 2, "subcommand"),
        ]
        tokens = np.zeros(256 + 64, np.int32)
        tokens[:3] = [20240801, 7, 64]
        tokens[300] = VOCAB
        (self.folder / "wide.bin").write_bytes(tokens.tobytes())
        for arguments, status, text in cases:
            done = run("caa-run", *arguments, status=status, cwd=self.folder)
            self.assertIn(text, done.stderr)
            self.assertEqual(done.stderr.count("error:"), 1, done.stderr)
        self.assertEqual(list(self.folder.glob("runs/*/checkpoint-*")), [])

    def test_memory_is_predicted_before_the_first_step(self):
        self.tokens(64 * LENGTH)
        state = (512 * 8 + 256) * 16  # values, gradients, two moments
        arena = {entry["batch"]: entry["arena_bytes"] for b in (1, 2, 20, 60) for entry in json.loads(
            run("caa-run", "inspect", SAMPLE, "--json", "--batch", b).stdout)["entries"] if entry["name"] == "micro_step"}
        self.assertTrue(arena[1] < arena[20] < arena[60])
        limited = {**os.environ, "CAA_MEMORY": str(state + arena[20] + 20 * LENGTH * 3 * 4 + 100)}
        done = self.train("--tokens", "t.bin", "--steps", 2, "--micro-batch", 60, "--run", "r", status=1, env=limited)
        self.assertIn("not enough memory", done.stderr)
        fits = int(done.stderr.split("`--micro-batch ")[1].split("`")[0])
        self.assertTrue(18 <= fits <= 20, fits)
        self.assertFalse((self.folder / "r").exists())
        self.train("--tokens", "t.bin", "--steps", 2, "--micro-batch", fits, "--run", "a", env=limited)
        self.train("--tokens", "t.bin", "--steps", 2, "--run", "b", env=limited)  # unasked, it takes what fits
        done = self.train("--tokens", "t.bin", "--steps", 2, "--run", "c", status=1, env={**os.environ, "CAA_MEMORY": "1000"})
        self.assertIn("even a micro-batch of 1 needs", done.stderr)

    def test_a_full_disk_says_space(self):
        self.tokens(9 * LENGTH)
        done = run("caa-run", "eval", SAMPLE, "--weights", "w.safetensors", "--tokens", "t.bin", "--dump", "/dev/full", status=1,
                   cwd=self.folder)
        self.assertIn("space", done.stderr)

    def test_a_damaged_checkpoint_is_refused_by_name(self):
        self.tokens(9 * LENGTH)
        self.train("--tokens", "t.bin", "--steps", 2, "--run", "r")
        file = self.folder / "r" / "checkpoint-2" / "optimizer.safetensors"
        data = bytearray(file.read_bytes())
        data[-3] ^= 4
        file.write_bytes(data)
        done = self.train("--tokens", "t.bin", "--steps", 4, "--run", "r", "--resume", "auto", status=1)
        self.assertIn("optimizer.safetensors", done.stderr)
        done = self.train("--tokens", "t.bin", "--steps", 4, "--run", "r", status=2)
        self.assertIn("--resume", done.stderr)


if __name__ == "__main__":
    unittest.main()
