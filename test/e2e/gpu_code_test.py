"""GPU code of every model, without a GPU: what is in the file, and what NVIDIA's assembler says of the PTX."""
import concurrent.futures
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
import unittest

from harness import MODELS, ModelTest
from programs import SOURCE, run

sys.path.insert(0, str(SOURCE / "test/codegen/Nvptx"))
import check_sass  # noqa: E402

TARGETS = ("sm_80", "sm_90a")
SMALL = ["layers=1", "vocab=512"]


# Bytes that a thread of an attention kernel moves between registers and memory, at most, where it does at all: of a model of models/, for
# a target and a width of its heads. A kernel that is better belongs here with its new figure.
SPILLS = {("gemma", "sm_90a", 128): 104}
SERIALISED = set()  # of such cases: with products that the assembler lets wait for one another


def find_tool(name, package):
    """A program of an installed CUDA toolkit, or of the package that the tests install."""
    places = [os.environ.get("CAA_PTXAS") if name == "ptxas" else None, shutil.which(name), f"/usr/local/cuda/bin/{name}", f"{sys.prefix}/bin/{name}"]
    for place in filter(None, places):
        if os.access(place, os.X_OK):
            return place
    raise FileNotFoundError(f"{name}: install a CUDA toolkit, or the package {package}")


class GpuCode(ModelTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ptxas, cls.nvdisasm = find_tool("ptxas", "nvidia-cuda-nvcc"), find_tool("nvdisasm", "nvidia-cuda-nvdisasm")

    def compile_for(self, model, targets, sets=SMALL, ptxas=None):
        library = self.folder / f"{model}-{len(targets)}-{time.monotonic_ns()}.so"
        flags = [flag for item in sets for flag in ("--set", item)] + [flag for name in targets for flag in ("--target", name)]
        run("caac", MODELS / f"{model}.mdl", "-o", library, *flags, env=os.environ | {"CAA_PTXAS": ptxas or self.ptxas})
        return library

    def inspect(self, library):
        return json.loads(run("caa-run", "inspect", library, "--json").stdout)

    @staticmethod
    def ptx_in(library, target):
        """The PTX text that a file holds for a target."""
        data = library.read_bytes()
        at = data.index(f".target {target}".encode())
        return data[data.rindex(b"\0", 0, at) + 1:data.index(b"\0", at)].decode()

    def assemble(self, ptx, target):
        """The assembler's words on a PTX text, which it must accept, and the file that it made."""
        source = self.folder / f"{time.monotonic_ns()}.ptx"
        source.write_text(ptx)
        cubin = source.with_suffix(".cubin")
        done = subprocess.run([self.ptxas, f"-arch={target}", "-v", source, "-o", cubin], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr, cubin

    def check_spills(self, told, allowed):
        """Attention kernels move no more than `allowed` bytes a thread between registers and memory, by what the assembler told."""
        found = re.findall(r"Compiling entry function '(\w+)'.*?(\d+) bytes spill stores, (\d+) bytes spill loads", told, re.S)
        spills = {name: int(stores) + int(loads) for name, stores, loads in found if name.startswith("attend")}
        self.assertTrue(spills)
        self.assertEqual({name: spilled for name, spilled in spills.items() if spilled > allowed}, {})

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
                        if kernel["target"] == "sm_80":
                            self.assertLessEqual(kernel["shared_bytes"], 99 << 10, kernel["name"])
                        self.assertEqual("registers" in kernel, kernel["target"] == "sm_90a", kernel["name"])

    def test_attention_keeps_to_registers_and_its_products_run_beside_other_work_undisturbed(self):
        def told_of(case):
            model, width = case
            library = self.compile_for(model, TARGETS, [*SMALL, f"head_dim={width}"], ptxas="/nonexistent/ptxas")
            return case, {target: self.assemble(self.ptx_in(library, target), target) for target in TARGETS}

        cases = [(model, width) for model in ("qwen_dense", "qwen_local", "qwen_caa", "gemma") for width in (64, 128)]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for (model, width), results in pool.map(told_of, cases):
                for target, (told, cubin) in results.items():
                    with self.subTest(model=model, width=width, target=target):
                        self.check_spills(told, SPILLS.get((model, target, width), 0))
                        self.assertNotIn("C75", "" if (model, target, width) in SERIALISED else told)
                        if target == "sm_90a":
                            sass = subprocess.run([self.nvdisasm, "-c", cubin], check=True, capture_output=True, text=True).stdout
                            self.assertGreater(check_sass.count_products(sass), 16)
                            self.assertEqual(check_sass.check(sass), [])

    def test_a_remark_tells_what_a_kernel_spills_also_where_no_machine_code_is_kept(self):
        sets = [flag for item in (*SMALL, "heads=2", "kv_heads=2", "head_dim=256") for flag in ("--set", item)]
        told = run("caac", MODELS / "qwen_dense.mdl", "-o", self.fresh(".so"), "--target", "sm_80", "--remarks", *sets, env=os.environ | {"CAA_PTXAS": self.ptxas}).stderr
        self.assertRegex(told, r"kernel `attend_\d+` moves \d+ bytes a thread between registers and memory \[spill\]")

    def test_what_has_no_code_is_told_where_it_stands(self):
        source = self.fresh(".mdl")
        source.write_text('use "%s/qwen3.mdl"\nmodel wide = qwen3(heads = 2, kv_heads = 2, head_dim = 2048)\n' % MODELS)
        told = run("caac", source, "-o", self.fresh(".so"), "--target", "sm_80", "--set", "layers=1", "--set", "vocab=512", status=1).stderr
        self.assertRegex(told, r"qwen3\.mdl:\d+:\d+: error: cannot be compiled for sm_80 yet: the smallest tiles of this attention take \d+ bytes of shared memory; a block has 166912")

    def test_the_ptx_lies_in_the_file_as_text(self):
        library = self.compile_for("gpt2", TARGETS)
        for target in TARGETS:
            text = self.ptx_in(library, target)
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
