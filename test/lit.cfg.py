# lit's configuration for the whole test tree: *.mlir and *.mdl files whose RUN lines use caa-opt, caac, FileCheck.
# The build folder and LLVM's tools come in through --param (test/CMakeLists.txt).
import os
import sys

import lit.formats

config.name = "caa"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".mdl"]
config.excludes = ["Inputs", "inputs", "e2e"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(lit_config.params["build"], "test", "lit")
config.environment["PATH"] = os.pathsep.join(
    [os.path.join(lit_config.params["build"], "bin"), lit_config.params["llvm_tools"], os.environ["PATH"]])
config.substitutions.append(("%models", os.path.join(config.test_source_root, "..", "models")))
config.substitutions.append(("%python", sys.executable))
