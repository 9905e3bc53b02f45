// The command line, a compilation, the exit status.
#include "codegen/Driver/Driver.h"
#include "codegen/Driver/Compilation.h"
#include "codegen/Driver/CrashHandler.h"
#include "codegen/Driver/Options.h"

#include <new>

namespace caa {

int runCaac(int argc, const char *const *argv) {
  handleCrashes();
  std::variant<Options, int> options = parseOptions(argc, argv);
  if (int *status = std::get_if<int>(&options))
    return *status;
  try {
    return Compilation(std::get<Options>(options)).run();
  } catch (const std::bad_alloc &) {
    llvm::errs() << "caac: error: not enough memory\n";
    return 1;
  }
}

} // namespace caa
