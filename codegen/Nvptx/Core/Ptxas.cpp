// See Ptxas.h.
#include "codegen/Nvptx/Core/Ptxas.h"

#include "codegen/Nvptx/Core/Ptx.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>

using llvm::StringRef;

namespace caa::nvptx {

std::optional<std::string> findPtxas() {
  if (const char *named = std::getenv("CAA_PTXAS"); named && *named)
    return llvm::sys::fs::can_execute(named) ? std::optional<std::string>(named) : std::nullopt;
  if (auto found = llvm::sys::findProgramByName("ptxas"))
    return *found;
  if (auto found = llvm::sys::findProgramByName("ptxas", {"/usr/local/cuda/bin"}))
    return *found;
  return std::nullopt;
}

// The number before `unit` in a line such as "Used 32 registers, 400 bytes cmem[0]".
static unsigned numberBefore(StringRef line, StringRef unit) {
  size_t at = line.find(unit);
  if (at == StringRef::npos)
    return 0;
  StringRef before = line.take_front(at).rtrim();
  unsigned number = 0;
  before.substr(before.find_last_not_of("0123456789") + 1).getAsInteger(10, number);
  return number;
}

static void read(StringRef log, Assembly &assembly) {
  AssembledKernel *kernel = nullptr;
  for (StringRef line : llvm::split(log, '\n')) {
    if (size_t at = line.find("Compiling entry function '"); at != StringRef::npos) {
      assembly.kernels.push_back({line.substr(at + 26).split('\'').first.str()});
      kernel = &assembly.kernels.back();
    } else if (kernel && line.contains("bytes stack frame")) {
      kernel->stackBytes = numberBefore(line, " bytes stack frame");
      kernel->spillBytes = numberBefore(line, " bytes spill stores") + numberBefore(line, " bytes spill loads");
    } else if (kernel && line.contains(" registers")) {
      kernel->registers = numberBefore(line, " registers");
      kernel->sharedBytes = numberBefore(line, " bytes smem");
    } else if (line.contains("C75") || line.contains("warning")) {
      assembly.warnings.push_back(line.str());
    }
  }
}

llvm::Expected<Assembly> assemble(StringRef ptx, caa_target target, StringRef ptxas) {
  llvm::SmallString<128> paths[3];
  int input = -1;
  std::vector<std::unique_ptr<llvm::FileRemover>> removers;
  constexpr StringRef suffixes[] = {"ptx", "cubin", "log"};
  for (auto [n, suffix] : llvm::enumerate(suffixes)) {
    int handle = -1;
    if (std::error_code error = llvm::sys::fs::createTemporaryFile("caa", suffix, handle, paths[n]))
      return llvm::createStringError(error, "no temporary file for ptxas");
    removers.push_back(std::make_unique<llvm::FileRemover>(paths[n]));
    if (n == 0)
      input = handle;
    else
      llvm::raw_fd_ostream(handle, /*shouldClose=*/true);
  }
  llvm::raw_fd_ostream(input, /*shouldClose=*/true) << ptx;
  std::string architecture = "-arch=" + processorName(target).str();
  std::string error;
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(paths[2]), StringRef(paths[2])};
  int status = llvm::sys::ExecuteAndWait(ptxas, {ptxas, architecture, "-v", paths[0], "-o", paths[1]}, std::nullopt, redirects, 0, 0,
                                         &error);
  auto log = llvm::MemoryBuffer::getFile(paths[2]);
  StringRef text = log ? (*log)->getBuffer() : StringRef();
  if (status)
    return llvm::createStringError("ptxas failed: " + error + "\n" + text);
  auto cubin = llvm::MemoryBuffer::getFile(paths[1], /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!cubin)
    return llvm::createStringError(cubin.getError(), "ptxas wrote no cubin");
  Assembly assembly;
  assembly.cubin = (*cubin)->getBuffer().str();
  read(text, assembly);
  return assembly;
}

} // namespace caa::nvptx
