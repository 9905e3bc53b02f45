// Source files and places in them. A SourceManager owns the text of every file that a compilation reads; a Loc is a
// place in one of them. Lines and columns count from 1; a column is a code point, as an editor shows it.
#pragma once

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace caa {

struct Loc {
  int32_t file = -1;   // index into the SourceManager; -1: no place (a command-line option)
  int32_t line = 0;
  int32_t column = 0;
  int32_t length = 1;  // code points to underline, on this line

  bool valid() const { return file >= 0; }
  bool operator==(const Loc &o) const { return file == o.file && line == o.line && column == o.column; }
  bool operator!=(const Loc &o) const { return !(*this == o); }
  bool operator<(const Loc &o) const {
    return file != o.file ? file < o.file : line != o.line ? line < o.line : column < o.column;
  }
};

struct SourceFile {
  std::string name;     // as the user would name it; in messages
  std::string identity; // the resolved path: one file has one identity however it is reached
  std::string text;     // UTF-8 without a byte-order mark
};

class SourceManager {
public:
  struct Opened {
    int32_t file = -1;   // -1: could not be read
    bool isNew = false;  // false: it had been read before
    std::string problem; // why not, in the user's words
  };

  // Reads a file once; "-" is standard input.
  Opened open(const std::string &path);
  // A text that is no file, such as the value of an option or a test's program.
  int32_t addText(std::string name, std::string text);

  // The path of `target`, named in file `from`: relative to that file's folder.
  std::string resolve(int32_t from, const std::string &target) const;

  const SourceFile &file(int32_t index) const { return *files[index]; }
  int32_t fileNamed(llvm::StringRef name) const; // -1: none
  int32_t count() const { return static_cast<int32_t>(files.size()); }
  // The text of a line without its end.
  llvm::StringRef line(int32_t file, int32_t line) const;
  std::string describe(Loc loc) const; // "qwen3.mdl:12:14"

private:
  std::vector<std::unique_ptr<SourceFile>> files;
};

} // namespace caa
