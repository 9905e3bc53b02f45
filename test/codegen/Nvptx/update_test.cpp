// The entries "update" and "refresh": their table of segments, their commands, and that their kernels assemble. That they compute AdamW
// is checked on a device.
#include "codegen/Nvptx/Core/Ptxas.h"
#include "codegen/Nvptx/Update/UpdateKernels.h"

#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>
#include <limits>

namespace {

using namespace caa;
using namespace caa::schedule;

constexpr double infinity = std::numeric_limits<double>::infinity();

Parameter parameter(std::string name, std::string group, std::vector<int64_t> shape, bool decay, double low = -infinity,
                    double high = infinity) {
  Parameter result;
  result.name = std::move(name), result.group = std::move(group), result.shape = std::move(shape);
  result.decay = decay, result.low = low, result.high = high;
  return result;
}

/// A model that is trained with bf16 copies; the last parameter is an export's.
Program sample() {
  Program program;
  program.parameters = {parameter("table", "", {100, 1001}, true), parameter("bias", "gate", {5}, false, -0.5, 2),
                        parameter("scale", "", {16}, false), parameter("caa:table", "", {64}, true)};
  layOutParameters(program);
  program.losses = {{"loss", 1}, {"aux", 2}};
  Entry step;
  step.name = "micro_step";
  Buffer copy;
  copy.kind = CAA_BUFFER_PARAMETER_BF16;
  step.buffers = {copy};
  program.entries.push_back(step);
  return program;
}

const Entry *find(const Program &program, llvm::StringRef name) {
  for (const Entry &entry : program.entries)
    if (entry.name == name)
      return &entry;
  return nullptr;
}

TEST(Update, SegmentsCoverEachTrainedElementOnceAndKnowItsGroupDecayAndBounds) {
  Program program = sample();
  std::vector<int> covered(size_t(program.parameters.back().offset + 64), 0);
  for (const UpdateSegment &segment : updateSegments(program)) {
    ASSERT_GT(segment.elements, 0u);
    ASSERT_LE(segment.elements, UpdateShape::segmentElements);
    uint64_t first = uint64_t(segment.first) * 16;
    const Parameter *owner = nullptr;
    for (const Parameter &candidate : program.parameters)
      if (candidate.offset <= first && first + segment.elements <= candidate.offset + candidate.elements())
        owner = &candidate;
    ASSERT_TRUE(owner) << first;
    EXPECT_EQ(segment.group, owner->groupNumber);
    EXPECT_EQ(segment.decays, owner->decay ? 1u : 0u);
    EXPECT_EQ(segment.low, float(owner->low));
    EXPECT_EQ(segment.high, float(owner->high));
    for (uint64_t n = first; n < first + segment.elements; ++n)
      ++covered[size_t(n)];
  }
  for (const Parameter &owner : program.parameters)
    for (uint64_t n = 0; n < owner.elements(); ++n)
      ASSERT_EQ(covered[size_t(owner.offset + n)], owner.name == "caa:table" ? 0 : 1) << owner.name << " " << n;
}

TEST(Update, EntriesLaunchTheKernelsOnTheWholeArenas) {
  Program program = sample();
  UpdateShape shape = addUpdate(program);
  EXPECT_EQ(shape.groups, 2);
  EXPECT_EQ(shape.losses, 2);
  EXPECT_EQ(shape.elements, 100112 + 16 + 16 + 64);
  const Entry *update = find(program, "update"), *refresh = find(program, "refresh");
  ASSERT_TRUE(update && refresh);
  ASSERT_EQ(update->commands.size(), 3u);
  for (const Command &command : update->commands) {
    EXPECT_EQ(command.kind, CAA_COMMAND_KERNEL);
    for (const Operand &operand : command.operands) {
      const Buffer &buffer = update->buffers[operand.buffer];
      EXPECT_NE(buffer.bytes, Size()) << buffer.name;
      EXPECT_LE(buffer.first, buffer.last);
    }
  }
  const Buffer &table = update->buffers[update->commands[0].operands[0].buffer];
  EXPECT_EQ(table.kind, CAA_BUFFER_CONSTANT);
  EXPECT_EQ(program.constants[table.index].size(), size_t(shape.segments) * sizeof(UpdateSegment));
  // Squares are summed before norms, norms before the update.
  const char *names[] = {"caa_update_squares", "caa_update_norms", "caa_update_adamw"};
  for (size_t n = 0; n < 3; ++n)
    EXPECT_EQ(program.kernels[update->commands[n].index].name, names[n]);
  EXPECT_EQ(program.kernels[refresh->commands.at(0).index].grid, Size(shape.refreshItems()));
}

TEST(Update, WithoutRoundedCopiesThereIsNothingToRefresh) {
  Program program = sample();
  program.entries[0].buffers.clear();
  UpdateShape shape = addUpdate(program);
  EXPECT_FALSE(shape.rounds);
  ASSERT_TRUE(find(program, "update"));
  EXPECT_EQ(find(program, "update")->commands.back().operands.size(), 6u);
  EXPECT_FALSE(find(program, "refresh"));
}

TEST(Update, WithoutTrainingThereIsNoUpdate) {
  Program program = sample();
  program.entries[0].name = "logits";
  addUpdate(program);
  EXPECT_FALSE(find(program, "update"));
  EXPECT_TRUE(find(program, "refresh"));
}

TEST(Update, TheShapeIsNotedOnTheModule) {
  mlir::MLIRContext context;
  auto module = mlir::OwningOpRef<mlir::ModuleOp>(mlir::ModuleOp::create(mlir::UnknownLoc::get(&context)));
  EXPECT_FALSE(notedUpdate(*module));
  noteUpdate(*module, {.segments = 7, .groups = 3, .losses = 0, .elements = 4800, .rounds = false});
  auto noted = notedUpdate(*module);
  ASSERT_TRUE(noted);
  EXPECT_EQ(noted->segments, 7);
  EXPECT_EQ(noted->groups, 3);
  EXPECT_EQ(noted->losses, 0);
  EXPECT_EQ(noted->elements, 4800);
  EXPECT_FALSE(noted->rounds);
}

TEST(Update, KernelsAssembleWithoutSpillsAndReadSixteenBytesAtATime) {
  auto ptxas = nvptx::findPtxas();
  ASSERT_TRUE(ptxas) << "ptxas is needed for this test";
  mlir::MLIRContext context;
  for (caa_target target : {CAA_TARGET_SM80, CAA_TARGET_SM90A})
    for (bool rounds : {false, true})
      for (int64_t groups : {int64_t(1), int64_t(CAA_OPTIMIZER_GROUPS)}) {
        Program program = sample();
        UpdateShape shape = addUpdate(program);
        shape.rounds = rounds, shape.groups = groups;
        auto code = nvptx::compileUpdate(context, target, shape);
        ASSERT_TRUE(bool(code)) << llvm::toString(code.takeError());
        EXPECT_EQ(code->kernels.size(), rounds ? 4u : 3u);
        EXPECT_NE(code->ptx.find("ld.global.v4"), std::string::npos);
        auto assembly = nvptx::assemble(code->ptx, target, *ptxas);
        ASSERT_TRUE(bool(assembly)) << llvm::toString(assembly.takeError());
        ASSERT_EQ(assembly->kernels.size(), code->kernels.size());
        for (const nvptx::AssembledKernel &kernel : assembly->kernels) {
          EXPECT_EQ(kernel.spillBytes, 0u) << kernel.name;
          EXPECT_EQ(kernel.stackBytes, 0u) << kernel.name;
          if (kernel.name != "caa_update_norms") { // four blocks of 256 threads on a multiprocessor
            EXPECT_LE(kernel.registers, 64u) << kernel.name;
          }
        }
      }
}

} // namespace
