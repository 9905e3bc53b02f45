// The scalar ops of regions in float64, forward and backward. Rounding (truncf, round_bf16) is left out: the oracle gives the
// formulas' values. Kinks follow the language: a tie goes to the first argument, abs, sqrt and clip have slope 0 there.
#include "runtime/reference/scalars.h"

#include <cmath>
#include <limits>
#include <map>

namespace caa::reference {

enum class ScalarProgram::Code : uint8_t {
  Constant, Copy, Negate, Add, Sub, Mul, Div, Max, Min, FloorDiv, CeilDiv, TruncDiv, Rem, And, Or, Xor, Select, Truncate,
  Eq, Ne, Lt, Le, Gt, Ge, Dot, Exp, Exp2, Log, Log2, Sqrt, Rsqrt, Tanh, Abs, Floor, Ceil, Pow, Erf, Sin, Cos, Sigmoid,
  Softplus, Clip, NegateTruth, Random, UnitStart
};

static double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

/// The next state of splitmix64 from `seed`, as the language hashes: its increment is added first.
static uint64_t splitmix64(uint64_t seed) {
  seed += 0x9E3779B97F4A7C15u;
  seed = (seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9u;
  seed = (seed ^ (seed >> 27)) * 0x94D049BB133111EBu;
  return seed ^ (seed >> 31);
}

bool ScalarProgram::lookUp(const Op &op, Instruction &instruction) {
  static const std::map<std::string, Code> codes = {
      {"arith.addf", Code::Add}, {"arith.subf", Code::Sub}, {"arith.mulf", Code::Mul}, {"arith.divf", Code::Div},
      {"arith.negf", Code::Negate}, {"arith.maximumf", Code::Max}, {"arith.minimumf", Code::Min},
      {"arith.maxnumf", Code::Max}, {"arith.minnumf", Code::Min}, {"arith.addi", Code::Add}, {"arith.subi", Code::Sub},
      {"arith.muli", Code::Mul}, {"arith.floordivsi", Code::FloorDiv}, {"arith.ceildivsi", Code::CeilDiv},
      {"arith.divsi", Code::TruncDiv}, {"arith.remsi", Code::Rem}, {"arith.remf", Code::Rem}, {"arith.maxsi", Code::Max},
      {"arith.minsi", Code::Min}, {"arith.andi", Code::And}, {"arith.ori", Code::Or}, {"arith.xori", Code::Xor},
      {"arith.select", Code::Select}, {"arith.uitofp", Code::Copy}, {"arith.fptosi", Code::Truncate},
      {"arith.extf", Code::Copy}, {"arith.truncf", Code::Copy}, {"arith.extui", Code::Copy}, {"arith.index_cast", Code::Copy},
      {"math.exp", Code::Exp}, {"math.exp2", Code::Exp2}, {"math.log", Code::Log}, {"math.log2", Code::Log2},
      {"math.sqrt", Code::Sqrt}, {"math.rsqrt", Code::Rsqrt}, {"math.tanh", Code::Tanh}, {"math.absf", Code::Abs},
      {"math.absi", Code::Abs}, {"math.floor", Code::Floor}, {"math.ceil", Code::Ceil}, {"math.powf", Code::Pow},
      {"math.fpowi", Code::Pow}, {"math.ipowi", Code::Pow}, {"math.erf", Code::Erf}, {"math.sin", Code::Sin},
      {"math.cos", Code::Cos}, {"caa.sigmoid", Code::Sigmoid}, {"caa.softplus", Code::Softplus}, {"caa.clip", Code::Clip},
      {"caa.random", Code::Random}, {"caa.round_bf16", Code::Copy}, {"caa.dot", Code::Dot}};
  static const std::map<std::string, Code> predicates = {
      {"eq", Code::Eq}, {"ne", Code::Ne}, {"slt", Code::Lt}, {"sle", Code::Le}, {"sgt", Code::Gt}, {"sge", Code::Ge},
      {"oeq", Code::Eq}, {"one", Code::Ne}, {"une", Code::Ne}, {"ueq", Code::Eq}, {"olt", Code::Lt}, {"ole", Code::Le},
      {"ogt", Code::Gt}, {"oge", Code::Ge}, {"ult", Code::Lt}, {"ule", Code::Le}, {"ugt", Code::Gt}, {"uge", Code::Ge}};
  if (op.name == "arith.constant") {
    instruction.code = Code::Constant;
    instruction.constant = plainNumber(op.attributes.at("value"));
    return true;
  }
  const auto &table = op.name == "arith.cmpi" || op.name == "arith.cmpf" ? predicates : codes;
  auto found = table.find(&table == &predicates ? op.attributes.at("predicate").get<std::string>() : op.name);
  if (found == table.end())
    return false;
  instruction.code = found->second;
  return true;
}

Result<ScalarProgram> ScalarProgram::compile(const Body &body) {
  ScalarProgram program;
  std::map<int, int> number; // value id -> register
  auto define = [&](int id, const std::string &type) {
    number[id] = int(program.types_.size());
    program.types_.push_back(type);
    return number[id];
  };
  for (size_t n = 0; n < body.arguments.size(); ++n) {
    const std::string &type = body.argumentTypes[n];
    bool isVector = type.rfind("vector<", 0) == 0;
    define(body.arguments[n], type);
    program.vector_.push_back(isVector);
    program.width_.push_back(isVector ? std::stoul(type.substr(7)) : 1);
  }
  program.arguments_ = body.arguments.size();
  for (const Op &op : body.ops) {
    Instruction instruction{};
    static const std::map<std::string, UnitOp::Kind> kinds = {{"max", UnitOp::Max}, {"sum", UnitOp::Sum}, {"mean", UnitOp::Mean}};
    bool isUnitReduce = op.name == "caa.unit_reduce", isRow = op.name == "caa.unit_row";
    if (isUnitReduce || isRow || op.name == "caa.unit_any") {
      std::vector<int> in;
      for (int id : op.in)
        in.push_back(number.at(id));
      UnitOp::Kind kind = isRow ? UnitOp::Row : isUnitReduce ? kinds.at(op.attributes.at("kind").get<std::string>()) : UnitOp::Any;
      int out = define(op.out[0], op.types[0].element);
      if (isRow)
        program.width_.resize(out + 1, 0), program.width_[out] = program.width_[in[0]];
      program.unitOps_.push_back({kind, out, in[0], in.back(), op.attributes.at("unit").get<int64_t>(), program.instructions_.size()});
      continue;
    }
    int in[3] = {0, 0, 0};
    bool isRandom = op.name == "caa.random";
    if ((op.in.size() > 3 && !isRandom) || op.out.size() != 1)
      return internalError("oracle: " + op.name + " has an unexpected form in a region");
    for (size_t n = 0; n < op.in.size(); ++n) {
      auto found = number.find(op.in[n]);
      if (found == number.end())
        return internalError("oracle: a region of " + op.name + " reads a value from outside");
      if (isRandom)
        instruction.integers.push_back(found->second);
      else
        in[n] = found->second;
    }
    instruction.a = in[0], instruction.b = in[1], instruction.c = in[2];
    if (op.name == "caa.unit_start") {
      instruction.code = Code::UnitStart;
      instruction.constant = op.attributes.at("unit").get<double>();
    } else if (op.name == "arith.sitofp" || op.name == "arith.extsi" || op.name == "arith.trunci") {
      // A signed truth value is 0 or -1.
      instruction.code = op.name != "arith.trunci" && program.types_[in[0]] == "i1" ? Code::NegateTruth : Code::Copy;
    } else if (!lookUp(op, instruction)) {
      return internalError("oracle: " + op.name + " is not known in a region (" + op.location + ")");
    }
    instruction.out = define(op.out[0], op.types.empty() ? "f32" : op.types[0].element);
    program.instructions_.push_back(instruction);
  }
  for (int id : body.yield) {
    if (!number.count(id))
      return internalError("oracle: a region yields a value from outside");
    program.yield_.push_back(number[id]);
  }
  return program;
}

void ScalarProgram::run(double *r, const double *const *rows, size_t from, size_t to) const {
  for (size_t n = from; n < to; ++n) {
    const Instruction &op = instructions_[n];
    double a = r[op.a], b = r[op.b];
    double &out = r[op.out];
    switch (op.code) {
    case Code::Constant: out = op.constant; break;
    case Code::Copy: out = a; break;
    case Code::NegateTruth:
    case Code::Negate: out = -a; break;
    case Code::Add: out = a + b; break;
    case Code::Sub: out = a - b; break;
    case Code::Mul: out = a * b; break;
    case Code::Div: out = a / b; break;
    case Code::Max: out = a >= b ? a : b; break;
    case Code::Min: out = a <= b ? a : b; break;
    case Code::FloorDiv: out = std::floor(a / b); break;
    case Code::CeilDiv: out = std::ceil(a / b); break;
    case Code::TruncDiv: out = std::trunc(a / b); break;
    case Code::Rem: out = std::fmod(a, b); break;
    case Code::And: out = a != 0 && b != 0; break;
    case Code::Or: out = a != 0 || b != 0; break;
    case Code::Xor: out = (a != 0) != (b != 0); break;
    case Code::Select: out = a != 0 ? b : r[op.c]; break;
    case Code::Truncate: out = std::trunc(a); break;
    case Code::Eq: out = a == b; break;
    case Code::Ne: out = a != b; break;
    case Code::Lt: out = a < b; break;
    case Code::Le: out = a <= b; break;
    case Code::Gt: out = a > b; break;
    case Code::Ge: out = a >= b; break;
    case Code::Dot: {
      double sum = 0;
      for (size_t n = 0; n < width_[op.a]; ++n)
        sum += rows[op.a][n] * rows[op.b][n];
      out = sum;
      break;
    }
    case Code::Exp: out = std::exp(a); break;
    case Code::Exp2: out = std::exp2(a); break;
    case Code::Log: out = std::log(a); break;
    case Code::Log2: out = std::log2(a); break;
    case Code::Sqrt: out = std::sqrt(a); break;
    case Code::Rsqrt: out = 1 / std::sqrt(a); break;
    case Code::Tanh: out = std::tanh(a); break;
    case Code::Abs: out = std::fabs(a); break;
    case Code::Floor: out = std::floor(a); break;
    case Code::Ceil: out = std::ceil(a); break;
    case Code::Pow: out = std::pow(a, b); break;
    case Code::Erf: out = std::erf(a); break;
    case Code::Sin: out = std::sin(a); break;
    case Code::Cos: out = std::cos(a); break;
    case Code::Sigmoid: out = sigmoid(a); break;
    case Code::Softplus: out = std::fmax(a, 0.0) + std::log1p(std::exp(-std::fabs(a))); break;
    case Code::Clip: out = a <= 0 ? 0 : a >= 1 ? 1 : a; break;
    case Code::UnitStart: out = std::floor(a / op.constant) * op.constant; break;
    case Code::Random: {
      uint64_t hash = 0;
      for (int integer : op.integers)
        hash = splitmix64(hash ^ uint64_t(int64_t(r[integer])));
      out = double(hash >> 40) / double(1 << 24);
      break;
    }
    }
  }
}

void ScalarProgram::reverse(const double *r, const double *const *rows, double *d, double *const *rowAdjoints) const {
  for (auto it = instructions_.rbegin(); it != instructions_.rend(); ++it) {
    const Instruction &op = *it;
    double g = d[op.out];
    if (g == 0)
      continue; // nothing arrives: an infinite slope of a side not taken gives nothing
    double a = r[op.a], b = r[op.b], y = r[op.out];
    double &da = d[op.a], &db = d[op.b];
    switch (op.code) {
    case Code::Copy: da += g; break;
    case Code::Negate: da -= g; break;
    case Code::Add: da += g; db += g; break;
    case Code::Sub: da += g; db -= g; break;
    case Code::Mul: da += g * b; db += g * a; break;
    case Code::Div: da += g / b; db -= g * a / (b * b); break;
    case Code::Max: (a >= b ? da : db) += g; break;
    case Code::Min: (a <= b ? da : db) += g; break;
    case Code::Rem: da += g; break;
    case Code::Select: (a != 0 ? db : d[op.c]) += g; break;
    case Code::Dot:
      for (size_t n = 0; n < width_[op.a]; ++n) {
        if (rowAdjoints[op.a])
          rowAdjoints[op.a][n] += g * rows[op.b][n];
        if (rowAdjoints[op.b])
          rowAdjoints[op.b][n] += g * rows[op.a][n];
      }
      break;
    case Code::Exp: da += g * y; break;
    case Code::Exp2: da += g * y * M_LN2; break;
    case Code::Log: da += g / a; break;
    case Code::Log2: da += g / (a * M_LN2); break;
    case Code::Sqrt: da += a > 0 ? g / (2 * y) : 0; break;
    case Code::Rsqrt: da -= g * y / (2 * a); break;
    case Code::Tanh: da += g * (1 - y * y); break;
    case Code::Abs: da += a > 0 ? g : a < 0 ? -g : 0; break;
    case Code::Pow:
      da += g * b * std::pow(a, b - 1);
      if (a > 0)
        db += g * y * std::log(a);
      break;
    case Code::Erf: da += g * M_2_SQRTPI * std::exp(-a * a); break;
    case Code::Sin: da += g * std::cos(a); break;
    case Code::Cos: da -= g * std::sin(a); break;
    case Code::Sigmoid: da += g * y * (1 - y); break;
    case Code::Softplus: da += g * sigmoid(a); break;
    case Code::Clip: da += a > 0 && a < 1 ? g : 0; break;
    default: break; // constants, integers, truth values, floor and ceil: slope 0
    }
  }
}

} // namespace caa::reference
