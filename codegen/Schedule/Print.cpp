// A program's tables as text: `caac --emit schedule` and the lit tests read this form.
#include "codegen/Schedule/Program.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>

namespace caa::schedule {

using llvm::raw_ostream;

static const char *name(caa_dtype dtype) {
  static const char *const names[] = {"f32", "f64", "i32", "i64", "bool", "bf16"};
  return names[dtype];
}

static void printTerm(raw_ostream &os, const Term &term) {
  bool ceiled = term.divisor != 1;
  const char *times = "";
  auto factor = [&](auto &&print) {
    os << times;
    print();
    times = " ";
  };
  if (term.coefficient != 1 || (term.batch + term.length + term.rows == 0 && !ceiled))
    factor([&] { os << term.coefficient; });
  if (ceiled) {
    os << times << "ceil(";
    times = "";
  }
  auto power = [&](const char *base, unsigned exponent) {
    if (exponent)
      factor([&] {
        os << base;
        if (exponent > 1)
          os << "^" << exponent;
      });
  };
  power("B", term.batch);
  if (term.lengthDivisor == 1)
    power("T", term.length);
  else
    power(("ceil(T / " + std::to_string(term.lengthDivisor) + ")").c_str(), term.length);
  power("R", term.rows);
  if (ceiled)
    os << (*times ? "" : "1") << " / " << term.divisor << ")";
}

void print(raw_ostream &os, const Size &size) {
  if (size.terms.empty())
    os << "0";
  llvm::interleave(size.terms, os, [&](const Term &term) { printTerm(os, term); }, " + ");
}

static void print(raw_ostream &os, const Parameter &parameter) {
  static const char *const inits[] = {"zeros", "ones", "normal", "uniform"};
  os << "parameter " << parameter.name << " [";
  llvm::interleaveComma(parameter.shape, os);
  os << "] at " << parameter.offset << " " << inits[parameter.init];
  if (parameter.init >= CAA_INIT_NORMAL)
    os << "(" << llvm::format("%g", parameter.a) << ", " << llvm::format("%g", parameter.b) << ")";
  if (parameter.decay)
    os << " decay";
  if (!parameter.group.empty())
    os << " group " << parameter.group;
  if (std::isfinite(parameter.low) || std::isfinite(parameter.high))
    os << llvm::format(" clamp(%g, %g)", parameter.low, parameter.high);
  os << "\n";
}

static const char *name(caa_target target) {
  return target == CAA_TARGET_CPU ? "cpu" : target == CAA_TARGET_SM80 ? "sm_80" : "sm_90a";
}

static void print(raw_ostream &os, const TensorMap &map) {
  os << "  tensor map of operand " << map.operand << " " << name(map.dtype) << " [" << map.heads << ", " << map.width << "] box "
     << map.boxRows << "x" << map.boxWidth << " swizzle " << map.swizzle << "\n";
}

static void print(raw_ostream &os, const Kernel &kernel) {
  os << "kernel " << kernel.name << " grid ";
  print(os, kernel.grid);
  if (!kernel.scratch.terms.empty()) {
    os << " scratch ";
    print(os, kernel.scratch);
  }
  if (kernel.tileQueries)
    os << " tile " << kernel.tileQueries << "x" << kernel.tileKeys;
  if (kernel.target != CAA_TARGET_CPU) {
    os << " for " << name(kernel.target) << " threads " << kernel.threads;
    if (kernel.sharedBytes)
      os << " shared " << kernel.sharedBytes;
    if (kernel.blocksPerSm)
      os << " persistent " << kernel.blocksPerSm;
    if (kernel.counters)
      os << " counters " << kernel.counters;
  }
  if (!kernel.location.empty())
    os << " @ " << kernel.location;
  os << "\n";
  for (const TensorMap &map : kernel.tensorMaps)
    print(os, map);
}

static void print(raw_ostream &os, const Buffer &buffer, unsigned number) {
  static const char *const kinds[] = {"arena",    "parameter",  "gradient", "value",    "loss_scale",     "loss_sum",
                                      "loss_count", "report",   "constant", "parameter_bf16", "parameters", "gradients",
                                      "moment1",  "moment2",    "parameters_bf16", "optimizer"};
  os << "  buffer %" << number << " " << kinds[buffer.kind];
  if (buffer.kind != CAA_BUFFER_ARENA)
    os << " " << buffer.index;
  os << " " << name(buffer.dtype) << " ";
  print(os, buffer.bytes);
  os << " bytes";
  if (buffer.kind == CAA_BUFFER_ARENA)
    os << " live " << buffer.first << ".." << buffer.last;
  if (!buffer.name.empty())
    os << " \"" << buffer.name << "\"";
  os << "\n";
}

static void print(raw_ostream &os, const Operand &operand) {
  os << "%" << operand.buffer;
  if (operand.offset)
    os << " + " << operand.offset;
  if (operand.rowBytes)
    os << " + " << operand.rowBytes << " row";
}

static void print(raw_ostream &os, const Program &program, const Command &command) {
  auto operand = [&](unsigned n) { print(os, command.operands[n]); };
  switch (command.kind) {
  case CAA_COMMAND_KERNEL:
    os << program.kernels[command.index].name << "(";
    llvm::interleaveComma(command.operands, os, [&](const Operand &o) { print(os, o); });
    os << ")";
    break;
  case CAA_COMMAND_PRODUCT:
    os << "product ";
    operand(2);
    if (command.operands.size() > 3) {
      os << " = ";
      operand(3);
      os << " + ";
    } else {
      os << (command.beta == 0 ? " = " : " += ");
    }
    if (command.alpha != 1)
      os << llvm::format("%g ", command.alpha);
    operand(0);
    os << (command.transposeA ? "^T [" : " [") << command.lda << "] * ";
    operand(1);
    os << (command.transposeB ? "^T [" : " [") << command.ldb << "] : m ";
    print(os, command.m);
    os << ", n ";
    print(os, command.n);
    os << ", k ";
    print(os, command.k);
    os << ", ldc " << command.ldc;
    if (command.dtypeA != CAA_F32 || command.dtypeB != CAA_F32 || command.dtypeC != CAA_F32)
      os << ", " << name(command.dtypeA) << " * " << name(command.dtypeB) << " -> " << name(command.dtypeC);
    break;
  case CAA_COMMAND_FILL:
    os << "fill ";
    operand(0);
    os << " : ";
    print(os, command.m);
    os << " bytes";
    break;
  case CAA_COMMAND_COPY:
    os << "copy ";
    operand(0);
    os << " = ";
    operand(1);
    os << " : ";
    print(os, command.m);
    os << " bytes";
    break;
  case CAA_COMMAND_LOOP:
    os << "loop " << command.chunk << " rows, next " << command.index;
    break;
  }
  if (!command.location.empty())
    os << " @ " << command.location;
  os << "\n";
}

static void print(raw_ostream &os, const Program &program, const Entry &entry) {
  os << "entry " << entry.name;
  if (entry.target != CAA_TARGET_CPU)
    os << " for " << name(entry.target);
  os << "\n";
  for (const Value &value : entry.values)
    os << "  " << (value.direction == CAA_INPUT ? "input " : "output ") << value.name << " " << name(value.dtype) << " "
       << (value.perToken ? "[batch, length, " : "[") << value.heads << ", " << value.width << "]\n";
  for (auto [number, buffer] : llvm::enumerate(entry.buffers))
    print(os, buffer, number);
  unsigned inLoop = 0;
  for (auto [number, command] : llvm::enumerate(entry.commands)) {
    os << (inLoop ? "    " : "  ") << number << ": ";
    print(os, program, command);
    inLoop = command.kind == CAA_COMMAND_LOOP ? command.index : inLoop - (inLoop > 0);
  }
}

void print(raw_ostream &os, const Program &program) {
  for (const Parameter &parameter : program.parameters)
    print(os, parameter);
  for (const Kernel &kernel : program.kernels)
    print(os, kernel);
  for (auto [number, loss] : llvm::enumerate(program.losses))
    os << "loss " << number << " " << loss.name << " heads " << loss.heads << "\n";
  for (auto [number, report] : llvm::enumerate(program.reports))
    os << "report " << number << " " << report.name << " of " << report.path << "\n";
  for (const Entry &entry : program.entries)
    print(os, program, entry);
  for (const Module &module : program.modules)
    os << "module " << (module.kind == CAA_MODULE_PTX ? "ptx" : "cubin") << " for " << name(module.target) << "\n";
}

} // namespace caa::schedule
