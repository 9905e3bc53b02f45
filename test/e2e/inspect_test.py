"""What `caa-run inspect` tells without running a file: counts, memory linear in the context, scores visited; and the .so itself."""
import json
import subprocess
import unittest

from harness import ModelTest
from programs import run

EXPORT = {"q": "8x64", "k": "8x64", "v": "8x64"}


class Inspection(ModelTest):
    def inspect(self, library):
        return json.loads(run("caa-run", "inspect", library, "--json").stdout)

    def test_the_dense_model_has_the_published_number_of_parameters(self):
        facts = self.inspect(self.compile("qwen_dense"))
        self.assertEqual(facts["matrix_parameters_outside_embedding"], 134_217_728)
        self.assertEqual(facts["parameters_in_all"], 212_046_336)

    def test_attention_adds_at_most_four_times_its_inputs_and_outputs_at_16k_and_grows_linearly(self):
        for model, name, vectors in (("qwen_dense", "dense", EXPORT), ("qwen_caa", "caa", EXPORT | {"x": "1x512"})):
            added = {}
            for length in (16384, 32768):
                library = self.compile(model, ["layers=1", "vocab=64", f"context={length}"], [(name, vectors)])
                for entry in self.inspect(library)["entries"]:
                    if entry["name"] == f"{name}.gradient":
                        tensors = sum(v["bytes"] for v in entry["values"] if v["name"].removeprefix("d_") in ("q", "k", "v", "out"))
                        added[length] = entry["arena_bytes"] + entry["scratch_bytes_per_thread"]
                        # The output itself is not among a gradient's values.
                        self.assertLessEqual(added[length], 4 * (tensors + length * 8 * 64 * 4), model)
            self.assertLess(added[32768], 2.1 * added[16384], model)

    def test_a_window_of_512_visits_at_most_9_percent_of_the_causal_scores_at_16k(self):
        facts = self.inspect(self.compile("qwen_local", ["layers=1", "vocab=64"]))
        shares = [row for row in json_rows(facts["analysis"]) if row.get("length") == 16384]
        self.assertTrue(shares, facts["analysis"])
        for row in shares:
            self.assertLessEqual(row["scores"] / row["causal"], 0.09)
            self.assertGreaterEqual(row["scores"] / row["causal"], 0.0605)

    def test_the_file_exports_one_symbol_and_needs_libc_and_libm_alone(self):
        library = self.compile("qwen_caa", ["layers=1", "vocab=64", "dim=64", "heads=2", "kv_heads=2", "ffn=64"])
        symbols = subprocess.run(["nm", "-D", library], capture_output=True, text=True, check=True).stdout.split("\n")
        defined = [line.split()[-1] for line in symbols if " T " in line or " D " in line or " R " in line or " B " in line]
        self.assertEqual(defined, ["caa_query"])
        missing = {line.split()[-1].split("@")[0] for line in symbols if " U " in line}
        self.assertLessEqual(missing, {"cos", "sin", "exp", "log", "pow", "memcpy", "memset", "memmove", "fmod", "floor", "ceil", "tanh",
                                       "log2", "exp2", "erf", "expf", "logf", "powf", "tanhf", "log1p", "fmodf"})


def json_rows(node):
    """Every object in a JSON document."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from json_rows(item)


if __name__ == "__main__":
    unittest.main()
