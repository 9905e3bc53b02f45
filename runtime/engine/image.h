// A compiled model as data: the tables of a .so, read from the file and never executed.
//
// `Image::open` checks the seal (a hash over every byte of the file) and then every bound, index, offset and text in
// every table, so whoever holds an Image need not check again. What depends on batch and length is checked when a run
// is planned (executor.h). The contract is runtime/abi/caa_abi.h.
#pragma once

#include "runtime/abi/caa_abi.h"
#include "runtime/base/files.h"

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace caa {

class Image {
public:
  /// Errors name the file and what is wrong with it.
  static Result<Image> open(const Path &path);

  const caa_header &header() const { return *reinterpret_cast<const caa_header *>(bytes_->data()); }
  std::string_view text(caa_text text) const {
    return {reinterpret_cast<const char *>(bytes_->data()) + text.offset, text.size};
  }
  std::span<const caa_term> terms() const { return records<caa_term>(header().terms); }
  std::span<const caa_parameter> parameters() const { return records<caa_parameter>(header().parameters); }
  std::span<const caa_buffer> buffers() const { return records<caa_buffer>(header().buffers); }
  std::span<const caa_kernel> kernels() const { return records<caa_kernel>(header().kernels); }
  std::span<const caa_operand> operands() const { return records<caa_operand>(header().operands); }
  std::span<const caa_command> commands() const { return records<caa_command>(header().commands); }
  std::span<const caa_entry> entries() const { return records<caa_entry>(header().entries); }
  std::span<const caa_value> values() const { return records<caa_value>(header().values); }
  std::span<const caa_loss> losses() const { return records<caa_loss>(header().losses); }
  std::span<const caa_report> reports() const { return records<caa_report>(header().reports); }
  std::span<const caa_module> modules() const { return records<caa_module>(header().modules); }

  std::span<const caa_tensor_map> tensorMaps() const { return records<caa_tensor_map>(header().tensor_maps); }

  bool hasTarget(caa_target target) const { return (header().targets & target) != 0; }
  const caa_entry *findEntry(caa_target target, std::string_view name) const;
  std::span<const caa_value> valuesOf(const caa_entry &entry) const;
  std::span<const caa_buffer> buffersOf(const caa_entry &entry) const;
  std::string_view modelName() const { return text(header().model_name); }

  /// The whole image, 64-byte aligned; what buffers of kind CONSTANT lie in.
  std::span<const std::byte> bytes() const { return {bytes_->data(), bytes_->size()}; }
  const Path &path() const { return path_; }
  /// SHA-256 of the file as sealed: identifies the .so.
  const std::string &seal() const { return seal_; }
  /// Where the image lies once loaded, from the library's first byte.
  uint64_t address() const { return address_; }

  /// "caa.so: error: <what>", an input error.
  Error error(std::string_view what) const;

private:
  /// 64-byte aligned bytes.
  class Bytes {
  public:
    explicit Bytes(std::span<const std::byte> source);
    const std::byte *data() const { return data_; }
    size_t size() const { return size_; }

  private:
    std::unique_ptr<std::byte[]> storage_;
    std::byte *data_;
    size_t size_;
  };
  template <typename T> std::span<const T> records(const caa_table &table) const {
    return {reinterpret_cast<const T *>(bytes_->data() + table.offset), table.count};
  }

  Path path_;
  std::string seal_;
  uint64_t address_ = 0;
  std::shared_ptr<const Bytes> bytes_;
};

/// Bytes of one element. `dtype` is a caa_dtype.
int64_t byteSizeOf(uint32_t dtype);
/// "f32", "i32", ...
std::string_view nameOfDtype(uint32_t dtype);
/// "cpu", "sm_80", "sm_90a". `target` is a caa_target.
std::string_view nameOfTarget(uint32_t target);

} // namespace caa
