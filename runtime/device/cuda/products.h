// Matrix products on the GPU by cuBLASLt: row-major, float32 or bf16 operands, sums in float32.
//
// An algorithm is chosen once for each shape: the fastest of the library's own proposals, measured on first use; with
// `deterministic` the library's first proposal, so that the choice (and every bit) is the same in each run.
#pragma once

#include "runtime/device/cuda/device.h"

#include <compare>
#include <cstdint>
#include <map>
#include <memory>

namespace caa::cuda {

/// What an algorithm depends on. D = alpha op(A) op(B) + beta C: op(A) is [m, k], op(B) [k, n], C and D [m, n] with row
/// stride ldc. Types are caa_dtype (CAA_F32, CAA_BF16); strides in elements.
struct ProductShape {
  int64_t m = 0, n = 0, k = 0, lda = 0, ldb = 0, ldc = 0;
  uint32_t aType = 0, bType = 0, cType = 0;
  bool transposeA = false, transposeB = false;
  bool adds = false;                           // beta is not 0
  uint32_t alignA = 16, alignB = 16, alignC = 16; // bytes, of the addresses
  auto operator<=>(const ProductShape &) const = default;
};

struct DeviceProduct {
  ProductShape shape;
  float alpha = 1, beta = 0;
  CUdeviceptr a = 0, b = 0, c = 0, d = 0;
};

class Products {
public:
  static Result<std::unique_ptr<Products>> create(const Device &device, bool deterministic);
  ~Products();
  Products(const Products &) = delete;

  /// Chooses an algorithm for the shape, unless it has one. Measures on the product's own A, B and C, but writes to
  /// memory of its own. Not while the stream is being captured. `where` names the product in errors.
  Status prepare(const DeviceProduct &product, CUstream stream, std::string_view where);
  /// Queues a product whose shape has been prepared.
  Status run(const DeviceProduct &product, CUstream stream, std::string_view where);

  /// Floating-point operations a second of a bf16 product of 8192^3, measured now.
  Result<double> measurePeak(CUstream stream);

private:
  struct Choice;
  Products(const Device &device, const CublasLt &library, bool deterministic);
  int call(const Choice &choice, const cublasLtMatmulHeuristicResult_t &algorithm, const DeviceProduct &product,
           CUstream stream) const;
  Result<double> time(const Choice &choice, const cublasLtMatmulHeuristicResult_t &algorithm,
                      const DeviceProduct &product, CUstream stream, int runs) const;

  const Device &device_;
  const CublasLtTable &api_;
  const bool deterministic_;
  cublasLtHandle_t handle_ = nullptr;
  DeviceMemory workspace_;
  std::map<ProductShape, std::unique_ptr<Choice>> choices_;
};

} // namespace caa::cuda
