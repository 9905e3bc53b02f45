// A program: the main file and all that it uses, and what every name at top level means.
#pragma once

#include "frontend/Support/Diagnostics.h"
#include "frontend/Syntax/Syntax.h"
#include <map>

namespace caa {

class Program {
public:
  // Reads `path` ("-": standard input) and every used file, once each; reports what is wrong with files, syntax and
  // definitions. False if the main file could not be read.
  bool load(SourceManager &sources, const std::string &path, Diagnostics &diagnostics);

  const syntax::Decl *find(const std::string &name) const;
  const syntax::Decl *find(const std::string &name, syntax::Decl::Kind kind) const;
  std::vector<std::string> names() const;
  std::vector<std::string> names(syntax::Decl::Kind kind) const;

  // The last model in the main file, or null.
  const syntax::Decl *lastModel() const;
  // The main file's `train`, or null.
  const syntax::Train *train() const;

  const std::vector<syntax::File> &files() const { return all; }

private:
  void read(SourceManager &sources, int32_t source, Diagnostics &diagnostics);
  void define(const SourceManager &sources, Diagnostics &diagnostics);

  std::vector<syntax::File> all; // the main file first
  std::map<std::string, const syntax::Decl *> decls;
};

// What holds of a program whatever its sizes: every name that is written means something, every call has arguments that
// its callee takes, nothing calls itself. Covers what no model reaches, too.
// Definitions with syntax errors are left out. True if something calls itself.
bool checkNames(const Program &program, Diagnostics &diagnostics);

} // namespace caa
