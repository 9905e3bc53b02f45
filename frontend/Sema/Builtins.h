// The built-in functions' names and arguments, and the reserved names: one table for the checker, the evaluator and
// what a message suggests.
#pragma once

#include <string>
#include <vector>

namespace caa {

struct BuiltinSpec {
  const char *name;
  std::vector<const char *> params;  // in order; also by name
  unsigned required;                 // how many of them must be given
  bool isVariadic;                   // more may follow the last one
  std::vector<const char *> options; // by name only
};

const BuiltinSpec *findBuiltin(const std::string &name);
bool isBuiltin(const std::string &name); // functions and words
bool isWord(const std::string &name);    // `mean`, `zeros`, ...: constants that name a choice
bool isReservedName(const std::string &name);

const std::vector<std::string> &builtinNames();
const std::vector<std::string> &reservedNames();

// "a, b and c"
std::string listOf(const std::vector<std::string> &names, const char *last = " and ");

} // namespace caa
