// From a program and its kernels' objects to the bytes of a sealed .so (runtime/abi/caa_abi.h says what is in it).
//
//   Image image = buildImage(program, texts);
//   objects.push_back(emitImageObject(image));        // section .caa.image, caa_query, section .caa.seal
//   so = linkSharedObject(objects); seal(so); writeOutput("model.so", so)
#pragma once

#include "codegen/Schedule/Program.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace llvm {
class Module;
}

namespace caa {

/// An object file or a shared object, in memory.
using ObjectBytes = llvm::SmallVector<char, 0>;

/// The image's bytes. At each slot's offset the linker puts 8 bytes: the symbol's address minus the image's.
struct Image {
  struct Slot {
    uint64_t offset;
    std::string symbol;
  };
  std::vector<char> bytes;
  std::vector<Slot> slots; // by ascending offset
};

/// Lays out tables and texts.
Image buildImage(const schedule::Program &program, const schedule::Texts &texts);

/// The object that holds the image, `caa_query` and an empty seal.
llvm::Expected<ObjectBytes> emitImageObject(const Image &image);

/// Compiles an LLVM module to an x86-64 object. `cpu` and `features` as LLVM names them ("x86-64", "+avx2,+fma").
llvm::Expected<ObjectBytes> emitObject(llvm::Module &module, llvm::StringRef cpu, llvm::StringRef features);

/// Links objects into a shared object that exports `caa_query` alone. Whatever else they leave undefined must be of libc
/// or libm; anything else is an error that names the symbols.
llvm::Expected<ObjectBytes> linkSharedObject(llvm::ArrayRef<ObjectBytes> objects);

/// Writes the SHA-256 of `so` (its own 32 bytes taken as zero) into its section .caa.seal.
llvm::Error seal(ObjectBytes &so);

/// Writes a file so that it appears whole or not at all; a path that is a device or a pipe is written directly.
/// Errors name the path; a full disk says "no space left".
llvm::Error writeOutput(llvm::StringRef path, llvm::ArrayRef<char> bytes);

/// All of the above.
llvm::Error writeSharedObject(llvm::StringRef path, const schedule::Program &program, const schedule::Texts &texts,
                              std::vector<ObjectBytes> kernelObjects);

} // namespace caa
