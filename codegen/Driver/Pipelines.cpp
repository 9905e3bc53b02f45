// Which passes make up each phase, in order.
#include "codegen/Driver/Pipelines.h"
#include "codegen/Cpu/TileToCpu.h"
#include "codegen/Nvptx/Rows/ShapeRows.h"
#include "codegen/Schedule/Schedule.h"
#include "dialect/Caa/CaaDialect.h"
#include "dialect/Tile/TileDialect.h"
#include "passes/Kernels/Passes.h"
#include "passes/Lower/Attend/LowerAttend.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace caa {

StringRef phaseName(Phase phase) {
  static constexpr StringRef names[] = {"read",          "differentiate", "optimize",      "form-kernels",
                                        "lower-kernels", "schedule",      "generate-code", "assemble",     "link"};
  return names[unsigned(phase)];
}

/// Work items hold the rows of every pair tile, and what they sweep over passes through shared memory. sm_80's code is for all GPUs
/// from there on: those of sm_86 and sm_89 have 99 KiB for a block.
static attend::LowerAttendOptions gpuAttends(caa_target target) {
  attend::LowerAttendOptions options;
  options.held = 128;
  options.swept = 64;
  options.keysAsRows = true;
  options.fitTiles = target == CAA_TARGET_SM90A;
  options.blockBytes = (target == CAA_TARGET_SM90A ? 227 : 99) << 10;
  if (target == CAA_TARGET_SM90A) // while one looks for its threshold another sweeps
    options.heldRanking = 64;
  return options;
}

void addPasses(Phase phase, OpPassManager &passes, const PipelineOptions &options) {
  switch (phase) {
  case Phase::Differentiate:
    passes.addPass(createDecompose());
    passes.addPass(createCanonicalizerPass());
    passes.addPass(createCSEPass());
    passes.addPass(createMergeAttends());
    passes.addPass(createAutodiff());
    break;
  case Phase::Optimize:
    passes.addPass(createResolvePrecision({options.precision}));
    passes.addPass(createCanonicalizerPass());
    passes.addPass(createCSEPass());
    passes.addPass(createFactorAttend());
    passes.addPass(createFuseHeadLoss());
    passes.addPass(createCanonicalizerPass());
    passes.addPass(createCSEPass());
    if (options.isGpu()) { // more multiprocessors than heads of keys: a work item per tile
      passes.addPass(attend::createCheckUnits());
      passes.addPass(attend::createSplitAttends());
      passes.addPass(createCanonicalizerPass());
      passes.addPass(createCSEPass());
      if (options.precision == "bf16") {
        passes.addPass(createStoreRounded());
        passes.addPass(createFuseResidual());
      }
    }
    passes.addPass(createRecompute({.keepRanked = options.isGpu(), .apart = options.isGpu()}));
    break;
  case Phase::FormKernels:
    passes.addPass(createFormKernels());
    break;
  case Phase::LowerKernels:
    passes.addPass(createLowerTokenwise());
    passes.addPass(attend::createLowerAttend(options.isGpu() ? gpuAttends(options.target) : attend::LowerAttendOptions()));
    if (options.isGpu())
      passes.addPass(nvptx::createShapeRows());
    break;
  default:
    break;
  }
}

void registerDialects(DialectRegistry &registry) {
  registry.insert<CaaDialect, tile::TileDialect, arith::ArithDialect, func::FuncDialect, math::MathDialect, memref::MemRefDialect,
                  scf::SCFDialect, vector::VectorDialect>();
}

void registerPasses() {
  registerTransformsPasses();
  registerTensorPasses();
  registerKernelPasses();
  registerLowerAttendPasses();
  registerSchedulePasses();
  cpu::registerCpuPasses();
  nvptx::registerShapeRows();
}

} // namespace caa
