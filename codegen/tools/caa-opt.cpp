// caa-opt: mlir-opt with our dialects and passes, for tests and for looking at one pass alone.
#include "codegen/Driver/Pipelines.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  caa::registerDialects(registry);
  caa::registerPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "caa-opt\n", registry));
}
