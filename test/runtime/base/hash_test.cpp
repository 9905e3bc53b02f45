// Published test vectors: FIPS 180-2 for SHA-256, the XXH64 specification's for XXH64.
#include "runtime/base/hash.h"

#include <gtest/gtest.h>

namespace caa {
namespace {

TEST(Hash, Sha256AgreesWithTheStandardsVectors) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 million;
  for (int i = 0; i < 1000; ++i)
    million.update(std::string(1000, 'a').data(), 1000);
  EXPECT_EQ(million.finish(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Hash, Xxh64AgreesWithItsVectorsInOnePieceOrMany) {
  EXPECT_EQ(hex64(xxh64("")), "ef46db3751d8e999");
  EXPECT_EQ(hex64(xxh64("abc")), "44bc2cf5ad770999");
  Xxh64 pieces;
  pieces.update("a", 1);
  pieces.update("bc", 2);
  EXPECT_EQ(pieces.finish(), xxh64("abc"));
}

} // namespace
} // namespace caa
