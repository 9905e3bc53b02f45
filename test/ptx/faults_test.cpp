// What the emulator finds wrong, and that it is content with what is right.
#include "test/ptx/kernel_fixture.h"

namespace caa::ptx {
namespace {

class Faults : public KernelTest {};

constexpr const char *addressOfThread = R"(
  shl.b32 %r0, %t, 2;
  add.s32 %r1, %r0, %s;      // in shared memory
  cvt.u64.u32 %d0, %r0;
  add.s64 %d1, %d0, %in;
  add.s64 %d2, %d0, %out;
)";

TEST_F(Faults, LanesThatPartMeetAgain) {
  DeviceArray<uint32_t> out(32);
  // Each lane goes round as often as its number says; then all vote, and shuffle what they counted.
  run(std::string(addressOfThread) + R"(
  mov.b32 %r2, 0;
LOOP:
  setp.ge.u32 %p0, %r2, %lane;
  @%p0 bra DONE;
  add.s32 %r2, %r2, 1;
  bra LOOP;
DONE:
  setp.gt.u32 %p1, %r2, 4;
  vote.sync.ballot.b32 %r3, %p1, -1;
  shfl.sync.bfly.b32 %r4, %r2, 1, 31, -1;
  add.s32 %r4, %r4, %r3;
  st.global.b32 [%d2], %r4;
)",
      0, out.address());
  for (uint32_t lane = 0; lane < 32; ++lane)
    EXPECT_EQ(out[lane], (lane ^ 1) + 0xffffffe0u);
}

TEST_F(Faults, AccessesBeyondMemoryNameTheInstruction) {
  DeviceArray<uint32_t> in(std::vector<uint32_t>(31, 7)), out(32);
  expectSays(faultOf(std::string(addressOfThread) + "  ld.global.b32 %r2, [%d1];", in.address(), out.address()),
             {"kernel k", "lane 31", "ld.global.b32 %r2", "no allocation holds"});
  expectSays(faultOf(std::string(addressOfThread) + "  ld.global.b32 %r2, [%d2];", in.address(), out.address()),
             {"nobody has written"});
  expectSays(faultOf(std::string(addressOfThread) + "  st.global.v2.b32 [%d2], {%r0, %r0};", 0, out.address()),
             {"lane 1", "beyond a multiple"});
  expectSays(faultOf(std::string(addressOfThread) + "  st.shared.b32 [%r1+1024], %r0;"),
             {"lane 0", "beyond the block's 1024"});
  expectSays(faultOf(std::string(addressOfThread) + "  ld.shared.b32 %r2, [%r1];"), {"which nobody has written"});
  expectSays(faultOf(std::string(addressOfThread) + "  st.shared.b64 [%r1], %d0;"), {"lane 1", "not aligned"});
}

TEST_F(Faults, WarpsThatShareAWordNeedABarrier) {
  DeviceArray<uint32_t> out(64);
  const std::string write = std::string(addressOfThread) + "  st.shared.b32 [%r1], %t;\n";
  const std::string read = "  xor.b32 %r2, %r0, 128;\n  add.s32 %r2, %r2, %s;\n  ld.shared.b32 %r3, [%r2];\n"
                           "  st.global.b32 [%d2], %r3;\n";
  EXPECT_EQ(faultOf(write + "  bar.sync 0;\n" + read, 0, out.address(), 64), "");
  for (uint32_t i = 0; i < 64; ++i)
    EXPECT_EQ(out[i], i ^ 32);
  // The other half is written by the other warp: whichever runs first, the second one sees the race.
  expectSays(faultOf("  setp.eq.b32 %p0, %warp, 1;\n  @%p0 bra END;\n" + write +
                         "END:\n  setp.eq.b32 %p0, %warp, 0;\n  @%p0 bra END2;\n" + std::string(addressOfThread) +
                         read + "END2:\n",
                     0, out.address(), 64),
             {"warp 0", "without a barrier"});
  // A barrier of one warp is none for the other.
  expectSays(
      faultOf(write + "  add.s32 %r9, %warp, 1;\n  bar.sync %r9, 32;\n  setp.eq.b32 %p0, %warp, 0;\n  @%p0 bra END;\n" +
                  read + "END:\n",
              0, out.address(), 64),
      {"without a barrier"});
}

TEST_F(Faults, LanesThatShareAWordNeedABarrierOfTheWarp) {
  DeviceArray<uint32_t> out(32);
  const std::string write = std::string(addressOfThread) + "  st.shared.b32 [%r1], %t;\n";
  const std::string read =
      "  xor.b32 %r2, %r0, 4;\n  add.s32 %r2, %r2, %s;\n  ld.shared.b32 %r3, [%r2];\n  st.global.b32 [%d2], %r3;\n";
  EXPECT_EQ(faultOf(write + "  bar.warp.sync -1;\n" + read, 0, out.address()), "");
  expectSays(faultOf(write + read, 0, out.address()), {"lane 1 wrote without a barrier"});
}

TEST_F(Faults, WritingWhatAnotherWarpMayStillReadNeedsABarrier) {
  const std::string begin =
      std::string(addressOfThread) + "  st.shared.b32 [%r1], %t;\n  bar.sync 0;\n  ld.shared.b32 %r3, [%s];\n";
  // The warp that arrives last goes on first: it has read when warp 0 writes.
  const std::string end = "  setp.eq.b32 %p0, %t, 0;\n  @%p0 st.shared.b32 [%s], 5;\n";
  EXPECT_EQ(faultOf(begin + "  bar.sync 0;\n" + end, 0, 0, 64), "");
  expectSays(faultOf(begin + end, 0, 0, 64), {"writes", "which warp 1 read without a barrier"});
}

TEST_F(Faults, CopiesMustBeWaitedFor) {
  DeviceArray<uint32_t> in(std::vector<uint32_t>(32, 11)), out(32);
  const std::string copy =
      std::string(addressOfThread) + "  cp.async.ca.shared.global [%r1], [%d1], 4;\n  cp.async.commit_group;\n";
  const std::string read = "  ld.shared.b32 %r3, [%r1];\n  st.global.b32 [%d2], %r3;\n";
  EXPECT_EQ(faultOf(copy + "  cp.async.wait_group 0;\n" + read, in.address(), out.address()), "");
  EXPECT_EQ(out[31], 11u);
  for (const char *wait : {"", "  cp.async.wait_group 1;\n", "  bar.sync 0;\n"})
    expectSays(faultOf(copy + wait + read, in.address(), out.address()), {"ld.shared.b32", "has not been waited for"});
  // Only the copying thread's wait is none for others.
  expectSays(faultOf(copy + "  cp.async.wait_group 0;\n  ld.shared.b32 %r3, [%s];\n", in.address(), out.address()),
             {"lane 0 wrote without a barrier"});
}

TEST_F(Faults, BoxesMustBeWaitedForAndAnOpenBarrierIsADeadlock) {
  DeviceArray<uint16_t> in(wholeNumbers(16 * 64));
  TensorMap map;
  map = {in.address(), 2, 2, 128, {64, 16}, {64, 16}, {128}};
  auto load = [](int bytes) {
    return "  setp.eq.b32 %p0, %t, 0;\n  @%p0 mbarrier.init.shared::cta.b64 [%s], 1;\n  bar.sync 0;\n"
           "  @%p0 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%s], " +
           std::to_string(bytes) +
           ";\n  add.s32 %r0, %s, 1024;\n  @%p0 "
           "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
           "[%r0], [%map, {0, 0}], [%s];\n";
  };
  const std::string wait = "AGAIN:\n  mbarrier.try_wait.parity.shared::cta.b64 %p1, [%s], 0;\n  @!%p1 bra AGAIN;\n";
  const std::string read = "  ld.shared.b32 %r1, [%s+1024];\n";
  EXPECT_EQ(faultOf(load(2048) + wait + read, in.address(), 0, 64, 4096, &map), "");
  expectSays(faultOf(load(2048) + read, in.address(), 0, 32, 4096, &map), {"has not been waited for"});
  expectSays(faultOf(load(4096) + wait + read, in.address(), 0, 64, 4096, &map),
             {"deadlock", "warp 1, 32 lanes", "mbarrier at 0: phase 0 waits for 0 of 1 arrivals and 2048 bytes"});
  expectSays(faultOf("  mbarrier.arrive.shared::cta.b64 _, [%s];", 0, 0, 32, 64), {"no mbarrier has been made"});
}

TEST_F(Faults, WarpsThatWaitForOneAnotherAreListed) {
  expectSays(faultOf("  setp.eq.b32 %p0, %warp, 0;\n  @%p0 bra OTHER;\n  bar.sync 1, 64;\n  bra END;\nOTHER:\n  "
                     "bar.sync 2, 64;\nEND:\n",
                     0, 0, 64),
             {"deadlock", "warp 0", "warp 1", "barrier 1: 32 of 64 threads", "barrier 2: 32 of 64 threads"});
  expectSays(faultOf("  setp.eq.b32 %p0, %lane, 0;\n  @%p0 bra OTHER;\n  shfl.sync.bfly.b32 %r0, %t, 1, 31, -1;\n  bra "
                     "END;\nOTHER:\n"
                     "  shfl.sync.bfly.b32 %r1, %t, 2, 31, -1;\nEND:\n"),
             {"deadlock", "1 lanes", "31 lanes", "for other lanes of the warp"});
  expectSays(faultOf("  bar.sync 1, 32;\n", 0, 0, 64), {""}); // two barriers of one warp each, one after the other
}

TEST_F(Faults, WhatIsNotEmulatedIsSaidBeforeAnythingRuns) {
  expectSays(faultOf("  tex.1d.v4.f32.s32 %r0, %t;"), {"line", "tex.1d", "is not emulated"});
}

} // namespace
} // namespace caa::ptx
