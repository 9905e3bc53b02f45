"""caa-run stands alone: what it links, and the libraries that it loads only when a command needs them (oneDNN for products on the
processor, Arrow for Parquet), from the build as installed."""
import os
import re
import shutil
import subprocess
import unittest

import numpy as np

from programs import BIN, SEED, FolderTest, run

SAMPLE = BIN.parent / "test" / "sample.so"
FEW = r"linux-vdso|ld-linux|lib(c|m|stdc\+\+|gcc_s|pthread|dl|crypto|z|zstd|pcre2-8|utf8proc|fmt|xxhash)\."


class DependenciesTest(FolderTest):
    def setUp(self):
        super().setUp()
        tokens = np.random.default_rng(SEED).integers(0, 512, 4 * 64).astype(np.uint16)
        header = np.zeros(256, np.int32)
        header[:3] = [20240520, 1, tokens.size]
        (self.folder / "t.bin").write_bytes(header.tobytes() + tokens.tobytes())

    def copy(self):
        """A program with no plugin beside it."""
        (self.folder / "bin").mkdir()
        (self.folder / "lib/caa").mkdir(parents=True)
        shutil.copy(BIN / "caa-run", self.folder / "bin")
        return self.folder / "bin/caa-run"

    def train(self, program, **options):
        return subprocess.run([program, "train", SAMPLE, "--tokens", "t.bin", "--steps", "1", "--device", "cpu", "--run", "r"], text=True,
                              capture_output=True, cwd=self.folder, **options)

    def test_the_program_links_few_libraries(self):
        listed = subprocess.run(["ldd", BIN / "caa-run"], check=True, capture_output=True, text=True).stdout
        for line in listed.splitlines():
            self.assertRegex(line.strip().split("/")[-1], FEW, "a dependency that was not there before")

    def test_onednn_and_arrow_are_loaded_by_what_computes_on_the_processor_and_reads_parquet(self):
        traced = {**os.environ, "LD_DEBUG": "libs"}
        loaded = lambda done: set(re.findall(r"calling init: \S*/(lib[a-z_]+)", done.stderr))
        inspected = loaded(run("caa-run", "inspect", SAMPLE, env=traced))
        self.assertIn("libcrypto", inspected)
        self.assertFalse(inspected & {"libdnnl", "libcaa_products", "libarrow", "libparquet"})
        trained = loaded(self.train(BIN / "caa-run", env=traced))
        self.assertLessEqual({"libdnnl", "libcaa_products"}, trained)
        self.assertFalse(trained & {"libarrow", "libparquet"})

    def test_a_missing_library_is_one_message_that_says_what_to_install(self):
        program = self.copy()
        plugin = self.folder / "lib/caa/libcaa_products.so"
        for content, said in [(None, [str(plugin), "cmake --install"]),
                              ((BIN.parent / "lib/caa/libcaa_products.so").read_bytes().replace(b"libdnnl.so", b"libgone.so"),
                               ["oneDNN", "libdnnl2", "scripts/install.sh", "libgone.so"]),
                              (b"no library", ["oneDNN", str(plugin)])]:
            if content is not None:
                plugin.write_bytes(content)
            done = self.train(program)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertEqual(done.stderr.count("error:"), 1, done.stderr)
            for text in said:
                self.assertIn(text, done.stderr)
            self.assertFalse((self.folder / "r").exists())
            subprocess.run([program, "inspect", SAMPLE], check=True, capture_output=True)

    def test_what_is_installed_trains_without_the_build_folder(self):
        installed = self.folder / "prefix"
        subprocess.run(["cmake", "--install", BIN.parent, "--prefix", installed], check=True, capture_output=True)
        shutil.rmtree(installed / "share")
        done = self.train(installed / "bin/caa-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue((installed / "lib/caa/libcaa_products.so").exists())
        self.assertNotIn(str(BIN.parent).encode(), (installed / "lib/caa/libcaa_products.so").read_bytes())


if __name__ == "__main__":
    unittest.main()
