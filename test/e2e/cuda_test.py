"""caa-run on a GPU, with a driver of our own in place of NVIDIA's (test/runtime/device/cuda/fake_cuda.h): training, checkpoints and
messages are those of a machine with a GPU, and the numbers those of the processor."""
import json
import os
import unittest

import numpy as np
from safetensors.numpy import load_file, save_file

from programs import BIN, SEED, FolderTest, run

SAMPLE = BIN.parent / "test" / "gpu_sample.so"
CPU_SAMPLE = BIN.parent / "test" / "sample.so"
FAKE = os.environ["CAA_FAKE_LIBRARY"]
LENGTH, VOCAB, ROWS = 64, 512, 7


def device(words="", **variables):
    """The environment of a machine with such a GPU."""
    fake = {"CAA_CUDA_DRIVER": FAKE, "CAA_CUBLASLT": FAKE, "CAA_FAKE_CUDA": words}
    return {**os.environ, **fake, **{name: str(value) for name, value in variables.items()}}


class CudaTest(FolderTest):
    def setUp(self):
        super().setUp()
        tokens = np.random.default_rng(SEED).integers(0, VOCAB, ROWS * LENGTH)
        header = np.zeros(256, np.int32)
        header[:3] = [20240520, 1, tokens.size]
        (self.folder / "t.bin").write_bytes(header.tobytes() + tokens.astype(np.uint16).tobytes())

    def train(self, name, *flags, env=None, **options):
        return run("caa-run", "train", SAMPLE, "--tokens", "t.bin", "--run", name, "--micro-batch", 3, "--set", "train.optimizer.lr=1e-2",
                   *flags, cwd=self.folder, env=env or device(), **options)

    def state(self, name):
        checkpoint = self.folder / name / "last"
        return {**load_file(checkpoint / "model.safetensors"), **load_file(checkpoint / "optimizer.safetensors")}

    def log(self, name):
        return [json.loads(line) for line in (self.folder / name / "log.jsonl").read_text().splitlines()]

    def test_training_is_the_processors(self):
        self.train("gpu", "--steps", 6, "--device", "cuda")
        self.train("cpu", "--steps", 6, "--device", "cpu")
        for ours, theirs in zip(self.log("gpu"), self.log("cpu"), strict=True):
            for key in ("step", "loss", "lr", "grad_norm"):
                self.assertAlmostEqual(ours[key], theirs[key], delta=1e-5 * abs(theirs[key]), msg=key)
            self.assertGreater(ours["memory_bytes"], 0)
        ours, theirs = self.state("gpu"), self.state("cpu")
        self.assertEqual(ours.keys(), theirs.keys())
        for name, value in theirs.items():
            np.testing.assert_allclose(ours[name], value, rtol=1e-3, atol=1e-5, err_msg=name)

    def test_a_gpu_is_the_default_where_there_is_one_and_the_file_has_code_for_it(self):
        self.assertIn("sm_90a on Fake GPU", self.train("a", "--steps", 1).stderr)
        self.assertIn("threads with AVX", self.train("b", "--steps", 1, env=device("devices=0")).stderr)
        self.assertIn("threads with AVX", self.train("c", "--steps", 1, env=device("capability=75")).stderr)

    def test_three_and_three_steps_are_six(self):
        self.train("whole", "--steps", 6, "--deterministic")
        self.train("halves", "--steps", 6, "--deterministic", "--stop-at", 3)
        done = self.train("halves", "--deterministic", "--resume", "auto")
        self.assertNotIn("not bit-exact", done.stderr)
        ours, theirs = self.state("halves"), self.state("whole")
        self.assertEqual({k: v.tobytes() for k, v in ours.items()}, {k: v.tobytes() for k, v in theirs.items()})
        self.assertIn("--deterministic", self.train("halves", "--resume", "auto").stderr)

    def test_call_and_eval_compute_there(self):
        self.train("r", "--steps", 1)
        dumps = {}
        for where in ("cuda:0", "cpu"):
            out = self.folder / f"{where}.safetensors"
            run("caa-run", "eval", SAMPLE, "--tokens", "t.bin", "--checkpoint", "r", "--dump", out, "--device", where, cwd=self.folder,
                env=device(CAA_POISON=1))
            dumps[where] = load_file(out)
        self.assertEqual(dumps["cuda:0"].keys(), dumps["cpu"].keys())
        for name, value in dumps["cpu"].items():
            np.testing.assert_allclose(dumps["cuda:0"][name], value, rtol=1e-4, atol=1e-5 * np.abs(value).max(), err_msg=name)
        a, b, g = np.random.default_rng(SEED).standard_normal((3, 2, 5, 2, 4)).astype(np.float32)
        save_file({"a": a, "b": b}, self.folder / "in.safetensors")
        save_file({"out": g}, self.folder / "g.safetensors")
        run("caa-run", "call", SAMPLE, "add", "--inputs", "in.safetensors", "--outputs", "o.safetensors", "--grad-outputs", "g.safetensors",
            "--device", "cuda", cwd=self.folder, env=device())
        answer = load_file(self.folder / "o.safetensors")
        np.testing.assert_array_equal(answer["out"], a + b)
        np.testing.assert_array_equal(answer["d_a"], g)

    def test_bench_times_every_command(self):
        text = run("caa-run", "bench", SAMPLE, "--json", "--batch", 2, "--runs", 2, cwd=self.folder, env=device(f"memory={1 << 30}")).stdout
        result = json.loads(text)
        self.assertEqual(result["device"], "GPU 0 (Fake GPU)")
        self.assertEqual({line["name"] for line in result["kernels"] if not line["name"].startswith("product")}, {"embed", "square_loss"})
        self.assertEqual(sum(line["calls"] for line in result["kernels"] if line["name"].startswith("product")), 2 + 2 * 3)
        for line in result["kernels"]:
            self.assertGreater(line["bytes_per_s"], 0)
        self.assertIn("embed", run("caa-run", "bench", SAMPLE, "--batch", 2, "--runs", 1, cwd=self.folder, env=device(f"memory={1 << 30}")).stdout)

    def test_what_is_wrong_is_said(self):
        train = ["train", SAMPLE, "--tokens", "t.bin", "--steps", 2, "--device", "cuda"]
        small = f"memory={1 << 30}"
        cases = [
            ("no driver", train, device(CAA_CUDA_DRIVER="/none/libcuda.so.1"), ["no NVIDIA driver", "/none/libcuda.so.1", "--device cpu"]),
            ("no GPU", train, device("devices=0"), ["sees no GPU", "CUDA_VISIBLE_DEVICES"]),
            ("not that many GPUs", [*train[:-1], "cuda:3"], device("devices=2"), ["no GPU 3", "2 GPUs"]),
            ("a driver without our functions", train, device(CAA_CUDA_DRIVER=os.environ["CAA_OLD_LIBRARY"]), ["CUDA 11.4", "too old", "525"]),
            ("a driver too old for the PTX", train, device("version=11080 fail=cuModuleLoadDataEx:222"),
             ["gpu_sample.so", "CUDA 11.8", "PTX (version 8.0)", "update the driver"]),
            ("PTX that is none", train, device("fail=cuModuleLoadDataEx:218"), ["gpu_sample.so", "PTX for sm_90a", "line 7", "no such instruction"]),
            ("no compiler for PTX", train, device("fail=cuModuleLoadDataEx:221"), ["libnvidia-ptxjitcompiler"]),
            ("an old GPU", train, device("capability=75"), ["Fake GPU", "7.5", "8.0 or newer"]),
            ("no code for this GPU", train, device("capability=80"), ["gpu_sample.so", "8.0", "cpu, sm_90a", "--target sm_80"]),
            ("no cuBLASLt", train, device(CAA_CUBLASLT="/none/libcublasLt.so"), ["cuBLASLt is missing", "nvidia-cublas", "libcublas"]),
            ("too little memory", [*train, "--micro-batch", 7], device(CAA_MEMORY=115000), ["not enough memory", "GPU 0 (Fake GPU)", "--micro-batch"]),
            ("another process that holds it", train, device(f"memory={8 << 30} others={(8 << 30) - (200 << 20)}"),
             ["not enough memory", "other processes hold", "nvidia-smi"]),
            ("all of it held", train, device("fail=cuDevicePrimaryCtxRetain:2"), ["another process holds it", "nvidia-smi"]),
            ("a GPU of somebody else", train, device("fail=cuDevicePrimaryCtxRetain:46"), ["belongs to another process"]),
            ("no room for the products", train, device("memory=1000000"), ["not enough memory on GPU 0", "matrix products", "977 KiB"]),
            ("a product that is refused", train, device(f"{small} fail=cublasLtMatmulAlgoGetHeuristic:15"), ["refuses the product", "sample.mdl:"]),
        ]
        for what, arguments, env, texts in cases:
            with self.subTest(what):
                done = run("caa-run", *arguments, status=1, cwd=self.folder, env=env)
                for text in texts:
                    self.assertIn(text, done.stderr)
                self.assertEqual(done.stderr.count("error:"), 1, done.stderr)
        done = run("caa-run", *train[:-2], "--device", "cuda:x", status=2, cwd=self.folder, env=device())
        self.assertIn("cuda[:n]", done.stderr)

    def test_a_kernel_that_faults_is_named_with_its_line_and_what_was_saved_is_whole(self):
        # Seven rows are three micro-batches a step, so the eighth run is in the third step.
        done = self.train("fresh", "--steps", 6, status=1, env=device("fault=embed@8"))
        self.assertEqual(done.stderr.count("error:"), 1, done.stderr)
        for text in ["step 3: kernel `embed` (sample.mdl:1) of entry `micro_step` failed on GPU 0 (Fake GPU)", "an illegal memory access",
                     "nothing was saved yet"]:
            self.assertIn(text, done.stderr.splitlines()[-1])
        self.assertEqual([row["step"] for row in self.log("fresh")], [1, 2])
        # From a checkpoint, whose run it leaves as it is.
        self.train("r", "--steps", 40, "--stop-at", 30, "--deterministic")
        before = self.state("r")
        for sync in ({}, {"CAA_SYNC": 1}):
            done = self.train("r", "--resume", "auto", "--deterministic", status=1, env=device("fault=embed@5", **sync))
            for text in ["step 32: kernel `embed` (sample.mdl:1) of entry `micro_step`", "the checkpoint `r/checkpoint-30` is whole"]:
                self.assertIn(text, done.stderr.splitlines()[-1])
            self.assertEqual("one kernel at a time" in done.stderr, not sync)
        self.assertEqual([row["step"] for row in self.log("r")], list(range(1, 32)))
        self.assertEqual(before.keys(), self.state("r").keys())
        self.train("r", "--resume", "auto", "--deterministic")
        self.train("whole", "--steps", 40, "--deterministic")
        ours, theirs = self.state("r"), self.state("whole")
        self.assertEqual({k: v.tobytes() for k, v in ours.items()}, {k: v.tobytes() for k, v in theirs.items()})

    def test_a_fault_that_does_not_come_back_is_told_as_such(self):
        done = self.train("r", "--steps", 6, "--checkpoint-every", 2, status=1, env=device("fault=embed@11"))
        last = done.stderr.splitlines()[-1]
        for text in ["step 4: ", "an illegal memory access", "did not happen again", "CAA_SYNC=1", "the checkpoint `r/checkpoint-2` is whole"]:
            self.assertIn(text, last)
        # Far from the checkpoint, the step alone is repeated.
        done = self.train("far", "--steps", 40, "--checkpoint-every", 0, status=1, env=device("fault=embed@90"))
        self.assertIn("step 30: ", done.stderr.splitlines()[-1])
        self.assertIn("did not happen again", done.stderr.splitlines()[-1])
        self.assertEqual(len(self.log("far")), 29)

    def test_other_commands_name_the_kernel_too_and_write_nothing(self):
        self.train("r", "--steps", 1)
        for name, arguments in {"eval": ["--tokens", "t.bin", "--checkpoint", "r", "--dump", "o.safetensors"], "bench": ["--batch", 2]}.items():
            done = run("caa-run", name, SAMPLE, *arguments, "--device", "cuda", status=1, cwd=self.folder, env=device(f"fault=embed memory={1 << 30}"))
            self.assertEqual(done.stderr.count("error:"), 1, done.stderr)
            self.assertRegex(done.stderr.splitlines()[-1], r"kernel `embed` \(sample.mdl:1\) of entry `\w+` failed on GPU 0")
        done = run("caa-run", "eval", SAMPLE, "--tokens", "t.bin", "--checkpoint", "r", "--dump", "o.safetensors", "--device", "cuda", status=1,
                   cwd=self.folder, env=device("fault=embed@3"))
        self.assertFalse((self.folder / "o.safetensors").exists())

    def test_entries_that_the_file_does_not_have_for_a_gpu_are_named(self):
        done = run("caa-run", "train", CPU_SAMPLE, "--tokens", "t.bin", "--steps", 1, "--device", "cuda", status=1, cwd=self.folder, env=device())
        self.assertIn("no entry `micro_step` for sm_90a", done.stderr)


if __name__ == "__main__":
    unittest.main()
