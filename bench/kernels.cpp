// Times the CPU kernels of a file in the tile dialect, one by one, on one thread:
//   caac model.mdl --emit=tile -o model.tile.mlir; bench_kernels model.tile.mlir --batch 8 --length 512
// Prints the time of compilation, then for each kernel and instruction set the best of several runs and GFLOP/s by the kernel's own
// estimate. Buffers hold small random numbers. Without a file, products of 64 x 64 x 64 and the like.
#include "codegen/Cpu/CpuObjects.h"
#include "dialect/Caa/CaaDialect.h"
#include "dialect/Tile/TileDialect.h"
#include "runtime/abi/caa_abi.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/TargetSelect.h"

#include <dlfcn.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

using namespace mlir;

static llvm::cl::opt<std::string> file(llvm::cl::Positional, llvm::cl::desc("[file in the tile dialect]"));
static llvm::cl::opt<int64_t> batch("batch", llvm::cl::init(8)), length("length", llvm::cl::init(512)), runs("runs", llvm::cl::init(5));
static llvm::cl::opt<std::string> only("only", llvm::cl::desc("kernels whose names contain this"));
static llvm::cl::opt<std::string> objectFolder("objects", llvm::cl::desc("write the objects to this folder"));

static double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// The thread's or the process's own time: the machine may be shared.
static double used(clockid_t clock = CLOCK_THREAD_CPUTIME_ID) {
  timespec time;
  clock_gettime(clock, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

// A product of tiles, 1000 times over, with operands in the first-level cache.
static std::string productText(int64_t m, int64_t n, int64_t k, const char *flags, const char *name) {
  bool ta = strstr(flags, "transposeA"), tb = strstr(flags, "transposeB");
  std::string a = ta ? std::to_string(k) + "x" + std::to_string(m) : std::to_string(m) + "x" + std::to_string(k);
  std::string b = tb ? std::to_string(n) + "x" + std::to_string(k) : std::to_string(k) + "x" + std::to_string(n);
  std::string c = std::to_string(m) + "x" + std::to_string(n);
  std::string text = "func.func @" + std::string(name) + "(%a: memref<" + a + "xf32>, %b: memref<" + b + "xf32>, %c: memref<" + c +
                     "xf32>) attributes {tile.kernel, tile.grid = [#tile.term<1>], tile.flops = " +
                     std::to_string(2e3 * double(m * n * k)) + " : f64} {\n";
  text += R"(  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1000 = arith.constant 1000 : index
  %zero = arith.constant 0.0 : f32
)";
  text += "  %init = tile.splat %zero : f32 -> <" + c + "xf32>\n";
  text += "  %x = tile.load %a[%c0, %c0] : memref<" + a + "xf32> -> <" + a + "xf32>\n";
  text += "  %y = tile.load %b[%c0, %c0] : memref<" + b + "xf32> -> <" + b + "xf32>\n";
  text += "  %r = scf.for %i = %c0 to %c1000 step %c1 iter_args(%s = %init) -> (!tile.tile<" + c + "xf32>) {\n";
  text += "    %d = tile.dot %x, %y add %s " + std::string(flags) + " : (!tile.tile<" + a + "xf32>, !tile.tile<" + b + "xf32>, !tile.tile<" + c +
          "xf32>) -> !tile.tile<" + c + "xf32>\n    scf.yield %d : !tile.tile<" + c + "xf32>\n  }\n";
  text += "  tile.store %r, %c[%c0, %c0] : !tile.tile<" + c + "xf32>, memref<" + c + "xf32>\n  return\n}\n";
  return text;
}

static int64_t evaluate(ArrayAttr terms, int64_t rows) {
  int64_t total = 0;
  for (Attribute attribute : terms) {
    auto term = cast<tile::TermAttr>(attribute);
    int64_t product = 1;
    for (int64_t n = 0; n < term.getBatch(); ++n)
      product *= batch;
    for (int64_t n = 0; n < term.getLength(); ++n)
      product *= (length + term.getLengthDivisor() - 1) / term.getLengthDivisor();
    for (int64_t n = 0; n < term.getRows(); ++n)
      product *= rows;
    total += term.getCoefficient() * ((product + term.getDivisor() - 1) / term.getDivisor());
  }
  return total;
}

static void *randomBuffer(MemRefType type, int64_t rows) {
  int64_t size = 1;
  for (auto [axis, extent] : llvm::enumerate(type.getShape()))
    size *= !ShapedType::isDynamic(extent) ? extent : type.getRank() == 4 ? (axis == 0 ? batch : length) : rows;
  int64_t bytes = type.getElementType().isInteger(1) ? 1 : type.getElementType().getIntOrFloatBitWidth() / 8;
  void *data = aligned_alloc(64, size_t((size * bytes + 63) / 64 * 64));
  static uint32_t state = 1;
  auto uniform = [] { return float(int32_t(state = state * 1664525u + 1013904223u)) * 0x1p-31f; };
  std::memset(data, 0, size_t(size * bytes));
  for (int64_t n = 0; n < size; ++n) {
    if (type.getElementType().isF32())
      static_cast<float *>(data)[n] = uniform();
    else if (type.getElementType().isInteger(32))
      static_cast<int32_t *>(data)[n] = int32_t(n % 1000);
    else if (type.getElementType().isInteger(64)) // counts of keys
      static_cast<int64_t *>(data)[n] = int64_t(std::sqrt(double(n % length) + 1)) + 1;
    else if (bytes == 1)
      static_cast<int8_t *>(data)[n] = 1;
  }
  return data;
}

int main(int argc, char **argv) {
  llvm::cl::ParseCommandLineOptions(argc, argv);
  DialectRegistry registry;
  registry.insert<caa::CaaDialect, tile::TileDialect, arith::ArithDialect, func::FuncDialect, math::MathDialect, memref::MemRefDialect,
                  scf::SCFDialect, vector::VectorDialect, LLVM::LLVMDialect>();
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  context.allowUnregisteredDialects();
  std::string text;
  if (file.empty()) {
    text += productText(64, 64, 64, "", "square");
    text += productText(64, 64, 64, "{transposeB}", "scores");
    text += productText(64, 64, 64, "{transposeA}", "transposed");
    text += productText(64, 128, 64, "", "wide");
    text += productText(128, 64, 64, "", "tall");
    text += productText(64, 32, 64, "", "narrow");
  }
  OwningOpRef<ModuleOp> module = file.empty() ? parseSourceString<ModuleOp>(text, &context) : parseSourceFile<ModuleOp>(file, &context);
  if (!module)
    return 1;
  if (!only.empty())
    for (auto kernel : llvm::make_early_inc_range(module->getOps<func::FuncOp>()))
      if (kernel->hasAttr("tile.kernel") && !kernel.getName().contains(only))
        kernel->removeAttr("tile.kernel");
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  auto jit = cantFail(llvm::orc::LLJITBuilder().create());
  std::vector<caa::cpu::CpuTarget> targets{caa::cpu::CpuTarget::avx2()};
  if (__builtin_cpu_supports("avx512vl"))
    targets.push_back(caa::cpu::CpuTarget::avx512());
  double start = now(), startUsed = used(CLOCK_PROCESS_CPUTIME_ID);
  auto objects = caa::cpu::compileKernels(*module, targets, 2);
  if (failed(objects))
    return 1;
  size_t bytes = 0;
  std::string command = "clang-22 -shared -o " + objectFolder + "/kernels.so";
  for (auto [n, object] : llvm::enumerate(*objects)) {
    bytes += object.size();
    if (!objectFolder.empty())
      if (FILE *out = fopen((objectFolder + "/" + std::to_string(n) + ".o").c_str(), "wb"))
        fwrite(object.data(), 1, object.size(), out), fclose(out);
    command += " " + objectFolder + "/" + std::to_string(n) + ".o";
    cantFail(jit->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(object)));
  }
  printf("compiled in %.2f s (%.2f s of processor time), %zu objects, %zu KiB\n", now() - start,
         used(CLOCK_PROCESS_CPUTIME_ID) - startUsed, objects->size(), bytes / 1024);

  // With a folder, the kernels run from a file, which a profiler can read.
  void *library = nullptr;
  if (!objectFolder.empty() && system(command.c_str()) == 0)
    library = dlopen((objectFolder + "/kernels.so").c_str(), RTLD_NOW);

  int64_t rows = batch * length;
  const int64_t sizes[4] = {batch, length, rows, 0};
  printf("%-28s %-8s %10s %10s %9s\n", "kernel", "target", "ms", "GFLOP/s", "scratch");
  for (auto kernel : module->getOps<func::FuncOp>()) {
    if (!kernel->hasAttr("tile.kernel"))
      continue;
    std::vector<void *> buffers;
    for (Type type : kernel.getArgumentTypes())
      buffers.push_back(randomBuffer(cast<MemRefType>(type), rows));
    int64_t items = evaluate(kernel->getAttrOfType<ArrayAttr>("tile.grid"), rows);
    int64_t scratchBytes = evaluate(kernel->getAttrOfType<ArrayAttr>("tile.scratch"), rows);
    void *scratch = aligned_alloc(64, size_t((scratchBytes + 127) / 64 * 64));
    auto flops = kernel->getAttrOfType<FloatAttr>("tile.flops");
    for (const auto &target : targets) {
      std::string symbol = kernel.getName().str() + target.suffix;
      auto code = library ? reinterpret_cast<caa_cpu_kernel>(dlsym(library, symbol.c_str()))
                          : cantFail(jit->lookup(symbol)).toPtr<caa_cpu_kernel>();
      double best = 1e30;
      for (int64_t n = 0; n < runs; ++n) {
        double begin = used();
        code(buffers.data(), sizes, 0, items, scratch);
        best = std::min(best, used() - begin);
      }
      printf("%-28s %-8s %10.3f %10.1f %9lld\n", kernel.getName().str().c_str(), target.suffix.c_str(), best * 1e3,
             flops ? flops.getValueAsDouble() * double(items) / best * 1e-9 : 0.0, (long long)scratchBytes);
    }
    for (void *buffer : buffers)
      free(buffer);
    free(scratch);
  }
  return 0;
}
