// How the lanes of a warp go on: groups of lanes at one place, split by branches and joined where they meet.
#include "test/ptx/Block.h"

#include <algorithm>
#include <bit>

namespace caa::ptx {

bool Warp::run() {
  bool progress = false;
  while (live && !atBarrier) {
    size_t chosen = groups.size();
    for (size_t i = 0; i < groups.size(); ++i)
      if (groups[i].state == Group::State::Ready && (chosen == groups.size() || groups[i].at < groups[chosen].at))
        chosen = i;
    if (chosen == groups.size())
      break;
    progress |= runGroup(chosen);
  }
  return progress;
}

bool Warp::runGroup(size_t chosen) {
  // Where this group meets another one, or comes behind it.
  auto nextStop = [&] {
    uint32_t stop = UINT32_MAX;
    for (size_t i = 0; i < groups.size(); ++i)
      if (i != chosen && groups[i].at >= groups[chosen].at)
        stop = std::min(stop, groups[i].at);
    return stop;
  };
  auto merge = [&] {
    for (size_t i = groups.size(); i-- > 0;)
      if (i != chosen && groups[i].at == groups[chosen].at && groups[i].state != Group::State::Waiting) {
        groups[chosen].lanes |= groups[i].lanes;
        groups.erase(groups.begin() + long(i));
        chosen -= i < chosen;
      }
  };
  merge();
  const Instruction *code = block->kernel.code.data();
  uint32_t at = groups[chosen].at, lanes = groups[chosen].lanes, stop = nextStop();
  bool progress = false;
  uint64_t executed = 0;
  auto park = [&](Group::State state) {
    groups[chosen].at = at;
    groups[chosen].lanes = lanes;
    groups[chosen].state = state;
    block->executed += executed;
    return progress;
  };
  for (;;) {
    const Instruction &instruction = code[at];
    block->current = &instruction;
    uint32_t active = lanes;
    if (instruction.predicate >= 0)
      active &= instruction.isNegated ? ~predicates[instruction.predicate] : predicates[instruction.predicate];
    executed += uint32_t(std::popcount(active));
    switch (instruction.kind) {
    case Kind::Plain:
      if (active)
        instruction.run(*this, instruction, active);
      ++at;
      break;
    case Kind::Waiting:
      suspends = false;
      if (active)
        instruction.run(*this, instruction, active);
      if (suspends)
        return park(Group::State::Waiting);
      ++at;
      break;
    case Kind::Converged:
    case Kind::Barrier:
      if (lanes != live)
        return park(Group::State::Joining);
      if (active && active != lanes && instruction.kind == Kind::Barrier)
        throw Fault("not all lanes of the warp arrive at the barrier");
      if (active)
        instruction.run(*this, instruction, active);
      ++at;
      progress = true;
      if (atBarrier)
        return park(Group::State::Ready);
      break;
    case Kind::Branch:
      if (active == lanes) {
        at = instruction.target;
      } else if (active == 0) {
        ++at;
      } else {
        groups.push_back({instruction.target, active, Group::State::Ready});
        lanes &= ~active;
        ++at;
        progress = true;
        return park(Group::State::Ready);
      }
      if (groups.size() > 1) {
        progress = true;
        return park(Group::State::Ready);
      }
      break;
    case Kind::Exit:
      live &= ~active;
      lanes &= ~active;
      progress = true;
      for (Group &group : groups)
        if (group.state == Group::State::Joining)
          group.state = Group::State::Ready;
      if (!lanes) {
        groups.erase(groups.begin() + long(chosen));
        block->executed += executed;
        if (!live)
          block->warpExited();
        return true;
      }
      ++at;
      break;
    }
    progress = true;
    if (at >= stop)
      return park(Group::State::Ready);
  }
}

std::string Warp::describe() const {
  std::string text;
  for (const Group &group : groups) {
    const Instruction &instruction = block->kernel.code[group.at - (atBarrier ? 1 : 0)];
    text += "\n  warp " + std::to_string(index) + ", " + std::to_string(std::popcount(group.lanes)) + " lanes, " +
            (group.state == Group::State::Joining ? "for other lanes of the warp" : "") + " at line " +
            std::to_string(instruction.line);
  }
  return text;
}

} // namespace caa::ptx
