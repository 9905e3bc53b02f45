"""What the end-to-end tests share: where the programs are, running them, and random numbers that can be had again."""
import os
import pathlib
import secrets
import shutil
import subprocess
import sys
import tempfile
import unittest

BIN = pathlib.Path(os.environ["CAA_BIN"])
SOURCE = pathlib.Path(os.environ["CAA_SOURCE"])
SEED = int(os.environ.get("CAA_TEST_SEED") or secrets.randbits(32))  # of every random input: a new one each time, or the one given


def run(program, *arguments, status=0, cwd=None, timeout=300, **options):
    """Runs a program of ours and returns the finished process (text output); `status` is the exit status due."""
    command = [str(BIN / program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=timeout, **options)
    if done.returncode != status:
        raise AssertionError(f"{' '.join(command)}\nexit status {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
    return done


class FolderTest(unittest.TestCase):
    """A test with a fresh folder of its own, `self.folder`; one that fails tells the seed that repeats it."""

    def run(self, result=None):
        result = self.defaultTestResult() if result is None else result
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            print(f"\nCAA_TEST_SEED={SEED} repeats {self.id()}", file=sys.stderr)
        return result

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="caa-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
