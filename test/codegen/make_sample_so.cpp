// make_sample_so OUT.so: writes the hand-made sample program, for tests of the runtime's loader.
#include "test/codegen/SampleProgram.h"

#include "llvm/Support/raw_ostream.h"

int main(int argc, char **argv) {
  if (argc != 2) {
    llvm::errs() << "usage: make_sample_so OUT.so\n";
    return 2;
  }
  llvm::Expected<caa::ObjectBytes> kernels = caa::test::sampleKernels();
  if (!kernels) {
    llvm::errs() << llvm::toString(kernels.takeError()) << "\n";
    return 3;
  }
  std::vector<caa::ObjectBytes> objects;
  objects.push_back(std::move(*kernels));
  if (llvm::Error error = caa::writeSharedObject(argv[1], caa::test::sampleProgram(), caa::test::sampleTexts(), std::move(objects))) {
    llvm::errs() << llvm::toString(std::move(error)) << "\n";
    return 1;
  }
  return 0;
}
