// See InternalErrors.h.
#include "codegen/Driver/InternalErrors.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace caa {

InternalErrors::InternalErrors(MLIRContext &context, std::function<bool()> authorIsTold)
    : authorIsTold(std::move(authorIsTold)), handler(&context, [this](Diagnostic &diagnostic) { return take(diagnostic); }) {}

LogicalResult InternalErrors::take(Diagnostic &diagnostic) {
  if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
    return failure();
  std::string message = diagnostic.str();
  // What the pass manager adds to a failing pass's own words; alone it tells that a pass failed silently.
  bool summary = StringRef(message).starts_with("Failures have been detected");
  if (summary && (any() || authorIsTold()))
    return success();
  // Verifiers quote the op: 'caa.map' op ...; a crash in a pass: A signal was caught ...
  bool internal = (all && !StringRef(message).starts_with("cannot be compiled for ")) || summary || StringRef(message).starts_with("internal:") || StringRef(message).starts_with("'") ||
                  StringRef(message).starts_with("A signal was caught");
  if (!internal)
    return failure();
  llvm::raw_string_ostream(text) << diagnostic.getLocation() << ": " << message << "\n";
  return success();
}

std::unique_ptr<llvm::raw_fd_ostream> InternalErrors::openReproducer(std::string &error) {
  SmallString<128> name;
  int descriptor;
  if (std::error_code code = llvm::sys::fs::createTemporaryFile("caac-reproducer", "mlir", descriptor, name)) {
    error = code.message();
    return nullptr;
  }
  path = name.str();
  return std::make_unique<llvm::raw_fd_ostream>(descriptor, /*shouldClose=*/true);
}

namespace {
/// A reproducer's stream; one that nobody wants goes nowhere.
struct Stream : ReproducerStream {
  explicit Stream(std::unique_ptr<llvm::raw_ostream> os, std::string name) : stream(std::move(os)), name(std::move(name)) {}
  StringRef description() override { return name; }
  llvm::raw_ostream &os() override { return *stream; }
  std::unique_ptr<llvm::raw_ostream> stream;
  std::string name;
};
} // namespace

ReproducerStreamFactory InternalErrors::reproducers() {
  return [this](std::string &error) -> std::unique_ptr<ReproducerStream> {
    if (!any() && authorIsTold())
      return std::make_unique<Stream>(std::make_unique<llvm::raw_null_ostream>(), "");
    auto os = openReproducer(error);
    return os ? std::make_unique<Stream>(std::move(os), path) : nullptr;
  };
}

void InternalErrors::writeReproducer(ModuleOp module) {
  std::string error;
  if (auto os = openReproducer(error))
    module->print(*os, OpPrintingFlags().enableDebugInfo().useLocalScope());
}

} // namespace caa
