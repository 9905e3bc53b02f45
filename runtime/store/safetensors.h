// Named tensors in files: the safetensors format (an 8-byte header length, a JSON header, the bytes; little-endian).
//
// Source: the format's public description (huggingface/safetensors, README). Files are mapped, checked whole on open
// (what a header claims must cover the file exactly, no gap, no overlap) and never trusted after that.
#pragma once

#include "runtime/base/files.h"
#include "runtime/store/dtype.h"

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace caa {

using Shape = std::vector<int64_t>;

/// Product of the dimensions; 1 for a scalar.
int64_t elementCount(const Shape &shape);
/// "[2, 3]".
std::string toString(const Shape &shape);

/// A tensor whose bytes (row-major, little-endian, perhaps unaligned) belong to someone else.
struct TensorView {
  std::string name;
  DType dtype = DType::F32;
  Shape shape;
  std::span<const std::byte> bytes;

  int64_t elements() const { return elementCount(shape); }
};

/// A float32 tensor over `values`, which must outlive it.
TensorView viewOf(std::string name, Shape shape, std::span<const float> values);
TensorView viewOf(std::string name, Shape shape, std::span<const int32_t> values);

/// The tensors of one file, or of the shards that a `*.safetensors.index.json` lists. Copies share the mapping.
class TensorFile {
public:
  /// `path` may be a .safetensors file, an index, or a folder that holds `model.safetensors` or its index.
  static Result<TensorFile> open(const Path &path);

  /// In the order of their bytes in the file.
  const std::vector<TensorView> &tensors() const { return tensors_; }
  /// Null if there is none of that name.
  const TensorView *find(std::string_view name) const;
  /// The header's `__metadata__`.
  const std::map<std::string, std::string> &metadata() const { return metadata_; }
  const Path &path() const { return path_; }

private:
  Status addFile(const Path &path);
  Status addIndex(const Path &path);

  Path path_;
  std::vector<MappedFile> files_;
  std::vector<TensorView> tensors_;
  std::unordered_map<std::string, size_t> byName_;
  std::map<std::string, std::string> metadata_;
};

/// Converts F32, BF16, F16 (exactly) and F64 (to nearest). `out` holds `tensor.elements()` values.
Status copyAsFloat32(const TensorView &tensor, std::span<float> out);
Result<std::vector<float>> toFloat32(const TensorView &tensor);
/// Converts integers of any width; values that do not fit are errors.
Result<std::vector<int32_t>> toInt32(const TensorView &tensor);

/// Writes the tensors in the given order, whole or not at all.
Status writeSafetensors(const Path &path, std::span<const TensorView> tensors,
                        const std::map<std::string, std::string> &metadata = {});

} // namespace caa
