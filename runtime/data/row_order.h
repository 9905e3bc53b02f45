// A shuffled order of rows that is never stored: position p of epoch e is a permutation's value, computed.
//
// A Feistel network of four rounds over the smallest even number of bits that holds n, walked until the value is below
// n (Black and Rogaway 2002, section 3), is a permutation of [0, n) for every seed and epoch. A run's place in the data
// is then one number, and a resumed run meets exactly the rows that it had not seen.
#pragma once

#include <cstdint>

namespace caa {

class RowOrder {
public:
  /// `rows` > 0.
  RowOrder(uint64_t rows, uint64_t seed);
  /// The row at `position` = epoch * rows + index.
  uint64_t at(uint64_t position) const;
  uint64_t rows() const { return rows_; }

private:
  uint64_t rows_, seed_;
  int halfBits_;
};

} // namespace caa
