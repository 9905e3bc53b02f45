// Every kernel of whole models (small sizes that fill no tile), compiled, against the tile interpreter on random buffers.
#include "test/codegen/Cpu/KernelRunner.h"

#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace mlir;

namespace caa::test {
namespace {

class Models : public ::testing::TestWithParam<const char *> {};

Buffer randomBuffer(func::FuncOp kernel, unsigned number, const Extents &extents, std::mt19937 &random) {
  Buffer buffer{shapeOfArgument(kernel, number, extents), {}};
  Type element = cast<MemRefType>(kernel.getArgument(number).getType()).getElementType();
  std::normal_distribution<double> normal(0, 0.7);
  for (int64_t n = 0, size = buffer.size(); n < size; ++n) {
    double value = element.isInteger(1) || element.isInteger(8) ? double(random() % 2)
                   : isa<IntegerType>(element)                  ? double(random() % 9)
                                                                : normal(random);
    buffer.data.push_back(element.isF32() ? double(float(value)) : value);
  }
  return buffer;
}

TEST_P(Models, KernelsAgreeWithTheInterpreter) {
  auto context = makeKernelContext();
  context->allowUnregisteredDialects();
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(std::string(CAA_TEST_TILE_FILES) + "/" + GetParam() + ".mlir", context.get());
  ASSERT_TRUE(module);
  std::vector<std::string> names;
  for (auto function : module->getOps<func::FuncOp>())
    if (function->hasAttr("tile.kernel"))
      names.push_back(function.getName().str());
  ASSERT_GT(names.size(), 10u);
  KernelRunner runner(*module, runnableTargets());
  std::mt19937 random(7);
  for (const std::string &name : names)
    for (int64_t length : {5, 39}) {
      Extents extents{2, length, 2 * length, 0};
      func::FuncOp kernel = runner.kernel(name);
      std::vector<Buffer> inputs;
      for (unsigned n = 0; n < kernel.getNumArguments(); ++n)
        inputs.push_back(randomBuffer(kernel, n, extents, random));
      std::vector<Buffer> expected = inputs;
      std::vector<Buffer *> pointers;
      for (Buffer &buffer : expected)
        pointers.push_back(&buffer);
      runKernel(kernel, pointers, extents);
      for (const cpu::CpuTarget &target : runnableTargets()) {
        SCOPED_TRACE(name + target.suffix + ", length " + std::to_string(length));
        std::vector<Buffer> actual = inputs;
        runner.run(name, target, actual, extents, 2);
        for (size_t n = 0; n < actual.size(); ++n) {
          double largest = 0;
          for (double value : expected[n].data)
            largest = std::isfinite(value) ? std::max(largest, std::abs(value)) : largest;
          for (size_t m = 0; m < actual[n].data.size(); ++m) {
            double want = expected[n].data[m], got = actual[n].data[m];
            if (std::isfinite(want))
              ASSERT_NEAR(want, got, 2e-5 * largest) << "buffer " << n << ", element " << m;
            else
              ASSERT_TRUE(want == got || (std::isnan(want) && std::isnan(got))) << "buffer " << n << ", element " << m << ": " << got;
          }
        }
      }
    }
}

INSTANTIATE_TEST_SUITE_P(, Models, ::testing::Values(CAA_TEST_MODELS), [](const auto &info) { return std::string(info.param); });

} // namespace
} // namespace caa::test
