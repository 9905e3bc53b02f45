// caa-front: the front end alone, for tests: checks a file, or prints its syntax tree or its caa dialect.
#include "frontend/Frontend.h"
#include "mlir/IR/MLIRContext.h"
#include <cstring>

int main(int argc, char **argv) {
  caa::FrontendOptions options;
  std::string path, emit = "check";
  auto usage = [] {
    llvm::errs() << "usage: caa-front FILE.mdl [--emit check|ast|caa|caa-locations] [--set N=V] [--model N] [--export N] [--arg V=HxW]\n";
    return 2;
  };
  for (int k = 1; k < argc; ++k) {
    std::string arg = argv[k];
    if (arg.size() < 3 || arg.rfind("--", 0) != 0) {
      path = arg;
      continue;
    }
    if (++k == argc)
      return usage();
    if (arg == "--emit")
      emit = argv[k];
    else if (arg == "--set")
      options.sets.push_back(argv[k]);
    else if (arg == "--model")
      options.model = argv[k];
    else if (arg == "--export")
      options.exports.push_back({argv[k], {}});
    else if (arg == "--arg" && !options.exports.empty())
      options.exports.back().args.push_back(argv[k]);
    else
      return usage();
  }
  if (path.empty())
    return usage();
  mlir::MLIRContext context;
  caa::SourceManager sources;
  caa::Diagnostics diagnostics(sources, llvm::errs());
  diagnostics.attach(context, /*remarks=*/false);
  bool good = false;
  if (emit == "ast") {
    good = caa::printSyntax(sources, diagnostics, path, llvm::outs());
  } else if (emit == "caa" || emit == "caa-locations") {
    auto module = caa::compileToCaa(sources, diagnostics, path, options, context);
    mlir::OpPrintingFlags flags;
    if (emit == "caa-locations")
      flags.enableDebugInfo();
    good = static_cast<bool>(module);
    if (good) {
      module.get()->removeAttr("caa.sources"); // the test's own expectations, which FileCheck would find there
      module->print(llvm::outs(), flags);
    }
  } else {
    good = caa::checkProgram(sources, diagnostics, path, options, context);
  }
  diagnostics.flush();
  return good ? 0 : 1;
}
