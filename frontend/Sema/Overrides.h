// The `--set NAME=VALUE` options: which exist, which were taken.
#pragma once

#include "frontend/Support/Diagnostics.h"
#include "frontend/Syntax/Syntax.h"
#include <set>

namespace caa {

struct Override {
  std::string option;           // `caa.ramp=16`, for messages
  std::vector<std::string> path; // caa, ramp
  std::string text;              // 16
  syntax::ExprPtr value;         // null if the text is no expression
  bool used = false;
  Loc givenAt;                   // a call that gives the argument, and so leaves no default to set
};

class Overrides {
public:
  // Takes the options apart; an error for one that is not NAME=VALUE.
  void parse(const std::vector<std::string> &options, SourceManager &sources, Diagnostics &diagnostics);

  // The last option for a model's parameter, or for a definition's; null if there is none.
  Override *find(const std::string &name);
  Override *find(const std::string &decl, const std::string &param);
  std::vector<Override *> train();
  std::vector<Override> &list() { return all; }

private:
  std::vector<Override> all;
};

} // namespace caa
