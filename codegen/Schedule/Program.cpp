// Sizes as sums of terms, the parameter arena, programs of several targets.
#include "codegen/Schedule/Program.h"

#include <iterator>
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

void setTarget(Program &program, caa_target target) {
  for (Kernel &kernel : program.kernels)
    kernel.target = target;
  for (Entry &entry : program.entries)
    entry.target = target;
}

template <typename T> static void move(std::vector<T> &to, std::vector<T> &from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

bool append(Program &program, Program part) {
  if (program.entries.empty()) {
    program = std::move(part);
    return true;
  }
  if (program.parameters != part.parameters || program.losses != part.losses || program.reports != part.reports)
    return false;
  for (Entry &entry : part.entries) {
    for (Command &command : entry.commands)
      if (command.kind == CAA_COMMAND_KERNEL)
        command.index += program.kernels.size();
    for (Buffer &buffer : entry.buffers)
      if (buffer.kind == CAA_BUFFER_CONSTANT)
        buffer.index += program.constants.size();
  }
  move(program.kernels, part.kernels);
  move(program.entries, part.entries);
  move(program.constants, part.constants);
  move(program.modules, part.modules);
  return true;
}

} // namespace caa::schedule
