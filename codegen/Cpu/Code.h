// LLVM dialect code for one instruction set of a CPU.
#pragma once

#include "codegen/Cpu/CpuTarget.h"
#include "codegen/Llvm/Code.h"

namespace caa::cpu {

using emit::Block;
using emit::bytesOf;
using emit::memoryType;
using emit::registerType;
using emit::SmallVector;
using emit::Type;
using emit::Value;
using emit::ValueRange;
using mlir::ArrayRef;

class Code : public emit::Code {
public:
  Code(mlir::LLVM::LLVMFuncOp function, const CpuTarget &target) : emit::Code(function), target(target) {}

  const CpuTarget &target;

  Value scaleByPower(Value value, Value n) override;
};

} // namespace caa::cpu
