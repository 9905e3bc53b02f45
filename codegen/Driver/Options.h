// The command line of caac, as docs/commands.md settles it.
#pragma once

#include "frontend/Frontend.h"

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace caa {

/// What caac writes.
enum class Emit { SharedObject, Ast, Caa, Tile, Schedule, Llvm, Ptx };

struct Options {
  std::string input;  // "-": standard input
  std::string output; // "": standard output (with --emit only)
  std::string model;  // "": the file's last
  std::vector<std::string> sets;
  std::vector<FrontendOptions::Export> exports;
  Emit emit = Emit::SharedObject;
  bool remarks = false;
  bool timing = false; // how long each phase took, to stderr
};

/// The options, or the exit status where there is nothing to compile (help, version, wrong usage: told already).
std::variant<Options, int> parseOptions(int argc, const char *const *argv);

/// "caac 0.1.0 (LLVM 22.1.8)"
std::string compilerVersion();

} // namespace caa
