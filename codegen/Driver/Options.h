// The command line of caac, as docs/commands.md settles it.
#pragma once

#include "frontend/Frontend.h"
#include "runtime/abi/caa_abi.h"

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
  std::vector<caa_target> targets; // in the order of caa_target, each once
  Emit emit = Emit::SharedObject;  // the stages from `tile` on are those of the first target, `ptx` that of the last
  bool remarks = false;
  bool timing = false; // how long each phase took, to stderr
};

/// The options, or the exit status where there is nothing to compile (help, version, wrong usage: told already).
std::variant<Options, int> parseOptions(int argc, const char *const *argv);

/// "cpu", "sm_80" or "sm_90a".
std::string targetName(caa_target target);

/// "caac 0.1.0 (LLVM 22.1.8)"
std::string compilerVersion();

} // namespace caa
