// See KernelRunner.h.
#include "test/codegen/Cpu/KernelRunner.h"

#include "codegen/Cpu/CpuObjects.h"
#include "dialect/Caa/CaaDialect.h"
#include "dialect/Tile/TileDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/TargetSelect.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

using namespace mlir;

namespace caa::test {

std::vector<cpu::CpuTarget> runnableTargets() {
  std::vector<cpu::CpuTarget> targets{cpu::CpuTarget::avx2()};
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    targets.push_back(cpu::CpuTarget::avx512());
  return targets;
}

std::unique_ptr<MLIRContext> makeKernelContext() {
  DialectRegistry registry;
  registry.insert<CaaDialect, tile::TileDialect, arith::ArithDialect, func::FuncDialect, math::MathDialect, memref::MemRefDialect,
                  scf::SCFDialect, LLVM::LLVMDialect>();
  auto context = std::make_unique<MLIRContext>(registry);
  context->loadAllAvailableDialects();
  return context;
}

KernelRunner::KernelRunner(MLIRContext &context, StringRef text, llvm::ArrayRef<cpu::CpuTarget> targets)
    : module(parseSourceString<ModuleOp>(text, &context)) {
  compile(targets);
}

KernelRunner::KernelRunner(ModuleOp module, llvm::ArrayRef<cpu::CpuTarget> targets) : module(module.clone()) { compile(targets); }

KernelRunner::~KernelRunner() = default;

void KernelRunner::compile(llvm::ArrayRef<cpu::CpuTarget> targets) {
  ASSERT_TRUE(module);
  auto objects = cpu::compileKernels(*module, targets, 2);
  ASSERT_TRUE(succeeded(objects));
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  jit = cantFail(llvm::orc::LLJITBuilder().create());
  for (const std::string &object : *objects)
    cantFail(jit->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(object)));
}

func::FuncOp KernelRunner::kernel(StringRef name) { return module->lookupSymbol<func::FuncOp>(name); }

caa_cpu_kernel KernelRunner::function(StringRef name, const cpu::CpuTarget &target) {
  return cantFail(jit->lookup(name.str() + target.suffix)).toPtr<caa_cpu_kernel>();
}

int64_t KernelRunner::scratchBytes(StringRef name, const Extents &extents) {
  int64_t bytes = 0;
  for (Attribute attribute : kernel(name)->getAttrOfType<ArrayAttr>("tile.scratch")) {
    auto term = cast<tile::TermAttr>(attribute);
    int64_t value = 1;
    for (int64_t n = 0; n < term.getLength(); ++n)
      value *= (extents.length + term.getLengthDivisor() - 1) / term.getLengthDivisor();
    bytes += term.getCoefficient() * value;
  }
  return bytes;
}

std::vector<int64_t> shapeOfArgument(func::FuncOp kernel, unsigned number, const Extents &extents) {
  auto type = cast<MemRefType>(kernel.getArgument(number).getType());
  std::vector<int64_t> shape(type.getShape());
  if (type.getRank() == 4)
    shape[0] = extents.batch, shape[1] = extents.length;
  else if (type.getRank() > 0 && type.isDynamicDim(0)) {
    auto chunk = kernel.getArgAttrOfType<IntegerAttr>(number, "caa.chunk");
    int64_t divisor = chunk ? chunk.getInt() : 1;
    shape[0] = (extents.rows + divisor - 1) / divisor;
  }
  return shape;
}

namespace {

// A copy of a buffer in its element type, 64-byte aligned, between two guards.
class TypedCopy {
public:
  static constexpr size_t guard = 256;

  TypedCopy(const Buffer &buffer, Type element) : element(element), count(buffer.data.size()) {
    size = element.isInteger(1) ? 1 : element.getIntOrFloatBitWidth() / 8;
    storage.resize(count * size + 2 * guard + 64, 0xff); // all ones: NaN
    base = storage.data() + guard;
    base += (64 - reinterpret_cast<uintptr_t>(base) % 64) % 64;
    for (size_t n = 0; n < count; ++n)
      write(n, buffer.data[n]);
  }

  void *data() { return base; }

  void readBack(Buffer &buffer) {
    for (size_t n = 0; n < count; ++n)
      buffer.data[n] = read(n);
    const uint8_t *end = base + count * size;
    for (const uint8_t *byte = storage.data(); byte < base; ++byte)
      ASSERT_EQ(*byte, 0xff) << "written before the buffer";
    for (const uint8_t *byte = end; byte < storage.data() + storage.size(); ++byte)
      ASSERT_EQ(*byte, 0xff) << "written past the buffer";
  }

private:
  template <typename T> void put(size_t n, T value) { std::memcpy(base + n * size, &value, sizeof value); }
  template <typename T> double get(size_t n) const {
    T value;
    std::memcpy(&value, base + n * size, sizeof value);
    return double(value);
  }
  void write(size_t n, double value) {
    if (element.isF32())
      put(n, float(value));
    else if (element.isF64())
      put(n, value);
    else if (size == 8)
      put(n, int64_t(value));
    else if (size == 4)
      put(n, int32_t(value));
    else
      put(n, int8_t(value));
  }
  double read(size_t n) const {
    return element.isF32() ? get<float>(n) : element.isF64() ? get<double>(n) : size == 8 ? get<int64_t>(n)
           : size == 4 ? get<int32_t>(n) : get<int8_t>(n);
  }

  Type element;
  size_t count, size;
  std::vector<uint8_t> storage;
  uint8_t *base;
};

} // namespace

void KernelRunner::run(StringRef name, const cpu::CpuTarget &target, std::vector<Buffer> &buffers, const Extents &extents,
                       int64_t pieces) {
  func::FuncOp function = kernel(name);
  std::vector<TypedCopy> copies;
  copies.reserve(buffers.size());
  std::vector<void *> pointers;
  for (auto [n, buffer] : llvm::enumerate(buffers)) {
    copies.emplace_back(buffer, cast<MemRefType>(function.getArgument(n).getType()).getElementType());
    pointers.push_back(copies.back().data());
  }
  int64_t bytes = scratchBytes(name, extents), items = gridOf(function, extents);
  Buffer poison{{bytes / 4 + 16}, std::vector<double>(size_t(bytes / 4 + 16), NAN)};
  TypedCopy scratch(poison, Float32Type::get(function.getContext()));
  const int64_t sizes[CAA_SIZE_COUNT] = {extents.batch, extents.length, extents.rows, extents.firstRow};
  caa_cpu_kernel code = this->function(name, target);
  for (int64_t piece = pieces - 1; piece >= 0; --piece)
    code(pointers.data(), sizes, items * piece / pieces, items * (piece + 1) / pieces, scratch.data());
  scratch.readBack(poison);
  for (auto [copy, buffer] : llvm::zip(copies, buffers))
    copy.readBack(buffer);
}

} // namespace caa::test
