// Schedules one entry function; Schedule.cpp runs it over a module.
#pragma once

#include "codegen/Schedule/Program.h"
#include "dialect/Caa/CaaDialect.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

namespace caa {

/// The module's tables, shared by its entries and filled by them.
struct ModuleTables {
  schedule::Program &program;
  mlir::SymbolTable symbols;
  bool gpu = false;
  llvm::StringMap<uint32_t> parameters, kernels;
  std::map<std::string, uint64_t> constants;                     // by bytes
  std::map<std::pair<std::string, std::string>, uint64_t> reports; // by name and path

  /// The number of a launched kernel, entered into the table on its first use.
  mlir::FailureOr<uint32_t> kernel(mlir::Operation *user, mlir::FlatSymbolRefAttr name);
};

class EntryScheduler {
public:
  EntryScheduler(ModuleTables &tables, mlir::func::FuncOp function) : tables(tables), function(function) {}
  mlir::FailureOr<schedule::Entry> run();

  /// A matrix of a product as stored; `transposed`: the product takes its transpose.
  struct Matrix {
    schedule::Operand place;
    caa_dtype dtype;
    int64_t stride; // elements from row to row
    bool transposed = false;
  };

private:
  using Operand = schedule::Operand;
  using Command = schedule::Command;
  using Size = schedule::Size;

  // Values and buffers (Buffers.cpp).
  uint32_t addBuffer(schedule::Buffer buffer);
  uint32_t fixedBuffer(caa_buffer_kind kind, uint64_t index, caa_dtype dtype, Size bytes, std::string name);
  uint32_t arenaBuffer(std::string name, caa_dtype dtype, Size bytes);
  void addInputs();
  mlir::LogicalResult addOutputs();
  void addOutput(mlir::Value value, std::string name);
  /// The sink that takes a value whole, looking through reshapes; null if there is none or the value has other uses.
  mlir::Operation *soleSink(mlir::Value value);
  mlir::FailureOr<Operand> sinkPlace(mlir::Operation *sink);
  mlir::FailureOr<Operand> use(mlir::Value value);
  /// Where a result is to be written: its output, or a new part of the arena.
  Operand define(mlir::Value value, int64_t chunk = 0);
  /// Where a result is to be added to: its sink, or a new zero-filled part of the arena.
  mlir::FailureOr<Operand> defineAccumulated(mlir::Value value, mlir::Location location);
  mlir::FailureOr<Operand> constant(ConstantOp op);

  // Commands (Commands.cpp).
  Command &addCommand(caa_command_kind kind, std::vector<Operand> operands, mlir::Location location);
  void addFill(Operand target, mlir::Location location);
  /// D [m, n] = A [m, k] B [k, n] + beta D.
  Command &addProduct(Matrix a, Matrix b, Matrix d, float beta, Size m, Size n, Size k, mlir::Location location);
  void beginLoop(int64_t chunk, mlir::Location location);
  void endLoop();
  void touch(uint32_t buffer);
  mlir::LogicalResult schedule(mlir::Operation &op);
  mlir::LogicalResult scheduleLaunch(LaunchOp op);
  mlir::LogicalResult scheduleLinear(LinearOp op);
  mlir::LogicalResult scheduleLinearAdd(LinearAddOp op);
  mlir::LogicalResult scheduleInputGrad(LinearInputGradOp op);
  mlir::LogicalResult scheduleWeightGrad(LinearWeightGradOp op);
  mlir::LogicalResult scheduleHeadLoss(ChunkedHeadLossOp op);
  mlir::LogicalResult scheduleReturn(mlir::func::ReturnOp op);

  ModuleTables &tables;
  mlir::func::FuncOp function;
  schedule::Entry entry;
  llvm::DenseMap<mlir::Value, Operand> places;
  llvm::DenseMap<mlir::Value, uint32_t> outputs; // a value's first output buffer
  std::vector<std::pair<mlir::Value, uint32_t>> copies; // outputs that need a copy at the end
  std::map<std::pair<uint32_t, uint64_t>, uint32_t> fixed; // buffers by kind and index
  int64_t loop = -1;                                       // the loop command whose body is being written
};

/// Type facts: the element's kind, bytes of a whole value (`chunk`: token rows per row of partial sums).
caa_dtype dtypeOf(mlir::Type type);
int64_t bytesOf(caa_dtype dtype);
schedule::Size bytesOf(mlir::Type tensor, int64_t chunk = 0);

} // namespace caa
