"""GPU code of every model, without a GPU: what is in the file, and what NVIDIA's assembler says of the PTX."""
import concurrent.futures
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sysconfig
import time
import unittest

from harness import MODELS, ModelTest
from programs import run

TARGETS = ("sm_80", "sm_90a")
SMALL = ["layers=1", "vocab=512"]


def find_ptxas():
    """The assembler of an installed toolkit, or of the package nvidia-cuda-nvcc that the tests install."""
    packages = pathlib.Path(sysconfig.get_paths()["purelib"])
    places = [os.environ.get("CAA_PTXAS"), shutil.which("ptxas"), *packages.glob("nvidia/*/bin/ptxas"), "/usr/local/cuda/bin/ptxas"]
    for place in filter(None, places):
        if pathlib.Path(place).is_file():
            if not os.access(place, os.X_OK):
                os.chmod(place, 0o755)
            return str(place)
    raise FileNotFoundError("ptxas: install a CUDA toolkit, or the package nvidia-cuda-nvcc")


class GpuCode(ModelTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ptxas = find_ptxas()

    def compile_for(self, model, targets, sets=SMALL, ptxas=None):
        library = self.folder / f"{model}-{len(targets)}-{time.monotonic_ns()}.so"
        flags = [flag for item in sets for flag in ("--set", item)] + [flag for name in targets for flag in ("--target", name)]
        run("caac", MODELS / f"{model}.mdl", "-o", library, *flags, env=os.environ | {"CAA_PTXAS": ptxas or self.ptxas})
        return library

    def inspect(self, library):
        return json.loads(run("caa-run", "inspect", library, "--json").stdout)

    def assemble(self, ptx, target):
        """The assembler's words on a PTX text, which it must accept."""
        source = self.fresh(".ptx")
        source.write_text(ptx)
        done = subprocess.run([self.ptxas, f"-arch={target}", "-v", source, "-o", source.with_suffix(".cubin")], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr

    def test_every_model_has_code_for_every_target(self):
        def facts_of(model):
            return model, self.inspect(self.compile_for(model, ("cpu", *TARGETS)))

        models = sorted(path.stem for path in MODELS.glob("*.mdl") if re.search(r"^model ", path.read_text(), re.M))
        self.assertGreater(len(models), 3)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for model, facts in pool.map(facts_of, models):
                with self.subTest(model=model):
                    self.assertEqual(facts["targets"], ["cpu", *TARGETS])
                    entries = {target: {e["name"] for e in facts["entries"] if e["target"] == target} for target in facts["targets"]}
                    for target in TARGETS:
                        self.assertLessEqual(entries["cpu"] | {"update"}, entries[target])
                    modules = [(m["target"], m["kind"]) for m in facts["modules"]]
                    self.assertEqual(sorted(modules), [("sm_80", "ptx"), ("sm_90a", "cubin"), ("sm_90a", "ptx")])
                    for kernel in facts["kernels"]:
                        self.assertEqual("registers" in kernel, kernel["target"] == "sm_90a", kernel["name"])
                        if model in ("qwen_dense", "gpt2", "qwen_local") and kernel["name"].startswith("attend") and "registers" in kernel:
                            self.assertEqual(kernel["spill_bytes"], 0, kernel["name"])

    def test_the_assembler_accepts_the_ptx_of_all_targets_and_serialises_no_product_of_dense_attention(self):
        for model in ("qwen_dense", "qwen_caa"):
            for target in TARGETS:
                sets = sum((["--set", s] for s in SMALL), [])
                ptx = run("caac", MODELS / f"{model}.mdl", *sets, "--target", target, "--emit", "ptx").stdout
                self.assertIn(f".target {target}", ptx)
                told = self.assemble(ptx, target)
                if model == "qwen_dense":
                    self.assertNotIn("C75", told)

    def test_attention_on_hopper_spills_no_register_and_serialises_no_product_at_either_head_width(self):
        for model in ("qwen_dense", "qwen_local"):
            for width in (64, 128):
                with self.subTest(model=model, width=width):
                    sets = sum((["--set", s] for s in (*SMALL, f"head_dim={width}")), [])
                    told = self.assemble(run("caac", MODELS / f"{model}.mdl", *sets, "--target", "sm_90a", "--emit", "ptx").stdout, "sm_90a")
                    self.assertNotIn("C75", told)
                    spilled = re.findall(r"Compiling entry function '(\w+)'.*?(\d+) bytes spill stores, (\d+) bytes spill loads", told, re.S)
                    attends = [(name, int(stores), int(loads)) for name, stores, loads in spilled if name.startswith("attend")]
                    self.assertEqual(len(attends), 4)
                    self.assertEqual([one for one in attends if one[1:] != (0, 0)], [])

    def test_the_ptx_lies_in_the_file_as_text(self):
        library = self.compile_for("gpt2", TARGETS)
        data = library.read_bytes()
        for target in TARGETS:
            at = data.index(f".target {target}".encode())
            text = data[data.rindex(b"\0", 0, at) + 1:data.index(b"\0", at)].decode()
            self.assertTrue(text.lstrip().startswith(".version"), text[:80])
            self.assemble(text, target)

    def test_without_an_assembler_the_ptx_stays(self):
        facts = self.inspect(self.compile_for("gpt2", TARGETS, ptxas="/nonexistent/ptxas"))
        self.assertEqual({(m["target"], m["kind"]) for m in facts["modules"]}, {(target, "ptx") for target in TARGETS})

    def test_one_target_alone_is_all_there_is(self):
        facts = self.inspect(self.compile_for("gpt2", ["sm_80"]))
        self.assertEqual(facts["targets"], ["sm_80"])
        self.assertEqual({e["target"] for e in facts["entries"]}, {"sm_80"})
        refused = run("caa-run", "bench", self.compile_for("gpt2", ["sm_80"]), "--device", "cpu", status=1)
        self.assertIn("--target cpu", refused.stderr)

    def test_unset_precision_is_bf16_on_gpus_alone_and_set_it_holds_for_all(self):
        for sets, rounded in ((SMALL, {"cpu": False, "sm_90a": True}),
                              ([*SMALL, "train.precision=fp32"], {"cpu": False, "sm_90a": False})):
            for target, expected in rounded.items():
                flags = sum((["--set", s] for s in sets), [])
                schedule = run("caac", MODELS / "qwen_dense.mdl", *flags, "--target", target, "--emit", "schedule").stdout
                self.assertEqual("parameter_bf16" in schedule, expected, (sets, target))

    def test_the_full_model_becomes_ptx_for_all_targets_within_five_seconds_of_two_cores(self):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.compile_for("qwen_caa", ("cpu", *TARGETS), sets=(), ptxas="/nonexistent/ptxas")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.assertLess(seconds, 10, f"{seconds:.1f} s of processor time")

    def test_compiling_twice_gives_the_same_bytes(self):
        first, second = (self.compile_for("qwen_caa", ("cpu", *TARGETS)).read_bytes() for _ in range(2))
        self.assertEqual(first, second)


if __name__ == "__main__":
    unittest.main()
