"""caac as a program: what is in the .so, how long compiling takes, what happens to the output file when something fails."""
import json
import resource
import subprocess
import unittest

from harness import MODELS, ModelTest
from programs import BIN, SOURCE, run

SMALL = ["vocab=97", "dim=32", "heads=4", "kv_heads=2", "head_dim=8", "ffn=48", "context=64", "train.precision=fp32"]


def sections(path):
    """Sizes of an ELF file's sections by name."""
    lines = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True, check=True).stdout.splitlines()
    fields = [line.split("]", 1)[1].split() for line in lines if line.lstrip().startswith("[") and "]" in line]
    return {f[0]: int(f[4], 16) for f in fields if len(f) > 5 and f[0].startswith(".")}


class SharedObject(ModelTest):
    def test_exports_caa_query_and_needs_no_more_than_the_c_library(self):
        library = self.compile("qwen_caa", [*SMALL, "layers=1"])
        text = subprocess.run(["readelf", "--dyn-syms", "-W", library], capture_output=True, text=True, check=True).stdout
        symbols = [line.split() for line in text.splitlines() if line.split()[:1] and line.split()[0][:-1].isdigit()]
        exported = [s[7] for s in symbols if len(s) > 7 and s[6] != "UND"]
        self.assertEqual(exported, ["caa_query"])
        foreign = {s[7].split("@")[0] for s in symbols if len(s) > 7 and s[6] == "UND"}
        self.assertLessEqual(foreign, {"memcpy", "memmove", "memset", "exp", "log", "sin", "cos", "pow", "erf", "tanh",
                                       "expf", "logf", "sinf", "cosf", "powf", "erff", "tanhf"})
        self.assertFalse([s for s in sections(library) if s.startswith((".init", ".fini", ".ctors"))])

    def test_the_same_source_gives_the_same_bytes(self):
        first, second = (self.compile("qwen_caa", [*SMALL, "layers=2"]).read_bytes() for _ in range(2))
        self.assertEqual(first, second)

    def test_equal_layers_have_the_code_of_one(self):
        two, many = (self.compile("qwen_caa", [*SMALL, f"layers={n}"]) for n in (3, 32))
        self.assertEqual(sections(two)[".text"], sections(many)[".text"])
        names = [[k["name"] for k in json.loads(run("caa-run", "inspect", so, "--json").stdout)["kernels"]] for so in (two, many)]
        self.assertEqual(*names)

    def test_the_full_model_compiles_within_five_seconds_of_two_cores(self):
        for model in ("qwen_dense", "qwen_caa"):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            self.compile(model)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            self.assertLess(seconds, 10, f"{model}: {seconds:.1f} s of processor time")


class Output(ModelTest):
    def test_a_failed_compilation_leaves_the_old_file(self):
        source = self.fresh(".mdl")
        source.write_text("model broken() { loss = nothing }\n")
        target = self.fresh(".so")
        target.write_bytes(b"old")
        failed = run("caac", source, "-o", target, status=1)
        self.assertIn(f"{source.name}:1:", failed.stderr)
        self.assertEqual(target.read_bytes(), b"old")
        self.assertEqual({p.name for p in self.folder.iterdir()}, {source.name, target.name})

    def test_a_full_disk_says_space(self):
        failed = run("caac", MODELS / "qwen_dense.mdl", *sum((["--set", s] for s in [*SMALL, "layers=1"]), []), "-o", "/dev/full", status=1)
        self.assertIn("no space left", failed.stderr)

    def test_standard_input_is_read(self):
        text = (MODELS / "gpt2.mdl").read_text()
        target = self.fresh(".so")
        run("caac", "-", "-o", target, "--set", "layers=1", "--set", "vocab=64", input=text, cwd=MODELS)
        self.assertGreater(target.stat().st_size, 10_000)

    def test_stages_are_written_to_standard_output(self):
        sets = sum((["--set", s] for s in [*SMALL, "layers=1"]), [])
        for stage, expected in {"ast": "model qwen3", "caa": "caa.linear", "tile": "tile.kernel", "schedule": "entry micro_step",
                                "llvm": "define void @"}.items():
            self.assertIn(expected, run("caac", MODELS / "qwen_dense.mdl", *sets, "--emit", stage).stdout, stage)


class Installation(ModelTest):
    def test_installed_programs_work(self):
        prefix = self.folder / "prefix"
        subprocess.run(["cmake", "--install", BIN.parent, "--prefix", prefix], check=True, capture_output=True)
        target = self.fresh(".so")
        subprocess.run([prefix / "bin/caac", prefix / "share/caa/models/qwen_dense.mdl", "--set", "layers=1", "--set", "vocab=64",
                        "-o", target], check=True, capture_output=True)
        shown = subprocess.run([prefix / "bin/caa-run", "inspect", target], check=True, capture_output=True, text=True).stdout
        self.assertIn("qwen_dense", shown)
        header = (prefix / "include/caa/caa_abi.h").read_text()
        self.assertEqual(header, (SOURCE / "runtime/abi/caa_abi.h").read_text())


if __name__ == "__main__":
    unittest.main()
