// Branches, and what the lanes of a warp tell each other.
#include "test/ptx/Elementwise.h"

#include <algorithm>
#include <bit>

namespace caa::ptx {
namespace {

void nothing(Warp &, const Instruction &, uint32_t) {}

void decodeNothing(Decoder &decoder) { decoder.out.run = nothing; }
void decodeTrap(Decoder &decoder) {
  decoder.out.run = [](Warp &, const Instruction &, uint32_t) { throw Fault("the kernel stops itself"); };
}
void decodeExit(Decoder &decoder) { decoder.out.kind = Kind::Exit; }
void decodeBranch(Decoder &decoder) {
  decoder.out.kind = Kind::Branch;
  auto found = decoder.text.labels.find(decoder.operand(0).name);
  if (found == decoder.text.labels.end())
    decoder.fail("no label " + decoder.operand(0).name);
  decoder.out.target = found->second;
}

void requireAll(Warp &warp, uint32_t members, uint32_t lanes) {
  if ((members & warp.live) != lanes)
    throw Fault("the lanes that arrive are not those that the instruction names");
}

enum class Way { Up, Down, Butterfly, Index };

template <Way way> void shuffle(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  const auto *values = warp.lanes<uint32_t>(instruction.from[0]), *steps = warp.lanes<uint32_t>(instruction.from[1]),
             *bounds = warp.lanes<uint32_t>(instruction.from[2]);
  requireAll(warp, warp.lanes<uint32_t>(instruction.from[3])[std::countr_zero(lanes)], lanes);
  uint32_t results[32];
  uint32_t inside = 0;
  for (int lane = 0; lane < 32; ++lane) {
    const int step = int(steps[lane] & 31), clamp = int(bounds[lane] & 31), segment = int((bounds[lane] >> 8) & 31);
    const int most = (lane & segment) | (clamp & ~segment), least = lane & segment;
    int from = way == Way::Up          ? lane - step
               : way == Way::Down      ? lane + step
               : way == Way::Butterfly ? lane ^ step
                                       : least | (step & ~segment);
    const bool isInside = way == Way::Up ? from >= most : from <= most;
    inside |= uint32_t(isInside) << lane;
    if (!isInside)
      from = lane;
    results[lane] = (lanes >> from) & 1 ? values[from] : 0x7fc5dead;
  }
  put(warp.lanes<uint32_t>(instruction.to), results, lanes);
  if (instruction.second) {
    uint32_t &to = warp.predicates[instruction.second];
    to = (to & ~lanes) | (inside & lanes);
  }
}

template <Way way> void decodeShuffle(Decoder &decoder) {
  decoder.out.kind = Kind::Converged;
  decoder.out.run = shuffle<way>;
  decoder.out.to = decoder.destination(0, Width::Word);
  for (size_t i = 0; i < 4; ++i)
    decoder.out.from[i] = decoder.source(i + 1, Width::Word);
}

void setPredicate(Warp &warp, int32_t number, bool value, uint32_t lanes) {
  uint32_t &to = warp.predicates[number];
  to = value ? to | lanes : to & ~lanes;
}

enum class Vote { Any, All, Uniform, Ballot };

template <Vote kind> void vote(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  requireAll(warp, warp.lanes<uint32_t>(instruction.from[1])[std::countr_zero(lanes)], lanes);
  uint32_t votes = warp.predicates[instruction.from[0]];
  if (instruction.flags)
    votes = ~votes;
  votes &= lanes;
  if constexpr (kind == Vote::Ballot) {
    uint32_t results[32];
    std::fill_n(results, 32, votes);
    put(warp.lanes<uint32_t>(instruction.to), results, lanes);
  } else {
    setPredicate(warp, instruction.to,
                 kind == Vote::Any   ? votes != 0
                 : kind == Vote::All ? votes == lanes
                                     : votes == 0 || votes == lanes,
                 lanes);
  }
}

template <Vote kind> void decodeVote(Decoder &decoder) {
  decoder.out.kind = Kind::Converged;
  decoder.out.run = vote<kind>;
  decoder.out.to = decoder.destination(0, kind == Vote::Ballot ? Width::Word : Width::Predicate);
  decoder.out.from[0] = decoder.source(1, Width::Predicate);
  decoder.out.from[1] = decoder.source(2, Width::Word);
}

template <typename T> T add(T a, T b) { return a + b; }
template <typename T> T least(T a, T b) { return std::min(a, b); }
template <typename T> T most(T a, T b) { return std::max(a, b); }
template <typename T> T bitAnd(T a, T b) { return a & b; }
template <typename T> T bitOr(T a, T b) { return a | b; }
template <typename T> T bitXor(T a, T b) { return a ^ b; }

template <typename T, T (*function)(T, T)> void reduce(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  const T *values = warp.lanes<T>(instruction.from[0]);
  requireAll(warp, warp.lanes<uint32_t>(instruction.from[1])[std::countr_zero(lanes)], lanes);
  T result = values[std::countr_zero(lanes)];
  for (int lane = std::countr_zero(lanes) + 1; lane < 32; ++lane)
    if ((lanes >> lane) & 1)
      result = function(result, values[lane]);
  T results[32];
  std::fill_n(results, 32, result);
  put(warp.lanes<T>(instruction.to), results, lanes);
}

template <typename T, T (*function)(T, T)> void decodeReduce(Decoder &decoder) {
  decoder.out.kind = Kind::Converged;
  decoder.out.run = reduce<T, function>;
  decoder.out.to = decoder.destination(0, Width::Word);
  decoder.out.from[0] = decoder.source(1, Width::Word);
  decoder.out.from[1] = decoder.source(2, Width::Word);
}

void warpBarrier(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  requireAll(warp, warp.lanes<uint32_t>(instruction.from[0])[std::countr_zero(lanes)], lanes);
  ++warp.known.at[warp.index];
}

void decodeWarpBarrier(Decoder &decoder) {
  decoder.out.kind = Kind::Converged;
  decoder.out.run = warpBarrier;
  decoder.out.from[0] = decoder.source(0, Width::Word);
}

} // namespace

void addControl(Table &table) {
  table["bra"] = table["bra.uni"] = decodeBranch;
  table["ret"] = table["exit"] = decodeExit;
  table["trap"] = decodeTrap;
  // One block after another, each lane in the order of its text: what these ask for holds.
  for (const char *fence : {"membar.gl", "membar.cta", "membar.sys", "fence.acq_rel.gpu", "fence.acq_rel.cta",
                            "fence.sc.gpu", "fence.sc.cta", "fence.acq_rel.sys", "fence.sc.sys"})
    table[fence] = decodeNothing;
  table["shfl.sync.up.b32"] = decodeShuffle<Way::Up>;
  table["shfl.sync.down.b32"] = decodeShuffle<Way::Down>;
  table["shfl.sync.bfly.b32"] = decodeShuffle<Way::Butterfly>;
  table["shfl.sync.idx.b32"] = decodeShuffle<Way::Index>;
  table["vote.sync.any.pred"] = decodeVote<Vote::Any>;
  table["vote.sync.all.pred"] = decodeVote<Vote::All>;
  table["vote.sync.uni.pred"] = decodeVote<Vote::Uniform>;
  table["vote.sync.ballot.b32"] = decodeVote<Vote::Ballot>;
  table["redux.sync.add.s32"] = decodeReduce<int32_t, &add<int32_t>>;
  table["redux.sync.add.u32"] = decodeReduce<uint32_t, &add<uint32_t>>;
  table["redux.sync.min.s32"] = decodeReduce<int32_t, &least<int32_t>>;
  table["redux.sync.min.u32"] = decodeReduce<uint32_t, &least<uint32_t>>;
  table["redux.sync.max.s32"] = decodeReduce<int32_t, &most<int32_t>>;
  table["redux.sync.max.u32"] = decodeReduce<uint32_t, &most<uint32_t>>;
  table["redux.sync.and.b32"] = decodeReduce<uint32_t, &bitAnd<uint32_t>>;
  table["redux.sync.or.b32"] = decodeReduce<uint32_t, &bitOr<uint32_t>>;
  table["redux.sync.xor.b32"] = decodeReduce<uint32_t, &bitXor<uint32_t>>;
  table["bar.warp.sync"] = decodeWarpBarrier;
}

} // namespace caa::ptx
