// Parsing of the plain form.
#include "runtime/reference/plain.h"

#include <algorithm>
#include <limits>

using nlohmann::json;

namespace caa::reference {

const Function *Program::find(const std::string &name) const {
  auto found = std::find_if(functions.begin(), functions.end(), [&](const Function &f) { return f.name == name; });
  return found == functions.end() ? nullptr : &*found;
}

double plainNumber(const json &value) {
  if (value.is_boolean())
    return value.get<bool>();
  if (!value.is_string())
    return value.get<double>();
  double inf = std::numeric_limits<double>::infinity();
  std::string text = value.get<std::string>();
  return text == "inf" ? inf : text == "-inf" ? -inf : std::numeric_limits<double>::quiet_NaN();
}

namespace {

Type parseType(const json &node) {
  if (node.is_string())
    return {{}, node.get<std::string>()};
  return {node.at("shape").get<std::vector<int64_t>>(), node.at("elt").get<std::string>()};
}

std::vector<Op> parseOps(const json &nodes, int &values);

std::shared_ptr<Body> parseBody(const json &node, int &values) {
  auto body = std::make_shared<Body>();
  body->arguments = node.at("args").get<std::vector<int>>();
  body->argumentTypes = node.at("arg_types").get<std::vector<std::string>>();
  body->ops = parseOps(node.at("ops"), values);
  body->yield = node.at("yield").get<std::vector<int>>();
  for (int id : body->arguments)
    values = std::max(values, id + 1);
  return body;
}

std::vector<Op> parseOps(const json &nodes, int &values) {
  std::vector<Op> ops;
  for (const json &node : nodes) {
    Op op;
    op.name = node.at("op").get<std::string>();
    op.in = node.at("in").get<std::vector<int>>();
    op.out = node.at("out").get<std::vector<int>>();
    for (const json &type : node.at("types"))
      op.types.push_back(parseType(type));
    op.attributes = node.value("attrs", json::object());
    op.location = node.value("loc", "");
    for (int id : op.out)
      values = std::max(values, id + 1);
    if (node.contains("body"))
      op.body = parseBody(node.at("body"), values);
    ops.push_back(std::move(op));
  }
  return ops;
}

Function parseFunction(const json &node) {
  Function function;
  function.name = node.at("name").get<std::string>();
  function.isExport = node.value("export", false);
  for (const json &input : node.at("inputs")) {
    function.inputs.push_back({input.at("id").get<int>(), input.at("name").get<std::string>(), parseType(input.at("type"))});
    function.values = std::max(function.values, function.inputs.back().id + 1);
  }
  function.ops = parseOps(node.at("ops"), function.values);
  for (const json &result : node.at("results"))
    function.results.push_back({result.at("id").get<int>(), result.value("name", "out"), {}});
  return function;
}

} // namespace

Result<Program> parsePlainForm(const std::string &text) {
  try {
    json root = json::parse(text);
    if (root.at("version").get<int>() != 1)
      return inputError("plain form: version " + root.at("version").dump() + " is not known");
    Program program;
    for (const json &node : root.at("parameters"))
      program.parameters.push_back({node.at("name").get<std::string>(), node.at("shape").get<std::vector<int64_t>>()});
    for (const json &node : root.at("functions"))
      program.functions.push_back(parseFunction(node));
    return program;
  } catch (const json::exception &error) {
    return inputError(std::string("plain form: ") + error.what());
  }
}

} // namespace caa::reference
