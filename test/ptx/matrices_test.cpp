// Products by fragments and by descriptors, and how tensor maps lay boxes out, against the definitions of the PTX ISA.
#include "test/ptx/kernel_fixture.h"

namespace caa::ptx {
namespace {

class Matrices : public KernelTest {};

/// Stores float32 registers first.. of each lane at %out + (thread * count + i) * 4.
std::string storeFloats(int first, int count) {
  std::string text = "  mul.wide.u32 %d60, %t, " + std::to_string(4 * count) + ";\n  add.s64 %d60, %d60, %out;\n";
  for (int i = 0; i < count; ++i)
    text += "  st.global.b32 [%d60+" + std::to_string(4 * i) + "], %r" + std::to_string(first + i) + ";\n";
  return text;
}

TEST_F(Matrices, FragmentsOfMmaAreThoseOfTheInstructionSet) {
  auto a = wholeNumbers(16 * 16), b = wholeNumbers(16 * 8);
  // By the ISA's tables: of A's element i the row is lane / 4 for i in {0, 1, 4, 5}, else 8 more, the column
  // 2 (lane % 4) + i % 2, 8 more from i = 4 on; of B's the row 2 (lane % 4) + i % 2, 8 more from i = 2 on.
  std::vector<uint16_t> fragments;
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 8; ++i)
      fragments.push_back(
          a[size_t((lane / 4 + ((i / 2) % 2 ? 8 : 0)) * 16 + 2 * (lane % 4) + i % 2 + (i >= 4 ? 8 : 0))]);
    for (int i = 0; i < 4; ++i)
      fragments.push_back(b[size_t((2 * (lane % 4) + i % 2 + (i >= 2 ? 8 : 0)) * 8 + lane / 4)]);
  }
  DeviceArray<uint16_t> in(fragments);
  DeviceArray<float> out(32 * 4);
  run(R"(
  mul.wide.u32 %d0, %t, 24;
  add.s64 %d0, %d0, %in;
  ld.global.v2.b32 {%r0, %r1}, [%d0];
  ld.global.v2.b32 {%r2, %r3}, [%d0+8];
  ld.global.v2.b32 {%r4, %r5}, [%d0+16];
  mov.b32 %r6, 0f3F800000;
  mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%r8, %r9, %r10, %r11}, {%r0, %r1, %r2, %r3}, {%r4, %r5},
    {%r6, %r6, %r6, %r6};
)" + storeFloats(8, 4),
      in.address(), out.address());
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + (i >= 2 ? 8 : 0), column = 2 * (lane % 4) + i % 2;
      float sum = 1;
      for (int k = 0; k < 16; ++k)
        sum += valueOf(a[size_t(row * 16 + k)]) * valueOf(b[size_t(k * 8 + column)]);
      EXPECT_EQ(out[size_t(lane * 4 + i)], sum) << row << ", " << column;
    }
}

TEST_F(Matrices, Tf32IsMultipliedWithTenBitsOfMantissa) {
  std::vector<float> a(16 * 8), b(8 * 8);
  for (float &value : a)
    value = float(int(random() % 17) - 8);
  for (float &value : b)
    value = float(int(random() % 17) - 8);
  std::vector<float> fragments;
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) // 2^-12 beside 1 is beyond ten bits
      fragments.push_back(a[size_t((lane / 4 + (i % 2) * 8) * 8 + lane % 4 + (i / 2) * 4)] * (1 + 0x1p-12f));
    for (int i = 0; i < 2; ++i)
      fragments.push_back(b[size_t((lane % 4 + 4 * i) * 8 + lane / 4)]);
  }
  DeviceArray<float> in(fragments), out(32 * 4);
  run(R"(
  mul.wide.u32 %d0, %t, 24;
  add.s64 %d0, %d0, %in;
  ld.global.v2.b32 {%r0, %r1}, [%d0];
  ld.global.v2.b32 {%r2, %r3}, [%d0+8];
  ld.global.v2.b32 {%r4, %r5}, [%d0+16];
  mov.b32 %r6, 0f00000000;
  mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%r8, %r9, %r10, %r11}, {%r0, %r1, %r2, %r3}, {%r4, %r5},
    {%r6, %r6, %r6, %r6};
)" + storeFloats(8, 4),
      in.address(), out.address());
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + (i >= 2 ? 8 : 0), column = 2 * (lane % 4) + i % 2;
      float sum = 0;
      for (int k = 0; k < 8; ++k)
        sum += a[size_t(row * 8 + k)] * b[size_t(k * 8 + column)];
      EXPECT_EQ(out[size_t(lane * 4 + i)], sum) << row << ", " << column;
    }
}

TEST_F(Matrices, LdmatrixTransposesOnRequestAndStmatrixIsItsInverse) {
  auto matrix = wholeNumbers(8 * 32); // four matrices of 8 x 8, one after another
  DeviceArray<uint16_t> in(matrix), out(2 * 32 * 8);
  run(R"(
  mul.wide.u32 %d0, %t, 16;
  add.s64 %d1, %d0, %in;
  ld.global.v4.b32 {%r0, %r1, %r2, %r3}, [%d1];
  shl.b32 %r20, %t, 4;
  add.s32 %r20, %r20, %s;
  st.shared.v4.b32 [%r20], {%r0, %r1, %r2, %r3};
  bar.warp.sync -1;
  ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r4, %r5, %r6, %r7}, [%r20];
  add.s64 %d1, %d0, %out;
  st.global.v4.b32 [%d1], {%r4, %r5, %r6, %r7};
  ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r4, %r5, %r6, %r7}, [%r20];
  bar.warp.sync -1;
  stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%r20], {%r4, %r5, %r6, %r7};
  bar.warp.sync -1;
  ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r8, %r9, %r10, %r11}, [%r20];
  st.global.v4.b32 [%d1+512], {%r8, %r9, %r10, %r11};
)",
      in.address(), out.address(), 32, 512);
  for (int lane = 0; lane < 32; ++lane)
    for (int number = 0; number < 4; ++number)
      for (int i = 0; i < 2; ++i) {
        const int row = lane / 4, column = 2 * (lane % 4) + i, at = lane * 8 + number * 2 + i;
        EXPECT_EQ(out[size_t(at)], matrix[size_t(number * 64 + column * 8 + row)]);
        EXPECT_EQ(out[size_t(256 + at)], matrix[size_t(number * 64 + row * 8 + column)]);
      }
}

/// A tensor map over [rows, width] of bfloat16, boxes of box_rows x 64, swizzled in 128 bytes.
TensorMap mapOf(const DeviceArray<uint16_t> &array, uint64_t rows, uint64_t width, uint32_t boxRows) {
  TensorMap map;
  map.address = array.address();
  map.elementBytes = 2;
  map.rank = 2;
  map.swizzle = 128;
  map.sizes[0] = width;
  map.sizes[1] = rows;
  map.strides[0] = width * 2;
  map.box[0] = 64;
  map.box[1] = boxRows;
  return map;
}

/// Thread 0 makes an mbarrier at %s and lets boxes (column, row, byte of %s) come; all threads wait.
std::string loadBoxes(std::initializer_list<std::array<int, 3>> boxes, int boxBytes) {
  std::string text = R"(
  setp.eq.b32 %p0, %t, 0;
  @%p0 mbarrier.init.shared::cta.b64 [%s], 1;
  bar.sync 0;
  @%p0 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%s], )" +
                     std::to_string(boxBytes * int(boxes.size())) + ";\n";
  for (auto [column, row, place] : boxes)
    text += "  add.s32 %r0, %s, " + std::to_string(place) +
            ";\n  @%p0 cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%r0], [%map, {" +
            std::to_string(column) + ", " + std::to_string(row) + "}], [%s];\n";
  return text + R"(
AGAIN:
  mbarrier.try_wait.parity.shared::cta.b64 %p1, [%s], 0;
  @!%p1 bra AGAIN;
)";
}

TEST_F(Matrices, BoxesAreSwizzledAndZeroBeyondTheTensor) {
  auto values = wholeNumbers(12 * 64);
  DeviceArray<uint16_t> in(values), out(16 * 64);
  TensorMap map = mapOf(in, 12, 64, 16);
  // Row 3 of the tensor comes first; the last seven of the 16 rows lie beyond.
  run(loadBoxes({{0, 3, 1024}}, 2048) + R"(
  shl.b32 %r1, %t, 4;
  add.s32 %r2, %r1, %s;
  ld.shared.v4.b32 {%r4, %r5, %r6, %r7}, [%r2+1024];
  cvt.u64.u32 %d0, %r1;
  add.s64 %d0, %d0, %out;
  st.global.v4.b32 [%d0], {%r4, %r5, %r6, %r7};
)",
      in.address(), out.address(), 128, 4096, &map);
  for (size_t row = 0; row < 16; ++row)
    for (size_t column = 0; column < 64; ++column) {
      const size_t chunk = (column / 8) ^ (row % 8); // sixteen bytes are one chunk
      EXPECT_EQ(out[row * 64 + chunk * 8 + column % 8], row < 9 ? values[(row + 3) * 64 + column] : 0)
          << row << ", " << column;
    }
}

/// `rows` rows of sums of a warpgroup: registers %r100.. of 64 x n.
void expectProduct(const DeviceArray<float> &out, int n, auto expected) {
  for (int thread = 0; thread < 128; ++thread)
    for (int i = 0; i < n / 2; ++i) {
      const int row = thread / 32 * 16 + thread % 32 / 4 + (i / 2 % 2) * 8,
                column = i / 4 * 8 + 2 * (thread % 4) + i % 2;
      ASSERT_EQ(out[size_t(thread * (n / 2) + i)], expected(row, column)) << row << ", " << column;
    }
}

std::string registers(int first, int count) {
  std::string text = "{";
  for (int i = 0; i < count; ++i)
    text += (i ? ", %r" : "%r") + std::to_string(first + i);
  return text + "}";
}

constexpr const char *descriptors = R"(
  add.s32 %r1, %s, 1024;
  shr.u32 %r1, %r1, 4;
  cvt.u64.u32 %d0, %r1;
  or.b64 %d0, %d0, 0x4000004000010000; // 1,024 bytes between groups of eight rows, swizzled in 128 bytes
  add.s64 %d1, %d0, 512;               // the box that follows, 8,192 bytes on
  wgmma.fence.sync.aligned;
)";

TEST_F(Matrices, AWarpgroupMultipliesTwoMatricesOfSharedMemory) {
  auto values = wholeNumbers(128 * 64); // rows 0 to 63 are A, the others B transposed
  DeviceArray<uint16_t> in(values);
  DeviceArray<float> out(128 * 32);
  TensorMap map = mapOf(in, 128, 64, 64);
  std::string body = loadBoxes({{0, 0, 1024}, {0, 64, 9216}}, 8192) + descriptors;
  for (int k = 0; k < 4; ++k)
    body += "  wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " + registers(100, 32) + ", %d0, %d1, " +
            (k ? "1" : "0") + ", 1, 1, 0, 0;\n  add.s64 %d0, %d0, 2;\n  add.s64 %d1, %d1, 2;\n";
  body += "  wgmma.commit_group.sync.aligned;\n  wgmma.wait_group.sync.aligned 0;\n";
  run(body + storeFloats(100, 32), in.address(), out.address(), 128, 20480, &map);
  expectProduct(out, 64, [&](int row, int column) {
    float sum = 0;
    for (int k = 0; k < 64; ++k)
      sum += valueOf(values[size_t(row * 64 + k)]) * valueOf(values[size_t((64 + column) * 64 + k)]);
    return sum;
  });
}

TEST_F(Matrices, AWarpgroupMultipliesRegistersByATurnedMatrix) {
  auto values = wholeNumbers(64 * 64); // rows 0 to 15 are B, depth by column
  DeviceArray<uint16_t> in(values);
  DeviceArray<float> out(128 * 32);
  TensorMap map = mapOf(in, 64, 64, 64);
  // A[row][k] = k for all rows: the pair of columns 2 (lane % 4) and one more, as bfloat16.
  std::string body = loadBoxes({{0, 0, 1024}}, 8192) + R"(
  and.b32 %r2, %lane, 3;
  shl.b32 %r2, %r2, 1;
  cvt.rn.f32.u32 %r3, %r2;
  add.f32 %r4, %r3, 0f3F800000;
  cvt.rn.bf16x2.f32 %r5, %r4, %r3;
  add.f32 %r3, %r3, 0f41000000;
  add.f32 %r4, %r4, 0f41000000;
  cvt.rn.bf16x2.f32 %r6, %r4, %r3;
)" + descriptors + "  wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " +
                     registers(100, 32) +
                     ", {%r5, %r5, %r6, %r6}, %d0, 0, 1, 1, 1;\n  wgmma.commit_group.sync.aligned;\n"
                     "  wgmma.wait_group.sync.aligned 0;\n";
  run(body + storeFloats(100, 32), in.address(), out.address(), 128, 20480, &map);
  expectProduct(out, 64, [&](int, int column) {
    float sum = 0;
    for (int k = 0; k < 16; ++k)
      sum += float(k) * valueOf(values[size_t(k * 64 + column)]);
    return sum;
  });
}

TEST_F(Matrices, SumsThatAreReadBeforeTheyAreWaitedForAreNoNumbers) {
  auto values = wholeNumbers(128 * 64);
  DeviceArray<uint16_t> in(values);
  DeviceArray<float> out(128 * 32);
  TensorMap map = mapOf(in, 128, 64, 64);
  run(loadBoxes({{0, 0, 1024}, {0, 64, 9216}}, 8192) + descriptors +
          "  wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " + registers(100, 32) +
          ", %d0, %d1, 0, 1, 1, 0, 0;\n  wgmma.commit_group.sync.aligned;\n" + storeFloats(100, 32) +
          "  wgmma.wait_group.sync.aligned 0;\n",
      in.address(), out.address(), 128, 20480, &map);
  for (size_t i = 0; i < out.size(); ++i)
    EXPECT_TRUE(std::isnan(out[i]));
}

TEST_F(Matrices, WhatWgmmaReadsMustHaveBeenFencedByItsWriters) {
  const std::string write = R"(
  mov.b32 %r10, 0;
  shl.b32 %r2, %t, 4;
  add.s32 %r2, %r2, %s;
  st.shared.v4.b32 [%r2+1024], {%r10, %r10, %r10, %r10};
  st.shared.v4.b32 [%r2+3072], {%r10, %r10, %r10, %r10};
  st.shared.v4.b32 [%r2+5120], {%r10, %r10, %r10, %r10};
  st.shared.v4.b32 [%r2+7168], {%r10, %r10, %r10, %r10};
)";
  const std::string multiply = std::string("  bar.sync 0;\n") + descriptors +
                               "  wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " + registers(100, 32) +
                               ", %d0, %d0, 0, 1, 1, 0, 0;\n  wgmma.commit_group.sync.aligned;\n"
                               "  wgmma.wait_group.sync.aligned 0;\n";
  EXPECT_EQ(faultOf(write + "  fence.proxy.async.shared::cta;\n" + multiply, 0, 0, 128, 20480), "");
  expectSays(faultOf(write + multiply, 0, 0, 128, 20480), {"wgmma.mma_async", "no fence.proxy.async followed"});
}

} // namespace
} // namespace caa::ptx
