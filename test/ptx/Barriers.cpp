// Named barriers, barriers in shared memory, and fences between the proxies.
#include "test/ptx/Elementwise.h"

#include <bit>

namespace caa::ptx {
namespace {

constexpr uint32_t arrivesOnly = 2, reduces = 4; // flags

void namedBarrier(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  const int first = std::countr_zero(lanes);
  const uint32_t id = warp.lanes<uint32_t>(instruction.from[0])[first];
  const uint32_t threads = instruction.count ? warp.lanes<uint32_t>(instruction.from[1])[first] : 0;
  for (int lane = 0; lane < 32; ++lane)
    if ((lanes >> lane) & 1 && warp.lanes<uint32_t>(instruction.from[0])[lane] != id)
      throw Fault("lanes of one warp name several barriers");
  const bool value = instruction.flags & reduces && (warp.predicates[instruction.from[2]] & lanes) != 0;
  warp.block->arriveNamed(id, threads, warp, !(instruction.flags & arrivesOnly),
                          instruction.flags & reduces ? instruction.to : -1, value);
}

void decodeNamed(Decoder &decoder) {
  decoder.out.kind = Kind::Barrier;
  decoder.out.run = namedBarrier;
  decoder.out.from[0] = decoder.source(0, Width::Word);
  decoder.out.count = decoder.count() > 1;
  if (decoder.count() > 1)
    decoder.out.from[1] = decoder.source(1, Width::Word);
  if (decoder.statement->opcode.find("arrive") != std::string::npos) {
    decoder.out.flags |= arrivesOnly;
    if (decoder.count() < 2)
      decoder.fail("the number of threads is missing");
  }
}

void decodeNamedOr(Decoder &decoder) {
  decoder.out.kind = Kind::Barrier;
  decoder.out.run = namedBarrier;
  decoder.out.flags = reduces;
  decoder.out.count = decoder.count() > 3;
  decoder.out.to = decoder.destination(0, Width::Predicate);
  decoder.out.from[0] = decoder.source(1, Width::Word);
  if (decoder.count() > 3)
    decoder.out.from[1] = decoder.source(2, Width::Word);
  decoder.out.from[2] = decoder.source(decoder.count() - 1, Width::Predicate);
}

uint32_t addressOf(Warp &warp, const Instruction &instruction, int lane) {
  uint64_t base = instruction.flags & 1 ? warp.lanes<uint64_t>(instruction.from[0])[lane]
                                        : warp.lanes<uint32_t>(instruction.from[0])[lane];
  base += uint64_t(instruction.offset);
  return base >> 32 ? ~0u : uint32_t(base);
}

template <typename Function> void each(Warp &warp, uint32_t lanes, Function function) {
  for (int lane = 0; lane < 32; ++lane)
    if ((lanes >> lane) & 1) {
      warp.block->currentLane = uint32_t(lane);
      function(lane);
    }
}

void initBarrier(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  each(warp, lanes, [&](int lane) {
    const uint32_t address = addressOf(warp, instruction, lane),
                   count = warp.lanes<uint32_t>(instruction.from[1])[lane];
    if (count == 0 || count >= 1u << 20)
      throw Fault("an mbarrier of " + std::to_string(count) + " arrivals");
    warp.block->shared.makeBarrier(address);
    MemoryBarrier made;
    made.expected = made.pending = count;
    warp.release(made.gathering);
    made.done = made.gathering;
    warp.block->memoryBarriers[address] = made;
  });
}

void decodeInit(Decoder &decoder) {
  decoder.out.run = initBarrier;
  decoder.address(decoder.operand(0));
  decoder.out.from[1] = decoder.source(1, Width::Word);
}

void arrive(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  each(warp, lanes, [&](int lane) {
    MemoryBarrier &barrier = warp.block->barrierAt(addressOf(warp, instruction, lane));
    if (instruction.count)
      barrier.bytes += warp.lanes<uint32_t>(instruction.from[1])[lane];
    warp.release(barrier.gathering);
    warp.block->arriveOn(barrier, 1);
  });
}

void decodeArrive(Decoder &decoder) {
  decoder.out.run = arrive;
  if (decoder.operand(0).kind != Operand::Kind::Sink)
    decoder.fail("a state that somebody may read");
  decoder.address(decoder.operand(1));
  decoder.out.count = decoder.count() > 2;
  if (decoder.count() > 2)
    decoder.out.from[1] = decoder.source(2, Width::Word);
}

/// True comes after the phase; until then the lanes wait here, where the device would have them ask again.
void tryWait(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  bool all = true;
  each(warp, lanes, [&](int lane) {
    const MemoryBarrier &barrier = warp.block->barrierAt(addressOf(warp, instruction, lane));
    all &= (barrier.phase & 1) != (warp.lanes<uint32_t>(instruction.from[1])[lane] & 1);
  });
  if (!all) {
    warp.suspends = true;
    return;
  }
  each(warp, lanes, [&](int lane) {
    const MemoryBarrier &barrier = warp.block->barrierAt(addressOf(warp, instruction, lane));
    warp.known.join(barrier.done);
  });
  warp.predicates[instruction.to] |= lanes;
}

void decodeTryWait(Decoder &decoder) {
  decoder.out.kind = Kind::Waiting;
  decoder.out.run = tryWait;
  decoder.out.to = decoder.destination(0, Width::Predicate);
  decoder.address(decoder.operand(1));
  decoder.out.from[1] = decoder.source(2, Width::Word);
}

void nothing(Warp &, const Instruction &, uint32_t) {}

void fenceProxy(Warp &warp, const Instruction &, uint32_t lanes) {
  each(warp, lanes, [&](int lane) { warp.block->shared.fence(warp.by(uint32_t(lane))); });
}

} // namespace

void addBarriers(Table &table) {
  for (const char *name : {"bar.sync", "bar.arrive", "barrier.sync.aligned", "barrier.arrive.aligned", "bar.cta.sync",
                           "barrier.cta.sync.aligned"})
    table[name] = decodeNamed;
  table["bar.red.or.pred"] = decodeNamedOr;
  table["mbarrier.init.shared::cta.b64"] = table["mbarrier.init.shared.b64"] = decodeInit;
  table["mbarrier.arrive.shared::cta.b64"] = table["mbarrier.arrive.shared.b64"] = decodeArrive;
  table["mbarrier.arrive.expect_tx.shared::cta.b64"] = table["mbarrier.arrive.expect_tx.shared.b64"] = decodeArrive;
  table["mbarrier.try_wait.parity.shared::cta.b64"] = table["mbarrier.try_wait.parity.shared.b64"] = decodeTryWait;
  table["mbarrier.test_wait.parity.shared::cta.b64"] = decodeTryWait;
  table["fence.proxy.async.shared::cta"] =
      table["fence.proxy.async"] = [](Decoder &decoder) { decoder.out.run = fenceProxy; };
  table["fence.mbarrier_init.release.cluster"] = [](Decoder &decoder) { decoder.out.run = nothing; };
  for (const char *name : {"setmaxnreg.inc.sync.aligned.u32", "setmaxnreg.dec.sync.aligned.u32"})
    table[name] = [](Decoder &decoder) {
      const int64_t count = decoder.immediate(0);
      if (count < 24 || count > 256 || count % 8)
        decoder.fail("no such number of registers");
      decoder.out.kind = Kind::Converged;
      decoder.out.run = nothing;
    };
}

} // namespace caa::ptx
