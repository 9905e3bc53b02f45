// What the compiler tells the user: one formatter for everything, from the first token to the last pass.
// Messages are collected, and `flush` prints them in the order of the source, each place and sentence once. The handler
// takes what MLIR's engine reports (passes, verifiers) and brings it into the same form.
#pragma once

#include "frontend/Support/Source.h"
#include "llvm/Support/raw_ostream.h"
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace mlir {
class Location;
class MLIRContext;
class ScopedDiagnosticHandler;
} // namespace mlir

namespace caa {

enum class Severity { Error, Warning, Remark };

class Diagnostics {
public:
  Diagnostics(const SourceManager &sources, llvm::raw_ostream &out, bool colour = false);
  ~Diagnostics();

  void error(Loc loc, std::string message) { report(Severity::Error, loc, std::move(message)); }
  void warning(Loc loc, std::string message) { report(Severity::Warning, loc, std::move(message)); }
  void report(Severity severity, Loc loc, std::string message);

  unsigned errorCount() const { return errors; }
  void flush();

  // From here on, diagnostics of `context`, which must live longer, arrive here. Remarks pass only if `remarks`.
  void attach(mlir::MLIRContext &context, bool remarks);

  // Between `mute` and `unmute` nothing is recorded: for an evaluation that only finds out a shape.
  void mute() { ++muted; }
  void unmute() { --muted; }

private:
  struct Entry {
    Severity severity;
    Loc loc;
    std::string message;
  };
  void print(const Entry &entry);

  const SourceManager &sources;
  llvm::raw_ostream &out;
  bool colour;
  bool showRemarks = false;
  unsigned errors = 0;
  unsigned muted = 0;
  std::vector<Entry> pending;
  std::set<std::tuple<int32_t, int32_t, int32_t, std::string>> seen;
  std::unique_ptr<mlir::ScopedDiagnosticHandler> handler;
};

// The innermost place in a source file that an MLIR location names; invalid if there is none.
Loc sourceLocation(const SourceManager &sources, mlir::Location location);

// The one of `known` that `name` was probably meant to be, or "".
std::string closest(llvm::StringRef name, const std::vector<std::string> &known);
// "; did you mean `x`?", or "".
std::string didYouMean(llvm::StringRef name, const std::vector<std::string> &known);

} // namespace caa
