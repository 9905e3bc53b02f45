// Initialisation and loading by name.
#include "runtime/train/parameters.h"

#include "runtime/base/files.h"
#include "test/runtime/temporary_folder.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

namespace caa {
namespace {

class Parameters : public testing::Test {
protected:
  Image image = *Image::open(CAA_SAMPLE_SO);
  TemporaryFolder folder;
  Threads threads{2};
};

TEST_F(Parameters, AreInitialisedByNameAndSeed) {
  auto first = *ParameterArena::allocate(image), again = *ParameterArena::allocate(image),
       other = *ParameterArena::allocate(image);
  Threads one(1);
  initialise(image, first, 3, threads);
  initialise(image, again, 3, one);
  initialise(image, other, 4, threads);
  EXPECT_EQ(std::memcmp(first.values().data(), again.values().data(), first.values().size_bytes()), 0);
  EXPECT_NE(std::memcmp(first.values().data(), other.values().data(), first.values().size_bytes()), 0);
  double square = 0;
  for (float value : first.of(image.parameters()[2])) // normal(0.5)
    square += value * value;
  EXPECT_NEAR(std::sqrt(square / 192), 0.5, 0.12);
  for (float value : first.of(image.parameters()[1]))
    EXPECT_LE(std::abs(value), 0.9f);
}

TEST_F(Parameters, AreReadBackFromTheirFile) {
  auto values = *ParameterArena::allocate(image), read = *ParameterArena::allocate(image);
  initialise(image, values, 1, threads);
  ASSERT_TRUE(writeSafetensors(folder / "m.safetensors", values.views(image)));
  ASSERT_TRUE(loadParameters(image, read, *TensorFile::open(folder / "m.safetensors")));
  EXPECT_EQ(std::memcmp(values.values().data(), read.values().data(), values.values().size_bytes()), 0);
}

TEST_F(Parameters, AllThatDoesNotFitIsListed) {
  auto values = *ParameterArena::allocate(image);
  initialise(image, values, 1, threads);
  auto views = values.views(image);
  views[0].name = "tabel";
  views[1].shape = {64};
  views.push_back(viewOf("other.weight", {8}, values.values().first(8)));
  ASSERT_TRUE(writeSafetensors(folder / "m.safetensors", views));
  auto status = loadParameters(image, values, *TensorFile::open(folder / "m.safetensors"));
  ASSERT_FALSE(status);
  for (const char *text : {"m.safetensors", "missing: table", "wrong shape: first.weight is [64], the model's [8, 8]",
                           "not in the model: tabel", "not in the model: other.weight"})
    EXPECT_NE(status.error().message.find(text), std::string::npos) << status.error().message;
}

TEST_F(Parameters, AHeadThatIsTheTableAndTablesOfSinesAreNoFault) {
  auto values = *ParameterArena::allocate(image);
  initialise(image, values, 1, threads);
  auto views = values.views(image);
  views.push_back(viewOf("lm_head.weight", shapeOf(image.parameters()[0]), values.of(image.parameters()[0])));
  views.push_back(viewOf("model.layers.0.self_attn.rotary_emb.inv_freq", {4}, values.values().first(4)));
  ASSERT_TRUE(writeSafetensors(folder / "m.safetensors", views));
  EXPECT_TRUE(loadParameters(image, values, *TensorFile::open(folder / "m.safetensors")));
}

} // namespace
} // namespace caa
