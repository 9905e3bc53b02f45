// Every attend that differentiation makes of the models' attentions, lowered and run, against the definition of attend.
#include "passes/Passes.h"
#include "test/passes/LowerAttend/AttendFixture.h"
#include "test/seed.h"

#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace caa::test {
namespace {

class Adjoints : public AttendFixture {
protected:
  /// How an operand of an attend is filled that nothing else is known of. Thresholds and widths are of the size of scores and lengths.
  static StringRef fillOf(Type type) {
    Type element = elementOf(type);
    if (element.isInteger(64))
      return "count";
    if (element.isInteger(32))
      return "document";
    if (element.isInteger(1))
      return "truth";
    return shapeOf(type).width == 1 ? "lse" : "grid";
  }

  /// Puts each attend of the module into a kernel of its own.
  OwningOpRef<ModuleOp> outline(ModuleOp module) {
    OwningOpRef<ModuleOp> kernels = ModuleOp::create(module.getLoc());
    OpBuilder builder = OpBuilder::atBlockEnd(kernels->getBody());
    unsigned number = 0;
    module.walk([&](AttendOp attend) {
      auto type = builder.getFunctionType(attend->getOperandTypes(), attend->getResultTypes());
      auto kernel = func::FuncOp::create(builder, attend.getLoc(), "k" + std::to_string(number++), type);
      kernel.setPrivate();
      kernel->setAttr("caa.kernel", builder.getUnitAttr());
      SmallVector<StringRef> fills;
      for (Type operand : attend->getOperandTypes())
        fills.push_back(fillOf(operand));
      kernel->setAttr("caa.fill", builder.getStrArrayAttr(fills));
      Block *entry = kernel.addEntryBlock();
      OpBuilder inside = OpBuilder::atBlockEnd(entry);
      IRMapping mapping;
      // Each operand place gets its own argument, even where two of them read one value.
      Operation *copy = inside.clone(*attend, mapping);
      copy->setOperands(entry->getArguments());
      func::ReturnOp::create(inside, attend.getLoc(), copy->getResults());
    });
    return kernels;
  }

  void checkAll(StringRef file, Tiles tiles, bool rounds = false) {
    OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>((Twine(CAA_TEST_INPUTS) + "/" + file).str(), &context);
    ASSERT_TRUE(module);
    PassManager manager(&context);
    manager.addPass(createDecompose());
    manager.addPass(createMergeAttends());
    manager.addPass(createAutodiff());
    manager.addPass(createResolvePrecision({"fp32"}));
    manager.addPass(createCanonicalizerPass());
    manager.addPass(createCSEPass());
    manager.addPass(createFactorAttend());
    manager.addPass(createCanonicalizerPass());
    manager.addPass(createCSEPass());
    if (tiles.held) { // as GPUs want it
      manager.addPass(attend::createSplitAttends());
      manager.addPass(createCanonicalizerPass());
    }
    ASSERT_TRUE(succeeded(manager.run(*module)));
    tensors = outline(*module);
    if (rounds)
      roundRows();
    OwningOpRef<ModuleOp> lowered = lower(tiles);
    unsigned seed = testSeed(), adjoints = 0;
    for (auto kernel : tensors->getOps<func::FuncOp>()) {
      AttendOp attend = *kernel.getOps<AttendOp>().begin();
      adjoints += llvm::any_of(attend.getReductionList(), [](ReductionAttr r) { return r.getAxis() == Axis::Queries; });
      for (int64_t length : {1, 17, 40}) {
        check(*lowered, kernel.getName(), length, ++seed, file.str() + ", seed " + std::to_string(seed));
        if (HasFatalFailure())
          return;
      }
    }
    EXPECT_GT(adjoints, 0u);
  }
};

TEST_F(Adjoints, OfDenseAttention) { checkAll("dense.mlir", {16, 8}); }
TEST_F(Adjoints, OfContextAdaptiveAttention) { checkAll("caa.mlir", {8, 16}); }
TEST_F(Adjoints, OfAMixtureThatIsInNoModel) { checkAll("mixture.mlir", {8, 8, true}); }

// What a GPU runs: adjoints in two kernels, both with the held tokens as rows.
constexpr Tiles heldRows = {.keysAsRows = true, .held = 16, .swept = 8};
TEST_F(Adjoints, OfDenseAttentionWithRowsOfBf16) { checkAll("dense.mlir", heldRows, true); }
TEST_F(Adjoints, OfContextAdaptiveAttentionWithRowsOfBf16) { checkAll("caa.mlir", heldRows, true); }
TEST_F(Adjoints, OfAMixtureWithRowsOfBf16) { checkAll("mixture.mlir", heldRows, true); }
TEST_F(Adjoints, OfContextAdaptiveAttentionInTwoKernels) { checkAll("caa.mlir", heldRows); }

} // namespace
} // namespace caa::test
