// The seal over the finished file, and writing it whole or not at all.
#include "codegen/Image/Image.h"

#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <cerrno>
#include <unistd.h>

namespace caa {

using namespace llvm;

Error seal(ObjectBytes &so) {
  auto file = object::ELF64LEObjectFile::create(MemoryBufferRef(StringRef(so.data(), so.size()), "so"));
  if (!file)
    return file.takeError();
  for (const object::SectionRef &section : file->sections()) {
    Expected<StringRef> name = section.getName();
    if (!name)
      return name.takeError();
    if (*name != ".caa.seal")
      continue;
    Expected<StringRef> contents = section.getContents();
    if (!contents)
      return contents.takeError();
    char *place = so.data() + (contents->data() - so.data());
    std::fill_n(place, 32, 0);
    std::array<uint8_t, 32> hash = SHA256::hash(arrayRefFromStringRef(StringRef(so.data(), so.size())));
    std::copy(hash.begin(), hash.end(), place);
    return Error::success();
  }
  return createStringError("the linked file has no section .caa.seal");
}

static Error cannotWrite(StringRef path, std::error_code error) {
  std::string why = error == std::errc::no_space_on_device ? "no space left on the device" : error.message();
  return createStringError("cannot write " + path + ": " + why);
}

/// Writes all of `bytes`; the first failure's error.
static std::error_code writeAll(int descriptor, ArrayRef<char> bytes) {
  while (!bytes.empty()) {
    ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return std::error_code(errno, std::generic_category());
    bytes = bytes.drop_front(written);
  }
  return {};
}

Error writeOutput(StringRef path, ArrayRef<char> bytes) {
  sys::fs::file_status status;
  if (!sys::fs::status(path, status) && sys::fs::exists(status) && !sys::fs::is_regular_file(status) && !sys::fs::is_directory(status)) {
    int descriptor;
    if (std::error_code error = sys::fs::openFileForWrite(path, descriptor, sys::fs::CD_OpenExisting))
      return cannotWrite(path, error);
    std::error_code error = writeAll(descriptor, bytes);
    ::close(descriptor);
    return error ? cannotWrite(path, error) : Error::success();
  }
  if (sys::fs::is_directory(status))
    return createStringError("cannot write " + path + ": it is a folder");
  Expected<sys::fs::TempFile> file = sys::fs::TempFile::create(path + ".%%%%%%%%.tmp", 0666);
  if (!file)
    return cannotWrite(path, errorToErrorCode(file.takeError()));
  std::error_code error = writeAll(file->FD, bytes);
  if (!error && ::fsync(file->FD) != 0)
    error = std::error_code(errno, std::generic_category());
  if (error) {
    consumeError(file->discard());
    return cannotWrite(path, error);
  }
  if (Error renamed = file->keep(path))
    return cannotWrite(path, errorToErrorCode(std::move(renamed)));
  return Error::success();
}

Error writeSharedObject(StringRef path, const schedule::Program &program, const schedule::Texts &texts,
                        std::vector<ObjectBytes> kernelObjects) {
  Expected<ObjectBytes> image = emitImageObject(buildImage(program, texts));
  if (!image)
    return image.takeError();
  kernelObjects.push_back(std::move(*image));
  Expected<ObjectBytes> so = linkSharedObject(kernelObjects);
  if (!so)
    return so.takeError();
  if (Error error = seal(*so))
    return error;
  return writeOutput(path, *so);
}

} // namespace caa
