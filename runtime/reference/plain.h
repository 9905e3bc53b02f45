// The plain form of a model (docs/plain-form.md), parsed: what the oracle interprets.
#pragma once

#include "runtime/base/result.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace caa::reference {

/// Axes and element of a value; -1 stands for the batch (first) and the length (second).
struct Type {
  std::vector<int64_t> shape;
  std::string element;
  bool perToken() const { return shape.size() == 4; }
  bool isFloat() const { return element == "f32" || element == "f64"; }
};

struct Body;

/// One op, of a function or of a region. In a region `types` has empty shapes, and `element` may be "vector<64xf32>".
struct Op {
  std::string name;
  std::vector<int> in, out;
  std::vector<Type> types;
  nlohmann::json attributes;
  std::shared_ptr<Body> body;
  std::string location;
};

struct Body {
  std::vector<int> arguments;
  std::vector<std::string> argumentTypes;
  std::vector<Op> ops;
  std::vector<int> yield;
};

struct Named {
  int id;
  std::string name;
  Type type;
};

struct Function {
  std::string name;
  bool isExport = false;
  std::vector<Named> inputs, results;
  std::vector<Op> ops;
  int values = 0; ///< one more than the largest value number
};

struct Parameter {
  std::string name;
  std::vector<int64_t> shape;
};

struct Program {
  std::vector<Parameter> parameters;
  std::vector<Function> functions;
  const Function *find(const std::string &name) const;
};

/// Parses the JSON text; errors name the field at fault.
Result<Program> parsePlainForm(const std::string &text);

/// A number of the plain form: also "inf", "-inf" and "nan".
double plainNumber(const nlohmann::json &value);

} // namespace caa::reference
