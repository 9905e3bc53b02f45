// Safetensors: what is written is read, and every kind of damage is refused with the file's and the tensor's name.
// Agreement with the public library is tested in test/e2e/safetensors_test.py.
#include "runtime/store/safetensors.h"

#include "test/runtime/temporary_folder.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

namespace caa {
namespace {

std::string withHeader(const std::string &header, size_t dataBytes) {
  uint64_t size = header.size();
  return std::string(reinterpret_cast<const char *>(&size), 8) + header + std::string(dataBytes, '\1');
}

class Safetensors : public testing::Test {
protected:
  std::string errorOf(const std::string &bytes) {
    EXPECT_TRUE(writeFile(folder / "w.safetensors", bytes));
    auto file = TensorFile::open(folder / "w.safetensors");
    if (file)
      return "";
    EXPECT_EQ(file.error().kind, Error::Kind::Input);
    EXPECT_NE(file.error().message.find("w.safetensors"), std::string::npos) << file.error().message;
    return file.error().message;
  }
  void expectRefused(const std::string &header, size_t dataBytes, const std::string &because) {
    auto message = errorOf(withHeader(header, dataBytes));
    EXPECT_NE(message.find(because), std::string::npos) << "got: " << message << "\nfor: " << header;
  }
  TemporaryFolder folder;
};

TEST_F(Safetensors, TensorsComeBackInOrderWithShapeTypeAndMetadata) {
  std::vector<float> weights{1.5f, -0.0f, INFINITY, 1e-45f, 3, 4};
  std::vector<int32_t> ids{-1, 2147483647};
  std::vector<float> scalar{7}, none;
  std::vector<TensorView> tensors{viewOf("z.weight", {2, 3}, std::span<const float>(weights)),
                                  viewOf("a\"quoted\" ü", {2}, std::span<const int32_t>(ids)),
                                  viewOf("empty", {0, 4}, std::span<const float>(none)),
                                  viewOf("scalar", {}, std::span<const float>(scalar))};
  ASSERT_TRUE(writeSafetensors(folder / "a.safetensors", tensors, {{"step", "12"}, {"format", "pt"}}));
  auto file = TensorFile::open(folder / "a.safetensors");
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->tensors().size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(file->tensors()[i].name, tensors[i].name);
    EXPECT_EQ(file->tensors()[i].dtype, tensors[i].dtype);
    EXPECT_EQ(file->tensors()[i].shape, tensors[i].shape);
    EXPECT_TRUE(std::ranges::equal(file->tensors()[i].bytes, tensors[i].bytes));
  }
  EXPECT_EQ(file->metadata().at("step"), "12");
  EXPECT_EQ(file->find("scalar")->elements(), 1);
  EXPECT_EQ(file->find("nothing"), nullptr);
  EXPECT_EQ(*toInt32(*file->find("a\"quoted\" ü")), ids);
}

TEST_F(Safetensors, HalfAndBfloat16AreConvertedExactly) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    int exponent = int(bits >> 10 & 31), fraction = int(bits & 1023);
    double expected = exponent == 31 ? (fraction ? NAN : INFINITY)
                      : exponent     ? std::ldexp(1024 + fraction, exponent - 25)
                                     : std::ldexp(fraction, -24);
    expected = bits >> 15 ? -expected : expected;
    float got = halfToFloat(uint16_t(bits));
    ASSERT_EQ(std::isnan(got), std::isnan(expected)) << bits;
    ASSERT_TRUE(std::isnan(got) || (double(got) == expected && std::signbit(got) == std::signbit(expected))) << bits;
    float wide = bfloat16ToFloat(uint16_t(bits));
    if (!std::isnan(wide)) {
      ASSERT_EQ(floatToBfloat16(wide), bits);
    }
  }
  EXPECT_EQ(floatToBfloat16(1.00390625f), 0x3f80); // a tie goes to even
  EXPECT_EQ(floatToBfloat16(1.01171875f), 0x3f82);
  std::vector<uint16_t> halves{0x3c00, 0xc000};
  TensorView view{"h", DType::F16, {2}, std::as_bytes(std::span(halves))};
  EXPECT_EQ(*toFloat32(view), (std::vector<float>{1, -2}));
}

TEST_F(Safetensors, DamageIsRefusedByName) {
  EXPECT_NE(errorOf("abc").find("too few"), std::string::npos);
  EXPECT_NE(errorOf(std::string(8, '\xff')).find("header would take"), std::string::npos);
  EXPECT_NE(errorOf(withHeader(R"({"a")", 0)).find("JSON"), std::string::npos);
  expectRefused("[]", 0, "not an object");
  expectRefused(R"({"a": 3})", 0, "tensor `a`");
  expectRefused(R"({"a": {"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", 4, "unknown dtype `F31`");
  expectRefused(R"({"a": {"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "`-1`");
  expectRefused(R"({"a": {"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4, "tensor `a`");
  expectRefused(R"({"a": {"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0, "too many");
  expectRefused(R"({"a": {"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "takes 8 bytes");
  expectRefused(R"({"a": {"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8, "tensor `a`");
  expectRefused(R"({"a": {"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 7, "tensor `a`: cut short");
  expectRefused(R"({"a": {"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 9, "1 bytes at the end");
  expectRefused(R"({"a": {"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12, "belong to no tensor");
  expectRefused(
      R"({"a": {"dtype":"U8","shape":[6],"data_offsets":[0,6]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
      8, "tensor `b`: its bytes 4 to 8 overlap");
  expectRefused(R"({"__metadata__": {"a": 1}})", 0, "__metadata__");
}

TEST_F(Safetensors, EveryTruncationOfAGoodFileIsRefused) {
  std::vector<float> values(10, 1);
  std::vector<TensorView> tensors{viewOf("one", {4}, std::span<const float>(values).first(4)),
                                  viewOf("two", {2, 3}, std::span<const float>(values).first(6))};
  ASSERT_TRUE(writeSafetensors(folder / "good.safetensors", tensors));
  std::string good = *readFile(folder / "good.safetensors");
  for (size_t length = 0; length < good.size(); ++length)
    ASSERT_NE(errorOf(good.substr(0, length)), "") << length;
}

TEST_F(Safetensors, ShardsAreReadThroughTheIndex) {
  std::vector<float> values{1, 2, 3};
  auto view = [&](std::string name) {
    return std::vector{viewOf(std::move(name), {3}, std::span<const float>(values))};
  };
  ASSERT_TRUE(writeSafetensors(folder / "model-1.safetensors", view("a")));
  ASSERT_TRUE(writeSafetensors(folder / "model-2.safetensors", view("b")));
  auto index = folder / "model.safetensors.index.json";
  ASSERT_TRUE(writeFile(index, R"({"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}})"));
  auto file = TensorFile::open(folder.path());
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(*toFloat32(*file->find("b")), values);

  ASSERT_TRUE(writeFile(index, R"({"weight_map":{"a":"model-1.safetensors","c":"model-2.safetensors"}})"));
  file = TensorFile::open(index);
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().message.find("tensor `c`"), std::string::npos) << file.error().message;
  ASSERT_TRUE(writeFile(index, R"({"weight_map":{"a":"../model-1.safetensors"}})"));
  EXPECT_FALSE(TensorFile::open(index));
}

TEST_F(Safetensors, IntegersThatDoNotFitAreErrors) {
  std::vector<int64_t> wide{5, int64_t(1) << 31};
  TensorView view{"tokens", DType::I64, {2}, std::as_bytes(std::span(wide))};
  auto ids = toInt32(view);
  ASSERT_FALSE(ids);
  EXPECT_NE(ids.error().message.find("tokens"), std::string::npos);
  EXPECT_FALSE(toFloat32(view));
}

} // namespace
} // namespace caa
