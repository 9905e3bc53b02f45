"""What users do to `caa-run train` by mistake, and what machines do to it: each is one clear message with the right exit status, and
nothing that was saved is lost."""
import resource
import shutil
import signal
import subprocess
import time
import unittest

import numpy as np

from programs import BIN, SEED, FolderTest, run

SAMPLE = BIN.parent / "test" / "sample.so"
LENGTH, VOCAB = 64, 512


class HostileTest(FolderTest):
    def setUp(self):
        super().setUp()
        self.write("t.bin", np.random.default_rng(SEED).integers(0, VOCAB, 9 * LENGTH))

    def write(self, name, tokens):
        header = np.zeros(256, np.int32)
        header[:3] = [20240520, 1, len(tokens)]
        (self.folder / name).write_bytes(header.tobytes() + np.asarray(tokens, np.uint16).tobytes())

    def train(self, *flags, tokens="t.bin", **options):
        return run("caa-run", "train", SAMPLE, "--tokens", tokens, "--device", "cpu", *flags, cwd=self.folder, **options)

    def test_numbers_that_make_no_sense_are_refused_with_what_they_should_be(self):
        for flags in [["--micro-batch", "0"], ["--micro-batch", "99999999999999999999"], ["--steps", "3x"], ["--steps", "1e3"], ["--keep", "0"],
                      ["--stop-at", "-1"], ["--seed", "-1"], ["--threads", "0"], ["--threads", "1025"], ["--eval-every", "0.5"]]:
            done = self.train("--steps", 1, *flags, status=2) if flags[0] != "--steps" else self.train(*flags, status=2)
            self.assertRegex(done.stderr, rf"error: {flags[0]}: {flags[1]} should be a whole number of at least [01] and at most \d+ ")
        for value in ("nan", "-1", "inf", "warm"):
            done = run("caa-run", "generate", SAMPLE, "-p", "x", "--temperature", value, status=2, cwd=self.folder)
            self.assertIn(f"--temperature: {value} should be a number of at least 0", done.stderr)
        for flags, said in [(["--data", "."], "--data"), (["--run", ""], "--run")]:
            self.assertIn(said, self.train("--steps", 1, *flags, status=2).stderr)
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["t.bin"])

    def test_what_is_no_training_data_is_named(self):
        self.assertIn("no data is named", run("caa-run", "train", SAMPLE, "--steps", 1, "--device", "cpu", status=1, cwd=self.folder).stderr)
        self.write("one.bin", [3])
        self.assertIn("one.bin: error: it holds a single token", self.train("--steps", 1, tokens="one.bin", status=1).stderr)
        self.write("none.bin", [])
        self.assertIn("none.bin: error: it holds no tokens", self.train("--steps", 1, tokens="none.bin", status=1).stderr)

    def test_a_batch_that_no_memory_holds_is_refused_by_bench(self):
        done = run("caa-run", "bench", SAMPLE, "--batch", 10**9, "--device", "cpu", status=1, cwd=self.folder)
        self.assertIn("not enough memory", done.stderr)
        self.assertIn("--batch", done.stderr)

    def test_a_disk_that_fills_leaves_the_checkpoint_before_and_says_how_to_go_on(self):
        self.train("--steps", 6, "--run", "r", "--stop-at", 2)
        self.train("--steps", 6, "--run", "whole")
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))  # the optimizer's file is larger
        done = self.train("--steps", 6, "--run", "r", "--resume", "auto", status=1, preexec_fn=limit)
        self.assertIn("no space left", done.stderr)
        self.assertIn("`r/checkpoint-2` is whole", done.stderr)
        self.assertIn("--resume r\n", done.stderr)
        self.assertEqual(done.stderr.count("error:"), 1)
        self.assertEqual(sorted(p.name for p in (self.folder / "r").glob("*checkpoint*")), ["checkpoint-2"])
        self.train("--steps", 6, "--run", "r", "--resume", "auto")
        for file in ("model.safetensors", "optimizer.safetensors"):
            self.assertEqual((self.folder / "r/last" / file).read_bytes(), (self.folder / "whole/last" / file).read_bytes())

    def test_a_run_that_goes_on_is_left_alone_by_a_second_training(self):
        first = subprocess.Popen([BIN / "caa-run", "train", SAMPLE, "--tokens", "t.bin", "--device", "cpu", "--steps", "1000000", "--run", "r",
                                  "--checkpoint-every", "3"], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not list(self.folder.glob("r/checkpoint-*")):
                self.assertIsNone(first.poll())
                time.sleep(0.02)
            done = self.train("--steps", 5, "--run", "r", "--resume", "auto", status=1)
            self.assertIn("`r` belongs to a training that is running", done.stderr)
        finally:
            first.send_signal(signal.SIGTERM)
        self.assertEqual(first.wait(60), 0)
        self.train("--steps", 1000000, "--stop-at", 1, "--run", "r", "--resume", "auto")

    def test_a_folder_without_room_for_the_link_to_the_last_run_does_not_keep_from_training(self):
        (self.folder / "runs").write_text("a file")
        done = self.train("--steps", 1, "--run", "elsewhere/r")
        self.assertIn("note: no `runs/last`", done.stderr)
        self.assertTrue((self.folder / "elsewhere/r/last/model.safetensors").exists())
        self.assertEqual((self.folder / "runs").read_text(), "a file")

    def test_of_a_run_whose_newest_checkpoint_is_damaged_the_one_before_is_named(self):
        self.train("--steps", 4, "--run", "r", "--checkpoint-every", 2)
        newest = self.folder / "r/checkpoint-4"
        for name, content in {"model.safetensors": b"cut", "state.json": b"{}", "optimizer.safetensors": None}.items():
            with self.subTest(name):
                kept = (newest / name).read_bytes()
                (newest / name).write_bytes(content) if content is not None else (newest / name).unlink()
                for arguments in (["train", SAMPLE, "--tokens", "t.bin", "--run", "r", "--resume", "auto"],
                                  ["eval", SAMPLE, "--tokens", "t.bin", "--checkpoint", "r"]):
                    done = run("caa-run", *arguments, "--device", "cpu", status=1, cwd=self.folder)
                    self.assertIn(f"r/checkpoint-4/{name}: error:", done.stderr)
                    self.assertIn("the checkpoint before it is `r/checkpoint-2`", done.stderr)
                (newest / name).write_bytes(kept)
        shutil.rmtree(newest)
        self.train("--steps", 4, "--run", "r", "--resume", "auto")

    def test_fewer_steps_than_are_done_are_nothing_to_do(self):
        self.train("--steps", 4, "--run", "r")
        before = (self.folder / "r/log.jsonl").read_bytes()
        done = self.train("--steps", 3, "--run", "r", "--resume", "auto")
        self.assertIn("nothing is left to do: 4 steps are done, 3 were asked for", done.stderr)
        self.assertEqual((self.folder / "r/log.jsonl").read_bytes(), before)


if __name__ == "__main__":
    unittest.main()
