"""What the end-to-end tests share: where the programs are, and running them."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

BIN = pathlib.Path(os.environ["CAA_BIN"])
SOURCE = pathlib.Path(os.environ["CAA_SOURCE"])


def run(program, *arguments, status=0, cwd=None, timeout=300, **options):
    """Runs a program of ours and returns the finished process (text output); `status` is the exit status due."""
    command = [str(BIN / program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=timeout, **options)
    if done.returncode != status:
        raise AssertionError(f"{' '.join(command)}\nexit status {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
    return done


class FolderTest(unittest.TestCase):
    """A test with a fresh folder of its own, `self.folder`."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="caa-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
