// Sizes as sums of terms, and the parameter arena.
#include "codegen/Schedule/Program.h"

#include <map>
#include <numeric>

namespace caa::schedule {

Size::Size(int64_t constant) {
  if (constant != 0)
    terms.push_back({constant});
}

Size Size::tokens(int64_t perRow) { return sum({{perRow, 1, 1, 0}}); }

Size Size::rows(int64_t perRow) { return sum({{perRow, 0, 0, 1}}); }

Size Size::sum(std::vector<Term> terms) {
  Size size;
  for (const Term &term : terms)
    if (term.coefficient != 0)
      size.terms.push_back(term);
  return size;
}

Size Size::times(int64_t factor) const {
  Size size = *this;
  for (Term &term : size.terms)
    term.coefficient *= factor;
  return factor == 0 ? Size() : size;
}

uint64_t Parameter::elements() const {
  return std::accumulate(shape.begin(), shape.end(), uint64_t(1), std::multiplies<uint64_t>());
}

void layOutParameters(Program &program) {
  uint64_t offset = 0;
  std::map<std::string, uint32_t> groups{{"", 0}};
  for (Parameter &parameter : program.parameters) {
    parameter.offset = offset;
    offset += (parameter.elements() + 15) / 16 * 16;
    parameter.groupNumber = groups.try_emplace(parameter.group, groups.size()).first->second;
  }
}

} // namespace caa::schedule
