// caa-opt: mlir-opt with our dialects and passes, for tests and for looking at one pass alone.
#include "codegen/Schedule/Schedule.h"
#include "dialect/Caa/CaaDialect.h"
#include "dialect/Tile/TileDialect.h"
#include "passes/Lower/Attend/LowerAttend.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<caa::CaaDialect, tile::TileDialect, mlir::arith::ArithDialect, mlir::func::FuncDialect, mlir::math::MathDialect,
                  mlir::memref::MemRefDialect, mlir::scf::SCFDialect, mlir::vector::VectorDialect>();
  mlir::registerTransformsPasses();
  caa::registerTensorPasses();
  caa::registerSchedulePasses();
  caa::registerLowerAttendPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "caa-opt\n", registry));
}
