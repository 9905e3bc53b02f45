// Attention kernels of every kind (test/passes/inputs/attends.mlir), compiled, against the definition of attend in float64.
#include "test/codegen/Cpu/KernelRunner.h"
#include "test/passes/LowerAttend/AttendFixture.h"

using namespace mlir;

namespace caa::test {
namespace {

class CompiledAttends : public AttendFixture {
protected:
  void checkCompiled(Tiles tiles, std::initializer_list<int64_t> lengths) {
    OwningOpRef<ModuleOp> lowered = lower(tiles);
    KernelRunner runner(*lowered, runnableTargets());
    unsigned seed = 17;
    for (auto function : tensors->getOps<func::FuncOp>())
      for (int64_t length : lengths)
        for (const cpu::CpuTarget &target : runnableTargets())
          checkOne(runner, function, length, target, ++seed);
  }

  void checkOne(KernelRunner &runner, func::FuncOp function, int64_t length, const cpu::CpuTarget &target, unsigned seed) {
    SCOPED_TRACE(function.getName().str() + target.suffix + ", length " + std::to_string(length));
    const int64_t batch = 2;
    std::mt19937 random(seed);
    AttendOp attend = *function.getOps<AttendOp>().begin();
    std::vector<Buffer> buffers;
    auto fills = function->getAttrOfType<ArrayAttr>("caa.fill");
    for (auto [type, what] : llvm::zip(function.getArgumentTypes(), fills))
      buffers.push_back(fill(cast<StringAttr>(what).getValue(), type, batch, length, random));
    std::vector<Buffer *> operands;
    for (Value operand : attend->getOperands())
      operands.push_back(&buffers[cast<BlockArgument>(operand).getArgNumber()]);
    std::vector<Buffer> expected = naiveAttend(attend, operands, batch, length);
    size_t inputs = buffers.size();
    for (Type type : function.getResultTypes()) {
      buffers.push_back({shapeAt(type, batch, length), {}});
      buffers.back().data.assign(size_t(buffers.back().size()), NAN);
    }
    runner.run(function.getName(), target, buffers, {batch, length, batch * length}, 1 + seed % 3);
    for (auto [n, value] : llvm::enumerate(function.front().getTerminator()->getOperands()))
      compare(buffers[inputs + n], expected[cast<OpResult>(value).getResultNumber()], unsigned(n));
  }
};

TEST_F(CompiledAttends, AgreeWithTheDefinitionInSmallTiles) { checkCompiled({16, 16}, {1, 5, 16, 37, 64}); }

TEST_F(CompiledAttends, AgreeWithTheDefinitionInOddTiles) { checkCompiled({24, 40}, {3, 24, 70}); }

TEST_F(CompiledAttends, AgreeWithTheDefinitionInLargeTiles) { checkCompiled({64, 64}, {1, 64, 130}); }

TEST_F(CompiledAttends, AgreeWithTheDefinitionWithKeysAsRows) { checkCompiled({16, 32, true}, {1, 33, 80}); }

} // namespace
} // namespace caa::test
