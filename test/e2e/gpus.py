"""The GPU of the tests: the machine's own, or an emulated one (test/ptx), which runs the same code a few thousand times slower."""
import ctypes
import os


def missing():
    """Why the machine has no GPU; nothing if it has one."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return f"no NVIDIA driver: {error}"
    code = driver.cuInit(0)
    return f"the NVIDIA driver does not start: error {code}" if code else None


EMULATED = missing() is not None
if EMULATED:
    LIBRARY = os.environ["CAA_EMULATED_LIBRARY"]
    # PTX is what is emulated: no machine code is made. What nobody has written, nobody may read.
    os.environ.update(CAA_CUDA_DRIVER=LIBRARY, CAA_CUBLASLT=LIBRARY, CAA_PTXAS="/none/ptxas", CAA_POISON="1")


def use(target):
    """From here on the emulated GPU is one for which the code of `target` is."""
    if EMULATED:
        os.environ["CAA_FAKE_CUDA"] = f"capability={target.removeprefix('sm_').rstrip('a')}"
