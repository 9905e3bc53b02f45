// The kernels of the *.mlir files here, run by the interpreter against the attends of the same names in attends.mlir.
#include "test/passes/LowerAttend/AttendFixture.h"
#include "test/seed.h"

#include <filesystem>

using namespace mlir;

namespace caa::test {
namespace {

class TileKernels : public AttendFixture {};

TEST_F(TileKernels, ComputeWhatTheirAttendsDefine) {
  unsigned seed = testSeed(), kernels = 0;
  for (const auto &entry : std::filesystem::directory_iterator(CAA_TEST_TILE)) {
    if (entry.path().extension() != ".mlir")
      continue;
    OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(entry.path().string(), &context);
    ASSERT_TRUE(module);
    for (auto kernel : module->getOps<func::FuncOp>())
      if (tensors->lookupSymbol(kernel.getName()))
        for (int64_t length : {1, 16, 37, 64}) {
          ++kernels;
          ++seed;
          check(*module, kernel.getName(), length, seed, entry.path().filename().string() + ", seed " + std::to_string(seed));
        }
  }
  EXPECT_EQ(kernels, 5 * 4);
}

} // namespace
} // namespace caa::test
