// Reading files once, whatever path leads to them.
#include "frontend/Support/Source.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

namespace caa {
namespace {

// UTF-8 and short enough to number its places; `problem` is empty if so.
std::string checkText(std::string &text) {
  if (llvm::StringRef(text).starts_with("\xEF\xBB\xBF"))
    text.erase(0, 3);
  if (text.size() > (64u << 20))
    return "is larger than 64 MiB: not a model";
  const auto *begin = reinterpret_cast<const llvm::UTF8 *>(text.data());
  if (!llvm::isLegalUTF8String(&begin, begin + text.size()))
    return "is not UTF-8 text";
  if (text.find('\0') != std::string::npos)
    return "holds a zero byte: not a text file";
  return "";
}

} // namespace

SourceManager::Opened SourceManager::open(const std::string &path) {
  Opened result;
  bool standardInput = path == "-";
  llvm::SmallString<256> identity("<stdin>");
  if (!standardInput) {
    if (llvm::sys::fs::is_directory(path)) {
      result.problem = "is a folder, not a file";
      return result;
    }
    if (std::error_code error = llvm::sys::fs::real_path(path, identity)) {
      result.problem = "cannot be read: " + error.message();
      return result;
    }
  }
  for (int32_t i = 0; i < count(); ++i)
    if (files[i]->identity == identity.str()) {
      result.file = i;
      return result;
    }
  auto buffer = standardInput ? llvm::MemoryBuffer::getSTDIN() : llvm::MemoryBuffer::getFile(path);
  if (!buffer) {
    result.problem = "cannot be read: " + buffer.getError().message();
    return result;
  }
  std::string text = (*buffer)->getBuffer().str();
  result.problem = checkText(text);
  if (!result.problem.empty())
    return result;
  files.push_back(std::make_unique<SourceFile>(
      SourceFile{standardInput ? "<stdin>" : path, std::string(identity.str()), std::move(text)}));
  result.file = count() - 1;
  result.isNew = true;
  return result;
}

int32_t SourceManager::addText(std::string name, std::string text) {
  files.push_back(std::make_unique<SourceFile>(SourceFile{name, "<" + name + ">", std::move(text)}));
  return count() - 1;
}

std::string SourceManager::resolve(int32_t from, const std::string &target) const {
  if (llvm::sys::path::is_absolute(target))
    return target;
  llvm::SmallString<256> path(llvm::sys::path::parent_path(files[from]->name));
  llvm::sys::path::append(path, target);
  return std::string(path.str());
}

int32_t SourceManager::fileNamed(llvm::StringRef name) const {
  for (int32_t i = 0; i < count(); ++i)
    if (files[i]->name == name)
      return i;
  return -1;
}

llvm::StringRef SourceManager::line(int32_t file, int32_t line) const {
  llvm::StringRef rest = files[file]->text;
  for (int32_t i = 1; i < line; ++i)
    rest = rest.split('\n').second;
  return rest.split('\n').first.rtrim('\r');
}

std::string SourceManager::describe(Loc loc) const {
  if (!loc.valid())
    return "";
  return files[loc.file]->name + ":" + std::to_string(loc.line) + ":" + std::to_string(loc.column);
}

} // namespace caa
