// make_sample_so OUT.so [gpu]: writes the hand-made sample program, or the one for the fake driver, for tests of the runtime.
#include "test/codegen/GpuSample.h"

#include "llvm/Support/raw_ostream.h"

int main(int argc, char **argv) {
  const bool gpu = argc == 3 && llvm::StringRef(argv[2]) == "gpu";
  if (argc != 2 && !gpu) {
    llvm::errs() << "usage: make_sample_so OUT.so [gpu]\n";
    return 2;
  }
  llvm::Expected<caa::ObjectBytes> kernels = caa::test::sampleKernels();
  if (!kernels) {
    llvm::errs() << llvm::toString(kernels.takeError()) << "\n";
    return 3;
  }
  std::vector<caa::ObjectBytes> objects;
  objects.push_back(std::move(*kernels));
  auto program = gpu ? caa::test::gpuSampleProgram() : caa::test::sampleProgram();
  if (llvm::Error error = caa::writeSharedObject(argv[1], program, caa::test::sampleTexts(), std::move(objects))) {
    llvm::errs() << llvm::toString(std::move(error)) << "\n";
    return 1;
  }
  return 0;
}
