// Asynchronous copies: cp.async of a lane's bytes, and cp.async.bulk.tensor of boxes by tensor maps.
#include "test/ptx/Elementwise.h"
#include "test/ptx/Swizzle.h"
#include "test/ptx/TensorMap.h"

#include <algorithm>

namespace caa::ptx {
namespace {

template <typename Function> void each(Warp &warp, uint32_t lanes, Function function) {
  for (int lane = 0; lane < 32; ++lane)
    if ((lanes >> lane) & 1) {
      warp.block->currentLane = uint32_t(lane);
      function(lane);
    }
}

uint64_t valueOf(Warp &warp, int32_t place, bool isWide, int lane) {
  return isWide ? warp.lanes<uint64_t>(place)[lane] : warp.lanes<uint32_t>(place)[lane];
}

//===-- By lanes
//----------------------------------------------------------------------------------------------------===//

/// second: bytes; count: whether from[2] tells how many of them are read, the rest being zero.
void copy(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  each(warp, lanes, [&](int lane) {
    const uint64_t to = valueOf(warp, instruction.from[0], instruction.flags & 1, lane) + uint64_t(instruction.offset);
    const uint64_t from = valueOf(warp, instruction.from[1], instruction.flags & 2, lane);
    const uint32_t size = instruction.second;
    const uint32_t read = instruction.count ? warp.lanes<uint32_t>(instruction.from[2])[lane] : size;
    if (read > size)
      throw Fault("copies " + std::to_string(read) + " of " + std::to_string(size) + " bytes");
    if (read)
      warp.block->global(from, size, false);
    warp.block->shared.expect(to >> 32 ? ~0u : uint32_t(to), size, warp.by(uint32_t(lane)));
    warp.copies.push_back({uint32_t(lane), warp.copyGroups[lane], uint32_t(to), size, read, from, 0});
  });
}

/// Lets the copies of these lanes come whose group is before `end`.
void finishCopies(Warp &warp, uint32_t lane, uint32_t end) {
  std::erase_if(warp.copies, [&](const LaneCopy &one) {
    if (one.lane != lane || one.group >= end)
      return false;
    uint8_t bytes[16] = {};
    if (one.read)
      std::memcpy(bytes, reinterpret_cast<const void *>(one.from), one.read);
    const uint32_t now = warp.known.at[warp.index];
    if (one.clock)
      warp.known.at[warp.index] = one.clock;
    warp.block->shared.arrive(one.to, bytes, one.size, warp.by(lane), 0);
    warp.known.at[warp.index] = now;
    return true;
  });
}

void commitCopies(Warp &warp, const Instruction &, uint32_t lanes) {
  each(warp, lanes, [&](int lane) { ++warp.copyGroups[lane]; });
}

/// offset: how many groups may still be under way; -1: none, committed or not.
void waitCopies(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  each(warp, lanes, [&](int lane) {
    const uint32_t groups = warp.copyGroups[lane];
    const auto pending = uint32_t(instruction.offset);
    finishCopies(warp, uint32_t(lane), instruction.offset < 0 ? UINT32_MAX : groups - std::min(pending, groups));
  });
}

void decodeCopy(Decoder &decoder) {
  Instruction &out = decoder.out;
  out.run = copy;
  decoder.address(decoder.operand(0), 0);
  decoder.address(decoder.operand(1), 1);
  out.second = uint32_t(decoder.immediate(2));
  if (out.second != 4 && out.second != 8 && out.second != 16)
    decoder.fail("another number of bytes");
  if (decoder.statement->opcode.find(".cg.") != std::string::npos && out.second != 16)
    decoder.fail(".cg copies 16 bytes");
  out.count = decoder.count() > 3;
  if (out.count)
    out.from[2] = decoder.source(3, Width::Word);
}

void decodeWait(Decoder &decoder) {
  decoder.out.run = waitCopies;
  decoder.out.offset = decoder.count() ? decoder.immediate(0) : -1;
}

/// The lane's arrival at a barrier in shared memory when its copies have come; they come when nothing else goes on.
void arriveAfterCopies(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  const Clocks at = warp.known;
  ++warp.known.at[warp.index];
  for (LaneCopy &one : warp.copies)
    if ((lanes >> one.lane) & 1 && !one.clock)
      one.clock = at.at[warp.index];
  struct Arrival {
    uint32_t lane, address, groups;
  };
  std::vector<Arrival> arrivals;
  each(warp, lanes, [&](int lane) {
    const uint64_t address =
        valueOf(warp, instruction.from[0], instruction.flags & 1, lane) + uint64_t(instruction.offset);
    warp.block->barrierAt(address >> 32 ? ~0u : uint32_t(address));
    // What it waits for is what was begun before, committed or not.
    arrivals.push_back({uint32_t(lane), uint32_t(address), ++warp.copyGroups[lane]});
  });
  warp.block->late.push_back([&warp, at, arrivals] {
    for (const Arrival &one : arrivals) {
      finishCopies(warp, one.lane, one.groups);
      MemoryBarrier &barrier = warp.block->barrierAt(one.address);
      barrier.gathering.join(at);
      warp.block->arriveOn(barrier, 1);
    }
  });
}

void decodeArriveAfterCopies(Decoder &decoder) {
  decoder.out.run = arriveAfterCopies;
  decoder.address(decoder.operand(0));
}

//===-- By tensor maps
//----------------------------------------------------------------------------------------------===//

struct Box {
  TensorMap map;
  int64_t at[5] = {};
  uint32_t shared = 0, bytes = 0;

  /// Calls function(device address or 0 where it is outside, address in shared memory, bytes) for pieces of 16 bytes.
  template <typename Function> void forEach(Function function) const {
    const uint32_t rowBytes = map.box[0] * map.elementBytes;
    uint32_t place[5] = {};
    for (uint32_t row = 0; row < bytes / rowBytes; ++row) {
      bool inside = true;
      uint64_t address = map.address;
      for (uint32_t d = 1; d < map.rank; ++d) {
        const int64_t index = at[d] + place[d];
        inside &= index >= 0 && uint64_t(index) < map.sizes[d];
        address += uint64_t(index) * map.strides[d - 1];
      }
      for (uint32_t piece = 0; piece < rowBytes; piece += 16) {
        const int64_t column = at[0] + int64_t(piece / map.elementBytes);
        const bool holds = inside && column >= 0 && uint64_t(column) + 16 / map.elementBytes <= map.sizes[0];
        if (inside && !holds && column < int64_t(map.sizes[0]) && column > -int64_t(16 / map.elementBytes))
          throw Fault("a box that ends within 16 bytes of a row is not emulated");
        function(holds ? address + uint64_t(column) * map.elementBytes : 0,
                 swizzled(shared + row * rowBytes + piece, map.swizzle), 16);
      }
      for (uint32_t d = 1; d < map.rank && ++place[d] == map.box[d]; ++d)
        place[d] = 0;
    }
  }
};

/// from[0]: address in shared memory; from[1]: of the map; list: coordinates.
Box boxOf(Warp &warp, const Instruction &instruction, int lane) {
  Box box;
  const uint64_t mapAddress = valueOf(warp, instruction.from[1], instruction.flags & 2, lane);
  const auto &parameters = warp.block->launch.parameters;
  const auto begin = uint64_t(parameters.data());
  if (mapAddress < begin || mapAddress + 128 > begin + parameters.size() || (mapAddress - begin) % 64)
    throw Fault("the tensor map is no parameter of the kernel that lies at 64 bytes");
  std::memcpy(&box.map, reinterpret_cast<const void *>(mapAddress), sizeof box.map);
  if (box.map.rank != instruction.count)
    throw Fault("the tensor map has rank " + std::to_string(box.map.rank));
  box.bytes = box.map.elementBytes;
  for (uint32_t d = 0; d < box.map.rank; ++d) {
    box.at[d] = warp.lanes<int32_t>(warp.block->kernel.lists[instruction.list + d])[lane];
    box.bytes *= box.map.box[d];
  }
  box.shared = uint32_t(valueOf(warp, instruction.from[0], instruction.flags & 1, lane));
  if (box.shared % 128)
    throw Fault("a box in shared memory that does not lie at 128 bytes");
  return box;
}

void loadBox(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  each(warp, lanes, [&](int lane) {
    Box box = boxOf(warp, instruction, lane);
    const auto barrierAddress = uint32_t(valueOf(warp, instruction.from[2], instruction.flags & 4, lane));
    Block *block = warp.block;
    block->barrierAt(barrierAddress);
    const Accessor by = warp.by(uint32_t(lane));
    box.forEach([&](uint64_t from, uint32_t to, uint32_t size) {
      if (from)
        block->global(from, size, false);
      block->shared.expect(to, size, by);
    });
    const uint32_t serial = ++block->copySerial;
    block->late.push_back([block, box, barrierAddress, serial, &warp, lane] {
      box.forEach([&](uint64_t from, uint32_t to, uint32_t size) {
        uint8_t bytes[16] = {};
        if (from)
          std::memcpy(bytes, reinterpret_cast<const void *>(from), size);
        block->shared.arrive(to, bytes, size, warp.by(uint32_t(lane)), serial);
      });
      MemoryBarrier &barrier = block->barrierAt(barrierAddress);
      uint32_t &known = barrier.gathering.at[mostWarps];
      known = std::max(known, serial);
      barrier.bytes -= box.bytes;
      block->completeIfFull(barrier);
    });
  });
}

void storeBox(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  each(warp, lanes, [&](int lane) {
    const Box box = boxOf(warp, instruction, lane);
    Block *block = warp.block;
    box.forEach([&](uint64_t to, uint32_t from, uint32_t size) {
      if (!to) // what lies outside the tensor goes nowhere
        return;
      block->global(to, size, true);
      block->shared.readAsync(from, size, warp.by(uint32_t(lane)));
      block->shared.leave(from, size);
    });
    PendingStore pending;
    pending.lane = uint32_t(lane);
    pending.group = warp.storeGroups[lane];
    auto bytes = std::make_shared<std::vector<uint8_t>>();
    pending.read = [block, box, bytes, &warp, lane] {
      box.forEach([&](uint64_t to, uint32_t from, uint32_t size) {
        if (!to)
          return;
        block->shared.left(from, size);
        const uint8_t *data = block->shared.readAsync(from, size, warp.by(uint32_t(lane)));
        bytes->insert(bytes->end(), data, data + size);
      });
    };
    pending.write = [box, bytes] {
      const uint8_t *data = bytes->data();
      box.forEach([&](uint64_t to, uint32_t, uint32_t size) {
        if (!to)
          return;
        std::memcpy(reinterpret_cast<void *>(to), data, size);
        data += size;
      });
    };
    warp.stores.push_back(std::move(pending));
  });
}

void commitStores(Warp &warp, const Instruction &, uint32_t lanes) {
  each(warp, lanes, [&](int lane) { ++warp.storeGroups[lane]; });
}

/// offset: groups that may still be under way; count: only their reads are waited for.
void waitStores(Warp &warp, const Instruction &instruction, uint32_t lanes) {
  each(warp, lanes, [&](int lane) {
    const uint32_t groups = warp.storeGroups[lane];
    const uint32_t end = groups - std::min(uint32_t(instruction.offset), groups);
    std::erase_if(warp.stores, [&](PendingStore &one) {
      if (one.lane != uint32_t(lane) || one.group >= end)
        return false;
      if (!one.isRead)
        one.read();
      one.isRead = true;
      if (!instruction.count)
        one.write();
      return !instruction.count;
    });
  });
}

template <bool stores> void decodeBox(Decoder &decoder) {
  Instruction &out = decoder.out;
  out.run = stores ? storeBox : loadBox;
  const Operand &map = decoder.operand(stores ? 0 : 1);
  decoder.address(decoder.operand(stores ? 1 : 0), 0);
  if (out.offset)
    decoder.fail("an offset that is not emulated");
  decoder.address(map, 1);
  std::vector<int32_t> places;
  for (const Operand &one : map.elements)
    places.push_back(decoder.source(one, Width::Word));
  if (decoder.statement->opcode.find("." + std::to_string(places.size()) + "d.") == std::string::npos)
    decoder.fail("another number of coordinates");
  out.count = uint32_t(places.size());
  out.list = decoder.list(places);
  if (!stores)
    decoder.address(decoder.operand(2), 2);
}

template <bool readsOnly> void decodeWaitStores(Decoder &decoder) {
  decoder.out.run = waitStores;
  decoder.out.offset = decoder.immediate(0);
  decoder.out.count = readsOnly;
}

} // namespace

void addCopies(Table &table) {
  for (const char *space : {".shared.global", ".shared::cta.global"})
    table["cp.async.ca" + std::string(space)] = table["cp.async.cg" + std::string(space)] = decodeCopy;
  table["cp.async.commit_group"] = [](Decoder &decoder) { decoder.out.run = commitCopies; };
  table["cp.async.wait_group"] = table["cp.async.wait_all"] = decodeWait;
  table["cp.async.mbarrier.arrive.noinc.shared::cta.b64"] = decodeArriveAfterCopies;
  table["cp.async.mbarrier.arrive.noinc.shared.b64"] = decodeArriveAfterCopies;
  for (const char *rank : {"1d", "2d", "3d", "4d", "5d"}) {
    auto prefix = "cp.async.bulk.tensor." + std::string(rank);
    table[prefix + ".shared::cluster.global.mbarrier::complete_tx::bytes"] = decodeBox<false>;
    table[prefix + ".global.shared::cta.bulk_group"] = decodeBox<true>;
  }
  table["cp.async.bulk.commit_group"] = [](Decoder &decoder) { decoder.out.run = commitStores; };
  table["cp.async.bulk.wait_group"] = decodeWaitStores<false>;
  table["cp.async.bulk.wait_group.read"] = decodeWaitStores<true>;
}

} // namespace caa::ptx
