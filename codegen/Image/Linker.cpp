// Links in-process with lld. Objects are handed over as files in memory (memfd). The result must be a file with a folder
// around it, so lld writes a temporary one, which is read back and removed.
#include "codegen/Image/Image.h"

#include "lld/Common/Driver.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <cerrno>
#include <sys/mman.h>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

namespace caa {

using namespace llvm;

namespace {

/// An anonymous file with a path.
class MemoryFile {
public:
  static Expected<MemoryFile> create(const char *name) {
    int descriptor = memfd_create(name, MFD_CLOEXEC);
    if (descriptor < 0)
      return createStringError(std::error_code(errno, std::generic_category()), "cannot make a file in memory");
    return MemoryFile(descriptor);
  }
  MemoryFile(MemoryFile &&other) : descriptor(other.descriptor) { other.descriptor = -1; }
  MemoryFile &operator=(MemoryFile &&) = delete;
  ~MemoryFile() {
    if (descriptor >= 0)
      close(descriptor);
  }

  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor); }

  Error write(ArrayRef<char> bytes) {
    raw_fd_ostream stream(descriptor, /*shouldClose=*/false);
    stream.write(bytes.data(), bytes.size());
    stream.flush();
    std::error_code error = stream.error();
    stream.clear_error();
    return error ? createStringError(error, "cannot write to a file in memory") : Error::success();
  }

private:
  explicit MemoryFile(int descriptor) : descriptor(descriptor) {}
  int descriptor;
};

/// What kernels may take from the C library: LLVM makes calls of these out of its own operations.
bool isOfLibc(StringRef symbol) {
  static const StringSet<> known = {"memcpy", "memmove", "memset", "bzero", "exp",   "expf",  "exp2",   "exp2f",  "log",
                                    "logf",   "log2",    "log2f",  "log1p", "log1pf", "sin",   "sinf",   "cos",    "cosf",
                                    "tanh",   "tanhf",   "pow",    "powf",  "erf",   "erff",  "sqrt",   "sqrtf",  "floor",
                                    "floorf", "ceil",    "ceilf",  "fmod",  "fmodf", "round", "roundf", "rint",   "rintf",
                                    "trunc",  "truncf",  "fma",    "fmaf",  "sincos", "sincosf", "expm1", "expm1f"};
  return known.contains(symbol);
}

Error checkSymbols(const object::ELF64LEObjectFile &so) {
  std::string undefined, exported;
  for (const object::ELFSymbolRef &symbol : so.getDynamicSymbolIterators()) {
    Expected<StringRef> name = symbol.getName();
    Expected<uint32_t> flags = symbol.getFlags();
    if (!name || !flags)
      return joinErrors(name.takeError(), flags.takeError());
    if (*flags & object::SymbolRef::SF_Undefined) {
      if (!name->empty() && !isOfLibc(*name))
        undefined += " " + name->str();
    } else if (*name != "caa_query") {
      exported += " " + name->str();
    }
  }
  if (!undefined.empty())
    return createStringError("kernels call what the C library does not have:" + undefined);
  if (!exported.empty())
    return createStringError("the shared object exports more than caa_query:" + exported);
  return Error::success();
}

} // namespace

Expected<ObjectBytes> linkSharedObject(ArrayRef<ObjectBytes> objects) {
  std::vector<MemoryFile> files; // the objects, then the version script
  auto add = [&](const char *name, ArrayRef<char> bytes) -> Error {
    Expected<MemoryFile> file = MemoryFile::create(name);
    if (!file)
      return file.takeError();
    files.push_back(std::move(*file));
    return files.back().write(bytes);
  };
  for (const ObjectBytes &object : objects)
    if (Error error = add("caac-object", object))
      return error;
  StringRef script = "{ global: caa_query; local: *; };\n";
  if (Error error = add("caac-exports", ArrayRef(script.data(), script.size())))
    return error;
  SmallString<128> result;
  if (std::error_code error = sys::fs::createTemporaryFile("caac", "so", result))
    return createStringError(error, "cannot make a temporary file: " + error.message());
  FileRemover removeResult(result);

  std::string exports = "--version-script=" + files.back().path();
  std::vector<std::string> paths;
  for (size_t n = 0; n < objects.size(); ++n)
    paths.push_back(files[n].path());
  std::vector<const char *> arguments = {"ld.lld", "-shared", "--hash-style=gnu", "--build-id=none",
                                         "-znoexecstack", "-znow", "--strip-all", "--threads=2", exports.c_str(), "-o", result.c_str()};
  for (const std::string &path : paths)
    arguments.push_back(path.c_str());
  std::string output;
  raw_string_ostream stream(output);
  lld::Result linked = lld::lldMain(arguments, stream, stream, {{lld::Gnu, &lld::elf::link}});
  if (linked.retCode != 0)
    return createStringError("linking failed: " + output);

  ErrorOr<std::unique_ptr<MemoryBuffer>> buffer =
      MemoryBuffer::getFile(result, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError(buffer.getError(), "cannot read the linker's result");
  Expected<object::ELF64LEObjectFile> so = object::ELF64LEObjectFile::create((*buffer)->getMemBufferRef());
  if (!so)
    return so.takeError();
  if (Error error = checkSymbols(*so))
    return error;
  return ObjectBytes((*buffer)->getBufferStart(), (*buffer)->getBufferEnd());
}

} // namespace caa
